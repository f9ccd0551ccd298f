"""A frame is built once for each wire, and is the same object to all."""

from __future__ import annotations

import pytest

from camd.formats import multipart
from camd.formats.jpeg import Size
from camd.formats.multipart import Form
from camd.frame import WIRES, Frame, Wire
from tests.fakes import PLAIN, frame


@pytest.mark.parametrize("wire", WIRES.values())
def test_a_block_is_one_object(wire: Wire) -> None:
    """Whoever asks for a frame's block on a wire gets the very same bytes object."""
    one = frame()
    assert one.block(wire) is one.block(wire)


@pytest.mark.parametrize("form", Form)
def test_a_block_is_the_part_alone_in_http_1_0(form: Form) -> None:
    """Without chunk framing a block is what the wire format says, and no more."""
    one = frame(7, captured=1.5)
    expected = multipart.block(form, one.jpeg, 1e9 + 1.5, 7)
    assert one.block(WIRES[form, False]) == expected


@pytest.mark.parametrize("form", Form)
def test_a_block_is_one_chunk_in_http_1_1(form: Form) -> None:
    """With chunk framing, its length in hex stands before it and CRLF behind it."""
    one = frame()
    part = one.block(WIRES[form, False])
    chunk = f"{len(part):x}\r\n".encode() + part + b"\r\n"
    assert one.block(WIRES[form, True]) == chunk


def test_four_wires_give_four_blocks() -> None:
    """Each wire has a block of its own, and each is kept beside the others."""
    one = frame()
    blocks = [one.block(wire) for wire in WIRES.values()]
    assert len(set(blocks)) == 4
    assert [one.block(wire) for wire in WIRES.values()] == blocks


@pytest.mark.parametrize("form", Form)
def test_the_opening_is_never_a_chunk(form: Form) -> None:
    """The opening goes through Twisted, which adds the framing, so it has none."""
    openings = {WIRES[form, chunked].opening() for chunked in (False, True)}
    assert openings == {multipart.opening(form)}


@pytest.mark.parametrize(("number", "placeholder"), [(0, True), (1, False)])
def test_a_placeholder_says_so(number: int, placeholder: bool) -> None:
    """A frame that no camera took is a placeholder, and no other is."""
    assert frame(number).is_placeholder is placeholder


def test_two_frames_share_nothing() -> None:
    """A block belongs to its frame: the next frame's is another."""
    assert frame(1).block(PLAIN) != frame(2).block(PLAIN)


@pytest.mark.parametrize(
    ("number", "captured", "is_behind", "or_same"),
    [
        (6, 1.9, True, True),
        (7, 1.99, False, True),
        (8, 2.1, False, False),
        # It began again with 1, and a later one; a placeholder is behind nothing.
        (1, 3, False, False),
        (0, 1, False, False),
    ],
)
def test_behind(number: int, captured: float, is_behind: bool, or_same: bool) -> None:
    """What was taken before another one, or is the same."""
    frame = Frame(b"", number, captured, 100 + number, Size(1, 1))
    other = Frame(b"", 7, 2, 107, Size(1, 1))
    assert frame.is_behind(other) is is_behind
    assert frame.is_behind(other, or_same=True) is or_same


def test_behind_by_a_clock_that_has_stepped() -> None:
    """Of pictures of another camd the one before stays that, whatever is known."""
    stepped = Frame(b"", 6, 2.05, 106.95, Size(1, 1))
    assert stepped.is_behind(Frame(b"", 7, 2, 107, Size(1, 1)))
