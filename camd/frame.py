"""The frame and its cache: the newest picture, built for the wire once, for all.

Nothing queues here. A frame that is published replaces the one before; what a slow
viewer still has under way is the viewer's own affair (:mod:`camd.viewer`).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from camd import multipart
from camd.jpeg import Size
from camd.multipart import Form
from camd.stats import Histogram

ROUND = 256
"""Viewers that are told of a frame before the reactor gets a turn for other things.

At about 15 µs each (measured) a round takes 4 ms, so that a stats request is answered
at once beside thousands of viewers.
"""


class Frame:
    """
    One whole JPEG on its way to the viewers.

    :ivar jpeg: the picture, checked: nothing else may be sent as a part.
    :ivar number: counts the camera's frames from 1; 0 is a placeholder.
    :ivar captured: when it was taken, in seconds of the reactor's clock.
    :ivar timestamp: the same moment in Unix seconds, as viewers are told.
    :ivar size: width and height in pixels.
    :ivar state: on a placeholder, what the camera does; empty on its own pictures.
    :ivar blocks: its bytes by :class:`Wire`, built on first use: the same to all.
    """

    __slots__ = ("blocks", "captured", "jpeg", "number", "size", "state", "timestamp")

    def __init__(
        self,
        jpeg: bytes,
        number: int,
        captured: float,
        timestamp: float,
        size: Size,
        state: str = "",
    ) -> None:
        self.jpeg = jpeg
        self.number = number
        self.captured = captured
        self.timestamp = timestamp
        self.size = size
        self.state = state
        self.blocks = Blocks(jpeg, timestamp, number, state)


class Blocks(dict["Wire", bytes]):
    """
    A frame's bytes for each kind of wire that somebody watches on.

    A dict, as looking one up is done for every viewer and must cost next to nothing.
    """

    __slots__ = ("_parts",)

    def __init__(self, jpeg: bytes, timestamp: float, number: int, state: str) -> None:
        # Not the frame itself: in a circle, frames would stay until the collector
        # comes by, and that is seldom.
        self._parts = (jpeg, timestamp, number, state)

    def __missing__(self, wire: Wire) -> bytes:
        block = self[wire] = wire.build(*self._parts)
        return block


# Compared and hashed by identity: a frame looks its block up once per viewer.
@dataclass(frozen=True, eq=False, slots=True)
class Wire:
    """
    How frames stand on one connection. There are four, all in :data:`WIRES`.

    :ivar form: the layout of the part, by what the client is.
    :ivar chunked: whether each block carries its own HTTP/1.1 chunk framing.
    """

    form: Form
    chunked: bool

    def opening(self) -> bytes:
        """Give what stands once ahead of the first block, never chunk-framed."""
        return multipart.opening(self.form)

    def build(
        self, jpeg: bytes, timestamp: float, number: int, state: str = ""
    ) -> bytes:
        """Lay out one frame. Called once per frame and wire, on first use."""
        join = multipart.chunk if self.chunked else _join
        return join(*multipart.pieces(self.form, jpeg, timestamp, number, state))


def _join(*pieces: bytes) -> bytes:
    return b"".join(pieces)


WIRES = {
    (form, chunked): Wire(form, chunked) for form in Form for chunked in (False, True)
}


class Watcher(Protocol):
    """Who is shown each frame: a viewer."""

    def show(self, frame: Frame, now: float) -> None:
        """Take a frame, published at ``now`` on the reactor's clock; never block."""

    def leave(self, reason: str) -> None:
        """Go away, and close what is open."""

    def end(self, reason: str) -> None:
        """As :meth:`leave`, but with a whole part last; there may be later ones."""


class FrameCache:
    """
    The newest frame, and those who watch.

    :ivar newest: the last frame published; None before the first.

    :param lateness: counts how old each frame is when all have been told of it.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime, lateness: Histogram) -> None:
        self.newest: Frame | None = None
        self._clock = clock
        self._lateness = lateness
        # A dict, for its order: who came first is told first.
        self._watchers: dict[Watcher, None] = {}
        # The watchers as this frame goes round, and how many of them had their turn.
        self._round: list[Watcher] = []
        self._told = 0

    def __len__(self) -> int:
        return len(self._watchers)

    def join(self, watcher: Watcher) -> None:
        """Tell this watcher of every frame from the next one on."""
        self._watchers[watcher] = None

    def leave(self, watcher: Watcher) -> None:
        """Tell this watcher no more; no harm if it has left already."""
        self._watchers.pop(watcher, None)

    def forget(self) -> None:
        """Have no frame, until the next one: this one is too old to begin with."""
        self.newest = None

    def end(self, reason: str) -> None:
        """Send all who watch away, each when it has a whole part."""
        for watcher in list(self._watchers):
            self.leave(watcher)
            watcher.end(reason)

    def publish(self, frame: Frame) -> None:
        """Make this the newest frame and show it to all, a round at a time."""
        self.newest = frame
        under_way = self._told < len(self._round)
        self._round, self._told = self._in_turn(), 0
        if not under_way:
            self._tell()

    def _in_turn(self) -> list[Watcher]:
        """Order the watchers: who was told longest ago comes first."""
        if self._told >= len(self._round):
            return list(self._watchers)
        waited = self._round[self._told :] + self._round[: self._told]
        here = dict.fromkeys(w for w in waited if w in self._watchers)
        return list(here | self._watchers)

    def _tell(self) -> None:
        frame, now, watchers = self.newest, self._clock.seconds(), self._watchers
        if frame is None:
            # Forgotten between rounds. Untold ones would pass for a round under way.
            self._told = len(self._round)
            return
        turn = self._round[self._told : self._told + ROUND]
        self._told += ROUND
        for watcher in turn:
            if watcher in watchers:
                try:
                    watcher.show(frame, now)
                except Exception:
                    # Trouble with one must not keep the frame from the others.
                    self._log.failure("A viewer could not be shown a frame")
                    self._drop(watcher)
        if self._told < len(self._round):
            self._clock.callLater(0, self._tell)
        elif self._round and frame.number:
            self._lateness.observe(self._clock.seconds() - frame.captured)

    def _drop(self, watcher: Watcher) -> None:
        """Send a watcher away that fails: kept without frames, it would only freeze."""
        self.leave(watcher)
        with contextlib.suppress(Exception):
            watcher.leave("failed")
