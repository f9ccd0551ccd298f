"""What is known of a camera's health: its state, since when, and when to try again.

Nothing here reads a camera or knows the time but by its clock. What came is told by
:mod:`camd.capture.capture`. docs/cameras.md has the table of states.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.capture.backoff import MOST, Backoff
from camd.sources import CameraMode, Refused, SourceError

PATIENCE = 2
"""Intervals without a picture that are normal, however slow the camera."""

LOOK_AGAIN = 0.5
"""Seconds between checks for a device that is not there. A check costs next to
nothing, and a camera is to be back within two seconds of its plug."""

REASONS_MOST = 8
"""Reasons that are logged for one outage; a camera may find new ones for ever."""


class State(enum.Enum):
    """What a camera is doing."""

    STARTING = "starting"
    """It was never seen to work yet."""
    LIVE = "live"
    """Pictures come."""
    STALLED = "stalled"
    """It is open, but no picture has come for ``camera_timeout``."""
    OFFLINE = "offline"
    """It does not open, or failed, and is tried again with growing delays; or nobody
    pushes to it."""
    IDLE = "idle"
    """Nobody watches, and the camera is released until somebody does."""


TROUBLE = frozenset({State.STALLED, State.OFFLINE})
"""States in which no pictures come that should."""


class Health:
    """The state of one camera, logged when it changes, not at each picture.

    :ivar state: what the camera is doing.
    :ivar mode: what it really gives; None before it was opened first.
    :ivar seen_at: when the newest picture was taken, or when one was first waited for
        after that; like all moments here on the reactor's clock.
    :ivar lost_at: :attr:`seen_at` as it was when the trouble began; None without any.
    :ivar retry_at: the moment from which on it may be tried again.
    :ivar timeout: seconds without a picture until the camera counts as stalled.
    :ivar missing: whether its device was not there at the last try.
    :ivar changed: is told the new state and the reason whenever the state changes.
    :ivar waits: whether it is offline as nobody sends pictures, and not tried again.
    :ivar told_patience: seconds without a picture that are normal for the camera by
        the word of the camd that has it; 0 where there is none.

    :param asked_fps: the rate that the camera is asked for.
    :param is_missing: whether it is a device that is not there; must not block.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        timeout: float,
        clock: IReactorTime,
        backoff: Backoff,
        *,
        asked_fps: float = math.inf,
        is_missing: Callable[[], bool] = lambda: False,
    ) -> None:
        self.state = State.STARTING
        self.mode: CameraMode | None = None
        self.seen_at = self.retry_at = clock.seconds()
        self.lost_at: float | None = None
        self.missing = self.waits = False
        self.told_patience = 0.0
        self.changed: Callable[[State, str], None] = lambda state, why: None
        self._name = name
        self.timeout = timeout
        self._clock = clock
        self._backoff = backoff
        self._is_missing = is_missing
        self._asked_interval = 1 / asked_fps
        self._interval = 0.0
        # When the last picture came; None where what lies between that and the next one
        # is no interval of the camera's.
        self._came_at: float | None = None
        # Seconds between the last pictures, as they came.
        self._gaps = 0.0, 0.0
        self._said: set[str] = set()
        # What another camd says of the camera that it has, when that is not live.
        self._told: State | None = None

    @property
    def is_told_offline(self) -> bool:
        """Whether another camd says that the camera is offline there."""
        return self._told is State.OFFLINE

    @property
    def retry_in(self) -> float:
        """Seconds until it may be tried again; 0 for now."""
        return max(0.0, self.retry_at - self._clock.seconds())

    @property
    def usual_silence(self) -> float:
        """Seconds without a picture that the pace of the last ones explains.

        As :attr:`patience` as long as that is not known.
        """
        return PATIENCE * min(self._gaps) or self.patience

    @property
    def patience(self) -> float:
        """Seconds without a picture that are normal: ``camera_timeout``, or more.

        Two intervals of the camera, that is: of the rate that is wanted, asked for,
        told by the camera, or seen. Of the last two gaps between pictures the shorter
        counts: the return from an outage makes nobody patient. What another camd says
        of the camera that it has counts as well.
        """
        fps = self.mode.fps if self.mode is not None else None
        slowest = max(
            self._interval,
            self._asked_interval,
            1 / fps if fps else 0,
            min(self._gaps),
        )
        return max(self.timeout, self.told_patience, PATIENCE * slowest)

    def wait(self) -> None:
        """Count the silence from now on: there was no reason for a picture before."""
        self.seen_at, self._came_at = self._clock.seconds(), None

    def seen(self, mode: CameraMode, captured: float) -> bool:
        """Note that a picture has come.

        :param mode: what the camera gives, a new object each time it is opened.
        :param captured: when it was taken. One that is old already when it comes is
            shown, but it is no sign of life: so a camd behind another one is not live
            by a picture that the other one holds.
        :return: whether the camera was opened again for it.
        """
        now = self._clock.seconds()
        if self._came_at is not None:
            self._gaps = self._gaps[1], now - self._came_at
        self._came_at = now
        self.seen_at = captured if captured < now else now
        age = now - captured
        if self.state is State.LIVE and mode is self.mode and age <= self.timeout:
            return False  # Nothing is new but the picture.
        reopened = mode is not self.mode and self.mode is not None
        self.mode = mode
        self.missing = self.waits = False
        self._backoff.reset()
        if age > self.timeout and age > self.patience:
            if self._told is None:
                self._become(State.STALLED, f"its picture is {age:.1f} s old")
            return reopened
        self.lost_at = None
        if self._said:
            self._said.clear()
        self._become(State.LIVE, mode)
        return reopened

    def told(self, state: State, why: str) -> bool:
        """Note what another camd says of the camera that it has.

        :param state: trouble there is trouble here at once. A camera that is live
            there is live here when its picture comes.
        :param why: for people.
        :return: whether it is in trouble there.
        """
        if state in (State.LIVE, State.IDLE):
            self._told = None
            return False
        self._told = state
        is_news = self._is_news(why)
        self._become(state, why, again=is_news)
        return state in TROUBLE

    def failed(self, failure: Failure) -> None:
        """Note that the camera did not open or gave no picture, and was closed."""
        self._told, self.waits, self.told_patience = None, False, 0.0
        self.missing = self._is_missing()
        delay = LOOK_AGAIN if self.missing else self._backoff.delay()
        if failure.check(Refused):
            delay = max(delay, MOST)
        self.retry_at = self._clock.seconds() + delay
        if not failure.check(SourceError):
            self._log.failure("Camera {camera} failed", failure, camera=self._name)
        reason = failure.getErrorMessage()
        text = f"{reason}; trying again in {delay:.1f} s"
        self._become(State.OFFLINE, text, again=self._is_news(reason))

    def _is_news(self, reason: str) -> bool:
        """Whether this reason was not logged yet in this outage, and may be."""
        is_news = reason not in self._said and len(self._said) < REASONS_MOST
        if is_news:
            self._said.add(reason)
        return is_news

    def waits_for(self, reason: str) -> None:
        """Note that nobody sends pictures; the camera is not to be tried again.

        :param reason: for people: who is waited for.
        """
        self.waits = True
        self._become(State.OFFLINE, reason)

    def released(self) -> None:
        """Note that the camera was let go, as nobody watches."""
        self._told = None
        if self.state is not State.OFFLINE:  # That it did not open is still news.
            self.lost_at = None
            self._become(State.IDLE, "nobody watches")

    def check_stall(self, interval: float, why: Callable[[float], str]) -> float:
        """Check whether pictures have come lately.

        :param interval: seconds between two pictures that are wanted.
        :param why: returns the reason when none has come for so many seconds.
        :return: seconds from now at which the camera will be stalled, if none comes;
            infinite where it cannot be, or is already.
        """
        self._interval = interval
        if self.state not in (State.STARTING, State.LIVE):
            return math.inf
        silence = self._clock.seconds() - self.seen_at
        left = self.patience - silence
        if left >= 0:
            return left
        reason = why(silence)
        self._become(self._told or State.STALLED, reason)
        return math.inf

    def _become(self, state: State, why: object, again: bool = False) -> None:
        """Note the state, and log it if it is new.

        :param again: log it even if it is not.
        """
        if state is self.state and not again:
            return
        if state in TROUBLE and self.lost_at is None:
            self.lost_at = self.seen_at
        is_new, self.state = state is not self.state, state
        say = self._log.warn if state in TROUBLE else self._log.info
        say(
            "Camera {camera} is {state}: {why}",
            camera=self._name,
            state=state.value,
            why=why,
        )
        if is_new:
            self.changed(state, f"{why}")
