"""A camera of another camd, read from Redis: the source of an edge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.config.redis import RedisAddress
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition, smallest
from camd.frame import Stamp
from camd.periodic import cancel
from camd.sources import Receiver, SourceError
from camd.sources.http.names import LookUp, look_up
from camd.sources.redis.connection import Redis, RedisLink, RedisRefused
from camd.sources.redis.entries import (
    SEEN,
    WANTED,
    BadEntry,
    Entry,
    Seen,
    Wish,
    keep,
    picture_key,
    read_entry,
    read_seen,
    rung_name,
    want,
    want_key,
)

REFRESH = 1.0
"""Seconds between two times that Redis is asked for its time, and told of viewers."""

WAIT, WAIT_AT_REST = 1000, 250
"""Milliseconds that Redis waits for the next picture, until it says that none came. It
looks at no other question meanwhile, such as that of the first viewer."""

FULL: frozenset[Rendition | None] = frozenset({None})
"""The rung of full pictures."""

BEHIND = 1.0
"""Seconds by which what a rung begins with may be behind the last picture of others."""

AT_REST = 0.75
"""Share of an interval until the next picture is waited for while nobody watches."""


class RedisCamera:
    """A camera of a Redis server; a ``PushSource``.

    It has one connection, and one question under way on it: for what is newer than the
    last picture of each rung that viewers want. So there are never two pictures of one
    rung on the way, and a slow link shows fewer of them, not older ones.

    What the origin does not make is made here, of the full picture. At rest the
    smallest will do that there is.

    :param address: with the camera's name.
    :param idle_fps: pictures a second up to which nobody watches.
    :param random: returns a number from 0 to 1.
    :param renditions: this camd's own, which are the origin's where all is set alike.
    """

    _log = Logger(namespace="camd")

    def __init__(
        self,
        address: RedisAddress,
        idle_fps: float,
        reactor: Any,
        random: Callable[[], float],
        find: LookUp = look_up,
        renditions: Iterable[Rendition] = (),
    ) -> None:
        self._address = address
        self._renditions = tuple(renditions)
        self._idle_fps = idle_fps
        self._reactor = reactor
        self._random = random
        self._find = find
        self._receiver: Receiver | None = None
        self._link: RedisLink | None = None
        self._fps = idle_fps
        self._is_opened = False
        self._is_told_live = False
        self._has_warned = False
        # What belongs to one connection: which it is, what the origin has said, what
        # comes, and when that is asked for next, where it has to wait.
        self._redis: Redis | None = None
        self._seen: Seen | None = None
        self._reading = Reading(address.camera)
        self._next_ask: IDelayedCall | None = None
        self._was_watched = False
        # Of full pictures, as far as the receiver was told.
        self._size: Size | None = None
        self._refreshed_at = self._silent_since = 0.0
        # When the last picture was taken, by Redis' clock.
        self._taken = -math.inf

    @property
    def _is_watched(self) -> bool:
        return self._fps > self._idle_fps

    def _wanted(self) -> frozenset[Rendition | None]:
        """Return the rungs to read."""
        seen, receiver = self._seen, self._receiver
        there = seen.renditions if seen is not None else ()
        if self._is_watched and receiver is not None:
            wanted = frozenset(receiver.wanted() or FULL)
            rungs = wanted.intersection(there)
            return rungs if rungs == wanted else rungs | FULL
        if seen is None:
            # The origin sends its smallest, and this one cannot ask which that is.
            return FULL | {smallest(self._renditions)}
        rest = {smallest(there)}
        if seen.sent:
            # Others watch: the origin sends nothing beside that.
            rest.add(smallest(seen.sent))
        return frozenset(rest)

    # ---- What the receiver asks

    def start(self, receiver: Receiver, fps: float) -> None:
        """Connect, and wait for pictures."""
        self._receiver, self._fps = receiver, fps
        self._is_opened = self._is_told_live = False
        self._size = None
        self._link = RedisLink(
            self._address,
            self._reactor,
            self._read,
            self._lost,
            self._random,
            find=self._find,
        )
        self._link.start()

    def set_rate(self, fps: float) -> None:
        """Want each picture that there is, or look for one now and then."""
        self._fps = fps
        if self._next_ask is not None:
            # Not now: whoever comes has yet to say which rendition it wants.
            self._next_ask.reset(0)

    def why_silent(self, seconds: float) -> SourceError:
        """Return the error to tell when no picture has come for so long."""
        link = self._link
        if link is not None and link.reason:
            return SourceError(link.reason)
        name = f"{self._address} has no new picture of {self._address.camera}"
        return SourceError(f"{name} for {seconds:.1f} s; does its camd run?")

    def stop(self) -> Deferred[None]:
        """Hang up."""
        self._receiver = None
        link, self._link = self._link, None
        if link is not None:
            link.stop()
        return succeed(None)

    # ---- With Redis

    def _lost(self, reason: str) -> None:
        self._is_told_live = False
        if self._receiver is not None:
            self._receiver.link_lost(reason)

    async def _read(self, redis: Redis) -> None:
        """Hand on each newest entry, for as long as the connection lasts."""
        self._redis, self._reading = redis, Reading(self._address.camera)
        self._was_watched, self._refreshed_at = False, -REFRESH
        self._silent_since = self._reactor.seconds()
        await self._look(redis)
        self._ask()
        try:
            await redis.until_lost()
        finally:
            self._redis = None
            cancel(self._next_ask)
            self._next_ask = None

    def _ask(self) -> None:
        """Ask for what is newer than the last entry, and wait for that."""
        self._next_ask = None
        redis, now, is_watched = self._redis, self._reactor.seconds(), self._is_watched
        if redis is None:
            return
        is_news = is_watched and not self._was_watched
        # What is left while pictures go on is read until the next rung has begun.
        is_news |= self._reading.choose(
            self._wanted(), now, overlaps=is_watched and self._was_watched
        )
        self._was_watched = is_watched
        if is_news or now - self._refreshed_at >= REFRESH:
            # Ahead of the question: no other one is looked at while that one waits.
            self._refresh(redis)
            self._refreshed_at = now
        wait = WAIT if is_watched else WAIT_AT_REST
        streams = self._reading.streams(now)
        command = redis.pack("XREAD", "COUNT", 1, "BLOCK", wait, "STREAMS", *streams)
        redis.send(command, self._answered)

    def _answered(self, said: Any) -> None:
        redis, now = self._redis, self._reactor.seconds()
        if redis is None:
            return
        if isinstance(said, Exception):
            redis.fail(Failure(said))
            return
        for key, entries in said or ():
            number, fields = entries[-1]
            self._silent_since = now
            is_first = self._reading.is_new(key)
            self._take(self._reading.came(key, number), fields, redis, is_first)
        if not said and self._receiver is not None:
            self._receiver.heard()
        if now - self._silent_since > WANTED:
            # Numbers may have begun again, as Redis was replaced or its clock set.
            self._reading.forget()
            self._silent_since = now
        if said and not self._is_watched and self._redis is not None:
            wait = AT_REST / self._fps
            self._next_ask = self._reactor.callLater(wait, self._ask)
        else:
            self._ask()

    def _refresh(self, redis: Redis) -> None:
        """Ask for the time and for what there is, and say what viewers want."""
        for question in (redis.ask_time(), self._look(redis)):
            Deferred.fromCoroutine(question).addErrback(lambda _: None)
        if not self._is_watched:
            return
        camera, wanted, receiver = (
            self._address.camera,
            self._reading.wanted,
            self._receiver,
        )
        lacks = (
            wanted if receiver is None else frozenset(filter(receiver.lacks, wanted))
        )
        for words in (
            want(camera, self._fps, Wish(wanted, lacks)),
            keep(want_key(camera), WANTED),
        ):
            redis.ask(*words).addErrback(redis.fail)

    async def _look(self, redis: Redis) -> None:
        """Note what the origin says that there is."""
        try:
            text = await redis.ask("HGET", SEEN, self._address.camera)
            seen = self._seen = read_seen(text or b"")
            if self._receiver is not None:
                self._receiver.patience(seen.patience)
        except BadEntry:
            self._seen = None
        except RedisRefused as refusal:
            self._seen = None
            if not self._has_warned:
                self._has_warned = True
                self._log.warn(
                    "Camera {camera}: {address} refuses HGET, so that renditions are "
                    "made here: {refusal}",
                    camera=self._address.camera,
                    address=self._address,
                    refusal=ascii(f"{refusal}"[:120])[1:-1],
                )

    def _take(
        self, rendition: Rendition | None, fields: Any, redis: Redis, is_first: bool
    ) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        try:
            entry = read_entry(fields)
        except BadEntry as fault:
            receiver.failed(SourceError(f"{self._address}: {fault}"))
            return
        if is_first and self._is_past(entry, redis):
            return
        if not entry.jpeg or not entry.number:
            if self._is_watched and rendition != self._reading.first:
                return  # The same is in the streams of all rungs that are sent.
            self._is_told_live = False
            receiver.upstream(entry.state, entry.why or None)
            if entry.jpeg:
                receiver.placeholder(entry.jpeg, entry.timestamp)
            return
        self._show(receiver, entry, redis, rendition)

    def _is_past(self, entry: Entry, redis: Redis) -> bool:
        """Whether the camera has gone on since, and its rung was not sent meanwhile."""
        if entry.taken < self._taken - BEHIND:
            return True
        seen, now = self._seen, self._reactor.seconds()
        if seen is None or seen.state != "live" or not seen.patience:
            return False
        age: float = now - redis.clock.here(entry.taken, now)
        return age > seen.patience

    def _show(
        self,
        receiver: Receiver,
        entry: Entry,
        redis: Redis,
        rendition: Rendition | None,
    ) -> None:
        seen, size = self._seen, self._size
        if rendition is None:
            size = entry.size
        elif seen is not None:
            size = Size(seen.width, seen.height)
        if not self._is_opened or size != self._size:
            self._is_opened, self._size = True, size
            receiver.opened("MJPG", None, size)
        self._taken = entry.taken
        captured = redis.clock.here(entry.taken, self._reactor.seconds())
        if not self._is_told_live:
            self._is_told_live = True
            receiver.upstream("live", None)
        stamp = Stamp(entry.number, entry.timestamp)
        receiver.picture(entry.jpeg, captured, stamp, rendition=rendition)


class Reading:
    """The streams of one camera that are read on one connection.

    :ivar wanted: the rungs that viewers want; None among them is the full picture.
    """

    def __init__(self, camera: str) -> None:
        self.wanted: frozenset[Rendition | None] = frozenset()
        self._camera = camera
        # What is read: the keys with the rungs that they are of. And the number of the
        # last entry of each key.
        self._rungs: dict[bytes, Rendition | None] = {}
        self._last: dict[bytes, bytes] = {}
        # Those that have yet to begin, and until when others are read meanwhile.
        self._awaited: set[Rendition | None] = set()
        self._left: frozenset[Rendition | None] = frozenset()
        self._left_until = 0.0

    @property
    def first(self) -> Rendition | None:
        """The rung that words and placeholders are taken from."""
        return min(self.wanted, key=rung_name, default=None)

    def choose(
        self, wanted: frozenset[Rendition | None], now: float, *, overlaps: bool
    ) -> bool:
        """Read these rungs from now on.

        :param overlaps: whether those that were read are read on until the new ones
            have begun, so that nobody misses a picture that moves to another.
        :return: whether any of them is new.
        """
        if wanted == self.wanted:
            return False
        self._awaited = set(wanted - self.wanted)
        self._left = self.wanted - wanted if overlaps else frozenset()
        self._left_until = now + WANTED
        self.wanted = wanted
        self._read(wanted | self._left)
        return bool(self._awaited)

    def _read(self, rungs: Iterable[Rendition | None]) -> None:
        self._rungs = {picture_key(self._camera, rung): rung for rung in rungs}
        self._last = {key: self._last.get(key, b"0") for key in self._rungs}

    def streams(self, now: float) -> list[bytes]:
        """Return the keys to read, and behind them their last entries' numbers."""
        if self._left and (not self._awaited or now > self._left_until):
            self._left = frozenset()
            self._read(self.wanted)
        return [*self._last, *self._last.values()]

    def is_new(self, key: bytes) -> bool:
        """Whether nothing has come of a key: its next entry may have stood there."""
        return self._last[key] == b"0"

    def came(self, key: bytes, number: bytes) -> Rendition | None:
        """Note that an entry has come; return of which rung."""
        rung = self._rungs[key]
        self._last[key] = number
        self._awaited.discard(rung)
        return rung

    def forget(self) -> None:
        """Take whatever there is for new."""
        self._last = dict.fromkeys(self._last, b"0")
