"""Small answers: their bodies, and what a client says made printable."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.web.test.requesthelper import DummyRequest

from camd.web.answers import not_allowed, printable

# The machine may be busy with other tests; how long one example takes says nothing.
unhurried = settings(deadline=None)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (None, ""),
        (b"", ""),
        (b"Mozilla/5.0 (X11; Linux)", "Mozilla/5.0 (X11; Linux)"),
        (b"a\tb\r\nc\x1b[31m\0\x7f", "a?b??c?[31m??"),
        ("Kamera/ü".encode(), "Kamera/??"),
    ],
)
def test_printable(header: bytes | None, text: str) -> None:
    """What no terminal should be sent is a question mark."""
    assert printable(header) == text


def test_printable_is_not_endless() -> None:
    """A long text is cut."""
    assert printable(b"x" * 5000) == "x" * 200


@unhurried
@given(st.binary())
def test_printable_is_one_line(header: bytes | None) -> None:
    """Whatever comes, the result is one line of printable ASCII."""
    text = printable(header)
    assert text == "" or (text.isascii() and text.isprintable())


@pytest.mark.parametrize(
    ("allowed", "allow", "error"),
    [
        ((), "GET, HEAD, OPTIONS", "only GET and HEAD"),
        (("POST",), "POST, OPTIONS", "only POST"),
        (("GET", "HEAD", "PUT"), "GET, HEAD, PUT, OPTIONS", "only GET, HEAD and PUT"),
    ],
)
def test_a_method_that_means_nothing(
    allowed: tuple[str, ...], allow: str, error: str
) -> None:
    """The answer names those that do, in a header and in words."""
    request = DummyRequest([])
    request.method = b"DELETE"
    body = not_allowed(request, *allowed)
    assert request.responseCode == 405
    assert request.responseHeaders.getRawHeaders("Allow") == [allow]
    assert json.loads(body) == {"error": error}
