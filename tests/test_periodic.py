"""Calls that are repeated, on a clock."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from camd.periodic import EARLY, PAUSE, SLICE, PeriodicCall, Sweep, make_early
from tests.fakes import failures


class Owner:
    """Something that is called from time to time."""

    def __init__(self, clock: Clock) -> None:
        self.times: list[float] = []
        self.periodic = PeriodicCall(self.act, clock)
        self._clock = clock

    def act(self) -> None:
        """Note when it was called."""
        self.times.append(self._clock.seconds())


@pytest.fixture
def clock() -> Clock:
    """Return a clock that was not started just now."""
    clock = Clock()
    clock.advance(10.3)
    return clock


def test_calls_share_their_moments(clock: Clock) -> None:
    """Calls that began at different moments are made at the same ones."""
    one, other = Owner(clock), Owner(clock)
    one.periodic.start(0.5, now=False)
    clock.advance(0.1)
    other.periodic.start(0.5, now=False)
    for moment in (10.5, 11.0):
        clock.advance(moment - clock.seconds())
    assert one.times == other.times == [10.5, 11.0]


def test_a_call_at_once(clock: Clock) -> None:
    """The first call is made at once where that is asked for."""
    owner = Owner(clock)
    owner.periodic.start(60)
    assert owner.times == [10.3]


@pytest.mark.parametrize("interval", [0.1, 0.3, 1 / 3, 0.7])
def test_one_call_for_each_interval(interval: float) -> None:
    """However moments are rounded, no call is left out or made twice."""
    clock = Clock()
    owner = Owner(clock)
    owner.periodic.start(interval, now=False)
    for turn in range(1, 101):
        clock.advance(turn * interval - clock.seconds())
        clock.advance(interval / 1000)
    assert len(owner.times) == 100


def test_calls_that_were_missed_are_left_out(clock: Clock) -> None:
    """After a long time without a turn there is one call, not one for each interval."""
    owner = Owner(clock)
    owner.periodic.start(0.5, now=False)
    clock.advance(60)
    clock.advance(0)
    assert len(owner.times) == 1


def test_what_has_come_in_a_pause_is_seen_first(clock: Clock) -> None:
    """The process was stopped: a look for a silence would find one that is none."""
    order: list[str] = []
    PeriodicCall(lambda: order.append("look"), clock).start(1, now=False)
    clock.callLater(PAUSE + 2, order.append, "came")
    clock.advance(PAUSE + 2)
    assert order == ["came", "look"]


def test_calls_are_made_although_each_turn_takes_long(clock: Clock) -> None:
    """They are put off once, and not again and again."""
    owner = Owner(clock)
    owner.periodic.start(1, now=False)
    turns = iter(range(6))

    def take_long() -> None:
        clock.rightNow += PAUSE + 1
        if next(turns, None) is not None:
            clock.callLater(0, take_long)

    clock.callLater(0, take_long)
    clock.advance(0)
    assert len(owner.times) == 4


def test_what_is_late_is_not_made_by_a_frame(clock: Clock) -> None:
    """Others may have to be read yet that have come as well."""
    owner = Owner(clock)
    owner.periodic.start(1, now=False)
    clock.rightNow += 5
    make_early(clock)
    assert not owner.times
    clock.advance(0)
    assert owner.times == [15.3]


def test_an_exception_does_not_end_the_calls(clock: Clock) -> None:
    """What is called may fail, and is called again, and so are the others."""
    calls = 0

    def fail() -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError

    other = Owner(clock)
    PeriodicCall(fail, clock).start(1, now=False)
    other.periodic.start(1, now=False)
    with capturedLogs() as logs:
        clock.pump([1] * 2)
    assert calls == len(other.times) == len(failures(logs)) == 2


def test_calls_share_a_timer(clock: Clock) -> None:
    """However many calls there are, of whatever intervals, the clock has one timer."""
    owners = [Owner(clock) for _ in range(10)]
    for number, owner in enumerate(owners):
        owner.periodic.start(1 + number % 3)
    assert len(clock.getDelayedCalls()) == 1
    for owner in owners:
        owner.periodic.stop()
    assert not clock.getDelayedCalls()


def test_intervals_keep_apart(clock: Clock) -> None:
    """Each call is made at the multiples of its own interval, whichever began first."""
    slow, fast = Owner(clock), Owner(clock)
    slow.periodic.start(1, now=False)
    fast.periodic.start(0.4, now=False)
    for _ in range(100):
        clock.advance(0.025)
    assert slow.times == pytest.approx([11, 12])
    assert fast.times == pytest.approx([10.4, 10.8, 11.2, 11.6, 12, 12.4, 12.8])
    fast.periodic.stop()
    clock.advance(0.2)
    assert slow.times[2:] == [pytest.approx(13)]


def test_a_call_is_made_early_where_the_process_is_awake(clock: Clock) -> None:
    """It is not made at its own moment then, and goes on at the next one."""
    owner = Owner(clock)
    owner.periodic.start(0.5, now=False)
    clock.advance(10.5 - EARLY / 2 - clock.seconds())
    make_early(clock)
    early = clock.seconds()
    make_early(clock)
    clock.advance(11 - clock.seconds())
    assert owner.times == [early, 11]


def test_no_call_is_made_too_early(clock: Clock) -> None:
    """What is due later than soon waits for the next frame, or for its moment."""
    owner = Owner(clock)
    owner.periodic.start(0.5, now=False)
    clock.advance(10.5 - 1.1 * EARLY - clock.seconds())
    make_early(clock)
    assert not owner.times


def test_what_is_called_often_is_not_called_early(clock: Clock) -> None:
    """It keeps its moments, by which it may measure how late the process is."""
    often, seldom = Owner(clock), Owner(clock)
    often.periodic.start(2 * EARLY, now=False)
    seldom.periodic.start(0.4, now=False)
    clock.advance(10.4 - EARLY / 2 - clock.seconds())
    make_early(clock)
    assert not often.times
    assert seldom.times == [clock.seconds()]


def test_early_calls_need_no_timer(clock: Clock) -> None:
    """Where a frame comes ahead of each of their moments, nothing wakes the process."""
    owner = Owner(clock)
    owner.periodic.start(0.25, now=False)
    for _ in range(30):
        (timer,) = clock.getDelayedCalls()
        clock.advance(1 / 15)
        assert timer.active()
        make_early(clock)
    assert len(owner.times) == 8


def test_nothing_is_made_early_where_there_is_nothing(clock: Clock) -> None:
    """A clock without calls is left alone."""
    make_early(clock)
    assert not clock.getDelayedCalls()


def test_a_call_that_another_one_stops(clock: Clock) -> None:
    """It is not made any more, not even at the same moment."""
    other = Owner(clock)
    PeriodicCall(other.periodic.stop, clock).start(1, now=False)
    other.periodic.start(1, now=False)
    clock.advance(1)
    assert not other.times


def test_a_call_may_stop_itself(clock: Clock) -> None:
    """One that is stopped from within is not made again."""
    owner = Owner(clock)

    def act() -> None:
        owner.act()
        periodic.stop()

    periodic = PeriodicCall(act, clock)
    periodic.start(1)
    clock.pump([1] * 3)
    assert owner.times == [10.3]
    assert not clock.getDelayedCalls()


def test_one_that_has_ended_lets_go_of_its_owner(clock: Clock) -> None:
    """No reference cycle is left, which would stay for long."""
    owner = Owner(clock)
    owner.periodic.start(1)
    owner.periodic.end()
    gone = weakref.ref(owner)
    del owner
    assert gone() is None


def test_a_sweep_lets_others_have_their_turn(clock: Clock) -> None:
    """Few are looked after in one go; before the others it is somebody else's turn."""
    seen: list[object] = []
    there = [*range(SLICE + 1)]

    def act(each: int) -> None:
        if not seen:
            clock.callLater(0, seen.append, "somebody else")
        seen.append(each)

    sweep = Sweep(lambda: there, act, clock, lambda: seen.append("through"))
    sweep.start(1)
    clock.advance(1)
    assert seen == [*range(SLICE), "somebody else", SLICE, "through"]
    there[1:] = []
    clock.advance(1)
    assert seen[-2:] == [0, "through"]
    sweep.end()
    assert not clock.getDelayedCalls()


def test_a_sweep_that_is_under_way_is_not_begun_again(clock: Clock) -> None:
    """On a machine that is too busy there is one sweep after the other."""
    looked_after: list[int] = []
    sweep = Sweep(lambda: range(SLICE + 1), looked_after.append, clock)
    sweep.begin()
    sweep.begin()
    clock.advance(0)
    assert looked_after == [*range(SLICE + 1)]


@pytest.mark.parametrize("stop", [Sweep.stop, Sweep.end])
def test_a_sweep_is_broken_off(
    clock: Clock, stop: Callable[[Sweep[int]], None]
) -> None:
    """Stopped by one of its calls, or between two turns, it makes no more."""
    looked_after: list[int] = []

    def act(each: int) -> None:
        looked_after.append(each)
        if each == SLICE:
            stop(sweep)

    sweep = Sweep(lambda: range(SLICE + 9), act, clock)
    sweep.start(1)
    clock.advance(1)
    clock.advance(0)
    assert looked_after == [*range(SLICE + 1)]
    assert not clock.getDelayedCalls()


def test_trouble_with_one_ends_no_sweep(clock: Clock) -> None:
    """An exception is logged, and the others are looked after."""
    looked_after: list[int] = []

    def act(each: int) -> None:
        looked_after.append(10 // each)

    with capturedLogs() as logs:
        Sweep(lambda: (5, 0, 2), act, clock).begin()
    assert looked_after == [2, 5]
    assert len(failures(logs)) == 1
