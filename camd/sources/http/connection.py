"""The connections below Twisted's HTTP client.

They are cut at once when told so, and read the head of an answer as browsers and FFmpeg
do: cameras write lines there that are no headers, and lengths that are no numbers, at
which Twisted's parser gives up. A body without an end, such as a camera's stream, goes
past that parser.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReadDescriptor,
    IStreamClientEndpoint,
)
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Connection as TcpConnection
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from camd.sources.low_water import LowWater

HEAD = 64 * 1024
"""Bytes of an answer's head until a camera is hung up on. Real ones send hundreds."""

READ = 64 * 1024
"""Bytes that are read at once: most pictures, and as many as Twisted reads."""

Receive = Callable[[bytes], int]
"""Takes bytes of a body; returns how many must come at least before it can go on."""

_HEAD_END = re.compile(rb"\r?\n\r?\n")
# As "HTTP/1.1 200 OK"; some servers write another name, or nothing behind the number.
_STATUS = re.compile(rb"([A-Za-z]+)(/1\.1)?\S*[ \t]+(\d{3})(?!\d)")
# What tells where a body ends; tolerant_head writes it so.
_LENGTH = re.compile(rb"\r\n(?:Content-Length|Transfer-Encoding): ")
# RFC 9110 5.6.2
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def tolerant_head(head: bytes) -> tuple[int, bytes]:
    """Rewrite the head of an answer so that a strict parser reads it.

    Lines that are no headers are left out, and so are a Content-Length that is no
    number, or not the only one, and any Transfer-Encoding but ``chunked``: then the
    body ends with the connection.

    :param head: without the empty line.
    :return: the status and the new head with its empty line; status 0 and the same
        bytes where this is no answer.
    """
    first, *lines = head.splitlines() or [b""]
    status = _STATUS.match(first)
    if status is None:
        return 0, head
    pairs = (line.partition(b":") for line in lines)
    headers = [
        (name.strip(), value.strip())
        for name, colon, value in pairs
        if colon and _TOKEN.fullmatch(name.strip())
    ]
    lengths = {value for name, value in headers if name.lower() == b"content-length"}
    codings = [value for name, value in headers if name.lower() == b"transfer-encoding"]
    is_chunked = any(b"chunked" in coding.lower() for coding in codings)
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in (b"content-length", b"transfer-encoding")
    ]
    if is_chunked:
        kept.append((b"Transfer-Encoding", b"chunked"))
    elif len(lengths) == 1 and (length := lengths.pop()).isdigit():
        kept.append((b"Content-Length", length))
    code = status[3]
    version = b"HTTP/1.1" if status[2] else b"HTTP/1.0"
    told = [b"%b: %b" % header for header in kept]
    return int(code), b"\r\n".join([version + b" " + code + b" .", *told, b"", b""])


class Connection(ProtocolWrapper):
    """Holds the head of each answer back until it is whole, and rewrites it.

    :ivar is_endless: whether the body under way ends with the connection.
    """

    is_endless = False
    _head: bytearray | None = None
    _receive: Receive | None = None
    _reader: _BodyReader | None = None

    def write(self, data: bytes) -> None:
        """Expect a head: this is a request."""
        self._head = bytearray()
        super().write(data)

    def writeSequence(self, data: Sequence[bytes]) -> None:
        """Do as :meth:`write`."""
        self._head = bytearray()
        super().writeSequence(data)

    def dataReceived(self, data: bytes) -> None:
        """Pass on what follows the head, and hang up where there is no end to it."""
        if self._receive is not None:
            self._receive(data)
            return
        head = self._head
        if head is None:
            self.wrappedProtocol.dataReceived(data)
            return
        # An end of four bytes may have begun in those that came before.
        start = max(0, len(head) - 3)
        head += data if head else data.lstrip()
        while self._head is not None and (end := _HEAD_END.search(head, start)):
            start = 0
            code, told = tolerant_head(bytes(head[: end.start()]))
            if code:
                del head[: end.end()]
            # An answer that only announces another one (RFC 9110 15.2).
            if not 100 <= code < 200:
                self._head = None
                self.is_endless = bool(code) and _LENGTH.search(told) is None
                self.wrappedProtocol.dataReceived(told + head if code else bytes(head))
        if self._head is None:
            return
        line, is_line, _ = head.partition(b"\n")
        if is_line and _STATUS.match(line) is None:
            # Twisted's parser says what it is not.
            self._head = None
            self.wrappedProtocol.dataReceived(bytes(head))
        elif len(head) > HEAD:
            self.cut()

    def divert(self, receive: Receive) -> None:
        """Hand a body that is endless to this from now on, past Twisted's parser.

        The parser has no more to say of it but that the connection has ended. Where the
        bytes are those of the socket, as without TLS, they are read from there.
        """
        self._receive = receive
        transport = self.transport
        if isinstance(transport, TcpConnection) and not transport.TLS:
            self._reader = _BodyReader(transport, receive)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let go of what was diverted to: in a reference cycle both would stay."""
        self._let_go()
        super().connectionLost(reason)

    def cut(self) -> None:
        """Hang up, whatever is still under way either way."""
        self.is_endless = False
        self._let_go()
        self.abortConnection()

    def _let_go(self) -> None:
        reader, self._reader, self._receive = self._reader, None, None
        if reader is not None:
            reader.stop()


@implementer(IReadDescriptor)
class _BodyReader:
    """Reads the rest of a body from a connection's socket, in the transport's place.

    Twisted hands on what it has read by three calls, of which each adds some 3 µs to a
    frame of a process that has slept (measured).

    :param transport: is told of the connection's end, as if it had read itself.
    """

    def __init__(self, transport: TcpConnection, receive: Receive) -> None:
        self._transport = transport
        self._receive: Receive | None = receive
        self._socket: socket.socket = transport.getHandle()
        self._low_water = LowWater(transport)
        self._missing = 0
        transport.stopReading()
        transport.reactor.addReader(self)

    def stop(self) -> None:
        """Read no more."""
        self._receive = None
        self._transport.reactor.removeReader(self)

    def fileno(self) -> int:
        """Return the socket's."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Return what Twisted's log may show."""
        return "camera"

    def doRead(self) -> Any:
        """Hand on what has come.

        :return: why nothing more will, as an exception; None as long as something may.
        """
        try:
            data = self._socket.recv(READ)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        receive = self._receive
        if receive is not None:
            missing = receive(data)
            # Mostly nothing is, and nothing is to be set.
            if missing != self._missing:
                self._missing = missing
                self._low_water.set(missing)
        return None

    def connectionLost(self, reason: Failure) -> None:
        """Tell the transport, which closes the socket."""
        self._transport.connectionLost(reason)


if TYPE_CHECKING:
    _Wrapping = WrappingFactory[Connection]
else:
    # It takes no argument in Twisted 24.10.
    _Wrapping = WrappingFactory


class _Connecting(_Wrapping):
    """Makes connections, and keeps a set of those that are open."""

    protocol = Connection
    noisy = False

    def __init__(self, factory: IProtocolFactory, is_open: set[Connection]) -> None:
        super().__init__(factory)
        self._open = is_open

    def doStart(self) -> None:
        """Log nothing: there would be a line for each try."""

    def doStop(self) -> None:
        """Log nothing."""

    def registerProtocol(self, p: Connection) -> None:
        """Note that it is open."""
        self._open.add(p)

    def unregisterProtocol(self, p: Connection) -> None:
        """Note that it is not."""
        self._open.discard(p)


@implementer(IStreamClientEndpoint)
class CameraEndpoint:
    """An endpoint whose connections are each a :class:`Connection`.

    :param endpoint: where they lead to.
    :param is_open: holds each connection for as long as it is open.
    """

    def __init__(
        self, endpoint: IStreamClientEndpoint, is_open: set[Connection]
    ) -> None:
        self._endpoint = endpoint
        self._open = is_open

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Promise the factory's own protocol; fails as the endpoint's own."""
        made = self._endpoint.connect(_Connecting(protocolFactory, self._open))
        return made.addCallback(lambda c: cast(Connection, c).wrappedProtocol)
