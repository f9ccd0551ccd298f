"""When the next picture may leave, for one connection whose viewer acknowledges.

A picture that leaves too early waits in some proxy's buffer and is old when it gets
out; one that leaves too late lets the link idle. So each leaves just in time: its first
byte reaches the slowest place of the way as the last byte of the one before leaves it.
What is known for that comes from the viewer: a PONG answers the PING in front of each
picture as soon as that has arrived, and an acknowledgement follows when the picture is
drawn. BBR paces TCP by the same two figures; here the *choice* of what to send is put
off as well, so that it is the newest.

Pictures are paced by all the time they take to the screen: one that is drawn slowly is
followed later. How fast the *link* is, is another figure where the viewer says how long
it had a picture until it acknowledged it: smaller pictures help a slow link alone.

Nothing here does I/O or knows a clock: every call says what time it is, by the daemon's
clock alone.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

ROUND_TRIP_HOLDS = 30.0
"""Seconds that a shortest round trip is believed: routes change."""

SAME = 1.05
"""Round trips up to this many times the shortest confirm it."""

NEWS = 0.3
"""Weight of the latest sample of the bandwidth: one picture that was held up changes
little."""

FALLEN = 0.5
"""Share of the bandwidth below which two pictures in a row say that the link has
fallen: then the second one is believed alone. With the average there would be three
pictures too many under way, and the next smaller rendition would seem to fit."""

JITTER = 0.02
"""Seconds that a PING may be on its way longer than the shortest, for no picture's
sake. One that was longer has waited for what it came with."""

GRACE = 0.05
"""Seconds that an acknowledgement may be late in any case: three turns of a screen."""

DRAWING = 0.03
"""Seconds that a viewer may need to draw a picture: two turns of a screen."""

LEARNT_HOLDS = 30.0
"""Seconds that a bandwidth limits what is tried. Nothing new is learnt while pictures
keep up and are not paced, and it may have been measured in a bad moment."""

WAIT = 0.05
"""Share of its own time that a picture should wait for the one before to be through:
with none, each jitter would leave the link idle."""

WAIT_LEAST = 0.005
"""Seconds that it should wait at least."""

LEAD_UP, LEAD_DOWN = 0.25, 0.5
"""Share by which one picture that waited too little, or too long, moves the next."""

LEAD_MOST = 0.25
"""Seconds that pictures leave earlier at the most; as long as a slow page draws."""

FIRST_ACK = 1.0
"""Seconds that the first acknowledgement may take, while nothing is known."""

SOUND_AGAIN = 2.0
"""Seconds until a PING that measures the round trip is sent again, and each time twice
as many: only the last one's answer counts. A client that answers none is sent no more
pictures."""

PROBE_AFTER = 0.5
"""Seconds that an acknowledgement is overdue until the connection itself is asked."""

PROBE_MOST = 8.0
"""The same at the most; it doubles as long as none comes."""


@dataclass(slots=True)
class UnderWay:
    """One picture that has left and was not acknowledged.

    :ivar key: what it is known by.
    :ivar size: its bytes.
    :ivar sent_at: when it left.
    :ivar expected_at: when its acknowledgement should come.
    :ivar held: whether it left at the moment that :meth:`Pacer.send_at` had set.
    :ivar pong_at: when its PING was answered; None as long as it is not.
    """

    key: Hashable
    size: int
    sent_at: float
    expected_at: float
    held: bool
    pong_at: float | None = None


class Bandwidth:
    """How many bytes a second get to some place, by how long each picture takes there.

    :ivar counted_on: the figure to send by; None before the first picture.
    """

    __slots__ = ("_bytes", "_has_fallen", "_seconds", "counted_on")

    def __init__(self) -> None:
        self.counted_on: float | None = None
        # What one picture has, and how long it takes. Two averages, so that two
        # acknowledgements that come in a bunch do not look like a fast link.
        self._bytes = self._seconds = 0.0
        self._has_fallen = False

    @property
    def known(self) -> float | None:
        """Bytes a second on average; None before the first picture."""
        return self._bytes / max(self._seconds, 1e-6) if self._bytes else None

    def less(self, seconds: float) -> float:
        """Return the average if pictures took so much less; to a quarter at the most.

        There was a picture before.
        """
        return self._bytes / max(self._seconds - seconds, self._seconds / 4, 1e-6)

    def taken(self, size: int) -> float:
        """Return the seconds that so many bytes take; 0 while that is unknown."""
        return size * self._seconds / self._bytes if self._bytes else 0.0

    def learn(self, size: int, seconds: float, lag: float, patience: float) -> None:
        """Take one picture, or several that came one behind the other, into account.

        :param lag: seconds of these that may be nobody's: it is taken to be no slower
            than was known, unless it was even without them.
        :param patience: seconds by which it might be late.
        """
        taken, had_fallen = self.taken(size), self._has_fallen
        if self._bytes:
            seconds = min(seconds, max(seconds - lag, taken))
        is_slow = self._bytes > 0 and taken < FALLEN * seconds
        self._has_fallen = is_slow and (had_fallen or seconds > taken + patience)
        is_new = not self._bytes or (had_fallen and is_slow)
        news = 1.0 if is_new else NEWS
        self._bytes += news * (size - self._bytes)
        self._seconds += news * (seconds - self._seconds)
        self.counted_on = self.known
        if self._has_fallen:  # It may be an accident, but nothing is sent on trust.
            self.counted_on = size / max(seconds, 1e-6)


class Pacer:
    """Says when the next picture may leave. Times are seconds of any one clock.

    :ivar round_trip: the shortest seen lately, in seconds; None before the first.
    :ivar unacked: bytes that have left and were not acknowledged.

    :param max_lateness: seconds; what is under way never needs longer, unless it is a
        picture that does so alone, and the one behind it.
    """

    __slots__ = (
        "_acked_at",
        "_arrived_at",
        "_confirmed_at",
        "_deviation",
        "_late",
        "_lead",
        "_link",
        "_max_lateness",
        "_probe",
        "_probe_after",
        "_probes",
        "_screen",
        "_sound_again",
        "_sounded_at",
        "_sounding",
        "_under_way",
        "round_trip",
        "unacked",
    )

    def __init__(self, max_lateness: float) -> None:
        self.round_trip: float | None = None
        self.unacked = 0
        self._max_lateness = max_lateness
        self._under_way: deque[UnderWay] = deque()
        # When the last picture was acknowledged, and when it had come.
        self._acked_at = self._arrived_at = self._confirmed_at = -math.inf
        # What gets on the screen, and what gets to the viewer.
        self._screen, self._link = Bandwidth(), Bandwidth()
        self._lead = self._late = self._deviation = 0.0
        # How many probes there were, the last picture ahead of the one under way.
        self._probes = 0
        self._probe: UnderWay | None = None
        # The PING alone that is under way, and when the last one was sent.
        self._sounding: int | None = None
        self._sounded_at = -math.inf
        self._sound_again = SOUND_AGAIN
        self._probe_after = PROBE_AFTER

    @property
    def bandwidth(self) -> float | None:
        """Bytes a second of the link; None before the first acknowledgement."""
        return self._link.known

    def bandwidth_at_best(self, now: float) -> float | None:
        """Return the same, if the viewer needed :data:`DRAWING` more for each picture.

        :return: infinity if what was learnt is older than :data:`LEARNT_HOLDS`.
        """
        if self._link.known is None:
            return None
        if now - self._acked_at > LEARNT_HOLDS:
            return math.inf
        return self._link.less(DRAWING)

    def send_at(self, size: int, now: float) -> float:
        """Return when a picture of that many bytes may leave.

        :return: ``now`` or less: at once. Infinity: not before something is heard.
        """
        bandwidth, round_trip = self._screen.counted_on, self.round_trip
        if self._must_sound(now):
            return math.inf  # All must arrive first, and then a PING alone.
        if not self._under_way:
            return now
        if bandwidth is None or round_trip is None or self.is_late(now):
            return math.inf
        most = bandwidth * (self._max_lateness - round_trip)
        if len(self._under_way) > 1 and self.unacked + size > most:
            return math.inf
        return self._through_at(bandwidth, round_trip) - round_trip - self._lead

    def _through_at(self, bandwidth: float, round_trip: float) -> float:
        """Return when all that is under way should be acknowledged."""
        begun = max(self._under_way[0].sent_at + round_trip, self._acked_at)
        return begun + self.unacked / bandwidth

    def is_late(self, now: float) -> bool:
        """Whether an acknowledgement is overdue: then no estimate can be trusted."""
        return bool(self._under_way) and now > self._overdue_at()

    def _overdue_at(self) -> float:
        first, bandwidth = self._under_way[0], self._screen.counted_on
        if bandwidth is None:
            return first.expected_at
        expected_at = max(first.expected_at, self._acked_at + first.size / bandwidth)
        return expected_at + self.patience(first.size)

    def patience(self, size: int) -> float:
        """Return the seconds that the acknowledgement of so many bytes may be late."""
        taken = self._screen.taken(size)
        return GRACE + taken / 2 + max(0.0, self._late) + 3 * self._deviation

    def ack_within(self, size: int) -> float:
        """Return the seconds from a picture's leaving to its acknowledgement."""
        taken = FIRST_ACK if self._screen.known is None else self._screen.taken(size)
        return (self.round_trip or 0.0) + taken + self.patience(size)

    def sent(self, key: Hashable, size: int, now: float) -> None:
        """Note that a picture has left, behind its PING."""
        held = bool(self._under_way) and now - self.send_at(size, now) < GRACE / 2
        picture = UnderWay(key, size, now, now + FIRST_ACK, held)
        self._under_way.append(picture)
        self.unacked += size
        bandwidth, round_trip = self._screen.counted_on, self.round_trip
        if bandwidth is not None and round_trip is not None:
            picture.expected_at = self._through_at(bandwidth, round_trip)

    def pong(self, key: Hashable, now: float) -> bool:
        """Note that the PING in front of this picture was answered.

        :return: whether it was under way.
        """
        for picture in self._under_way:
            if picture.key == key and picture.pong_at is None:
                picture.pong_at = now
                self._take_round_trip(picture, now)
                return True
        return False

    def _take_round_trip(self, picture: UnderWay, now: float) -> None:
        seconds = now - picture.sent_at
        shortest = seconds if self.round_trip is None else self.round_trip
        if seconds <= shortest * SAME:
            self.round_trip, self._confirmed_at = min(seconds, shortest), now
        if picture.held:
            # The rest is what it waited for the one before.
            self._move_lead(seconds - shortest, picture.size)

    def _must_sound(self, now: float) -> bool:
        """Return whether the round trip is to be measured before anything is sent."""
        known = self.round_trip is not None
        return known and now - self._confirmed_at > ROUND_TRIP_HOLDS

    def sound_at(self, now: float) -> float:
        """Return when to send a PING alone that measures the round trip.

        :return: infinity while there is no need, or something is under way.
        """
        if self._under_way or not self._must_sound(now):
            return math.inf
        return max(now, self._sounded_at + self._sound_again)

    def sounded(self, now: float) -> int:
        """Note that such a PING was sent; return its number."""
        if self._sounding is not None:
            self._sound_again *= 2
        self._probes += 1
        self._sounding, self._sounded_at = self._probes, now
        return self._probes

    def _move_lead(self, waited: float, size: int) -> None:
        wanted = max(WAIT_LEAST, WAIT * self._screen.taken(size)) + 2 * self._deviation
        gain = LEAD_UP if waited < wanted else LEAD_DOWN
        self._lead += gain * (wanted - waited)
        self._lead = min(max(self._lead, 0.0), LEAD_MOST)

    def acked(
        self, key: Hashable, now: float, lag: float = 0.0, drawing: float = 0.0
    ) -> bool:
        """Note that this picture is on the screen, and that all before it have arrived.

        :param lag: seconds for which that may have been there before it was read.
        :param drawing: seconds, 0 or more, that the viewer says it had the picture.
        :return: whether it was under way.
        """
        for count, picture in enumerate(self._under_way, 1):
            if picture.key == key:
                self._drawn(picture, count, now, lag, drawing)
                return True
        return False

    def _drawn(
        self, picture: UnderWay, count: int, now: float, lag: float, drawing: float
    ) -> None:
        """Learn from so many pictures, of which this is the last."""
        first, size = self._under_way[0], self._forget(count)
        patience = self.patience(size)
        if self._screen.known is not None:  # Else it was expected by guess.
            late = now - picture.expected_at
            self._deviation += (abs(late - self._late) - self._deviation) / 4
            self._late += (late - self._late) / 8
        # It cannot have come sooner than this, whatever the viewer says.
        soonest = max(picture.sent_at + (self.round_trip or 0.0), self._arrived_at)
        arrived_at = min(max(now - drawing, soonest), now)
        if first.pong_at is not None and self.round_trip is not None:
            # They came one behind the other since then. Where several packets travel
            # as one, the PING has come with its picture, and not ahead of it.
            ahead = min(first.pong_at, first.sent_at + self.round_trip + JITTER)
            for bandwidth, at, before in (
                (self._screen, now, self._acked_at),
                (self._link, arrived_at, self._arrived_at),
            ):
                seconds = max(0.0, at - max(ahead, before))
                bandwidth.learn(size, seconds, lag, patience)
        self._acked_at, self._arrived_at = now, arrived_at
        self._probe, self._probe_after = None, PROBE_AFTER

    def _forget(self, count: int) -> int:
        """Take the first pictures off; return their bytes."""
        size = sum(self._under_way.popleft().size for _ in range(count))
        self.unacked -= size
        return size

    def probe_at(self) -> float:
        """Return when to send a PING alone, as an acknowledgement may never come.

        :return: infinity while nothing is under way, or a probe is.
        """
        if not self._under_way or self._probe is not None:
            return math.inf
        return self._overdue_at() + self._probe_after

    def probed(self) -> int:
        """Note that a probe was sent; return its number, which the PONG must have."""
        self._probe = self._under_way[-1]
        self._probes += 1
        return self._probes

    def probe_answered(self, number: int, now: float) -> bool:
        """Note the answer: what was sent ahead of the probe has arrived, drawn or not.

        A client that never acknowledges gets a picture after 0.5, 1, 2, 4 and 8 s.

        :return: whether that probe was under way.
        """
        if number == self._sounding:
            self._sounding, self._sound_again = None, SOUND_AGAIN
            self.round_trip, self._confirmed_at = now - self._sounded_at, now
            return True
        if self._probe is None or number != self._probes:
            return False
        last, self._probe = self._probe, None
        self._forget(self._under_way.index(last) + 1)
        self._acked_at = self._arrived_at = now
        self._probe_after = min(2 * self._probe_after, PROBE_MOST)
        return True


class RoundRobin(Generic[T]):
    """Whose turn it is, of several that share a link: deficit round robin.

    Each has its share of the *bytes* by its weight, be its pictures large or small
    (Shreedhar and Varghese, "Efficient fair queueing using deficit round robin", 1996).
    """

    def __init__(self) -> None:
        self._weights: dict[T, float] = {}
        self._deficits: dict[T, float] = {}
        self._order: deque[T] = deque()

    def set(self, one: T, weight: float) -> None:
        """Have this one take turns, or change its weight; greater than 0."""
        if one not in self._weights:
            self._order.append(one)
            self._deficits[one] = 0.0
        self._weights[one] = weight

    def remove(self, one: T) -> None:
        """Have this one take no more turns."""
        self._order.remove(one)
        del self._weights[one], self._deficits[one]

    def pick(self, sizes: Mapping[T, int]) -> T:
        """Return whose turn it is, and count it as sent.

        :param sizes: those that have something to send, and how many bytes; not empty.
        """
        quantum = max(sizes.values())
        while True:
            one = self._order[0]
            if one in sizes and self._deficits[one] >= sizes[one]:
                self._deficits[one] -= sizes[one]
                return one
            if one in sizes:
                self._deficits[one] += quantum * self._weights[one]
            self._order.rotate(-1)
