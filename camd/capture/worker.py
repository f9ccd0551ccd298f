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

from camd.capture.reader import Reader
from camd.sources import SourceError
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

    def stop(self) -> None:
        """Take no more work, end with what is under way; do not wait."""


# Compared by identity: which of them is at work is what matters.
@dataclass(frozen=True, eq=False, slots=True)
class ReaderThread:
    """A reader, and the thread in which all of its calls are made."""

    reader: Reader
    thread: OwnThread


# As above: a job is one thing that happens once.
@dataclass(frozen=True, eq=False, slots=True)
class _Job:
    post: ReaderThread
    began: float
    promised: Deferred[Any]


class Worker:
    """
    Runs one job at a time for a camera, in a thread that it never waits for.

    :param name: the camera's name, for the log.
    :param new_post: makes a reader with a closed source and a thread for it.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        new_post: Callable[[], ReaderThread],
        stats: CameraStats,
        clock: IReactorTime,
    ) -> None:
        self._name = name
        self._new_post = new_post
        self._stats = stats
        self._clock = clock
        self._post = new_post()
        self._job: _Job | None = None
        self._left: set[ReaderThread] = set()
        self._full = False

    @property
    def stuck(self) -> bool:
        """Whether all threads that there may be are stuck."""
        return self._full

    def run(self, what: Callable[[Reader], T]) -> Deferred[T]:
        """
        Do this with the reader, in its thread.

        :return: what came of it; :exc:`SourceError` if the reader was left behind.
        """
        promised: Deferred[T] = Deferred()
        post, now = self._post, self._clock.seconds()
        job = self._job = _Job(post, now, promised)
        done = post.thread(partial(what, post.reader))
        done.addBoth(self._through, job)
        return promised

    def _through(self, outcome: object, job: _Job) -> None:
        # One that was left behind has failed already; what it brings is too old.
        if job is self._job:
            self._job = None
            job.promised.callback(outcome)

    def look(self) -> None:
        """Leave the reader behind if it is stuck; to be called from time to time."""
        job = self._job
        if job is None or self._clock.seconds() - job.began < STUCK:
            return
        if len(self._left) < LEFT_MOST:
            self._leave_behind(job)
        elif not self._full:
            self._full = True
            self._log.warn(
                "Camera {camera}: {count} threads are stuck already; "
                "now it is waited until one comes back",
                camera=self._name,
                count=LEFT_MOST,
            )

    def _leave_behind(self, job: _Job) -> None:
        self._job, self._post = None, self._new_post()
        self._left.add(job.post)
        self._stats.threads_left_behind += 1
        self._log.warn(
            "Camera {camera}: a thread is stuck for {stuck:.0f} s and is left behind; "
            "another one takes over ({count} stuck)",
            camera=self._name,
            stuck=STUCK,
            count=len(self._left),
        )
        # Should it ever come back, it lets the camera go and ends.
        closed = _close(job.post)
        closed.addBoth(self._came_back, job.post)
        job.promised.errback(SourceError(f"stuck for {STUCK:.0f} s"))

    def _came_back(self, _: object, post: ReaderThread) -> None:
        self._left.discard(post)
        self._full = False
        self._log.info(
            "Camera {camera}: a thread that was left behind has come back and ended "
            "({count} stuck)",
            camera=self._name,
            count=len(self._left),
        )

    def stop(self) -> Deferred[None]:
        """
        Have the source released and the thread end.

        :return: fires when it is released, which a camera that hangs can put off for
            ever: do not wait for it alone.
        """
        return _close(self._post)


def _close(post: ReaderThread) -> Deferred[None]:
    closed = post.thread(post.reader.close)
    post.thread.stop()
    return closed
