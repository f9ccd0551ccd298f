"""An origin's way to Redis: all cameras on one connection, each picture in time.

It is to Redis what :mod:`camd.delivery.live` is to a viewer, with the same pacing: the
answer to ``XADD`` acknowledges a picture. So no more is under way than the link carries
at once, and what leaves is the newest.

There is no PING ahead of each picture: TLS would put both into one record, and the
answers would come together. When its first byte arrived follows from the round trip,
which is measured while nothing else is under way, and from the picture before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from camd.delivery.pacing import Pacer
from camd.delivery.tcp import Send
from camd.delivery.turns import Turns
from camd.formats.jpeg import measure
from camd.frame import Frame, Wire
from camd.sources.redis.connection import Redis, RedisLost, RedisRefused
from camd.sources.redis.entries import Entry, keep, put

MAX_LATENESS = 1.0
"""Seconds that what is under way may need to Redis, as on the live channel."""
UNCONFIRMED = 1.06
"""What a round trip that is only supposed is multiplied by, lest it confirms itself."""

KEEP_EVERY = 1.0
"""Seconds between two times that Redis is told to keep a camera's pictures for longer:
a new picture in the place of the last one leaves that as it is."""


class Uplink:
    """One connection to Redis, on which outlets send by turns.

    :ivar redis: the connection.
    :ivar acks: how many pictures are known to be in Redis.
    :ivar pacer: what is known of the link.
    """

    def __init__(self, redis: Redis, clock: IReactorTime) -> None:
        self.redis = redis
        self.acks = 0
        self.pacer = Pacer(MAX_LATENESS)
        self._clock = clock
        self._keys = count()
        self._turns: Turns[PictureOutlet] = Turns(clock)
        self._is_open = True
        self._acked_at = -math.inf
        self._is_sounding = False

    def close(self) -> None:
        """Send nothing more, and leave no call behind."""
        self._is_open = False
        self._turns.close()

    def add(self, outlet: PictureOutlet) -> None:
        """Let one more camera take its turns."""
        self._turns.set(outlet, 1)

    def remove(self, outlet: PictureOutlet) -> None:
        """Let a camera send no more."""
        self._turns.remove(outlet)

    def send(self, outlet: PictureOutlet, block: bytes) -> bool:
        """Send a picture if it may leave now; else call the outlet when one may."""
        if not self._turns.is_turn_of(outlet) or not self._send(outlet, block):
            self._turns.wait(outlet, len(block))
            if self._is_open:
                at = self._send_at(len(block), self._clock.seconds())
                self._turns.call_at(at, self._go_on)
            return False
        self._turns.sent(outlet)
        return True

    def _send(self, outlet: PictureOutlet, block: bytes) -> bool:
        """Send a picture if it may leave now; return whether it did."""
        now = self._clock.seconds()
        if not self._is_open or self._send_at(len(block), now) > now:
            return False
        key = next(self._keys)
        try:
            self.redis.send(block, partial(self._acked, key, now))
            if now - outlet.kept_at >= KEEP_EVERY:
                outlet.kept_at = now
                self.redis.send(outlet.keep, self._answered)
        except RedisLost:
            return False
        self.pacer.sent(key, len(block), now)
        return True

    def _send_at(self, size: int, now: float) -> float:
        """Return when a picture of so many bytes may leave; infinity: not yet known."""
        return math.inf if self._is_sounding else self.pacer.send_at(size, now)

    def _answered(self, said: Any) -> None:
        """Cut the connection where Redis refuses what it was told."""
        if isinstance(said, RedisRefused):
            self._refused(Failure(said))

    def _acked(self, key: int, sent_at: float, said: Any) -> None:
        if isinstance(said, Exception):
            self._answered(said)
            return
        now = self._clock.seconds()
        self.acks += 1
        # When its first byte was there: it waited for the picture before, if for any.
        round_trip = UNCONFIRMED * (self.pacer.round_trip or 0.0)
        self.pacer.pong(key, min(now, max(sent_at + round_trip, self._acked_at)))
        self.pacer.acked(key, now)
        self._acked_at = now
        if self.pacer.sound_at(now) <= now and not self._is_sounding:
            Deferred.fromCoroutine(self.ask_time()).addErrback(self._refused)
        self._go_on()

    async def ask_time(self) -> None:
        """Ask for the time; with nothing under way, that measures the round trip."""
        if self.pacer.unacked or self._is_sounding:
            await self.redis.ask_time()
            return
        self._is_sounding = True
        number = self.pacer.sounded(self._clock.seconds())
        try:
            await self.redis.ask_time()
        finally:
            self._is_sounding = False
        self.pacer.probe_answered(number, self._clock.seconds())
        self._go_on()

    def _refused(self, failure: Failure) -> None:
        """Cut the connection: Redis refuses pictures, or it is cut already."""
        if self._is_open:
            self.redis.fail(failure)

    def _go_on(self) -> None:
        """Have those that wait send by turns, as long as something may leave."""
        while self._turns and self._is_open:
            now = self._clock.seconds()
            at = self._send_at(self._turns.largest, now)
            if at > now:
                self._turns.call_at(at, self._go_on)
                return
            if not self._turns.send_next():
                return


class PictureWire(Wire):
    """How pictures are laid out for one key of Redis: the commands themselves.

    :param why: returns the reason for a placeholder.
    """

    __slots__ = ("_key", "_redis", "_why")

    def __init__(self, key: bytes, redis: Redis, why: Callable[[], str]) -> None:
        self._key = key
        self._redis = redis
        self._why = why

    def build(self, frame: Frame) -> bytes:
        """Lay out one frame; of a placeholder the full one."""
        why, size, jpeg = "", frame.size, frame.jpeg
        if frame.is_placeholder:
            why, size, jpeg = self._why(), measure(frame.full), frame.full
        entry = Entry(
            frame.timestamp,
            self._redis.clock.earliest(frame.captured),
            frame.number,
            frame.state,
            why,
            size,
            jpeg,
        )
        return self._redis.pack(*put(self._key, entry))


class PictureOutlet:
    """The way out of one camera's pictures in one rendition, for all edges.

    :ivar wire: how its pictures are laid out.
    :ivar ready: has the viewer send what waits.
    :ivar keep: the command by which what it sends stays in Redis for a while.
    :ivar kept_at: when that was sent last.

    :param key: where they are put.
    :param finished: called when the camera ends the stream.
    """

    repeats = False
    busy = False

    def __init__(
        self, key: bytes, uplink: Uplink, wire: Wire, finished: Callable[[], None]
    ) -> None:
        self.wire = wire
        self.ready: Callable[[], None] = _ignore
        self.keep = uplink.redis.pack(*keep(key))
        self.kept_at = -math.inf
        self._uplink = uplink
        self._finished = finished

    @property
    def offered_wire(self) -> Wire:
        """The same for every picture."""
        return self.wire

    def open(self, ready: Callable[[], None]) -> None:
        """Begin; the connection is open already."""
        self.ready = ready

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Send a picture if it is time for one."""
        return self._uplink.send(self, block)

    def direct_send(self) -> Send | None:
        """Return None: each picture is paced."""
        return None

    def progress(self) -> int:
        """Return how many pictures are known to be in Redis."""
        return self._uplink.acks

    def finish(self) -> None:
        """End the stream."""
        self._finished()

    def abort(self) -> None:
        """End the stream."""
        self._finished()


def _ignore() -> None:
    """Do nothing: there is no viewer yet."""
