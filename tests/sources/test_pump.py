"""A live camera's newest picture is handed on, however seldom it is asked for."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager, suppress

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from camd.sources import RawFrame, SourceError
from camd.sources.due import ANY, Due
from camd.sources.pump import LEAST_WAIT, Comes, Pump, ThreadedPump
from tests.fake_camera import PATIENCE, FakeCapture, FakeTime, LiveCapture
from tests.fakes import uncollected


@pytest.fixture
def time() -> FakeTime:
    """A clock that goes on with the camera's pictures."""
    return FakeTime()


class Pumped:
    """A pump on a live camera that sends when it is told to."""

    def __init__(self, camera: LiveCapture, comes: Comes | None = None) -> None:
        self.camera = camera
        self.pump = ThreadedPump(camera, camera.time.clock, "cam", comes=comes)

    def first(self, due: Due) -> None:
        """Have the reader take the first picture, for which none was due yet."""
        due.took(self.read(due).captured)

    @contextmanager
    def reading(self, due: Due) -> Iterator[Future[RawFrame]]:
        """Have the reader wait for what is due, in a thread; then all ends."""
        with ThreadPoolExecutor(1) as thread:
            yield thread.submit(self.pump.read, due)
        self.stop()

    def read(self, due: Due = ANY) -> RawFrame:
        """Read what came last, with the camera silent from then on."""
        self.camera.drained()
        return self.pump.read(due)

    def stop(self) -> None:
        """End the pump's thread."""
        self.camera.unplug()
        self.pump.release()


def number(shot: RawFrame) -> int:
    """The number of the picture."""
    assert not isinstance(shot.content, bytes)
    return int(shot.content[0, 0, 0])


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
        assert number(pumped.read()) == pumped.camera.sent % 256
        for _ in range(unread + 1):
            pumped.camera.send()


@pytest.mark.parametrize("unread", [0, 1, 9, 99])
def test_stamped_on_arrival(pumped: Pumped, unread: int) -> None:
    """A picture is stamped with the time when it came from the camera."""
    for _ in range(unread + 1):
        pumped.camera.send()
    came = pumped.camera.time.now
    pumped.camera.time.now += 0.01
    assert pumped.read().captured == came


def test_every_picture_once(time: FakeTime) -> None:
    """Two reads never give the same picture."""
    capture = FakeCapture(time)
    pump = ThreadedPump(capture, time.clock, "cam")
    stamps = [pump.read().captured for _ in range(20)]
    pump.release()
    assert stamps == sorted(set(stamps))


def test_only_once(pumped: Pumped) -> None:
    """A picture that was kept for a reader is given to no second one."""
    pumped.read()
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(pumped.pump.read)
        with pytest.raises(FutureTimeout):
            reading.result(0.05)
        pumped.camera.send()
        assert number(reading.result(PATIENCE)) == pumped.camera.sent


def test_last_before_an_unplug(pumped: Pumped) -> None:
    """The last picture is given before it is told that the camera is gone."""
    pumped.camera.send()
    pumped.stop()
    assert number(pumped.pump.read()) == pumped.camera.sent
    with pytest.raises(SourceError, match="no pictures any more"):
        pumped.pump.read()


def test_a_newer_one_is_waited_for(pumped: Pumped) -> None:
    """A reader gets the next picture rather than one that came before it asked."""
    pumped.camera.send()
    # With the clock as far back as this, the next picture is not overdue for a minute.
    pumped.camera.time.now -= 60
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(pumped.pump.read)
        with pytest.raises(FutureTimeout):
            reading.result(0.05)
        pumped.camera.send()
        assert number(reading.result(PATIENCE)) == pumped.camera.sent


@pytest.mark.parametrize("silence", [1, 3600])
def test_a_long_silence_is_no_interval(pumped: Pumped, silence: float) -> None:
    """After a pause the next picture is waited for as for one of a slow camera."""
    pumped.camera.drained()
    pumped.camera.time.now += silence
    pumped.camera.send()
    assert 1.4 < pumped.pump._until_overdue() <= 1.5


def test_own_content_and_stamp(time: FakeTime) -> None:
    """What a picture is made of, and when it was taken, is for others to say."""
    capture = FakeCapture(time)
    pump = ThreadedPump(
        capture, time.clock, "cam", lambda c, name: name.encode(), lambda now: now - 7
    )
    shot = pump.read()
    pump.release()
    assert shot.content == b"cam"
    assert 993 < shot.captured <= time.now - 7


def test_unplugged(time: FakeTime) -> None:
    """A grab that fails at once says that the camera may have gone; so it stays."""
    capture = FakeCapture(time)
    capture.plugged = False
    pump = ThreadedPump(capture, time.clock, "cam")
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
        ThreadedPump(capture, time.clock, "cam").read()


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
        ThreadedPump(capture, time.clock, "cam").read()


def test_a_failed_camera_is_let_go(time: FakeTime) -> None:
    """After trouble the capture is released, once, even if release is called too."""
    capture = FakeCapture(time)
    capture.plugged = False
    pump = ThreadedPump(capture, time.clock, "cam")
    pump.release()
    assert capture.released == 1


def test_reading_after_the_end(time: FakeTime) -> None:
    """A pump that was let go gives an error and keeps nobody waiting."""
    pump = ThreadedPump(FakeCapture(time), time.clock, "cam")
    pump.release()
    pump.read()
    with pytest.raises(SourceError, match="cam is not open"):
        pump.read()


def test_a_pump_leaves_nothing_behind(time: FakeTime) -> None:
    """When its camera was unplugged it is freed at once, with its last picture."""
    with uncollected():
        both = Pumped(LiveCapture(time, fps=30, waiting=4))
        both.stop()
        with suppress(SourceError):
            while True:
                both.pump.read()
        left = weakref.ref(both.pump)
        del both
        assert left() is None


class Waits:
    """Says whether the next picture comes, and notes how long that was waited for."""

    def __init__(self, comes: bool | None) -> None:
        self.comes = comes
        self.waited: list[float] = []

    def __call__(self, capture: object, seconds: float) -> bool | None:
        self.waited.append(seconds)
        return self.comes


def test_without_a_thread_a_read_waits(time: FakeTime) -> None:
    """A reader that finds nothing kept grabs the next picture itself."""
    pump = Pump(FakeCapture(time), time.clock, "cam")
    assert [number(pump.read()) for _ in range(3)] == [1, 2, 3]


def test_without_a_thread_the_last_one_taken_is_read(time: FakeTime) -> None:
    """What was taken between two reads is what the next one gives; the last counts."""
    capture = FakeCapture(time)
    pump = Pump(capture, time.clock, "cam", comes=Waits(True))
    for _ in range(5):
        assert pump.take()
    assert number(pump.read()) == 5
    assert capture.number == 5


def test_without_a_thread_the_last_one_is_kept_in_a_silence(time: FakeTime) -> None:
    """A picture that nobody has had is there for a reader while the camera is silent.

    The next one is waited for until it is overdue.
    """
    capture, waits = FakeCapture(time, 10), Waits(True)
    pump = Pump(capture, time.clock, "cam", comes=waits)
    pump.take()
    time.now += 0.1
    pump.take()
    waits.comes = False
    assert pump.take()
    assert number(pump.read()) == 2
    assert waits.waited[-1] == pytest.approx(0.15, abs=0.001)


def test_without_a_thread_a_long_silence_does_not_spin(time: FakeTime) -> None:
    """A camera whose next picture is overdue is looked at no more often than this."""
    waits = Waits(False)
    pump = Pump(FakeCapture(time), time.clock, "cam", comes=waits)
    pump.take()
    time.now += 60
    pump.take()
    assert waits.waited == [LEAST_WAIT]


def test_without_a_thread_an_unplugged_camera_is_let_go(time: FakeTime) -> None:
    """It is released at once; its last picture is read, and then why there is none."""
    capture = FakeCapture(time)
    pump = Pump(capture, time.clock, "cam", comes=Waits(True))
    pump.take()
    capture.plugged = False
    assert not pump.take()
    assert not pump.take()
    pump.release()
    assert capture.released == 1
    assert number(pump.read()) == 1
    with pytest.raises(SourceError, match="cam: it gives no pictures any more"):
        pump.read()


def test_without_a_thread_any_trouble_is_told(time: FakeTime) -> None:
    """Whatever goes wrong between two reads is told to the next one."""
    capture = FakeCapture(time)
    capture.decodes = MemoryError("full")
    pump = Pump(capture, time.clock, "cam")
    assert not pump.take()
    with pytest.raises(SourceError, match=r"cam: MemoryError\('full'\)"):
        pump.read()


def test_without_a_thread_trouble_in_waiting_is_told(time: FakeTime) -> None:
    """Whatever goes wrong while the next picture is waited for ends nobody's thread."""

    def comes(capture: object, seconds: float) -> bool:
        raise TypeError("what is this?")

    pump = Pump(FakeCapture(time), time.clock, "cam", comes=comes)
    pump.take()
    assert not pump.take()
    assert number(pump.read()) == 1
    with pytest.raises(SourceError, match="what is this"):
        pump.read()


class Paced(FakeCapture):
    """A camera that goes at its pace by itself.

    :ivar taken: the numbers of the pictures that were taken out.
    """

    def __init__(self, time: FakeTime, fps: float) -> None:
        super().__init__(time, fps)
        self.grabbing = 1 / fps
        self.taken: list[int] = []

    def retrieve(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
        """Note the number."""
        self.taken.append(self.number)
        return super().retrieve()


@pytest.mark.parametrize(
    ("camera", "stream", "numbers"),
    [
        (30, 30, [1, 2, 3, 4, 5, 6]),
        (30, 15, [1, 3, 5, 7, 9, 11]),
        (30, 20, [1, 3, 4, 6, 7, 9]),
        (25, 10, [1, 4, 6, 9, 11, 14]),
        (7.5, 15, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_only_what_is_due_is_read(
    time: FakeTime, camera: float, stream: float, numbers: list[int]
) -> None:
    """Of a camera that is faster than the stream, as many as are wanted, evenly."""
    pump = Pump(Paced(time, camera), time.clock, "cam", comes=Waits(True))
    due, found = Due(stream), []
    for _ in numbers:
        shot = pump.read(due)
        due.took(shot.captured)
        found.append(number(shot))
    assert found == numbers


def test_what_is_not_due_is_left_to_the_driver(time: FakeTime) -> None:
    """Nothing is copied of it, as long as the one behind it comes."""
    capture = Paced(time, 30)
    pump = Pump(capture, time.clock, "cam", comes=Waits(True))
    due = Due(15)
    for _ in range(6):
        due.took(pump.read(due).captured)
    assert capture.taken == [1, 3, 5, 7, 9, 11]


def test_what_was_asked_about_is_taken_out(time: FakeTime) -> None:
    """OpenCV would bring the same picture again, for ever."""
    capture = Paced(time, 60)
    pump = Pump(capture, time.clock, "cam", comes=Waits(True))
    due = Due(15)
    for _ in range(3):
        due.took(pump.read(due).captured)
    # Of 2, 3 and 4, which are not due, 3 and 4 were asked about.
    assert capture.taken == [1, 3, 4, 5, 7, 8, 9]


@pytest.mark.parametrize("fps", [30, 60])
def test_the_last_one_ahead_of_a_silence(time: FakeTime, fps: float) -> None:
    """It is read although it is not due, when one is due and the next is overdue."""
    capture, waits = Paced(time, fps), Waits(True)
    pump = Pump(capture, time.clock, "cam", comes=waits)
    due = Due(15)
    for _ in range(2):
        due.took(pump.read(due).captured)
    last, before = capture.number, len(waits.waited)
    waits.comes = False
    shot = pump.read(due)
    assert number(shot) == last + 1
    assert shot.captured < due.at
    patience = max(1.5 / fps, due.at - shot.captured)
    assert waits.waited[before:] == [pytest.approx(patience, abs=0.001)]


def test_the_last_one_ahead_of_an_unplug(time: FakeTime) -> None:
    """It is read, and then why there is no other."""
    capture, waits = Paced(time, 30), Waits(True)
    pump = Pump(capture, time.clock, "cam", comes=waits)
    due = Due(15)
    for _ in range(2):
        due.took(pump.read(due).captured)
    last, waits.comes = capture.number, None
    assert number(pump.read(due)) == last + 1
    capture.plugged = False
    with pytest.raises(SourceError, match="no pictures any more"):
        pump.read(due)


def test_what_is_due_may_change_meanwhile(time: FakeTime) -> None:
    """For a snapshot, the next picture is taken whenever it comes."""
    due = Due(1)

    def comes(capture: object, seconds: float) -> bool:
        if capture_.number == 5:
            due.hurry()
        return True

    capture_ = Paced(time, 30)
    pump = Pump(capture_, time.clock, "cam", comes=comes)
    due.took(pump.read(due).captured)
    assert number(pump.read(due)) == 6


def test_a_reader_is_woken_up_for_what_is_due(time: FakeTime) -> None:
    """With a thread in between, too: not for each picture of the camera."""
    # So slow that none is overdue while the test runs.
    pumped, due = Pumped(LiveCapture(time, fps=0.02, waiting=1)), Due(0.01)
    pumped.first(due)
    with pumped.reading(due) as reading:
        pumped.camera.send()
        with pytest.raises(FutureTimeout):
            reading.result(0.02)
        pumped.camera.send()
        assert number(reading.result(PATIENCE)) == 3


def test_a_reader_bears_a_silence(time: FakeTime) -> None:
    """With a thread in between, nothing fails as a picture is late."""
    pumped, due = Pumped(LiveCapture(time, fps=30, waiting=1)), Due(15)
    pumped.first(due)
    with pumped.reading(due) as reading:
        with pytest.raises(FutureTimeout):
            reading.result(0.4)
        time.now += 1
        pumped.camera.send()
        assert number(reading.result(PATIENCE)) == 2


def test_a_reader_gets_what_is_not_due_in_a_silence(time: FakeTime) -> None:
    """When one is due and none has come by the moment at which it is overdue."""
    pumped, due = Pumped(LiveCapture(time, fps=30, waiting=1)), Due(15)
    pumped.first(due)
    with pumped.reading(due) as reading:
        pumped.camera.send()
        assert number(reading.result(PATIENCE)) == 2


@pytest.mark.parametrize(("can_wait", "taken"), [(True, 4), (False, 5)])
def test_what_is_converted(time: FakeTime, can_wait: bool, taken: int) -> None:
    """With a thread in between, what is not due is left out where that can be done."""
    comes = Waits(True) if can_wait else None
    pumped, due = Pumped(LiveCapture(time, fps=30, waiting=1), comes), Due(15)
    for expected in (1, 3, 5):
        shot = pumped.read(due)
        due.took(shot.captured)
        assert number(shot) == expected
        if expected < 5:
            pumped.camera.send()
            pumped.camera.send()
    # The second picture came when nobody had said yet what is due.
    assert pumped.camera.retrieved == taken
    pumped.stop()


def test_a_reader_is_woken_up_when_one_is_overdue(time: FakeTime) -> None:
    """With a thread in between, it gets what a silent device had left."""
    waits = Waits(True)
    # So slow that the reader itself waits for longer than the test.
    pumped, due = Pumped(LiveCapture(time, fps=0.02, waiting=1), waits), Due(0.005)
    pumped.first(due)
    pumped.camera.send()  # It was waited for when nobody had said yet what is due.
    waits.comes = False
    with pumped.reading(due) as reading:
        pumped.camera.send()
        assert number(reading.result(PATIENCE)) == 3


def test_a_reader_that_takes_long_gets_no_older_picture(time: FakeTime) -> None:
    """With a thread in between: one that came meanwhile does not do for what is due."""
    pumped = Pumped(LiveCapture(time, fps=30, waiting=1), Waits(True))
    due = Due(10)
    first = pumped.read(due)
    pumped.camera.send()  # It comes while the first one is still encoded.
    due.took(first.captured)
    pumped.camera.send()  # It is not due either, and stays in the device.
    with pumped.reading(due) as reading:
        with pytest.raises(FutureTimeout):
            reading.result(0.2)
        pumped.camera.send()
        assert number(reading.result(PATIENCE)) == 4


def test_what_was_taken_before_it_was_said_what_is_due(time: FakeTime) -> None:
    """With a thread in between, it does not exceed the rate."""
    # So slow that none is overdue while the test runs.
    camera = LiveCapture(time, fps=0.02, waiting=1)
    pumped, due = Pumped(camera, Waits(True)), Due(0.005)
    pumped.first(due)
    with pumped.reading(due) as reading:
        for _ in range(3):
            camera.send()
        with pytest.raises(FutureTimeout):
            reading.result(0.1)
        camera.send()
        assert number(reading.result(PATIENCE)) == 5
