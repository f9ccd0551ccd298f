"""A camera of another camd, read from Redis: the source of an edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from camd.config.redis import RedisAddress
from camd.frame import Stamp
from camd.sources import Receiver, SourceError
from camd.sources.http.names import LookUp, look_up
from camd.sources.redis.connection import Link, Redis
from camd.sources.redis.entries import (
    WANTED,
    BadEntry,
    Entry,
    picture_key,
    read_entry,
    want_key,
)

REFRESH = 1.0
"""Seconds between two times that Redis is asked for its time, and told of viewers."""

WAIT, WAIT_AT_REST = 1000, 250
"""Milliseconds that Redis waits for the next picture, until it says that none came. It
looks at no other question meanwhile, such as that of the first viewer."""

AT_REST = 0.75
"""Share of an interval until the next picture is waited for while nobody watches."""


class RedisCamera:
    """A camera of a Redis server; a ``PushSource``.

    It has one connection, and one question under way on it: for what is newer than the
    last picture. So there are never two pictures on the way, and a slow link shows
    fewer of them, not older ones.

    :param address: with the camera's name.
    :param idle_fps: pictures a second up to which nobody watches.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        address: RedisAddress,
        idle_fps: float,
        reactor: Any,
        random: Callable[[], float],
        find: LookUp = look_up,
    ) -> None:
        self._address = address
        self._idle_fps = idle_fps
        self._reactor = reactor
        self._random = random
        self._find = find
        self._receiver: Receiver | None = None
        self._link: Link | None = None
        self._fps = idle_fps
        self._is_opened = False
        self._is_told_live = False
        self._key = picture_key(address.camera)
        # What belongs to one connection: which it is, the number of the last entry, and
        # when the next one is asked for, where that has to wait.
        self._redis: Redis | None = None
        self._last = b"0"
        self._next_ask: IDelayedCall | None = None
        self._was_watched = False
        self._refreshed_at = self._silent_since = 0.0

    @property
    def _is_watched(self) -> bool:
        return self._fps > self._idle_fps

    # ---- What the receiver asks

    def start(self, receiver: Receiver, fps: float) -> None:
        """Connect, and wait for pictures."""
        self._receiver, self._fps = receiver, fps
        self._is_opened = self._is_told_live = False
        self._link = Link(
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
            self._next_ask.cancel()
            self._ask()

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
        self._redis, self._last = redis, b"0"
        self._was_watched, self._refreshed_at = False, -REFRESH
        self._silent_since = self._reactor.seconds()
        self._ask()
        try:
            await redis.until_lost()
        finally:
            self._redis = None
            if self._next_ask is not None:
                self._next_ask.cancel()
                self._next_ask = None

    def _ask(self) -> None:
        """Ask for what is newer than the last entry, and wait for that."""
        self._next_ask = None
        redis, now, is_watched = self._redis, self._reactor.seconds(), self._is_watched
        if redis is None:
            return
        is_news = is_watched and not self._was_watched
        self._was_watched = is_watched
        if is_news or now - self._refreshed_at >= REFRESH:
            # Ahead of the question: no other one is looked at while that one waits.
            self._refresh(redis)
            self._refreshed_at = now
        wait = WAIT if is_watched else WAIT_AT_REST
        words = "XREAD", "COUNT", 1, "BLOCK", wait, "STREAMS", self._key, self._last
        redis.send(redis.pack(*words), self._answered)

    def _answered(self, said: Any) -> None:
        redis, now = self._redis, self._reactor.seconds()
        if redis is None:
            return
        if isinstance(said, Exception):
            redis.fail(Failure(said))
            return
        if said:
            self._last, fields = said[0][1][-1]
            self._silent_since = now
            self._take(fields, redis)
        elif self._receiver is not None:
            self._receiver.heard()
        if now - self._silent_since > WANTED:
            # Numbers may have begun again, as Redis was replaced or its clock set.
            self._last, self._silent_since = b"0", now
        if said and not self._is_watched and self._redis is not None:
            wait = AT_REST / self._fps
            self._next_ask = self._reactor.callLater(wait, self._ask)
        else:
            self._ask()

    def _refresh(self, redis: Redis) -> None:
        """Ask what time it is, and say that somebody watches, if so."""
        Deferred.fromCoroutine(redis.ask_time()).addErrback(lambda _: None)
        if not self._is_watched:
            return
        key = want_key(self._address.camera)
        for answer in (
            redis.ask("XADD", key, "MAXLEN", 1, "*", "fps", f"{self._fps:g}"),
            redis.ask("PEXPIRE", key, 1000 * WANTED),
        ):
            answer.addErrback(redis.fail)

    def _take(self, fields: Any, redis: Redis) -> None:
        receiver = self._receiver
        if receiver is None:
            return
        try:
            entry = read_entry(fields)
        except BadEntry as fault:
            receiver.failed(SourceError(f"{self._address}: {fault}"))
            return
        if not entry.jpeg or not entry.number:
            self._is_told_live = False
            receiver.upstream(entry.state, entry.why or None)
            if entry.jpeg:
                receiver.placeholder(entry.jpeg, entry.timestamp)
            return
        self._show(receiver, entry, redis)

    def _show(self, receiver: Receiver, entry: Entry, redis: Redis) -> None:
        if not self._is_opened:
            self._is_opened = True
            receiver.opened("MJPG")
        captured = redis.clock.here(entry.taken, self._reactor.seconds())
        if not self._is_told_live:
            self._is_told_live = True
            receiver.upstream("live", None)
        receiver.picture(entry.jpeg, captured, Stamp(entry.number, entry.timestamp))
