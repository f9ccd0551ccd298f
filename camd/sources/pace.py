"""Which picture is due by the clock, for sources that have no pace of their own."""

from __future__ import annotations

from camd.sources import Clock, Sleep


class Pace:
    """Pictures numbered from 0, of which ``fps`` fall due each second.

    A reader that comes late gets the newest number and never the ones it missed.
    """

    def __init__(self, fps: float, clock: Clock, sleep: Sleep) -> None:
        self._fps = fps
        self._clock = clock
        self._sleep = sleep
        self._start = clock()
        self._last = -1

    def wait(self) -> tuple[int, float]:
        """Wait until a picture is due that was not returned yet.

        :return: the newest due picture's number, and when it fell due, in seconds on
            the clock; that is never in the future.
        """
        now = self._sleep_until(self._due(self._last + 1))
        # The sum above and the product below may round apart by one picture.
        newest = int((now - self._start) * self._fps)
        self._last = max(newest, self._last + 1)
        return self._last, min(self._due(self._last), now)

    def _due(self, index: int) -> float:
        return self._start + index / self._fps

    def _sleep_until(self, due: float) -> float:
        now = self._clock()
        while now < due:
            self._sleep(due - now)
            now = self._clock()
        return now
