"""A relay between a browser and the daemon: a slow link, or a proxy that meddles."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from e2e.daemon import Daemon

STEP = 1500
"""Bytes that go over a slow link in one piece: about a packet."""

NO_UPGRADE = {b"Upgrade: websocket": b"X-Upgrade: none"}
"""What is replaced by a proxy through which no WebSocket gets."""

ROOM = 16 * 1024
"""Bytes that a slow link takes ahead of what it delivers, in each socket."""


class Relay:
    """Connections to the daemon, through this.

    :ivar rate: bytes a second towards the browser, shared by all; None for no limit.
    :ivar replaced: what of a request gets through as something else.
    :ivar origin: where a browser finds it.
    """

    def __init__(self, daemon: Daemon) -> None:
        self.rate: float | None = None
        self.replaced: dict[bytes, bytes] = {}
        self._target = ("127.0.0.1", daemon.port)
        self._free_at = 0.0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def serve(self) -> None:
        """Accept connections until it is closed."""
        with suppress(OSError):
            while True:
                browser, _ = self._socket.accept()
                daemon = socket.socket()
                daemon.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
                browser.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
                daemon.connect(self._target)
                for copy in (self._up, self._down):
                    Thread(target=copy, args=(browser, daemon), daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._socket.close()

    def _up(self, browser: socket.socket, daemon: socket.socket) -> None:
        with suppress(OSError):
            while data := browser.recv(65536):
                for old, new in self.replaced.items():
                    data = data.replace(old, new)
                daemon.sendall(data)
        with suppress(OSError):
            daemon.shutdown(socket.SHUT_RDWR)

    def _down(self, browser: socket.socket, daemon: socket.socket) -> None:
        with suppress(OSError):
            while data := daemon.recv(STEP):
                self._wait(len(data))
                browser.sendall(data)
        with suppress(OSError):
            browser.shutdown(socket.SHUT_RDWR)

    def _wait(self, count: int) -> None:
        """Wait until the link is free for so many bytes."""
        if self.rate is None:
            return
        begin = max(time.monotonic(), self._free_at)
        self._free_at = begin + count / self.rate
        time.sleep(max(0.0, self._free_at - time.monotonic()))


@contextmanager
def relay(daemon: Daemon) -> Iterator[Relay]:
    """Have a relay to a daemon, without any limit at first."""
    found = Relay(daemon)
    Thread(target=found.serve, daemon=True).start()
    try:
        yield found
    finally:
        found.close()
