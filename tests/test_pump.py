"""A live camera's newest picture is handed on, however seldom it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import pytest

from camd.sources import Shot, SourceError
from camd.sources.pump import Pump
from tests.fake_camera import PATIENCE, FakeCapture, FakeTime, LiveCapture


@pytest.fixture
def time() -> FakeTime:
    """A clock that goes on with the camera's pictures."""
    return FakeTime()


class Pumped:
    """A pump on a live camera, and a thread of its own that reads it."""

    def __init__(self, camera: LiveCapture) -> None:
        self.camera = camera
        self.pump = Pump(camera, camera.time.clock, "cam")
        self._thread = ThreadPoolExecutor(1)

    def read(self) -> Shot:
        """Read, with the camera going on until a picture was taken for the reader."""
        before = self.camera.retrieved
        reading = self._thread.submit(self.pump.read)
        while self.camera.retrieved == before:
            self.camera.send()
        return reading.result(PATIENCE)

    def stop(self) -> None:
        """End both threads."""
        self.camera.unplug()
        self.pump.release()
        self._thread.shutdown()


@pytest.fixture
def pumped(time: FakeTime) -> Iterator[Pumped]:
    """A camera of 30 fps in whose buffers four old pictures wait."""
    both = Pumped(LiveCapture(time, fps=30, waiting=4))
    yield both
    both.stop()


# Of 30 pictures in a second, 15 reads leave out one at a time, and 3 reads nine.
@pytest.mark.parametrize("unread", [0, 1, 9, 99])
def test_newest(pumped: Pumped, unread: int) -> None:
    """Every read gives the camera's last picture, whatever went by unread."""
    for _ in range(3):
        for _ in range(unread):
            pumped.camera.send()
        content = pumped.read().content
        assert not isinstance(content, bytes)
        assert content[0, 0, 0] == pumped.camera.sent % 256


@pytest.mark.parametrize("unread", [0, 1, 9, 99])
def test_stamped_on_arrival(pumped: Pumped, unread: int) -> None:
    """A picture is stamped with the time when it came from the camera."""
    for _ in range(unread):
        pumped.camera.send()
    assert pumped.read().captured == pumped.camera.time.now


def test_every_picture_once(time: FakeTime) -> None:
    """Two reads never give the same picture."""
    capture = FakeCapture(time)
    pump = Pump(capture, time.clock, "cam")
    stamps = [pump.read().captured for _ in range(20)]
    pump.release()
    assert stamps == sorted(set(stamps))


def test_decodes_only_what_is_asked_for(pumped: Pumped) -> None:
    """Pictures that nobody wants are taken, but not made into pixels."""
    for _ in range(5):
        pumped.camera.send()
    assert pumped.camera.retrieved == 0
    pumped.read()
    assert pumped.camera.retrieved == 1


def test_unplugged(time: FakeTime) -> None:
    """A grab that fails at once says that the camera may have gone; so it stays."""
    capture = FakeCapture(time)
    capture.plugged = False
    pump = Pump(capture, time.clock, "cam")
    for _ in range(2):
        with pytest.raises(SourceError, match="cam: it gives no pictures any more"):
            pump.read()


def test_unplugged_while_a_reader_waits(time: FakeTime) -> None:
    """A reader that waits is told when the camera goes."""
    pumped = Pumped(LiveCapture(time))
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(pumped.pump.read)
        pumped.camera.unplug()
        with pytest.raises(SourceError, match="no pictures any more"):
            reading.result(PATIENCE)
    pumped.stop()


def test_silent(time: FakeTime) -> None:
    """A grab that fails after a while says how long it waited."""
    capture = FakeCapture(time)
    capture.plugged = False
    capture.grabbing = 5
    with pytest.raises(SourceError, match="cam: no picture came within 5 s"):
        Pump(capture, time.clock, "cam").read()


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (False, "cam: a picture cannot be decoded"),
        (cv2.error("bad"), "cam: a picture cannot be decoded"),
        (MemoryError("full"), r"cam: MemoryError\('full'\)"),
    ],
)
def test_trouble_is_told(time: FakeTime, failure: bool | Exception, words: str) -> None:
    """Whatever goes wrong in the pump's thread comes to the reader as one error."""
    capture = FakeCapture(time)
    capture.decodes = failure
    with pytest.raises(SourceError, match=words):
        Pump(capture, time.clock, "cam").read()


def test_a_failed_camera_is_let_go(time: FakeTime) -> None:
    """After trouble the capture is released, once, even if release is called too."""
    capture = FakeCapture(time)
    capture.plugged = False
    pump = Pump(capture, time.clock, "cam")
    pump.release()
    assert capture.released == 1


def test_reading_after_the_end(time: FakeTime) -> None:
    """A pump that was let go gives an error and keeps nobody waiting."""
    pump = Pump(FakeCapture(time), time.clock, "cam")
    pump.release()
    with pytest.raises(SourceError, match="cam is not open"):
        pump.read()
