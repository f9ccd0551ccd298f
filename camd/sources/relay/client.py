"""A client of the live channel on the reactor: docs/live.md, read with distrust."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any, NoReturn
from typing import Protocol as Interface

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError
from zope.interface import implementer

from camd import __version__
from camd.formats import live
from camd.formats.jpeg import MAX_BYTES
from camd.formats.live import Picture
from camd.sources.low_water import LowWater
from camd.sources.relay.address import Origin
from camd.sources.relay.frames import Frames, TooLarge
from camd.token_bucket import TokenBucket

LONGEST = 1024 * 1024
"""The most characters of one text message: the list of 3,000 cameras."""

PER_SECOND = 1024 * 1024
"""Bytes of text a second that are read. Each message counts as :data:`SMALLEST` at the
least, each picture for :data:`SMALLEST` / 4, and so does each frame that is shorter
than that, PING and PONG as well: then some 800 texts or 4,096 pictures a second, those
of 64 cameras at 60 fps, are the most."""

SMALLEST = 1024
"""See :data:`PER_SECOND`."""

BURST = 4 * PER_SECOND
"""What may come at once: the list of all cameras, and a change of each."""

_MEANINGS = {
    403: "this key may not see pictures there",
    404: "no camd is at this address (404 Not Found)",
    429: "it was asked with too many wrong keys from here",
    502: "it is not there behind its proxy (502 Bad Gateway)",
    503: "it has no room for another viewer, or is not up yet",
    504: "it is not there behind its proxy (504 Gateway Timeout)",
}


class Listener(Interface):
    """Is told what comes over one connection."""

    def opened(self) -> None:
        """Note that the channel is open."""

    def told(self, message: Mapping[str, Any]) -> None:
        """Take one text message, a JSON object."""

    def came(self, pictures: Mapping[int, Picture]) -> None:
        """Take the newest picture of each camera, by its number there."""

    def ended(self, reason: str, *, is_refusal: bool = False) -> None:
        """Note that nothing more comes, and why.

        :param is_refusal: whether only people can change that.
        """


@implementer(IPushProducer)
class LiveClient(Protocol):
    """One connection to the live channel of another camd.

    :ivar heard_at: when the last byte came, on the reactor's clock.

    :param listener: is told what comes; None when nobody is told any more.
    """

    transport: Any
    noisy = False

    def __init__(
        self, origin: Origin, listener: Listener, clock: Callable[[], float]
    ) -> None:
        self.listener: Listener | None = listener
        self.heard_at = clock()
        self._origin = origin
        self._clock = clock
        self._ws = WSConnection(ConnectionType.CLIENT)
        # What follows the answer to the upgrade; None as long as that has not come.
        self._frames: Frames | None = None
        self._answer_end = b""
        self._data = bytearray()
        self._text = StringIO()
        self._allowance = TokenBucket(PER_SECOND, BURST, clock())

    # ---- What Twisted calls

    def connectionMade(self) -> None:
        """Ask for the upgrade."""
        # An acknowledgement must not wait for the one before it (RFC 896).
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._low_water = LowWater(self.transport)
        origin = self._origin
        headers = [(b"User-Agent", f"camd/{__version__}".encode())]
        if origin.key:
            headers.append((b"X-API-Key", origin.key.encode("ascii")))
        request = Request(origin.host, origin.url.target, extra_headers=headers)
        self.transport.write(self._ws.send(request))

    def dataReceived(self, data: bytes) -> None:
        """Take what has come, and hand on the newest picture of each camera."""
        self.heard_at = self._clock()
        pictures: dict[int, Picture] = {}
        try:
            messages, data = self._split(data)
            if data:
                self._ws.receive_data(data)
                for event in self._ws.events():
                    if self.listener is None:
                        return
                    self._take(event, pictures)
            for message in messages:
                self._take_picture(message, pictures)
        except ProtocolError as error:
            shown = ascii(str(error))[1:80].rstrip("'")
            self._end(f"it does not speak as a camd does: {shown}")
        except TooLarge:
            self._end(f"it sends a picture of more than {MAX_BYTES} bytes")
        if pictures and self.listener is not None:
            self.listener.came(pictures)

    def _split(self, data: bytes) -> tuple[list[bytearray], bytes]:
        """Return the pictures that are whole by now, and what is for wsproto."""
        if self._frames is None:
            answer = self._answer_end + data
            _, end, behind = answer.partition(b"\r\n\r\n")
            self._answer_end = answer[-3:]
            if not end:
                return [], data
            self._frames = Frames()
            messages, rest = self._frames.split(behind)
            return messages, data[: len(data) - len(behind)] + rest
        split = self._frames.split(data)
        self._low_water.set(self._frames.missing)
        return split

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Say that it hung up, if nobody has."""
        self._tell_end("it hung up")

    # ---- As a producer of small messages: Twisted says when nobody takes them

    def pauseProducing(self) -> None:
        """Hang up: there are 64 KB that are not taken, and what follows is as small."""
        self._end("it takes nothing")

    def resumeProducing(self) -> None:
        """Do nothing."""

    def stopProducing(self) -> None:
        """Do nothing: the connection is gone."""

    # ---- What others ask

    def say(self, **content: Any) -> None:
        """Send a text message."""
        if self.listener is not None:
            self.transport.write(self._ws.send(TextMessage(json.dumps(content))))

    def hang_up(self) -> None:
        """Cut the connection, and tell nothing more."""
        self.listener = None
        if self.transport is not None:
            self.transport.abortConnection()

    # ---- What comes

    def _take(self, event: Event, pictures: dict[int, Picture]) -> None:
        if not isinstance(event, Message) or len(event.data) < SMALLEST // 4:
            self._spend(SMALLEST / 4)
        match event:
            case BytesMessage(data=data, message_finished=is_finished):
                self._data += data
                if len(self._data) > MAX_BYTES:
                    self._end(f"it sends a picture of more than {MAX_BYTES} bytes")
                elif is_finished:
                    # Some proxy has cut it into several frames.
                    message, self._data = self._data, bytearray()
                    self._take_picture(message, pictures)
            case Ping():
                self.transport.write(self._ws.send(event.response()))
            case TextMessage(data=text, message_finished=is_finished):
                self._text.write(text)
                if self._text.tell() > LONGEST:
                    self._end(f"it sends a text of more than {LONGEST} characters")
                elif is_finished:
                    self._take_text()
            case AcceptConnection():
                if self.listener is not None:
                    self.listener.opened()
            case RejectConnection(status_code=status):
                self._refused(status)
            case CloseConnection(code=code, reason=reason):
                told = f": {ascii(reason[:60])[1:-1]}" if reason else ""
                self._end(f"it ended the connection ({code:d}{told})")

    def _take_picture(self, message: bytearray, pictures: dict[int, Picture]) -> None:
        self._spend(SMALLEST / 4)
        picture = live.read_picture(message)
        if picture is not None:
            before = pictures.get(picture.camera)
            if before is not None:
                # One that is to be acknowledged still is, by the newer one.
                asks = before.flags & live.ACKNOWLEDGE
                picture = picture._replace(flags=picture.flags | asks)
            pictures[picture.camera] = picture

    def _take_text(self) -> None:
        text, self._text = self._text.getvalue(), StringIO()
        self._spend(max(SMALLEST, len(text)))
        try:
            content = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            self._end("it says what is no JSON object")
        elif self.listener is not None:
            self.listener.told(content)

    def _spend(self, cost: float) -> None:
        """Count what was read, and hang up where that is too much."""
        if not self._allowance.take(self._clock(), cost):
            self._end("it sends too many messages")

    def _refused(self, status: int) -> None:
        if status == 401:
            reason = "it refuses this key" if self._origin.key else "it asks for a key"
        elif 300 <= status < 400:
            reason = f"it redirects ({status}); give the address where that leads to"
        else:
            reason = _MEANINGS.get(status, f"no camd is there: it answers {status}")
        self._end(reason, is_refusal=status < 429)

    def _end(self, reason: str, *, is_refusal: bool = False) -> None:
        self._tell_end(reason, is_refusal=is_refusal)
        self.hang_up()

    def _tell_end(self, reason: str, *, is_refusal: bool = False) -> None:
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.ended(reason, is_refusal=is_refusal)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
