"""One connection of the live channel: what its client says, and what that leads to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, cast

from twisted.internet import tcp
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from twisted.web.http import Request

from camd.cameras.camera import Camera
from camd.delivery.auto import MAX_LATENESS, AutoRendition
from camd.delivery.live import LiveConnection, LiveOutlet
from camd.delivery.outlet import Outlet, RequestOutlet, SocketOutlet
from camd.delivery.pacing import DRAWING
from camd.delivery.viewer import Viewer
from camd.formats import live
from camd.formats.multipart import Form
from camd.formats.rendition import Rendition
from camd.frame import MultipartWire
from camd.periodic import cancel
from camd.rights import Principal
from camd.token_bucket import TokenBucket
from camd.web.live.channel import POLICY, LiveChannel
from camd.web.live.frames import CLOSE, FINAL, PONG, TEXT, end_of, short_payload
from camd.web.live.messages import LONGEST, BadMessage, Wanted, one_ack, read
from camd.web.rendition import saves_data

MOST_MESSAGES = 100
"""Messages a second that a client may send of its own; as many may come in a bunch."""

CLOSING = 2
"""Seconds that a client has to answer a CLOSE."""

SETTLES = 5.0
"""Seconds for which the first estimates of a link decide nothing, as long as a picture
takes no more than :data:`DRAWN_WITHIN`. A page that has just been opened draws slowly,
and what is under way grows with each picture: thirty cameras are there after 3 s."""

DRAWN_WITHIN = 0.25
"""Seconds that a picture may take because of the page alone."""

GOING_AWAY, NOT_TEXT, BAD, TOO_LONG = 1001, 1003, 1007, 1009
"""Close codes (RFC 6455 7.4.1)."""


class Session:
    """One connection, as Twisted's WebSocketProtocol.

    :ivar connection: its pictures and other messages.
    :ivar principal: who has it.
    :ivar visible: the cameras that it may watch.

    :param only: the one camera that it is for; None for all.
    """

    def __init__(
        self,
        channel: LiveChannel,
        request: Request,
        address: str,
        user_agent: str,
        principal: Principal,
        only: Camera | None = None,
    ) -> None:
        self.principal = principal
        # Whether the last report was left out.
        self._left_out = False
        self._channel = channel
        self._request = request
        self._http: Any = request.channel
        self._address = address
        self._user_agent = user_agent
        self._only = only
        self.connection = LiveConnection(
            outlet_after(request),
            channel.clock,
            MAX_LATENESS,
            self._finished,
            channel.lag,
            channel.deadlines,
        )
        self._wanted: Mapping[str, Wanted] = {}
        self._watched: dict[str, tuple[Camera, LiveOutlet, Viewer]] = {}
        self._refused: dict[str, str] = {}
        self._autos: dict[str, AutoRendition] = {}
        self._settled_at = 0.0
        self._saves_data = saves_data(request)
        now = channel.clock.seconds()
        self._messages = TokenBucket(MOST_MESSAGES, MOST_MESSAGES, now)
        # What has come of a frame that is not all there, and how long the message is so
        # far that is not.
        self._rest = b""
        self._begun = 0
        self._closing: IDelayedCall | None = None
        self._wire: Any = None

    @property
    def visible(self) -> Mapping[str, Camera]:
        """The cameras that it may watch, by name."""
        cameras = self._channel.cameras
        if self._only is None:
            return cameras
        name = self._only.settings.name
        return {name: self._only} if cameras.get(name) is self._only else {}

    # ---- What Twisted calls

    def negotiationStarted(self, transport: Any) -> None:
        """Stand between the socket and what reads WebSocket frames."""
        self._wire = transport
        # What it answers by itself must not get into the midst of a picture.
        transport.transport = _Facade(self)
        self._http.dataReceived = self._received
        self._http.has_viewer = True

    def negotiationFinished(self) -> None:
        """Say what there is, and begin."""
        self.connection.open()
        self._channel.join(self)
        self._say(
            live=live.VERSION,
            max_lateness=MAX_LATENESS,
            heartbeat_interval=self._channel.heartbeat,
            ack_ms=True,
            cameras=self._entries(),
        )
        if self._only is not None:
            self._watch({self._only.settings.name: Wanted()})

    def textMessageReceived(self, message: str) -> None:
        """Do what a client asks for."""
        if not self._may_go_on():
            return
        try:
            said = read(message)
        except BadMessage as error:
            self.close(BAD, str(error))
            return
        for key, drawing in said.acks:
            self.connection.acked(key, drawing)
        if said.clock is not None:
            self._say(clock=said.clock, **self._times(said.watch or self._wanted))
        if said.watch is not None:
            self._watch(said.watch)

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        """Refuse it: nothing that clients say is binary."""
        self.close(NOT_TEXT, "not a text message")

    def pongReceived(self, payload: bytes | bytearray) -> None:
        """Note an answer to a PING; others are counted, but cost less than messages."""
        if not self.connection.pong(bytes(payload)):
            # Those that keep up answer PINGs that nobody waits for.
            self._may_go_on(cost=0.2)

    def connectionLost(self, reason: Failure) -> None:
        """Let all go that belongs to the connection."""
        cancel(self._closing)
        self.connection.close()
        self._channel.leave(self)
        lost = None if reason.check(ConnectionDone) else "connection lost"
        for camera, outlet, viewer in list(self._watched.values()):
            self.connection.remove(outlet)
            camera.remove_viewer(viewer, lost)
        self._watched.clear()
        http = self._http
        # Twisted has put its own in place of these, and calls back no more than this.
        http.__dict__.pop("dataReceived", None)
        http.__dict__.pop("connectionLost", None)
        self._request.code = 101
        http.factory.log(self._request)
        http.connectionLost(reason)
        self._wire = None

    # ---- What comes in

    def _received(self, data: bytes) -> None:
        """Take what was read apart, frame by frame, as long as no message is too long.

        Once the connection is being closed, only the client's own CLOSE counts.
        """
        # Nearly all that comes is one acknowledgement in a read of its own.
        is_new = not self._rest and self._closing is None
        if is_new and data and data[0] == TEXT and self._take_ack(data):
            return
        data, at = self._rest + data, 0
        while at < len(data) and self._wire is not None:
            end, size = end_of(data, at)
            if size + self._begun > LONGEST and self._closing is None:
                self.close(TOO_LONG, f"more than {LONGEST} bytes")
            if end > len(data):
                break
            if self._closing is None:
                self._take(data[at:end], size)
            elif data[at] % 16 == CLOSE:
                self.hang_up()
            at = end
        # What is longer is not waited for: the connection is being closed.
        self._rest = data[at : at + 2 * LONGEST]

    def _take(self, frame: bytes, size: int) -> None:
        """Take one whole frame; all but acknowledgements and PONGs is for wsproto."""
        first = frame[0]
        if first == TEXT and self._take_ack(frame):
            return
        if first == PONG and (payload := short_payload(frame)) is not None:
            self.pongReceived(payload)
            return
        self._wire.dataReceived(frame)
        if first % 16 < CLOSE:
            # Pieces without content are counted as well.
            self._begun = 0 if first & FINAL else self._begun + max(size, 1)

    def _take_ack(self, frame: bytes) -> bool:
        """Take what is one frame of text and acknowledges one picture.

        :return: whether it is.
        """
        if self._begun or self._wire is None:
            return False
        payload = short_payload(frame)
        ack = None if payload is None else one_ack(payload)
        if ack is None:
            return False
        if self._may_go_on():
            self.connection.acked(ack.key, ack.drawing)
        return True

    def _may_go_on(self, cost: float = 1) -> bool:
        """Count one message; close the connection when there are too many."""
        if self._closing is not None:
            return False
        if self._messages.take(self._channel.clock.seconds(), cost):
            return True
        self.close(POLICY, "too many messages")
        return False

    def answer(self, data: bytes) -> None:
        """Send what the reader of frames answers by itself."""
        if self._may_go_on():
            self.connection.send_control(data)

    # ---- What goes out

    def hang_up(self) -> None:
        """End the connection; the client has said that it does."""
        self._wire = None
        self.connection.finish()

    def close(self, code: int, reason: str) -> None:
        """Say why, and hang up."""
        if self._closing is not None:
            return
        self.connection.send_control(live.close(code, reason))
        self._closing = self._channel.clock.callLater(CLOSING, self.connection.abort)

    def _say(self, **content: Any) -> None:
        self.connection.send_control(live.text(json.dumps(content)))

    def _times(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the time, and that of cameras whose pictures have another clock's.

        :param names: those that are watched; none for all.
        """
        visible = self.visible
        clocks = {
            name: visible[name].origin_time()
            for name in names or visible
            if name in visible
        }
        times = {name: time for name, time in clocks.items() if time is not None}
        now = {"time": self._channel.wall()}
        return {**now, "times": times} if times else now

    def _entries(self) -> list[dict[str, Any]]:
        return [self._channel.entry(camera) for camera in self.visible.values()]

    def tell_cameras(self) -> None:
        """Tell the whole list again, and watch what has come back."""
        if self._only is not None and not self.visible:
            self.close(GOING_AWAY, "the camera is gone")
            return
        self._say(cameras=self._entries())
        self._watch(self._wanted)

    def tell_camera(self, name: str, message: bytes) -> None:
        """Tell what has changed of one camera; its renditions may have, too."""
        self.connection.send_control(message)
        if name in self._watched:
            self._watch(self._wanted)

    def check(self, now: float, heartbeat: float) -> None:
        """Look for what has not come, and send what fits the link.

        :param heartbeat: seconds of silence after which there is a PING; 0 for never.
        """
        self.connection.check(now, heartbeat)
        if self._follow_link():
            self.connection.look_again()

    def report(self, now: float) -> None:
        """Report rates; called every two seconds.

        Where all keep up, each second report is left out: it costs more than a picture.
        """
        if self._closing is not None:
            return
        if self._refused:
            self._watch(self._wanted)  # There may be room by now.
        keep_up = all(viewer.is_fast for _, _, viewer in self._watched.values())
        self._left_out = keep_up and not self._left_out
        if self._watched and not self._left_out:
            self._say(rates=self._rates(now))

    def _rates(self, now: float) -> dict[str, Any]:
        pacer = self.connection.pacer
        link = None
        if pacer.round_trip is not None and pacer.bandwidth is not None:
            link = {
                "round_trip": round(pacer.round_trip, 4),
                "bytes_per_second": round(pacer.bandwidth),
            }
        cameras = {
            name: {
                "capture_fps": round(camera.stats.rate.per_second(now), 2),
                "active_clients": len(camera.viewers),
                "fps": round(viewer.fps(now), 2),
                "skipped": viewer.sent.skipped,
                "frame_age": _rounded(viewer.screen_age),
            }
            for name, (camera, _, viewer) in self._watched.items()
        }
        return {"link": link, "cameras": cameras}

    # ---- What is watched

    def _watch(self, wanted: Mapping[str, Wanted]) -> None:
        """Show these cameras from now on, and no others."""
        visible, self._wanted = self.visible, wanted
        for name, (camera, _, _) in list(self._watched.items()):
            if name not in wanted or visible.get(name) is not camera:
                self._drop(name)
        self._refused = {}
        unknown = [name for name in wanted if name not in visible]
        for name, what in wanted.items():
            if name in visible:
                self._show(name, visible[name], what)
        told: dict[str, Any] = {name: self._given(name) for name in self._watched}
        told |= {name: {"refused": why} for name, why in self._refused.items()}
        self._say(watch=told)
        if unknown:
            self._say(error=f"no such camera: {', '.join(unknown)[:200]}")

    def _show(self, name: str, camera: Camera, wanted: Wanted) -> None:
        """Show one camera as it is wanted, if there is room."""
        rendition = camera.rendition_for(wanted.width, wanted.quality)
        if wanted.auto:
            rendition = self._auto_rendition(name, camera, rendition)
        else:
            self._autos.pop(name, None)
        number = camera.renditions.index(rendition) + 1 if rendition else 0
        if name in self._watched:
            _, outlet, viewer = self._watched[name]
            self.connection.set_weight(outlet, wanted.weight)
            if outlet.rendition != number or viewer.lane.fps != (
                wanted.fps or float("inf")
            ):
                self.connection.pace()
                outlet.set_rendition(number)
                camera.move(viewer, rendition, wanted.fps)
            return
        refusal = self._channel.refusal(camera, self._address)
        if refusal is None and camera.closed:
            refusal = "the camera is offline"
        if refusal is not None:
            self._refused[name] = refusal
            return
        known = self._channel.known(camera)
        observe = camera.stats.viewer_age.observe
        outlet = LiveOutlet(self.connection, name, known, number, observe)
        self.connection.add(outlet, wanted.weight)
        viewer = camera.add_viewer(
            outlet,
            self._address,
            self._user_agent,
            self.principal,
            rendition,
            wanted.fps,
        )
        outlet.viewer = viewer
        self._watched[name] = camera, outlet, viewer

    def _auto_rendition(
        self, name: str, camera: Camera, largest: Rendition | None
    ) -> Rendition | None:
        """Return what fits the link, not larger than what was asked for."""
        now, settings = self._channel.clock.seconds(), camera.settings
        if not self._autos:
            self._settled_at = now + SETTLES
        if name not in self._autos:
            self._autos[name] = AutoRendition(settings.auto_fps, MAX_LATENESS, now)
        pacer, auto = self.connection.pacer, self._autos[name]
        choices = camera.choices(largest, saves_data=self._saves_data)
        rendition, size = choices[min(auto.number, len(choices) - 1)]
        bandwidth, at_best = pacer.bandwidth, pacer.bandwidth_at_best(now)
        if bandwidth is None or at_best is None or pacer.round_trip is None:
            return rendition
        if name not in self._watched:
            return rendition
        is_drawing = size / bandwidth < DRAWN_WITHIN
        if now < self._settled_at and is_drawing and not auto.number:
            # It begins to judge when that is over.
            self._autos[name] = AutoRendition(settings.auto_fps, MAX_LATENESS, now)
            return rendition
        auto.fps = min(settings.auto_fps, self._wanted[name].fps or settings.stream_fps)
        weights = sum(self._wanted[n].weight for n in self._watched) or 1
        share = self._wanted[name].weight / weights
        if size / bandwidth < DRAWING:
            # It may all be the page's: smaller pictures are not drawn much sooner.
            bandwidth = at_best
        # What gets through in time is no estimate.
        viewer, proven = self._watched[name][2], 0.0
        if viewer.screen_age is not None and viewer.screen_age < MAX_LATENESS / 2:
            proven = viewer.fps(now) * size
        number = auto.choose(
            [size for _, size in choices],
            max(bandwidth * share, proven),
            max(at_best * share, proven),
            pacer.round_trip,
            self.connection.late,
            now,
        )
        return choices[number][0]

    def _follow_link(self) -> bool:
        """Send what fits the link, where that is for camd to choose.

        :return: whether it may soon be something else.
        """
        changed, may_change = {}, False
        for name, auto in list(self._autos.items()):
            if name not in self._watched:
                continue
            camera, outlet, viewer = self._watched[name]
            if viewer.is_fast and not auto.number:
                continue  # Nothing is larger, and nothing new is known of the link.
            before, may_change = outlet.rendition, True
            self._show(name, camera, self._wanted[name])
            if outlet.rendition != before:
                changed[name] = self._given(name)
        if changed:
            self._say(watch=changed)
        return may_change

    def _drop(self, name: str) -> None:
        self._autos.pop(name, None)
        camera, outlet, viewer = self._watched.pop(name)
        self.connection.remove(outlet)
        camera.remove_viewer(viewer)

    def _given(self, name: str) -> dict[str, Any]:
        """Return what is sent of one camera, as the client is told."""
        camera, outlet, _ = self._watched[name]
        size, number = camera.picture_size, outlet.rendition
        if 0 < number <= len(camera.renditions):
            size = camera.renditions[number - 1].size_of(size)
        fps = min(self._wanted[name].fps or 1e9, camera.settings.stream_fps)
        return {
            "rendition": number,
            "width": size.width,
            "height": size.height,
            "fps": fps,
        }

    def _finished(self, outlet: LiveOutlet) -> None:
        """End one camera's stream, and what that means for the connection."""
        camera, _, viewer = self._watched[outlet.name]
        reason = viewer.reason
        if reason == "shutdown" and self.visible.get(outlet.name) is camera:
            self.close(GOING_AWAY, "shutdown")
        elif reason == "its key is gone":
            self.close(POLICY, reason)
        else:
            self._drop(outlet.name)
            self._refused[outlet.name] = reason or "ended"


class _Facade:
    """What the reader of WebSocket frames takes for its transport."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def write(self, data: bytes) -> None:
        """Send an answer, between two pictures."""
        self._session.answer(data)

    def loseConnection(self) -> None:
        """Hang up: the client has said that it does."""
        self._session.hang_up()


class _Upgraded:
    """What an outlet asks of a request, when the connection is HTTP's no more."""

    def __init__(self, request: Request) -> None:
        self.channel: Any = request.channel
        self.transport: Any = request.channel.transport

    def write(self, data: bytes) -> None:
        """Write straight to the transport."""
        self.transport.write(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take the place of the channel, which was the transport's producer."""
        self.transport.unregisterProducer()
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """Give the transport back to the channel, which closes it."""
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.channel, True)

    def finish(self) -> None:
        """Close the connection when all has left."""
        self.channel.loseConnection()


class _Unopened(MultipartWire):
    """A wire on which nothing comes first."""

    def opening(self) -> bytes:
        """Return nothing."""
        return b""


_UNOPENED = _Unopened(Form.PLAIN, False)


def outlet_after(request: Request) -> Outlet:
    """Return the way out of a connection that is upgraded from this request."""
    upgraded = _Upgraded(request)
    stand_in, transport = cast(Request, upgraded), upgraded.transport
    if isinstance(transport, tcp.Connection) and not transport.TLS:
        return SocketOutlet(stand_in, transport, _UNOPENED, "")
    return RequestOutlet(stand_in, _UNOPENED, "")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
