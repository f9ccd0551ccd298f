"""A camera's own thread: where everything runs that may block."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

T = TypeVar("T")

Work = Callable[[], None]


class CameraThread:
    """One daemon thread, which does one piece of work after the other.

    A daemon thread, because a camera may hang in the driver for ever: Python joins
    other threads at its end, and Twisted joins its pools', so that a camera would hold
    up the shutdown (3 s for a read of 3 s, measured).

    To ``deferToThreadPool`` it is a pool of one. Twisted's own pools can grow, shrink
    and carry contexts over, which takes 0.3 ms of CPU for each frame (measured).
    """

    def __init__(self, reactor: IReactorFromThreads, name: str) -> None:
        self._reactor = reactor
        self._work: SimpleQueue[Work | None] = SimpleQueue()

        def run() -> None:
            while (work := self._work.get()) is not None:
                work()

        Thread(target=run, name=name, daemon=True).start()

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Run ``work`` when what came before it is through; promise its result."""
        return deferToThreadPool(self._reactor, self, work)  # type: ignore[arg-type]

    def callInThreadWithCallback(
        self,
        onResult: Callable[[bool, Any], None],
        func: Callable[..., object],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Run a call here, and report what came of it, as Twisted's pools do."""

        def work() -> None:
            try:
                result = func(*args, **kwargs)
            except BaseException:
                onResult(False, Failure())
            else:
                onResult(True, result)

        self._work.put(work)

    def stop(self) -> None:
        """Take no more work. The thread ends with what it is doing, if it ever does."""
        self._work.put(None)
