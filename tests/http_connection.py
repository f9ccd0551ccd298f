"""Real connections to a real Site, over real sockets, on a reactor moved by hand."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast

from twisted.internet import tcp, unix
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from camd.delivery.outlet import RequestOutlet, SocketOutlet, outlet_for
from camd.delivery.viewer import StreamLimits, Viewer
from camd.formats.multipart import RESPONSE_HEADERS, Form, chunk
from camd.frame import WIRES
from tests.fakes import CLIENT, FakeReactor, arrived, soon, tcp_pair, unix_pair

LARGE = 300_000
"""Bytes of a frame that no small socket takes at once."""

SMALL = 4096
"""Bytes of room in a small socket; the kernel makes a little more of it."""

OPENING = chunk(WIRES[Form.PLAIN, True].opening())
"""What an HTTP/1.1 client is sent ahead of the first block."""

Layer = Callable[[Any], Any]
"""Puts a protocol between the socket and HTTP: from a factory, makes another."""


class ManualReactor(FakeReactor):
    """A reactor that knows what it was asked for and does nothing by itself.

    :ivar asked: how often somebody asked to be told of writability.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: dict[IReadDescriptor, None] = {}
        self.writers: dict[IWriteDescriptor, None] = {}
        self.asked = 0

    def addReader(self, reader: IReadDescriptor) -> None:
        """Note what is to be read."""
        self.readers[reader] = None

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Note that it is not any more."""
        self.readers.pop(reader, None)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        """Note what is to be written."""
        self.writers[writer] = None
        self.asked += 1

    def removeWriter(self, writer: IWriteDescriptor) -> None:
        """Note that it is not any more."""
        self.writers.pop(writer, None)

    def spin(self) -> None:
        """Do what a reactor does in one turn, with what is ready by now."""
        self.turn()
        for reader in list(self.readers):
            if reader in self.readers and select.select([reader], [], [], 0)[0]:
                self._read(reader)
        for writer in list(self.writers):
            if writer in self.writers and select.select([], [writer], [], 0)[1]:
                self._lost(writer, writer.doWrite())

    def _read(self, reader: Any) -> None:
        why = reader.doRead()
        if isinstance(why, ConnectionDone):
            # As every reactor of Twisted: the other direction may still be open.
            self.removeReader(reader)
            reader.readConnectionLost(Failure(why))
        else:
            self._lost(reader, why)

    def _lost(self, connection: Any, why: Any) -> None:
        if why is not None:
            connection.connectionLost(Failure(why))


class OutletResource(Resource):
    """A resource that begins a stream and leaves the rest to the test.

    :ivar readies: how often the outlet said that it is ready.
    :ivar gone: why the connection is gone.
    """

    isLeaf = True
    outlet: SocketOutlet | RequestOutlet

    def __init__(self, form: Form, congestion: str = "") -> None:
        super().__init__()
        self._form = form
        self._congestion = congestion
        self.readies = 0
        self.gone: list[Failure] = []

    def render_GET(self, request: Request) -> bytes | int:
        """Answer a small thing, or begin the stream."""
        if request.path == b"/before":
            return bytes(LARGE)
        for name, value in RESPONSE_HEADERS:
            request.setHeader(name, value)
        request.notifyFinish().addErrback(self.gone.append)
        outlet = outlet_for(request, self._form, self._congestion)
        assert isinstance(outlet, (SocketOutlet, RequestOutlet))
        self.outlet = outlet
        self.begin()
        return NOT_DONE_YET

    def begin(self) -> None:
        """Open the outlet."""
        self.outlet.open(self._ready)

    def _ready(self) -> None:
        self.readies += 1

    def forget(self) -> None:
        """Hold nothing of the stream, as the camera does when it is told of its end."""
        del self.outlet
        self.gone.clear()


class ViewerResource(OutletResource):
    """A resource with a real viewer at its outlet, which was sent nothing yet."""

    def __init__(self, form: Form, clock: FakeReactor, buffer_size: int = 2) -> None:
        super().__init__(form)
        self._clock = clock
        self._size = buffer_size

    def begin(self) -> None:
        """Let the viewer open the outlet."""
        self.viewer = Viewer(
            CLIENT, self.outlet, self._clock.seconds, StreamLimits(self._size, 30)
        )
        self.viewer.open(lambda: None)

    def forget(self) -> None:
        """Hold nothing of the viewer either."""
        super().forget()
        del self.viewer


class HttpConnection:
    """One client's connection to a real Site.

    :ivar server: the server's end of it, which knows what it was asked to send.
    :ivar received: all that the client has read.
    """

    def __init__(
        self,
        pair: tuple[Any, socket.socket],
        factory: Any,
        reactor: ManualReactor,
    ) -> None:
        self.server, self.client = pair
        self.reactor = reactor
        self.received = b""
        protocol = factory.buildProtocol(None)
        self.transport: tcp.Server
        if self.server.family == socket.AF_UNIX:
            self.transport = unix.Server(self.server, protocol, "", None, 0, reactor)
        else:
            peer = self.server.getpeername()
            self.transport = tcp.Server(
                self.server, protocol, peer, cast(Any, None), 0, cast(Any, reactor)
            )
        self.transport.repstr = "<a server by hand>"
        protocol.makeConnection(self.transport)

    def ask(self, path: str = "/", version: str = "1.1") -> None:
        """Send a request, and let the server read it."""
        request = f"GET {path} HTTP/{version}\r\nHost: camd\r\n\r\n"
        self.client.sendall(request.encode())
        soon(lambda: bool(select.select([self.server], [], [], 0)[0]))
        for reader in list(self.reactor.readers):
            reader.doRead()

    def read(self) -> None:
        """Let the client read what has arrived."""
        self.received += arrived(self.client)

    def flow(self) -> None:
        """Let go on what can go on, until the server has nothing more to write."""
        soon(self.still)

    def still(self) -> bool:
        """Let both sides go on; return whether the server has nothing to write."""
        self.reactor.spin()
        self.read()
        return not self.reactor.writers

    def expect(self, body: bytes) -> None:
        """Read until there is as much behind the headers, and compare."""
        soon(lambda: self._has(len(body)))
        assert self.body == body

    def _has(self, count: int) -> bool:
        self.read()
        return len(self.body) >= count

    @property
    def head(self) -> bytes:
        """The response's headers."""
        return self.received.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        """What has come behind the headers."""
        return self.received.partition(b"\r\n\r\n")[2]


class Connector(ExitStack):
    """Makes connections; as a context manager, closes them."""

    def __init__(self, reactor: ManualReactor) -> None:
        super().__init__()
        self._reactor = reactor

    def __call__(
        self,
        resource: OutletResource,
        kind: str = "tcp",
        room: int = 0,
        version: str = "1.1",
        wrap: Layer = lambda site: site,
        ask: bool = True,
    ) -> HttpConnection:
        """Connect a client, and let it ask for the stream.

        :param kind: tcp or unix.
        :param room: bytes that the kernel holds of what the client does not read.
        :param wrap: a layer in between; none by default.
        :param ask: whether to ask at once.
        """
        pair = tcp_pair(room) if kind == "tcp" else unix_pair(room)
        site = Site(resource, reactor=self._reactor)
        connection = HttpConnection(self.enter_context(pair), wrap(site), self._reactor)
        if ask:
            connection.ask(version=version)
        return connection
