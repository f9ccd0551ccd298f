"""The site around the tree of resources: one door, one access log."""

from __future__ import annotations

from collections.abc import Collection

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.http import Request
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request as SiteRequest
from twisted.web.server import Site

from camd.rights import NO_RIGHT, Right
from camd.web import page
from camd.web.access.access import Access
from camd.web.access.attempts import WINDOW, Attempts
from camd.web.access.session import Session
from camd.web.answers import (
    RESOURCE_POLICY,
    SECURITY_HEADERS,
    Answer,
    body_for,
    html_answer,
    json_answer,
    printable,
)
from camd.web.channel import REQUEST_TIME, Connections
from camd.web.client import NO_PROXIES, Proxies
from camd.web.cors import Methods, Origins, is_preflight
from camd.web.request import CamdRequest

MADE_TO_BE_EMBEDDED = {b"signature", b"api_key"}
"""Arguments of addresses that were made for an ``<img>``, in whatever page that is."""

ALIASES = {b"snapshot.jpg": b"snapshot", b"stream.mjpg": b"stream"}
"""Last parts of addresses for programs that insist on an ending, and what they mean."""

OPEN_PATH = b"/healthz"
"""What answers without a key: it tells no more than that the daemon is alive."""

PAGE_FOLDER = b"/page/"
"""What the page is made of; somebody without a key needs it to sign in."""

MOST_CONNECTIONS = 800
"""Connections at once, until it is known how many descriptors there are: of 1024."""


class CamdSite(Site):
    """The door: no request reaches a resource without a key.

    :ivar connections: how many there are, and may be.
    :param access: knows who may come in.
    :param proxies: those that are believed about the client's address.
    :param origins: the sites whose pages may read what is answered.
    :param base: the path that a proxy leaves in front, such as ``/cam``; it may be left
        out. Empty for none.
    :param resource_policy: which sites' pages may show what is answered, where the
        address itself does not say that it is for all.
    """

    requestFactory: type[SiteRequest] = CamdRequest
    # Twisted would log that it starts and stops the factory.
    noisy = False

    def __init__(
        self,
        root: Resource,
        access: Access,
        clock: IReactorTime,
        proxies: Proxies = NO_PROXIES,
        origins: Collection[str] = (),
        base: str = "",
        resource_policy: str = "same-origin",
    ) -> None:
        super().__init__(root, reactor=clock, timeout=REQUEST_TIME)
        self.connections = Connections(MOST_CONNECTIONS, clock)
        self.protocol = self.connections.protocol  # type: ignore
        self._access = access
        self._attempts = Attempts(clock)
        self.change(root, proxies, origins, base, resource_policy)

    def change(
        self,
        root: Resource,
        proxies: Proxies,
        origins: Collection[str],
        base: str,
        resource_policy: str,
        connections: int = MOST_CONNECTIONS,
    ) -> None:
        """Answer by these from now on; what is being answered is not touched."""
        self.resource = root
        self.connections.most = connections
        self._proxies = proxies
        self._origins = Origins(origins)
        self._open = (OPEN_PATH, base.encode() + OPEN_PATH)
        self._open_folders = (PAGE_FOLDER, base.encode() + PAGE_FOLDER)
        self._base = base.encode().split(b"/")[1:]
        self._base_path = base
        self._resource_policy = resource_policy.encode()

    def startFactory(self) -> None:
        """Begin to look after connections."""
        super().startFactory()
        self.connections.start()

    def stopFactory(self) -> None:
        """Look after connections no more."""
        self.connections.stop()
        super().stopFactory()

    def _updateLogDateTime(self) -> None:
        """Do nothing: camd's access log needs no such time.

        Twisted makes one each second, for which the process would wake up.
        """

    def getResourceFor(self, request: CamdRequest) -> IResource:
        """Return what answers, which the request's body may have needed already."""
        if request.found is None:
            request.found = self._resource_for(request)
        return request.found

    def _resource_for(self, request: CamdRequest) -> IResource:
        """Find the resource, behind the check of the key."""
        for name, value in SECURITY_HEADERS:
            request.setHeader(name, value)
        request.setHeader(RESOURCE_POLICY, self._resource_policy)
        self._leave_out_base(request)
        self._origins.mark(request)
        if is_preflight(request):
            return Methods()
        if request.path in self._open or request.path.startswith(self._open_folders):
            return self._found(request)
        request.postpath = _canonical(request.postpath or [])
        return self._behind_the_door(request)

    def _behind_the_door(self, request: CamdRequest) -> IResource:
        path = b"/" + b"/".join(request.postpath or [])
        examined = self._access.examine(request, path)
        if examined.wrong:
            client = self._proxies.client(request)
            refused = self._attempts.refused(client)
            if not refused:
                self._attempts.failed(client, examined.wrong)
            elif examined.principal is None:
                return TooMany()
        if examined.principal is None:
            return Unauthorized("; ".join(examined.refusals), self._base_path)
        request.principal = examined.principal
        if examined.session is not None:
            self._renew(request, examined.session)
        if request.method == b"OPTIONS":
            return Methods()
        if examined.session is None and MADE_TO_BE_EMBEDDED & request.args.keys():
            request.setHeader(RESOURCE_POLICY, b"cross-origin")
        found = self._found(request)
        # What forgets to say what opens it stays closed.
        opened_by: frozenset[Right] = getattr(found, "opened_by", NO_RIGHT)
        return found if opened_by & request.principal.rights else Forbidden(request)

    def _renew(self, request: CamdRequest, session: Session) -> None:
        """Have a browser that stays keep its session."""
        renewed = self._access.sessions.renewed(session)
        if renewed is not None:
            secure = self._proxies.secured(request)
            path = self._base_path or "/"
            self._access.sessions.send(request, renewed, path, secure)

    def _found(self, request: SiteRequest) -> IResource:
        found: IResource = super().getResourceFor(request)
        return found

    def _leave_out_base(self, request: SiteRequest) -> None:
        path, depth = request.postpath or [], len(self._base)
        if depth and path[:depth] == self._base:
            request.postpath = path[depth:] or [b""]

    def log(self, request: Request) -> None:
        """Write the line for the access log; a stream has its own when it ends."""
        log_access(self._proxies.client(request), request)

    def acceptableProtocols(self) -> list[bytes]:
        """Offer HTTP/1.1 only: on HTTP/2 a viewer has no socket of its own."""
        return [b"http/1.1"]


def _canonical(path: list[bytes]) -> list[bytes]:
    """Return the parts of a path without what people and programs add to it.

    ``//stream`` and ``/stream/`` mean ``/stream``. Some programs take an address for a
    picture by its end alone: ``snapshot.jpg``, ``stream.mjpg``.
    """
    *parents, last = [part for part in path if part] or [b""]
    return [*parents, ALIASES.get(last, last)]


class Unauthorized(Answer):
    """401: a form that asks people for a key, and for programs a line.

    :param why: what is wrong with what came along; empty where nothing did.
    :param base: what stands ahead of every path in the form.
    """

    turns_away = True

    def __init__(self, why: str, base: str = "") -> None:
        super().__init__()
        self._why = why
        self._base = base

    def render(self, request: Request) -> bytes:
        """Answer every method the same."""
        return body_for(request, self.answer(request))

    def answer(self, request: Request) -> bytes:
        """Ask for a key."""
        # ffmpeg, and so OpenCV, sends the password in an address only when "Basic" is
        # asked for. Browsers open a prompt on it, which nobody can close for good.
        accept = request.getHeader(b"Accept") or b""
        for_people = b"text/html" in accept
        quiet = for_people or accept.startswith((b"image/", b"application/json"))
        scheme = b"Bearer" if quiet else b"Basic"
        request.setHeader(b"WWW-Authenticate", scheme + b' realm="camd"')
        if for_people:
            html = page.sign_in(self._base, self._why)
            return html_answer(request, html, 401, policy=page.policy())
        return json_answer(request, {"error": self._why or "a key is needed"}, 401)


class TooMany(Answer):
    """429: too many wrong keys came from there."""

    turns_away = True

    def render(self, request: Request) -> bytes:
        """Answer every method the same."""
        request.setHeader(b"Retry-After", b"%d" % WINDOW)
        error = {"error": "too many wrong keys; try again in a minute"}
        body = body_for(request, json_answer(request, error, 429))
        # Twisted knows no word for it (RFC 6585).
        request.setResponseCode(429, b"Too Many Requests")
        return body


class Forbidden(Answer):
    """403: the sender is known, and may not."""

    turns_away = True

    def __init__(self, request: CamdRequest) -> None:
        super().__init__()
        self._rights = sorted(right.value for right in request.principal.rights)

    def render(self, request: Request) -> bytes:
        """Answer every method the same."""
        error = f"this key is for {' and '.join(self._rights) or 'nothing'} only"
        return body_for(request, json_answer(request, {"error": error}, 403))


_POLLED = (
    b"/frame",
    b"/push",
    b"/stream/stats",
    b"/api/cameras",
    b"/metrics",
    b"/healthz",
    b"/readyz",
)
"""What pages, cameras and monitors ask for again and again: 24 MB of lines a day for
one page with two cameras (measured), which nobody reads."""

_answered, _refused = Logger("camd.access"), Logger("camd.refused")


def log_access(address: str, request: Request) -> None:
    """Write the line for the access log, of what was answered and what was not apart.

    Neither the query nor the referring page is in it: both may carry a key.

    :param address: the client's; empty for one without.
    """
    log = _answered if request.code < 400 else _refused
    is_polled = request.code < 400 and request.path.endswith(_POLLED)
    (log.debug if is_polled else log.info)(
        '{address} "{method} {path} {protocol}" {status} {size} "{user_agent}"',
        address=address or "-",
        method=printable(request.method),
        path=printable(request.path),
        protocol=printable(request.clientproto),
        status=request.code,
        size=request.sentLength,
        user_agent=printable(request.getHeader(b"User-Agent")),
    )
