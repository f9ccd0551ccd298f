"""A call that is repeated, at moments that all such calls share."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger


class PeriodicCall:
    """Makes a call at all multiples of an interval on the clock.

    So what is done once a second is done at the same moment for all cameras, by one
    timer for all intervals, and wakes the process once. To be woken up is what such a
    call costs most; Twisted's ``LoopingCall`` makes 30 calls of its own besides, and
    its list of timers takes ten for each of hundreds of cameras' (counted).

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


class _Beat:
    """All calls on one clock, by their intervals."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: dict[float, dict[PeriodicCall, None]] = {}
        # By interval, which multiple of it is the next one. Counted, as a moment
        # divided by the interval may be rounded to the last one.
        self._turns: dict[float, int] = {}
        # The moment that is waited for.
        self._due = 0.0
        self._next: IDelayedCall | None = None

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
        if self._next is not None and (due != self._due or not self._turns):
            self._next.cancel()
            self._next = None
        if not self._turns:
            del _beats[self._clock]
        elif self._next is None:
            self._due = due
            delay = max(0.0, due - self._clock.seconds())
            self._next = self._clock.callLater(delay, self._run)

    def _run(self) -> None:
        # Rounded, the clock may show a little less than what was waited for.
        self._next, now = None, max(self._clock.seconds(), self._due)
        calls: list[PeriodicCall] = []
        for interval, turn in self._turns.items():
            if turn * interval <= now:
                self._turns[interval] = max(turn, int(now / interval)) + 1
                calls += self._calls[interval]
        self._plan()
        for call in calls:
            if call.running:  # One of the others may have stopped it.
                try:
                    call.call()
                except Exception:
                    self._log.failure("A periodic call")


_beats: dict[IReactorTime, _Beat] = {}
"""Those that have calls to make, by clock."""


def _nothing() -> None:
    """Stands where the owner was called."""
