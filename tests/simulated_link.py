"""A link between a sender and a viewer, simulated event by event: nothing waits."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from camd.delivery.auto import AutoRendition
from camd.delivery.pacing import Pacer, RoundRobin

PING = 14
"""Bytes of a PING in front of a picture."""

AUTO_FPS = 8
"""Pictures a second that the choice of a rendition keeps up."""

LOOK_EVERY = 0.1
"""Seconds between two choices."""


SPELL = 3.0
"""Seconds that a viewer is slow, and then is not."""


@dataclass(frozen=True)
class LinkTraits:
    """What a link and the viewer behind it are like. Times are in seconds.

    :ivar rates: moments, and the bytes a second that pass from then on; the first is 0.
    :ivar delay: that each byte takes one way at least.
    :ivar jitter: that it may take longer; the order stays.
    :ivar draw: that the viewer needs to draw a picture.
    :ivar draw_jitter: that it may need longer.
    :ivar lost: share of the acknowledgements that never come.
    :ivar burst: bytes that pass at once after a silence, as at a token bucket.
    :ivar lump: bytes that arrive together, a PING and its picture too, as in the frames
        of a wireless network; 0 for a packet each.
    :ivar pauses: seconds that the viewer's machine does something else, at the most,
        three times a second on average.
    :ivar slow: seconds that drawing takes at least and at most while the viewer is
        slow, which is every other :data:`SPELL`; what has come meanwhile it leaves out,
        but for the newest. None for a viewer that never is.
    :ivar tells: whether the viewer says how long it had each picture.
    :ivar claims: seconds that it says at least, true or not.
    """

    rates: tuple[tuple[float, float], ...]
    delay: float = 0.01
    jitter: float = 0.0
    draw: float = 0.01
    draw_jitter: float = 0.0
    lost: float = 0.0
    burst: int = 0
    lump: int = 0
    pauses: float = 0.0
    slow: tuple[float, float] | None = None
    tells: bool = False
    claims: float = 0.0

    def rate(self, now: float) -> float:
        """Return the bytes a second at that moment."""
        return [rate for since, rate in self.rates if since <= now][-1]


@dataclass(frozen=True)
class Shown:
    """A picture on the screen: whose, when, how old, how large."""

    camera: str
    at: float
    age: float
    size: int


@dataclass
class CameraTraits:
    """What a camera gives.

    :ivar fps: pictures a second.
    :ivar size: bytes of one.
    :ivar spread: share by which the size varies either way.
    :ivar weight: its share of the link.
    """

    fps: float = 15.0
    size: int = 40_000
    spread: float = 0.1
    weight: float = 1.0


@dataclass
class Simulation:
    """One sender, one link, one viewer: newest wins, when :class:`Pacer` allows.

    The buffer in front of the link takes whatever comes, as a proxy's does.

    :ivar renditions: bytes of a picture in each, the largest first, of which the one
        that fits is sent; empty: pictures are as the camera gives them.
    :ivar changes: when the rendition changed, and to which.
    :ivar shown: the pictures on the screen, in their order.
    :ivar most_unacked: what was sent and not acknowledged, at its worst: pictures and
        bytes, just after one was sent.
    """

    link: LinkTraits
    cameras: dict[str, CameraTraits]
    max_lateness: float = 1.0
    seed: int = 0
    renditions: tuple[int, ...] = ()
    changes: list[tuple[float, int]] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        self.pacer = Pacer(self.max_lateness)
        self._tokens, self._filled_at = float(self.link.burst), 0.0
        self._paused_until = 0.0
        self._late = 0
        self.turns: RoundRobin[str] = RoundRobin()
        self._random = Random(self.seed)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._counter = itertools.count()
        self._pending: dict[str, tuple[float, int]] = {}
        self._free_at = self._there_at = self._back_at = self._drawn_at = 0.0
        self._wakes_at = 0.0
        # What a viewer that is slow draws next, and whether it draws.
        self._waits: Callable[[float], None] | None = None
        self._is_drawing = False
        if self.link.pauses:
            self._at(0.0, self._pause)
        self._at(0.0, self._sound)
        self._auto = AutoRendition(AUTO_FPS, self.max_lateness, 0.0)
        if self.renditions:
            self._at(LOOK_EVERY, self._look)
        for name, camera in self.cameras.items():
            self.turns.set(name, camera.weight)
            self._at(self._random.uniform(0, 1 / camera.fps), self._capture(name))

    def run(self, seconds: float) -> list[Shown]:
        """Let this much time pass; return what was shown in all."""
        while self._events and self._events[0][0] < seconds:
            at, _, event = heapq.heappop(self._events)
            event(at)
            self._go_on(at)
        return self.shown

    def _at(self, at: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (at, next(self._counter), event))

    def _capture(self, name: str) -> Callable[[float], None]:
        camera = self.cameras[name]

        def capture(now: float) -> None:
            vary = self._random.uniform(-camera.spread, camera.spread)
            size = camera.size
            if self.renditions:
                size = self.renditions[self._auto.number]
            self._pending[name] = now, int(size * (1 + vary))
            self._at(now + 1 / camera.fps, capture)

        return capture

    def _look(self, now: float) -> None:
        pacer, before = self.pacer, self._auto.number
        bandwidth, at_best = pacer.bandwidth, pacer.bandwidth_at_best(now)
        if bandwidth and at_best and pacer.round_trip is not None:
            known = bandwidth, at_best, pacer.round_trip, self._late
            if self._auto.choose(self.renditions, *known, now) != before:
                self.changes.append((now, self._auto.number))
        self._at(now + LOOK_EVERY, self._look)

    def _pause(self, now: float) -> None:
        self._paused_until = now + self._extra(self.link.pauses)
        self._at(now + self._random.expovariate(3), self._pause)

    def _sound(self, now: float) -> None:
        number, arrival = self.pacer.sounded(now), self._arrival(PING, now)
        self._answer_probe(number, arrival)

    def _go_on(self, now: float) -> None:
        if self._pending and self.pacer.sound_at(now) <= now:
            self._sound(now)
        send_at = self._send_what_may_go(now)
        if self.pacer.probe_at() <= now:
            self._probe(now)
        at = min(send_at, self.pacer.probe_at())
        if at < math.inf and not now <= self._wakes_at <= at:
            self._wakes_at = at
            self._at(at + 1e-6, lambda now: None)

    def _send_what_may_go(self, now: float) -> float:
        """Send; return when the next may go, infinity where nobody can say."""
        while self._pending:
            sizes = {name: size for name, (_, size) in self._pending.items()}
            at = self.pacer.send_at(max(sizes.values()), now)
            if at > now:
                return at
            self._send(self.turns.pick(sizes), now)
        return math.inf

    def _send(self, name: str, now: float) -> None:
        captured, size = self._pending.pop(name)
        self.sent += 1
        key = self.sent
        self.pacer.sent(key, size, now)
        first = min(size, max(0, self.link.lump - PING))
        ping = arrival = self._arrival(PING + first, now)
        self._at(ping, lambda at: self._back(at, lambda t: self.pacer.pong(key, t)))
        for sent in range(first, size, self.link.lump or size):
            arrival = self._arrival(min(self.link.lump or size, size - sent), now)

        def acked(at: float, told: float) -> object:
            late = self.pacer.is_late(at - told)
            if known := self.pacer.acked(key, at, drawing=told):
                self._late = self._late + 1 if late else 0
            return known

        def show(at: float) -> None:
            self.shown.append(Shown(name, at, at - captured, size))
            had = max(at - arrival, self.link.claims) if self.link.tells else 0.0
            if self._random.random() >= self.link.lost:
                self._back(at, lambda at: acked(at, had))

        if self.link.slow is not None:
            self._at(arrival, lambda at: self._came(show, at))
            return
        drawn = arrival + self.link.draw + self._extra(self.link.draw_jitter)
        self._drawn_at = max(drawn, self._drawn_at)
        self._at(self._drawn_at, show)

    def _came(self, show: Callable[[float], None], now: float) -> None:
        """Draw a picture: at once, or behind the one that is being drawn."""
        self._waits = show
        if not self._is_drawing:
            self._draw(now)

    def _draw(self, now: float) -> None:
        show, self._waits = self._waits, None
        self._is_drawing = show is not None
        if show is None:
            return
        slow = self.link.slow if now // SPELL % 2 else None
        takes = self._random.uniform(*slow) if slow else self.link.draw

        def drawn(at: float) -> None:
            show(at)
            self._draw(at)

        self._at(now + takes, drawn)

    def _probe(self, now: float) -> None:
        self._answer_probe(self.pacer.probed(), self._arrival(PING, now))

    def _answer_probe(self, number: int, arrival: float) -> None:
        def answered(now: float) -> object:
            return self.pacer.probe_answered(number, now)

        self._at(arrival, lambda at: self._back(at, answered))

    def _extra(self, most: float) -> float:
        return self._random.uniform(0, most)

    def _arrival(self, size: int, now: float) -> float:
        """Send bytes; return when the last of them is at the viewer."""
        at, left = max(now, self._free_at), float(size)
        filled = self._tokens + (at - self._filled_at) * self.link.rate(at)
        self._tokens = max(0.0, min(self.link.burst, filled) - left)
        left = max(0.0, left - min(self.link.burst, filled))
        while True:
            rate = self.link.rate(at)
            changes = [since for since, _ in self.link.rates if since > at]
            until = min(changes, default=math.inf)
            if at + left / rate <= until:
                self._free_at = self._filled_at = at + left / rate
                break
            left -= (until - at) * rate
            at = until
        there = self._free_at + self.link.delay + self._extra(self.link.jitter)
        self._there_at = max(self._there_at, there, self._paused_until)
        return self._there_at

    def _back(self, now: float, heard: Callable[[float], object]) -> None:
        back = now + self.link.delay + self._extra(self.link.jitter)
        self._back_at = max(self._back_at, back)
        self._at(self._back_at, lambda at: _drop(heard(at)))


def _drop(_: object) -> None:
    """Take what nobody needs."""
