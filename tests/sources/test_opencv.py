"""What a capture tells is believed only where it makes sense."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from camd.sources import SourceError
from camd.sources.opencv import (
    DriverStamps,
    comes_within,
    given_by,
    retrieve,
    retrieve_jpeg,
)
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


def test_jpeg(capture: FakeCapture) -> None:
    """The camera's own bytes are given as they are, to the byte."""
    capture.buffer = b"\xff\xd8 whatever \xff\xd9\0\0"
    assert retrieve_jpeg(capture, "cam") == capture.buffer


def stamp(capture: FakeCapture, told: float) -> float:
    """When a picture was taken, by a driver that tells this, opened at 990 s."""
    capture.told[cv2.CAP_PROP_POS_MSEC] = told * 1000
    return DriverStamps(capture, 990).stamp(1000)


@pytest.mark.parametrize("told", [995.5, 999.999, 1000])
def test_driver_stamp(capture: FakeCapture, told: float) -> None:
    """The driver's own time is believed."""
    assert stamp(capture, told) == told


@pytest.mark.parametrize(
    "told", [0, -0.001, 994.9, 1000.035, 1_800_000_000, float("nan"), float("inf")]
)
def test_impossible_stamp(capture: FakeCapture, told: float) -> None:
    """What was stamped ahead of time, long ago or not at all, counts from arrival."""
    assert stamp(capture, told) == 1000


def test_stamp_older_than_the_opening(capture: FakeCapture) -> None:
    """No picture was taken before the device was opened."""
    capture.told[cv2.CAP_PROP_POS_MSEC] = 998_000
    assert DriverStamps(capture, 999).stamp(1000) == 1000


def test_stamp_that_stands_still(capture: FakeCapture) -> None:
    """A driver that stamps all pictures alike is believed once."""
    capture.told[cv2.CAP_PROP_POS_MSEC] = 999_000
    stamps = DriverStamps(capture, 990)
    assert [stamps.stamp(now) for now in (1000, 1001, 1002)] == [999, 1001, 1002]


def test_what_cannot_be_waited_for(capture: FakeCapture) -> None:
    """OpenCV is not asked whether a picture comes to what is no open V4L2 device."""
    assert comes_within(capture, 1)
    assert comes_within(cv2.VideoCapture(), 1)
