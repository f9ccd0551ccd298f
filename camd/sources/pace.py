"""Which picture is due by the clock, for sources that have no pace of their own."""

from __future__ import annotations

import math

from camd.sources import Clock, Sleep
from camd.sources.due import ANY, NEAR, Due

SLICE = 0.25
"""Seconds that are slept through at the most: what is due may change meanwhile."""


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

    def wait(self, due: Due = ANY) -> tuple[int, float]:
        """Wait until a picture is due that was not returned yet.

        :param due: which of them the reader wants.
        :return: the newest such picture's number, and when it fell due, in seconds on
            the clock; that is never in the future.
        """
        while (left := self._due(self._wanted(due)) - (now := self._clock())) > 0:
            self._sleep(min(left, SLICE))
        # The sum above and the product below may round apart by one picture.
        newest = int((now - self._start) * self._fps)
        self._last = max(newest, self._wanted(due))
        return self._last, min(self._due(self._last), now)

    def _wanted(self, due: Due) -> int:
        """Return the number of the picture to wait for."""
        after, at = self._last + 1, due.at
        if at == -math.inf:
            return after
        return max(after, math.ceil((at - self._start) * self._fps - NEAR))

    def _due(self, index: int) -> float:
        return self._start + index / self._fps
