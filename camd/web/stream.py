"""``/api/NAME/stream``: the endless stream of pictures."""

from __future__ import annotations

import math
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from camd.cameras.camera import Camera
from camd.capture.health import TROUBLE
from camd.delivery.outlet import outlet_for
from camd.delivery.viewer import Viewer
from camd.formats.multipart import RESPONSE_HEADERS, form_for
from camd.formats.rendition import Rendition
from camd.rights import TO_SEE
from camd.web.access.access import holder_of
from camd.web.answers import (
    Missing,
    body_for,
    not_allowed,
    printable,
    text_answer,
)
from camd.web.busy import BusyAnswer
from camd.web.client import NO_PROXIES, Proxies
from camd.web.limits import Refusal
from camd.web.rendition import BadQuery, wanted_fps, wanted_rendition
from camd.web.request import argument


class StreamResource(Resource):
    """``/api/NAME/stream``: every frame from now on; ``stats`` stands below it."""

    opened_by = TO_SEE
    _log = Logger()

    def __init__(
        self,
        camera: Camera,
        proxies: Proxies = NO_PROXIES,
        refusal: Refusal = lambda camera, address: None,
    ) -> None:
        super().__init__()
        self._camera = camera
        self._proxies = proxies
        self._refusal = refusal
        self._busy = BusyAnswer(camera)

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Answer for what is not there."""
        return Missing("no such page")

    def render(self, request: Request) -> bytes | int:
        """Begin a stream, or answer HEAD with the headers that it would have."""
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed(request)
        refusal = self._refusal(self._camera, self._proxies.client(request))
        if refusal is not None:
            return self._busy.render(request, refusal)
        if self._camera.closed:
            return body_for(request, unavailable(request, self._camera))
        try:
            wanted = wanted_rendition(request, self._camera), wanted_fps(request)
        except BadQuery as error:
            return body_for(request, text_answer(request, str(error), 400))
        for name, value in RESPONSE_HEADERS:
            request.setHeader(name, value)
        request.setHeader(b"X-Clock", b"%.6f" % self._camera.time())
        if request.method == b"HEAD":
            return b""
        self._begin(request, *wanted)
        return NOT_DONE_YET

    def _begin(self, request: Request, rendition: Rendition | None, fps: float) -> None:
        """Let the viewer in. It waits for the first frame, however long that takes."""
        form = form_for(request.getHeader(b"Accept"), argument(request, b"wire"))
        gone = request.notifyFinish()
        channel: Any = request.channel
        channel.has_viewer = True
        viewer = self._camera.add_viewer(
            outlet_for(request, form, self._camera.settings.tcp_congestion),
            self._proxies.client(request),
            printable(request.getHeader(b"User-Agent")),
            holder_of(request),
            rendition,
            fps,
        )
        gone.addBoth(self._departed, viewer)
        gone.addErrback(lambda f: self._log.failure("A viewer could not be removed", f))

    def _departed(self, outcome: Failure | None, viewer: Viewer) -> None:
        lost = isinstance(outcome, Failure) and not outcome.check(ConnectionDone)
        self._camera.remove_viewer(viewer, "connection lost" if lost else None)


def unavailable(request: Request, camera: Camera) -> bytes:
    """Answer 503, with the time after which to try again; return the body."""
    set_state(request, camera)
    seconds = math.ceil(camera.retry_in)
    request.setHeader(b"Retry-After", b"%d" % max(1, seconds))
    state = camera.state
    why = f"the camera is {state.value}" if state in TROUBLE else "no picture yet"
    return text_answer(request, f"{why}; try again", 503)


def set_state(request: Request, camera: Camera) -> None:
    """Tell in ``X-Camera-State`` what the camera does."""
    request.setHeader(b"X-Camera-State", camera.state.value.encode())
