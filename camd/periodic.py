"""A call that is repeated, on moments that all such calls share."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class PeriodicCall:
    """Makes a call at all multiples of an interval on the clock.

    So what is done once a second is done at the same moment for all cameras, and wakes
    the process once. Where it is asleep most of the time that is what such a call costs
    most; Twisted's ``LoopingCall`` makes 30 calls of its own besides.

    :ivar running: whether it is repeated.

    :param act: what is called. An exception out of it does not end the calls.
    """

    def __init__(self, act: Callable[[], object], clock: IReactorTime) -> None:
        self.running = False
        self._act = act
        self._clock = clock
        self._next: IDelayedCall | None = None

    def start(self, interval: float, now: bool = True) -> None:
        """Repeat the call from now on; only while it is not running.

        :param interval: seconds between two calls; the first may come sooner.
        :param now: make one at once as well.
        """
        self.running = True
        self._interval = interval
        self._turn = int(self._clock.seconds() / interval)
        self._plan()
        if now:
            self._act()

    def stop(self) -> None:
        """Make no more calls; no harm if it is not running."""
        self.running = False
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def end(self) -> None:
        """Stop for good, and hold the owner of the call no longer."""
        self.stop()
        # In a reference cycle both would stay until the garbage collector runs, which
        # is seldom: a camera's last picture, and its source, with each reload.
        self._act = _nothing

    def _plan(self) -> None:
        now = self._clock.seconds()
        # Counted, as a moment divided by the interval may be rounded to the last turn.
        self._turn = max(self._turn, int(now / self._interval)) + 1
        delay = max(0.0, self._turn * self._interval - now)
        self._next = self._clock.callLater(delay, self._run)

    def _run(self) -> None:
        self._plan()
        self._act()


def _nothing() -> None:
    """Stands where the owner was called."""
