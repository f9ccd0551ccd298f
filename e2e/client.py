"""Clients of the daemon: one request, a watcher, and one that does not read.

All of them send the key in a header, unless told otherwise.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from types import MappingProxyType
from typing import Any

from camd.formats.multipart import Parser
from e2e.daemon import Daemon
from e2e.waiting import PATIENCE, until

STREAM = "/api/robot/stream"

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of one piece; the headers' names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    daemon: Daemon,
    path: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: str | None = None,
) -> Reply:
    """Send one request and read the whole answer.

    :param headers: what to send; None for the key alone.
    :param body: what to send behind them; None for nothing.
    """
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
    try:
        sent = {"X-API-Key": daemon.key} if headers is None else headers
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        got = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, got, answer.read())
    finally:
        connection.close()


def stats(daemon: Daemon, camera: str = "robot") -> dict[str, Any]:
    """Return the daemon's stats of a camera."""
    reply = ask(daemon, f"/api/{camera}/stream/stats")
    assert reply.status == 200, reply
    answer: dict[str, Any] = json.loads(reply.body)
    return answer


def only_viewer(daemon: Daemon) -> dict[str, Any]:
    """Return what the daemon tells of a camera's viewer, once it is the only one.

    A page that a browser has left may be one for a moment longer.
    """

    def only() -> dict[str, Any] | None:
        clients = stats(daemon)["clients"]
        return dict(clients[0]) if len(clients) == 1 else None

    return until(only, "there is one viewer")


@dataclass(frozen=True, slots=True)
class Seen:
    """One part that a watcher received.

    :ivar moment: when it was complete, on the monotonic clock.
    :ivar number: the frame's number; a heartbeat has that of the frame it repeats, and
        a placeholder has 0.
    :ivar state: what a placeholder says of the camera; empty on all other parts.
    :ivar taken: its X-Timestamp, as it came.
    """

    moment: float
    number: int
    jpeg: bytes
    state: str = ""
    taken: str = ""

    @property
    def stamp(self) -> tuple[str, int, str]:
        """What its headers say: time, number, state."""
        return self.taken, self.number, self.state


class Watcher(Thread):
    """Watches a stream until told to stop.

    :ivar seen: the parts that came, heartbeats included. Only ever grows.
    :ivar trouble: the exception that ended it; None while all is well.
    :ivar status: the answer's code.
    :ivar headers: the answer's headers, with names in lower case.

    :param version: of HTTP, ``1.0`` or ``1.1``.
    :param path: the stream's.
    :param source: the address of this computer that it comes from.
    :param headers: further ones to send.
    :param tls: whom to trust; None where there is no TLS.
    """

    def __init__(
        self,
        daemon: Daemon,
        version: str = "1.1",
        path: str = STREAM,
        source: str = "127.0.0.1",
        headers: Mapping[str, str] = NO_HEADERS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self.seen: list[Seen] = []
        self.trouble: Exception | None = None
        self._stopped = False
        request = _request(daemon, version, path, headers)
        self._answer = _open_stream(daemon, request, source, tls)
        self.status = self._answer.status
        self.headers = {k.lower(): v for k, v in self._answer.getheaders()}

    def run(self) -> None:
        """Read until stopped."""
        try:
            self._read()
        except Exception as error:
            self.trouble = error

    def _read(self) -> None:
        parser = Parser.from_content_type(self.headers["content-type"].encode())
        unpack = _unpacking(self.headers.get("content-encoding"))
        while not self._stopped and (data := self._answer.read1(65536)):
            for part in parser.receive(unpack(data)):
                number = int(part.headers[b"x-frame"])
                state = part.headers.get(b"x-camera-state", b"").decode()
                moment, taken = time.monotonic(), part.headers[b"x-timestamp"].decode()
                self.seen.append(Seen(moment, number, part.body, state, taken))

    def leave(self) -> None:
        """Stop after the next part; do not wait for it."""
        self._stopped = True

    def stop(self) -> None:
        """Hang up; a second call does nothing."""
        self.leave()
        self.join(PATIENCE)
        self._answer.close()

    def frames(self) -> list[Seen]:
        """Return the frames received, each once, without heartbeats."""
        once: dict[int, Seen] = {}
        for seen in list(self.seen):
            once.setdefault(seen.number, seen)
        return list(once.values())


def _unpacking(encoding: str | None) -> Callable[[bytes], bytes]:
    """Return what undoes a proxy's compression; None for none."""
    if encoding is None:
        return bytes
    # 32: a header of gzip's or zlib's, whichever comes.
    return zlib.decompressobj(32 + zlib.MAX_WBITS).decompress


def _open_stream(
    daemon: Daemon, request: bytes, source: str, tls: ssl.SSLContext | None
) -> http.client.HTTPResponse:
    connection = socket.create_connection(
        ("127.0.0.1", daemon.port), PATIENCE, (source, 0)
    )
    if tls is not None:
        connection = tls.wrap_socket(connection, server_hostname="localhost")
    connection.sendall(request)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    # The answer keeps the socket open for itself.
    connection.close()
    return answer


def _request(
    daemon: Daemon,
    version: str = "1.1",
    path: str = STREAM,
    headers: Mapping[str, str] = NO_HEADERS,
) -> bytes:
    lines = (
        f"GET {path} HTTP/{version}",
        "Host: 127.0.0.1",
        "User-Agent: e2e",
        f"X-API-Key: {daemon.key}",
        *(f"{name}: {value}" for name, value in headers.items()),
    )
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def watching(
    daemon: Daemon, count: int = 1, version: str = "1.1", **further: Any
) -> Iterator[list[Watcher]]:
    """Run several watchers; each has a frame before the block begins.

    :param version: of HTTP, ``1.0`` or ``1.1``.
    :param further: what else a :class:`Watcher` can be told.
    """
    watchers = [Watcher(daemon, version, **further) for _ in range(count)]
    try:
        for watcher in watchers:
            watcher.start()
        until(lambda: all(w.seen for w in watchers), "each watcher has a frame")
        yield watchers
    finally:
        # All of them first: each has to wait for its next frame.
        for watcher in watchers:
            watcher.leave()
        for watcher in watchers:
            watcher.stop()


@contextmanager
def not_reading(daemon: Daemon) -> Iterator[socket.socket]:
    """Ask for the stream and read nothing of it, with a tiny receive buffer."""
    with socket.socket() as connection:
        # Before connecting, or the window is already wide open.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", daemon.port))
        connection.sendall(_request(daemon))
        yield connection
