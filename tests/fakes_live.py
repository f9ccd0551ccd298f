"""A client of the live channel, in memory: a real handshake and real frames."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

from camd.formats.live import ACKNOWLEDGE, HEADER
from tests.fakes_camera import KEY, FakeDaemon, HttpConnection


class Received(NamedTuple):
    """A picture as it came: what its header says, and the JPEG."""

    flags: int
    rendition: int
    camera: int
    width: int
    height: int
    frame: int
    captured: float
    jpeg: bytes


class FakeLiveClient:
    """Connected to a daemon's site.

    :ivar events: all that has come, in order.
    :ivar answers: whether PINGs are answered at once.
    """

    def __init__(
        self,
        daemon: FakeDaemon,
        target: str = "/api/live",
        *headers: tuple[str, str],
        key: str | None = KEY,
    ) -> None:
        self.daemon = daemon
        self.events: list[Event] = []
        self.answers = True
        self.line: HttpConnection = daemon.connect()
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._read = self._seen = self._drawn = 0
        extra = [] if key is None else [(b"X-API-Key", key.encode())]
        extra += [(name.encode(), value.encode()) for name, value in headers]
        self.send_raw(self._ws.send(Request("camd", target, extra_headers=extra)))
        self.read()

    def send_raw(self, data: bytes) -> None:
        """Send bytes, as they are."""
        self.line.channel.dataReceived(data)

    def send(self, event: Event) -> None:
        """Send one event."""
        self.send_raw(self._ws.send(event))

    def say(self, **content: Any) -> None:
        """Send a text message."""
        self.send(TextMessage(json.dumps(content)))
        self.read()

    def ack(self, *pictures: Received, had: float | None = None) -> None:
        """Acknowledge pictures.

        :param had: seconds that the client says it had each; None for no word of it.
        """
        said = [] if had is None else [1000 * had]
        self.say(ack=[[picture.camera, picture.frame, *said] for picture in pictures])

    def read(self) -> None:
        """Take what has come; answer PINGs."""
        data = self.line.transport.value()[self._read :]
        self._read += len(data)
        self._ws.receive_data(data)
        for event in self._ws.events():
            self.events.append(event)
            if isinstance(event, Ping) and self.answers:
                self.send(event.response())

    def advance(self, seconds: float, *, acks: bool = False) -> None:
        """Let time pass in small steps, and acknowledge what asks for it."""
        for _ in range(round(seconds * 32)):
            self.daemon.environment.clock.advance(1 / 32)
            self.read()
            if acks:
                self.ack_fresh()

    def ack_fresh(self) -> None:
        """Acknowledge what asks for it and was not acknowledged yet."""
        fresh, self._seen = self.pictures[self._seen :], len(self.pictures)
        asked = [picture for picture in fresh if picture.flags & ACKNOWLEDGE]
        if asked:
            self.ack(*asked)

    def draw(
        self,
        seconds: float,
        each: float,
        tells: Callable[[float], float] | None = None,
    ) -> set[int]:
        """Draw one picture after the other, and acknowledge each.

        :param each: seconds that each takes, on its way and at the page.
        :param tells: what the page says for how long it had one; None for no word.
        :return: the renditions of what was drawn.
        """
        before, steps = self._drawn, math.ceil(each / 0.0125)
        begun = 0  # Steps since the next picture began to be drawn.
        clock, came = self.daemon.environment.clock, [0.0] * self._drawn
        for _ in range(round(seconds / each) * steps):
            clock.advance(each / steps)
            self.read()
            came += [clock.seconds()] * (len(self.pictures) - len(came))
            begun = begun + 1 if self._drawn < len(self.pictures) else 0
            if begun == steps:
                had = clock.seconds() - came[self._drawn]
                said = None if tells is None else tells(had)
                self.ack(self.pictures[self._drawn], had=said)
                self._drawn, begun = self._drawn + 1, 0
        return {picture.rendition for picture in self.pictures[before : self._drawn]}

    @property
    def is_open(self) -> bool:
        """Whether it was let in."""
        return any(isinstance(event, AcceptConnection) for event in self.events)

    @property
    def refused_with(self) -> int | None:
        """The status that it was refused with; None if it was not."""
        codes = [e.status_code for e in self.events if isinstance(e, RejectConnection)]
        return codes[0] if codes else None

    @property
    def texts(self) -> list[dict[str, Any]]:
        """The text messages."""
        return [json.loads(e.data) for e in self.events if isinstance(e, TextMessage)]

    def told(self, key: str) -> list[Any]:
        """What was said under one key, in order."""
        return [text[key] for text in self.texts if key in text]

    @property
    def pictures(self) -> list[Received]:
        """The pictures."""
        found, data = [], b""
        for event in self.events:
            if isinstance(event, BytesMessage):
                data += event.data
                if event.message_finished:
                    head = HEADER.unpack_from(data)
                    _, length, flags, rendition, camera, width, height, _, frame, at = (
                        head
                    )
                    found.append(
                        Received(
                            flags,
                            rendition,
                            camera,
                            width,
                            height,
                            frame,
                            at,
                            data[length:],
                        )
                    )
                    data = b""
        return found

    @property
    def closed(self) -> tuple[int, str | None] | None:
        """The close code and the reason; None while it is open."""
        for event in self.events:
            if isinstance(event, CloseConnection):
                return event.code, event.reason
        return None

    def lose(self) -> None:
        """Hang up without a word."""
        self.line.channel.connectionLost(Failure(ConnectionDone()))
