"""How bytes leave: straight into the socket where the transport allows it.

Going through Twisted's own write buffer costs as much again as the kernel's work
(34 against 15 µs of CPU for a part of 40 KB, measured). So, where the connection is a
plain TCP or UNIX socket, camd takes it over once the response's headers are out:
:class:`SocketOutlet` calls ``send`` with the shared block itself, and asks the reactor
for writability only when the kernel did not take all of it. Everything else, TLS above
all, goes through ``Request.write``: :class:`RequestOutlet`. Nothing else in camd knows
which of the two a viewer has.
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
from camd.frame import WIRES, MultipartWire, Wire

DOUBTS = 32
"""Frames for which a viewer that was slow is looked at more closely: two seconds."""

BACKLOG = 1024
"""Bytes in Twisted's write buffer above which :class:`RequestOutlet` is busy.

Less than any picture, so that one block is under way at a time. Twisted also reads at
most as many bytes at once, and takes a read of 0 for the end of the connection.
"""


class Outlet(Protocol):
    """The way out to one viewer.

    :ivar busy: whether something is still under way, so that nothing may be sent.
    :ivar repeats: whether the heartbeat is the last frame again.
    """

    @property
    def busy(self) -> bool:
        """See above."""

    @property
    def repeats(self) -> bool:
        """See above."""

    @property
    def wire(self) -> Wire:
        """How blocks for :meth:`direct_send` are laid out."""

    @property
    def offered_wire(self) -> Wire:
        """How they are laid out for :meth:`send`; mostly the same."""

    def open(self, ready: Callable[[], None]) -> None:
        """Send the response's headers and the opening.

        :param ready: called, with nothing, each time the outlet is no longer busy.
        """

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Send a block, or as much of it as goes; only while not :attr:`busy`.

        :param sent: bytes of it that have left already, by :meth:`direct_send`.
        :return: False if nothing of it has left, so that a newer frame can still be
            sent in its place: when the outlet is ready, or when it is tried again.
        """

    def direct_send(self) -> Send | None:
        """Return what hands blocks straight to the kernel; None for :meth:`send`."""

    def progress(self) -> int:
        """Return a number that grows whenever the viewer takes some bytes."""

    def finish(self) -> None:
        """End the response and then the connection; only while not :attr:`busy`."""

    def abort(self) -> None:
        """Cut the connection, whatever is still under way."""


def outlet_for(request: Request, form: Form, congestion: str = "") -> Outlet:
    """Choose the cheapest way out that this request's connection allows.

    :param congestion: the kernel's congestion control to use; empty for its own choice.
    """
    transport = request.transport
    chunked = request.clientproto == b"HTTP/1.1"
    if isinstance(transport, Connection) and not transport.TLS:
        return SocketOutlet(request, transport, WIRES[form, chunked], congestion)
    return RequestOutlet(request, WIRES[form, False], congestion)


@implementer(IPullProducer)
class SocketOutlet:
    """A plain socket, written to directly.

    It registers with the transport as its pull producer. That is how Twisted says, in
    its public interface, that the socket can be written to and that nothing of the
    transport's own is waiting: ``startWriting`` asks, ``resumeProducing`` answers.
    """

    repeats = True

    # As in Viewer: there may be thousands.
    __slots__ = (
        "_congestion",
        "_doubts",
        "_moved",
        "_owns_socket",
        "_ready",
        "_request",
        "_rest",
        "_send",
        "_socket",
        "_transport",
        "_widest",
        "busy",
        "wire",
    )

    def __init__(
        self,
        request: Request,
        transport: Connection,
        wire: MultipartWire,
        congestion: str,
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
        self._owns_socket = False

    @property
    def offered_wire(self) -> Wire:
        """The same: a stream has one wire."""
        return self.wire

    def open(self, ready: Callable[[], None]) -> None:
        """Send headers and opening through Twisted, and take over the socket."""
        self._ready = ready
        tune(self._socket, self._congestion)
        self._request.write(self.wire.opening())
        # The channel has been the transport's producer until now. A stream is the
        # last response of its connection, so the channel need not come back.
        self._transport.unregisterProducer()
        self._transport.registerProducer(self, False)
        self._owns_socket = True

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Hand the block to the kernel; what it does not take waits as a view."""
        if not sent:
            if self._doubts and not self._has_room(block):
                return False
            sent = self._send_some(block)
        return sent == len(block) or self._wait_behind(block, sent)

    def direct_send(self) -> Send | None:
        """Return the socket's own send, unless the viewer was slow lately."""
        return None if self.busy or self._doubts else self._send

    def _has_room(self, block: bytes) -> bool:
        """Return whether a viewer that was slow lately has room for a frame now.

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

    def _wait_behind(self, block: bytes, sent: int) -> bool:
        """Keep the rest of a block until there is room; False if nothing of it left."""
        rest = memoryview(block)[sent:]
        if sent:
            # A second try costs less than waiting: the kernel takes no more than 64 KB
            # at once even where there is room, as on the loopback.
            rest = rest[self._send_some(rest) :]
            if not rest:
                return True
        # Of a block that was not begun nothing is kept: a newer one may take its place.
        self._rest = rest if sent else None
        self._doubts = DOUBTS
        self.busy = True
        self._transport.startWriting()
        return sent > 0

    def _send_some(self, data: bytes | memoryview) -> int:
        """Return the bytes that the kernel took; cut the connection if it is broken."""
        try:
            return self._send(data)
        except OSError as error:
            # Short of buffers is no end: it passes, and Twisted waits for it too.
            if error.errno not in (errno.EAGAIN, errno.EINTR, errno.ENOBUFS):
                # The peer is gone; Twisted tells everybody in the reactor's next turn.
                self._transport.abortConnection()
            return 0

    def resumeProducing(self) -> None:
        """Go on, as the socket can be written to (or the opening has left)."""
        if not self._owns_socket:
            return  # registerProducer asks at once; the opening has yet to leave.
        if self._rest is not None:
            sent = self._send_some(self._rest)
            self._moved += sent
            self._rest = self._rest[sent:]
            if self._rest:
                self._transport.startWriting()
                return
            self._rest = None
        # Room in a socket that was full is progress, though nothing was left to send.
        self._moved += 1
        self.busy = False
        self._ready()

    def stopProducing(self) -> None:
        """Let go of the viewer; the request reports that the connection is gone."""
        # In a reference cycle both would stay until the garbage collector runs.
        self._ready = _ignore

    def progress(self) -> int:
        """Return the bytes that the peer acknowledged, or a count of what has left."""
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

    repeats = True

    def __init__(self, request: Request, wire: MultipartWire, congestion: str) -> None:
        self.wire = wire
        self.busy = True
        self._request = request
        self._transport: Any = request.transport
        self._congestion = congestion
        self._drained = 0

    @property
    def offered_wire(self) -> Wire:
        """The same: a stream has one wire."""
        return self.wire

    def open(self, ready: Callable[[], None]) -> None:
        """Send what comes first and become the request's producer."""
        self._ready = ready
        self.busy = False
        carrier = innermost(self._transport)
        carrier.bufferSize = BACKLOG
        handle = getattr(carrier, "getHandle", None)
        self._socket: socket.socket | None = handle() if handle else None
        if self._socket is not None:
            tune(self._socket, self._congestion)
        self._request.registerProducer(self, True)
        self._request.write(self.wire.opening())

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Write the block; Twisted says whether it has to wait."""
        self._request.write(block)
        return True

    def direct_send(self) -> Send | None:
        """Return None: Twisted's own buffers are in between."""
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
        """Let go of viewer and request, which reports that the connection is gone."""
        self._ready = _ignore
        if self._request.channel is not None:
            self._request.unregisterProducer()

    def progress(self) -> int:
        """Return the bytes that the peer acknowledged, or how often all had left."""
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
    # A client that wants more opens another connection.
    request.channel.persistent = False
    request.finish()


def innermost(transport: Any) -> Any:
    """Return the transport below TLS and other wrappers, where the buffer is."""
    while (inner := getattr(transport, "transport", None)) is not None:
        transport = inner
    return transport


def _ignore() -> None:
    """Do nothing: the viewer is gone."""
