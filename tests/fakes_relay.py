"""Another camd on the other end of a connection, in memory; the test is that camd."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    Event,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)

from camd.formats import live
from camd.formats.jpeg import Size
from camd.formats.live import PictureKey
from camd.formats.rendition import Rendition
from camd.frame import Stamp
from camd.sources import SourceError
from camd.sources.relay.camera import RelayedCamera
from camd.sources.relay.connection import Origins
from tests.fakes_camera import EPOCH, tiny_jpeg

HOST, KEY = "192.0.2.1", "open-sesame-1234567890"
ADDRESS = f"camd+http://{KEY}@{HOST}:8001/robot"


class OriginWire(StringTransport):
    """The other camd's end of one connection.

    :ivar asked: the request for the upgrade; None before it has come.
    :ivar texts: what was said, in order.
    :ivar pongs: the payloads of the answers to PINGs.
    :ivar cut: whether it was hung up on.
    """

    def __init__(self, reactor: FakeOrigin) -> None:
        super().__init__()
        self.asked: Request | None = None
        self.texts: list[dict[str, Any]] = []
        self.pongs: list[bytes] = []
        self.cut = False
        self.protocol: Any = None
        self._reactor = reactor
        self._ws = WSConnection(ConnectionType.SERVER)

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Do nothing."""

    def write(self, data: bytes) -> None:
        """Read what is said."""
        self._ws.receive_data(data)
        for event in self._ws.events():
            if isinstance(event, Request):
                self.asked = event
                self._reactor.callLater(0, self._answer)
            elif isinstance(event, TextMessage):
                self.texts.append(json.loads(event.data))
            elif isinstance(event, Pong):
                self.pongs.append(bytes(event.payload))

    def _answer(self) -> None:
        code = self._reactor.refuses_with
        if code is None:
            self.send(AcceptConnection())
            if self._reactor.greeting is not None:
                self.say(**self._reactor.greeting)
        else:
            self.send(RejectConnection(code, [(b"content-length", b"0")]))

    def send(self, event: Event) -> None:
        """Send one event."""
        self.send_raw(self._ws.send(event))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        if not self.cut:
            self.protocol.dataReceived(data)

    def say(self, **content: Any) -> None:
        """Send a text message."""
        self.send(TextMessage(json.dumps(content)))

    def show(
        self,
        number: int,
        captured: float,
        jpeg: bytes | None = None,
        *,
        camera: int = 1,
        asks: bool = False,
        rendition: int = 0,
    ) -> None:
        """Send a picture; one of number 0 is a placeholder."""
        what = picture(
            number, captured, jpeg, camera=camera, asks=asks, rendition=rendition
        )
        self.send_raw(what)

    def told(self, key: str) -> list[Any]:
        """What was said under one key, in order."""
        return [text[key] for text in self.texts if key in text]

    def answer_clock(self, time: float, **more: Any) -> None:
        """Answer the last question for the time."""
        self.say(clock=self.told("clock")[-1], time=time, **more)

    def abortConnection(self) -> None:
        """Note it, and tell the protocol, as a socket does."""
        if not self.cut:
            self.cut = True
            self._reactor.callLater(
                0, self.protocol.connectionLost, Failure(ConnectionAborted())
            )

    def loseConnection(self) -> None:
        """Do the same."""
        self.abortConnection()

    def hang_up(self) -> None:
        """Let the other camd hang up."""
        self.cut = True
        self.protocol.connectionLost(Failure(ConnectionAborted()))


def picture(
    number: int,
    captured: float,
    jpeg: bytes | None = None,
    *,
    camera: int = 1,
    asks: bool = False,
    rendition: int = 0,
) -> bytes:
    """A picture as it goes over the wire, with its PING."""
    return live.picture(
        tiny_jpeg() if jpeg is None else jpeg,
        PictureKey(camera, number),
        rendition,
        captured,
        Size(32, 24),
        asks=asks,
    )


def entry(name: str = "robot", number: int = 1, **more: Any) -> dict[str, Any]:
    """What a camd says of a camera that is well."""
    usual = {"name": name, "number": number, "state": "live", "why": None, "fps": 15}
    return {**usual, **more}


def greeting(*entries: dict[str, Any]) -> dict[str, Any]:
    """What a camd says first."""
    return {"live": 1, "heartbeat_interval": 5, "cameras": list(entries or [entry()])}


class FakeOrigin(MemoryReactorClock):
    """A reactor all of whose connections lead to one camd.

    :ivar wires: the connections, in order.
    :ivar refuses_with: the status that an upgrade is answered with; None to agree.
    :ivar listens: whether connections are taken.
    :ivar greeting: what is said at once; None for silence.
    """

    def __init__(self, *entries: dict[str, Any]) -> None:
        super().__init__()
        self.wires: list[OriginWire] = []
        self.refuses_with: int | None = None
        self.listens = True
        self.greeting: dict[str, Any] | None = greeting(*entries)

    @property
    def wire(self) -> OriginWire:
        """The newest connection."""
        return self.wires[-1]

    def wall(self) -> float:
        """Return the Unix time of this machine."""
        return EPOCH + self.seconds()

    def connectTCP(
        self, host: str, port: int, factory: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Connect at once, unless nothing listens."""
        connector = super().connectTCP(host, port, factory, *args, **kwargs)
        if not self.listens:
            factory.clientConnectionFailed(connector, Failure(ConnectionRefusedError()))
            return connector
        wire = OriginWire(self)
        wire.protocol = factory.buildProtocol(IPv4Address("TCP", host, port))
        self.wires.append(wire)
        wire.protocol.makeConnection(wire)
        return connector

    def turn(self, seconds: float = 0) -> None:
        """Let the time pass in small steps, and whatever is called from there on."""
        for _ in range(round(seconds * 8)):
            self.advance(1 / 8)
        for _ in range(4):
            self.advance(0)


class RelayReceiver:
    """Keeps what a relayed camera tells.

    :ivar pictures: each with when it was taken, on the reactor's clock, and its stamp.
    :ivar states: what was said of the camera, with the reason.
    :ivar placeholders: what was shown in place of pictures, with its time.
    :ivar errors: its failures, which stop it.
    :ivar sizes: of full pictures, as it was told with each beginning.
    :ivar wants: the renditions that its viewers want.
    :ivar renditions: those of the pictures.
    :ivar heards: how often it was told that the other camd is well.
    """

    def __init__(self, camera: RelayedCamera) -> None:
        self.pictures: list[tuple[bytes, float, Stamp | None]] = []
        self.opened_as: list[str] = []
        self.sizes: list[Size | None] = []
        self.wants: Collection[Rendition | None] = (None,)
        self.renditions: list[Rendition | None] = []
        self.states: list[tuple[str, str | None]] = []
        self.patiences: list[float] = []
        self.placeholders: list[tuple[bytes, float]] = []
        self.errors: list[SourceError] = []
        self.heards = 0
        self._camera = camera

    def opened(
        self, format: str, fps: float | None = None, size: Size | None = None
    ) -> None:
        """Keep it."""
        self.opened_as.append(format)
        self.sizes.append(size)

    def wanted(self) -> Collection[Rendition | None]:
        """Return :attr:`wants`."""
        return self.wants

    def picture(
        self,
        jpeg: bytes,
        captured: float,
        stamp: Stamp | None = None,
        size: Size | None = None,
        rendition: Rendition | None = None,
    ) -> None:
        """Keep it."""
        assert self.opened_as
        self.pictures.append((jpeg, captured, stamp))
        self.renditions.append(rendition)

    def heard(self) -> None:
        """Count it."""
        self.heards += 1

    def patience(self, seconds: float) -> None:
        """Keep it."""
        self.patiences.append(seconds)

    def upstream(self, state: str, why: str | None) -> None:
        """Keep it."""
        self.states.append((state, why))

    def placeholder(self, jpeg: bytes, timestamp: float) -> None:
        """Keep it."""
        self.placeholders.append((jpeg, timestamp))

    def failed(self, error: SourceError) -> None:
        """Keep it, and stop the camera."""
        self.errors.append(error)
        self._camera.stop()

    def fall_back(self, new_source: Any) -> None:
        """Never called."""
        raise AssertionError(new_source)

    @property
    def numbers(self) -> list[int]:
        """The numbers of the pictures."""
        return [stamp.number for _, _, stamp in self.pictures if stamp is not None]


class RelayHarness:
    """Cameras of another camd, started, with the connection that they share.

    :ivar origin: that camd, and the reactor.
    :ivar cameras: by their address.
    :ivar receivers: what each has told; in the same order.
    """

    def __init__(
        self,
        *addresses: str,
        origin: FakeOrigin | None = None,
        verify_tls: bool = True,
        fps: float = 15,
    ) -> None:
        self.origin = origin or FakeOrigin()
        self.origins = Origins(self.origin, self.origin.wall, lambda host, port: [HOST])
        self.cameras = [
            RelayedCamera(address, verify_tls=verify_tls, origins=self.origins)
            for address in addresses or (ADDRESS,)
        ]
        self.receivers = [RelayReceiver(camera) for camera in self.cameras]
        self.start(fps)

    def start(self, fps: float = 15) -> None:
        """Start all, and let the reactor turn."""
        for camera, receiver in zip(self.cameras, self.receivers, strict=True):
            camera.start(receiver, fps)
        self.origin.turn()

    @property
    def camera(self) -> RelayedCamera:
        """The first camera."""
        return self.cameras[0]

    @property
    def receiver(self) -> RelayReceiver:
        """What it has told."""
        return self.receivers[0]

    @property
    def wire(self) -> OriginWire:
        """The newest connection."""
        return self.origin.wire

    @property
    def why(self) -> str:
        """Why the first camera has failed."""
        (error,) = self.receiver.errors
        assert KEY not in str(error)
        _, _, reason = str(error).partition("/robot: ")
        return reason
