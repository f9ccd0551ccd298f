"""``/api/session``: signing in and out, and what the key that came along may do.

The page sends the key once, as a header, and has a cookie for it from then on.
"""

from __future__ import annotations

from twisted.web.http import Request
from twisted.web.resource import Resource

from camd.rights import EVERY_RIGHT
from camd.web.access.access import Access, holder_of
from camd.web.access.session import COOKIE
from camd.web.answers import body_for, json_answer, not_allowed
from camd.web.client import Proxies
from camd.web.request import argument


class SessionResource(Resource):
    """``GET`` tells what is allowed, ``POST`` signs in, ``DELETE`` signs out.

    ``POST`` with ``?stay=1`` makes a cookie that outlives the browser.
    """

    isLeaf = True
    opened_by = EVERY_RIGHT

    def __init__(self, access: Access, proxies: Proxies, base: str) -> None:
        super().__init__()
        self._access = access
        self._proxies = proxies
        self._base = base

    def render(self, request: Request) -> bytes:
        """Answer with the name of the key and its rights, as JSON."""
        if request.method not in (b"GET", b"HEAD", b"POST", b"DELETE"):
            return not_allowed(request, "GET", "HEAD", "POST", "DELETE")
        if request.method == b"POST":
            stay = argument(request, b"stay") == b"1"
            base = self._base
            if not begin_session(request, self._access, self._proxies, base, stay):
                return json_answer(request, {"error": "only a key can sign in"}, 403)
        elif request.method == b"DELETE":
            path = self._base.encode() or b"/"
            request.addCookie(COOKIE, b"", path=path, max_age=b"0")
        principal = holder_of(request)
        answer = {
            "name": principal.name,
            "rights": sorted(right.value for right in principal.rights),
            "can_sign_out": request.getCookie(COOKIE) is not None,
        }
        return body_for(request, json_answer(request, answer))


def begin_session(
    request: Request, access: Access, proxies: Proxies, base: str, stay: bool = True
) -> bool:
    """Give the browser a cookie in place of the key that it has shown.

    :param stay: whether the cookie is to outlive the browser, and be renewed.
    :return: whether it has shown one.
    """
    principal = holder_of(request)
    if access.keys.named(principal.name) != principal:
        return False
    session = access.sessions.begin(principal.name, stay)
    secure = proxies.secured(request)
    access.sessions.send(request, session, base or "/", secure, stay)
    return True
