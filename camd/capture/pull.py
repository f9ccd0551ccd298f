"""The intake of sources that are pulled: those that block, as OpenCV and files do.

A ``LoopingCall`` at the pace that is wanted; each tick hands one job to the camera's
own thread, where none is under way. While somebody watches, that job brings picture
after picture, each when it is due at ``stream_fps`` (:mod:`camd.sources.due`), and goes
on until it fails or something else is wanted: no timer wakes the process for a picture.
While nobody does, a job is one look at the camera. A thread that hangs is left behind
(:mod:`camd.capture.worker`).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from camd.capture.capture import Capture
from camd.capture.reader import BadPicture, CheckedJpeg, Probe, Reader
from camd.capture.worker import Worker


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
        # Whether a job is under way, and whether another one is to follow it at once.
        self._is_busy = self._is_owed = False
        self._loop: LoopingCall | None = None
        # Fires when the job is through that the loop waits for.
        self._free: Deferred[None] | None = None

    @property
    def stuck(self) -> bool:
        """See :attr:`Intake.stuck <camd.capture.capture.Intake.stuck>`."""
        return self._worker.stuck

    def set_pace(self, fps: float, now: bool) -> None:
        """Tick so often from now on."""
        self.pause()
        self._is_owed = False
        # A new one each time: one that waits for a job cannot be started again.
        self._loop = LoopingCall(self._tick)
        self._loop.clock = self._clock
        self._loop.start(1 / fps, now=now)

    def set_fps(self, fps: float) -> None:
        """See :meth:`Intake.set_fps <camd.capture.capture.Intake.set_fps>`."""
        self._fps = fps

    def take_now(self) -> None:
        """Have the next picture taken; behind a look it is a job of its own."""
        if self._is_busy:
            self._worker.hurry()
        else:
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
        if self._is_busy:
            self._is_owed = True
        elif self._capture is not None and not self._capture.health.retry_in:
            self._begin()
        if self._is_busy:
            self._free = Deferred()
        return self._free

    def _begin(self) -> None:
        capture = self._capture
        assert capture is not None
        self._is_busy = True
        if capture.awake:
            self._worker.follow(Reader.take, self._fps, self._took, self._ended)
        elif capture.wants_frame:
            self._worker.run(Reader.take, self._finish)
        elif capture.wants_probe:
            self._worker.run(Reader.probe, self._finish)
        else:
            self._worker.run(Reader.close, self._finish)

    def _took(self, picture: CheckedJpeg) -> None:
        """Tell the capture of a picture that another one follows."""
        capture = self._capture
        if capture is None:
            return
        try:
            capture.took(picture)
        except Exception:
            capture.broke(Failure())

    def _ended(self, failure: Failure | None) -> None:
        """Tell the capture why pictures have ended; None where that was asked for."""
        if failure is None:
            self._go_on()
        else:
            self._finish(failure)

    def _finish(self, outcome: Probe | Failure | None) -> None:
        """Tell the capture what came of a job, and go on.

        :param outcome: None when the source was closed.
        """
        capture = self._capture
        if capture is None:
            return
        try:
            if isinstance(outcome, CheckedJpeg):
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
        self._go_on()

    def _go_on(self) -> None:
        """Begin the next job if it is owed, or have ticks begin it."""
        capture = self._capture
        if capture is None:
            return
        self._is_busy = False
        is_owed, self._is_owed = self._is_owed, False
        # Told of the frame, somebody may have stopped it.
        if self._loop is not None and (
            capture.is_asked or (is_owed and not capture.health.retry_in)
        ):
            self._begin()
        if self._free is not None and not self._is_busy:
            free, self._free = self._free, None
            free.callback(None)
