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

from camd.delivery.tcp import Send, bytes_acked, tune, window
from camd.formats.multipart import Form
from camd.frame import WIRES, Wire

DOUBTS = 32
"""Frames for which a viewer that was slow is looked at more closely: two seconds."""


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

    def send(self, block: bytes, taken: int = 0) -> bool:
        """
        Send a block, or as much of it as goes; only while not :attr:`busy`.

        :param taken: bytes of it that have gone the :meth:`short_way` already.
        :return: False if nothing of it has left, so that a newer frame can still be
            sent in its place: when the outlet is ready, or tried again later on.
        """

    def short_way(self) -> Send | None:
        """Give what hands blocks straight to the kernel; None for :meth:`send`."""

    def taken(self) -> int:
        """Give a number that grows whenever the viewer takes some bytes."""

    def finish(self) -> None:
        """End the response and then the connection; only while not :attr:`busy`."""

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

    # One of many thousands: slots keep it small, and in few lines of the processor's
    # cache.
    __slots__ = (
        "_congestion",
        "_doubts",
        "_moved",
        "_ready",
        "_request",
        "_rest",
        "_send",
        "_socket",
        "_taken_over",
        "_transport",
        "_widest",
        "busy",
        "wire",
    )

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
        self._moved = self._doubts = self._widest = 0
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

    def send(self, block: bytes, taken: int = 0) -> bool:
        """Hand the block to the kernel; what it does not take waits as a view."""
        if not taken:
            if self._doubts and not self._has_room(block):
                return False
            try:
                taken = self._send(block)
            except OSError as error:
                taken = self._refused(error)
        return taken == len(block) or self._in_part(block, taken)

    def short_way(self) -> Send | None:
        """Give the socket's own send while it took all, and nothing speaks against."""
        return None if self.busy or self._doubts else self._send

    def _has_room(self, block: bytes) -> bool:
        """
        Tell whether a viewer that was slow lately has room for a frame now.

        What the kernel takes is gone, and old when it gets there. So a frame is begun
        only when the last one has left, and when the viewer's computer has read of it.
        """
        room = window(self._socket)
        if room is None:
            return True
        self._widest = max(self._widest, room)
        # Half, for a window that is smaller than a frame even at its widest.
        fits = room >= min(len(block), self._widest // 2)
        self._doubts = self._doubts - 1 if fits and room else DOUBTS
        return fits and room > 0

    def _in_part(self, block: bytes, taken: int) -> bool:
        # A second try costs less than waiting: the kernel takes no more than 64 KB at
        # once even where there is room, as on the loopback.
        rest = self._go_on(memoryview(block)[taken:]) if taken else None
        if rest is not None and not rest:
            return True
        self._rest = rest
        self._doubts = DOUBTS
        self.busy = True
        self._transport.startWriting()
        return taken > 0

    def _refused(self, error: OSError) -> int:
        """Give the bytes that left, none; cut the connection if it is broken."""
        # Short of buffers is no end: it passes, and Twisted waits for it too.
        if error.errno not in (errno.EAGAIN, errno.EINTR, errno.ENOBUFS):
            # The peer is gone; Twisted tells everybody in the reactor's next turn.
            self._transport.abortConnection()
        return 0

    def _go_on(self, rest: memoryview) -> memoryview:
        try:
            taken = self._send(rest)
        except OSError as error:
            taken = self._refused(error)
        self._moved += taken
        return rest[taken:]

    def resumeProducing(self) -> None:
        """Go on, as the socket can be written to (or the opening has left)."""
        if not self._taken_over:
            return  # registerProducer asks at once; the opening has yet to leave.
        if self._rest is not None:
            self._rest = self._go_on(self._rest)
            if self._rest:
                self._transport.startWriting()
                return
            self._rest = None
        # Room in a socket that was full is progress, though nothing was left to send.
        self._moved += 1
        self.busy = False
        self._ready()

    def stopProducing(self) -> None:
        """Let go of the viewer; the request tells it that the connection is gone."""
        # In a circle both would stay until the collector comes by, and that is seldom.
        self._ready = _nobody

    def taken(self) -> int:
        """Give the bytes that the peer acknowledged, or a count of what went on."""
        acknowledged = bytes_acked(self._socket)
        return self._moved if acknowledged is None else acknowledged

    def finish(self) -> None:
        """Give the transport back, for the end of the response and the connection."""
        self.busy = True
        self._transport.unregisterProducer()
        self.stopProducing()
        _finish(self._request)

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

    def send(self, block: bytes, taken: int = 0) -> bool:
        """Write the block; Twisted says if it has to wait. Nothing of it is taken."""
        self._request.write(block)
        return True

    def short_way(self) -> Send | None:
        """There is none: Twisted's own buffers stand between."""
        return None

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
        """Let go of viewer and request; that one tells that the connection is gone."""
        self._ready = _nobody
        if self._request.channel is not None:
            self._request.unregisterProducer()

    def taken(self) -> int:
        """Give the bytes that the peer acknowledged, or how often all had left."""
        acknowledged = bytes_acked(self._socket) if self._socket else None
        return self._drained if acknowledged is None else acknowledged

    def finish(self) -> None:
        """End the response and the connection."""
        self.busy = True
        self.stopProducing()
        _finish(self._request)

    def abort(self) -> None:
        """Cut the connection, whatever is still in a buffer."""
        self._transport.abortConnection()


def _finish(request: Request) -> None:
    # A client that has more to ask does so on another connection.
    request.channel.persistent = False
    request.finish()


def _innermost(transport: Any) -> Any:
    """Go down through TLS and other wrappers to the transport with the buffer."""
    while (inner := getattr(transport, "transport", None)) is not None:
        transport = inner
    return transport


def _nobody() -> None:
    """Stands where a viewer was told that its outlet is ready."""
