"""How long to wait before the next try: longer each time, never quite the same."""

from __future__ import annotations

from collections.abc import Callable

FIRST = 1.0
"""Seconds before the first new try: a camera that was plugged in again is back soon."""

MOST = 30.0
"""Seconds between tries at the most, so that a camera is never given up."""

FACTOR = 2.0


class Backoff:
    """
    Seconds to wait: 1, 2, 4 … 30, each up to a quarter shorter by chance.

    The chance keeps cameras that were lost together (a hub, a switch) from being tried
    together for ever.

    :param random: gives a number from 0 to 1, such as :func:`random.random`.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._next = FIRST

    def delay(self) -> float:
        """Give the seconds to wait now, and be more patient the next time."""
        delay, self._next = self._next, min(self._next * FACTOR, MOST)
        return delay * (1 - 0.25 * self._random())

    def reset(self) -> None:
        """Begin anew: what was tried has worked."""
        self._next = FIRST
