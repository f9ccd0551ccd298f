"""What a capture tells is believed only where it makes sense."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from camd.sources import SourceError
from camd.sources.opencv import given_by, retrieve
from tests.fake_camera import FakeCapture, FakeTime


@pytest.fixture
def capture() -> FakeCapture:
    """A camera of 64x48 that has given one picture."""
    camera = FakeCapture(FakeTime())
    camera.grab()
    return camera


@pytest.mark.parametrize("told", [0, -1, float("nan"), float("inf"), 90_000])
def test_impossible_rate(capture: FakeCapture, told: float) -> None:
    """A rate that cannot be is None."""
    capture.told[cv2.CAP_PROP_FPS] = told
    assert given_by(capture).fps is None


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0x47504A4D, "MJPG"),
        (0x34363268, "h264"),
        (0x20363159, "Y16"),
        (0, "unknown"),
        (-1, "unknown"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
        (2.0**40, "unknown"),
        (0x010203FF, "unknown"),
    ],
)
def test_format(capture: FakeCapture, code: float, text: str) -> None:
    """The format is four letters, or says that it is not known."""
    capture.told[cv2.CAP_PROP_FOURCC] = code
    assert given_by(capture).format == text


def test_picture(capture: FakeCapture) -> None:
    """A picture comes as pixels of one byte for each of three colours."""
    picture = retrieve(capture, "cam")
    assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)


@pytest.mark.parametrize("failure", [False, cv2.error("bad")])
def test_undecodable(capture: FakeCapture, failure: bool | Exception) -> None:
    """A picture that does not decode is an error that names the camera."""
    capture.decodes = failure
    with pytest.raises(SourceError, match="cam: a picture cannot be decoded"):
        retrieve(capture, "cam")
