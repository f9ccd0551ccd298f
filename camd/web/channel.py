"""A client's connection, bounded in size, in time and in what may wait for it.

One law holds for all of them: a connection lives while it makes progress. A request
has :data:`REQUEST_TIME` to be complete. An answer goes on as long as the client
acknowledges some of it, however slowly; after :data:`STALL_TIME` without a byte the
connection is aborted, whether it was to be closed or not. While 64 KiB of answers wait,
which is where Twisted calls a connection full, no further request is looked at. Streams
are the exception: each viewer has a time-out of its own, and its connection comes back
under the law when the stream is to end.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from zope.interface import implementer

from camd.delivery.outlet import innermost
from camd.delivery.tcp import bytes_acked, bytes_queued, tune
from camd.periodic import Sweep
from camd.web.answers import RESOURCE_POLICY, SECURITY_HEADERS

REQUEST_TIME = 30
"""Seconds from connecting, or from the last answer, until a request is complete.

A body that goes to a resource of its own has them again with each piece.
"""

STALL_TIME = 15
"""Seconds without a byte acknowledged until a connection that owes some is aborted.

Twisted gives a connection that it closes as many.
"""

CHECK_INTERVAL = 1
"""Seconds between two looks at what the connections have acknowledged."""

LINGER = 2
"""Seconds that a client has to read a refusal while it still sends. A connection that
is closed over unread bytes is reset, and the answer may be lost (RFC 9112 9.6)."""

BUSY_TIME = 5
"""Seconds that one connection too many has to ask, and to read why it is closed."""

RETRY_AFTER = 10
"""Seconds after which a client that found no room may well try again."""


@implementer(IHalfCloseableProtocol)
class Channel(HTTPChannel):
    """An HTTP/1.1 connection.

    :ivar request_line: of the request that is being read.
    :ivar takes_body: whether the body that is being read goes to a resource of its own,
        so that each piece of it is progress.
    :ivar has_viewer: whether a stream has the connection, and looks after it.

    :param lost: called with this when the connection is gone.
    :param clock: by which progress is measured.
    """

    maxHeaders = 100
    request_line = b""
    takes_body = False
    has_viewer = False

    def __init__(self, lost: Callable[[Any], None], clock: IReactorTime) -> None:
        super().__init__()
        self._lost = lost
        self._clock = clock
        self._carrier: Any = None
        self._socket: socket.socket | None = None
        self._closing = False
        self._full = False
        self._answering = False
        self._half_closed = False
        # The request behind whose answer the next one has to wait.
        self._answered: Request | None = None
        self._lingers_until: float | None = None
        self._last_progress: object = None
        self._moved_at = 0.0

    def connectionMade(self) -> None:
        """Begin to read, and keep the kernel from holding much unsent."""
        super().connectionMade()
        self._carrier = innermost(self.transport)
        self._socket = _socket_of(self._carrier)
        if self._socket is not None:
            tune(self._socket)
        self._moved_at = self._clock.seconds()

    def lineReceived(self, line: bytes) -> None:
        """Remember which request the headers belong to."""
        known = len(self.requests)
        super().lineReceived(line)
        if len(self.requests) > known:
            self.request_line = line

    def resetTimeout(self) -> None:
        """Extend the deadline for a large body only.

        One byte a minute would never make a request.
        """
        if self.takes_body:
            super().resetTimeout()

    def timeoutConnection(self) -> None:
        """Close the connection, unless an answer is still on its way."""
        if self._owes():
            self.setTimeout(REQUEST_TIME)
        else:
            self.loseConnection()

    def pauseProducing(self) -> None:
        """Note that the answers that wait are enough."""
        self._full = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Go on to the next request, as all answers have left."""
        self._full = False
        super().resumeProducing()
        if self._answered is not None:
            request, self._answered = self._answered, None
            self.requestDone(request)

    def allContentReceived(self) -> None:
        """Answer the request."""
        self._answering = True
        self.takes_body = False
        super().allContentReceived()

    def requestDone(self, request: Request) -> None:
        """Read the next request, now or when the answers that wait have left."""
        if self._full and self.persistent:
            self._answered = request
            return
        self._answering = False
        super().requestDone(request)
        if self._half_closed and not self._answering:
            self.loseConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say why, where Twisted hangs up in silence."""
        self.refuse(b"431 Request Header Fields Too Large", "too long")

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Answer in words what is no request, where Twisted has none."""
        self.refuse(b"400 Bad Request", "this is no request of HTTP")

    def refuse(self, status: bytes, line: str) -> None:
        """Answer with this, hang up, and read no more."""
        self.dataReceived = _ignored  # type: ignore[method-assign]
        self.write(_answer(status, line))
        self.loseConnection()

    def turn_away(self, head: bytes, body: bytes) -> None:
        """Answer ahead of the end of a body, ignore the rest, and hang up in a while.

        :param head: status line and headers, each with its line end.
        """
        self.dataReceived = _ignored  # type: ignore[method-assign]
        self.write(
            b"%bConnection: close\r\nContent-Length: %d\r\n\r\n%b"
            % (head, len(body), body)
        )
        self._lingers_until = self._clock.seconds() + LINGER

    def loseConnection(self) -> None:
        """Close the connection when all is sent, or when it moves no more."""
        if not self._closing:
            self._closing = True
            self.has_viewer = False
            self._moved_at = self._clock.seconds()
        super().loseConnection()

    @property
    def is_looked_after(self) -> bool:
        """Whether a stream has the connection, and TLS cannot end it unnoticed."""
        return self.has_viewer and self._carrier is self.transport

    def check_progress(self, now: float) -> None:
        """Abort a connection that owes the client something and does not move."""
        if self._carrier.disconnecting:
            # TLS has ended, and drops what it is given. Twisted would wait for ever
            # with the rest if it waited for a producer at that moment.
            self._closing, self.has_viewer = True, False
        if self._lingers_until is not None and now >= self._lingers_until:
            self._lingers_until = None
            self.loseConnection()
        if self.has_viewer or not (self._closing or self._owes()):
            self._moved_at = now
        elif (progress := self._progress()) != self._last_progress:
            self._last_progress, self._moved_at = progress, now
        elif now - self._moved_at >= STALL_TIME:
            self.transport.abortConnection()  # type: ignore[union-attr]

    def _owes(self) -> bool:
        return self._full or bool(self._socket and bytes_queued(self._socket))

    def _progress(self) -> object:
        """Return something that changes when the client takes some bytes."""
        if self._socket is None:
            return None
        acked = bytes_acked(self._socket)
        if acked is not None:
            return acked
        # A UNIX socket does not count. What has left it shows in what could follow.
        carrier = self._carrier
        return bytes_queued(self._socket), carrier.offset, len(carrier.dataBuffer)

    def readConnectionLost(self) -> None:
        """Send what a client that has said all still waits for, then close.

        A stream ends at once: most viewers that hang up have gone for good, and their
        place is free for others.
        """
        self._half_closed = True
        if self.has_viewer:
            transport: Any = self.transport
            transport.connectionLost(Failure(ConnectionDone()))
        elif not self._answering:
            self.loseConnection()

    def writeConnectionLost(self) -> None:
        """Do nothing: camd closes both directions at once."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Make room for another connection, and leave no reference cycle."""
        super().connectionLost(reason)
        # Over TLS, the transport keeps its producer, this, and a failure the frame in
        # which it arose. The garbage collector runs seldom, on old objects hardly ever.
        self.transport.unregisterProducer()  # type: ignore[union-attr]
        reason.cleanFailure()
        # What was reading a body knows this, too.
        self._transferDecoder = None
        self._answered = None
        self._lost(self)


def _socket_of(transport: Any) -> socket.socket | None:
    handle = getattr(transport, "getHandle", None)
    found = handle() if handle else None
    return found if isinstance(found, socket.socket) else None


def _ignored(data: bytes) -> None:
    """Take what still comes in from a client that was refused."""


class Busy(Protocol):
    """One connection too many: told so when it asks, and closed when it does not.

    :ivar is_looked_after: False: its time is checked.

    :param lost: called with this when the connection is gone.
    """

    is_looked_after = False

    def __init__(self, lost: Callable[[Any], None], clock: IReactorTime) -> None:
        self._lost = lost
        self._until = clock.seconds() + BUSY_TIME

    def dataReceived(self, data: bytes) -> None:
        """Answer whatever it is; what is sent ahead of it most clients do not see."""
        assert self.transport is not None
        retry = b"Retry-After: %d\r\n" % RETRY_AFTER
        self.transport.write(
            _answer(b"503 Service Unavailable", "too many connections", retry)
        )
        self.transport.loseConnection()

    def check_progress(self, now: float) -> None:
        """Abort the connection when its time is over, whatever it waits for."""
        if now >= self._until:
            self.transport.abortConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Make room for another connection."""
        self._lost(self)


def _answer(status: bytes, line: str, header: bytes = b"") -> bytes:
    body = line.encode() + b"\n"
    for name, value in (*SECURITY_HEADERS, (RESOURCE_POLICY, b"same-origin")):
        header += b"%b: %b\r\n" % (name, value)
    return (
        b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        b"%bContent-Length: %d\r\n\r\n%b" % (status, header, len(body), body)
    )


class Connections:
    """The connections there are.

    :ivar most: how many there may be.
    """

    def __init__(self, most: int, clock: IReactorTime) -> None:
        self.most = most
        self._clock = clock
        self._open: set[Channel | Busy] = set()
        self._checks = Sweep(
            lambda: (each for each in self._open if not each.is_looked_after),
            self._check_progress,
            clock,
        )

    def start(self) -> None:
        """Begin to look after them."""
        self._checks.start(CHECK_INTERVAL)

    def stop(self) -> None:
        """Look after them no more."""
        self._checks.end()

    def protocol(self, _: IAddress | None = None) -> Protocol:
        """Make the protocol for one more."""
        kind = Channel if len(self._open) < self.most else Busy
        connection = kind(self._open.discard, self._clock)
        self._open.add(connection)
        return connection

    def _check_progress(self, connection: Channel | Busy) -> None:
        if connection in self._open:
            connection.check_progress(self._clock.seconds())
