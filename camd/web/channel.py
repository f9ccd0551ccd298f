"""A client's connection until its request is complete: bounded in size and in time.

What comes before the key is checked costs the sender nothing, so all of it has limits:
Twisted's own 16 KiB of request line and headers, and those that stand here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Request

REQUEST_TIME = 30
"""Seconds from connecting, or from the last answer, until a request is complete."""

LONGEST_BODY = 8192
"""Bytes of a request's body; the largest that means anything here has fifty."""

TOO_LARGE = (b"413 Content Too Large", "too long")

BUSY_TIME = 5
"""Seconds that a client too many has to ask, so that it hears why it is sent away."""

RETRY_AFTER = 10
"""Seconds after which who was sent away may well try again."""

_SITE = re.compile(rb"https?://[^/?]*", re.IGNORECASE)
"""What stands ahead of the path in a whole address."""


class Channel(HTTPChannel):
    """
    An HTTP/1.1 connection.

    :param lost: called, with nothing, when the connection is gone.
    """

    maxHeaders = 100

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__()
        self._lost = lost

    def resetTimeout(self) -> None:
        """Win no time by bytes alone: one byte a minute would never make a request."""

    def lineLengthExceeded(self, line: bytes) -> None:
        """Say why, where Twisted hangs up in silence."""
        self.refuse(b"431 Request Header Fields Too Large", "too long")

    def refuse(self, status: bytes, line: str) -> None:
        """Answer with this, hang up, and read no more."""
        self.dataReceived = _ignored  # type: ignore[method-assign]
        self.write(_answer(status, line))
        self.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note that there is room for another connection, and leave no circle."""
        super().connectionLost(reason)
        # Over TLS, the transport keeps its producer, this, and a failure the frame in
        # which it arose. The collector comes by seldom, to what is old hardly ever.
        self.transport.unregisterProducer()  # type: ignore[union-attr]
        reason.cleanFailure()
        self._lost()


def _ignored(data: bytes) -> None:
    """Take what still comes in for somebody who was refused."""


class BoundedRequest(Request):
    """
    A request for a path, whose body is read up to :data:`LONGEST_BODY` bytes.

    What is no path never gets as far as the log: it may hold a password.
    """

    _came = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        """Send a client away that announces more."""
        super().gotLength(length)
        if length is not None and length > LONGEST_BODY:
            self._refuse(*TOO_LARGE)

    def handleContentChunk(self, data: bytes) -> None:
        """Send a client away that sends more, announced or not."""
        self._came += len(data)
        if self._came > LONGEST_BODY:
            self._refuse(*TOO_LARGE)
        else:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Answer, unless it was refused: the rest of it may have come along."""
        target = origin_form(path)
        # Twisted takes any first character for a slash, and answers "*" to everybody.
        if not target.startswith(b"/"):
            self._refuse(b"400 Bad Request", "no such address")
        if not self._refused:
            super().requestReceived(command, target, version)

    def _refuse(self, status: bytes, line: str) -> None:
        channel: Any = self.channel
        if not self._refused:
            self._refused = True
            channel.refuse(status, line)


def origin_form(target: bytes) -> bytes:
    """
    Give the path and query of a whole address, and anything else as it is.

    Clients of a proxy send whole addresses, and every server must take them (RFC 9112
    3.2.2). There is one site here, so that what stands ahead of the path decides
    nothing.
    """
    site = _SITE.match(target)
    if site is None:
        return target
    rest = target[site.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest


class Busy(Protocol, TimeoutMixin):
    """A connection too many: told so when it asks, or closed when it does not."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost

    def connectionMade(self) -> None:
        """Wait for the request: an answer ahead of it would be lost to most clients."""
        self.setTimeout(BUSY_TIME)

    def dataReceived(self, data: bytes) -> None:
        """Answer whatever it is."""
        assert self.transport is not None
        retry = b"Retry-After: %d\r\n" % RETRY_AFTER
        self.transport.write(
            _answer(b"503 Service Unavailable", "too many connections", retry)
        )
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note that there is room for another connection."""
        self.setTimeout(None)
        self._lost()


def _answer(status: bytes, line: str, header: bytes = b"") -> bytes:
    body = line.encode() + b"\n"
    return (
        b"HTTP/1.1 %b\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        b"%bContent-Length: %d\r\n\r\n%b" % (status, header, len(body), body)
    )


class Connections:
    """
    How many connections there are.

    :ivar most: how many there may be.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._open = 0

    def protocol(self, _: IAddress | None = None) -> Protocol:
        """Make the protocol for one more."""
        self._open += 1
        return (Channel if self._open <= self.most else Busy)(self._left)

    def _left(self) -> None:
        self._open -= 1
