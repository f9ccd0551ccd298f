"""An origin: it publishes its cameras to Redis, where edges find them.

While an edge wants a camera, all edges together are one more viewer of it, and get each
frame. At other times a picture goes out at the camera's ``idle_fps``, so that an edge
has something to show at once. What a camera does is said once a second, and as soon as
it changes. Nothing waits here for Redis but the newest frame of each camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from camd.cameras.camera import Camera
from camd.capture.health import State
from camd.config.redis import RedisAddress
from camd.delivery.viewer import Viewer
from camd.fleet.uplink import PictureOutlet, PictureWire, Uplink
from camd.formats.jpeg import Size
from camd.frame import Frame
from camd.periodic import PeriodicCall
from camd.rights import ITSELF
from camd.sources.redis.connection import Link, Redis
from camd.sources.redis.entries import (
    GONE,
    SEEN,
    WANTED,
    BadEntry,
    Entry,
    Seen,
    keep,
    put,
    read_seen,
    want_key,
)

CHECK = 0.25
"""Seconds between two looks at what the cameras do."""

SAY_EVERY = 1.0
"""Seconds between two words on all cameras."""

SAY_AGAIN = 1.5
"""Seconds after the last picture or word until a camera's state is put in the place of
its picture: a picture says as much, and comes once a second."""

WAIT = 1000
"""Milliseconds that Redis waits for somebody to want a camera, until it says no."""

LISTEN_AGAIN = 0.05
"""Seconds until it is asked again who wants a camera, as many are wanted at once."""

REMEMBERED = 24 * 3600
"""Seconds that Redis keeps what is said of a camera that is not there any more."""

GOODBYE = 0.5
"""Seconds that Redis has for the last word at the end."""

UNWATCHED = (State.LIVE, State.IDLE, State.STARTING)
"""States in which a picture may be had of a camera that nobody watches."""


class Environment(Protocol):
    """What the publisher touches outside of the daemon."""

    @property
    def clock(self) -> IReactorTime:
        """The reactor's clock."""

    def wall(self) -> float:
        """Return the time in Unix seconds."""

    def random(self) -> float:
        """Return a number from 0 to 1."""


class Publisher(Service):
    """Publishes all cameras to one Redis server.

    :param cameras: by name; may change at any time.
    :param run: which run of which camd this is, for the case that two publish cameras
        of the same name.
    """

    _log = Logger(namespace="camd")

    def __init__(
        self,
        address: RedisAddress,
        cameras: Mapping[str, Camera],
        environment: Environment,
        reactor: Any,
        run: str,
    ) -> None:
        self._address = address
        self._cameras = cameras
        self._environment = environment
        self._clock = environment.clock
        self._run = run
        self._published: dict[str, PublishedCamera] = {}
        self._uplink: Uplink | None = None
        self._is_lost = False
        # When the connection was made, by Redis' clock.
        self._began = 0.0
        self._rivals: set[str] = set()
        self._link = Link(address, reactor, self._talk, self._lost, environment.random)
        self._wants = Link(address, reactor, self._listen, _ignore, environment.random)
        self._check = PeriodicCall(self._publish_due, environment.clock)

    def startService(self) -> None:
        """Begin to publish."""
        super().startService()
        self._log.info("Publishing cameras to {address}", address=self._address)
        self._link.start()
        self._wants.start()
        self._check.start(CHECK, now=False)

    def stopService(self) -> Deferred[None]:
        """Say that the cameras are offline, and publish nothing more.

        :return: fires when Redis has it, after :data:`GOODBYE` seconds at the latest.
        """
        super().stopService()
        self._check.end()
        self._wants.stop()
        said: Deferred[Any] = Deferred()
        if self._uplink is None:
            said.callback(None)
        else:
            for published in self._published.values():
                published.leave()
                published.say_state(State.OFFLINE.value, "its camd was stopped")
            # Answered when all before it has arrived.
            said = self._uplink.redis.ask("PING")
            said.addTimeout(GOODBYE, self._clock)

        def stop(_: object) -> None:
            self._link.stop()

        return said.addBoth(stop)

    def _lost(self, reason: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._log.warn("Publishing: {reason}; trying again", reason=reason)

    # ---- With Redis

    async def _talk(self, redis: Redis) -> None:
        """Say what there is, once a second, for as long as the connection lasts."""
        if self._is_lost:
            self._is_lost = False
            self._log.info("Publishing: {address} is back", address=self._address)
        self._uplink = Uplink(redis, self._clock)
        self._began = redis.clock.latest(self._clock.seconds())
        try:
            await self._uplink.ask_time()
            await self._tidy(redis)
            while True:
                self._publish_due()
                await self._say_all(redis)
                await redis.pause(SAY_EVERY)
                await self._uplink.ask_time()
        finally:
            self._uplink.close()
            self._uplink = None
            for published in self._published.values():
                published.end()
            self._published.clear()

    async def _tidy(self, redis: Redis) -> None:
        """Have nothing be said of cameras that were seen last long ago."""
        answer = await redis.ask("HGETALL", SEEN)
        for name, text in zip(answer[::2], answer[1::2], strict=True):
            try:
                is_old = self._began - read_seen(text).said > REMEMBERED
            except BadEntry:
                is_old = True
            if is_old:
                await redis.ask("HDEL", SEEN, name)

    async def _say_all(self, redis: Redis) -> None:
        """Write what all cameras do, and look whose they are."""
        names = list(self._published)
        if not names:
            return
        former = await redis.ask("HMGET", SEEN, *names)
        words: list[bytes | str] = []
        for name, text in zip(names, former, strict=True):
            published = self._published.get(name)
            if published is not None:
                self._check_for_rival(name, text)
                words += [name, published.seen().written()]
        await redis.ask("HSET", SEEN, *words)

    def _check_for_rival(self, name: str, text: bytes | None) -> None:
        """Warn, once, of another camd that publishes a camera of the same name."""
        try:
            said = read_seen(text or b"")
        except BadEntry:
            return
        is_other = said.origin != self._run and said.said > self._began
        if is_other and name not in self._rivals:
            self._rivals.add(name)
            self._log.error(
                "Publishing: another camd publishes a camera {camera} to {address} "
                "too; give one of the two another name, or edges mix them up",
                camera=name,
                address=self._address,
            )

    async def _listen(self, redis: Redis) -> None:
        """Note which cameras edges want, for as long as the connection lasts."""
        read: dict[str, bytes] = {}
        while True:
            names = list(self._published)
            if not names:
                await redis.pause(CHECK)
                continue
            keys = [want_key(name) for name in names]
            ids = [read.get(name, b"0") for name in names]
            wanted = await redis.ask("XREAD", "BLOCK", WAIT, "STREAMS", *keys, *ids)
            for key, entries in wanted or ():
                name = names[keys.index(key)]
                read[name] = entries[-1][0]
                if (published := self._published.get(name)) is not None:
                    published.want()
            await redis.pause(LISTEN_AGAIN)
            for name in names:
                # The entries that it had are gone, and their numbers may begin again.
                if not (published := self._published.get(name)) or published.is_over:
                    read.pop(name, None)

    # ---- The cameras

    def _publish_due(self) -> None:
        """Publish the cameras that there are, and what has changed of them."""
        uplink = self._uplink
        if uplink is None:
            return
        for name in [
            n for n, p in self._published.items() if not p.is_of(self._cameras)
        ]:
            published = self._published.pop(name)
            published.leave()
            if name not in self._cameras:
                gone = published.seen()._replace(state=GONE).written()
                uplink.redis.ask("HSET", SEEN, name, gone).addErrback(lambda _: None)
        for name, camera in self._cameras.items():
            if name not in self._published and camera.running:
                self._published[name] = PublishedCamera(
                    camera, uplink, self._environment, self._run
                )
        for published in self._published.values():
            published.publish_due()


class PublishedCamera:
    """One camera on its way to Redis, for as long as one connection lasts.

    :ivar is_over: whether nobody has wanted it lately.
    """

    _log = Logger(namespace="camd")

    def __init__(
        self, camera: Camera, uplink: Uplink, environment: Environment, run: str
    ) -> None:
        self._camera = camera
        self._uplink = uplink
        self._environment = environment
        self._run = run
        self._clock = environment.clock
        now = self._clock.seconds()
        self._wanted_until = now
        self._said = ""
        self._said_at = self._shown_at = now - SAY_EVERY
        # Not all cameras at the same moment.
        self._picture_at = now + environment.random()
        self._viewer: Viewer | None = None
        name = camera.settings.name
        self._wire = PictureWire(name, uplink.redis, self._why)
        self._outlet = PictureOutlet(name, uplink, self._wire, self._finished)
        uplink.add(self._outlet)
        # The newest picture that nobody wants, while it may not leave yet.
        self._kept: Frame | None = None
        self._outlet.ready = self._show_kept
        self._taking: Deferred[Frame] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nobody has wanted it lately."""
        return self._clock.seconds() >= self._wanted_until

    def is_of(self, cameras: Mapping[str, Camera]) -> bool:
        """Whether its camera is one of these."""
        return cameras.get(self._camera.settings.name) is self._camera

    def _why(self) -> str:
        return self._camera.stats.last_error or ""

    def want(self) -> None:
        """Send each frame for a while: an edge has a viewer."""
        self._wanted_until = self._clock.seconds() + WANTED
        camera = self._camera
        if self._viewer is None and camera.running and not camera.closed:
            self._kept = None
            address = self._uplink.redis.address
            self._viewer = camera.add_viewer(self._outlet, address, "edges", ITSELF)

    def leave(self) -> None:
        """Send no more frames."""
        viewer, self._viewer = self._viewer, None
        if self._taking is not None:
            self._taking.cancel()
        if viewer is not None:
            self._outlet.ready = self._show_kept
            self._camera.remove_viewer(viewer)

    def end(self) -> None:
        """Publish no more."""
        self.leave()
        self._kept = None
        self._uplink.remove(self._outlet)

    def _finished(self) -> None:
        """Note that the camera has ended the stream, as it is offline."""
        # Its viewer is not to be taken away in the midst of a round.
        self._clock.callLater(0, self.leave)

    def publish_due(self) -> None:
        """Publish what is due."""
        now = self._clock.seconds()
        if self._viewer is not None and self.is_over:
            self.leave()
        state = self._camera.state.value
        if state != self._said and self._shows_it_is_live:
            # A picture says as much.
            self._said, self._picture_at = state, now
        elif state != self._said:
            self.say_state(state, self._why())
        if self._viewer is not None and self._viewer.last is not None:
            # A frame says as much, and must not be replaced by a word.
            since = max(self._said_at, now - self._viewer.silent_for(now))
        else:
            since = max(self._said_at, self._shown_at)
        if self._camera.state in UNWATCHED and self._viewer is None:
            self._take_picture(now)
        if now - since >= SAY_AGAIN:
            self.say_state(state, self._why())

    @property
    def _shows_it_is_live(self) -> bool:
        """Whether it is live, and pictures go out, be somebody watching or not."""
        is_live = self._camera.state is State.LIVE
        is_shown = self._viewer is not None or self._camera.settings.idle_fps
        return is_live and bool(is_shown)

    def _take_picture(self, now: float) -> None:
        """Send a picture now and then, though nobody wants one."""
        idle_fps = self._camera.settings.idle_fps
        if not idle_fps or now < self._picture_at or self._taking is not None:
            return
        self._picture_at = max(now, self._picture_at + 1 / idle_fps)
        taking = self._taking = self._camera.snapshot()
        taking.addCallback(self._show)
        taking.addErrback(lambda _: None)

        def taken(_: object) -> None:
            self._taking = None

        taking.addCallback(taken)

    def _show(self, frame: Frame) -> None:
        self._kept = frame
        self._show_kept()

    def _show_kept(self) -> None:
        frame, self._kept = self._kept, None
        if frame is None or self._viewer is not None:
            return
        if self._uplink.send(self._outlet, frame.block(self._wire)):
            self._shown_at = self._clock.seconds()
        else:
            self._kept = frame

    def seen(self) -> Seen:
        """Return what is said of the camera."""
        camera, now = self._camera, self._clock.seconds()
        size = camera.picture_size
        return Seen(
            camera.settings.title,
            camera.state.value,
            self._why(),
            self._uplink.redis.clock.earliest(now),
            self._run,
            camera.settings.stream_fps,
            size.width,
            size.height,
        )

    def say_state(self, state: str, why: str) -> None:
        """Say what the camera does, to those that watch it."""
        now = self._clock.seconds()
        clock = self._uplink.redis.clock
        entry = Entry(
            self._environment.wall(),
            clock.earliest(now),
            0,
            state,
            why,
            Size(0, 0),
            b"",
        )
        self._said, self._said_at = state, now
        name, redis = self._camera.settings.name, self._uplink.redis
        for words in (put(name, entry), keep(name)):
            redis.ask(*words).addErrback(lambda _: None)


def _ignore(reason: str) -> None:
    """Say nothing: the other connection is lost for the same reason."""
