"""``/api/live`` and ``/api/NAME/live``: everything that comes ahead of the upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Request as SiteRequest

from camd.cameras.camera import Camera
from camd.rights import TO_SEE
from camd.web.access.access import holder_of
from camd.web.answers import (
    body_for,
    json_answer,
    not_allowed,
    printable,
    text_answer,
)
from camd.web.channel import RETRY_AFTER
from camd.web.client import Proxies
from camd.web.live.channel import LiveChannel

if TYPE_CHECKING:
    from twisted.web.websocket import WebSocketResource

    from camd.web.live.session import Session


class LiveResource(Resource):
    """A WebSocket for all cameras, or for one.

    :param only: the camera that it is for; None for all.
    """

    opened_by = TO_SEE
    isLeaf = True

    def __init__(
        self, channel: LiveChannel, proxies: Proxies, only: Camera | None = None
    ) -> None:
        super().__init__()
        self._channel = channel
        self._proxies = proxies
        self._only = only
        self._upgrade: WebSocketResource | None = None

    def render(self, request: Request) -> bytes | int:
        """Upgrade the connection, or answer why not."""
        if request.method == b"OPTIONS" or request.method not in (b"GET", b"HEAD"):
            return not_allowed(request)
        if not _wants_upgrade(request):
            return self._refuse(request, 426, "this is a WebSocket: see docs/live.md")
        if not _origin_may(request):
            return self._refuse(request, 403, "this page's origin may not connect here")
        refusal = self._refusal(self._proxies.client(request))
        if refusal is not None:
            request.setHeader(b"Retry-After", b"%d" % RETRY_AFTER)
            return self._refuse(request, 503, refusal)
        # Twisted's own cannot refuse anybody, so it is asked last.
        if self._upgrade is None:
            # Loaded for the first viewer of the channel, if there ever is one.
            from twisted.web.websocket import WebSocketResource

            self._upgrade = WebSocketResource(self)
        answer: bytes | int = self._upgrade.render_GET(cast(SiteRequest, request))
        return answer

    def _refusal(self, address: str) -> str | None:
        """Return why nothing at all could be watched; None where something can."""
        cameras = [self._only] if self._only else self._channel.cameras.values()
        first: str | None = None
        for camera in cameras:
            refusal = self._channel.refusal(camera, address)
            if refusal is None:
                return None
            first = first or refusal
        return first

    def _refuse(self, request: Request, code: int, line: str) -> bytes:
        if code == 403:
            return body_for(request, json_answer(request, {"error": line}, 403))
        body = body_for(request, text_answer(request, line, code))
        if code == 426:
            request.setResponseCode(426, b"Upgrade Required")
            request.setHeader(b"Upgrade", b"websocket")
        return body

    def buildProtocol(self, request: Request) -> Session:
        """Make the protocol for a connection that is let in."""
        # Not before there is one: it takes 0.2 MB with what it needs.
        from camd.web.live.session import Session

        return Session(
            self._channel,
            request,
            self._proxies.client(request),
            printable(request.getHeader(b"User-Agent")),
            holder_of(request),
            self._only,
        )


def _wants_upgrade(request: Request) -> bool:
    upgrade = request.getHeader(b"Upgrade") or b""
    return request.method == b"GET" and b"websocket" in upgrade.lower()


def _origin_may(request: Request) -> bool:
    """Return whether the page that asks is camd's own, or of a site that may.

    Browsers send cookies along to whoever a page connects to, and let it read what
    comes (cross-site WebSocket hijacking): CORS does not hold here. What is no browser
    sends no ``Origin``.
    """
    origin = request.getHeader(b"Origin")
    if origin is None:
        return True
    # The site has compared it with ``cors_origins`` already.
    if request.responseHeaders.hasHeader(b"Access-Control-Allow-Origin"):
        return True
    try:
        page = urlsplit(origin.decode("ascii"))
        host = urlsplit("//" + (request.getHeader(b"Host") or b"").decode("ascii"))
        usual = {"http": 80, "https": 443}.get(page.scheme)
        port = host.port or usual
        return usual is not None and (page.hostname, page.port or usual) == (
            host.hostname,
            port,
        )
    except ValueError:
        return False
