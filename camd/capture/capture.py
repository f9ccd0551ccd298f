"""One camera's pictures on their way in, however they come.

An *intake* brings them: :mod:`camd.capture.pull` reads a source that blocks in the
camera's own thread; :mod:`camd.capture.push` takes what a source hands over on the
reactor. Both tell :class:`Capture` what came, and everything behind that is
the same: it is counted, the camera's :mod:`health <camd.capture.health>` follows from
it, and a frame is published. While nobody watches, the camera is only probed now and
then and nothing is encoded or checked.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.capture.health import Health, State
from camd.capture.reader import CheckedJpeg, Probe
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import Frame
from camd.periodic import EARLY, PeriodicCall, cancel
from camd.sources import CameraMode, SourceError
from camd.stats import CameraStats

RELEASE_AFTER = 10.0
"""Seconds without a viewer after which a camera with ``idle_fps: 0`` is released."""

MOMENT = 0.01
"""Seconds between two checks at the least."""

CHECK = 1.0
"""Seconds between two checks for silence, at the most. A check also comes at the very
moment at which a camera would be stalled."""

SUSPENDED = 1.0
"""Seconds by which a check must be late to show that the daemon itself stood still: it
was stopped (SIGSTOP), or the machine slept. No camera is to blame for that time."""


BEGUN_AGAIN = 1.0
"""Seconds by which a picture of a lower number was taken later, where the camd that has
the camera was started again."""

TOLD = "the origin's camera is"
"""What begins each reason that is another camd's, and not the way's to it."""

_STATES = frozenset(state.value for state in State)


@dataclass(frozen=True, slots=True)
class OriginReport:
    """What the camd says that a camera's pictures come from.

    :ivar state: what its camera does.
    :ivar why: its last error; None for none.
    """

    state: State
    why: str | None


class LinkState(enum.Enum):
    """What the way to another camd does."""

    UP = "up"
    """Something came lately."""
    STALLED = "stalled"
    """There is a connection, and nothing comes."""
    OFFLINE = "offline"
    """There is no connection; it is tried again with growing delays."""


LINK_SILENT = 6.0
"""Seconds of silence after which a link counts as stalled: a second more than a camd's
``heartbeat_interval``, as long as nobody has set another."""


class Intake(Protocol):
    """What brings pictures in, and tells a :class:`Capture` of them."""

    @property
    def stuck(self) -> bool:
        """Whether the camera's driver holds all threads that there may be."""

    def set_pace(self, fps: float, now: bool) -> None:
        """Bring so many pictures a second from now on.

        :param now: the first one at once.
        """

    def set_fps(self, fps: float) -> None:
        """Bring viewers at most so many frames a second, from the next pace on."""

    def take_now(self) -> None:
        """Bring one picture as soon as possible, ahead of the pace."""

    def take_last(self) -> None:
        """Bring the last picture that came while nobody wanted it, if it was kept."""

    def why_silent(self, seconds: float) -> str:
        """Return why no picture has come for so long, as far as it is known."""

    def check(self, now: float) -> None:
        """Give up on what has hung for too long; called about once a second."""

    def forgive(self, seconds: float) -> None:
        """Do not count so many seconds, in which the daemon stood still."""

    def stop(self) -> Deferred[None]:
        """Bring no more pictures, and tell the capture nothing more.

        :return: fires when the source is released, which a camera that hangs can put
            off for ever.
        """


class Capture:
    """Counts, judges and publishes what an intake brings, for as long as it runs.

    :ivar health: what is known of the camera.
    :ivar captured: when its newest picture was taken, on the reactor's clock; None
        before the first.
    :ivar passed_through: whether its own JPEGs go out as they are; None before the
        first frame.
    :ivar awake: whether frames are brought in for viewers.
    :ivar running: whether it was started and not stopped since.
    :ivar origin: what another camd says, where the pictures come from one; None as long
        as there is no connection to it.
    :ivar heard_at: when the source last gave any sign of life, on the reactor's clock.

    :param new_intake: makes what brings the pictures in, for this capture.
    :param publish: takes each frame.
    :param fps: the most frames a second while somebody watches.
    :param idle_fps: probes a second while nobody does; 0 to release the camera then.
    :param wall: returns Unix seconds, for what viewers are told.
    :param show_placeholder: takes what another camd shows in place of a picture.
    :param relays: whether the pictures come from another camd for certain.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        new_intake: Callable[[Capture], Intake],
        health: Health,
        publish: Callable[[Frame], None],
        *,
        fps: float,
        idle_fps: float,
        stats: CameraStats,
        clock: IReactorTime,
        wall: Callable[[], float],
        show_placeholder: Callable[[Frame], None] = lambda frame: None,
        relays: bool = False,
    ) -> None:
        self.health = health
        self.origin: OriginReport | None = None
        self.heard_at = clock.seconds()
        self.captured: float | None = None
        self.passed_through: bool | None = None
        self.awake = False
        self.running = False
        self._name = name
        self._publish = publish
        self._fps = fps
        self._idle_fps = idle_fps
        self._stats = stats
        self._clock = clock
        self._wall = wall
        self._relays = relays
        self._is_link_lost = False
        self._show_placeholder = show_placeholder
        # Of another camd's newest picture: what it came as, its number, and when it was
        # taken.
        self._newest: tuple[Rendition | None, int, float] | None = None
        # The frame of the newest picture; None where a newer one was only probed.
        self._last: Frame | None = None
        # Unix time by the clock of the camd that has the camera, less the reactor's;
        # None where that is this one.
        self._origin_ahead: float | None = None
        self._interval = 0.0
        self._is_bad = False
        self._asked: list[Deferred[Frame]] = []
        self._checks = PeriodicCall(self._check, clock)
        self._checked_at = 0.0
        # Unix time less the reactor's, whose clock stands still while the machine
        # sleeps, and when that was last noticed.
        self._ahead = wall() - clock.seconds()
        self._woke_at = -math.inf
        # A check at the very moment at which the camera would be stalled.
        self._stall_check: IDelayedCall | None = None
        self._intake = new_intake(self)

    @property
    def state(self) -> State:
        """What the camera is doing."""
        return self.health.state

    @property
    def mode(self) -> CameraMode | None:
        """What the camera really gives; None before it was opened first."""
        return self.health.mode

    def origin_time(self) -> float | None:
        """Return the Unix time by the clock that the pictures' times are of.

        It may be ahead of that clock, by what the link leaves open, and is never
        behind: no picture looks younger by it than it is.

        :return: None where that is this machine's own, as far as it is known.
        """
        ahead = self._origin_ahead
        return None if ahead is None else self._clock.seconds() + ahead

    @property
    def link(self) -> LinkState | None:
        """What the way to another camd does, where the pictures come from one.

        None while there is none, as nobody watches or camd has just begun.
        """
        if self.origin is None:
            is_lost = self._is_link_lost or (
                self._relays and self.state is State.OFFLINE
            )
            return LinkState.OFFLINE if is_lost else None
        silence = self._clock.seconds() - self.heard_at
        return LinkState.UP if silence < LINK_SILENT else LinkState.STALLED

    @property
    def stuck(self) -> bool:
        """Whether the camera's driver holds all threads that there may be."""
        return self._intake.stuck

    @property
    def wants_frame(self) -> bool:
        """Whether the next picture is to become a frame."""
        return self.awake or bool(self._asked)

    @property
    def is_asked(self) -> bool:
        """Whether a snapshot waits for the next picture."""
        return bool(self._asked)

    @property
    def wants_probe(self) -> bool:
        """Whether the camera is to be looked at although nobody watches."""
        return bool(self._idle_fps) or self.health.state is State.STARTING

    @property
    def releases(self) -> bool:
        """Whether the camera is released when nobody watches."""
        return not self._idle_fps

    def apply(self, fps: float, idle_fps: float, timeout: float) -> None:
        """Go by these rates and this time-out from now on; the source stays open."""
        self.health.timeout = timeout
        if (fps, idle_fps) == (self._fps, self._idle_fps):
            return
        self._fps, self._idle_fps = fps, idle_fps
        self._intake.set_fps(fps)
        if self.running:
            idle = idle_fps or 1 / RELEASE_AFTER
            self._set_pace(fps if self.awake else idle, now=False)

    def start(self) -> None:
        """Begin, with nobody watching."""
        self._set_pace(self._idle_fps or 1 / RELEASE_AFTER)

    def wake(self) -> None:
        """Bring in frames, at once and from now on: somebody watches."""
        if not self.awake:
            self.awake = True
            self._set_pace(self._fps)

    def rest(self) -> None:
        """Bring in no more frames: nobody watches."""
        self.awake = False
        if self.running:
            self._set_pace(self._idle_fps or 1 / RELEASE_AFTER, now=False)

    def _set_pace(self, fps: float, now: bool = True) -> None:
        if not self.running:
            self.running = True
            self._checked_at = self._clock.seconds()
            self._checks.start(CHECK, now=False)
        self._interval = 1 / fps
        self.health.wait()
        self._intake.set_pace(fps, now)

    def snapshot(self) -> Deferred[Frame]:
        """Bring in one frame now, whether anybody watches or not.

        :return: fails with :exc:`SourceError` or :exc:`BadPicture`, or never fires,
            while the camera hangs.
        """
        is_offline_there = self.origin is not None and self.health.is_told_offline
        if self.health.retry_in or is_offline_there:
            return fail(SourceError(self._stats.last_error))
        asked: Deferred[Frame] = Deferred(self._forget)
        self._asked.append(asked)
        self._intake.take_now()
        return asked

    def show_last(self) -> None:
        """Show the newest picture there is, though it is no new one.

        To be called when none has come for those that wait. Its number and time are its
        own. Nothing is shown of a camera that is not live, or from before the machine
        slept: by the reactor's clock it is hours younger than it is.
        """
        self._notice_sleep()
        last, now = self._last, self._clock.seconds()
        # One that has just fallen silent is live, and so it is where the daemon stood
        # still: its last picture would be an old one that looks new.
        usual = self.health.usual_silence
        oldest = max(now - usual, self._woke_at)
        is_old = self.captured is None or self.captured < oldest
        if self.state is not State.LIVE or is_old:
            return
        if last is None:
            self._intake.take_last()
            return
        if self.awake and self.running:
            self._publish(last)
        self._answer(last)

    def _forget(self, asked: Deferred[Frame]) -> None:
        """Take no picture for this one: it was cancelled."""
        if asked in self._asked:
            self._asked.remove(asked)

    def stop(self) -> Deferred[None]:
        """Ask for no more pictures, and have the source released.

        :return: see :meth:`Intake.stop`.
        """
        self.running = False
        self._checks.end()
        cancel(self._stall_check)
        self._stall_check = None
        return self._intake.stop()

    # ---- What an intake tells

    def took(self, picture: CheckedJpeg) -> None:
        """Publish a picture."""
        if not self.running:
            return
        self.passed_through = picture.passed_through
        self._is_bad = False
        stats, captured = self._stats, picture.captured
        stats.published += picture.was_probed or self.probed(picture)
        if picture.encoding is not None:
            stats.encoding.observe(picture.encoding)
        if picture.stamp is not None:
            number, timestamp = picture.stamp
        else:
            number = stats.published
            timestamp = self._wall() - (self._clock.seconds() - captured)
        frame = Frame(
            picture.jpeg,
            number,
            captured,
            timestamp,
            picture.size,
            rendition=picture.rendition,
        )
        self._last = frame
        self._publish(frame)
        if self._asked:
            self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        """Answer those that asked for a snapshot, which is a full picture."""
        if frame.rendition is None:
            for asked in self._answered():
                asked.callback(frame)

    def probed(self, probe: Probe) -> bool:
        """Note that a picture has come.

        :return: whether it is a new one, and not one that has come already in another
            rendition.
        """
        self.heard_at = now = self._clock.seconds()
        if probe.stamp is not None:
            if self._has_come(probe, probe.stamp.number):
                return False
            self._newest = probe.rendition, probe.stamp.number, probe.captured
            self._origin_ahead = probe.stamp.timestamp - probe.captured
        self._last = None
        stats = self._stats
        stats.captured += 1
        stats.rate.tick(now)
        stats.last_error = None
        self.captured = probe.captured
        stats.reopens += self.health.seen(probe.mode, probe.captured)
        return True

    def _has_come(self, probe: Probe, number: int) -> bool:
        """Whether this picture, or a later one, has come in another rendition."""
        if self._newest is None or self._newest[0] == probe.rendition:
            return False
        _, newest, captured = self._newest
        # Where the camera began again, its numbers did, too.
        return number <= newest and probe.captured - captured < BEGUN_AGAIN

    def released(self) -> None:
        """Note that the source was closed, as nobody watches."""
        self.origin = None
        if self.running:
            self.health.released()

    def dropped(self, failure: Failure) -> bool:
        """Note that a picture was no good, and was left out.

        :param failure: a :exc:`BadPicture`.
        :return: whether it is the first in a row, and the next is to stand in for it.
        """
        self._stats.failed += 1
        self._stats.captured += 1
        self._stats.last_error = failure.getErrorMessage()
        is_first, self._is_bad = not self._is_bad, True
        if is_first:
            self._log.warn(
                "Camera {camera}: dropped a bad picture: {reason}",
                camera=self._name,
                reason=failure.getErrorMessage(),
            )
        self._refuse(failure)
        return is_first and self.awake

    def failed(self, failure: Failure) -> None:
        """Note that the source did not open or gave no picture, and was closed."""
        self.origin = None
        self._stats.failed += 1
        self._stats.last_error = failure.getErrorMessage()
        if self.running:
            self.health.failed(failure)
        self._refuse(failure)

    def heard(self) -> None:
        """Note that the source is well though it brings no picture."""
        self.heard_at = self._clock.seconds()
        self._is_link_lost = False

    def link_lost(self, reason: str) -> None:
        """Note that the way to another camd is broken, and is being mended."""
        self.origin, self._is_link_lost = None, True
        self._stats.last_error = reason

    def patience(self, seconds: float) -> None:
        """Note for how long no picture is normal, by the word of another camd."""
        self.health.told_patience = seconds

    def upstream(self, state: str, why: str | None) -> None:
        """Note what the camd that the pictures come from says of its camera.

        :param state: as its stats have it; an unknown one counts as ``stalled``.
        :param why: its last error; None for none.
        """
        known = State(state) if state in _STATES else State.STALLED
        self.origin, self._relays = OriginReport(known, why), True
        self.heard()
        text = f"{TOLD} {known.value}" + (f": {why}" if why else "")
        # Where several camds stand in a row, once is enough.
        if why is not None and why.startswith(TOLD):
            text = why
        if self.health.told(known, text):
            self._stats.last_error = text

    def relayed_placeholder(self, jpeg: bytes, timestamp: float, size: Size) -> None:
        """Show what the camd that the pictures come from shows in place of a picture.

        :param jpeg: a whole one.
        """
        # It may come ahead of the word that the camera is in trouble: then the next one
        # will do.
        state = self.origin.state if self.origin is not None else State.STARTING
        if self.running and state not in (State.LIVE, State.IDLE):
            now = self._clock.seconds()
            self._show_placeholder(Frame(jpeg, 0, now, timestamp, size, state.value))

    def waits(self, error: SourceError) -> None:
        """Note that the source waits for somebody to bring pictures."""
        self._stats.last_error = str(error)
        self.health.waits_for(str(error))
        self._refuse(Failure(error))

    def broke(self, failure: Failure) -> None:
        """Log what nobody foresaw, such as an exception out of ``publish``."""
        self._log.failure(
            "Camera {camera}: a picture was lost", failure, camera=self._name
        )
        # Left unanswered, they would have the next picture taken at once, for ever.
        self._refuse(failure)

    def _refuse(self, failure: Failure) -> None:
        for asked in self._answered():
            asked.errback(failure)

    def _answered(self) -> list[Deferred[Frame]]:
        answered, self._asked = self._asked, []
        return answered

    # ---- What did not come

    def _notice_sleep(self) -> None:
        """Note whether the machine slept; a clock that was set ahead looks the same."""
        now, ahead = self._clock.seconds(), self._ahead
        self._ahead = self._wall() - now
        if self._ahead - ahead > SUSPENDED:
            self._woke_at = now

    def _check(self) -> None:
        self._notice_sleep()
        now = self._clock.seconds()
        late = now - self._checked_at - CHECK
        self._checked_at = now
        if late > SUSPENDED:
            self.health.wait()
            self._intake.forgive(late)
        left = self.health.check_stall(self._interval, self._why_silent)
        # This check may have been made early, and the next one may not be.
        if left < CHECK + EARLY and self._stall_check is None:
            self._stall_check = self._clock.callLater(
                max(MOMENT, left), self._check_stall
            )
        self._intake.check(now)

    def _check_stall(self) -> None:
        self._stall_check = None
        self._check()

    def _why_silent(self, seconds: float) -> str:
        reason = self._intake.why_silent(seconds)
        # What is wrong with the pictures that do come says more.
        if not self._is_bad:
            self._stats.last_error = reason
        return reason
