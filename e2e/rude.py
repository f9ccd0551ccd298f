"""Clients that leave a daemon no good way to be rid of them.

Each does something rude and then holds on, reading nothing; a daemon has to hang up on
it all the same. They run in one event loop, as many at once as somebody likes.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

HUNG_UP = "hung up on"
"""What becomes of a rude client, in time."""

STAYED = "still there"
"""What must not become of one."""

SMALL = 4096
"""Bytes of room asked for in a client's kernel, so that it is soon used up."""

PIPELINED = 9000
"""Requests that are sent in one go: 2 MB of answers."""

_GONE = select.POLLHUP | select.POLLERR | select.POLLRDHUP


class Rude:
    """Rude clients of one daemon.

    :param source: the address of this machine that they come from.
    :param port: the daemon's, and ``tls`` that for TLS, both at 127.0.0.1.
    :param key: opens the daemon; only those that need one have it.
    :param camera: a camera that gives pictures.
    :param patience: seconds within which they are to be hung up on.
    """

    def __init__(
        self,
        source: str,
        port: int,
        tls: int | None,
        key: str,
        camera: str,
        patience: float = 60,
    ) -> None:
        self._source = source
        self._port = port
        self._tls = tls
        self._key = f"X-API-Key: {key}\r\n"
        self._camera = camera
        self._patience = patience

    @property
    def kinds(self) -> dict[str, Callable[[], Awaitable[str]]]:
        """What each of them does; it returns :data:`HUNG_UP` or :data:`STAYED`."""
        snapshot = _request(f"/api/{self._camera}/snapshot", self._key)
        last = _request("/", "Connection: close\r\n")
        kinds: dict[str, Callable[[], Awaitable[str]]] = {
            "reads no refusal": lambda: self._send(_request("/") * PIPELINED + last),
            "reads no snapshot": lambda: self._send(snapshot * 50),
            "ends no request": lambda: self._send(_request("/")[:-2]),
            "ends no body": lambda: self._send(
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"
            ),
            "says nothing": lambda: self._send(b""),
        }
        if self._tls is not None:
            kinds["ends no TLS"] = self._ignore_close_notify
            kinds["begins no TLS"] = lambda: self._send(b"\x16\x03\x01", self._tls)
        return kinds

    async def _send(self, data: bytes, port: int | None = None) -> str:
        """Send as much of this as is taken, and hold on."""
        with await self._connected(port or self._port) as connection:
            loop = asyncio.get_running_loop()
            sending = asyncio.ensure_future(loop.sock_sendall(connection, data))
            try:
                return await self._outlast(connection)
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await sending

    async def _ignore_close_notify(self) -> str:
        """Ask for one thing over TLS, and neither read nor close."""
        assert self._tls is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(here, there, server_hostname="localhost")
        loop = asyncio.get_running_loop()
        with await self._connected(self._tls) as connection:
            try:
                while True:
                    with suppress(ssl.SSLWantReadError):
                        client.do_handshake()
                    await loop.sock_sendall(connection, there.read())
                    if client.version() and client.cipher():
                        break
                    if not (data := await loop.sock_recv(connection, 65536)):
                        return HUNG_UP
                    here.write(data)
                client.write(_request("/", "Connection: close\r\n"))
                await loop.sock_sendall(connection, there.read())
            except ConnectionError:  # There are too many connections already.
                return HUNG_UP
            return await self._outlast(connection)

    async def _connected(self, port: int) -> socket.socket:
        connection = socket.socket()
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
            connection.setblocking(False)
            connection.bind((self._source, 0))
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, ("127.0.0.1", port))
        except BaseException:
            connection.close()
            raise
        return connection

    async def _outlast(self, connection: socket.socket) -> str:
        poll = select.poll()
        poll.register(connection, _GONE)
        until = time.monotonic() + self._patience
        while time.monotonic() < until:
            if poll.poll(0):
                return HUNG_UP
            await asyncio.sleep(0.2)
        return STAYED


def _request(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: camd\r\n{headers}\r\n".encode()
