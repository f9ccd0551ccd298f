"""One camera: its pipeline, its viewers, and all that others ask about it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from camd.cameras.controls import CameraControls
from camd.cameras.pipeline import RELEASE, Environment, Pipeline, stream_limits
from camd.capture.capture import LinkState, OriginReport
from camd.capture.health import State
from camd.config.changes import Needs, needed
from camd.config.settings import CameraSettings
from camd.delivery.outlet import Outlet
from camd.delivery.tcp import has_congestion
from camd.delivery.viewer import ClientInfo, Viewer
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition, choose
from camd.frame import Frame
from camd.hooks.hook import Hook
from camd.rights import Principal
from camd.sources import CameraMode
from camd.sources.factory import is_device, opens_once
from camd.sources.ingest.source import Ingest
from camd.stats import CameraStats, Sent, ViewerCount

DRAIN = 2.0
"""Seconds that streams have for their last part where nothing else is said: enough for
some parts on a slow link."""

GONE = b"503 Service Unavailable"
"""The answer to pushes that end with the camera."""

PIXELS_PER_BYTE = 8
"""What a JPEG is guessed to have, before there is one."""

SHRINKS = 1.6
"""A picture of half the size is guessed to have so many times fewer bytes, as a power
of two: small pictures have more detail for each pixel."""


class Camera(Service):
    """One camera and its viewers.

    With ``enable_frame_cache: false`` each viewer gets a pipeline of its own, which
    opens, reads and encodes for it alone, as the usual generator loop does: for
    comparison.

    :ivar settings: the settings in force.
    :ivar stats: what it has done.
    :ivar pipeline: the one that viewers share, and that snapshots are taken from.
    :ivar viewers: all viewers, and the pipeline that each is fed from.
    :ivar hook: tells others what happens to it.
    :ivar controls: what can be set of it while it runs.
    :ivar started: when the daemon started it, on the reactor's clock.

    :param viewer_count: counts the viewers of all cameras.
    :param drain: seconds that streams have for their last part at the end.
    """

    _log = Logger()

    def __init__(
        self,
        settings: CameraSettings,
        viewer_count: ViewerCount,
        environment: Environment,
        drain: float = DRAIN,
    ) -> None:
        self.settings = settings
        self.stats = CameraStats()
        self.viewers: dict[Viewer, Pipeline] = {}
        self._viewer_count = viewer_count
        self._environment = environment
        self._drain = drain
        self._empty: Deferred[None] | None = None
        self.controls = CameraControls(settings, environment)
        self.hook = Hook(
            settings.name,
            settings.on_event,
            environment.call_hook,
            self.stats,
            environment.clock,
            environment.wall,
        )

    # ---- Its life

    def startService(self) -> None:
        """Begin to capture, whether anybody watches or not."""
        super().startService()
        self._warn()
        self.started = self.now()
        self.pipeline = self._new_pipeline()
        self.pipeline.capture.health.changed = self.hook.changed
        self.pipeline.start()

    def stopService(self) -> Deferred[Any]:
        """Finish all streams and release the source.

        :return: fires when all are gone, ``drain`` seconds from now at the latest, or
            :data:`RELEASE`.
        """
        super().stopService()
        self.controls.stop()
        self.hook.stop()
        if self.ingest is not None:
            self.ingest.cut_all(GONE, "camd is stopping")
        stopped = [pipeline.stop() for pipeline in self._pipelines()]
        return DeferredList([self.finish_streams("shutdown"), *stopped])

    def apply(self, settings: CameraSettings, drain: float) -> None:
        """Go by these settings from now on.

        The source is opened again only where they concern the device. Viewers stay, and
        until there is a new picture they see the last one.

        :param drain: as in the constructor.
        """
        self._drain = drain
        needs = needed(self.settings, settings)
        if needs is None:
            return
        self.settings = settings
        self.controls.apply(settings)
        self.hook.target = settings.on_event
        self._warn()
        if needs < Needs.CAMERA:
            for pipeline in self._pipelines():
                pipeline.apply(settings)
        else:
            self._replace_pipelines()

    def _replace_pipelines(self) -> None:
        former, last = self._pipelines(), self.pipeline
        self.pipeline = self._new_pipeline(last)
        self.pipeline.capture.health.changed = self.hook.changed
        if last.ingest is not None:
            if self.ingest is not None:
                self.ingest.adopt(last.ingest)
            last.ingest.cut_all(GONE, "nobody pushes to this camera any more")
        for viewer, pipeline in self.viewers.items():
            pipeline.drop(viewer)
            viewer.apply(stream_limits(self.settings))
            new = self.pipeline if self.shares else self._new_pipeline(last)
            self.viewers[viewer] = new
            new.take_over(viewer)
        successors = self._pipelines()

        def start(_: object) -> None:
            # Meanwhile it may have been stopped, or have got other settings again.
            for pipeline in successors & self._pipelines():
                if self.running:
                    pipeline.start()

        # A device can be opened once only, so the one waits for the other.
        DeferredList([pipeline.stop() for pipeline in former]).addCallback(start)

    def _new_pipeline(self, former: Pipeline | None = None) -> Pipeline:
        return Pipeline(
            self.settings,
            self.stats,
            self._environment,
            self.controls.of_device,
            former,
        )

    def _pipelines(self) -> set[Pipeline]:
        return {self.pipeline, *self.viewers.values()}

    def _warn(self) -> None:
        """Log what of the settings cannot be had."""
        settings = self.settings
        if self.shares and not settings.enable_frame_cache:
            self._log.warn(
                "Camera {camera}: this source can be opened once only; "
                "enable_frame_cache stays on",
                camera=settings.name,
            )
        source = settings.source
        takes_controls = is_device(source) or source.startswith("rpicam")
        if settings.camera_controls and not takes_controls:
            self._log.warn(
                "Camera {camera}: camera_controls are for devices of this machine; "
                "they are not used",
                camera=settings.name,
            )
        if settings.tcp_congestion and not has_congestion(settings.tcp_congestion):
            self._log.warn(
                "Camera {camera}: this kernel has no tcp_congestion {congestion}; "
                "its own choice is used",
                camera=settings.name,
                congestion=settings.tcp_congestion,
            )

    # ---- What it tells

    @property
    def clock(self) -> IReactorTime:
        """What its times are counted by."""
        return self._environment.clock

    def now(self) -> float:
        """Return the time on the clock that all of its moments are counted by."""
        return self._environment.clock.seconds()

    @property
    def shares(self) -> bool:
        """Whether one pipeline feeds all viewers."""
        return self.settings.enable_frame_cache or opens_once(self.settings.source)

    @property
    def state(self) -> State:
        """What the camera is doing."""
        return self.pipeline.capture.state

    @property
    def mode(self) -> CameraMode | None:
        """What the camera really gives; None before it was opened first."""
        return self.pipeline.capture.mode

    @property
    def ingest(self) -> Ingest | None:
        """Where its pictures are pushed to; None for any other source."""
        return self.pipeline.ingest

    @property
    def newest(self) -> Frame | None:
        """The newest frame, which may be a placeholder; None before the first.

        A smaller one where that comes from another camd, and nobody wants a full one.
        """
        return self.pipeline.fan_out.latest

    @property
    def picture_size(self) -> Size:
        """The size of its pictures; as it says or is asked for before the first."""
        newest = self.pipeline.fan_out.newest
        if newest is not None and not newest.is_placeholder:
            return newest.size
        if self.mode is not None:
            return Size(self.mode.width, self.mode.height)
        return Size(self.settings.camera_width, self.settings.camera_height)

    @property
    def renditions(self) -> list[Rendition]:
        """The smaller renditions there are of its pictures."""
        return [Rendition.parse(text) for text in self.settings.renditions]

    def rendition_for(
        self, width: int | None = None, quality: int | None = None
    ) -> Rendition | None:
        """Return the rendition for a viewer that wants this; None: the full picture.

        :param width: pixels that it is to have at least; None for any.
        :param quality: the JPEG quality that it is to be near to; None for the best.
        """
        full, best = self.picture_size, self.settings.jpeg_quality
        return choose(self.renditions, full, best, width, quality)

    def choices(
        self, widest: Rendition | None, *, saves_data: bool
    ) -> list[tuple[Rendition | None, int]]:
        """Return what a viewer may be sent whose rendition follows its link.

        :param widest: nothing wider than this; None for the full picture.
        :param saves_data: whether the full size is left out (``Save-Data: on``).
        :return: each with the bytes of a picture, measured or guessed, the largest
            first.
        """
        every: list[Rendition | None] = [None, *self.renditions]
        scales = {each: each.scale if each else Fraction(1) for each in every}
        limit = min(scales[widest], Fraction(1, 2) if saves_data else Fraction(1))
        fit = [each for each in every if scales[each] <= limit] or [widest]
        fan_out, pixels = self.pipeline.fan_out, self.picture_size.pixels
        full = fan_out.size_of(None) or pixels // PIXELS_PER_BYTE
        sizes = [
            (each, fan_out.size_of(each) or int(full * float(scales[each]) ** SHRINKS))
            for each in fit
        ]
        return sorted(sizes, key=lambda choice: -choice[1])

    @property
    def captured(self) -> float | None:
        """When its newest picture was taken, as :meth:`now`; None before the first."""
        return self.pipeline.capture.captured

    @property
    def origin(self) -> OriginReport | None:
        """What another camd says of it, where its pictures come from one."""
        return self.pipeline.capture.origin

    @property
    def link(self) -> LinkState | None:
        """What the way to that camd does, as :attr:`Capture.link`."""
        return self.pipeline.capture.link

    def origin_time(self) -> float | None:
        """Return the time by that camd's clock, as :meth:`Capture.origin_time`."""
        return self.pipeline.capture.origin_time()

    def time(self) -> float:
        """Return the Unix time by the clock that the times of its pictures are of."""
        time = self.origin_time()
        return self._environment.wall() if time is None else time

    @property
    def passed_through(self) -> bool | None:
        """Whether its own JPEGs go out as they are; None before the first frame."""
        return self.pipeline.capture.passed_through

    @property
    def retry_in(self) -> float:
        """Seconds until the camera may be tried again; 0 for now."""
        return self.pipeline.capture.health.retry_in

    @property
    def patience(self) -> float:
        """Seconds without a picture that are normal, as :attr:`Health.patience`."""
        return self.pipeline.capture.health.patience

    @property
    def stuck(self) -> bool:
        """Whether the camera's driver holds all threads that there may be."""
        return self.pipeline.capture.stuck

    @property
    def closed(self) -> bool:
        """Whether nobody is let in: it is offline, or has been stopped."""
        return not self.running or self.pipeline.offline.closed

    def sent(self) -> Sent:
        """Return what all viewers were ever sent, those that left included."""
        total = Sent()
        total.add(self.stats.departed)
        for viewer in self.viewers:
            total.add(viewer.sent)
        return total

    def snapshot(
        self, max_age: float | None = None, rendition: Rendition | None = None
    ) -> Deferred[Frame]:
        """Return a new frame, as :meth:`Pipeline.snapshot`."""
        return self.pipeline.snapshot(max_age, rendition)

    def render(self, frame: Frame, rendition: Rendition) -> Deferred[Frame]:
        """Return one of its frames as a rendition, as :meth:`FanOut.render`."""
        return self.pipeline.fan_out.render(frame, rendition)

    def placeholder(self) -> Deferred[Frame]:
        """Return what viewers see of an offline camera: no older than a second."""
        return self.pipeline.offline.picture()

    def draw(self, lines: Sequence[str], size: Size) -> Deferred[bytes]:
        """Draw a JPEG of lines of text, below the camera's name."""
        settings = self.settings
        # A picture of the user's own is for a camera that is offline.
        plain = settings.model_copy(update={"offline_picture": "placeholder"})
        return self._environment.new_placeholder(plain, (settings.name, *lines), size)

    # ---- Its viewers

    def add_viewer(
        self,
        outlet: Outlet,
        address: str,
        user_agent: str,
        principal: Principal,
        rendition: Rendition | None = None,
        fps: float = 0,
    ) -> Viewer:
        """Begin a stream to one more viewer.

        :param rendition: what it is sent; None for the full picture.
        :param fps: the most frames a second; 0 for all.
        """
        settings = self.settings
        client_info = ClientInfo(
            self._viewer_count.arrive(),
            address,
            user_agent,
            self._environment.wall(),
            principal,
        )
        viewer = Viewer(
            client_info,
            outlet,
            self._environment.clock.seconds,
            stream_limits(settings),
            rendition,
            fps,
        )
        pipeline = self.pipeline
        if not self.shares:
            pipeline = self._new_pipeline()
            pipeline.start()
        self.viewers[viewer] = pipeline
        self.hook.viewers(len(self.viewers) - 1, len(self.viewers))
        self._log.info(
            "Client {number} connected to {camera} from {address} ({user_agent}). "
            "Total active clients: {active}",
            number=client_info.number,
            camera=settings.name,
            address=address or "-",
            user_agent=user_agent,
            active=self._viewer_count.active,
        )
        pipeline.join(viewer)
        return viewer

    def move(self, viewer: Viewer, rendition: Rendition | None, fps: float = 0) -> None:
        """Send a viewer another rendition or rate, as :meth:`FanOut.move`."""
        self.viewers[viewer].fan_out.move(viewer, rendition, fps)

    def remove_viewer(self, viewer: Viewer, reason: str | None = None) -> None:
        """Forget a viewer whose connection is gone.

        :param reason: why, where the viewer does not know better; None for the client.
        """
        pipeline = self.viewers.pop(viewer)
        self.hook.viewers(len(self.viewers) + 1, len(self.viewers))
        pipeline.leave(viewer)
        # At shutdown it has been stopped already.
        if pipeline is not self.pipeline and self.running:
            pipeline.stop()
        viewer.reason = viewer.reason or reason
        self.stats.depart(viewer.sent, viewer.reason)
        self._viewer_count.depart()
        self._log.info(
            "Client {number} disconnected after {duration:.1f} s, {frames} frames: "
            "{reason}. Total active clients: {active}",
            number=viewer.client_info.number,
            camera=self.settings.name,
            address=viewer.client_info.address or "-",
            duration=self.now() - viewer.came,
            frames=viewer.sent.frames,
            reason=viewer.reason or "closed by the client",
            active=self._viewer_count.active,
        )
        if not self.viewers and self._empty is not None:
            empty, self._empty = self._empty, None
            empty.callback(None)

    def finish_stream(self, viewer: Viewer, reason: str) -> None:
        """End one stream behind the part under way; cut it off if that is late."""

        def cut_off() -> None:
            if viewer in self.viewers:
                viewer.abort(reason)

        viewer.finish_stream(reason)
        self._environment.clock.callLater(self._drain, cut_off)

    def finish_streams(self, reason: str) -> Deferred[None]:
        """End all streams, each behind the part that is under way.

        :return: fires when all are gone; those that are not in time are cut off.
        """
        for viewer in list(self.viewers):
            viewer.finish_stream(reason)

        def cut_off(_: object) -> Deferred[None]:
            for viewer in list(self.viewers):
                viewer.abort(reason)
            # Their connections end in the reactor's next turn, and are to be counted.
            return self._when_empty(RELEASE).addErrback(lambda _: None)

        return self._when_empty(self._drain).addErrback(cut_off)

    def _when_empty(self, within: float) -> Deferred[None]:
        """Wait until no viewer is left; fails if that takes longer."""
        empty: Deferred[None] = Deferred()
        if self.viewers:
            self._empty = empty
        else:
            empty.callback(None)
        return empty.addTimeout(within, self._environment.clock)
