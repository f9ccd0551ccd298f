"""``/embed/NAME``: one camera's picture for other people's pages, by a signed link.

The link opens the page alone. What the page loads is opened by links that are signed
for it on the way, and end with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.http import Request

from camd.cameras.camera import Camera
from camd.rights import TO_SEE
from camd.web import page
from camd.web.access.access import Access
from camd.web.answers import Answer, html_answer

WAYS = ("live", "frame", "stream")
"""In which a picture may come to that page."""

ANYBODY = ("*",)
"""Whose pages may frame it, where a link was signed for that."""


class EmbedResource(Answer):
    """The page of one camera.

    :param base: what stands ahead of every path in it.
    :param frame_ancestors: whose pages may frame it for people who have a key.
    """

    opened_by = TO_SEE

    def __init__(
        self,
        camera: Camera,
        access: Access,
        base: str,
        frame_ancestors: Sequence[str],
    ) -> None:
        super().__init__()
        self._camera = camera
        self._access = access
        self._base = base
        self._frame_ancestors = frame_ancestors

    def answer(self, request: Request) -> bytes:
        """Answer with the page."""
        name, label = self._camera.settings.name, self._camera.settings.label
        links = self._access.links
        link = links.link_of(request, f"/embed/{name}".encode())
        queries = {
            way: links.extended(link, f"/api/{name}/{way}") if link else ""
            for way in WAYS
        }
        html = page.embed(name, self._base, label, queries)
        ancestors = ANYBODY if link else self._frame_ancestors
        return html_answer(request, html, policy=page.policy(ancestors))
