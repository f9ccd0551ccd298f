"""``POST /api/qr``: a link as a picture that a phone's camera reads."""

from __future__ import annotations

import io

from twisted.web.http import Request
from twisted.web.resource import Resource

from camd.rights import TO_SIGN
from camd.web.answers import json_answer, not_allowed
from camd.web.request import json_of

LONGEST = 1000
"""Characters of a text: more make squares that no phone tells apart on a screen."""


class QrResource(Resource):
    """Answers ``{"text": "https://…"}`` with ``{"svg": "<svg …"}``, a QR code."""

    isLeaf = True
    opened_by = TO_SIGN

    def render(self, request: Request) -> bytes:
        """Answer with the picture, or with what is wrong with the text."""
        if request.method != b"POST":
            return not_allowed(request, "POST")
        try:
            body = json_of(request)
        except ValueError:
            body = None
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
            error = f'expected {{"text": "…"}}, up to {LONGEST} characters'
            return json_answer(request, {"error": error}, 400)
        return json_answer(request, {"svg": _svg(text)})


def _svg(text: str) -> str:
    """Return the QR code of a text, black on white whatever is behind it."""
    import segno  # Loaded for the first code, if there ever is one.

    svg, code = io.BytesIO(), segno.make_qr(text, error="m")
    code.save(svg, "svg", light="#fff", omitsize=True, xmldecl=False)
    return svg.getvalue().decode()
