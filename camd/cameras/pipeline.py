"""The way of frames from one source to the viewers that share it, wired up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from camd.cameras.offline import OfflinePicture
from camd.capture.backoff import FIRST, LOCAL, MOST, RELAY, Backoff
from camd.capture.capture import Capture, Intake
from camd.capture.health import Health, State
from camd.capture.pull import PullIntake
from camd.capture.push import HandedOver, Lacks, PushIntake, Redraw, Wanted
from camd.capture.reader import Reader
from camd.capture.worker import OwnThread, ReaderThread, Worker
from camd.config.redis import is_redis
from camd.config.settings import CameraSettings
from camd.config.source import PUSH, is_relay
from camd.delivery.fanout import FanOut
from camd.delivery.heartbeat import Heartbeat
from camd.delivery.identical import Identical
from camd.delivery.viewer import StreamLimits, Viewer
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import Frame
from camd.periodic import cancel, make_early
from camd.sources import Encoder, PushSource, Source, SourceError
from camd.sources.factory import is_device, is_redrawn, local_path, redrawn
from camd.sources.ingest.source import Ingest
from camd.stats import CameraStats

if TYPE_CHECKING:
    from camd.sources.v4l2.controlled import DeviceControls

UNTIL_LAST = 0.25
"""Seconds that the first viewer waits for a new picture until the last one is shown.
Most cameras have a new one sooner. One that gives a picture every minute has not."""

EARLY = 0.1
"""Share of ``camera_timeout`` by which a snapshot ends its wait for a new picture."""

RELEASE = 0.3
"""Seconds that a source is given to let go of its device at shutdown."""


class Environment(Protocol):
    """Everything outside of the daemon that a camera touches; tests bring their own."""

    @property
    def clock(self) -> IReactorTime:
        """The reactor's clock."""

    def wall(self) -> float:
        """Return the time in Unix seconds."""

    def random(self) -> float:
        """Return a number from 0 to 1."""

    def new_thread(
        self, name: str, between: Callable[[], bool] = lambda: False
    ) -> OwnThread:
        """Start a thread of this name.

        :param between: see :class:`camd.capture.thread.CameraThread`.
        """

    def new_controls(self, settings: CameraSettings) -> DeviceControls | None:
        """Make what sets a device's controls; None for a camera that has none."""

    def new_source(
        self, settings: CameraSettings, controls: DeviceControls | None
    ) -> Source:
        """Make a camera's source that is pulled, closed."""

    def new_push_source(self, settings: CameraSettings) -> PushSource | None:
        """Make a camera's source that pushes, stopped; None where it is pulled."""

    def new_encoder(self, quality: int) -> Encoder:
        """Make an encoder of this JPEG quality."""

    def new_placeholder(
        self, settings: CameraSettings, lines: Sequence[str], size: Size
    ) -> Deferred[bytes]:
        """Draw a JPEG of lines of text, in a thread that is no camera's."""

    def scale(
        self, jpeg: bytes, renditions: Sequence[Rendition]
    ) -> Deferred[list[tuple[bytes, Size]]]:
        """Make a smaller JPEG of one for each rendition, and say how large it is."""

    def call_hook(
        self, target: str, body: bytes, event: str, secret: bytes | None
    ) -> Deferred[None]:
        """Call what is to be called for an event."""

    def exists(self, path: str) -> bool:
        """Return whether there is such a device; never block."""


class Pipeline:
    """The way of frames from one source to the viewers that share it.

    :ivar capture: brings the frames in.
    :ivar fan_out: sends them to the viewers, and keeps the newest.
    :ivar heartbeat: keeps silent streams alive.
    :ivar offline: shows something else while no pictures come.
    :ivar ingest: where pictures are pushed to; None for any other source.

    :param controls: what is set whenever the source is opened; None for nothing.
    :param former: the pipeline that this one takes the place of, whose last picture
        holds until there is a new one; None where there is none.
    """

    def __init__(
        self,
        settings: CameraSettings,
        stats: CameraStats,
        environment: Environment,
        controls: DeviceControls | None = None,
        former: Pipeline | None = None,
    ) -> None:
        clock = self._clock = environment.clock
        self._started = False
        self._until_last: IDelayedCall | None = None
        self._settings = settings
        self._encoder = environment.new_encoder(settings.jpeg_quality)
        # Nothing here may know the pipeline itself: in a reference cycle it would stay
        # when it has been replaced, with its source and its last picture.
        fan_out = FanOut(environment.clock, stats, environment.scale)
        self.fan_out = fan_out
        if former is not None:
            fan_out.take_over(former.fan_out)
        heartbeat = self.heartbeat = Heartbeat(
            environment.clock, settings.heartbeat_interval, settings.stream_fps
        )

        identical = self._identical = Identical(settings.drop_identical)

        def publish(frame: Frame) -> None:
            if frame.rendition is not None:
                if fan_out.feed(frame, frame.rendition):
                    heartbeat.published()
                return
            if identical.may_leave_out(frame) and fan_out.hold(frame):
                stats.identical += 1
                return
            fan_out.publish(frame)
            heartbeat.published()
            make_early(clock)

        source = environment.new_push_source(settings)
        self.ingest = source if isinstance(source, Ingest) else None
        # The next push may be long in coming, so the newest picture is kept.
        self._never_rests = self.ingest is not None and not is_redrawn(settings)
        health = _new_health(settings, environment)
        self.offline = OfflinePicture(
            settings,
            health,
            fan_out,
            environment.new_placeholder,
            publish,
            environment.clock,
            environment.wall,
        )
        self.capture = Capture(
            settings.name,
            partial(
                _new_intake,
                source=source,
                settings=settings,
                stats=stats,
                environment=environment,
                controls=controls,
                encoder=self._encoder,
                wanted=lambda: fan_out.wanted,
                lacks=fan_out.lacks,
            ),
            health,
            publish,
            fps=settings.stream_fps,
            idle_fps=_idle_fps(settings),
            stats=stats,
            clock=environment.clock,
            wall=environment.wall,
            show_placeholder=self.offline.relay,
            relays=is_relay(settings.source) or is_redis(settings.source),
        )

    def start(self) -> None:
        """Begin to capture; for viewers that came before now as well."""
        self._started = True
        self.heartbeat.start()
        self.offline.start()
        self.capture.start()
        if self.fan_out or self._never_rests:
            self.capture.wake()

    def apply(self, settings: CameraSettings) -> None:
        """Go by these settings from now on, as far as the source stays as it is."""
        former, self._settings = self._settings, settings
        if stream_limits(settings) != stream_limits(former):
            self.fan_out.apply(stream_limits(settings))
        self._encoder.quality = settings.jpeg_quality
        self._identical.each = settings.drop_identical
        self.heartbeat.apply(settings.heartbeat_interval, settings.stream_fps)
        self.offline.apply(settings)
        self.capture.apply(
            settings.stream_fps, _idle_fps(settings), settings.camera_timeout
        )

    def stop(self) -> Deferred[object]:
        """Release the source, without waiting longer than :data:`RELEASE` for it."""
        self.heartbeat.stop()
        self.offline.stop()
        self._cancel_last()
        released = self.capture.stop()
        released.addTimeout(RELEASE, self._clock)
        return released.addErrback(lambda _: None)

    def join(self, viewer: Viewer) -> None:
        """Show this viewer the newest frame, and every one from now on."""
        if self._started and not self.capture.awake:
            # The frame is from when somebody watched last; a new one comes at once.
            self.fan_out.newest = None
            self.capture.wake()
            self._cancel_last()
            self._until_last = self._clock.callLater(UNTIL_LAST, self._show_last)
        self.fan_out.subscribe(viewer)
        self.heartbeat.add(viewer)
        viewer.open(self.fan_out.newest_for(viewer))
        self.offline.update()

    def _show_last(self) -> None:
        """Show the last picture there is, if no new one has come."""
        self._until_last = None
        if self.capture.awake and self.fan_out.latest is None:
            self.capture.show_last()

    def _cancel_last(self) -> None:
        # A call that was made still knows whom it called.
        cancel(self._until_last)
        self._until_last = None

    def take_over(self, viewer: Viewer) -> None:
        """Show every frame from now on to a viewer that another pipeline has fed."""
        self.fan_out.subscribe(viewer)
        self.heartbeat.add(viewer)
        viewer.switch_to(self.fan_out.newest_for(viewer))

    def drop(self, viewer: Viewer) -> None:
        """Show this viewer no more, and go on as if it were still there."""
        self.fan_out.unsubscribe(viewer)
        self.heartbeat.remove(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Show this viewer no more; rest if it was the last one."""
        self.drop(viewer)
        if not self.fan_out and not self._never_rests:
            self.capture.rest()

    def snapshot(
        self, max_age: float | None = None, rendition: Rendition | None = None
    ) -> Deferred[Frame]:
        """Return the newest frame, or one that is taken for this.

        :param max_age: seconds before now at which it was taken at the earliest; None
            for the newest that viewers have, and for a new one while nobody watches;
            of a camera that has none soon, for its last one.
        :param rendition: what it is wanted as. It is that where viewers have it so and
            none has the full picture, and full else.
        :return: fails when there is none within ``camera_timeout``: never a
            placeholder, and never the last picture of a camera that is offline.
        """
        if not self._started:
            return fail(SourceError("the camera is being opened again"))
        oldest = -math.inf if max_age is None else self._clock.seconds() - max_age
        is_kept = self.capture.awake if max_age is None else True
        newest = self.fan_out.newest
        if newest is None and rendition is not None:
            newest = self.fan_out.newest_as(rendition)
        if (
            is_kept
            and self.capture.state is not State.OFFLINE
            and newest is not None
            and not newest.is_placeholder
            and newest.captured >= oldest
        ):
            return succeed(newest)
        taken = Deferred.fromCoroutine(self._taken_since(oldest))
        timeout = self._settings.camera_timeout
        taken.addTimeout(timeout, self._clock)
        captured = self.capture.captured
        if captured is not None and captured >= oldest and not taken.called:
            is_slow = self.capture.health.patience > timeout
            wait = min(UNTIL_LAST, timeout) if is_slow else (1 - EARLY) * timeout
            call = self._clock.callLater(wait, self.capture.show_last)

            def done(outcome: Frame | Failure) -> Frame | Failure:
                cancel(call)
                return outcome

            taken.addBoth(done)
        return taken

    async def _taken_since(self, oldest: float) -> Frame:
        """Take frames until one is as new as this, on the reactor's clock."""
        while True:
            frame = await self.capture.snapshot()
            # The next one to come may have waited on its way.
            if frame.captured >= oldest:
                return frame


def stream_limits(settings: CameraSettings) -> StreamLimits:
    """Return how far a camera's viewers may fall behind."""
    return StreamLimits(
        settings.stream_buffer_size, settings.stream_timeout, settings.max_frame_age
    )


def _idle_fps(settings: CameraSettings) -> float:
    """Return how often to look at a camera that nobody watches; 0 to release it."""
    # Pushers push anyway, and there is nothing to be released.
    return settings.idle_fps or (1 if settings.source == PUSH else 0)


def _new_intake(
    capture: Capture,
    source: PushSource | None,
    settings: CameraSettings,
    stats: CameraStats,
    environment: Environment,
    controls: DeviceControls | None,
    encoder: Encoder,
    wanted: Wanted,
    lacks: Lacks,
) -> Intake:
    """Return what brings a camera's pictures in, as its source wants it."""
    clock, fps = environment.clock, settings.stream_fps

    def worker(new_source: Callable[[], Source]) -> Worker:
        def new_reader() -> ReaderThread:
            reader = Reader(new_source(), encoder, clock.seconds, settings.max_pixels)
            thread = environment.new_thread(f"camera {settings.name}", reader.pump)
            return ReaderThread(reader, thread)

        return Worker(settings.name, new_reader, stats, clock)

    def pull(
        capture: Capture, new_source: Callable[[], Source], failed: Callable[[], None]
    ) -> PullIntake:
        def new_redrawn() -> Source:
            return redrawn(new_source(), settings, clock.seconds)

        return PullIntake(capture, worker(new_redrawn), fps, clock, failed)

    if source is None:
        new_source = partial(environment.new_source, settings, controls)
        return PullIntake(capture, worker(new_source), fps, clock)
    redraw = None
    if is_redrawn(settings):
        handed = HandedOver()
        redraw = Redraw(
            handed, worker(lambda: redrawn(handed, settings, clock.seconds))
        )
    return PushIntake(
        capture,
        source,
        fps,
        pull,
        clock,
        redraw,
        max_pixels=settings.max_pixels,
        wanted=wanted,
        lacks=lacks,
    )


def _new_health(settings: CameraSettings, environment: Environment) -> Health:
    path = local_path(settings.source)
    # Only devices: a file may be on a server that does not answer.
    device = path if is_device(settings.source) else None
    return Health(
        settings.name,
        settings.camera_timeout,
        environment.clock,
        Backoff(environment.random, _delays(settings)),
        asked_fps=settings.camera_fps,
        is_missing=lambda: device is not None and not environment.exists(device),
    )


def _delays(settings: CameraSettings) -> tuple[float, float]:
    """Return how soon a camera is tried again, at first and in the end."""
    if is_relay(settings.source):
        return RELAY
    # What an exec: camera is, may be anything. To wait for a push costs nothing.
    is_local = (
        local_path(settings.source) is not None
        or settings.source.startswith("rpicam")
        or settings.source == PUSH
    )
    return LOCAL if is_local else (FIRST, MOST)
