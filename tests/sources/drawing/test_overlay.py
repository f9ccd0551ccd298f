"""Text in pictures: which patterns there are, how they read, and if one can read it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.config.overlay import overlay_fault, overlay_text
from camd.sources import Image
from camd.sources.drawing.overlay import Overlay

MOMENT = 1_800_000_000.25


def plain(shade: int, width: int = 640, height: int = 480) -> Image:
    """A picture of one grey."""
    return np.full((height, width, 3), shade, np.uint8)


@pytest.mark.parametrize(
    "pattern", ["", "{camera}", "%H:%M:%S {camera}", "100 %%", "{{%Y}}", "%c %x %Z"]
)
def test_good_patterns(pattern: str) -> None:
    """Letters of strftime, the camera's name, and doubled braces are fine."""
    assert overlay_fault(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("%H:%Q", "has %Q, which strftime does not know"),
        ("50 %", "has %, which strftime does not know"),
        ("%%%", "has %, which strftime does not know"),
        ("a%nb", "has %n, which strftime does not know"),
        ("%-H", "has %-, which strftime does not know"),
        ("{camera", "has a brace without its other half; write {{ or }} for one alone"),
        ("}", "has a brace without its other half; write {{ or }} for one alone"),
        ("{name}", "has braces with something else than camera between them"),
        ("{}", "has braces with something else than camera between them"),
        ("{camera!r}", "has braces with something else than camera between them"),
        ("{camera:>99}", "has braces with something else than camera between them"),
        (
            "{camera.__class__}",
            "has braces with something else than camera between them",
        ),
        ("Tür", "has letters that are not printable ASCII"),
        ("a\nb", "has letters that are not printable ASCII"),
        ("x" * 101, "is longer than 100 letters"),
    ],
)
def test_bad_patterns(pattern: str, fault: str) -> None:
    """What would not come out as it was meant is refused, with the reason."""
    assert overlay_fault(pattern) == fault


def test_text() -> None:
    """Time of day and name stand where the pattern has them."""
    clock = time.strftime("%H:%M:%S", time.localtime(MOMENT))
    text = overlay_text("%H:%M:%S  {camera} {{%%}}", "door", MOMENT)
    assert text == f"{clock}  door {{%}}"


@settings(deadline=None)
@given(st.text(st.sampled_from("%{}camerHMSYQ: !.[]0-\né"), max_size=20) | st.text())
def test_any_pattern(pattern: str) -> None:
    """A pattern is either refused or makes printable ASCII, and never an exception."""
    if overlay_fault(pattern) is None:
        text = overlay_text(pattern, "robot", MOMENT)
        assert text.isascii()
        assert text.isprintable()


def luminance(shade: float) -> float:
    """The relative luminance of a grey, as WCAG 2.1 defines it."""
    part = shade / 255
    return part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4


@pytest.mark.parametrize("shade", [0, 64, 128, 200, 255])
def test_legible_on_any_background(shade: int) -> None:
    """The letters stand out from their band by more than 7 to 1, WCAG's best mark."""
    picture = plain(shade)
    Overlay(
        "{camera}",
        "HHH",
    ).write(picture, MOMENT)
    corner = picture[450:, :40]
    light, dark = luminance(float(corner.max())), luminance(float(corner.min()))
    assert (light + 0.05) / (dark + 0.05) > 7


@pytest.mark.parametrize("size", [(1920, 1080), (640, 480), (160, 120), (40, 16)])
def test_only_a_small_band(size: tuple[int, int]) -> None:
    """The band lies at the foot, and takes at most a tenth of the height, or 16 px."""
    picture = plain(128, *size)
    Overlay("%H:%M:%S {camera}", "robot").write(picture, MOMENT)
    touched = np.nonzero((picture != 128).any(axis=2).any(axis=1))[0]
    assert touched[-1] == size[1] - 1
    assert len(touched) <= max(16, size[1] // 10)
    assert np.array_equal(touched, np.arange(touched[0], size[1]))


@pytest.mark.parametrize("length", [30, 60, 90])
def test_long_text_is_made_to_fit(length: int) -> None:
    """A text that would be wider than the picture is written smaller, and whole."""
    picture = plain(128, 320, 240)
    Overlay("x" * length + "{camera}", "robot").write(picture, MOMENT)
    touched = np.nonzero((picture != 128).any(axis=2).any(axis=0))[0]
    assert 160 < touched[-1] < 319


def test_it_changes_with_the_second() -> None:
    """The text is that of the picture's moment, and the same within one second."""
    overlay = Overlay("%S", "robot")
    first, same, later = plain(0), plain(0), plain(0)
    overlay.write(first, MOMENT)
    overlay.write(same, MOMENT + 0.5)
    overlay.write(later, MOMENT + 1)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, later)


def test_sizes_may_change() -> None:
    """A camera that comes back with another size gets letters of another size."""
    overlay = Overlay("{camera}", "robot")
    overlay.write(plain(0, 640, 480), MOMENT)
    again, anew = plain(0, 320, 240), plain(0, 320, 240)
    overlay.write(again, MOMENT)
    Overlay("{camera}", "robot").write(anew, MOMENT)
    assert np.array_equal(again, anew)
