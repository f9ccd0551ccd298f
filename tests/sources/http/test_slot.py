"""The slot between the reactor and the camera's thread holds the newest picture."""

from __future__ import annotations

import weakref
from contextlib import suppress
from threading import Thread

import pytest

from camd.sources import RawFrame, SourceError
from camd.sources.http import slot as slot_module
from camd.sources.http.slot import FRESH, SLOW, Slot
from tests.fake_camera import PATIENCE, FakeTime
from tests.fakes import uncollected


@pytest.fixture
def time() -> FakeTime:
    """A clock that stands still."""
    return FakeTime()


@pytest.fixture
def slot(time: FakeTime) -> Slot:
    """An empty slot."""
    return Slot(time.clock)


def shot(time: FakeTime, content: bytes = b"jpeg") -> RawFrame:
    """A picture that came just now."""
    return RawFrame(content, time.now)


def test_a_picture_is_taken_once(slot: Slot, time: FakeTime) -> None:
    """A picture that came just now is taken; after that there is none."""
    slot.put(shot(time))
    assert slot.take() == shot(time)
    slot.fail(SourceError("gone"))
    with pytest.raises(SourceError, match="gone"):
        slot.take()


def test_a_slot_that_failed_leaves_nothing_behind(time: FakeTime) -> None:
    """It is freed at once, whoever was told of its failure."""
    slot = Slot(time.clock)
    slot.fail(SourceError("gone"))
    left = weakref.ref(slot)
    with uncollected():
        with suppress(SourceError):
            slot.take()
        del slot
        assert left() is None


def test_the_newest_wins(slot: Slot, time: FakeTime) -> None:
    """A picture takes the place of the one before."""
    slot.put(shot(time, b"old"))
    slot.put(shot(time, b"new"))
    assert slot.take().content == b"new"


@pytest.mark.parametrize(
    ("interval", "age"), [(1 / 30, 0.06), (SLOW, FRESH * 2), (3, 2), (1 / 30, 60)]
)
def test_what_waited_is_taken(
    slot: Slot, time: FakeTime, interval: float, age: float
) -> None:
    """No picture is lost, be the camera slow or silent."""
    slot.put(shot(time, b"old"))
    time.now += interval
    slot.put(shot(time, b"new"))
    time.now += age
    assert slot.take().content == b"new"


def test_a_fresher_one_is_waited_for(
    slot: Slot, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the next picture is due at once, that is taken, and not one that waited."""
    # Time enough for the slowest machine.
    monkeypatch.setattr(slot_module, "DUE", 1000)
    slot.put(shot(time, b"older"))
    time.now += 1 / 30
    slot.put(shot(time, b"waited"))
    time.now += FRESH * 1.01
    reading = Reading(slot)
    slot.put(shot(time, b"fresh"))
    assert reading.result() == shot(time, b"fresh")


def test_a_peek_leaves_it(slot: Slot, time: FakeTime) -> None:
    """A look takes nothing away."""
    slot.put(shot(time))
    assert slot.peek() == slot.peek() == slot.take()


def test_the_last_picture_comes_before_the_reason(slot: Slot, time: FakeTime) -> None:
    """A picture that came with the end of the stream is shown."""
    slot.put(shot(time))
    slot.fail(SourceError("gone"))
    assert slot.take() == shot(time)


def test_the_first_reason_is_told(slot: Slot) -> None:
    """Hanging up after a trouble does not hide the trouble."""
    slot.fail(SourceError("the cause"))
    slot.fail(SourceError("it hung up"))
    with pytest.raises(SourceError, match="the cause"):
        slot.peek()


class Reading:
    """Somebody who waits in a thread, as the camera's does."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._seen: list[object] = []
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            self._seen.append(self._slot.take())
        except SourceError as error:
            self._seen.append(str(error))

    def result(self) -> object:
        """What came of it."""
        self._thread.join(PATIENCE)
        (seen,) = self._seen
        return seen


def test_a_reader_is_woken_up_by_a_picture(slot: Slot, time: FakeTime) -> None:
    """Who waits gets the picture that comes."""
    reading = Reading(slot)
    slot.put(shot(time))
    assert reading.result() == shot(time)


def test_a_reader_is_woken_up_by_the_end(slot: Slot) -> None:
    """Who waits is told that nothing comes."""
    reading = Reading(slot)
    slot.fail(SourceError("gone"))
    assert reading.result() == "gone"
