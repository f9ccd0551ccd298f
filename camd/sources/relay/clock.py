"""The clock of another camd, as far as it can be known from here."""

from __future__ import annotations

import math

DRIFT = 5e-4
"""Seconds a second by which two clocks may part: so much a kernel slews one, at the
most, to set it right (adjtimex(2))."""


class OriginClock:
    """How far the Unix time there is ahead of this reactor's clock, at the most.

    What is asked at one moment and answered by another was read there in between. So
    each answer bounds how far ahead that clock is, from both sides. Of all answers the
    one with the lowest upper bound counts: taken for the truth, it makes no picture
    younger than it is, and older by one way there at the most. With time each bound
    gets wider, by :data:`DRIFT`.
    """

    def __init__(self) -> None:
        self._ahead = math.inf
        self._at = 0.0

    def answered(self, asked_at: float, time: float, now: float) -> None:
        """Note an answer.

        :param asked_at: when it was asked for, on the reactor's clock.
        :param time: the Unix time that was told.
        :param now: when the answer came.
        """
        # It may have been read as long ago as it was asked for.
        drifted = DRIFT * (now - asked_at)
        lowest, highest = time - now - drifted, time - asked_at + drifted
        known = self._at_most(now)
        # Where the two contradict each other, the clock was set there since.
        self._ahead = highest if lowest > known else min(known, highest)
        self._at = now

    def captured(self, timestamp: float, now: float) -> float | None:
        """Return when a picture was taken, on the reactor's clock, at the latest.

        :param timestamp: when that was, by the clock there.
        :return: never later than now; None as long as nothing is known.
        """
        ahead = self._at_most(now)
        return None if ahead == math.inf else min(now, timestamp - ahead)

    def _at_most(self, now: float) -> float:
        return self._ahead + DRIFT * (now - self._at)
