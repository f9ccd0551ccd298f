"""Pictures fall due by the clock, and late readers get the newest."""

from __future__ import annotations

import pytest

from camd.sources.due import Due
from camd.sources.pace import SLICE, Pace
from tests.fake_camera import FakeTime


@pytest.fixture
def time() -> FakeTime:
    """A clock that stands still."""
    return FakeTime()


def pace(time: FakeTime, fps: float = 10) -> Pace:
    """A pace that starts now."""
    return Pace(fps, time.clock, time.sleep)


def test_first_is_due_at_once(time: FakeTime) -> None:
    """The first picture is number 0 and needs no waiting."""
    assert pace(time).wait() == (0, 1000.0)
    assert time.slept == []


def test_next_is_waited_for(time: FakeTime) -> None:
    """A reader that comes early sleeps until the next picture falls due."""
    pictures = pace(time)
    pictures.wait()
    assert pictures.wait() == (1, pytest.approx(1000.1))
    assert time.slept == [pytest.approx(0.1)]


def test_late_reader_gets_the_newest(time: FakeTime) -> None:
    """After a hole the newest due number comes at once, stamped with its own time."""
    pictures = pace(time)
    pictures.wait()
    time.now += 0.55
    assert pictures.wait() == (5, pytest.approx(1000.5))
    assert time.slept == []


def test_no_backlog_after_a_hole(time: FakeTime) -> None:
    """Once the newest number was returned, the next one must be waited for."""
    pictures = pace(time)
    time.now += 0.55
    pictures.wait()
    assert pictures.wait() == (6, pytest.approx(1000.6))
    assert time.slept == [pytest.approx(0.05)]


@pytest.mark.parametrize("fps", [0.3, 7, 29.97, 30, 59.94, 240])
def test_every_number_comes_once(time: FakeTime, fps: float) -> None:
    """A reader that keeps up misses none, whatever the rate rounds to."""
    pictures = pace(time, fps)
    assert [pictures.wait()[0] for _ in range(2000)] == list(range(2000))


@pytest.mark.parametrize("fps", [7, 29.97, 30])
def test_never_from_the_future(time: FakeTime, fps: float) -> None:
    """No picture is stamped later than the moment it is returned."""
    pictures = pace(time, fps)
    assert all(pictures.wait()[1] <= time.now for _ in range(500))


def test_a_sleep_that_ends_early_is_slept_again(time: FakeTime) -> None:
    """A picture is not returned before it is due, even if the sleep was short."""

    def short(seconds: float) -> None:
        time.sleep(seconds / 2 if seconds > 0.001 else seconds)

    pictures = Pace(10, time.clock, short)
    pictures.wait()
    pictures.wait()
    assert time.now == pytest.approx(1000.1)


@pytest.mark.parametrize(
    ("fps", "stream", "numbers"),
    [
        (30, 15, [0, 2, 4, 6, 8]),
        (30, 20, [0, 2, 3, 5, 6]),
        (25, 10, [0, 3, 5, 8, 10]),
        (10, 15, [0, 1, 2, 3, 4]),
    ],
)
def test_only_what_the_reader_wants(
    time: FakeTime, fps: float, stream: float, numbers: list[int]
) -> None:
    """A reader that wants fewer pictures sleeps until one is due for it, too."""
    pictures, due, found = pace(time, fps), Due(stream), []
    for _ in numbers:
        number, moment = pictures.wait(due)
        due.took(moment)
        found.append(number)
    assert found == numbers


def test_what_the_reader_wants_may_change_meanwhile() -> None:
    """One that has just begun to sleep for long wakes up within a moment."""
    time, due = FakeTime(), Due(0.1)

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        due.hurry()

    pictures = Pace(10, time.clock, sleep)
    due.took(pictures.wait(due)[1])
    assert pictures.wait(due) == (2, pytest.approx(1000.2))
    assert time.now == 1000 + SLICE
