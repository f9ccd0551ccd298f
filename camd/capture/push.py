"""The intake of sources that push: their pictures are JPEGs that arrive on the reactor.

Each is checked, counted and published where it arrives, with no thread, slot or job.
``stream_fps`` still bounds the rate: what exceeds it is dropped before anything else is
done with it. There is no timer for each picture, and none for each silence: the one
check of :class:`camd.capture.capture.Capture` sees what did not come.

A thread is needed for two things only: where a source finds what has to be pulled
(``fall_back``), and where settings have pictures redrawn, which takes pixels.
"""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from camd.capture.capture import RELEASE_AFTER, Capture
from camd.capture.health import State
from camd.capture.pull import PullIntake
from camd.capture.reader import BadPicture, CheckedJpeg, Probe, Reader
from camd.capture.worker import Worker
from camd.formats import jpeg as jpeg_format
from camd.formats.jpeg import Damaged, Head, Size, is_as_known
from camd.formats.rendition import Rendition
from camd.frame import Stamp
from camd.periodic import cancel
from camd.sources import CameraMode, PushSource, RawFrame, Source, SourceError
from camd.sources.due import ANY, Due

GIVE_UP = 10.0
"""Seconds without a picture after which a source is stopped, to be started again later;
or twice as long as is normal for it, where that is more. It counts as stalled long
before (``camera_timeout``); a radio link may come back."""

TRIES = 10
"""Pictures at the start that may be damaged, as when a stream begins in the middle of
one."""

EARLY = 0.1
"""Share of an interval that timers may fire early by."""

_Picture = tuple[bytes, float, Stamp | None, Size | None, Rendition | None]
"""What :meth:`PushIntake.picture` takes."""

Wanted = Callable[[], Collection[Rendition | None]]
"""Returns the renditions that viewers want; None among them is the full picture."""

Lacks = Callable[["Rendition | None"], bool]
"""Whether viewers of a rendition wait for their first picture."""

Job = Callable[[Reader], Probe]
Tell = Callable[["Probe | Failure"], None]

NewPull = Callable[[Capture, Callable[[], Source], Callable[[], None]], PullIntake]
"""Makes the intake of a source that has to be pulled after all: the capture, what makes
the source, what to call when it has failed. May raise :exc:`SourceError`."""


@dataclass(slots=True)
class Lane:
    """What is known of the pictures of one rendition, or of the full ones.

    :ivar due: when the next one is due by the interval. One may come an interval ahead
        of it: no camera, and no network, is as regular as a clock.
    :ivar stamp: of another camd's newest picture. Kept when the source is started
        again: what that one shows first may be no new picture.
    :ivar known: the head of the newest, which the next one has as well in all
        likelihood.
    :ivar held: the newest of those that exceeded the rate, and when it came. It may be
        the last one ahead of a silence; then it is taken after all.
    """

    due: float = 0.0
    stamp: Stamp | None = None
    known: Head | None = None
    held: tuple[_Picture, float] | None = None


class HandedOver:
    """A source of the one picture that was handed over last; its calls never block.

    :ivar mode: what it gives.
    :ivar picture: that picture.
    """

    mode: CameraMode
    picture: RawFrame

    def open(self) -> CameraMode:
        """Return the mode."""
        return self.mode

    def read(self, due: Due = ANY) -> RawFrame:
        """Return the picture."""
        return self.picture

    def close(self) -> None:
        """Do nothing."""


class Redraw:
    """Has pictures redrawn in the camera's thread: one at a time, and the newest next.

    :ivar worker: makes the calls that draw.

    :param handed: what ``worker`` reads through the source that redraws.
    """

    def __init__(self, handed: HandedOver, worker: Worker) -> None:
        self.worker = worker
        self._handed = handed
        self._mode: CameraMode | None = None
        self._is_busy = False
        self._next: tuple[RawFrame, CameraMode, Job, Tell] | None = None

    def offer(self, picture: RawFrame, mode: CameraMode, job: Job, tell: Tell) -> None:
        """Redraw this picture next; one that still waits is dropped for it.

        :param job: what the reader is to do.
        :param tell: is told what came of it, on the reactor.
        """
        self._next = picture, mode, job, tell
        if not self._is_busy:
            self._begin()

    def _begin(self) -> None:
        assert self._next is not None
        (picture, mode, job, tell), self._next = self._next, None
        self._is_busy = True
        self._handed.picture = picture
        is_new = mode is not self._mode
        self._handed.mode = self._mode = mode

        def work(reader: Reader) -> Probe:
            if is_new:
                reader.close()
            return job(reader)

        def done(outcome: Probe | Failure) -> None:
            self._is_busy = False
            tell(outcome)
            if self._next is not None:
                self._begin()

        self.worker.run(work, done)


class PushIntake:
    """Takes the pictures of a source that pushes: the source's ``Receiver``.

    :param capture: is told what came.
    :param fps: the most frames a second that viewers get.
    :param redraw: None where pictures go out as they are.
    :param max_pixels: the most that a picture may have.
    :param wanted: returns the renditions that viewers want.
    :param lacks: tells whether viewers of one have nothing yet.
    """

    def __init__(
        self,
        capture: Capture,
        source: PushSource,
        fps: float,
        new_pull: NewPull,
        clock: IReactorTime,
        redraw: Redraw | None = None,
        max_pixels: int = jpeg_format.MAX_PIXELS,
        wanted: Wanted = lambda: (None,),
        lacks: Lacks = lambda _: False,
    ) -> None:
        self._capture: Capture | None = capture
        self._source = source
        self._fps = fps
        self._new_pull = new_pull
        self._clock = clock
        self._redraw = redraw
        self._max_pixels = max_pixels
        self._wanted = wanted
        self._lacks = lacks
        self._interval = 1 / fps
        self._lanes: defaultdict[Rendition | None, Lane] = defaultdict(Lane)
        self._format = ""
        self._told_fps: float | None = None
        self._told_size: Size | None = None
        self._mode: CameraMode | None = None
        self._bad = 0
        # The newest picture, where nobody wanted it.
        self._unwanted: _Picture | None = None
        self._is_open = self._is_stopping = self._is_hurried = False
        self._arrived_at = 0.0
        self._late: IDelayedCall | None = None
        self._retry: IDelayedCall | None = None
        self._release: IDelayedCall | None = None
        self._pull: PullIntake | None = None
        self._is_pulling = False

    # ---- What the capture asks

    @property
    def stuck(self) -> bool:
        """See :attr:`Intake.stuck <camd.capture.capture.Intake.stuck>`."""
        return any(threads.stuck for threads in self._threads())

    def _threads(self) -> Iterator[PullIntake | Worker]:
        """Yield what of this has threads, if anything does."""
        if self._pull is not None:
            yield self._pull
        if self._redraw is not None:
            yield self._redraw.worker

    def set_pace(self, fps: float, now: bool) -> None:
        """Take so many pictures a second from now on."""
        capture = self._capture
        assert capture is not None
        self._interval = 1 / fps
        self._take_next()
        self._plan_release(capture)
        if self._is_pulling and self._pull is not None:
            self._pull.set_pace(fps, now)
        elif self._is_open:
            self._source.set_rate(fps)
            if now:
                self._take_held()
        elif now:
            self._start()

    def set_fps(self, fps: float) -> None:
        """See :meth:`Intake.set_fps <camd.capture.capture.Intake.set_fps>`."""
        self._fps = fps
        if self._pull is not None:
            self._pull.set_fps(fps)

    def take_now(self) -> None:
        """Take the next picture, and ask for it now where that can be done."""
        self._take_next()
        if self._is_pulling and self._pull is not None:
            self._pull.take_now()
        elif self._is_open:
            self._is_hurried = True
            self._source.set_rate(self._fps)
            self._take_held()
        else:
            self._start()

    def take_last(self) -> None:
        """Take the last picture that came while nobody wanted it."""
        last, self._unwanted = self._unwanted, None
        if last is not None:
            self._take(last, was_probed=True)

    def _take_next(self) -> None:
        """Have the next picture be in time, however soon it comes."""
        for lane in self._lanes.values():
            lane.due = self._clock.seconds()

    def why_silent(self, seconds: float) -> str:
        """Return what the source says, where it is at work."""
        if self._is_open:
            return str(self._source.why_silent(seconds))
        return f"no picture for {seconds:.1f} s"

    def check(self, now: float) -> None:
        """Stop a source that has brought no picture for long."""
        for threads in self._threads():
            threads.check(now)
        capture = self._capture
        if capture is not None and self._is_open:
            silence = now - self._arrived_at
            if silence > max(GIVE_UP, 2 * capture.health.patience):
                self.failed(self._source.why_silent(silence))

    def forgive(self, seconds: float) -> None:
        """Count the silence from later on."""
        self._arrived_at += seconds
        for threads in self._threads():
            threads.forgive(seconds)

    def stop(self) -> Deferred[None]:
        """Stop the source."""
        self._capture = None
        self._is_open = self._is_pulling = False
        self._cancel("_late", "_retry", "_release")
        stopped = [threads.stop() for threads in self._threads()]
        stopped.append(self._source.stop())
        return gatherResults(stopped).addCallback(lambda _: None)

    # ---- What the source tells

    def opened(
        self, format: str, fps: float | None = None, size: Size | None = None
    ) -> None:
        """See :class:`camd.sources.Receiver`, and so for what follows."""
        self._format, self._told_fps = format, fps
        mode = self._mode
        if size is not None and not 0 < size.pixels <= self._max_pixels:
            size = None  # Not believed: a placeholder would be drawn as large.
        if size is not None and size != self._told_size:
            self._told_size = size
            if mode is not None and Size(mode.width, mode.height) != size:
                self._mode = None

    def wanted(self) -> Collection[Rendition | None]:
        """Return what viewers want, and the full picture if a snapshot waits."""
        capture = self._capture
        if capture is None or not capture.wants_frame:
            return ()
        if not capture.awake or self._redraw is not None:
            return (None,)
        return (*self._wanted(), None) if capture.is_asked else self._wanted()

    def lacks(self, rendition: Rendition | None) -> bool:
        """Whether viewers have nothing yet, or somebody asks for the full picture."""
        capture = self._capture
        is_asked = capture is not None and capture.is_asked and rendition is None
        return is_asked or self._lacks(rendition)

    def picture(
        self,
        jpeg: bytes,
        captured: float,
        stamp: Stamp | None = None,
        size: Size | None = None,
        rendition: Rendition | None = None,
    ) -> None:
        """Take a picture, if it is a new one and the rate allows it."""
        if not self._is_open:
            return
        now, lane = self._clock.seconds(), self._lanes[rendition]
        self._arrived_at = now
        if stamp is not None:
            # A still picture is all there is for viewers that come later.
            if stamp == lane.stamp and not self.lacks(rendition):
                self.heard()
                return
            lane.stamp = stamp
        early = self._interval
        if stamp is not None and self._capture is not None and not self._capture.awake:
            # At rest another camd is asked now and then, and may be caught up with.
            early *= 2
        picture = jpeg, captured, stamp, size, rendition
        if now < lane.due - early:
            lane.held = picture, now
            if self._late is None:
                self._late = self._clock.callLater(self._interval, self._take_late)
            return
        lane.held = None
        lane.due = max(lane.due, now) + self._interval
        self._take(picture)

    def heard(self) -> None:
        """Keep the source although it is silent."""
        if self._capture is not None and self._is_open:
            self._arrived_at = self._clock.seconds()
            self._capture.heard()

    def link_lost(self, reason: str) -> None:
        """Keep the source, and tell the capture."""
        if self._capture is not None and self._is_open:
            self._arrived_at = self._clock.seconds()
            self._capture.link_lost(reason)

    def patience(self, seconds: float) -> None:
        """Tell the capture what another camd says of its camera's pace."""
        if self._capture is not None and self._is_open:
            self._capture.patience(seconds)

    def upstream(self, state: str, why: str | None) -> None:
        """Tell the capture what another camd says of its camera."""
        self.heard()
        if self._capture is not None and self._is_open:
            self._capture.upstream(state, why)

    def placeholder(self, jpeg: bytes, timestamp: float) -> None:
        """Tell the capture what another camd shows, if that can be shown."""
        self.heard()
        if self._capture is None or not self._is_open:
            return
        with contextlib.suppress(Damaged):
            whole = jpeg_format.whole(jpeg, self._max_pixels, is_framed=True)
            self._capture.relayed_placeholder(whole.jpeg, timestamp, whole.size)

    def waits(self, reason: str) -> None:
        """Keep the source, however long that takes."""
        if self._capture is not None and self._is_open:
            self._arrived_at = math.inf
            self._capture.waits(SourceError(reason))

    def failed(self, error: SourceError) -> None:
        """Stop the source, and start it again when the health says so."""
        if self._capture is not None and self._is_open:
            self._capture.failed(Failure(error))
            self._stop_source()

    def fall_back(self, new_source: Callable[[], Source]) -> None:
        """Stop the source, and have another one pulled."""
        capture = self._capture
        if capture is None or not self._is_open:
            return
        try:
            if self._pull is None:
                self._pull = self._new_pull(capture, new_source, self._pull_failed)
                self._pull.set_fps(self._fps)
        except SourceError as error:
            self.failed(error)
            return
        self._is_pulling = True
        self._stop_source()

    def _pull_failed(self) -> None:
        """Try as at the start: another kind of answer may come."""
        assert self._pull is not None
        self._pull.pause()
        self._is_pulling = False
        self._start()

    # ---- The source's life

    def _start(self) -> None:
        """Start the source if it is wanted, or plan to do so when it may be tried."""
        capture = self._capture
        self._cancel("_retry")
        if capture is None or self._is_open or self._is_stopping:
            return
        if not (capture.wants_frame or capture.wants_probe):
            return
        wait = capture.health.retry_in
        if wait:
            self._retry = self._clock.callLater(wait, self._start)
            return
        self._is_open, self._mode, self._bad = True, None, 0
        self._arrived_at = self._clock.seconds()
        self._take_next()
        self._plan_release(capture)
        self._is_hurried = capture.is_asked
        fps = self._fps if capture.wants_frame else 1 / self._interval
        self._source.start(self, fps)

    def _stop_source(self) -> None:
        """Stop the source, and go on when it has stopped."""
        self._is_open, self._is_stopping = False, True
        self._unwanted = None
        for lane in self._lanes.values():
            lane.held = None
        self._cancel("_late")

        def stopped(_: object) -> None:
            self._is_stopping = False
            if not self._is_pulling:
                self._start()
            elif self._pull is not None and self._capture is not None:
                self._pull.set_pace(1 / self._interval, now=True)

        self._source.stop().addBoth(stopped)

    def _plan_release(self, capture: Capture) -> None:
        self._cancel("_release")

        def release() -> None:
            if capture.wants_frame or capture.wants_probe:
                self._plan_release(capture)
            elif self._is_open:
                capture.released()
                self._stop_source()

        if capture.releases and not capture.awake:
            self._release = self._clock.callLater(RELEASE_AFTER, release)

    # ---- Pictures

    def _take(self, taken: _Picture, *, was_probed: bool = False) -> None:
        """Check a picture if anybody is to see it, and tell the capture of it.

        :param was_probed: whether the capture was told that it has come.
        """
        capture, mode = self._capture, self._mode
        if capture is None:
            return
        jpeg, captured, stamp, size, rendition = taken
        try:
            # A snapshot is a full picture, and so is what is redrawn.
            is_wanted = (capture.awake or capture.is_asked) and (
                rendition is None or (capture.awake and self._redraw is None)
            )
            if size is None and (mode is None or (is_wanted and not self._redraw)):
                known = self._lanes[rendition].known
                # Nearly every picture is as the last one, and whole.
                if known is None or not is_as_known(jpeg, known, self._max_pixels):
                    # It came in a frame of its own: all of it is there, whatever it
                    # ends with.
                    whole = jpeg_format.whole(
                        jpeg, self._max_pixels, is_framed=True, known=known
                    )
                    jpeg, self._lanes[rendition].known = whole.jpeg, whole.head
                    size = whole.size
                else:
                    size = known.size
            if mode is None:
                assert size is not None
                full = self._told_size or size
                mode = self._mode = CameraMode(
                    full.width, full.height, self._told_fps, self._format
                )
            self._unwanted = None if is_wanted else taken
            if self._redraw is not None:
                job: Job = Reader.take if is_wanted else Reader.probe
                raw = RawFrame(jpeg, captured, stamp)
                tell = partial(self._redrawn, was_probed=was_probed)
                self._redraw.offer(raw, mode, job, tell)
            elif is_wanted:
                assert size is not None
                picture = CheckedJpeg(captured, mode, jpeg, size, True, None)
                picture.stamp, picture.rendition = stamp, rendition
                picture.was_probed = was_probed
                capture.took(picture)
            elif not was_probed:
                probe = Probe(captured, mode, stamp=stamp, rendition=rendition)
                capture.probed(probe)
        except Damaged as damage:
            self._drop(capture, damage)
        except Exception:
            capture.broke(Failure())
        if self._is_hurried and not capture.is_asked:
            self._is_hurried = False
            self._source.set_rate(1 / self._interval)

    def _drop(self, capture: Capture, damage: Exception) -> None:
        """Leave a picture out; at once if others may stand in for it."""
        bad = BadPicture(str(damage))
        bad.__cause__ = damage
        self._bad += 1
        if capture.dropped(Failure(bad)):
            self._take_next()
        if self._mode is None and self._bad >= TRIES:
            reason = f"none of its first {TRIES} pictures is whole: {damage}"
            self.failed(SourceError(reason))

    def _redrawn(self, outcome: Probe | Failure, *, was_probed: bool) -> None:
        capture = self._capture
        if capture is None:
            return
        try:
            if isinstance(outcome, CheckedJpeg):
                outcome.was_probed = was_probed
                capture.took(outcome)
            elif isinstance(outcome, Probe):
                capture.probed(outcome)
            elif outcome.check(BadPicture):
                capture.dropped(outcome)
            else:
                capture.failed(outcome)
                self._stop_source()
        except Exception:
            capture.broke(Failure())

    def _take_held(self) -> None:
        """Take the picture that exceeded the rate, unless the camera is silent."""
        capture = self._capture
        if capture is None or capture.state is not State.LIVE:
            return
        for lane in list(self._lanes.values()):
            if lane.held is not None:
                (picture, _), lane.held = lane.held, None
                lane.due = self._clock.seconds() + self._interval
                self._take(picture)

    def _take_late(self) -> None:
        """Take the pictures that were held, if nothing has come since."""
        self._late = None
        came = [lane.held[1] for lane in self._lanes.values() if lane.held]
        if not came:
            return
        wait = max(came) + self._interval - self._clock.seconds()
        if wait > EARLY * self._interval:
            self._late = self._clock.callLater(wait, self._take_late)
        else:
            self._take_held()

    def _cancel(self, *names: str) -> None:
        for name in names:
            call: IDelayedCall | None = getattr(self, name)
            setattr(self, name, None)
            cancel(call)
