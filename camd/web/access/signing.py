"""``POST /api/sign``: links made by a page or a script that has a key for it."""

from __future__ import annotations

from collections.abc import Collection

from twisted.web.http import Request
from twisted.web.resource import Resource

from camd.rights import TO_SIGN
from camd.web.access.access import Access, holder_of
from camd.web.access.links import duration, link_path
from camd.web.answers import json_answer, not_allowed
from camd.web.request import json_of


class SignResource(Resource):
    """Makes links.

    ``{"path": "robot/stream", "for": "1h"}`` is answered with
    ``{"url": …, "for": 3600}``.

    :param cameras: the names of those there are.
    :param base: what stands ahead of every path in the addresses that are told.
    """

    isLeaf = True
    opened_by = TO_SIGN

    def __init__(self, cameras: Collection[str], access: Access, base: str) -> None:
        super().__init__()
        self._cameras = cameras
        self._access = access
        self._base = base

    def render(self, request: Request) -> bytes:
        """Answer with the link, or with what is wrong with the request."""
        if request.method != b"POST":
            return not_allowed(request, "POST")
        try:
            path, seconds = self._asked_for(request)
        except ValueError as error:
            return json_answer(request, {"error": str(error)}, 400)
        # Not a holder of a link: those may only see. So this name is a key's.
        link = self._access.links.sign(holder_of(request).name, path, seconds)
        return json_answer(request, {"url": self._base + link, "for": seconds})

    def _asked_for(self, request: Request) -> tuple[str, int]:
        body = json_of(request)
        if not isinstance(body, dict) or not {"path", "for"} >= set(body) >= {"path"}:
            raise ValueError('expected {"path": "NAME/stream", "for": "1h"}')
        try:
            path, camera = link_path(str(body["path"]))
        except ValueError as error:
            raise ValueError(f"path: {error}") from None
        if camera not in self._cameras:
            raise ValueError("path: no such camera")
        try:
            return path, duration(str(body.get("for", "1h")))
        except ValueError as error:
            raise ValueError(f"for: {error}") from None
