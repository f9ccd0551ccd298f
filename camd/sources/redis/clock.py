"""What time it is by Redis' clock, which origins and edges have in common.

Redis is asked for its time now and then. It read its clock somewhere between the
question and the answer, so each answer bounds how far that clock is ahead of this
machine's; what all of the last answers allow is the best that is known. Nothing depends
on the wall clocks of origins and edges, or on somebody setting them.
"""

from __future__ import annotations

from collections import deque

KEPT = 10
"""Answers that are believed, one a second: the clocks drift apart by no more than a
millisecond in that time."""


class ServerClock:
    """Redis' time, from this machine's. Both in seconds."""

    def __init__(self) -> None:
        # By how much it is ahead: at least, at most.
        self._bounds: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self._low = self._high = 0.0

    @property
    def is_known(self) -> bool:
        """Whether there was an answer yet."""
        return bool(self._bounds)

    @property
    def error(self) -> float:
        """Seconds between the earliest and the latest time that it may be."""
        return self._high - self._low

    def answered(self, asked: float, now: float, time: float) -> None:
        """Note an answer.

        :param asked: when Redis was asked, on this machine's clock.
        :param now: when the answer came, on the same.
        :param time: what Redis said.
        """
        newest = time - now, time - asked
        self._bounds.append(newest)
        self._low = max(low for low, _ in self._bounds)
        self._high = min(high for _, high in self._bounds)
        if self._low > self._high:
            # Somebody has set Redis' clock.
            self._bounds.clear()
            self._bounds.append(newest)
            self._low, self._high = newest

    def earliest(self, moment: float) -> float:
        """Return Redis' time at a moment of this machine's, or some time before."""
        return moment + self._low

    def latest(self, moment: float) -> float:
        """Return Redis' time at a moment of this machine's, or some time after."""
        return moment + self._high

    def here(self, time: float) -> float:
        """Return this machine's moment at a time of Redis', or some time before."""
        return time - self._high
