"""What a client that polls tells of its link, by when it asks again.

It sends no acknowledgement, but a request that comes behind an answer says the same:
the picture has arrived. What lies between the two is one round trip and the picture's
own time, and a picture of another size tells one from the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import NamedTuple

NEWS = 0.3
"""Weight of the latest picture in the bandwidth."""

FADES = 0.01
"""Share by which a slower picture of a kind corrects the fastest: routes change."""

DIFFERS = 1.5
"""Ratio of two sizes from which on they tell a round trip from a slow link."""

UNDER_WAY = 8
"""Answers that may be under way; a client that skips requests is none that keeps up."""


class _Answer(NamedTuple):
    kind: Hashable
    size: int
    at: float
    alone: bool


class _Fastest(NamedTuple):
    size: float
    seconds: float


class PolledLink:
    """One client's link. Times are seconds of any one clock.

    :ivar round_trip: seconds; 0 until pictures of two sizes have been sent, so that a
        link is taken for slower than it is rather than for faster.
    """

    def __init__(self) -> None:
        self.round_trip = 0.0
        self._under_way: deque[_Answer] = deque(maxlen=UNDER_WAY)
        self._asked_at = 0.0
        # Averages, each of which is 0 before the first picture has arrived.
        self._bytes = self._seconds = 0.0
        self._fastest: dict[Hashable, _Fastest] = {}

    @property
    def bandwidth(self) -> float | None:
        """Bytes a second that get through; None before the first picture has."""
        return self._bytes / max(self._seconds, 1e-6) if self._bytes else None

    def answered(self, kind: Hashable, size: int, now: float) -> None:
        """Note that a picture has left.

        :param kind: its rendition; those of one kind have about one size.
        """
        self._under_way.append(_Answer(kind, size, now, not self._under_way))

    def asked(self, now: float) -> None:
        """Note a request: the first picture under way, if there is one, has arrived."""
        if not self._under_way:
            return
        answer = self._under_way.popleft()
        seconds = now - answer.at
        self._find_round_trip(answer, seconds)
        seconds = max(seconds - self.round_trip, 0.0)
        if self._asked_at > answer.at:
            # It came behind the one before: there is no round trip between the two.
            seconds = min(seconds, now - self._asked_at)
        self._asked_at = now
        news = NEWS if self._bytes else 1.0
        self._bytes += news * (answer.size - self._bytes)
        self._seconds += news * (seconds - self._seconds)

    def _find_round_trip(self, answer: _Answer, seconds: float) -> None:
        """Compare the fastest pictures of the smallest and of the largest kind."""
        fastest = self._fastest.get(answer.kind)
        if fastest is None or seconds < fastest.seconds:
            fastest = _Fastest(answer.size, seconds)
        elif answer.alone:  # Else it may have waited for others.
            fastest = _Fastest(
                fastest.size + FADES * (answer.size - fastest.size),
                fastest.seconds + FADES * (seconds - fastest.seconds),
            )
        self._fastest[answer.kind] = fastest
        small, large = min(self._fastest.values()), max(self._fastest.values())
        if large.size >= DIFFERS * small.size:
            slope = (large.seconds - small.seconds) / (large.size - small.size)
            self.round_trip = max(0.0, small.seconds - small.size * max(0.0, slope))
