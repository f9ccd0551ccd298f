"""Smaller JPEGs are the same picture, of the size and quality that was asked for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from camd.formats.jpeg import Size, measure, quality
from camd.formats.rendition import Rendition
from camd.sources import EncodeError
from camd.sources.scaler import scale
from tests.jpegs import exif


def picture(width: int, height: int) -> bytes:
    """A JPEG that is red on the left, and blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = (0, 0, 200)
    pixels[:, width // 2 :] = (200, 0, 0)
    return bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


@pytest.mark.parametrize(
    "text", ["1@40", "3/4@60", "1/2@60", "1/3@60", "1/4@90", "1/8@50"]
)
@pytest.mark.parametrize(("width", "height"), [(640, 480), (641, 479)])
def test_scaled(text: str, width: int, height: int) -> None:
    """It has the size that it should have, give or take a pixel, and its quality."""
    rendition = Rendition.parse(text)
    ((jpeg, size),) = scale(picture(width, height), [rendition])
    expected = rendition.size_of(Size(width, height))
    assert abs(size.width - expected.width) <= 1
    assert abs(size.height - expected.height) <= 1
    assert measure(jpeg) == size
    assert quality(jpeg) == rendition.quality
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    left, right = pixels[size.height // 2, 2], pixels[size.height // 2, -3]
    assert left[2] > 150 > left[0]
    assert right[0] > 150 > right[2]


def test_all_of_one_picture() -> None:
    """They come in the order in which they were asked for, each of its own size."""
    wanted = [Rendition.parse(text) for text in ("1/4@50", "1/2@60", "1/8@50")]
    made = scale(picture(640, 480), wanted)
    assert [size for _, size in made] == [Size(160, 120), Size(320, 240), Size(80, 60)]


@pytest.mark.parametrize("text", ["1@80", "1/2@80", "1/8@80"])
def test_no_size_is_nothing(text: str) -> None:
    """Of a picture of one pixel a pixel is left."""
    ((_, size),) = scale(picture(1, 1), [Rendition.parse(text)])
    assert size == Size(1, 1)


def test_turned_as_its_camera_says() -> None:
    """What a viewer would turn by the Exif data has been turned: there is none now."""
    ((_, size),) = scale(exif(picture(640, 480), 6), [Rendition.parse("1/2@60")])
    assert size == Size(240, 320)


def test_no_jpeg() -> None:
    """What cannot be decoded is one kind of error."""
    with pytest.raises(EncodeError):
        scale(b"\xff\xd8 no picture \xff\xd9", [Rendition.parse("1/2@60")])
    with pytest.raises(EncodeError):
        scale(b"", [Rendition.parse("1/2@60")])
