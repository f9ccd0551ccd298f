"""The intake of sources that are pulled: those that block, as OpenCV and files do.

A ``LoopingCall`` at the pace that is wanted; each tick hands one job to the camera's
own thread: bring the newest picture (:mod:`camd.capture.reader`). Two jobs never
overlap: while one is under way there are no ticks, and if one would have come by its
end, the next job begins at once. A source as fast as the stream keeps the thread busy
so, and no timer wakes the process for it: then one job brings picture after picture. A
thread that hangs is left behind (:mod:`camd.capture.worker`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from camd.capture.capture import Capture
from camd.capture.reader import BadPicture, CheckedJpeg, Probe, Reader
from camd.capture.worker import Worker
from camd.sources import CameraMode

SAME_PACE = 1.05
"""A camera's rate over the stream's, up to which each of its pictures is wanted."""

SAME_GAP = 0.8
"""Share of an interval that lies between two pictures of such a camera at least."""

FAST_MOST = 20
"""Pictures that may come sooner than that until a camera is taken to be faster than it
says. Some do after each hiccup of a camera that is not."""

FORGIVEN = 1000
"""Pictures behind which one of those is forgotten: a camera that is open for weeks has
hiccups. One that is faster than it says gets one picture more in that time."""

EARLY = 0.05
"""Share of an interval by which a job may begin ahead of its tick. A timer for so short
a time costs more than it is worth."""

WAITED = 0.05
"""Share of an interval from which on a picture has waited before it was read. It would
do so again and again, as source and ticks go at the same pace: with 0.25, the median
from capture to arrival was 1.6 to 8.6 ms, by chance (200 viewers, measured)."""


class PullIntake:
    """Reads a source at each tick, in a thread that nobody waits for.

    :param capture: is told what came.
    :param worker: makes the blocking calls.
    :param fps: the most frames a second that viewers get.
    :param on_failure: is called when the source has failed and the capture was told.
    """

    def __init__(
        self,
        capture: Capture,
        worker: Worker,
        fps: float,
        clock: IReactorTime,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self._capture: Capture | None = capture
        self._worker = worker
        self._fps = fps
        self._clock = clock
        self._on_failure = on_failure
        self._is_busy = self._is_owed = False
        # Whether the source goes at the stream's pace, by its last picture; and whether
        # the job under way brings picture after picture for that.
        self._is_in_step = self._is_following = False
        self._loop: LoopingCall | None = None
        # Fires when the job is through that the loop waits for.
        self._free: Deferred[None] | None = None
        # When the first tick comes for which no job has begun.
        self._next_tick = 0.0
        self._interval = 1 / fps
        # When the picture was captured that was taken last.
        self._taken = 0.0
        # What the camera says of itself, how often it was faster since, and how many
        # pictures have come since one of those was forgotten.
        self._mode: CameraMode | None = None
        self._too_fast = self._seen = 0

    @property
    def stuck(self) -> bool:
        """See :attr:`Intake.stuck <camd.capture.capture.Intake.stuck>`."""
        return self._worker.stuck

    def set_pace(self, fps: float, now: bool) -> None:
        """Tick so often from now on."""
        self.pause()
        self._interval = 1 / fps
        self._next_tick = self._clock.seconds()
        if not now:
            self._is_owed = False
            self._next_tick += self._interval
        # A new one each time: one that waits for a job cannot be started again.
        self._loop = LoopingCall(self._tick)
        self._loop.clock = self._clock
        self._loop.start(self._interval, now=now)

    def set_fps(self, fps: float) -> None:
        """See :meth:`Intake.set_fps <camd.capture.capture.Intake.set_fps>`."""
        self._fps = fps

    def take_now(self) -> None:
        """Begin a job, if none is under way; it is followed by one for the snapshot."""
        if not self._is_busy:
            self._begin()

    def take_last(self) -> None:
        """Do nothing: a picture that nobody wanted was left where it was."""

    def why_silent(self, seconds: float) -> str:
        """Say no more than for how long."""
        return f"no picture for {seconds:.1f} s"

    def check(self, now: float) -> None:
        """Leave the thread behind if it is stuck."""
        self._worker.check(now)

    def forgive(self, seconds: float) -> None:
        """Allow the job under way so much more time."""
        self._worker.forgive(seconds)

    def pause(self) -> None:
        """Begin no more jobs until :meth:`set_pace`."""
        self._worker.end_series()
        # Not kept: in a reference cycle it would hold this, and the source.
        loop, self._loop, self._free = self._loop, None, None
        if loop is not None:
            loop.stop()

    def stop(self) -> Deferred[None]:
        """Begin no more jobs, and have the source closed behind the last one."""
        self._capture = None
        self._on_failure = lambda: None
        self.pause()
        return self._worker.stop()

    def _tick(self) -> Deferred[None] | None:
        """Begin a job, or have one begun behind the one under way.

        :return: fires when none is under way any more; until then there are no ticks.
        """
        if not self._is_due:
            return None  # The job for this tick began ahead of it.
        if self._is_busy:
            self._is_owed = True
        elif self._capture is not None and not self._capture.health.retry_in:
            self._begin()
        if self._is_busy:
            self._free = Deferred()
        return self._free

    @property
    def _is_due(self) -> bool:
        """Whether a tick has come, or nearly so, for which no job has begun."""
        early = EARLY * self._interval
        return self._clock.seconds() >= self._next_tick - early

    def _begin(self) -> None:
        capture = self._capture
        assert capture is not None
        self._is_busy = True
        self._skip_ticks()
        if capture.awake and self._is_in_step:
            self._is_following = True
            self._worker.follow(Reader.take, self._took, self._finish)
        elif capture.wants_frame:
            self._worker.run(Reader.take, self._finish)
        elif capture.wants_probe:
            self._worker.run(Reader.probe, self._finish)
        else:
            self._worker.run(Reader.close, self._finish)

    def _skip_ticks(self) -> None:
        """Begin no job for the ticks that have come by now."""
        passed = (self._clock.seconds() - self._next_tick) / self._interval
        self._next_tick += (math.floor(passed + EARLY) + 1) * self._interval

    def _is_same_pace(self, picture: CheckedJpeg, waited: float) -> bool:
        """Whether the next picture is to be waited for at once, ahead of its tick.

        A camera as fast as the stream needs no ticks: its next picture comes when it is
        time. And a picture that had waited for its tick would be followed by others
        that do, each up to an interval old.

        :param waited: seconds until a job took it.
        """
        gap, self._taken = picture.captured - self._taken, picture.captured
        if picture.mode is not self._mode:
            self._mode, self._too_fast, self._seen = picture.mode, 0, 0
        pace = picture.mode.fps or math.inf
        if pace > self._fps * SAME_PACE:
            return False
        is_fast = gap < SAME_GAP / self._fps
        # After a few it is known to be faster than it says, and the ticks hold it.
        forgotten, self._seen = divmod(self._seen + 1, FORGIVEN)
        too_fast = max(0, self._too_fast - forgotten)
        self._too_fast = min(FAST_MOST, too_fast + is_fast)
        if waited > WAITED / self._fps:
            return True
        return not is_fast and self._too_fast < FAST_MOST

    def _took(self, picture: CheckedJpeg) -> None:
        """Tell the capture of a picture that another one follows."""
        capture = self._capture
        if capture is None:
            return
        gap = picture.captured - self._taken
        if picture.mode is self._mode and gap >= SAME_GAP / self._fps:
            self._taken = picture.captured  # As nearly always.
            self._seen += 1
        elif not self._is_same_pace(picture, 0.0):
            self._worker.end_series()
        try:
            capture.took(picture)
        except Exception:
            capture.broke(Failure())

    def _finish(self, outcome: Probe | Failure | None) -> None:
        """Tell the capture what came of a job, and begin the next one if it is owed.

        :param outcome: None when the source was closed.
        """
        capture = self._capture
        if capture is None:
            return
        if self._is_following:
            # The ticks that came meanwhile were those of its pictures.
            self._is_following = self._is_owed = False
            self._skip_ticks()
        self._is_in_step = False
        try:
            if isinstance(outcome, CheckedJpeg):
                waited = self._clock.seconds() - outcome.captured
                self._is_in_step = self._is_same_pace(outcome, waited)
                self._is_owed |= self._is_in_step and capture.awake
                capture.took(outcome)
            elif isinstance(outcome, Probe):
                capture.probed(outcome)
            elif outcome is None:
                capture.released()
            elif outcome.check(BadPicture):
                # The next one at once, in its place. After that the ticks set the pace
                # again: there may be no good one for long.
                self._is_owed |= capture.dropped(outcome)
            else:
                capture.failed(outcome)
                self._on_failure()
        except Exception:
            capture.broke(Failure())
        self._is_busy = False
        # Waiting for the next tick instead would halve the rate of a camera that is a
        # hair slower than fps.
        is_owed, self._is_owed = self._is_owed or self._is_due, False
        # Told of the frame, somebody may have stopped it.
        if self._loop is not None and (
            capture.is_asked or (is_owed and not capture.health.retry_in)
        ):
            self._begin()
        if self._free is not None and not self._is_busy:
            free, self._free = self._free, None
            free.callback(None)
