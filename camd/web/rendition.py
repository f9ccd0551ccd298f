"""What a request asks for: ``?width=``, ``?quality=``, ``?fps=`` and so on."""

from __future__ import annotations

from math import inf

from twisted.web.http import Request

from camd.cameras.camera import Camera
from camd.formats.rendition import Rendition
from camd.web.request import argument


class BadQuery(ValueError):
    """An argument of a query makes no sense; the text says which, and what would."""


def wanted_rendition(request: Request, camera: Camera) -> Rendition | None:
    """Return the rendition that suits ``width`` and ``quality``; None if the full one.

    The answer says in ``X-Rendition`` which it is.

    :raises BadQuery: one of them is no number, or out of range.
    """
    width = _number(request, "width", 1, 65535)
    quality = _number(request, "quality", 1, 100)
    rendition = camera.rendition_for(
        None if width is None else int(width), None if quality is None else int(quality)
    )
    request.setHeader(b"X-Rendition", str(rendition or "full").encode())
    return rendition


def wanted_fps(request: Request) -> float:
    """Return the most frames a second that ``fps`` asks for; 0 for all.

    :raises BadQuery: it is no number, or out of range.
    """
    return _number(request, "fps", 0.1, 240) or 0


def wanted_max_age(request: Request) -> float | None:
    """Return how many seconds old a picture may be by ``max_age``; None for any.

    :raises BadQuery: it is no number, or out of range.
    """
    return _number(request, "max_age", 0.0, 3600.0)


def wants_auto(request: Request) -> bool:
    """Return whether ``auto`` asks for what fits the link.

    :raises BadQuery: it is neither 0 nor 1.
    """
    return bool(_number(request, "auto", 0, 1))


def saves_data(request: Request) -> bool:
    """Return whether the client would rather have less (``Save-Data: on``)."""
    return (request.getHeader(b"Save-Data") or b"").strip().lower() == b"on"


def _number(request: Request, name: str, low: float, high: float) -> float | None:
    text = argument(request, name.encode())
    if text is None:
        return None
    kind = "a whole number" if isinstance(low, int) else "a number"
    try:
        number = int(text) if isinstance(low, int) else float(text)
    except ValueError:
        number = inf
    if not low <= number <= high:
        shown = ascii(text[:20].decode("ascii", "replace"))
        raise BadQuery(f"{name}: {shown} is not {kind} from {low:g} to {high:g}")
    return number
