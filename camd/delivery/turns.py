"""Whose turn it is to send, where several share a paced connection."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from camd.delivery.pacing import RoundRobin
from camd.periodic import cancel


class Waiter(Protocol):
    """The way out of one camera's pictures.

    :ivar ready: has its viewer send what waits.
    """

    ready: Callable[[], None]


T = TypeVar("T", bound=Waiter)


class Turns(Generic[T]):
    """Those that have a picture and may not send it yet."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._order: RoundRobin[T] = RoundRobin()
        # And the bytes of their pictures.
        self._waiting: dict[T, int] = {}
        self._picked: T | None = None
        self._call: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def set(self, waiter: T, weight: float) -> None:
        """Let one take turns, or change its share of the bytes."""
        self._order.set(waiter, weight)

    def remove(self, waiter: T) -> None:
        """Let one take no more turns."""
        self._waiting.pop(waiter, None)
        self._order.remove(waiter)

    def close(self) -> None:
        """Let nobody send, and leave no call behind."""
        self._waiting.clear()
        cancel(self._call)
        self._call = None

    @property
    def largest(self) -> int:
        """The bytes of the largest picture that waits; only while one does."""
        return max(self._waiting.values())

    def is_turn_of(self, waiter: T) -> bool:
        """Whether this one may send: it was picked, or nobody waits."""
        return not self._waiting or self._picked is waiter

    def wait(self, waiter: T, size: int) -> None:
        """Note that one has a picture of so many bytes that may not leave yet."""
        self._waiting[waiter] = size

    def sent(self, waiter: T) -> None:
        """Note that one has sent its picture."""
        self._waiting.pop(waiter, None)

    def send_next(self) -> bool:
        """Have the next one send; return whether it did, or had nothing after all."""
        waiter = self._order.pick(self._waiting)
        del self._waiting[waiter]
        self._picked = waiter
        try:
            waiter.ready()
        finally:
            self._picked = None
        return waiter not in self._waiting

    def call_at(self, at: float, go_on: Callable[[], None]) -> None:
        """Call this at that moment; infinity: not before something is heard."""
        if at == math.inf:
            return
        delay = max(0.0, at - self._clock.seconds())
        if self._call is not None and self._call.active():
            self._call.reset(delay)
        else:
            self._call = self._clock.callLater(delay, go_on)
