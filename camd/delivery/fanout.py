"""The frame cache: the newest frame, told to all who watch, a round at a time.

Nothing queues here. A frame that is published replaces the one before; what a slow
viewer still has under way is the viewer's own affair (:mod:`camd.delivery.viewer`).
"""

from __future__ import annotations

import contextlib

from twisted.internet.interfaces import IReactorTime

from camd.delivery.row import Lane, Row, Watcher
from camd.frame import Frame
from camd.stats import Histogram

ROUND = 256
"""Viewers that are told of a frame before the reactor gets a turn for other things, and
the most in a row.

At about 15 µs each (measured) a round takes 4 ms, so that a stats request is answered
at once beside thousands of viewers.
"""


class FanOut:
    """
    The newest frame, and those who watch.

    :ivar newest: the last frame published; None before the first.

    :param lateness: counts how old each frame is when all have been told of it.
    """

    def __init__(self, clock: IReactorTime, lateness: Histogram) -> None:
        self.newest: Frame | None = None
        self._clock = clock
        self._lateness = lateness
        self._watchers: dict[Watcher, Row] = {}
        # In the order of their coming: who came first is told first.
        self._rows: list[Row] = []
        # The rows as this frame goes round, and how many of them had their turn.
        self._round: list[Row] = []
        self._told = 0

    def __len__(self) -> int:
        return len(self._watchers)

    def join(self, watcher: Watcher) -> None:
        """Tell this watcher of every frame from the next one on."""
        row = self._row_for(watcher.lane)
        row.join(watcher)
        self._watchers[watcher] = row

    def _row_for(self, lane: Lane) -> Row:
        """Find a row with room, or begin one."""
        # Not one that still waits for this frame: who comes has it from the cache.
        waiting = self._round[self._told :]
        for row in self._rows:
            if row.has_room(lane, ROUND) and row not in waiting:
                return row
        self._rows.append(Row(lane))
        return self._rows[-1]

    def leave(self, watcher: Watcher) -> None:
        """Tell this watcher no more; no harm if it has left already."""
        row = self._watchers.pop(watcher, None)
        if row is not None:
            row.leave(watcher)
            if not row:
                self._rows.remove(row)

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

    def _in_turn(self) -> list[Row]:
        """Order the rows: who was told longest ago comes first."""
        waited = self._round[self._told :] + self._round[: self._told]
        here = [row for row in waited if row in self._rows]
        return here + [row for row in self._rows if row not in here]

    def _tell(self) -> None:
        frame, now = self.newest, self._clock.seconds()
        if frame is None:
            # Forgotten between rounds. Untold ones would pass for a round under way.
            self._told = len(self._round)
            return
        for row in self._turn():
            for watcher in row.tell(frame, now):
                self._drop(watcher)
        if self._told < len(self._round):
            self._clock.callLater(0, self._tell)
        elif self._round and not frame.is_placeholder:
            self._lateness.observe(self._clock.seconds() - frame.captured)

    def _turn(self) -> list[Row]:
        """Give the rows that are told before the reactor has a turn."""
        first, count = self._told, 0
        for row in self._round[first:]:
            count += len(row)
            if count > ROUND:
                break
            self._told += 1
        return self._round[first : self._told]

    def _drop(self, watcher: Watcher) -> None:
        """Send a watcher away that fails: kept without frames, it would only freeze."""
        self.leave(watcher)
        with contextlib.suppress(Exception):
            watcher.leave("failed")
