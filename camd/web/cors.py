"""Pages of other sites: which of them may read what camd answers (Fetch standard).

An ``<img>`` needs none of this; a script that reads the stats or the parts of a stream
does. A key is needed all the same.
"""

from __future__ import annotations

from collections.abc import Collection

from twisted.web.http import Request

from camd.web.answers import Answer

READABLE = (
    b"X-Timestamp, X-Frame, X-Frame-Age, X-Camera-State, X-Rendition, X-Clock,"
    b" ETag, Retry-After"
)
"""Headers of an answer that a script may see beside the few it always may."""

SENDABLE = b"X-API-Key, Authorization, If-None-Match"
"""Headers that a script may send: two that carry a key, and the ETag that it has."""

REMEMBER = b"600"
"""Seconds that a browser need not ask again; Chromium takes no more than 7200."""


class Origins:
    """The sites whose pages may read.

    :param allowed: origins such as ``https://robot.example``; ``*`` for all of them.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self._all = "*" in allowed
        self._allowed = frozenset(origin.encode() for origin in allowed)

    def mark(self, request: Request) -> None:
        """Set the headers by which a browser lets its page read the answer."""
        origin = request.getHeader(b"Origin")
        if not self._allowed:
            return
        if not self._all:
            # For caches: another page gets another answer.
            request.responseHeaders.addRawHeader(b"Vary", b"Origin")
        if origin is not None and (self._all or origin in self._allowed):
            shown = b"*" if self._all else origin
            request.setHeader(b"Access-Control-Allow-Origin", shown)
            request.setHeader(b"Access-Control-Expose-Headers", READABLE)


def is_preflight(request: Request) -> bool:
    """Return whether a browser asks, ahead of a request, if it may be made."""
    return (
        request.method == b"OPTIONS"
        and request.getHeader(b"Origin") is not None
        and request.getHeader(b"Access-Control-Request-Method") is not None
    )


class Methods(Answer):
    """The answer to OPTIONS: which methods and headers are accepted."""

    def render(self, request: Request) -> bytes:
        """Answer without a key: browsers send none ahead of a request."""
        request.setResponseCode(204)
        request.setHeader(b"Allow", b"GET, HEAD, OPTIONS")
        if request.responseHeaders.hasHeader(b"Access-Control-Allow-Origin"):
            request.setHeader(b"Access-Control-Allow-Methods", b"GET, HEAD")
            request.setHeader(b"Access-Control-Allow-Headers", SENDABLE)
            request.setHeader(b"Access-Control-Max-Age", REMEMBER)
        return b""
