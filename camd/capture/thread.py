"""A camera's own thread: where everything runs that may block; and the way back."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from camd.sources.due import Due

T = TypeVar("T")


class Timed(Protocol):
    """What was taken at some moment."""

    @property
    def captured(self) -> float:
        """When, in seconds on its source's clock."""


P = TypeVar("P", bound=Timed)

Work = Callable[[], None]


class ThreadCalls(Protocol):
    """Makes calls on the reactor that were asked for in a thread.

    The reactor is one itself; :class:`EventCalls` costs less.
    """

    def callFromThread(
        self, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> None:
        """Make this call on the reactor, soon; may be called in any thread."""


@implementer(IReadDescriptor)
class EventCalls:
    """Makes calls on the reactor, woken up by one eventfd(2) for all threads.

    Of a round trip to a camera's thread, 159 µs of CPU beside other work, the reactor's
    own ``callFromThread`` takes 48 µs more than this (measured): its pipe is read twice
    for each call, and each call gets a context for the log.
    """

    _log = Logger()

    def __init__(self, reactor: IReactorFDSet) -> None:
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        reactor.addReader(self)

    def callFromThread(
        self, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> None:
        """Make this call on the reactor, soon; may be called in any thread."""
        self._calls.put(partial(callable, *args, **kwargs))
        os.eventfd_write(self._event, 1)

    def fileno(self) -> int:
        """Return what the reactor watches."""
        return self._event

    def logPrefix(self) -> str:
        """Return what the reactor calls it in the log."""
        return "threads"

    def doRead(self) -> None:
        """Make the calls that were asked for by now."""
        os.eventfd_read(self._event)
        for _ in range(self._calls.qsize()):
            call = self._calls.get()
            try:
                call()
            except Exception:
                # The reactor would stop watching this, and no camera would come back.
                self._log.failure("A call from a thread failed")

    def connectionLost(self, reason: Failure) -> None:
        """Stay open although the reactor ends: a thread may still come back."""


@dataclass(eq=False, slots=True)
class Series(Generic[P]):
    """Pictures that a thread takes one after the other, with no job for each.

    :ivar take: waits for the one that is due; called in the thread.
    :ivar tell: is called on the reactor with each.
    :ivar due: when the next one is due.
    :ivar is_ending: whether no more are wanted.
    :ivar count: how many there were.
    """

    take: Callable[[Due], P]
    tell: Callable[[P], object]
    due: Due
    is_ending: bool = False
    count: int = 0

    def end(self) -> None:
        """Have the thread leave off with the next picture, which is told to nobody."""
        self.is_ending = True
        self.due.hurry()

    def run(self, calls: ThreadCalls) -> None:
        """Take pictures until it is to end; in the thread.

        One that finds the reactor busy with other things takes the place of the one
        that waits there.
        """
        newest: deque[P] = deque(maxlen=1)

        def came() -> None:
            if newest:
                self.tell(newest.pop())

        # Looked at twice: what is due next must not be waited for when it has ended.
        while not self.is_ending:
            picture = self.take(self.due)
            if self.is_ending:
                return
            self.due.took(picture.captured)
            self.count += 1
            newest.append(picture)
            calls.callFromThread(came)


class CameraThread:
    """One daemon thread, which does one piece of work after the other.

    A daemon thread, because a camera may hang in the driver for ever: Python joins
    other threads at its end, and Twisted joins its pools', so that a camera would hold
    up the shutdown (3 s for a read of 3 s, measured).

    To ``deferToThreadPool`` it is a pool of one. Twisted's own pools can grow, shrink
    and carry contexts over, which takes 0.3 ms of CPU for each frame (measured).

    :param calls: brings results back to the reactor.
    :param between: is called again and again while no work waits, as long as it returns
        True; may block, and must not raise.
    """

    def __init__(
        self,
        calls: ThreadCalls,
        name: str,
        between: Callable[[], bool] = lambda: False,
    ) -> None:
        self._calls = calls
        self._work: SimpleQueue[Work | None] = SimpleQueue()

        def next_work() -> Work | None:
            while self._work.empty() and between():
                pass
            return self._work.get()

        def run() -> None:
            while (work := next_work()) is not None:
                work()

        Thread(target=run, name=name, daemon=True).start()

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Run ``work`` when what came before it is through; promise its result."""
        return deferToThreadPool(self._calls, self, work)  # type: ignore[arg-type]

    def repeat(self, series: Series[P]) -> Deferred[None]:
        """Run this when what came before it is through; promise its end."""
        return self(partial(series.run, self._calls))

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
