"""Room for one picture, between the reactor, which brings it, and who reads it."""

from __future__ import annotations

import math
from threading import Condition

from camd.sources import Clock, RawFrame, SourceError

#: Seconds for which a picture is fresh: a reader is back within a millisecond or two; a
#: busy machine takes longer now and then.
FRESH = 0.02

#: Intervals of the camera within which its next picture should come.
DUE = 1.5

#: Seconds between pictures from which on nobody waits for a fresher one.
SLOW = 0.2


class Slot:
    """
    Holds the newest picture, which takes the place of the one before.

    A reader that finds one which has waited for its tick waits for the next, if that is
    due; or else its pictures might be late by an interval, each time anew. The last one
    ahead of a silence is not lost that way.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = Condition()
        self._shot: RawFrame | None = None
        # Not the error: what was raised knows who raised it, so that each would keep
        # the other until the collector comes by.
        self._failure: str | None = None
        self._captured = 0.0
        self._interval = math.inf

    def put(self, shot: RawFrame) -> None:
        """Bring a picture; never blocks for longer than a reader takes to look."""
        with self._turn:
            self._interval = shot.captured - self._captured
            self._captured = shot.captured
            self._shot = shot
            self._turn.notify_all()

    def fail(self, reason: SourceError) -> None:
        """Bring no more pictures. The first reason is the one that is told."""
        with self._turn:
            self._failure = self._failure or str(reason)
            self._turn.notify_all()

    def peek(self) -> RawFrame:
        """
        Wait until there is a picture, and leave it for :meth:`take`.

        :raises SourceError: when there is none and none will come.
        """
        with self._turn:
            return self._wait()

    def take(self) -> RawFrame:
        """
        Wait for a picture that was not taken yet.

        :raises SourceError: when there is none and none will come.
        """
        with self._turn:
            if self._shot is not None:
                self._linger(self._shot)
            shot, self._shot = self._wait(), None
            return shot

    def _linger(self, waited: RawFrame) -> None:
        """Wait for a picture newer than this one, where it pays."""
        age = self._clock() - waited.captured
        if age > FRESH and self._interval < SLOW:
            newer = self._interval * DUE - age
            self._turn.wait_for(
                lambda: self._failure or self._shot is not waited, max(0.0, newer)
            )

    def _wait(self) -> RawFrame:
        self._turn.wait_for(lambda: self._shot or self._failure)
        if self._shot is None:
            assert self._failure is not None
            raise SourceError(self._failure)
        return self._shot
