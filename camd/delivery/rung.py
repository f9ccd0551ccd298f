"""One rung of the ladder: viewers of the full picture, or of one smaller rendition.

Nearly all viewers keep up, and then there is nothing to decide: the same bytes go into
each of their sockets. A batch does that in one loop that touches nothing of a viewer
but its socket, and counts once for all of them. To look at each viewer's own state cost
2 µs more for every viewer and frame (measured): not for the work, but because each
``send`` sweeps the processor's caches with a picture. A viewer whose socket does not
take the whole frame is offered the frames one by one until it keeps up again.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterator

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from camd.delivery.tcp import Send
from camd.delivery.viewer import BatchTotals, Lane, Viewer
from camd.frame import Frame
from camd.stats import Histogram

ROUND = 256
"""Viewers sent a frame before the reactor gets a turn; also the most in a batch.

At about 15 µs each (measured) a round takes 4 ms, so that a stats request is answered
at once beside thousands of viewers.
"""


TOLERANCE = 0.2
"""How far a rate may be above a multiple of what viewers want until one more frame is
left out: at 15 frames a second, 5 are each third frame, also when it is 15.9."""


class Rung:
    """Sends each frame to every viewer of one kind of picture, a batch at a time.

    It alone decides who is in which batch. Viewers never call back: one that has to
    leave the fast ones says so in its batch's :class:`BatchTotals`.

    :ivar newest: the last frame published; None before the first, and when it was too
        old to begin a stream with.

    :param rate: returns the camera's frames a second, 0 while that is unknown.
    :param lateness: counts how old each frame is when it has gone out to all.
    :param finished: called with each frame when it has gone out to all, or when it was
        replaced before that.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        rate: Callable[[], float],
        lateness: Histogram,
        finished: Callable[[Frame], None] = lambda frame: None,
    ) -> None:
        self.newest: Frame | None = None
        self._clock = clock
        self._rate = rate
        self._lateness = lateness
        self._finished = finished
        self._batch_of: dict[Viewer, _Batch] = {}
        # In the order of their making: viewers that came first are sent a frame first.
        self._batches: list[_Batch] = []
        # The batches that have yet to be sent the newest frame.
        self._waiting: deque[_Batch] = deque()
        self._is_round_due = False

    def __len__(self) -> int:
        return len(self._batch_of)

    def __iter__(self) -> Iterator[Viewer]:
        return iter(self._batch_of)

    def subscribe(self, viewer: Viewer) -> None:
        """Send this viewer every frame from the next one on."""
        for batch in self._batches:
            # Not one that still waits for the newest frame: a newcomer has it already.
            if batch.has_room_for(viewer.lane) and batch not in self._waiting:
                break
        else:
            batch = _Batch(viewer.lane)
            self._batches.append(batch)
        batch.add(viewer)
        self._batch_of[viewer] = batch

    def unsubscribe(self, viewer: Viewer) -> None:
        """Send this viewer nothing more; no harm if it had not subscribed."""
        batch = self._batch_of.pop(viewer, None)
        if batch is None:
            return
        batch.remove(viewer)
        if not batch:
            self._batches.remove(batch)
            if batch in self._waiting:
                self._waiting.remove(batch)

    def wants(self, frame: Frame) -> bool:
        """Return whether any viewer is due this frame, by the rate that it wants."""
        return any(batch.is_due(frame, self._rate) for batch in self._batches)

    def publish(self, frame: Frame) -> None:
        """Make this the newest frame and send it to all, a round at a time.

        It never raises for what is wrong with one frame, wire or viewer.
        """
        replaced = self.newest if self._is_round_due else None
        self.newest = frame
        # Viewers that have waited longest come first: their frame was replaced.
        late = list(self._waiting)
        self._waiting.extend(
            [b for b in self._batches if b not in late] if late else self._batches
        )
        if not self._is_round_due:
            self._send_round()
        elif replaced is not None:
            self._finished(replaced)

    def _send_round(self) -> None:
        """Send the newest frame to up to :data:`ROUND` viewers that wait for it."""
        self._is_round_due = False
        frame, now, count = self.newest, self._clock.seconds(), 0
        if frame is None:
            self._waiting.clear()  # Its viewers have left between two rounds.
            return
        while self._waiting:
            batch = self._waiting.popleft()
            if not batch.takes_all and not batch.is_due(frame, self._rate):
                continue
            try:
                failed = batch.publish(frame, now)
            except Exception:
                # What is wrong with this frame must not hold up the next one.
                self._log.failure("A frame could not be sent")
                failed = []
            for viewer in failed:
                # Cut, so that the client comes again: kept, it would only freeze.
                self.unsubscribe(viewer)
                with contextlib.suppress(Exception):
                    viewer.abort("failed")
            if self._waiting:
                count += len(batch)
                if count + len(self._waiting[0]) > ROUND:
                    self._is_round_due = True
                    self._clock.callLater(0, self._send_round)
                    return
        if self._batches and frame.number:
            self._lateness.observe(self._clock.seconds() - frame.captured)
        self._finished(frame)


class _Batch:
    """Viewers of one lane, which are sent a frame in one go.

    :ivar takes_all: whether they are due every frame.
    """

    __slots__ = ("_fast", "_lane", "_number", "_slow", "_totals", "takes_all")

    _log = Logger()

    def __init__(self, lane: Lane) -> None:
        self.takes_all = lane.fps == math.inf
        self._lane = lane
        self._totals = BatchTotals()
        # Of the last frame, sent or too old.
        self._number: int | None = None
        # Those that keep up, each with its socket's own send.
        self._fast: dict[Viewer, Send] = {}
        # A dict for its order: viewers that came first are offered a frame first.
        self._slow: dict[Viewer, None] = {}

    def __len__(self) -> int:
        return len(self._fast) + len(self._slow)

    def has_room_for(self, lane: Lane) -> bool:
        """Return whether one more viewer of this lane may be added."""
        return lane == self._lane and len(self) < ROUND

    def add(self, viewer: Viewer) -> None:
        """Offer this viewer the next frame; whether it keeps up is seen then."""
        self._slow[viewer] = None

    def remove(self, viewer: Viewer) -> None:
        """Let this viewer count and send by itself again."""
        self._move_to_slow(viewer)
        del self._slow[viewer]

    def is_due(self, frame: Frame, rate: Callable[[], float]) -> bool:
        """Return whether its viewers get this frame: each k-th one, by number.

        A newcomer does not wait for that: all of the batch get one frame more then.
        """
        if self.takes_all or frame.is_placeholder:
            return True
        stride = max(1, math.ceil(rate() / self._lane.fps - TOLERANCE))
        last = frame.number - 1 if self._number is None else self._number
        if frame.number // stride != last // stride:
            return True
        return any(viewer.last is None for viewer in self._slow)

    def publish(self, frame: Frame, now: float) -> list[Viewer]:
        """Send a frame to the fast viewers, and offer it to the slow ones.

        :param now: when it was published, on the reactor's clock.
        :return: those that failed, and are to be cut off.
        :raises Exception: the frame's bytes could not be built; nobody was sent it.
        """
        totals = self._totals
        if totals.someone_left:
            totals.someone_left = False
            for viewer in [v for v in self._fast if not v.is_fast]:
                self._move_to_slow(viewer)
        self._number = frame.number
        offers = [(viewer, 0) for viewer in self._slow] if self._slow else []
        if now - frame.captured > self._lane.max_age:
            totals.sent.skipped += 1
        else:
            block, short = frame.block(self._lane.wire), []
            size = len(block)
            # Every frame of every viewer comes by here: no call is made without need,
            # and no viewer is touched.
            for place, send in enumerate(self._fast.values()):
                try:
                    sent = send(block)
                except OSError:
                    sent = 0  # The outlet will see the same error, and knows it.
                if sent != size:
                    short.append((place, sent))
            if short:
                viewers = list(self._fast)
                for place, sent in short:
                    # Before this frame counts for the others.
                    self._move_to_slow(viewers[place])
                    offers.append((viewers[place], sent))
            totals.last, totals.sent_at = frame, now
            totals.rate.tick(now)
            totals.sent.frames += 1
            totals.sent.bytes += size
        if not offers:
            return []
        return [v for v, sent in offers if not self._offer(v, frame, now, sent)]

    def _offer(self, viewer: Viewer, frame: Frame, now: float, sent: int) -> bool:
        """Offer a frame to a slow viewer, and see whether it keeps up; False if not."""
        if viewer not in self._slow:
            return True  # It left while others were offered the frame.
        last = viewer.last
        if last and last.rendition != frame.rendition and frame.is_behind(last):
            return True  # It came from another rung, which is further on.
        try:
            viewer.offer(frame, now, sent)
            send = viewer.direct_send()
        except Exception:
            # Trouble with one must not keep the frame from the others.
            self._log.failure("A viewer could not be sent a frame")
            return False
        # Not where the frame was too old to be sent: then the totals hold another one.
        if send is not None and self._totals.last is frame and viewer in self._slow:
            del self._slow[viewer]
            self._fast[viewer] = send
            viewer.attach(self._totals)
        return True

    def _move_to_slow(self, viewer: Viewer) -> None:
        if self._fast.pop(viewer, None) is not None:
            viewer.detach()
            self._slow[viewer] = None
