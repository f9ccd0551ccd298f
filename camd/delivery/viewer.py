"""One open stream: newest wins, progress, heartbeat, departure.

A viewer is idle, and is sent a new frame at once; or its outlet is busy with the last
one, and the new frame takes the place of whichever was waiting. A stream never ends on
its own: only the client, the shutdown, a time in which the client took no byte, or a
camera that is offline and has ``offline_picture: close`` end one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from camd.delivery.outlet import Outlet
from camd.delivery.tcp import Send
from camd.formats.rendition import Rendition
from camd.frame import Frame, Wire
from camd.rights import Principal
from camd.stats import WINDOW, Meter, Rate, Sent


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """Who is at the other end.

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


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How far a stream may fall behind; exchanged whole when settings change.

    :ivar buffer_size: 1: a frame that comes while the last one is under way is
        skipped; more: it waits, and the next one takes its place.
    :ivar timeout: seconds without progress until the viewer is cut off.
    :ivar max_age: seconds after which a frame is not sent any more; 0 for never.
    """

    buffer_size: int
    timeout: float
    max_age: float = 0


class Lane(NamedTuple):
    """What viewers that are sent to together have in common.

    :ivar wire: how their bytes are laid out.
    :ivar max_age: seconds above which a frame is not sent to them; may be infinite.
    :ivar fps: the most frames a second that they want; may be infinite.
    """

    wire: Wire
    max_age: float
    fps: float


@dataclass(slots=True)
class BatchTotals:
    """What the fast viewers of one batch were all sent, counted once for all of them.

    :ivar sent: the counts since the batch was made. A viewer subtracts from its own
        what they are when it becomes fast, and adds them when it is asked.
    :ivar last: the frame sent last; None before the first.
    :ivar sent_at: when that was, on the reactor's clock.
    :ivar rate: how often that is.
    :ivar someone_left: whether a viewer stopped being fast since then, of its own.
    """

    sent: Sent = field(default_factory=Sent)
    last: Frame | None = None
    sent_at: float = 0.0
    rate: Rate = field(default_factory=Rate)
    someone_left: bool = False


class Viewer:
    """One open stream.

    :ivar client_info: who is at the other end.
    :ivar came: when it came, on the reactor's clock.
    :ivar reason: why its stream ended; None as long as only the client may have.
    :ivar rendition: what it is sent; None for the full picture.
    :ivar screen_age: seconds; how old the last picture was when the client reported it
        to be on the screen, an upper bound; None for one that reports nothing.
    :ivar fast_since: when its batch began to send to it, the last time.
    :ivar lane: which viewers of its rendition it can be sent to together with. It
        changes only while it is not subscribed.

    :param outlet: the way out; opened here.
    :param clock: returns the reactor's time.
    :param limits: how far it may fall behind.
    :param rendition: what it is sent; None for the full picture.
    :param fps: the most frames a second; 0 for all.
    """

    # One of many thousands: slots keep it small, and in few lines of the processor's
    # cache.
    __slots__ = (
        "_clock",
        "_is_finishing",
        "_is_held_up",
        "_last",
        "_limits",
        "_meter",
        "_moved_at",
        "_newest",
        "_outlet",
        "_progress",
        "_sent",
        "_sent_at",
        "_totals",
        "_waiting",
        "came",
        "client_info",
        "fast_since",
        "lane",
        "reason",
        "rendition",
        "screen_age",
    )

    def __init__(
        self,
        client_info: ClientInfo,
        outlet: Outlet,
        clock: Callable[[], float],
        limits: StreamLimits,
        rendition: Rendition | None = None,
        fps: float = 0,
    ) -> None:
        self.client_info = client_info
        self.reason: str | None = None
        self.screen_age: float | None = None
        self.fast_since = 0.0
        self.rendition = rendition
        self.lane = Lane(outlet.wire, math.inf, fps or math.inf)
        self._outlet = outlet
        self._clock = clock
        self.apply(limits)
        self.came = self._sent_at = self._moved_at = clock()
        # What it was sent; as long as it is fast, without what its batch counts.
        self._sent = Sent()
        self._totals: BatchTotals | None = None
        self._last: Frame | None = None
        self._waiting: Frame | None = None
        self._progress = 0
        # Whether the last frame found no room, be it waiting now or not.
        self._is_held_up = False
        self._is_finishing = False
        self._meter = Meter(self.came)

    def apply(self, limits: StreamLimits) -> None:
        """Keep to these limits from now on; only while it is not subscribed."""
        self._limits = limits
        self.lane = self.lane._replace(max_age=limits.max_age or math.inf)

    def open(self, newest: Callable[[], Frame | None]) -> None:
        """Send the response's headers, and at once behind them the newest frame.

        :param newest: returns the frame to begin with; None while there is none.
        """
        self._newest = newest
        self._outlet.open(self._go_on)
        if not self._outlet.busy:
            self._go_on()

    def switch_to(self, newest: Callable[[], Frame | None]) -> None:
        """Begin with what this returns instead, where nothing was sent yet."""
        self._newest = newest

    def want(self, rendition: Rendition | None, fps: float) -> None:
        """Change what it is sent; only while it is not subscribed.

        :param rendition: None for the full picture.
        :param fps: the most frames a second; 0 for all.
        """
        self.rendition = rendition
        self.lane = self.lane._replace(wire=self._outlet.wire, fps=fps or math.inf)

    @property
    def is_fast(self) -> bool:
        """Whether its batch sends to it directly, and counts that."""
        return self._totals is not None

    @property
    def sent(self) -> Sent:
        """What it was sent."""
        if self._totals is None:
            return self._sent
        return self._sent + self._totals.sent

    @property
    def sent_bytes(self) -> int:
        """Only the bytes of it, for those that ask often."""
        if self._totals is None:
            return self._sent.bytes
        return self._sent.bytes + self._totals.sent.bytes

    @property
    def sent_frames(self) -> int:
        """Only the frames of it."""
        if self._totals is None:
            return self._sent.frames
        return self._sent.frames + self._totals.sent.frames

    @property
    def last(self) -> Frame | None:
        """The frame sent last; None before the first."""
        return self._last if self._totals is None else self._totals.last

    def has(self, full: bytes) -> bool:
        """Whether it was sent this picture last, or will be next, as it wants it.

        :param full: that very object, as :attr:`Frame.full <camd.frame.Frame.full>`.
        """
        frame = self._waiting or self.last
        return (
            frame is not None
            and frame.full is full
            and frame.rendition == self.rendition
        )

    def offer(self, frame: Frame, now: float, sent: int = 0) -> None:
        """Send this frame, or keep it until the one under way is through.

        :param now: when it was published, on the reactor's clock.
        :param sent: bytes of it that have left already, by :meth:`direct_send`.
        """
        if frame is self._last or self.reason is not None:
            return  # It may have got ready between two rounds, and fetched the frame.
        if self._waiting is not None and self._waiting is not frame:
            self._sent.skipped += 1
        self._waiting = None
        if self._outlet.busy:
            self._keep(frame)
        else:
            self._send(frame, now, sent)

    def direct_send(self) -> Send | None:
        """Return what sends to it as long as it keeps up; None while it does not."""
        if self._waiting is not None or self.reason is not None:
            return None
        return self._outlet.direct_send()

    def attach(self, totals: BatchTotals) -> None:
        """Be sent to by the batch that counts here."""
        self._totals = totals
        self.fast_since = self._clock()
        self._sent -= totals.sent

    def detach(self) -> None:
        """Send and count by itself again; no harm if it does already."""
        if self._totals is not None:
            self._take_rate(self._clock())
            self._sent, self._last = self.sent, self.last
            self._sent_at = max(self._sent_at, self._totals.sent_at)
            self._moved_at = max(self._moved_at, self._totals.sent_at)
            self._totals = None

    def repeat(self, now: float) -> bool:
        """Send a heartbeat: the last frame again, the same bytes; not while busy.

        Before its first frame it is sent what there is to begin with, a placeholder.

        :return: whether it was sent.
        """
        if not self._outlet.repeats:
            self._go_on()
            return False
        self.leave_batch()  # It may be busy after this.
        if self._waiting is not None:
            self._go_on()  # Better than to repeat: a frame that found no room before.
            return False
        frame = self._last or self._newest()
        if frame is None or self._outlet.busy:
            return False
        block = frame.block(self._outlet.wire)
        if not self._outlet.send(block):
            return False
        self._sent_at = now
        self._sent.heartbeats += 1
        self._sent.bytes += len(block)
        return True

    def silent_for(self, now: float) -> float:
        """Return the seconds since something was last sent."""
        at = self._sent_at
        return now - (at if self._totals is None else max(at, self._totals.sent_at))

    def poll(self, now: float) -> None:
        """Check whether the client still takes what it is sent; cut it off if not.

        Called from time to time, but not as long as it is fast and is sent something. A
        frame that found no room is tried again.
        """
        self._take_rate(now)
        self._meter.sample(now, self.sent_frames)
        if self._waiting is not None:
            self._go_on()
        if not self._is_held_up and not self._outlet.busy:
            self._moved_at = now
        elif (progress := self._outlet.progress()) != self._progress:
            self._progress, self._moved_at = progress, now
        elif now - self._moved_at >= self._limits.timeout:
            self.abort("stalled")

    def fps(self, now: float) -> float:
        """Return the frames a second it was sent lately, heartbeats not counted."""
        if self._totals is not None and now - self._meter.sampled >= WINDOW:
            return self._totals.rate.per_second(now)
        return self._meter.per_second(now, self.sent_frames)

    def _take_rate(self, now: float) -> None:
        """Go on from the rate of its batch, if it was not polled for long."""
        if self._totals is not None and now - self._meter.sampled >= WINDOW:
            self._meter.restart(now, self.sent_frames, self.fps(now))

    def abort(self, reason: str) -> None:
        """Cut the connection. The request then reports that it is gone."""
        self.leave_batch()
        self.reason = self.reason or reason
        self._waiting = None
        self._outlet.abort()

    def finish_stream(self, reason: str) -> None:
        """End the stream once the part that is under way is through."""
        self.leave_batch()
        self.reason = self.reason or reason
        self._waiting = None
        self._is_finishing = True
        if not self._outlet.busy:
            self._outlet.finish()

    def leave_batch(self) -> None:
        """Be offered the frames one by one from now on; no harm if it is already."""
        if self._totals is not None:
            self._totals.someone_left = True
            self.detach()

    def _go_on(self) -> None:
        """Send what waits, now that the outlet is free or may be tried again."""
        outlet, now = self._outlet, self._clock()
        if self._is_finishing:
            if not outlet.busy:
                outlet.finish()
            return
        if outlet.busy or self.reason is not None:
            return
        frame, self._waiting = self._waiting, None
        if frame is None and self._last is None:
            frame = self._newest()
        if frame is not None:
            self._send(frame, now)

    def _send(self, frame: Frame, now: float, sent: int = 0) -> None:
        """Send a frame, or drop it if it is too old; keep it if there is no room."""
        if now - frame.captured > self.lane.max_age:
            self._sent.skipped += 1
            return
        outlet = self._outlet
        block = frame.block(outlet.wire if sent else outlet.offered_wire)
        self._is_held_up = not self._outlet.send(block, sent)
        if self._is_held_up:
            self._keep(frame)
            return
        self._last, self._sent_at = frame, now
        self._sent.frames += 1
        self._sent.bytes += len(block)

    def _keep(self, frame: Frame) -> None:
        """Let a frame wait for room: it is the newest, and replaces any other."""
        if self._limits.buffer_size > 1:
            self._waiting = frame
        else:
            self._sent.skipped += 1
