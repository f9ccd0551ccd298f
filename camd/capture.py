"""The loop that brings frames in, and the supervision of the camera behind it.

A ``LoopingCall`` at ``stream_fps``; each tick hands one job to the camera's own thread:
bring the newest picture (:mod:`camd.reader`). A job is never overlapped by the next.
While nobody watches, the camera is only looked at now and then, and nothing is encoded.
Whatever goes wrong is counted, said once, and tried again: it never ends a stream.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.backoff import Backoff
from camd.frame import Frame
from camd.reader import BadPicture, Glimpse, Picture, Reader
from camd.sources import Given, SourceError
from camd.stats import CameraStats

T = TypeVar("T")

PATIENCE = 2
"""Intervals without a picture that are normal, however slow the camera."""

SAME_PACE = 1.05
"""A camera's rate over the stream's, up to which each of its pictures is wanted."""

WAITED = 0.25
"""Share of an interval from which on a picture has waited before it was read."""

RELEASE_AFTER = 10.0
"""Seconds without a viewer after which a camera with ``idle_fps: 0`` is released."""


class State(enum.Enum):
    """What a camera is doing."""

    STARTING = "starting"
    """It was never seen to work yet."""
    LIVE = "live"
    """Pictures come."""
    STALLED = "stalled"
    """It is open, but no picture has come for ``camera_timeout``."""
    OFFLINE = "offline"
    """It does not open, or failed; it is tried again with growing delays."""
    IDLE = "idle"
    """Nobody watches, and the camera is released until somebody does."""


class InThread(Protocol):
    """Runs a blocking call in the camera's thread and promises its result."""

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Begin ``work`` when the one before it is through."""


class Capture:
    """
    Brings frames in, for as long as it runs.

    :ivar state: what the camera is doing.
    :ivar given: what it really gives; None before it was opened first.
    :ivar captured: when its newest picture was taken, on the reactor's clock; None
        before the first.
    :ivar passed_through: whether its own JPEGs go out as they are; None before the
        first frame.
    :ivar awake: whether frames are brought in for viewers.

    :param name: the camera's name, for the log.
    :param in_thread: runs the reader's blocking calls.
    :param publish: takes each frame.
    :param fps: the most frames a second while somebody watches.
    :param idle_fps: looks a second while nobody does; 0 to release the camera then.
    :param timeout: seconds without a picture until the camera counts as stalled.
    :param wall: gives Unix seconds, for what viewers are told.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        reader: Reader,
        in_thread: InThread,
        publish: Callable[[Frame], None],
        *,
        fps: float,
        idle_fps: float,
        timeout: float,
        stats: CameraStats,
        clock: IReactorTime,
        wall: Callable[[], float],
        backoff: Backoff,
    ) -> None:
        self.state = State.STARTING
        self.given: Given | None = None
        self.captured: float | None = None
        self.passed_through: bool | None = None
        self.awake = False
        self._name = name
        self._reader = reader
        self._in_thread = in_thread
        self._publish = publish
        self._fps = fps
        self._idle_fps = idle_fps
        self._timeout = timeout
        self._stats = stats
        self._clock = clock
        self._wall = wall
        self._backoff = backoff
        self._busy = self._owed = self._bad = False
        self._retry_at = self._seen_at = clock.seconds()
        self._asked: list[Deferred[Frame]] = []
        self._loop = LoopingCall(self._tick)
        self._loop.clock = clock

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
        if self._clock.seconds() < self._retry_at:
            return fail(SourceError(self._stats.last_error))
        asked: Deferred[Frame] = Deferred(self._forget)
        self._asked.append(asked)
        if not self._busy:
            self._begin()
        return asked

    def stop(self) -> Deferred[None]:
        """
        Ask for no more pictures, and have the source released.

        :return: fires when the source is released, which a camera that hangs can put
            off for ever: do not wait for it alone.
        """
        if self._loop.running:
            self._loop.stop()
        return self._in_thread(self._reader.close)

    def _pace(self, fps: float, now: bool = True) -> None:
        if self._loop.running:
            self._loop.stop()
        self._seen_at = self._clock.seconds()
        self._loop.start(1 / fps, now=now)

    def _tick(self) -> None:
        try:
            self._step(self._clock.seconds())
        except Exception:
            # An exception would end the loop, and the camera with it, in silence.
            self._log.failure("Camera {camera}: capture", camera=self._name)

    def _step(self, now: float) -> None:
        if self._busy:
            # Begun as soon as the job under way is through. Waiting for the next tick
            # instead would halve the rate of a camera that is a hair slower than fps.
            self._owed = True
        elif now >= self._retry_at:
            self._begin()
        self._look_for_stall(now)

    def _begin(self) -> None:
        self._busy = True
        outcome: Deferred[None]
        if self.awake or self._asked:
            frame = self._in_thread(self._reader.take)
            outcome = frame.addCallbacks(self._took, self._failed)
        elif self._idle_fps or self.state is State.STARTING:
            glimpse = self._in_thread(self._reader.look)
            outcome = glimpse.addCallbacks(self._saw, self._failed)
        else:
            outcome = self._in_thread(self._reader.close)
            outcome.addCallback(self._released)
        outcome.addErrback(self._unforeseen)
        outcome.addCallback(self._done)

    def _done(self, _: None) -> None:
        self._busy = False
        owed, self._owed = self._owed, False
        due = self._clock.seconds() >= self._retry_at
        if self._loop.running and ((owed and due) or self._asked):
            self._begin()

    def _took(self, picture: Picture) -> None:
        if not self._loop.running:
            return
        self.passed_through = picture.passed_through
        self._bad = False
        self._saw(picture)
        self._owed = self._owed or self._out_of_step(picture)
        self._stats.published += 1
        if picture.encoding is not None:
            self._stats.encoding.observe(picture.encoding)
        timestamp = self._wall() - (self._seen_at - picture.captured)
        number = self._stats.published
        frame = Frame(picture.jpeg, number, picture.captured, timestamp, picture.size)
        self._publish(frame)
        for asked in self._answered():
            asked.callback(frame)

    def _out_of_step(self, picture: Picture) -> bool:
        """
        Tell whether the next picture is to be waited for at once, ahead of its tick.

        A picture that had waited for its tick would be followed by others that do, each
        up to an interval old, as long as camera and ticks go at the same pace.
        """
        pace = picture.given.fps or math.inf
        waited = self._seen_at - picture.captured
        return pace <= self._fps * SAME_PACE and waited > WAITED / self._fps

    def _saw(self, glimpse: Glimpse) -> None:
        stats, now = self._stats, self._clock.seconds()
        stats.captured += 1
        stats.rate.tick(now)
        stats.last_error = None
        self._seen_at = now
        self.captured = glimpse.captured
        self._backoff.reset()
        if glimpse.given is not self.given:
            stats.reopens += self.given is not None
            self.given = glimpse.given
        self._become(State.LIVE, self.given)

    def _released(self, _: None) -> None:
        if self.state is not State.OFFLINE:  # That it did not open is still news.
            self._become(State.IDLE, "nobody watches")

    def _failed(self, failure: Failure) -> None:
        self._stats.failed += 1
        self._stats.last_error = failure.getErrorMessage()
        if failure.check(BadPicture):
            self._bad_picture(failure)
        else:
            self._lost(failure)
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
            self._log.warn(
                "Camera {camera}: a picture is no good and was left out: {reason}",
                camera=self._name,
                reason=failure.getErrorMessage(),
            )

    def _lost(self, failure: Failure) -> None:
        delay = self._backoff.delay()
        self._retry_at = self._clock.seconds() + delay
        if not failure.check(SourceError):
            self._log.failure("Camera {camera} failed", failure, camera=self._name)
        if self._loop.running:
            reason = f"{failure.getErrorMessage()}; trying again in {delay:.1f} s"
            self._become(State.OFFLINE, reason)

    def _unforeseen(self, failure: Failure) -> None:
        self._log.failure("Camera {camera}: capture", failure, camera=self._name)
        # Left unanswered, they would have the next picture taken at once, for ever.
        for asked in self._answered():
            asked.errback(failure)

    def _look_for_stall(self, now: float) -> None:
        if self.state in (State.STARTING, State.LIVE):
            silence = now - self._seen_at
            if silence > max(self._timeout, PATIENCE * self._slowest_interval()):
                self._become(State.STALLED, f"no picture for {silence:.1f} s")

    def _slowest_interval(self) -> float:
        """Give the seconds between pictures, the camera's or the stream's."""
        fps = self.given.fps if self.given is not None else None
        return max(self._loop.interval or 0, 1 / fps if fps else 0)

    def _become(self, state: State, why: object) -> None:
        """Note the state, and say it once, not at each tick."""
        if state is not self.state:
            self.state = state
            say = self._log.warn if state in _TROUBLE else self._log.info
            say(
                "Camera {camera} is {state}: {why}",
                camera=self._name,
                state=state.value,
                why=why,
            )


_TROUBLE = frozenset({State.STALLED, State.OFFLINE})
