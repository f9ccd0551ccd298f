"""The encoder makes whole JPEGs of the quality it was made for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from camd.formats.jpeg import measure
from camd.sources import CameraMode, EncodeError, Image
from camd.sources.drawing.card import Card
from camd.sources.encoder import JpegEncoder
from camd.sources.factory import make_encoder


@pytest.fixture
def picture() -> Image:
    """A picture with edges, gradients and text."""
    return Card("robot", CameraMode(320, 240, 30, "BGR")).draw(1, 0.0)


def test_whole_jpeg(picture: Image) -> None:
    """The bytes are a whole JPEG of the picture's size."""
    jpeg = JpegEncoder(80).encode(picture)
    assert isinstance(jpeg, bytes)
    assert str(measure(jpeg)) == "320x240"


def test_shows_the_picture(picture: Image) -> None:
    """Decoded, it looks like the picture: more than 30 dB, which is hard to tell."""
    jpeg = np.frombuffer(JpegEncoder(90).encode(picture), np.uint8)
    assert cv2.PSNR(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), picture) > 30


def test_as_opencv_encodes(picture: Image) -> None:
    """The quality is the one that OpenCV is given."""
    bare = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    assert make_encoder(70).encode(picture) == bare.tobytes()


def test_quality_counts(picture: Image) -> None:
    """A lower quality makes fewer bytes."""
    low, high = (len(JpegEncoder(q).encode(picture)) for q in (20, 95))
    assert low < high


@pytest.mark.parametrize("shape", [(0, 0, 3), (10, 10, 7)])
def test_not_a_picture(shape: tuple[int, ...]) -> None:
    """What is no picture is an error of one line."""
    with pytest.raises(EncodeError) as caught:
        JpegEncoder(80).encode(np.zeros(shape, np.uint8))
    assert len(str(caught.value).splitlines()) == 1
