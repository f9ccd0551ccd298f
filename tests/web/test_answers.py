"""Small answers: their bodies, and what a client says made printable."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.web.answers import printable

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
