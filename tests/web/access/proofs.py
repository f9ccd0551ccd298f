"""What the tests of access share: a wall clock, and requests that bring proofs."""

from __future__ import annotations

import base64

from twisted.web.http import Request
from twisted.web.test.requesthelper import DummyChannel

from camd.web.access.session import COOKIE

NOW = 1_800_000_000.0
"""The time at which a :class:`Wall` begins, in Unix seconds."""

KEYS = {"phone": "a-long-random-text", "hallway": "another:one=="}
"""The keys of these tests, by name."""


class Wall:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def asking(
    *headers: tuple[str, str], cookie: bytes | None = None, **args: list[bytes]
) -> Request:
    """A request that comes with these."""
    request = Request(DummyChannel(), False)
    for name, value in headers:
        request.requestHeaders.addRawHeader(name, value)
    if cookie is not None:
        request.received_cookies[COOKIE] = cookie
    request.args = {name.encode(): values for name, values in args.items()}
    return request


def basic(text: str | bytes) -> tuple[str, str]:
    """The header of HTTP Basic for user:password."""
    raw = text.encode() if isinstance(text, str) else text
    return ("Authorization", "Basic " + base64.b64encode(raw).decode())
