"""Clients whose requests never end: each sends a byte a second, and holds on."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from e2e.daemon import Daemon
from e2e.waiting import PATIENCE

COUNT = 50

ADDRESS = "127.0.0.3"
"""Where they come from."""


class Dawdlers(Thread):
    """Fifty of them.

    :ivar closed: seconds after which each was hung up on; only ever grows.
    """

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self.closed: list[float] = []
        self._enough = Event()
        self._open = [_begun(daemon.port) for _ in range(COUNT)]
        self._since = time.monotonic()

    def run(self) -> None:
        """Go on until all are closed, or it is enough."""
        while self._open and not self._enough.wait(1):
            ended = select.select(self._open, [], [], 0)[0]
            for connection in ended:
                self._open.remove(connection)
                self.closed.append(time.monotonic() - self._since)
                connection.close()
            for connection in self._open:
                # What is closed meanwhile shows in the next round.
                _send(connection, b"x")

    def stop(self) -> None:
        """Let go of all."""
        self._enough.set()
        self.join(PATIENCE)
        for connection in self._open:
            connection.close()


def _begun(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE, (ADDRESS, 0))
    _send(connection, b"GET /healthz HTTP/1.1\r\nHost: camd\r\nX-Slow: ")
    return connection


def _send(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        connection.sendall(data)


@contextmanager
def dawdling(daemon: Daemon) -> Iterator[Dawdlers]:
    """Have them hang on."""
    dawdlers = Dawdlers(daemon)
    dawdlers.start()
    try:
        yield dawdlers
    finally:
        dawdlers.stop()
