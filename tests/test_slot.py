"""The slot between the reactor and the camera's thread holds the newest picture."""

from __future__ import annotations

from threading import Thread

import pytest

from camd.sources import Shot, SourceError
from camd.sources.slot import FRESH, Slot
from tests.fake_camera import PATIENCE, FakeTime


@pytest.fixture
def time() -> FakeTime:
    """A clock that stands still."""
    return FakeTime()


@pytest.fixture
def slot(time: FakeTime) -> Slot:
    """An empty slot."""
    return Slot(time.clock)


def shot(time: FakeTime, content: bytes = b"jpeg") -> Shot:
    """A picture that came just now."""
    return Shot(content, time.now)


def test_a_picture_is_taken_once(slot: Slot, time: FakeTime) -> None:
    """A picture that came just now is taken; after that there is none."""
    slot.put(shot(time))
    assert slot.take() == shot(time)
    slot.fail(SourceError("gone"))
    with pytest.raises(SourceError, match="gone"):
        slot.take()


def test_the_newest_wins(slot: Slot, time: FakeTime) -> None:
    """A picture takes the place of the one before."""
    slot.put(shot(time, b"old"))
    slot.put(shot(time, b"new"))
    assert slot.take().content == b"new"


def test_what_waited_is_left_out(slot: Slot, time: FakeTime) -> None:
    """A picture that came while nobody read is not taken for a new one."""
    slot.put(shot(time, b"old"))
    time.now += FRESH * 1.01
    slot.fail(SourceError("no other came"))
    with pytest.raises(SourceError, match="no other came"):
        slot.take()


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


@pytest.mark.parametrize("good", [True, False])
def test_a_reader_is_woken_up(slot: Slot, time: FakeTime, good: bool) -> None:
    """Who waits is told of a picture, and of the end."""
    seen: list[object] = []

    def read() -> None:
        try:
            seen.append(slot.take())
        except SourceError as error:
            seen.append(str(error))

    reader = Thread(target=read, daemon=True)
    reader.start()
    if good:
        slot.put(shot(time))
    else:
        slot.fail(SourceError("gone"))
    reader.join(PATIENCE)
    assert seen == [shot(time) if good else "gone"]
