"""The live channel's way out: many cameras on one connection, each picture in time.

A viewer of the live channel is a :class:`~camd.delivery.viewer.Viewer` like any other,
with a :class:`LiveOutlet`. That one is busy for as long as :mod:`camd.delivery.pacing`
wants nothing to be sent, and says when something may; the viewer has the newest frame
for that moment. All outlets of one connection share a :class:`LiveConnection`.

Viewers that keep up are sent to by their batch, as streams are, and are asked to
acknowledge each fourth picture only: an acknowledgement costs more than a picture. One
that is late, by its acknowledgements or its socket, makes its connection leave all
batches, and each picture is then paced and asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from twisted.internet.interfaces import IReactorTime

from camd.delivery.outlet import Outlet
from camd.delivery.pacing import GRACE, Pacer
from camd.delivery.tcp import Send
from camd.delivery.turns import Turns
from camd.delivery.viewer import Viewer
from camd.formats import live
from camd.formats.live import PictureKey
from camd.frame import Frame, Wire

ASKS_EACH = 4
"""Which pictures are to be acknowledged by those that keep up: each fourth one."""

IN_TIME = 32
"""Pictures acknowledged in time until a viewer counts as one that keeps up."""

REMEMBERED = 512
"""Pictures of a camera whose time is known when they are acknowledged: 34 s at 15 a
second, and nothing is waited for longer."""

QUIET_MOST = 0.5
"""Seconds without a picture that asks after which no acknowledgement is counted on."""

CONTROLS = 64
"""Small messages that may wait for room; a client that reads none is cut off."""


class Asked(NamedTuple):
    """A picture that viewers are asked to acknowledge.

    :ivar captured: when it was taken.
    :ivar built_at: when it went out.
    :ivar next_by: when the acknowledgement of the next one may be late, at the earliest
        and for whichever viewer. It is one number for all of them.
    """

    captured: float
    built_at: float
    size: int
    next_by: float


class LiveCamera:
    """One camera as the live channel knows it.

    :ivar number: what it is called in pictures.
    """

    def __init__(self, number: int, clock: Callable[[], float]) -> None:
        self.number = number
        self._clock = clock
        self._wires: dict[tuple[int, bool], LiveWire] = {}

    def wire(self, rendition: int, *, asks_all: bool) -> LiveWire:
        """Return how its pictures are laid out in one rendition."""
        key = rendition, asks_all
        if key not in self._wires:
            self._wires[key] = LiveWire(self.number, self._clock, key)
        return self._wires[key]


class LiveWire(Wire):
    """How one camera's pictures are laid out on the live channel, in one rendition.

    :ivar asked: frame number -> its times, of those to be acknowledged.
    :ivar asks_every: seconds between the last two of them, but not more than
        :data:`QUIET_MOST`; 0 before the second.
    """

    __slots__ = ("_asks_all", "_camera", "_clock", "_rendition", "asked", "asks_every")

    def __init__(
        self, camera: int, clock: Callable[[], float], key: tuple[int, bool]
    ) -> None:
        self.asked: dict[int, Asked] = {}
        self.asks_every = 0.0
        self._camera = camera
        self._clock = clock
        self._rendition, self._asks_all = key

    def build(self, frame: Frame) -> bytes:
        """Lay out one frame.

        Where pictures are paced there is a PING ahead of it. Those that keep up answer
        none: each answer costs as much as an acknowledgement.
        """
        asks = self._asks_all or frame.number % ASKS_EACH == 0
        block = live.picture(
            frame.jpeg,
            PictureKey(self._camera, frame.number),
            self._rendition,
            frame.timestamp,
            frame.size,
            asks=asks,
            ahead=self._asks_all,
        )
        if asks:
            self._note(frame, len(block))
        return block

    def _note(self, frame: Frame, size: int) -> None:
        """Note that a picture goes out that is to be acknowledged."""
        now, asked = self._clock(), self.asked
        if asked:
            since = next(reversed(asked.values())).built_at
            self.asks_every = min(now - since, QUIET_MOST)
        asked.pop(frame.number, None)
        if len(asked) >= REMEMBERED:
            del asked[next(iter(asked))]
        next_by = now + self.asks_every + GRACE
        asked[frame.number] = Asked(frame.captured, now, size, next_by)

    def asked_up_to(self, number: int) -> Asked | None:
        """Return the newest that was asked for up to a frame; None where none was."""
        for ahead in range(ASKS_EACH):
            asked = self.asked.get(number - ahead)
            if asked is not None:
                return asked
        return None


class LiveOutlet:
    """The way out to one viewer of one camera, on a connection that others share.

    :ivar name: the camera's.
    :ivar viewer: whose way out it is; None until it is admitted.
    :ivar camera: the camera as this channel knows it.
    :ivar rendition: the number of what is sent, 0 for the full picture.
    :ivar wire: how pictures are laid out for those that keep up.
    :ivar offered_wire: how they are for :meth:`send`: each is to be acknowledged.
    :ivar acked_at: when the last picture acknowledged had gone out.
    :ivar due_at: when the next acknowledgement may be late, while it keeps up.
    :ivar bytes_before: what the viewer had been sent at the last acknowledgement, or
        when its batch began.
    :ivar observe: is told how old each picture acknowledged was.
    :ivar ready: has the viewer send what waits.
    """

    repeats = False

    # As in Viewer: there may be thousands.
    __slots__ = (
        "_connection",
        "acked_at",
        "bytes_before",
        "camera",
        "due_at",
        "name",
        "observe",
        "offered_wire",
        "ready",
        "rendition",
        "viewer",
        "wire",
    )

    def __init__(
        self,
        connection: LiveConnection,
        name: str,
        camera: LiveCamera,
        rendition: int,
        observe: Callable[[float], None],
    ) -> None:
        self.name = name
        self.camera = camera
        self.set_rendition(rendition)
        self.viewer: Viewer | None = None
        self.acked_at = self.due_at = -math.inf
        self.bytes_before = 0
        self.observe = observe
        self.ready: Callable[[], None] = _ignore
        self._connection = connection

    @property
    def busy(self) -> bool:
        """Never: what may be sent is decided picture by picture."""
        return False

    def set_rendition(self, number: int) -> None:
        """Send this rendition from now on; 0 for the full picture."""
        self.rendition = number
        self.wire = self.camera.wire(number, asks_all=False)
        self.offered_wire = self.camera.wire(number, asks_all=True)

    def acked(self, asked: Asked, now: float) -> None:
        """Note that a picture is on the screen."""
        viewer = self.viewer
        if viewer is None:
            return
        self.acked_at, self.due_at = asked.built_at, asked.next_by
        self.bytes_before = viewer.sent_bytes
        viewer.screen_age = age = now - asked.captured
        self.observe(age)

    def oldest_unacked(self) -> Asked | None:
        """Return what its batch has asked for first and was not acknowledged."""
        oldest = None
        if self.viewer is not None and self.viewer.is_fast:
            since = max(self.acked_at, self.viewer.fast_since)
            for asked in reversed(self.wire.asked.values()):
                if asked.built_at <= since:
                    break
                oldest = asked
        return oldest

    def open(self, ready: Callable[[], None]) -> None:
        """Begin; the connection is open already."""
        self.ready = ready

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Send a picture if it is time for one."""
        return self._connection.send(self, block, sent)

    def direct_send(self) -> Send | None:
        """Return the socket's own send while the whole connection keeps up."""
        send = self._connection.direct_send()
        if send is not None and self.viewer is not None:
            self.acked_at = max(self.acked_at, self.viewer.came)
            self.bytes_before = self.viewer.sent_bytes
        return send

    def progress(self) -> int:
        """Return how many acknowledgements have come."""
        return self._connection.acks

    def finish(self) -> None:
        """End the stream of this camera, and what its end ends."""
        self._connection.finished(self)

    def abort(self) -> None:
        """Cut the connection: it is everybody's on it."""
        self._connection.abort()


class LiveConnection:
    """One connection with its outlets: who may send, and when.

    :ivar acks: how many acknowledgements of anything under way have come.
    :ivar pacer: what is known of the link.
    :ivar outlets: by the cameras' numbers.
    :ivar is_open: whether it was opened and not closed since.
    :ivar late: acknowledgements in a row that came late, and not because of the client.

    :param outlet: the way out of the whole connection.
    :param finished: called with an outlet whose viewer's stream is to end.
    :param lag: returns by how many seconds the daemon itself is late, at a moment: what
        has come since then may not have been read yet.
    :param deadlines: has for each open connection when :meth:`check` may find
        something, at the earliest. An acknowledgement in time puts its own off, so
        that connections that keep up are not looked at.
    """

    __slots__ = (
        "_batches",
        "_clock",
        "_controls",
        "_deadlines",
        "_in_time",
        "_lag",
        "_last",
        "_outlet",
        "_sent_at",
        "_turns",
        "acks",
        "finished",
        "is_open",
        "late",
        "outlets",
        "pacer",
    )

    def __init__(
        self,
        outlet: Outlet,
        clock: IReactorTime,
        max_lateness: float,
        finished: Callable[[LiveOutlet], None],
        lag: Callable[[float], float],
        deadlines: dict[LiveConnection, float],
    ) -> None:
        self.acks = self.late = 0
        self.pacer = Pacer(max_lateness)
        self.finished = finished
        self.outlets: dict[int, LiveOutlet] = {}
        self._outlet = outlet
        self._clock = clock
        self._turns: Turns[LiveOutlet] = Turns(clock)
        self._controls: list[bytes] = []
        self._in_time = 0
        self._batches = 0
        self._sent_at = clock.seconds()
        # Camera and rendition -> what was sent of them last.
        self._last: dict[tuple[int, int], live.Content] = {}
        self._lag = lag
        self._deadlines = deadlines
        self.is_open = False

    def open(self) -> None:
        """Take over the connection."""
        self.is_open = True
        self.look_again()
        self._outlet.open(self._go_on)
        # Ahead of all pictures: there is nothing that it could wait for.
        now = self._clock.seconds()
        self.send_control(live.probe(self.pacer.sounded(now)))

    def close(self) -> None:
        """Leave no call behind; the connection is gone."""
        self.is_open = False
        self._deadlines.pop(self, None)
        self._controls.clear()
        self._turns.close()

    def abort(self) -> None:
        """Cut the connection."""
        self._outlet.abort()

    def finish(self) -> None:
        """End the connection once what is under way is through."""
        if self._outlet.busy:
            self.abort()
        else:
            self._outlet.finish()

    def look_again(self) -> None:
        """Have :meth:`check` called at the next look, whatever comes until then."""
        self._set_deadline(-math.inf)

    def _set_deadline(self, at: float) -> None:
        if self.is_open:
            self._deadlines[self] = at

    def add(self, outlet: LiveOutlet, weight: float) -> None:
        """Let one more camera send."""
        self.look_again()
        self.outlets[outlet.camera.number] = outlet
        self._turns.set(outlet, weight)

    def set_weight(self, outlet: LiveOutlet, weight: float) -> None:
        """Change a camera's share of the link."""
        self._turns.set(outlet, weight)

    def remove(self, outlet: LiveOutlet) -> None:
        """Let a camera send no more; no harm if it was removed before."""
        if self.outlets.pop(outlet.camera.number, None) is not None:
            self._note_last(outlet)
            self._turns.remove(outlet)

    def send_control(self, data: bytes) -> None:
        """Send a small message: at once, or between two pictures.

        A client that takes none of many is cut off.
        """
        if not self.is_open:
            return
        self._controls.append(data)
        if len(self._controls) > CONTROLS:
            self.abort()
        else:
            self._go_on()

    def direct_send(self) -> Send | None:
        """Return what sends straight to the socket; None while pictures are paced."""
        if self._in_time < IN_TIME or self._controls or self._turns:
            return None
        return self._outlet.direct_send()

    def send(self, outlet: LiveOutlet, block: bytes, sent: int) -> bool:
        """Send a picture if it may leave now; as :meth:`Outlet.send`."""
        if sent:
            # Its batch has begun with it: the socket is full.
            self._outlet.send(block, sent)
            self.pace()
            return True
        self.look_again()
        now = self._clock.seconds()
        if not self._may_send(outlet, len(block), now):
            self._turns.wait(outlet, len(block))
            return False
        content = live.content_of(block)
        of = content.camera, content.rendition
        if not self._outlet.send(
            live.as_repeat(block) if content == self._last.get(of) else block
        ):
            self._turns.wait(outlet, len(block))
            return False
        self._last[of] = content
        self._turns.sent(outlet)
        self.pacer.sent(live.key_of(block), len(block), now)
        self._sent_at = now
        if self._outlet.busy:
            self.pace()
        return True

    def _may_send(self, outlet: LiveOutlet, size: int, now: float) -> bool:
        if not self.is_open or self._outlet.busy or self._controls:
            return False
        if not self._turns.is_turn_of(outlet):
            self._turns.call_at(now, self._go_on)
            return False
        at = self.pacer.send_at(size, now)
        if at > now:
            self._in_time = 0
            self._sound(now)
            self._turns.call_at(at, self._go_on)
        return at <= now

    def _sound(self, now: float) -> None:
        """Measure the round trip again if it is time."""
        if self.pacer.sound_at(now) <= now:
            self.send_control(live.probe(self.pacer.sounded(now)))

    def _go_on(self) -> None:
        """Send what waits and may be sent: small messages first, then by turns."""
        while self._controls and not self._outlet.busy:
            # In one piece, as each call to the kernel costs the same.
            if not self._outlet.send(b"".join(self._controls)):
                return
            self._controls.clear()
            self._sent_at = self._clock.seconds()
        if self._outlet.busy:
            self.pace()
            return
        while self._turns and not self._outlet.busy:
            now = self._clock.seconds()
            at = self.pacer.send_at(self._turns.largest, now)
            if at > now:
                self._sound(now)
                self._turns.call_at(at, self._go_on)
                return
            if not self._turns.send_next():
                return  # There was no room after all.

    def pong(self, payload: bytes) -> bool:
        """Note an answer to a PING; return whether one was waited for."""
        now = self._clock.seconds()
        key, number = live.answered_key(payload), live.answered_probe(payload)
        waited_for = False
        if number is not None:
            waited_for = self.pacer.probe_answered(number, now)
        elif key is not None:
            waited_for = self.pacer.pong(key, now)
        if waited_for:
            self._go_on()
        return waited_for

    def acked(self, key: PictureKey, drawing: float = 0.0) -> None:
        """Note that a picture is on the screen; nothing if it was never sent.

        :param drawing: seconds that the client says it had it: they are not the link's.
        """
        outlet, now = self.outlets.get(key.camera), self._clock.seconds()
        if self.pacer.unacked and self._acked_while_paced(key, outlet, now, drawing):
            return
        viewer = None if outlet is None else outlet.viewer
        if outlet is not None and viewer is not None and viewer.is_fast:
            self._acked_in_batch(outlet, viewer, key.frame, now)

    def _acked_while_paced(
        self, key: PictureKey, outlet: LiveOutlet | None, now: float, drawing: float
    ) -> bool:
        """Note that a picture has arrived; return whether it was under way."""
        lag = self._lag(now)
        was_late = self.pacer.is_late(now - lag)
        by_link = was_late and self.pacer.is_late(now - lag - drawing)
        if not self.pacer.acked(key, now, lag, drawing):
            return False
        self._in_time = 0 if was_late else self._in_time + 1
        self.late = self.late + 1 if by_link else 0
        self.acks += 1
        if outlet is not None:
            asked = outlet.offered_wire.asked.get(key.frame)
            if asked is not None:
                outlet.acked(asked, now)
        self._go_on()
        return True

    def _acked_in_batch(
        self, outlet: LiveOutlet, viewer: Viewer, frame: int, now: float
    ) -> None:
        """Note that a viewer that keeps up has seen a picture.

        One that has seen it before says by that that what was sent after it does not
        come.
        """
        asked = outlet.wire.asked_up_to(frame)
        if asked is not None and asked.built_at > outlet.acked_at:
            self.acks += 1
            outlet.acked(asked, now)
            # Most come sooner, and nothing of the connection need be asked for them.
            if now - asked.built_at > GRACE:
                within = self.pacer.ack_within(asked.size) + self._lag(now)
                outlet.due_at += within - GRACE
                if now - asked.built_at > within:
                    self.pace()
                    return
            # Of several cameras the next look finds which is due first.
            deadlines = self._deadlines
            if len(self.outlets) == 1 and deadlines.get(self, -math.inf) > -math.inf:
                deadlines[self] = outlet.due_at
        elif viewer.last is not None and viewer.last.number & 0xFFFFFFFF != frame:
            self.pace()

    def check(self, now: float, heartbeat: float) -> None:
        """Look for what has not come.

        :param heartbeat: seconds of silence after which there is a PING; 0 for never.
        """
        seen = now - self._lag(now)
        if self.pacer.unacked:
            if self.pacer.is_late(seen):
                self._in_time = 0
            if self.pacer.probe_at() <= seen:
                self.send_control(live.probe(self.pacer.probed()))
        for outlet in self.outlets.values():
            if seen > outlet.due_at and self._is_overdue(outlet, seen):
                self.pace()
                break
        if heartbeat and now - self._sent_at >= heartbeat:
            self.send_control(live.ping())
        if self._turns and self.is_open:
            self._go_on()
        if not self.pacer.unacked:
            due = [outlet.due_at for outlet in self.outlets.values()]
            silent_at = self._sent_at + (heartbeat or math.inf)
            self._set_deadline(min(silent_at, *due, math.inf))

    def _is_overdue(self, outlet: LiveOutlet, now: float) -> bool:
        """Whether a viewer that keeps up has not acknowledged what it should have."""
        asked = outlet.oldest_unacked()
        return bool(asked and now - asked.built_at > self.pacer.ack_within(asked.size))

    def pace(self) -> None:
        """Pace pictures from now on, and ask when those that have left arrived."""
        self.look_again()
        self._in_time = under_way = 0
        now = since = self._clock.seconds()
        for outlet in self.outlets.values():
            viewer = outlet.viewer
            if viewer is not None and viewer.is_fast:
                if (asked := outlet.oldest_unacked()) is not None:
                    since = min(since, asked.built_at)
                self._note_last(outlet)
                viewer.leave_batch()
                under_way += viewer.sent_bytes - outlet.bytes_before
        if under_way:
            self._batches += 1
            self.pacer.sent(("batch", self._batches), under_way, since)
            self._controls.append(live.probe(self.pacer.probed()))
            self._turns.call_at(now, self._go_on)

    def _note_last(self, outlet: LiveOutlet) -> None:
        """Note what a viewer was sent last, as its batch may have sent it."""
        last = outlet.viewer.last if outlet.viewer is not None else None
        if last is not None:
            of = outlet.camera.number, outlet.rendition
            frame = last.number & 0xFFFFFFFF
            self._last[of] = live.Content(*of, frame, last.timestamp)


def _ignore() -> None:
    """Do nothing: there is no viewer yet."""
