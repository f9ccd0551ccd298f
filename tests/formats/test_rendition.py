"""Renditions: how they are written, how large they are, and which suits a viewer."""

from __future__ import annotations

from fractions import Fraction

import pytest

from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition, choose, smallest

VGA = Size(640, 480)
HALF, COARSE_HALF, QUARTER = map(Rendition.parse, ("1/2@60", "1/2@30", "1/4@50"))
LADDER = [HALF, COARSE_HALF, QUARTER]


@pytest.mark.parametrize("text", ["1/2@60", "1@1", "3/4@100", "1/16@7"])
def test_written_as_read(text: str) -> None:
    """A rendition's text is what it was made of."""
    assert str(Rendition.parse(text)) == text


def test_the_shortest_fraction_is_written() -> None:
    """Two texts for one share are one rendition."""
    assert Rendition.parse("2/4@60") == HALF
    assert Rendition(Fraction(1, 2), 60) == HALF


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1/2",
        "@60",
        "1/2@0",
        "1/2@101",
        "0/2@60",
        "3/2@60",
        "1/17@60",
        "1/2@60 ",
        "x",
    ],
)
def test_what_is_no_rendition(text: str) -> None:
    """Anything else is refused, by name."""
    with pytest.raises(ValueError, match="is no rendition"):
        Rendition.parse(text)


@pytest.mark.parametrize(
    ("full", "size"),
    [(VGA, Size(320, 240)), (Size(641, 479), Size(321, 240)), (Size(1, 1), Size(1, 1))],
)
def test_size(full: Size, size: Size) -> None:
    """A half is rounded up, as JPEG decoders do, and never nothing."""
    assert HALF.size_of(full) == size


@pytest.mark.parametrize(
    ("width", "quality", "expected"),
    [
        (None, None, None),
        (1, None, QUARTER),
        (160, None, QUARTER),
        (161, None, HALF),
        (320, None, HALF),
        (321, None, None),
        (640, None, None),
        (9999, None, None),
        (320, 40, COARSE_HALF),
        (320, 50, HALF),
        (320, 1, COARSE_HALF),
        (9999, 1, None),
        (None, 100, None),
        (None, 80, None),
        (None, 60, HALF),
        (None, 50, QUARTER),
        (None, 1, COARSE_HALF),
        # As near to one as to the other: the larger picture.
        (None, 55, HALF),
    ],
)
def test_choice(
    width: int | None, quality: int | None, expected: Rendition | None
) -> None:
    """The smallest that is wide enough, and of those the nearest in quality."""
    assert choose(LADDER, VGA, 80, width, quality) == expected


def test_the_smallest() -> None:
    """By size, and of one size by quality; the full picture is never smaller."""
    assert smallest(map(Rendition.parse, ("1/2@10", "1/4@50", "1/4@35"))) == (
        Rendition.parse("1/4@35")
    )
    assert smallest([None, Rendition.parse("1@90")]) == Rendition.parse("1@90")
    assert smallest([None]) is smallest([]) is None


def test_without_renditions() -> None:
    """Everybody gets the full picture."""
    assert choose([], VGA, 80, 1, 1) is None
