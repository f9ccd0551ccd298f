"""The smaller renditions of a camera's pictures: made once, and only for viewers.

What another camd has made already is sent to viewers as it comes, and not made again.

A frame is scaled when the full picture has gone out, in a pool of threads, for those
rungs that have a viewer that is due it. One frame is decoded once for all its rungs. A
frame that comes while the last one is still being scaled waits, and the next one takes
its place: as everywhere, the newest wins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.delivery.rung import Rung
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import Frame
from camd.stats import CameraStats

Scale = Callable[[bytes, Sequence[Rendition]], Deferred[list[tuple[bytes, Size]]]]
"""Makes smaller JPEGs of one, in the order of the renditions, without blocking."""


_Asked = tuple[Rendition, int, float]
"""Which frame was asked for: its rendition, its number, and when it was taken."""

STALE = 1.0
"""Seconds by which a rung's newest frame may be behind the full picture's to begin a
stream with. A rung is not kept up to date where its viewers want few frames."""

MISSED = 2
"""Full pictures in a row behind which nothing came made, and after which renditions are
made here."""


class Ladder:
    """The rungs that somebody wants, below the full picture.

    :param rate: returns the camera's frames a second, 0 while that is unknown.
    :param scale: makes smaller JPEGs of one, without blocking.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        rate: Callable[[], float],
        scale: Scale,
        stats: CameraStats,
    ) -> None:
        self._clock = clock
        self._rate = rate
        self._scale = scale
        self._stats = stats
        self._rungs: dict[Rendition, Rung] = {}
        # The newest frame, while the one before is still being scaled.
        self._waiting: Frame | None = None
        self._is_scaling = False
        self._has_failed = False
        # The last frame made of each, whoever wanted it, until the next one comes, and
        # those being asked for.
        self._made: dict[Rendition, Frame] = {}
        # The bytes of the last one of each.
        self._sizes: dict[Rendition, int] = {}
        # How many full pictures have come since the last that came made.
        self._missed: dict[Rendition, int] = {}
        self._number = 0
        self._asked: dict[_Asked, list[Deferred[Frame]]] = {}

    @property
    def wanted(self) -> Collection[Rendition]:
        """The renditions that have viewers."""
        return self._rungs.keys()

    def rung(self, rendition: Rendition, newest: Frame | None) -> Rung:
        """Return the rung of a rendition, for one more viewer.

        :param newest: the newest frame in any rendition; the rung's own is forgotten
            where it is not as new.
        """
        rung = self._rungs.get(rendition)
        if rung is None:
            rung = Rung(self._clock, self._rate, self._stats.lateness)
            self._rungs[rendition] = rung
        last = rung.newest
        if last and newest and newest.captured - last.captured > STALE:
            rung.newest = None
        return rung

    def newest(self, rendition: Rendition) -> Frame | None:
        """Return the newest frame that viewers of a rendition have; None if none."""
        rung = self._rungs.get(rendition)
        return None if rung is None else rung.newest

    def size_of(self, rendition: Rendition) -> int | None:
        """Return the bytes of the last picture of a rendition; None before one."""
        return self._sizes.get(rendition)

    def remove(self, rendition: Rendition, rung: Rung) -> None:
        """Scale no more for a rung that has lost its last viewer."""
        # A viewer that failed has left it before it unsubscribes.
        if self._rungs.get(rendition) is rung:
            del self._rungs[rendition]

    def forget(self) -> None:
        """Begin no stream with a frame that there is now."""
        for rung in self._rungs.values():
            rung.newest = None

    def feed(self, frame: Frame, rendition: Rendition) -> None:
        """Send a frame that came in this rendition to those that want it."""
        self._keep(rendition, frame)
        self._missed[rendition] = 0
        self._send([frame], [rendition])

    def publish(self, frame: Frame) -> None:
        """Scale a frame for those that are due it, and send it to them.

        To be called when the full picture has gone out, so that this delays no one.
        """
        if frame.number and frame.number != self._number:
            self._number = frame.number
            for rendition in self._missed:
                self._missed[rendition] += 1
            if self._made:
                self._forget_unwanted()
        if not self._rungs:
            return
        if self._waiting is not None and self._waiting is not frame:
            for rendition in self._due(self._waiting):
                self._stats.of(str(rendition)).skipped += 1
        self._waiting = frame
        if not self._is_scaling:
            self._scale_next()

    def _keep(self, rendition: Rendition, frame: Frame) -> None:
        self._made[rendition], self._sizes[rendition] = frame, len(frame.jpeg)

    def _forget_unwanted(self) -> None:
        """Keep no picture of a rendition that nobody watches."""
        for rendition in self._made.keys() - self._rungs.keys():
            del self._made[rendition]

    def render(self, frame: Frame, rendition: Rendition) -> Deferred[Frame]:
        """Return one frame as a rendition, made once for all that ask.

        :return: the frame itself where it cannot be scaled; never fails.
        """
        made = self._made.get(rendition)
        if made is not None and made.shows_the_same_as(frame):
            return succeed(made)
        answer: Deferred[Frame] = Deferred()
        key = rendition, frame.number, frame.captured
        self._asked.setdefault(key, []).append(answer)
        if len(self._asked[key]) == 1:
            made_now = self._scaled(frame, [rendition])
            made_now.addErrback(self._instead, frame, [rendition])
            made_now.addCallback(self._answer, key)
        return answer

    def _answer(self, frames: list[Frame], key: _Asked) -> None:
        for answer in self._asked.pop(key):
            answer.callback(frames[0])

    def _due(self, frame: Frame) -> list[Rendition]:
        """Return the renditions in which a frame is wanted, and was not sent yet."""
        return [
            rendition
            for rendition, rung in self._rungs.items()
            if rung.wants(frame)
            and (frame.is_placeholder or not self._comes_made(rendition, frame))
            and (rung.newest is None or not rung.newest.shows_the_same_as(frame))
        ]

    def _comes_made(self, rendition: Rendition, frame: Frame) -> bool:
        """Whether a frame will come in this rendition, as the last ones did.

        A still picture has come already, if it has: a new viewer is not to wait for the
        next one.
        """
        missed = self._missed.get(rendition)
        is_still = self._clock.seconds() - frame.captured > STALE
        return missed is not None and missed <= MISSED and not is_still

    def _scale_next(self) -> None:
        frame, self._waiting = self._waiting, None
        due = [] if frame is None else self._due(frame)
        if frame is None or not due:
            return
        self._is_scaling = True
        done = self._scaled(frame, due)
        done.addErrback(self._instead, frame, due)
        done.addCallback(self._send, due)
        done.addErrback(lambda f: self._log.failure("A rendition could not be sent", f))
        done.addCallback(lambda _: self._end_scaling())

    def _end_scaling(self) -> None:
        self._is_scaling = False
        self._scale_next()

    def _scaled(
        self, frame: Frame, renditions: Sequence[Rendition]
    ) -> Deferred[list[Frame]]:
        began = self._clock.seconds()

        def frames(made: list[tuple[bytes, Size]]) -> list[Frame]:
            self._stats.scaling.observe(self._clock.seconds() - began)
            self._has_failed = False
            for rendition, (jpeg, size) in zip(renditions, made, strict=True):
                self._stats.of(str(rendition)).made += 1
                scaled = Frame(
                    jpeg,
                    frame.number,
                    frame.captured,
                    frame.timestamp,
                    size,
                    frame.state,
                    rendition,
                    frame.full,
                )
                self._keep(rendition, scaled)
            return [self._made[rendition] for rendition in renditions]

        return self._scale(frame.jpeg, renditions).addCallback(frames)

    def _instead(
        self, failure: Failure, frame: Frame, renditions: Sequence[Rendition]
    ) -> list[Frame]:
        """Return the full picture for each rendition: better large than frozen."""
        if not self._has_failed:
            self._has_failed = True
            self._log.failure("A picture cannot be scaled; it is sent in full", failure)
        return [frame] * len(renditions)

    def _send(self, frames: Sequence[Frame], renditions: Sequence[Rendition]) -> None:
        for frame, rendition in zip(frames, renditions, strict=True):
            rung = self._rungs.get(rendition)
            if rung is None:
                continue  # Its last viewer has left meanwhile.
            # What comes made may have passed what was still being scaled, or be late.
            newest = rung.newest
            if newest is None or not frame.is_behind(newest, or_same=True):
                rung.publish(frame)
