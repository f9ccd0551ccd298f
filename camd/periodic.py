"""A call that is repeated, at moments that all such calls share."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger


class PeriodicCall:
    """Makes a call at all multiples of an interval on the clock.

    So what is done once a second is done at the same moment for all cameras, by one
    timer, and wakes the process once. To be woken up is what such a call costs most;
    Twisted's ``LoopingCall`` makes 30 calls of its own besides, and its list of timers
    takes ten for each of hundreds of cameras' (counted).

    :ivar running: whether it is repeated.

    :param act: what is called. An exception out of it is logged and ends nothing.
    """

    def __init__(self, act: Callable[[], object], clock: IReactorTime) -> None:
        self.running = False
        self._act = act
        self._clock = clock

    def start(self, interval: float, now: bool = True) -> None:
        """Repeat the call from now on; only while it is not running.

        :param interval: seconds between two calls; the first may come sooner.
        :param now: make one at once as well.
        """
        self.running = True
        place = self._clock, interval
        self._beat = _beats.setdefault(place, _Beat(*place))
        self._beat.add(self)
        if now:
            self._act()

    def stop(self) -> None:
        """Make no more calls; no harm if it is not running."""
        if self.running:
            self.running = False
            self._beat.remove(self)

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
    """All calls of one interval on one clock."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, interval: float) -> None:
        self._clock = clock
        self._interval = interval
        self._calls: dict[PeriodicCall, None] = {}
        self._turn = 0
        self._next: IDelayedCall | None = None

    def add(self, call: PeriodicCall) -> None:
        """Make this call as well."""
        self._calls[call] = None
        if self._next is None:
            self._turn = int(self._clock.seconds() / self._interval)
            self._plan()

    def remove(self, call: PeriodicCall) -> None:
        """Make this call no more."""
        del self._calls[call]
        if not self._calls and self._next is not None:
            self._next.cancel()
            del _beats[self._clock, self._interval]

    def _plan(self) -> None:
        now = self._clock.seconds()
        # Counted, as a moment divided by the interval may be rounded to the last turn.
        self._turn = max(self._turn, int(now / self._interval)) + 1
        delay = max(0.0, self._turn * self._interval - now)
        self._next = self._clock.callLater(delay, self._run)

    def _run(self) -> None:
        self._plan()
        for call in list(self._calls):
            if call.running:  # One of the others may have stopped it.
                try:
                    call.call()
                except Exception:
                    self._log.failure("A periodic call")


_beats: dict[tuple[IReactorTime, float], _Beat] = {}
"""Those that have calls to make, by clock and interval."""


def _nothing() -> None:
    """Stands where the owner was called."""
