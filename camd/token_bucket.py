"""A bound on how often something may be done, with some of it at once."""

from __future__ import annotations


class TokenBucket:
    """Fills with tokens at a steady rate; what is done takes some out of it.

    Times are seconds of any one clock that never jumps.

    :param rate: tokens a second.
    :param most: tokens that it holds. It is full at first, so as many may be taken at
        once.
    """

    __slots__ = ("_at", "_most", "_rate", "_tokens")

    def __init__(self, rate: float, most: float, now: float) -> None:
        self._rate = rate
        self._most = self._tokens = most
        self._at = now

    def take(self, now: float, tokens: float = 1) -> bool:
        """Take so many tokens, or none where there are fewer.

        :return: whether they were taken.
        """
        there = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        is_enough = there >= tokens
        self._tokens = there - tokens if is_enough else there
        return is_enough
