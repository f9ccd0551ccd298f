"""A call that is repeated, and that holds its owner no longer when it has ended."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall


class PeriodicCall(LoopingCall):
    """A ``LoopingCall`` on a clock of its own.

    :param act: what is called; an exception out of it would end the calls.
    """

    def __init__(self, act: Callable[[], object], clock: IReactorTime) -> None:
        super().__init__(act)
        self.clock = clock

    def end(self) -> None:
        """Stop for good, whether it is running or not."""
        if self.running:
            self.stop()
        # In a reference cycle both it and its owner would stay until the garbage
        # collector runs, which is seldom: a camera's last picture, and its source, with
        # each reload.
        self.f = _nothing


def _nothing() -> None:
    """Stands where the owner was called."""
