"""Devices and addresses are opened as they need it, and let go."""

from __future__ import annotations

import cv2
import pytest

from camd.sources import SourceError
from camd.sources.live import Live, address, device
from tests.fake_camera import FakeCapture, FakeOpener, FakeTime


@pytest.fixture
def time() -> FakeTime:
    """A clock that stands still."""
    return FakeTime()


def ended(time: FakeTime, fps: float = 30) -> FakeCapture:
    """A camera that opens and then gives nothing, so that no thread lives on."""
    capture = FakeCapture(time, fps)
    capture.plugged = False
    return capture


def test_reopening_lets_go_first(time: FakeTime) -> None:
    """The old capture is released before a new one is made, or the name is taken."""
    capture = ended(time)
    released: list[int] = []

    def connect() -> FakeCapture:
        released.append(capture.released)
        return capture

    source = Live("cam", connect, time.clock)
    source.open()
    source.open()
    assert released == [0, 1]


def test_closed(time: FakeTime) -> None:
    """Closed twice is released once, and a closed camera gives nothing."""
    capture = FakeCapture(time)
    source = Live("cam", lambda: capture, time.clock)
    source.open()
    source.close()
    source.close()
    assert capture.released == 1
    with pytest.raises(SourceError, match="cam is not open"):
        source.read()


def test_picture(time: FakeTime) -> None:
    """An open camera gives pictures."""
    capture = FakeCapture(time)
    source = Live("cam", lambda: capture, time.clock)
    source.open()
    shot = source.read()
    source.close()
    assert not isinstance(shot.content, bytes)
    assert shot.content.shape == (48, 64, 3)


def test_device_is_asked_in_one_list(time: FakeTime) -> None:
    """Format, size and rate stand in the parameters."""
    opener = FakeOpener(ended(time))
    device("/dev/video3", 800, 600, 24.6, clock=time.clock, opener=opener).open()
    wishes = {
        cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG"),
        cv2.CAP_PROP_FRAME_WIDTH: 800,
        cv2.CAP_PROP_FRAME_HEIGHT: 600,
        cv2.CAP_PROP_FPS: 25,
    }
    assert opener.calls == [("/dev/video3", cv2.CAP_V4L2, wishes)]


def test_device_by_number(time: FakeTime) -> None:
    """A number is that of the device node."""
    opener = FakeOpener(ended(time))
    device("2", 640, 480, 30, clock=time.clock, opener=opener).open()
    assert opener.calls[0][0] == "/dev/video2"


def test_device_tells_what_it_gives(time: FakeTime) -> None:
    """What the camera gives is read back, not what it was asked for."""
    opener = FakeOpener(ended(time, fps=12.5))
    given = device("0", 640, 480, 30, clock=time.clock, opener=opener).open()
    assert (given.resolution, given.fps, given.format) == ("64x48", 12.5, "YUYV")


def test_device_that_takes_no_wishes(time: FakeTime) -> None:
    """A device that refuses the list is opened as it is."""
    picky = FakeCapture(time)
    picky.opened = False
    opener = FakeOpener(picky, ended(time))
    device("0", 640, 480, 30, clock=time.clock, opener=opener).open()
    assert opener.calls[1][2] == {}
    assert picky.released == 1


def test_device_that_does_not_open(time: FakeTime) -> None:
    """The error names the device and the reason, and nothing is left open."""
    capture = FakeCapture(time)
    capture.opened = False
    source = device(
        "0",
        640,
        480,
        30,
        clock=time.clock,
        opener=FakeOpener(capture),
        why=lambda path: f"no {path}",
    )
    with pytest.raises(SourceError, match=r"^/dev/video0: no /dev/video0$"):
        source.open()
    assert capture.released == 2


def test_address_is_not_waited_for_too_long(time: FakeTime) -> None:
    """FFmpeg is told how long it may take to connect and to read."""
    opener = FakeOpener(ended(time))
    address("rtsp://cam/1", clock=time.clock, opener=opener).open()
    limits = {
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: 5000,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC: 5000,
    }
    assert opener.calls == [("rtsp://cam/1", cv2.CAP_FFMPEG, limits)]


@pytest.mark.parametrize("moment", ["open", "read"])
def test_address_hides_its_password(time: FakeTime, moment: str) -> None:
    """No error shows the password that stands in an address."""
    capture = FakeCapture(time)
    capture.opened = moment != "open"
    capture.plugged = False
    source = address(
        "rtsp://me:hush@cam/1",
        clock=time.clock,
        opener=FakeOpener(capture),
        why=lambda _: "silence",
    )
    with pytest.raises(SourceError, match=r"rtsp://me:\*\*\*@cam/1: ") as caught:
        source.open()
        source.read()
    assert "hush" not in str(caught.value)
