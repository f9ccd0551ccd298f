"""Room for one picture, between the reactor, which brings it, and who reads it."""

from __future__ import annotations

from threading import Condition

from camd.sources import Clock, Shot, SourceError

#: Seconds within which a picture that came unasked is still taken for a new one. A
#: reader is back within a millisecond or two; a busy machine takes longer now and then.
FRESH = 0.02


class Slot:
    """
    Holds the newest picture, which takes the place of the one before.

    A reader waits for the next one to come: what has waited for the reader's tick would
    be late by up to an interval, each time anew.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turn = Condition()
        self._shot: Shot | None = None
        self._failure: SourceError | None = None

    def put(self, shot: Shot) -> None:
        """Bring a picture; never blocks for longer than a reader takes to look."""
        with self._turn:
            self._shot = shot
            self._turn.notify_all()

    def fail(self, reason: SourceError) -> None:
        """Bring no more pictures. The first reason is the one that is told."""
        with self._turn:
            self._failure = self._failure or reason
            self._turn.notify_all()

    def peek(self) -> Shot:
        """
        Wait until there is a picture, and leave it for :meth:`take`.

        :raises SourceError: when there is none and none will come.
        """
        with self._turn:
            return self._wait()

    def take(self) -> Shot:
        """
        Wait for the next picture, or take one that came only just now.

        :raises SourceError: when none will come.
        """
        with self._turn:
            if self._shot and self._clock() - self._shot.captured > FRESH:
                self._shot = None
            shot, self._shot = self._wait(), None
            return shot

    def _wait(self) -> Shot:
        self._turn.wait_for(lambda: self._shot or self._failure)
        if self._shot is None:
            raise self._failure or AssertionError("woken up for nothing")
        return self._shot
