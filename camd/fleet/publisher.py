"""An origin: it publishes its cameras to Redis, where edges find them.

While an edge wants a camera, all edges together are one more viewer of it, and get each
frame, in full or as the renditions that they want: one viewer for each. At other times
a picture goes out at the camera's ``idle_fps``, the smallest that there is, as a sign
of life. What a camera does is said once a second, and as soon as
it changes. Nothing waits here for Redis but the newest frame of each camera.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
from camd.formats.rendition import Rendition, smallest
from camd.frame import Frame
from camd.periodic import PeriodicCall
from camd.rights import ITSELF
from camd.sources.redis.connection import Redis, RedisLink
from camd.sources.redis.entries import (
    GONE,
    SEEN,
    WANTED,
    BadEntry,
    Entry,
    Seen,
    Wish,
    keep,
    picture_key,
    put,
    read_seen,
    read_want,
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
        self._link = RedisLink(
            address, reactor, self._talk, self._lost, environment.random
        )
        self._wants = RedisLink(
            address, reactor, self._listen, _ignore, environment.random
        )
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
                "Publishing: another camd also publishes a camera {camera} to "
                "{address}; give one of the two another name, or edges mix them up",
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
                    for _, fields in entries:
                        published.want(read_want(fields))
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

    def __init__(
        self, camera: Camera, uplink: Uplink, environment: Environment, run: str
    ) -> None:
        self._camera = camera
        self._uplink = uplink
        self._environment = environment
        self._run = run
        self._clock = environment.clock
        now = self._clock.seconds()
        self._said = ""
        # Not all cameras at the same moment.
        self._picture_at = now + environment.random()
        # When nobody wanted it, the last time.
        self._alone_at = now
        self._rungs: dict[Rendition | None, PublishedRung] = {}
        self._taking: Deferred[None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether nobody has wanted it lately."""
        return not any(rung.is_wanted for rung in self._rungs.values())

    def is_of(self, cameras: Mapping[str, Camera]) -> bool:
        """Whether its camera is one of these."""
        return cameras.get(self._camera.settings.name) is self._camera

    def why(self) -> str:
        """Return what is wrong with the camera; empty for nothing."""
        return self._camera.stats.last_error or ""

    def want(self, wish: Wish) -> None:
        """Send each frame so for a while: an edge has viewers of these."""
        there = (None, *self._camera.renditions)
        for rendition in wish.rungs.intersection(there):
            rung = self._rung(rendition)
            rung.want()
            # By a picture edges take it for live.
            if rendition in wish.lacks and self._camera.state is State.LIVE:
                rung.repeat()

    def leave(self) -> None:
        """Send no more frames."""
        if self._taking is not None:
            self._taking.cancel()
        for rung in self._rungs.values():
            rung.leave()

    def end(self) -> None:
        """Publish no more."""
        self.leave()
        for rung in self._rungs.values():
            rung.end()
        self._rungs.clear()

    @property
    def _rest(self) -> PublishedRung:
        """Where a picture goes now and then while nobody watches: the smallest."""
        return self._rung(smallest(self._camera.renditions))

    def _rung(self, rendition: Rendition | None) -> PublishedRung:
        rung = self._rungs.get(rendition)
        if rung is None:
            rung = PublishedRung(self._camera, rendition, self._uplink, self.why)
            self._rungs[rendition] = rung
        return rung

    def publish_due(self) -> None:
        """Publish what is due."""
        now, rest, is_over = self._clock.seconds(), self._rest, self.is_over
        if is_over:
            self._alone_at = now
        for rendition, rung in list(self._rungs.items()):
            if not rung.is_wanted:
                rung.leave()
                if rung is not rest:
                    del self._rungs[rendition]
                    rung.forget()
        state = self._camera.state.value
        if state != self._said and self._shows_it_is_live:
            # A picture says as much.
            self._said, self._picture_at = state, now
        elif state != self._said:
            self.say_state(state, self.why())
        if self._camera.state in UNWATCHED and rest.viewer is None:
            self._take_picture(now)
        for rung in self._rungs.values():
            if now - rung.last_at >= SAY_AGAIN and (is_over or rung.is_wanted):
                rung.say(self._word(state, self.why()))

    @property
    def _shows_it_is_live(self) -> bool:
        """Whether it is live, and pictures go out, be somebody watching or not."""
        is_shown = self._camera.settings.idle_fps or not self.is_over
        return self._camera.state is State.LIVE and bool(is_shown)

    def _take_picture(self, now: float) -> None:
        """Send a picture now and then, though nobody wants one.

        Where others are wanted, that ends when all edges know of those.
        """
        idle_fps = self._camera.settings.idle_fps
        if not idle_fps or now - self._alone_at > WANTED:
            return
        if now < self._picture_at or self._taking is not None:
            return
        self._picture_at = max(now, self._picture_at + 1 / idle_fps)
        taking = self._taking = Deferred.fromCoroutine(self._show_picture())
        taking.addErrback(lambda _: None)

        def taken(_: object) -> None:
            self._taking = None

        taking.addCallback(taken)

    async def _show_picture(self) -> None:
        rest = self._rest
        frame = await self._camera.snapshot(rendition=rest.rendition)
        if rest.rendition is not None and frame.rendition != rest.rendition:
            frame = await self._camera.render(frame, rest.rendition)
        rest.show(frame)

    def seen(self) -> Seen:
        """Return what is said of the camera."""
        camera, now = self._camera, self._clock.seconds()
        size = camera.picture_size
        return Seen(
            camera.settings.title,
            camera.state.value,
            self.why(),
            self._uplink.redis.clock.earliest(now),
            self._run,
            camera.settings.stream_fps,
            size.width,
            size.height,
            tuple(camera.renditions),
            tuple(name for name, rung in self._rungs.items() if rung.viewer),
            math.ceil(camera.patience),
        )

    def say_state(self, state: str, why: str) -> None:
        """Say what the camera does, to those that watch it."""
        self._said = state
        word = self._word(state, why)
        for rung in {self._rest, *self._rungs.values()}:
            rung.say(word)

    def _word(self, state: str, why: str) -> Entry:
        wall, now = self._environment.wall(), self._clock.seconds()
        taken = self._uplink.redis.clock.earliest(now)
        return Entry(wall, taken, 0, state, why, Size(0, 0), b"")


class PublishedRung:
    """What one camera's pictures come as in Redis: in full, or as one rendition.

    While an edge wants it, all edges together are one viewer of it.

    :ivar rendition: None for the full picture.
    :ivar viewer: that viewer; None while nobody wants it, or none is let in.

    :param why: returns what is wrong with the camera.
    """

    def __init__(
        self,
        camera: Camera,
        rendition: Rendition | None,
        uplink: Uplink,
        why: Callable[[], str],
    ) -> None:
        self.rendition = rendition
        self.viewer: Viewer | None = None
        self._camera = camera
        self._uplink = uplink
        self._clock = camera.clock
        self._key = picture_key(camera.settings.name, rendition)
        self._wire = PictureWire(self._key, uplink.redis, why)
        self._outlet = PictureOutlet(self._key, uplink, self._wire, self._finished)
        uplink.add(self._outlet)
        # The newest picture that nobody wants, while it may not leave yet.
        self._kept: Frame | None = None
        self._outlet.ready = self._show_kept
        self._wanted_until = self._clock.seconds()
        self._put_at = self._clock.seconds() - SAY_EVERY
        # When a word last took the place of a picture; minus infinity once the picture
        # is there again.
        self._covered_at = -math.inf

    @property
    def is_wanted(self) -> bool:
        """Whether an edge has said lately that it has viewers of this."""
        return self._clock.seconds() < self._wanted_until

    @property
    def last_at(self) -> float:
        """When something was last put there."""
        viewer, now = self.viewer, self._clock.seconds()
        if viewer is None or viewer.last is None:
            return self._put_at
        # A frame must not be replaced by a word.
        return max(self._put_at, now - viewer.silent_for(now))

    def want(self) -> None:
        """Send each frame for a while: an edge has a viewer."""
        self._wanted_until = self._clock.seconds() + WANTED
        camera = self._camera
        if self.viewer is None and not camera.closed:
            self._kept = None
            self.viewer = camera.add_viewer(
                self._outlet,
                self._uplink.redis.address,
                "edges",
                ITSELF,
                self.rendition,
            )

    def repeat(self) -> None:
        """Put the last frame there again, if a word has taken its place.

        It is a still picture, and an edge has a viewer that has not seen it. It is then
        there for all edges, until the next word takes its place: :data:`SAY_AGAIN`
        later, at the earliest.
        """
        viewer, now = self.viewer, self._clock.seconds()
        last = None if viewer is None else viewer.last
        if viewer is None or last is None or last.is_placeholder:
            return
        is_covered = self._covered_at >= now - viewer.silent_for(now)
        if is_covered and self._uplink.send(self._outlet, last.block(self._wire)):
            self._put_at, self._covered_at = now, -math.inf

    def leave(self) -> None:
        """Send no more frames."""
        viewer, self.viewer = self.viewer, None
        if viewer is not None:
            self._outlet.ready = self._show_kept
            self._camera.remove_viewer(viewer)

    def end(self) -> None:
        """Put nothing there any more."""
        self.leave()
        self._kept = None
        self._uplink.remove(self._outlet)

    def forget(self) -> None:
        """End, and delete the last picture: the next viewer is not to see it."""
        self.end()
        self._ask(keep(self._key, 0))

    def _finished(self) -> None:
        """Note that the camera has ended the stream, as it is offline."""
        # Its viewer is not to be taken away in the midst of a round.
        self._clock.callLater(0, self.leave)

    def show(self, frame: Frame) -> None:
        """Send one picture, though nobody wants it, when there is room."""
        self._kept = frame
        self._show_kept()

    def _show_kept(self) -> None:
        frame, self._kept = self._kept, None
        if frame is None or self.viewer is not None:
            return
        if self._uplink.send(self._outlet, frame.block(self._wire)):
            self._put_at = self._clock.seconds()
        else:
            self._kept = frame

    def say(self, word: Entry) -> None:
        """Put a word there in the place of a picture."""
        self._put_at = self._covered_at = self._clock.seconds()
        self._ask(put(self._key, word))
        self._ask(keep(self._key))

    def _ask(self, words: tuple[bytes | str | int, ...]) -> None:
        self._uplink.redis.ask(*words).addErrback(lambda _: None)


def _ignore(reason: str) -> None:
    """Say nothing: the other connection is lost for the same reason."""
