"""One camera, wired up: its thread, its capture, its cache, its viewers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from camd.backoff import Backoff
from camd.capture import Capture
from camd.config.settings import CameraSettings
from camd.frame import Frame, FrameCache
from camd.heartbeat import Heartbeat
from camd.outlet import Outlet
from camd.reader import Reader
from camd.readers import OwnThread, Post, Readers
from camd.rights import Holder
from camd.sources import Encoder, Source, is_device, local_path
from camd.standin import StandIn
from camd.stats import CameraStats, Sent, Visits
from camd.supervision import State, Supervision
from camd.tcp import has_congestion
from camd.viewer import Guest, Viewer

RELEASE = 0.3
"""Seconds that a source is given to let go of its device at shutdown."""


@dataclass(frozen=True, slots=True)
class World:
    """
    Everything outside of the daemon that a camera touches; tests bring their own.

    :ivar clock: the reactor's clock.
    :ivar wall: gives Unix seconds.
    :ivar random: gives a number from 0 to 1.
    :ivar new_thread: makes a thread of its own, by name.
    :ivar new_source: makes a camera's source, closed.
    :ivar new_encoder: makes an encoder of that quality.
    :ivar new_placeholder: draws a JPEG with lines of text, of that width and height,
        in a thread that is no camera's.
    :ivar exists: whether there is such a device; must not block.
    """

    clock: IReactorTime
    wall: Callable[[], float]
    random: Callable[[], float]
    new_thread: Callable[[str], OwnThread]
    new_source: Callable[[CameraSettings], Source]
    new_encoder: Callable[[int], Encoder]
    new_placeholder: Callable[
        [CameraSettings, Sequence[str], int, int], Deferred[bytes]
    ]
    exists: Callable[[str], bool]


class Feed:
    """
    The way of frames from one source to those who share it.

    :ivar capture: what brings the frames in.
    :ivar cache: the newest frame.
    :ivar heartbeat: what keeps silent streams alive.
    :ivar stand_in: what is shown while no pictures come.
    """

    def __init__(
        self, settings: CameraSettings, stats: CameraStats, world: World
    ) -> None:
        self._clock = world.clock
        self._patience = settings.camera_timeout
        self.cache = FrameCache(world.clock, stats.lateness)
        self.heartbeat = Heartbeat(
            world.clock,
            lambda: self.cache.newest,
            settings.heartbeat_interval,
            settings.stream_fps,
        )
        health = _supervision(settings, world)
        self.capture = Capture(
            settings.name,
            Readers(settings.name, lambda: _post(settings, world), stats, world.clock),
            health,
            self._publish,
            fps=settings.stream_fps,
            idle_fps=settings.idle_fps,
            stats=stats,
            clock=world.clock,
            wall=world.wall,
        )
        self.stand_in = StandIn(
            settings,
            health,
            self.cache,
            lambda lines, size: world.new_placeholder(
                settings, lines, size.width, size.height
            ),
            self._publish,
            world.clock,
            world.wall,
        )

    def _publish(self, frame: Frame) -> None:
        self.cache.publish(frame)
        self.heartbeat.published()

    def start(self) -> None:
        """Begin to capture."""
        self.heartbeat.start()
        self.stand_in.start()
        self.capture.start()

    def stop(self) -> Deferred[object]:
        """Release the source, without waiting longer than :data:`RELEASE` for it."""
        self.heartbeat.stop()
        self.stand_in.stop()
        released = self.capture.stop()
        released.addTimeout(RELEASE, self._clock)
        return released.addErrback(lambda _: None)

    def join(self, viewer: Viewer) -> None:
        """Show this viewer the newest frame, and every one from now on."""
        if not self.capture.awake:
            # What it shows is from when somebody watched last; a new one comes at once.
            self.cache.forget()
            self.capture.wake()
        self.cache.join(viewer)
        self.heartbeat.join(viewer)
        viewer.open(lambda: self.cache.newest)
        self.stand_in.look()

    def leave(self, viewer: Viewer) -> None:
        """Show this viewer no more."""
        self.cache.leave(viewer)
        self.heartbeat.leave(viewer)
        if not self.cache:
            self.capture.rest()

    def snapshot(self) -> Deferred[Frame]:
        """
        Give the newest frame; one that is taken for this while nobody watches.

        :return: fails when there is none: never a placeholder, and never the last
            picture of a camera that is offline.
        """
        newest, online = self.cache.newest, self.capture.state is not State.OFFLINE
        if self.capture.awake and online and newest is not None and newest.number:
            return succeed(newest)
        taken = self.capture.snapshot()
        taken.addTimeout(self._patience, self._clock)
        return taken


def _post(settings: CameraSettings, world: World) -> Post:
    source = world.new_source(settings)
    encoder = world.new_encoder(settings.jpeg_quality)
    reader = Reader(source, encoder, world.clock.seconds)
    return Post(reader, world.new_thread(f"camera {settings.name}"))


def _supervision(settings: CameraSettings, world: World) -> Supervision:
    path = local_path(settings.source)
    # Only devices: a file may be on a server that does not answer.
    device = path if is_device(settings.source) else None
    return Supervision(
        settings.name,
        settings.camera_timeout,
        world.clock,
        Backoff(world.random, local=path is not None),
        is_missing=lambda: device is not None and not world.exists(device),
    )


class Camera(Service):
    """
    One camera and its viewers.

    With ``enable_frame_cache: false`` each viewer gets a feed of its own, which opens,
    reads and encodes for it alone, as the usual generator loop does: for comparison.

    :ivar settings: its settings, resolved.
    :ivar stats: what it has done.
    :ivar feed: the feed that all share, and that snapshots are taken from.
    :ivar viewers: who watches, and through which feed.
    :ivar shares: whether one feed serves all viewers.
    :ivar started: when the daemon started it, on the reactor's clock.
    """

    _log = Logger()

    def __init__(self, settings: CameraSettings, visits: Visits, world: World) -> None:
        self.settings = settings
        self.stats = CameraStats()
        self.viewers: dict[Viewer, Feed] = {}
        self.world = world
        self._visits = visits
        self.shares = settings.enable_frame_cache or is_device(settings.source)

    def startService(self) -> None:
        """Begin to capture, whether anybody watches or not."""
        super().startService()
        self._warn()
        self.started = self.world.clock.seconds()
        self.feed = self._new_feed()

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
        """Let the viewers and the source go; takes at most :data:`RELEASE`."""
        super().stopService()
        feeds = {self.feed, *self.viewers.values()}
        for viewer in list(self.viewers):
            viewer.leave("shutdown")
        return DeferredList([feed.stop() for feed in feeds])

    def _new_feed(self) -> Feed:
        feed = Feed(self.settings, self.stats, self.world)
        feed.start()
        return feed

    def admit(
        self, outlet: Outlet, address: str, user_agent: str, holder: Holder
    ) -> Viewer:
        """Begin a stream to one more viewer."""
        settings, world = self.settings, self.world
        number = self._visits.arrive()
        guest = Guest(number, address, user_agent, world.wall(), holder)
        viewer = Viewer(
            guest,
            outlet,
            world.clock.seconds,
            settings.stream_buffer_size,
            settings.stream_timeout,
            settings.max_frame_age,
        )
        self.viewers[viewer] = self.feed if self.shares else self._new_feed()
        self._log.info(
            "Client {number} connected to {camera} from {address} ({user_agent}). "
            "Total active clients: {active}",
            number=guest.number,
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

    def departed(self, viewer: Viewer) -> None:
        """Note that this viewer's connection is gone, and why."""
        feed = self.viewers.pop(viewer)
        feed.leave(viewer)
        # At shutdown it has been stopped already.
        if feed is not self.feed and self.running:
            feed.stop()
        self._visits.depart()
        self.stats.depart(viewer.sent, viewer.reason)
        self._log.info(
            "Client {number} disconnected after {duration:.1f} s, {frames} frames: "
            "{reason}. Total active clients: {active}",
            number=viewer.guest.number,
            camera=self.settings.name,
            address=viewer.guest.address or "-",
            duration=self.world.clock.seconds() - viewer.came,
            frames=viewer.sent.frames,
            reason=viewer.reason or "closed by the client",
            active=self._visits.active,
        )
