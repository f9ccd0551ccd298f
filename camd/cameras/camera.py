"""One camera, wired up: its thread, its capture, its cache, its viewers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from camd.cameras.pipeline import RELEASE, Environment, Pipeline
from camd.capture.health import State
from camd.config.settings import CameraSettings
from camd.delivery.outlet import Outlet
from camd.delivery.tcp import has_congestion
from camd.delivery.viewer import ClientInfo, Viewer
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition, choose
from camd.frame import Frame
from camd.rights import Principal
from camd.sources import CameraMode
from camd.sources.factory import is_device
from camd.stats import CameraStats, Sent, ViewerCount

DRAIN = 2.0
"""Seconds for that where nothing is said: some parts on a link that still moves."""


class Camera(Service):
    """
    One camera and its viewers.

    With ``enable_frame_cache: false`` each viewer gets a feed of its own, which opens,
    reads and encodes for it alone, as the usual generator loop does: for comparison.

    :ivar settings: its settings, resolved.
    :ivar stats: what it has done.
    :ivar pipeline: the feed that all share, and that snapshots are taken from.
    :ivar viewers: who watches, and through which feed.
    :ivar shares: whether one feed serves all viewers.
    :ivar started: when the daemon started it, on the reactor's clock.
    :ivar drain: seconds that streams have for their last part when they are to end.
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
        self.drain = drain
        self._emptied: Deferred[None] | None = None
        self.stats = CameraStats()
        self.viewers: dict[Viewer, Pipeline] = {}
        self.environment = environment
        self._visits = viewer_count
        self._settle()

    def _settle(self) -> None:
        settings = self.settings
        self.shares = settings.enable_frame_cache or is_device(settings.source)

    def startService(self) -> None:
        """Begin to capture, whether anybody watches or not."""
        super().startService()
        self._warn()
        self.started = self.now()
        self.pipeline = self._new_feed()

    def _warn(self) -> None:
        """Say, once, what of the settings cannot be had."""
        name, congestion = self.settings.name, self.settings.tcp_congestion
        if self.shares and not self.settings.enable_frame_cache:
            self._log.warn(
                "Camera {camera}: a device can be opened once only; "
                "enable_frame_cache stays on",
                camera=name,
            )
        if self.settings.camera_controls and not is_device(self.settings.source):
            self._log.warn(
                "Camera {camera}: camera_controls are for devices of this machine; "
                "they are not used",
                camera=name,
            )
        if congestion and not has_congestion(congestion):
            self._log.warn(
                "Camera {camera}: this kernel has no tcp_congestion {congestion}; "
                "its own choice is used",
                camera=name,
                congestion=congestion,
            )

    def stopService(self) -> Deferred[Any]:
        """
        Let the viewers and the source go.

        :return: fires when all are gone, :attr:`drain` seconds from now at the latest,
            or :data:`RELEASE`.
        """
        super().stopService()
        pipelines = {self.pipeline, *self.viewers.values()}
        return DeferredList(
            [self.end("shutdown"), *(pipeline.stop() for pipeline in pipelines)]
        )

    def end(self, reason: str) -> Deferred[None]:
        """
        End all streams, each behind the part that is under way.

        :return: fires when all are gone; those that are not in time are cut off.
        """
        for viewer in list(self.viewers):
            viewer.finish_stream(reason)
        return self._when_empty(self.drain).addErrback(lambda _: self._cut_off(reason))

    def _cut_off(self, reason: str) -> Deferred[None]:
        for viewer in list(self.viewers):
            viewer.abort(reason)
        # Their connections end in the reactor's next turn, and are still to be counted.
        return self._when_empty(RELEASE).addErrback(lambda _: None)

    def _when_empty(self, within: float) -> Deferred[None]:
        emptied: Deferred[None] = Deferred()
        self._emptied = emptied
        self._look_if_empty()
        return emptied.addTimeout(within, self.environment.clock)

    def _look_if_empty(self) -> None:
        if not self.viewers and self._emptied is not None:
            emptied, self._emptied = self._emptied, None
            emptied.callback(None)

    def change(self, settings: CameraSettings) -> None:
        """
        Go by these settings from now on.

        The source is opened anew; those who watch stay, and go on seeing the last
        picture until there is one by the new settings.
        """
        if settings == self.settings:
            return
        self.settings = settings
        self._settle()
        self._warn()
        former, last = {self.pipeline, *self.viewers.values()}, self.pipeline
        self.pipeline = Pipeline(settings, self.stats, self.environment)
        self.pipeline.follow(last)
        fresh = [self.pipeline]
        for viewer, pipeline in self.viewers.items():
            pipeline.cache.unsubscribe(viewer)
            pipeline.heartbeat.remove(viewer)
            fresh += self._hand_over(viewer, last)
        # A device can be opened once only, so the one waits for the other.
        released = DeferredList([pipeline.stop() for pipeline in former])
        released.addCallback(lambda _: self._start(fresh))

    def _hand_over(self, viewer: Viewer, last: Pipeline) -> list[Pipeline]:
        """Show a viewer what another feed brings; give that one if it is new."""
        pipeline = self.pipeline
        if not self.shares:
            pipeline = Pipeline(self.settings, self.stats, self.environment)
            pipeline.follow(last)
        self.viewers[viewer] = pipeline
        pipeline.take_over(viewer)
        return [] if self.shares else [pipeline]

    def _start(self, pipelines: list[Pipeline]) -> None:
        # It may have been stopped meanwhile, or changed again.
        for pipeline in pipelines:
            if self.running and pipeline in {self.pipeline, *self.viewers.values()}:
                pipeline.start()

    def _new_feed(self) -> Pipeline:
        pipeline = Pipeline(self.settings, self.stats, self.environment)
        pipeline.start()
        return pipeline

    def now(self) -> float:
        """Return the time on the clock that all of its moments are counted by."""
        return self.environment.clock.seconds()

    @property
    def state(self) -> State:
        """What the camera is doing."""
        return self.pipeline.capture.state

    @property
    def mode(self) -> CameraMode | None:
        """What the camera really gives; None before it was opened first."""
        return self.pipeline.capture.mode

    @property
    def newest(self) -> Frame | None:
        """The newest frame, which may be a placeholder; None before the first."""
        return self.pipeline.cache.newest

    @property
    def picture_size(self) -> Size:
        """The size of its pictures; as it says or is asked for before the first."""
        if self.newest is not None and not self.newest.is_placeholder:
            return self.newest.size
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

    @property
    def captured(self) -> float | None:
        """When its newest picture was taken, as :meth:`now`; None before the first."""
        return self.pipeline.capture.captured

    @property
    def passed_through(self) -> bool | None:
        """Whether its own JPEGs go out as they are; None before the first frame."""
        return self.pipeline.capture.passed_through

    @property
    def retry_in(self) -> float:
        """Seconds until the camera is tried again; 0 where nothing is waited for."""
        return self.pipeline.capture.health.retry_in

    @property
    def stuck(self) -> bool:
        """Whether the camera's driver holds all threads that there may be."""
        return self.pipeline.capture.stuck

    @property
    def closed(self) -> bool:
        """Whether streams end, and new ones are refused, as the camera is offline."""
        return self.pipeline.offline.closed

    def snapshot(self) -> Deferred[Frame]:
        """Return the newest frame, as :meth:`Pipeline.snapshot`."""
        return self.pipeline.snapshot()

    def render(self, frame: Frame, rendition: Rendition) -> Deferred[Frame]:
        """Return one of its frames as a rendition, as :meth:`FanOut.render`."""
        return self.pipeline.cache.render(frame, rendition)

    def placeholder(self) -> Deferred[Frame]:
        """Return what viewers see of an offline camera: no older than a second."""
        return self.pipeline.offline.picture()

    def draw(self, lines: Sequence[str], size: Size) -> Deferred[bytes]:
        """Draw a JPEG of lines of text, below the camera's name."""
        settings = self.settings
        # A picture of the user's own is for a camera that is offline.
        plain = settings.model_copy(update={"offline_picture": "placeholder"})
        return self.environment.new_placeholder(plain, (settings.name, *lines), size)

    def admit(
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
        settings, environment = self.settings, self.environment
        number = self._visits.arrive()
        client_info = ClientInfo(
            number, address, user_agent, environment.wall(), principal
        )
        viewer = Viewer(
            client_info,
            outlet,
            environment.clock.seconds,
            settings.stream_buffer_size,
            settings.stream_timeout,
            settings.max_frame_age,
            rendition,
            fps,
        )
        self.viewers[viewer] = self.pipeline if self.shares else self._new_feed()
        self._log.info(
            "Client {number} connected to {camera} from {address} ({user_agent}). "
            "Total active clients: {active}",
            number=client_info.number,
            camera=settings.name,
            address=address or "-",
            user_agent=user_agent,
            active=self._visits.active,
        )
        self.viewers[viewer].join(viewer)
        return viewer

    def sent(self) -> Sent:
        """Add up what all viewers were ever sent, those who left included."""
        total = Sent()
        total.add(self.stats.departed)
        for viewer in self.viewers:
            total.add(viewer.sent)
        return total

    def departed(self, viewer: Viewer, reason: str | None = None) -> None:
        """
        Note that this viewer's connection is gone.

        :param reason: why, where the viewer does not know better; None for the client.
        """
        viewer.reason = viewer.reason or reason
        pipeline = self.viewers.pop(viewer)
        pipeline.leave(viewer)
        # At shutdown it has been stopped already.
        if pipeline is not self.pipeline and self.running:
            pipeline.stop()
        self._look_if_empty()
        self._visits.depart()
        self.stats.depart(viewer.sent, viewer.reason)
        self._log.info(
            "Client {number} disconnected after {duration:.1f} s, {frames} frames: "
            "{reason}. Total active clients: {active}",
            number=viewer.client_info.number,
            camera=self.settings.name,
            address=viewer.client_info.address or "-",
            duration=self.now() - viewer.came,
            frames=viewer.sent.frames,
            reason=viewer.reason or "closed by the client",
            active=self._visits.active,
        )
