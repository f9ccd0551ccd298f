"""A row of viewers: those on one kind of wire, who are told of a frame in one go.

Nearly all viewers keep up, and then there is nothing to decide: the same bytes go into
each of their sockets. A row does that in one loop, which touches nothing of a viewer
but its socket, and keeps one count for all of them. To look at each viewer's own state
took 2 µs more for every viewer and frame (measured): not for the work, but as each
``send`` sweeps the processor's caches with a picture.

Who does not take all of a frame at once falls behind: then its own
:class:`camd.delivery.viewer.Viewer` decides what it is sent, until it keeps up again.
"""

from __future__ import annotations

from typing import Protocol

from twisted.logger import Logger

from camd.delivery.tcp import Send
from camd.frame import Frame, Wire
from camd.stats import Sent

Lane = tuple[Wire, float]
"""What those in a row have in common: what their bytes look like, and the age in
seconds above which a frame is not sent to them."""


class Watcher(Protocol):
    """
    Who is shown each frame: a viewer.

    :ivar lane: who can stand in one row with it; never changes.
    """

    @property
    def lane(self) -> Lane:
        """See above."""

    def show(self, frame: Frame, now: float, taken: int = 0) -> None:
        """
        Take a frame; never block.

        :param now: when it was published, on the reactor's clock.
        :param taken: bytes of it that the kernel has taken already.
        """

    def short_way(self) -> Send | None:
        """Give what sends to it from now on; None for :meth:`show`."""

    def fall_in(self, row: Row) -> None:
        """Be sent to by this row, which counts for it."""

    def fall_out(self) -> None:
        """Take over from the row, if there is one: its counts, and sending."""

    def leave(self, reason: str) -> None:
        """Go away, and close what is open."""

    def end(self, reason: str) -> None:
        """As :meth:`leave`, but with a whole part last; there may be later ones."""


class Row:
    """
    Viewers of one lane, who are told of a frame in one go.

    :ivar sent: what one who kept up all the time was sent.
    :ivar last: the frame that those who keep up were sent last; None before the first.
    :ivar sent_at: when that was, on the reactor's clock.
    """

    __slots__ = ("_abreast", "_behind", "_lane", "_sends", "last", "sent", "sent_at")

    _log = Logger()

    def __init__(self, lane: Lane) -> None:
        self.sent = Sent()
        self.last: Frame | None = None
        self.sent_at = 0.0
        self._lane = lane
        # Who keeps up, and in the same place what sends to it.
        self._abreast: list[Watcher] = []
        self._sends: list[Send] = []
        # A dict, for its order: who came first is told first.
        self._behind: dict[Watcher, None] = {}

    def __len__(self) -> int:
        return len(self._abreast) + len(self._behind)

    def has_room(self, lane: Lane, most: int) -> bool:
        """Tell whether one more of this lane may join."""
        return lane == self._lane and len(self) < most

    def join(self, watcher: Watcher) -> None:
        """Tell this watcher of every frame from the next one on."""
        self._behind[watcher] = None

    def leave(self, watcher: Watcher) -> None:
        """Tell this watcher no more."""
        watcher.fall_out()
        del self._behind[watcher]

    def fall_out(self, watcher: Watcher) -> None:
        """Send no more to one who kept up; show it the frames instead."""
        place = self._abreast.index(watcher)
        del self._abreast[place], self._sends[place]
        self._behind[watcher] = None

    def tell(self, frame: Frame, now: float) -> list[Watcher]:
        """
        Send or show a frame to all.

        :return: those that failed, and are to be sent away.
        """
        shown = [(watcher, 0) for watcher in self._behind]
        shown += self._send(frame, now)
        return [w for w, taken in shown if not self._show(w, frame, now, taken)]

    def _send(self, frame: Frame, now: float) -> list[tuple[Watcher, int]]:
        """Send to those abreast; give those who took only so many bytes of it."""
        wire, oldest = self._lane
        if now - frame.captured > oldest:
            self.sent.skipped += 1
            return []
        block = frame.blocks[wire]
        slow = self._hand_out(block)
        for watcher, _ in slow:
            watcher.fall_out()  # Before this frame is counted, which it did not take.
        self.last, self.sent_at = frame, now
        self.sent.frames += 1
        self.sent.bytes += len(block)
        return slow

    def _hand_out(self, block: bytes) -> list[tuple[Watcher, int]]:
        # Every viewer's every frame comes by here: no call is made without need.
        size, short = len(block), []
        for place, send in enumerate(self._sends):
            try:
                taken = send(block)
            except OSError:
                taken = 0  # It will say so again, to whoever can tell what it means.
            if taken != size:
                short.append((self._abreast[place], taken))
        return short

    def _show(self, watcher: Watcher, frame: Frame, now: float, taken: int) -> bool:
        if watcher not in self._behind:
            return True  # It left while others were shown the frame.
        try:
            watcher.show(frame, now, taken)
            send = watcher.short_way()
        except Exception:
            # Trouble with one must not keep the frame from the others.
            self._log.failure("A viewer could not be shown a frame")
            return False
        # Not who was shown nothing, as the frame is too old: its last is not the row's.
        if send is not None and self.last is frame and watcher in self._behind:
            self._fall_in(watcher, send)
        return True

    def _fall_in(self, watcher: Watcher, send: Send) -> None:
        del self._behind[watcher]
        self._abreast.append(watcher)
        self._sends.append(send)
        watcher.fall_in(self)
