"""One open stream: newest wins, progress, heartbeat, departure.

A viewer is idle, and sends a new frame at once; or its outlet is busy with the last
one, and the new frame takes the place of whichever was waiting. It never holds more
than ``stream_buffer_size`` frames and never closes on its own: only the client, the
shutdown, a time in which the client took no byte, or a camera that is offline and has
``offline_picture: close`` end a stream.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from camd.delivery.outlet import Outlet
from camd.delivery.row import Lane, Row
from camd.delivery.tcp import Send
from camd.frame import Frame
from camd.rights import Principal
from camd.stats import Meter, Sent


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """
    Who is at the other end.

    :ivar number: counts the viewers of this daemon, from 1.
    :ivar address: the client's address as text; empty for a UNIX socket.
    :ivar user_agent: what the client calls itself, made printable; may be empty.
    :ivar since: when it came, in Unix seconds.
    :ivar principal: who let it in, by a key of which name.
    """

    number: int
    address: str
    user_agent: str
    since: float
    principal: Principal


class Viewer:
    """
    One open stream.

    :ivar client_info: who is at the other end.

    :param outlet: the way out; opened here.
    :param now: the moment of its coming, on the reactor's clock.
    :param buffer_size: frames that may be under way: one half sent, the rest waiting.
    :param timeout: seconds without progress until it is let go.
    :param max_age: seconds after which a frame is not sent any more; 0 for never.
    """

    # As in SocketOutlet: there may be thousands.
    __slots__ = (
        "_clock",
        "_ending",
        "_held",
        "_last",
        "_max_age",
        "_meter",
        "_moved_at",
        "_newest",
        "_outlet",
        "_row",
        "_sent",
        "_sent_at",
        "_taken",
        "_timeout",
        "_waiting",
        "came",
        "client_info",
        "reason",
    )

    def __init__(
        self,
        client_info: ClientInfo,
        outlet: Outlet,
        clock: Callable[[], float],
        buffer_size: int,
        timeout: float,
        max_age: float = 0,
    ) -> None:
        self.client_info = client_info
        self.reason: str | None = None
        self._sent = Sent()
        self._last: Frame | None = None
        # Who sends to it while it keeps up, and counts that.
        self._row: Row | None = None
        self._outlet = outlet
        self._clock = clock
        self._waiting: deque[Frame] = deque(maxlen=buffer_size - 1)
        self._timeout = timeout
        self._max_age = max_age or math.inf
        now = clock()
        self.came = self._sent_at = self._moved_at = now
        self._taken = 0
        # Whether the frame sent last found no room, be another waiting or not.
        self._held = False
        self._ending = False
        self._meter = Meter(now)

    def open(self, newest: Callable[[], Frame | None]) -> None:
        """
        Send the response's headers, and at once behind them the newest frame.

        :param newest: gives the frame to begin with; None while there is none.
        """
        self._newest = newest
        self._outlet.open(self._ready)
        if not self._outlet.busy:
            self._ready()

    def turn_to(self, newest: Callable[[], Frame | None]) -> None:
        """Begin with what this gives instead, where nothing was sent yet."""
        self._newest = newest

    @property
    def lane(self) -> Lane:
        """Who can be sent to together with it."""
        return self._outlet.wire, self._max_age

    @property
    def sent(self) -> Sent:
        """What it was sent."""
        return self._sent if self._row is None else self._sent + self._row.sent

    def _frames(self) -> int:
        row = self._row
        return self._sent.frames + (0 if row is None else row.sent.frames)

    @property
    def last(self) -> Frame | None:
        """The frame sent last; None before the first."""
        return self._last if self._row is None else self._row.last

    def short_way(self) -> Send | None:
        """Give what sends to it as long as it keeps up; None while it does not."""
        # Nothing may overtake a frame that waits: it would be shown behind a newer one.
        return None if self._waiting else self._outlet.short_way()

    def fall_in(self, row: Row) -> None:
        """Let this row send, and count."""
        self._row = row
        # What the row has counted before is added with the rest later on.
        self._sent.subtract(row.sent)

    def fall_out(self) -> None:
        """Send by itself again; no harm if it does."""
        if self._row is not None:
            self._last, self._sent_at = self._row.last, self._last_sent_at()
            self._sent.add(self._row.sent)
            self._row.fall_out(self)
            self._row = None

    def _last_sent_at(self) -> float:
        at = self._sent_at
        return at if self._row is None else max(at, self._row.sent_at)

    def show(self, frame: Frame, now: float, taken: int = 0) -> None:
        """
        Send this frame, or keep it until the one under way is through.

        :param taken: bytes of it that have left already, by the short way.
        """
        if frame is self._last:
            return  # It got ready between two rounds, and fetched the frame itself.
        outlet = self._outlet
        if outlet.busy:
            self._wait(frame)
        elif self._waiting:
            self._wait(frame)
            self._ready()
        else:
            self._send(frame, now, outlet, taken)

    def repeat(self, frame: Frame, now: float) -> bool:
        """
        Send a heartbeat: this frame again, the same bytes, if nothing is under way.

        :return: whether it was sent.
        """
        self.fall_out()  # It may be busy after this.
        if self._waiting:
            self._ready()  # Better than to repeat: a frame that found no room before.
            return False
        block = frame.blocks[self._outlet.wire]
        if self._outlet.busy or not self._outlet.send(block):
            return False
        self._sent_at = now
        self._sent.heartbeats += 1
        self._sent.bytes += len(block)
        return True

    def silent_for(self, now: float) -> float:
        """Give the seconds since something was last sent."""
        return now - self._last_sent_at()

    def check(self, now: float) -> None:
        """Look, from time to time, whether the client still takes what it is sent."""
        self._meter.sample(now, self._frames())
        if self._waiting:
            self._ready()
        if not self._held and not self._outlet.busy:
            self._moved_at = now
        elif (taken := self._outlet.taken()) != self._taken:
            self._taken, self._moved_at = taken, now
        elif now - self._moved_at >= self._timeout:
            self.leave("stalled")

    def fps(self, now: float) -> float:
        """Give the frames a second that it was sent lately, heartbeats not counted."""
        return self._meter.per_second(now, self._frames())

    def leave(self, reason: str) -> None:
        """Cut the connection. The request then tells that it is gone."""
        self.fall_out()
        self.reason = self.reason or reason
        self._outlet.abort()

    def end(self, reason: str) -> None:
        """End the stream once the part that is under way is through."""
        self.fall_out()
        self.reason = self.reason or reason
        self._ending = True
        self._waiting.clear()
        if not self._outlet.busy:
            self._outlet.finish()

    def _wait(self, frame: Frame) -> None:
        """Let the frame wait; the oldest of those that wait makes room for it."""
        if len(self._waiting) == self._waiting.maxlen:
            self._sent.skipped += 1
        self._waiting.append(frame)

    def _ready(self) -> None:
        """Go on with what waits, now that the outlet is free or may be tried again."""
        outlet, now = self._outlet, self._clock()
        if self._ending:
            outlet.finish()
            return
        while self._waiting and not outlet.busy:
            if not self._send(self._waiting.popleft(), now, outlet):
                return
        if self._last is None and not outlet.busy:
            newest = self._newest()
            if newest is not None:
                self._send(newest, now, outlet)

    def _send(self, frame: Frame, now: float, outlet: Outlet, taken: int = 0) -> bool:
        """Send a frame, or drop it if it is too old; False if it has to wait."""
        if now - frame.captured > self._max_age:
            self._sent.skipped += 1
            return True
        block = frame.blocks[outlet.wire]
        self._held = not outlet.send(block, taken)
        if not self._held:
            self._last, self._sent_at = frame, now
            self._sent.frames += 1
            self._sent.bytes += len(block)
            return True
        # Not begun, so it only waits: what is newest when there is room goes.
        self._waiting.appendleft(frame)
        if not self._waiting:
            self._sent.skipped += 1  # None may wait.
        return False
