"""Counters and rates: what the daemon knows about itself, by camera and by viewer.

Plain numbers that others add to; times come from outside. A viewer counts for itself
(:mod:`camd.delivery.viewer`); when it leaves, its figures are added here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

WINDOW = 2.0
"""Seconds that a rate looks back: long enough to be steady, short enough to be news."""


class Rate:
    """How often something happens, from the moments of its last times."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque()

    def tick(self, now: float) -> None:
        """Note that it happened at ``now`` (seconds)."""
        moments = self._moments
        moments.append(now)
        while now - moments[0] > WINDOW:
            moments.popleft()

    def per_second(self, now: float) -> float:
        """Return the rate over the last :data:`WINDOW`; 0 when it has stopped."""
        while self._moments and now - self._moments[0] > WINDOW:
            self._moments.popleft()
        if len(self._moments) < 2:
            return 0.0
        # Counting until now, not until the last time, lets the rate of something that
        # has stopped fall at once; the larger span of the two is the honest one.
        first, last = self._moments[0], self._moments[-1]
        steps = len(self._moments) - 1
        step = (last - first) / steps
        overdue = max(0.0, now - last - step)
        return steps / (last - first + overdue) if last > first else 0.0


class Meter:
    """A rate from a counter, for what happens too often to note each time."""

    def __init__(self, now: float) -> None:
        self._samples: deque[tuple[float, int]] = deque([(now, 0)])

    def sample(self, now: float, count: int) -> None:
        """Note what the counter shows at ``now`` (seconds)."""
        self._samples.append((now, count))
        while len(self._samples) > 2 and now - self._samples[1][0] >= WINDOW:
            self._samples.popleft()

    @property
    def sampled(self) -> float:
        """When the last sample was taken, in seconds."""
        return self._samples[-1][0]

    def restart(self, now: float, count: int, rate: float) -> None:
        """Go on from a rate that was measured elsewhere.

        :param count: what the counter shows at ``now`` (seconds).
        """
        then = (now - WINDOW, count - round(rate * WINDOW))
        self._samples = deque([then, (now, count)])

    def per_second(self, now: float, count: int) -> float:
        """Return the rate from the oldest sample kept to what the counter shows now."""
        then, counted = self._samples[0]
        return (count - counted) / (now - then) if now > then else 0.0


class Histogram:
    """How long something takes, as counts between bounds.

    Cheap enough for every frame: 0.2 µs each time, a fifth of what prometheus-client's
    own takes (measured), and read only when somebody asks.

    :ivar bounds: seconds, rising; what is longer than the last is counted as well.
    :ivar sum: the seconds of all times together.
    """

    __slots__ = ("_counts", "bounds", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.sum = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, seconds: float) -> None:
        """Count one time."""
        self._counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    def upto(self) -> list[int]:
        """Return how many took no longer than each bound; the last is all of them."""
        return list(accumulate(self._counts))


ENCODE_BOUNDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256)
"""Seconds; VGA takes some 2 ms, 1080p some 12 ms, of the 33 ms between frames."""

SCALE_BOUNDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
"""Seconds; all rungs of VGA take some 0.5 ms, of 1080p some 4 ms (measured)."""

LATENESS_BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds; below 0.1 nobody sees it, and above 1 it is trouble."""

AGE_BOUNDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 5.0, 10.0)
"""Seconds; a robot is steered well below 0.3, and above 1 a picture is late."""

DEPARTURES = (
    "stalled",
    "failed",
    "shutdown",
    "connection lost",
    "camera offline",
    "other",
)
"""Reasons for a stream to end, other than that the client hung up."""


@dataclass(slots=True)
class Sent:
    """What has gone out: to one viewer, or to all that have left.

    :ivar skipped: frames that a newer one replaced, or that were too old.
    :ivar heartbeats: times that the last frame was sent again.
    :ivar bytes: of frames and heartbeats, with their framing.
    """

    frames: int = 0
    skipped: int = 0
    heartbeats: int = 0
    bytes: int = 0

    def __add__(self, other: Sent) -> Sent:
        return Sent(
            self.frames + other.frames,
            self.skipped + other.skipped,
            self.heartbeats + other.heartbeats,
            self.bytes + other.bytes,
        )

    def __sub__(self, other: Sent) -> Sent:
        return Sent(
            self.frames - other.frames,
            self.skipped - other.skipped,
            self.heartbeats - other.heartbeats,
            self.bytes - other.bytes,
        )

    def add(self, other: Sent) -> None:
        """Add another's figures to these."""
        self.frames += other.frames
        self.skipped += other.skipped
        self.heartbeats += other.heartbeats
        self.bytes += other.bytes


@dataclass(slots=True)
class RenditionStats:
    """What came of one of a camera's smaller renditions.

    :ivar made: frames that were scaled to it.
    :ivar skipped: frames that were to be, but came while an earlier one was being made.
    """

    made: int = 0
    skipped: int = 0


@dataclass(slots=True)
class CameraStats:
    """What one camera has done since the daemon started.

    :ivar captured: pictures that the source gave.
    :ivar published: frames that were made of them.
    :ivar identical: frames that were sent to nobody, as all had the same picture.
    :ivar failed: reads that failed, and pictures that were dropped as damaged.
    :ivar reopens: times the source was opened again after it had worked.
    :ivar last_error: the last failure's reason in one line; None if all is well.
    :ivar threads_left_behind: threads that hung in the driver and were given up.
    :ivar hooks_called: how often ``on_event`` was called.
    :ivar hooks_failed: how often that failed.
    :ivar hooks_dropped: events that it was not called for, as others waited already.
    :ivar rate: how often pictures come.
    :ivar departed: what viewers that are gone were sent.
    :ivar aborted: how many streams ended in each of the ways of :data:`DEPARTURES`.
    :ivar encoding: how long pictures took to encode.
    :ivar scaling: how long it took until all renditions of a frame were made.
    :ivar renditions: what came of each rendition that was ever wanted.
    :ivar viewer_age: how old pictures were when live viewers reported them on screen.
    :ivar lateness: how old frames were when they had gone out to all viewers.
    """

    captured: int = 0
    published: int = 0
    identical: int = 0
    failed: int = 0
    reopens: int = 0
    last_error: str | None = None
    threads_left_behind: int = 0
    hooks_called: int = 0
    hooks_failed: int = 0
    hooks_dropped: int = 0
    rate: Rate = field(default_factory=Rate)
    departed: Sent = field(default_factory=Sent)
    aborted: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(DEPARTURES, 0)
    )
    encoding: Histogram = field(default_factory=lambda: Histogram(ENCODE_BOUNDS))
    scaling: Histogram = field(default_factory=lambda: Histogram(SCALE_BOUNDS))
    renditions: dict[str, RenditionStats] = field(default_factory=dict)
    lateness: Histogram = field(default_factory=lambda: Histogram(LATENESS_BOUNDS))
    viewer_age: Histogram = field(default_factory=lambda: Histogram(AGE_BOUNDS))

    def of(self, rendition: str) -> RenditionStats:
        """Return the figures of one rendition, by its name."""
        return self.renditions.setdefault(rendition, RenditionStats())

    def depart(self, sent: Sent, reason: str | None) -> None:
        """Keep the figures of a viewer that is gone.

        :param reason: why; None where the client hung up. One that is not among
            :data:`DEPARTURES` counts as "other", so that there are never more of them.
        """
        self.departed.add(sent)
        if reason is not None:
            self.aborted[reason if reason in self.aborted else "other"] += 1


class ViewerCount:
    """Numbers the viewers of all cameras, and counts those that are there.

    :ivar ever: how many have come.
    :ivar active: how many of them are there.
    """

    def __init__(self) -> None:
        self.ever = 0
        self.active = 0

    def arrive(self) -> int:
        """Count one more viewer and return its number, from 1."""
        self.ever += 1
        self.active += 1
        return self.ever

    def depart(self) -> None:
        """Count one viewer less."""
        self.active -= 1
