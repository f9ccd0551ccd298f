"""A camera on the other end of HTTP, in memory; the test chooses what it answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure


class CameraConnection(StringTransport):
    """camd's end of a connection to the camera.

    :ivar requests: the requests that came over it, each with all its headers.
    :ivar cut: whether camd hung up.
    :ivar ended: whether the connection is over.
    """

    def __init__(self, web: FakeWeb) -> None:
        super().__init__()
        self.requests: list[str] = []
        self.cut = self.ended = False
        self.protocol: Any = None
        self._web = web

    def write(self, data: bytes) -> None:
        """Take a request, and have it answered in the reactor's next turn."""
        super().write(data)
        if self.value().endswith(b"\r\n\r\n"):
            self.requests.append(self.value().decode("latin-1"))
            self.clear()
            self._web.callLater(0, self._web.asked, self)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Do as :meth:`write`."""
        self.write(b"".join(data))

    def send(self, data: bytes) -> None:
        """Let the camera send something, in pieces."""
        for at in range(0, len(data), self._web.most):
            if not self.cut:
                self.protocol.dataReceived(data[at : at + self._web.most])

    def end(self, reason: Exception | None = None) -> None:
        """Let the camera hang up."""
        self.ended = True
        self.protocol.connectionLost(Failure(reason or ConnectionDone()))

    def abortConnection(self) -> None:
        """Note it, and tell the protocol, as a socket does."""
        if not self.cut:
            self.cut = True
            self._web.callLater(0, self.end, ConnectionAborted())

    def loseConnection(self) -> None:
        """Do the same: nothing is ever left to be sent."""
        self.abortConnection()


class FakeWeb(MemoryReactorClock):
    """A reactor all of whose connections lead to one camera.

    :param answers: what is sent for each request in turn, the last one for ever. An
        empty one is silence; an exception, and the connection ends with it.
    :ivar wires: the connections, in order.
    :ivar hosts: host and port of each try to connect, in order.
    :ivar refuses: what connecting fails with, by host; None where it hangs.
    :ivar most: bytes that come in one piece at the most, as from a socket.
    """

    def __init__(self, *answers: bytes | Exception) -> None:
        super().__init__()
        self.answers = list(answers)
        self.wires: list[CameraConnection] = []
        self.hosts: list[str] = []
        self.refuses: dict[str, Exception | None] = {}
        self.most = 64 * 1024

    @property
    def wire(self) -> CameraConnection:
        """The newest connection."""
        return self.wires[-1]

    @property
    def requests(self) -> list[str]:
        """All requests, whichever connection they came over."""
        return [request for wire in self.wires for request in wire.requests]

    def connectTCP(
        self, host: str, port: int, factory: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Connect at once, unless the host refuses."""
        connector = super().connectTCP(host, port, factory, *args, **kwargs)
        self.hosts.append(f"{host} {port}")
        if host in self.refuses:
            if trouble := self.refuses[host]:
                factory.clientConnectionFailed(connector, Failure(trouble))
            return connector
        wire = CameraConnection(self)
        wire.protocol = factory.buildProtocol(IPv4Address("TCP", host, port))
        self.wires.append(wire)
        wire.protocol.makeConnection(wire)
        return connector

    def asked(self, wire: CameraConnection) -> None:
        """Send the next answer."""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            wire.end(answer)
        elif answer:
            wire.send(answer)


def answer(
    *headers: str, code: int = 200, body: bytes = b"", version: str = "1.1"
) -> bytes:
    """One answer as it goes over the wire."""
    lines = [f"HTTP/{version} {code} It says so", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def picture_answer(jpeg: bytes) -> bytes:
    """An answer that is one picture, after which the connection can be used again."""
    headers = ("Content-Type: image/jpeg", f"Content-Length: {len(jpeg)}")
    return answer(*headers, body=jpeg)


def stream_answer(*parts: bytes) -> bytes:
    """The beginning of a stream whose boundary is ``b``."""
    kind = "Content-Type: multipart/x-mixed-replace; boundary=b"
    return answer(kind, body=b"".join(map(part, parts)))


def part(body: bytes, kind: str = "image/jpeg") -> bytes:
    """One part of that stream."""
    head = f"--b\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n"
