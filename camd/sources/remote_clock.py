"""What time it is by another machine's clock, as far as that can be known from here.

Both of Redis' clock, which origins and edges have in common, and of another camd's.
Nothing depends on somebody having set the clocks of machines.
"""

from __future__ import annotations

import math

DRIFT = 5e-4
"""Seconds a second by which two clocks may part: so much a kernel slews one, at the
most, to set it right (adjtimex(2))."""


class RemoteClock:
    """Between which bounds another clock is ahead of this machine's; all in seconds.

    What is asked at one moment and answered by another was read there in between. So
    each answer bounds how far that clock is ahead, from both sides; what all answers
    allow is what is known. With time the bounds part, by :data:`DRIFT`.

    Of what they leave open, pictures are as old as they may be: never younger than they
    are, and older by one way there at the most.
    """

    def __init__(self) -> None:
        self._least, self._most = -math.inf, math.inf
        self._at = 0.0

    @property
    def is_known(self) -> bool:
        """Whether there was an answer yet."""
        return self._most < math.inf

    def answered(self, asked: float, time: float, now: float) -> None:
        """Note an answer.

        :param asked: when it was asked for, by the clock here.
        :param time: what was told.
        :param now: when the answer came, by the clock here.
        """
        # It may have been read as long ago as it was asked for.
        drifted = DRIFT * (now - asked)
        least, most = time - now - drifted, time - asked + drifted
        parted = self._parted(now)
        known_least, known_most = self._least - parted, self._most + parted
        if least <= known_most and most >= known_least:
            least, most = max(least, known_least), min(most, known_most)
        # Else the two contradict each other: the clock was set there since.
        self._least, self._most, self._at = least, most, now

    def _parted(self, now: float) -> float:
        return DRIFT * max(0.0, now - self._at)

    def earliest(self, moment: float) -> float:
        """Return the time there at a moment here, or some time before."""
        return moment + self._least - self._parted(moment)

    def latest(self, moment: float) -> float:
        """Return the time there at a moment here, or some time after."""
        return moment + self._most + self._parted(moment)

    def here(self, time: float, now: float) -> float:
        """Return the moment here at a time there, or some time before.

        :param time: that is past.
        :return: never later than now. Minus infinity as long as nothing is known.
        """
        return min(now, time - self._most - self._parted(now))
