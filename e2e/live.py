"""A client of the live channel that does what it is told, right or wrong."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

from camd.formats.live import ACKNOWLEDGE, HEADER
from e2e.daemon import Daemon
from e2e.waiting import PATIENCE


class LivePeer:
    """One connection. Everything happens in :meth:`read`.

    :ivar frames: the numbers of the pictures that came.
    :ivar texts: the text messages that came.
    :ivar accepted: whether it was upgraded.
    :ivar refused: the status that it was refused with; None where it was not.
    :ivar closed: code and reason; None while it is open, and the code 1006 where the
        connection ended without a word.
    """

    def __init__(
        self,
        connection: socket.socket,
        target: str,
        headers: Mapping[str, str],
        acks: bool,
    ) -> None:
        self._acks = acks
        self.frames: list[int] = []
        self.texts: list[dict[str, Any]] = []
        self.accepted = False
        self.refused: int | None = None
        self.closed: tuple[int, str] | None = None
        self._socket = connection
        self._data = bytearray()
        self._ws = WSConnection(ConnectionType.CLIENT)
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.send(self._ws.send(Request("localhost", target, extra_headers=extra)))
        self.read_until(lambda: self.accepted or self.refused, "an answer")

    def send(self, data: bytes) -> None:
        """Send bytes as they are; no harm if nobody takes them any more."""
        with suppress(OSError):
            self._socket.sendall(data)

    def say(self, **content: Any) -> None:
        """Send a text message."""
        self.send(self._ws.send(TextMessage(json.dumps(content))))

    def read(self, seconds: float) -> None:
        """Take what comes in this time."""
        until = time.monotonic() + seconds
        while self.closed is None and (left := until - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return
            except OSError:
                data = b""
            if not data:
                self.closed = 1006, ""
                return
            self._ws.receive_data(data)
            for event in self._ws.events():
                self._take(event)

    def read_until(self, done: Callable[[], object], what: str) -> None:
        """Take what comes until something holds, or the connection has ended.

        :raises AssertionError: it does not in time.
        """
        deadline = time.monotonic() + PATIENCE
        while not done() and self.closed is None:
            assert time.monotonic() < deadline, f"{what}: not in time"
            self.read(0.05)

    def _take(self, event: object) -> None:
        match event:
            case AcceptConnection():
                self.accepted = True
            case RejectConnection(status_code=status):
                self.refused = status
            case BytesMessage(data=data, message_finished=finished):
                self._data += data
                if finished:
                    self._picture(bytes(self._data))
                    self._data.clear()
            case TextMessage(data=text):
                self.texts.append(json.loads(text))
            case Ping():
                self.send(self._ws.send(event.response()))
            case CloseConnection(code=code, reason=reason):
                self.closed = int(code), reason or ""

    def _picture(self, message: bytes) -> None:
        _, _, flags, _, camera, _, _, _, frame, _ = HEADER.unpack_from(message)
        self.frames.append(frame)
        if self._acks and flags & ACKNOWLEDGE:
            self.say(ack=[[camera, frame]])


@contextmanager
def live(
    daemon: Daemon,
    target: str = "/api/robot/live",
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    source: str = "127.0.0.1",
    acks: bool = True,
) -> Iterator[LivePeer]:
    """Connect to a daemon, and hang up at the end.

    :param headers: what to send; None for the key alone.
    :param tls: whom to trust; None where there is no TLS.
    :param source: the address of this computer that it comes from.
    :param acks: whether pictures are acknowledged that ask for it.
    """
    where = ("127.0.0.1", daemon.port)
    with socket.create_connection(where, PATIENCE, (source, 0)) as connection:
        if tls is not None:
            connection = tls.wrap_socket(connection, server_hostname="localhost")
        sent = {"X-API-Key": daemon.key} if headers is None else headers
        try:
            yield LivePeer(connection, target, sent, acks)
        finally:
            connection.close()
