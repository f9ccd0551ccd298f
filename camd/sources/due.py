"""Which of a camera's pictures are due, where it gives more than the stream shows."""

from __future__ import annotations

import math

NEAR = 0.25
"""Share of the camera's interval by which a picture may come sooner than it is due. No
camera is as regular as a clock, and the next one would be late by the rest."""

SAME = 0.02
"""Share of the stream's interval by which a camera's may differ, or that of each second
picture, each third and so on, to be followed: by the clock alone, one picture would be
left out now and then, or follow too soon."""


class Due:
    """When a reader's next picture is due, at a rate that is kept over time.

    Used by one thread, but for :meth:`hurry`.

    :ivar at: the moment, on the clock by which pictures are stamped; always past where
        any picture will do.

    :param fps: the most pictures a second.
    """

    __slots__ = ("_interval", "_last", "at")

    def __init__(self, fps: float) -> None:
        self.at = -math.inf
        self._interval = 1 / fps
        self._last = -math.inf

    def took(self, captured: float) -> None:
        """Go on to the next picture.

        :param captured: when the one was taken that was due.
        """
        interval = self._interval
        gap, self._last = captured - self._last, captured
        is_same = abs(gap - interval) <= SAME * interval
        # What is late by an interval and more is not made up for.
        if is_same or captured >= self.at + interval:
            self.at = captured + interval
        else:
            self.at += interval

    def hurry(self) -> None:
        """Have the next picture be due whenever it comes; in any thread."""
        self.at = -math.inf


ANY = Due(math.inf)
"""For a reader that takes any picture; nobody else's."""
