"""A call that is made again and again, and that lets go of its owner at the end."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall


class PeriodicCall(LoopingCall):
    """
    A ``LoopingCall`` that counts by the clock that it is given.

    :param act: what is called; an exception of its own would end the calls.
    """

    def __init__(self, act: Callable[[], object], clock: IReactorTime) -> None:
        super().__init__(act)
        self.clock = clock

    def end(self) -> None:
        """Stop for good, be it running or not."""
        if self.running:
            self.stop()
        # In a circle with its owner both would stay until the collector comes by, and
        # that is seldom: a camera's last picture, and its source, with each reload.
        self.f = _nothing


def _nothing() -> None:
    """Stands where the owner was called."""
