"""What happens to viewers by the clock: heartbeats, and the end of those that stall.

The heartbeat is the last good frame again, the same bytes. Nothing smaller survives:
a part that is no picture blanks Chromium and WebKit for good (measured). It is sent

- once when the next frame is overdue, because several clients show a frame only when
  something comes behind it: that brings the last picture on screen;
- then after each interval of silence, so that no proxy gives up the stream.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from functools import partial

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from camd.delivery.viewer import Viewer
from camd.frame import Frame
from camd.periodic import PeriodicCall, Sweep, cancel

OVERDUE = 1.5
"""Frame intervals after which the next frame counts as overdue."""

OVERDUE_LEAST = 0.1
"""The least seconds until a frame is overdue: a picture sent twice at once makes one
parser (mjpeg-decoder) fall behind for ever (measured)."""

SLOW = 0.3
"""Seconds between frames above which each is worth sending twice: a client that is one
frame late would show it that much later."""

OVERDUE_SLOW = 0.25
"""Seconds until a slow camera's frame is overdue; 0.1 to 0.25 suit all (measured)."""

EARLY = 0.1
"""Share of the time until overdue that timers may fire early by."""

GRACE = 0.25
"""Seconds that an overdue frame may be noticed late, while frames come fast. A timer of
its own for each frame would wake the process once more for each: 0.15 ms of CPU
(measured)."""

SWEEP_MOST = 1.0
"""The most seconds between two polls of the viewers that fell behind."""


class Heartbeat:
    """Keeps the streams of a silent camera alive, and cuts off viewers that stall.

    :ivar viewers: those that it cares for, each with the call that repeats its last
        picture, if it came in a silence.

    :param interval: seconds without a byte until a heartbeat; 0 for never.
    :param fps: the most frames a second; what is overdue follows from it.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, interval: float, fps: float) -> None:
        self.viewers: dict[Viewer, IDelayedCall] = {}
        self._clock = clock
        # Of viewers that want few frames: the frame that was sent twice already.
        self._repeated: dict[Viewer, Frame] = {}
        self._set(interval, fps)
        self._came = clock.seconds()
        self._gap = 0.0
        self._overdue: IDelayedCall | None = None
        # In the place of that, while frames come faster than they would be overdue.
        self._lookout = PeriodicCall(self._look_out, clock)
        self._sent = 0

        def sweep(
            viewers: Callable[[], Iterable[Viewer]],
            act: Callable[[Viewer, float], None],
        ) -> Sweep[Viewer]:
            return Sweep(viewers, partial(self._guarded, act), clock, self._log_sent)

        self._polls = sweep(self._to_poll, self._poll)
        self._flushes = sweep(lambda: self.viewers, self._flush)

    def _set(self, interval: float, fps: float) -> None:
        self._interval = interval
        self._fastest = 1 / fps

    def apply(self, interval: float, fps: float) -> None:
        """Go by these from now on."""
        if (interval, 1 / fps) != (self._interval, self._fastest):
            self._set(interval, fps)
            if self._polls.running:
                self._polls.stop()
                self.start()

    @property
    def _overdue_after(self) -> float:
        """Seconds after the last frame until the next one is overdue."""
        # That follows from the camera, which may be slower than the stream.
        return overdue_after(max(self._gap, self._fastest))

    def start(self) -> None:
        """Begin to poll the viewers that fell behind, ten times in each interval."""
        every = min(self._interval / 10, SWEEP_MOST) if self._interval else SWEEP_MOST
        self._polls.start(every)

    def stop(self) -> None:
        """Leave no call behind."""
        self._polls.end()
        self._flushes.end()
        self._lookout.end()
        for call in (self._overdue, *self.viewers.values()):
            cancel(call)
        # A call that was made still knows whom it called.
        self._overdue = None

    def add(self, viewer: Viewer) -> None:
        """Care for this viewer, which may have come amid a silence."""
        self.viewers[viewer] = self._clock.callLater(
            self._overdue_after, self._guarded, self._flush, viewer
        )

    def remove(self, viewer: Viewer) -> None:
        """Care for this viewer no more; no harm if it has left already."""
        cancel(self.viewers.pop(viewer, None))
        self._repeated.pop(viewer, None)

    def published(self) -> None:
        """Note that a frame has come: the next one is not overdue."""
        now = self._clock.seconds()
        self._gap, self._came = now - self._came, now
        if self._overdue is None and not self._lookout.running:
            self._overdue = self._clock.callLater(
                self._overdue_after, self._flush_overdue
            )

    def _flush_overdue(self) -> None:
        self._overdue, after = None, self._overdue_after
        if self._clock.seconds() < self._came + (1 - EARLY) * after:
            self._lookout.start(GRACE, now=False)  # A frame has come since.
        elif not self._flushes.begin():
            self._lookout.start(GRACE, now=False)  # Not all have the last repeat yet.

    def _look_out(self) -> None:
        is_overdue = self._clock.seconds() >= self._came + self._overdue_after
        if is_overdue and self._flushes.begin():
            self._lookout.stop()

    def _flush(self, viewer: Viewer, now: float) -> None:
        """Repeat the last frame to a viewer that was sent nothing since it came."""
        due = (1 - EARLY) * self._overdue_after
        if viewer.last is not None and viewer.silent_for(now) >= due:
            self._repeat(viewer, now)

    def _to_poll(self) -> Iterable[Viewer]:
        """Return the viewers that may have fallen behind, or need a heartbeat.

        To poll those that keep up as well took 3.4 % of the CPU with 400 (measured).
        """
        now = self._clock.seconds()
        most = min(self._interval or OVERDUE_SLOW, OVERDUE_SLOW)
        return [v for v in self.viewers if not v.is_fast or v.silent_for(now) >= most]

    def _poll(self, viewer: Viewer, now: float) -> None:
        viewer.poll(now)
        silent, last = viewer.silent_for(now), viewer.last
        # Where it wants so few frames that each is worth sending twice.
        once = viewer.lane.fps < 1 / SLOW and last is not self._repeated.get(viewer)
        if self._interval and silent >= self._interval:
            self._repeat(viewer, now)
        elif once and last is not None and silent >= OVERDUE_SLOW:
            self._repeated[viewer] = last
            self._repeat(viewer, now)

    def _repeat(self, viewer: Viewer, now: float) -> None:
        self._sent += viewer.repeat(now)

    def _log_sent(self) -> None:
        """Log the heartbeats of one round as one line, however many they were."""
        sent, self._sent = self._sent, 0
        if sent:
            self._log.debug("heartbeat to {viewers} viewers", viewers=sent)

    def _guarded(self, act: Callable[[Viewer, float], None], viewer: Viewer) -> None:
        """Do this for one viewer; an exception must not end the care for the others."""
        if viewer not in self.viewers:
            return  # It has left while others were looked after.
        try:
            act(viewer, self._clock.seconds())
        except Exception:
            self._log.failure("A heartbeat failed; its viewer is cut off")
            self.remove(viewer)
            # Nobody would notice any more that it has stalled.
            with contextlib.suppress(Exception):
                viewer.abort("failed")


def overdue_after(interval: float) -> float:
    """Return how long after a frame the next one is overdue, in seconds.

    :param interval: seconds between the camera's frames.
    """
    if interval > SLOW:
        return OVERDUE_SLOW
    return max(OVERDUE * interval, OVERDUE_LEAST)
