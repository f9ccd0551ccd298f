"""A camera's own thread: where everything runs that may block."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

T = TypeVar("T")


class _DaemonThread(Thread):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, daemon=True, **kwargs)


class CameraThread:
    """
    One daemon thread, which takes one piece of work after the other.

    A daemon thread, because a camera may hang in the driver for ever: Python joins
    other threads at its end, and Twisted joins its reactor's, so that a camera would
    hold up the shutdown (3 s for a read of 3 s, measured).
    """

    def __init__(self, reactor: IReactorFromThreads, name: str) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=1, maxthreads=1, name=name)
        self._pool.threadFactory = _DaemonThread
        self._pool.start()

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Run ``work`` when what came before it is through; promise its result."""
        return deferToThreadPool(self._reactor, self._pool, work)

    def stop(self) -> None:
        """Take no more work. The thread ends with what it is doing, if it ever does."""
        # Stopping a pool waits for its thread, so another thread does the waiting.
        Thread(target=self._pool.stop, daemon=True).start()
