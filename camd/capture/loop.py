"""The loop that brings frames in from a camera.

A ``LoopingCall`` at ``stream_fps``; each tick hands one job to the camera's own thread:
bring the newest picture (:mod:`camd.capture.reader`). Two jobs never overlap. While
nobody watches, the camera is only probed now and then and nothing is encoded. The
outcome of each job goes to :mod:`camd.capture.health`, which knows when to try again.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.capture.health import Health, State
from camd.capture.reader import BadPicture, CheckedJpeg, Probe, Reader
from camd.capture.worker import Worker
from camd.frame import Frame
from camd.periodic import PeriodicCall
from camd.sources import CameraMode, SourceError
from camd.stats import CameraStats

SAME_PACE = 1.05
"""A camera's rate over the stream's, up to which each of its pictures is wanted."""

WAITED = 0.05
"""Share of an interval from which on a picture has waited before it was read. It would
do so again and again, as source and ticks go at the same pace: with 0.25, the median
from capture to arrival was 1.6 to 8.6 ms, by chance (200 viewers, measured)."""

RELEASE_AFTER = 10.0
"""Seconds without a viewer after which a camera with ``idle_fps: 0`` is released."""


class CaptureLoop:
    """
    Brings frames in, for as long as it runs.

    :ivar health: what is known of the camera.
    :ivar captured: when its newest picture was taken, on the reactor's clock; None
        before the first.
    :ivar passed_through: whether its own JPEGs go out as they are; None before the
        first frame.
    :ivar awake: whether frames are brought in for viewers.

    :param readers: run the blocking calls.
    :param publish: takes each frame.
    :param fps: the most frames a second while somebody watches.
    :param idle_fps: looks a second while nobody does; 0 to release the camera then.
    :param wall: gives Unix seconds, for what viewers are told.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        readers: Worker,
        health: Health,
        publish: Callable[[Frame], None],
        *,
        fps: float,
        idle_fps: float,
        stats: CameraStats,
        clock: IReactorTime,
        wall: Callable[[], float],
    ) -> None:
        self.health = health
        self.captured: float | None = None
        self.passed_through: bool | None = None
        self.awake = False
        self._name = name
        self._readers = readers
        self._publish = publish
        self._fps = fps
        self._idle_fps = idle_fps
        self._stats = stats
        self._clock = clock
        self._wall = wall
        self._busy = self._owed = self._bad = False
        self._asked: list[Deferred[Frame]] = []
        self._loop = PeriodicCall(self._tick, clock)

    @property
    def state(self) -> State:
        """What the camera is doing."""
        return self.health.state

    @property
    def mode(self) -> CameraMode | None:
        """What the camera really gives; None before it was opened first."""
        return self.health.mode

    @property
    def stuck(self) -> bool:
        """Whether the camera's driver holds all threads that there may be."""
        return self._readers.stuck

    def start(self) -> None:
        """Begin, with nobody watching."""
        self._pace(self._idle_fps or 1 / RELEASE_AFTER)

    def wake(self) -> None:
        """Bring in frames, at once and from now on: somebody watches."""
        if not self.awake:
            self.awake = True
            self._pace(self._fps)

    def rest(self) -> None:
        """Bring in no more frames: nobody watches."""
        self.awake = self._owed = False
        if self._loop.running:
            self._pace(self._idle_fps or 1 / RELEASE_AFTER, now=False)

    def snapshot(self) -> Deferred[Frame]:
        """
        Bring in one frame now, whether anybody watches or not.

        :return: fails with :exc:`SourceError` or :exc:`BadPicture`, or never fires,
            while the camera hangs.
        """
        if self.health.retry_in:
            return fail(SourceError(self._stats.last_error))
        asked: Deferred[Frame] = Deferred(self._forget)
        self._asked.append(asked)
        if not self._busy:
            self._begin()
        return asked

    def stop(self) -> Deferred[None]:
        """
        Ask for no more pictures, and have the source released.

        :return: see :meth:`Worker.stop`.
        """
        self._loop.end()
        return self._readers.stop()

    def _pace(self, fps: float, now: bool = True) -> None:
        if self._loop.running:
            self._loop.stop()
        self.health.wait()
        self._loop.start(1 / fps, now=now)

    def _tick(self) -> None:
        try:
            self._step()
        except Exception:
            # An exception would end the loop, and the camera with it, in silence.
            self._log.failure("Camera {camera}: capture", camera=self._name)

    def _step(self) -> None:
        if self._busy:
            # Begun as soon as the job under way is through. Waiting for the next tick
            # instead would halve the rate of a camera that is a hair slower than fps.
            self._owed = True
        elif not self.health.retry_in:
            self._begin()
        self.health.look(self._loop.interval or 0)
        self._readers.look()

    def _begin(self) -> None:
        self._busy = True
        outcome: Deferred[None]
        if self.awake or self._asked:
            frame = self._readers.run(Reader.take)
            outcome = frame.addCallbacks(self._took, self._failed)
        elif self._idle_fps or self.state is State.STARTING:
            glimpse = self._readers.run(Reader.look)
            outcome = glimpse.addCallbacks(self._saw, self._failed)
        else:
            outcome = self._readers.run(Reader.close)
            outcome = outcome.addCallbacks(self._released, self._failed)
        outcome.addErrback(self._unforeseen)
        outcome.addCallback(self._done)

    def _done(self, _: None) -> None:
        self._busy = False
        owed, self._owed = self._owed, False
        due = not self.health.retry_in
        if self._loop.running and ((owed and due) or self._asked):
            self._begin()

    def _took(self, picture: CheckedJpeg) -> None:
        if not self._loop.running:
            return
        self.passed_through = picture.passed_through
        self._bad = False
        self._saw(picture)
        waited = self._clock.seconds() - picture.captured
        self._owed = self._owed or self._out_of_step(picture.mode, waited)
        self._stats.published += 1
        if picture.encoding is not None:
            self._stats.encoding.observe(picture.encoding)
        timestamp, number = self._wall() - waited, self._stats.published
        frame = Frame(picture.jpeg, number, picture.captured, timestamp, picture.size)
        self._publish(frame)
        for asked in self._answered():
            asked.callback(frame)

    def _out_of_step(self, mode: CameraMode, waited: float) -> bool:
        """
        Tell whether the next picture is to be waited for at once, ahead of its tick.

        A picture that had waited for its tick would be followed by others that do, each
        up to an interval old, as long as camera and ticks go at the same pace.
        """
        pace = mode.fps or math.inf
        return pace <= self._fps * SAME_PACE and waited > WAITED / self._fps

    def _saw(self, glimpse: Probe) -> None:
        stats = self._stats
        stats.captured += 1
        stats.rate.tick(self._clock.seconds())
        stats.last_error = None
        self.captured = glimpse.captured
        stats.reopens += self.health.seen(glimpse.mode)

    def _released(self, _: None) -> None:
        self.health.released()

    def _failed(self, failure: Failure) -> None:
        self._stats.failed += 1
        self._stats.last_error = failure.getErrorMessage()
        if failure.check(BadPicture):
            self._bad_picture(failure)
        elif self._loop.running:
            self.health.failed(failure)
        for asked in self._answered():
            asked.errback(failure)

    def _forget(self, asked: Deferred[Frame]) -> None:
        """Take no picture for this one: it was cancelled."""
        if asked in self._asked:
            self._asked.remove(asked)

    def _answered(self) -> list[Deferred[Frame]]:
        answered, self._asked = self._asked, []
        return answered

    def _bad_picture(self, failure: Failure) -> None:
        self._stats.captured += 1
        if not self._bad:
            self._bad = True
            # The next one at once, in its place. After that the ticks set the pace
            # again: there may be no good one for long.
            self._owed = self.awake
            self._log.warn(
                "Camera {camera}: a picture is no good and was left out: {reason}",
                camera=self._name,
                reason=failure.getErrorMessage(),
            )

    def _unforeseen(self, failure: Failure) -> None:
        self._log.failure("Camera {camera}: capture", failure, camera=self._name)
        # Left unanswered, they would have the next picture taken at once, for ever.
        for asked in self._answered():
            asked.errback(failure)
