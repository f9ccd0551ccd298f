"""How bytes leave: straight into the socket where the transport allows it.

Going through Twisted's own write buffer costs as much again as the kernel's work
(34 against 15 µs of CPU for a part of 40 KB, measured). So, where the connection is a
plain TCP or UNIX socket, camd takes it over once the response's headers are out:
:class:`SocketOutlet` calls ``send`` with the shared block itself, and asks the reactor
for writability only when the kernel did not take all of it. Everything else, TLS above
all, goes through ``Request.write``: :class:`RequestOutlet`. Nobody else knows which.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.internet.tcp import Connection
from twisted.web.http import Request
from zope.interface import implementer

from camd.frame import WIRES, Wire
from camd.multipart import Form
from camd.tcp import bytes_acked, tune


class Outlet(Protocol):
    """
    The way out to one viewer.

    :ivar wire: how blocks for this outlet are to be laid out.
    :ivar busy: whether something is still under way, so that nothing may be sent.
    """

    wire: Wire
    busy: bool

    def open(self, ready: Callable[[], None]) -> None:
        """
        Send the response's headers and the opening.

        :param ready: called, with nothing, each time the outlet is no longer busy.
        """

    def send(self, block: bytes) -> None:
        """Send a block, or as much of it as goes; only while not :attr:`busy`."""

    def taken(self) -> int:
        """Give a number that grows whenever the viewer takes some bytes."""

    def abort(self) -> None:
        """Cut the connection, whatever is still under way."""


def outlet_for(request: Request, form: Form, congestion: str = "") -> Outlet:
    """
    Choose the cheapest way out that this request's connection allows.

    :param congestion: the kernel's congestion control to use; empty for its own choice.
    """
    transport = request.transport
    chunked = request.clientproto == b"HTTP/1.1"
    if isinstance(transport, Connection) and not transport.TLS:
        return SocketOutlet(request, transport, WIRES[form, chunked], congestion)
    return RequestOutlet(request, WIRES[form, False], congestion)


@implementer(IPullProducer)
class SocketOutlet:
    """
    A plain socket, written to directly.

    It registers with the transport as its pull producer. That is how Twisted tells,
    in its public interface, that the socket can be written to and that nothing of the
    transport's own is waiting: ``startWriting`` asks for it, ``resumeProducing`` is
    the answer.
    """

    def __init__(
        self, request: Request, transport: Connection, wire: Wire, congestion: str
    ) -> None:
        self.wire = wire
        self.busy = True
        self._request = request
        self._transport = transport
        self._socket: socket.socket = transport.getHandle()
        self._send = self._socket.send
        self._congestion = congestion
        self._rest: memoryview | None = None
        self._handed_over = 0
        self._taken_over = False

    def open(self, ready: Callable[[], None]) -> None:
        """Send what comes first through Twisted; what follows goes the short way."""
        self._ready = ready
        tune(self._socket, self._congestion)
        self._request.write(self.wire.opening())
        # The channel has been the transport's producer until now. A stream is the
        # last response of its connection, so the channel need not come back.
        self._transport.unregisterProducer()
        self._transport.registerProducer(self, False)
        self._taken_over = True

    def send(self, block: bytes) -> None:
        """Hand the block to the kernel; what it does not take waits as a view."""
        taken = self._offer(block)
        if taken != len(block):
            self._rest = memoryview(block)[taken:]
            self.busy = True
            self._transport.startWriting()

    def _offer(self, data: bytes | memoryview) -> int:
        try:
            taken = self._send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            # The peer is gone; Twisted tells everybody in the reactor's next turn.
            # Short of buffers is no end: it passes, and Twisted waits for it too.
            if error.errno != errno.ENOBUFS:
                self._transport.abortConnection()
            return 0
        self._handed_over += taken
        return taken

    def resumeProducing(self) -> None:
        """Go on, as the socket can be written to (or the opening has left)."""
        if not self._taken_over:
            return  # registerProducer asks at once; the opening has yet to leave.
        if self._rest is not None:
            self._rest = self._rest[self._offer(self._rest) :]
            if self._rest:
                self._transport.startWriting()
                return
            self._rest = None
        self.busy = False
        self._ready()

    def stopProducing(self) -> None:
        """Do nothing: the request tells the viewer that the connection is gone."""

    def taken(self) -> int:
        """Give the bytes that the peer acknowledged, or that the kernel took."""
        acknowledged = bytes_acked(self._socket)
        return self._handed_over if acknowledged is None else acknowledged

    def abort(self) -> None:
        """Cut the connection; the kernel throws away what it still holds."""
        self._transport.abortConnection()


@implementer(IPushProducer)
class RequestOutlet:
    """Any other transport, through ``Request.write``, which adds chunk framing."""

    def __init__(self, request: Request, wire: Wire, congestion: str) -> None:
        self.wire = wire
        self.busy = True
        self._request = request
        self._transport: Any = request.transport
        self._congestion = congestion
        self._drained = 0

    def open(self, ready: Callable[[], None]) -> None:
        """Send what comes first and become the request's producer."""
        self._ready = ready
        self.busy = False
        innermost = _innermost(self._transport)
        # Twisted pauses a producer above this many bytes, and resumes it when all have
        # left: with 0, one block under way at a time, as on a plain socket.
        innermost.bufferSize = 0
        handle = getattr(innermost, "getHandle", None)
        self._socket: socket.socket | None = handle() if handle else None
        if self._socket is not None:
            tune(self._socket, self._congestion)
        self._request.registerProducer(self, True)
        self._request.write(self.wire.opening())

    def send(self, block: bytes) -> None:
        """Write the block; Twisted says if it has to wait."""
        self._request.write(block)

    def pauseProducing(self) -> None:
        """Note that something is under way. Twisted may say so many times."""
        self.busy = True

    def resumeProducing(self) -> None:
        """Go on: all that was written has left."""
        if self.busy:
            self.busy = False
            self._drained += 1
            self._ready()

    def stopProducing(self) -> None:
        """Do nothing: the request tells the viewer that the connection is gone."""

    def taken(self) -> int:
        """Give the bytes that the peer acknowledged, or how often all had left."""
        acknowledged = bytes_acked(self._socket) if self._socket else None
        return self._drained if acknowledged is None else acknowledged

    def abort(self) -> None:
        """Cut the connection, whatever is still in a buffer."""
        self._transport.abortConnection()


def _innermost(transport: Any) -> Any:
    """Go down through TLS and other wrappers to the transport with the buffer."""
    while (inner := getattr(transport, "transport", None)) is not None:
        transport = inner
    return transport
