"""Pictures with words on them: drawn whole, at any size, or read from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from camd.config.settings import CameraSettings
from camd.formats.jpeg import Size, measure
from camd.sources.drawing.placeholder import draw
from camd.sources.factory import local_path, make_placeholder

LINES = ("robot", "no signal since 14:02:11", "unplugged; trying again in 4 s")


@pytest.mark.parametrize("size", [(16, 16), (160, 120), (640, 480), (1920, 1080)])
def test_any_size(size: tuple[int, int]) -> None:
    """It has the size that is asked for, with something light on a dark ground."""
    picture = draw(LINES, *size)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.min() < 90
    assert picture.max() > 150


def test_each_line_stands_by_itself() -> None:
    """Three lines of text are three rows of letters with dark rows between them."""
    light = draw(LINES, 640, 480).max(axis=(1, 2)) > 150
    begins = np.flatnonzero(light[1:] & ~light[:-1])
    assert len(begins) == len(LINES)


def test_letters_keep_within_the_picture() -> None:
    """A long line is made smaller, so that both of its edges stay dark."""
    picture = draw(("a" * 120, *LINES), 640, 480)
    assert picture[:, :8].max() < 100
    assert picture[:, -8:].max() < 100


def test_other_words_are_another_picture() -> None:
    """What it says can be seen."""
    others = (*LINES[:2], "unplugged; trying again in 3 s")
    assert not np.array_equal(draw(LINES, 640, 480), draw(others, 640, 480))


def test_a_jpeg_of_it() -> None:
    """It is a whole JPEG of the size that is asked for."""
    jpeg = make_placeholder(CameraSettings(name="robot"), LINES, 320, 240)
    assert measure(jpeg) == Size(320, 240)


def test_the_users_own(tmp_path: Path) -> None:
    """A file is given as it is now."""
    path = tmp_path / "off.jpg"
    path.write_bytes(b"whatever it is by now")
    settings = CameraSettings(name="robot", offline_picture=str(path))
    assert make_placeholder(settings, LINES, 320, 240) == b"whatever it is by now"


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("pattern", None),
        ("0", "/dev/video0"),
        ("/dev/v4l/by-id/usb-cam", "/dev/v4l/by-id/usb-cam"),
        ("rtsp://cam/1", None),
        ("films/bikes.mp4", "films/bikes.mp4"),
    ],
)
def test_local_path(source: str, path: str | None) -> None:
    """Devices and files have a path, by name or number; the rest has none."""
    assert local_path(source) == path
