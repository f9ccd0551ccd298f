"""The reader that is at work in its thread, and those that were left behind there.

A driver can hang for ever in a call that nothing can interrupt. The thread that made it
is lost then, but the camera need not be: another reader, with a source of its own,
takes over in another thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.capture.reader import Reader
from camd.capture.thread import P, Series
from camd.sources import SourceError
from camd.sources.due import Due
from camd.stats import CameraStats

T = TypeVar("T")

STUCK = 30.0
"""Seconds after which a call will not come back by itself. OpenCV gives up after 5 s,
opening and reading alike; looking up names and asking for the reason can take as long
again."""

LEFT_MOST = 4
"""Threads that one camera may leave behind at a time: each holds a few MB, and perhaps
the device. More of the same would not help."""


class OwnThread(Protocol):
    """A thread that runs blocking calls one by one, and can be told to end."""

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Begin ``work`` when the one before it is through; promise its result."""

    def repeat(self, series: Series[P]) -> Deferred[None]:
        """Begin the series when the work before it is through; promise its end."""

    def stop(self) -> None:
        """Take no more work, end with what is under way; do not wait."""


# Compared by identity: which of them is at work is what matters.
@dataclass(frozen=True, eq=False, slots=True)
class ReaderThread:
    """A reader, and the thread in which all of its calls are made."""

    reader: Reader
    thread: OwnThread


@dataclass(eq=False, slots=True)
class _Job:
    """One call under way, or a series of pictures.

    :ivar began: when the call began, on the reactor's clock.
    :ivar done: is told what came of it.
    :ivar series: None for one call.
    :ivar count: how many pictures of the series there were at the last check.
    """

    at: ReaderThread
    began: float
    done: Callable[[Any], None]
    series: Series[Any] | None = None
    count: int = 0


class Worker:
    """Runs one job at a time for a camera, in a thread that it never waits for.

    :param name: the camera's name, for the log.
    :param new_reader: makes a reader with a closed source, and a thread for it.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        new_reader: Callable[[], ReaderThread],
        stats: CameraStats,
        clock: IReactorTime,
    ) -> None:
        self._name = name
        self._new_reader = new_reader
        self._stats = stats
        self._clock = clock
        self._current = new_reader()
        self._job: _Job | None = None
        self._left: set[ReaderThread] = set()
        self._is_full = False

    @property
    def stuck(self) -> bool:
        """Whether all threads that there may be are stuck."""
        return self._is_full

    def run(
        self, work: Callable[[Reader], T], done: Callable[[T | Failure], None]
    ) -> None:
        """Do this with the reader, in its thread.

        :param done: is told what came of it, on the reactor; a failure with
            :exc:`SourceError` if the reader was left behind.
        """
        current = self._current
        job = self._job = _Job(current, self._clock.seconds(), done)
        current.thread(partial(work, current.reader)).addBoth(self._finish, job)

    def follow(
        self,
        take: Callable[[Reader, Due], P],
        fps: float,
        tell: Callable[[P], None],
        done: Callable[[Failure | None], None],
    ) -> None:
        """Take pictures with the reader, in its thread, one after the other.

        :param fps: the most pictures a second.
        :param tell: is told of each, on the reactor.
        :param done: as in :meth:`run`, of the first that fails; None when it was ended.
        """
        current = self._current
        series = Series(partial(take, current.reader), tell, Due(fps))
        job = self._job = _Job(current, self._clock.seconds(), done, series)
        current.thread.repeat(series).addBoth(self._finish, job)

    def hurry(self) -> None:
        """Have a series take the next picture, whenever it comes."""
        if self._job is not None and self._job.series is not None:
            self._job.series.due.hurry()

    def end_series(self) -> None:
        """Have a series tell of no more pictures, and end with the next."""
        if self._job is not None and self._job.series is not None:
            self._job.series.end()

    def _finish(self, outcome: object, job: _Job) -> None:
        # One that was left behind has failed already; what it brings is too old.
        if job is self._job:
            self._job = None
            job.done(outcome)

    def forgive(self, seconds: float) -> None:
        """Allow the job under way so much more time."""
        if self._job is not None:
            self._job.began += seconds

    def check(self, now: float) -> None:
        """Leave the reader behind if it is stuck; called from time to time."""
        job = self._job
        if job is None:
            return
        if job.series is not None and job.series.count != job.count:
            job.count, job.began = job.series.count, now
        if now - job.began < STUCK:
            return
        if len(self._left) < LEFT_MOST:
            self._leave_behind(job)
        elif not self._is_full:
            self._is_full = True
            self._log.warn(
                "Camera {camera}: {count} threads are stuck; waiting for one to return",
                camera=self._name,
                count=LEFT_MOST,
            )

    def _leave_behind(self, job: _Job) -> None:
        self.end_series()
        if job.series is not None:
            job.series.tell = _nothing
        self._job, self._current = None, self._new_reader()
        self._left.add(job.at)
        self._stats.threads_left_behind += 1
        self._log.warn(
            "Camera {camera}: a thread is stuck for {stuck:.0f} s and is left behind; "
            "another one takes over ({count} stuck)",
            camera=self._name,
            stuck=STUCK,
            count=len(self._left),
        )
        # Should it ever return, it lets the camera go and ends.
        _close(job.at).addBoth(self._returned, job.at)
        job.done(Failure(SourceError(f"stuck for {STUCK:.0f} s")))

    def _returned(self, _: object, late: ReaderThread) -> None:
        self._left.discard(late)
        self._is_full = False
        self._log.info(
            "Camera {camera}: a thread that was left behind has returned and ended "
            "({count} stuck)",
            camera=self._name,
            count=len(self._left),
        )

    def stop(self) -> Deferred[None]:
        """Have the source released and the thread end.

        :return: fires when it is released, which a camera that hangs can put off for
            ever: do not wait for it alone.
        """
        self.end_series()
        return _close(self._current)


def _nothing(_: object) -> None:
    """Drop a result of a reader that was left behind."""


def _close(reader_thread: ReaderThread) -> Deferred[None]:
    closed = reader_thread.thread(reader_thread.reader.close)
    reader_thread.thread.stop()
    return closed
