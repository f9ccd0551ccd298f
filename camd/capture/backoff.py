"""How long to wait before the next try: longer each time, never quite the same."""

from __future__ import annotations

from collections.abc import Callable

FIRST = 1.0
"""Seconds before the first new try: a camera that was plugged in again is back soon."""

MOST = 30.0
"""Seconds between tries at the most, so that a camera is never given up."""

LOCAL = 0.5, 2.0
"""The first delay and the longest, for what is of this machine: to try it costs
milliseconds, what was plugged in may need a moment more until its owner is set, and the
program that had the device may end any moment."""

RELAY = 0.5, 1.0
"""The same for another camd: one connection is tried for all of its cameras, and it is
to be live two seconds after it is back."""

FACTOR = 2.0


class Backoff:
    """Seconds to wait: 1, 2, 4 … 30, each up to a quarter shorter by chance.

    The chance keeps cameras that were lost together (a hub, a switch) from being tried
    together for ever.

    :param random: returns a number from 0 to 1, such as :func:`random.random`.
    :param delays: the first delay and the longest, such as :data:`LOCAL`.
    """

    def __init__(
        self,
        random: Callable[[], float],
        delays: tuple[float, float] = (FIRST, MOST),
    ) -> None:
        self._random = random
        self._first, self._most = delays
        self._next = self._first

    def delay(self) -> float:
        """Return the seconds to wait now, and be more patient the next time."""
        delay, self._next = self._next, min(self._next * FACTOR, self._most)
        return delay * (1 - 0.25 * self._random())

    def reset(self) -> None:
        """Start again with the first delay: what was tried has worked."""
        self._next = self._first
