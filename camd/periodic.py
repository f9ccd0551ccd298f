"""A call that is repeated, at moments that all such calls share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

T = TypeVar("T")

SLICE = 256
"""How many are looked after in one turn of the reactor: 4 ms (measured)."""

EARLY = 0.1
"""Seconds by which a call may be early where the process is awake anyway: the time from
one frame to the next, at ten a second."""

PAUSE = 1.0
"""Seconds by which a call must be late to show that the process stood still: it was
stopped (SIGSTOP), or the machine slept."""


def make_early(clock: IReactorTime) -> None:
    """Make the calls that are due soon now, as the process is awake anyway.

    With one camera and one viewer it sleeps between two frames, and to wake it up for
    a call takes half as much CPU as a frame (measured). What is called often, each
    0.2 s or in less, keeps its moments: it may measure how late the process is. What is
    late is left to its timer, which comes when all has been read.
    """
    beat = _beats.get(clock)
    if beat is not None and 0 < beat.due - (now := clock.seconds()) < EARLY:
        beat.make(now, EARLY)


def cancel(call: IDelayedCall | None) -> None:
    """Cancel a call; no harm if there is none, or it was made or cancelled before."""
    if call is not None and call.active():
        call.cancel()


class PeriodicCall:
    """Makes a call at all multiples of an interval on the clock.

    So what is done once a second is done at the same moment for all cameras, by one
    timer for all intervals, and wakes the process once, or not at all where a frame
    does (:func:`make_early`). Waking up is what such a call costs most; Twisted's
    ``LoopingCall`` makes 30 calls of its own besides, and its list of timers takes ten
    for each of hundreds of cameras' (counted).

    :ivar running: whether it is repeated.

    :param act: what is called. An exception out of it is logged and ends nothing.
    """

    def __init__(self, act: Callable[[], object], clock: IReactorTime) -> None:
        self.running = False
        self._act = act
        self._clock = clock
        self._interval = 0.0

    def start(self, interval: float, now: bool = True) -> None:
        """Repeat the call from now on; only while it is not running.

        :param interval: seconds between two calls; the first may come sooner.
        :param now: make one at once as well.
        """
        self.running = True
        self._interval = interval
        if self._clock not in _beats:
            _beats[self._clock] = _Beat(self._clock)
        _beats[self._clock].add(self, interval)
        if now:
            self._act()

    def stop(self) -> None:
        """Make no more calls; no harm if it is not running."""
        if self.running:
            self.running = False
            _beats[self._clock].remove(self, self._interval)

    def end(self) -> None:
        """Stop for good, and hold the owner of the call no longer."""
        self.stop()
        # In a reference cycle both would stay until the garbage collector runs, which
        # is seldom: a camera's last picture, and its source, with each reload.
        self._act = _nothing

    def call(self) -> None:
        """Make one call."""
        self._act()


class Sweep(Generic[T]):
    """Does something for each of many from time to time, some in each turn.

    To look after 4,000 viewers in one go held up all else for 50 ms (measured).

    :param all_there_are: returns those that there are.
    :param act: is called with each; an exception out of it is logged and ends nothing.
        It may be called with one that has gone since.
    :param done: is called when a sweep is through.
    """

    _log = Logger()

    def __init__(
        self,
        all_there_are: Callable[[], Iterable[T]],
        act: Callable[[T], object],
        clock: IReactorTime,
        done: Callable[[], object] = lambda: None,
    ) -> None:
        self._all_there_are = all_there_are
        self._act = act
        self._clock = clock
        self._done = done
        self._calls = PeriodicCall(self.begin, clock)
        # Those that have yet to be looked after; None when a sweep is through.
        self._rest: Iterator[T] | None = None
        self._next: IDelayedCall | None = None

    @property
    def running(self) -> bool:
        """Whether it is repeated."""
        return self._calls.running

    def start(self, interval: float) -> None:
        """Sweep from now on, first after this time; only while it is not running."""
        self._calls.start(interval, now=False)

    def begin(self) -> bool:
        """Sweep now, unless the last one is still under way.

        :return: whether it began.
        """
        if self._rest is not None:
            return False
        self._rest = iter(list(self._all_there_are()))
        self._go_on()
        return True

    def stop(self) -> None:
        """Sweep no more, nor to the end; no harm if it is not running."""
        self._calls.stop()
        self._break_off()

    def end(self) -> None:
        """Stop for good, and hold the owner of the calls no longer."""
        self._calls.end()
        self._break_off()
        self._all_there_are = tuple
        self._act = self._done = _nothing

    def _break_off(self) -> None:
        self._rest = None
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _go_on(self) -> None:
        self._next = None
        rest = self._rest
        if rest is None:
            return
        these = list(islice(rest, SLICE))
        for each in these:
            try:
                self._act(each)
            except Exception:
                self._log.failure("A periodic call failed")
            if self._rest is not rest:
                return  # It was stopped by one of the calls.
        if len(these) == SLICE:
            self._next = self._clock.callLater(0, self._go_on)
        else:
            self._rest = None
            self._done()


class _Beat:
    """All calls on one clock, by their intervals.

    :ivar due: the moment that is waited for.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: dict[float, dict[PeriodicCall, None]] = {}
        # By interval, which multiple of it is the next one. Counted, as a moment
        # divided by the interval may be rounded to the last one.
        self._turns: dict[float, int] = {}
        self.due = 0.0
        self._next: IDelayedCall | None = None
        self._is_put_off = False

    def add(self, call: PeriodicCall, interval: float) -> None:
        """Make this call as well."""
        if interval not in self._calls:
            self._calls[interval] = {}
            self._turns[interval] = int(self._clock.seconds() / interval) + 1
            self._plan()
        self._calls[interval][call] = None

    def remove(self, call: PeriodicCall, interval: float) -> None:
        """Make this call no more."""
        del self._calls[interval][call]
        if not self._calls[interval]:
            del self._calls[interval], self._turns[interval]
            self._plan()

    def _plan(self) -> None:
        """Wait for the earliest of all moments."""
        due = min((turn * each for each, turn in self._turns.items()), default=0.0)
        if self._next is not None and (due != self.due or not self._turns):
            self._next.cancel()
            self._next = None
        if not self._turns:
            del _beats[self._clock]
        elif self._next is None:
            self.due = due
            delay = max(0.0, due - self._clock.seconds())
            self._next = self._clock.callLater(delay, self._run)

    def _run(self) -> None:
        self._next, now = None, self._clock.seconds()
        is_paused = now - self.due > PAUSE
        # Put off to the reactor's next turn. What has come in the pause is read ahead
        # of that: who looks for a silence would find one that is none.
        self._is_put_off = is_paused and not self._is_put_off
        if self._is_put_off:
            self._next = self._clock.callLater(0, self._run)
            return
        # Rounded, the clock may show a little less than what was waited for.
        self.make(max(now, self.due))

    def make(self, now: float, early: float = 0.0) -> None:
        """Make the calls that are due, or will be so many seconds from now."""
        calls: list[PeriodicCall] = []
        for interval, turn in self._turns.items():
            until = now + (early if interval > 2 * EARLY else 0.0)
            if turn * interval <= until:
                self._turns[interval] = max(turn, int(until / interval)) + 1
                calls += self._calls[interval]
        # With nothing made early, all is planned as it was.
        if calls or self._next is None:
            self._plan()
        for call in calls:
            if call.running:  # One of the others may have stopped it.
                try:
                    call.call()
                except Exception:
                    self._log.failure("A periodic call failed")


_beats: dict[IReactorTime, _Beat] = {}
"""Those that have calls to make, by clock."""


def _nothing(*_: object) -> None:
    """Do nothing, in place of a method of the owner."""
