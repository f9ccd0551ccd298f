"""Viewers of the live channel that acknowledge, and what they cost the server.

``python -m bench.watchers HOST PORT PATH PID VIEWERS SECONDS``: one thread, which reads
pictures, answers PINGs and acknowledges what it is asked to, and prints one line of
JSON as ``load.c`` does. It decodes nothing.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import time
from pathlib import Path

from camd.formats.live import ACKNOWLEDGE, HEADER

BINARY, PING, PONG, TEXT = 0x82, 0x89, 0x8A, 0x81
MASKED = 0x80
BUFFER = bytearray(1 << 20)

SPREAD = 0.01
"""Seconds between two connections."""

SETTLE = 3.0
"""Seconds between the last connection and the window."""


class Watcher:
    """One connection.

    :ivar frames: pictures that came whole.
    :ivar acks: how many of them were to be acknowledged.
    """

    def __init__(self, host: str, port: str, path: str) -> None:
        self.frames = self.acks = 0
        self._skip = 0
        self._ack: tuple[int, int] | None = None
        self.socket = socket.create_connection((host, int(port)), 10)
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: YmVuY2hiZW5jaGJlbmNoIQ==\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.socket.recv(1)
        if b" 101 " not in head.splitlines()[0] + b" ":
            raise OSError(head.splitlines()[0].decode())
        self._rest = b""
        self.socket.setblocking(False)

    def read(self) -> None:
        """Take what has come."""
        size = self.socket.recv_into(BUFFER)
        if not size:
            raise OSError("camd hung up")
        at = min(self._skip, size)
        self._skip -= at
        if self._skip:
            return
        self._end_picture()
        data = self._rest + BUFFER[at:size]
        at = 0
        while (end := self._message(data, at)) is not None:
            at = end
            if self._skip:
                break
        self._rest = bytes(data[at:]) if not self._skip else b""

    def _message(self, data: bytes, at: int) -> int | None:
        """Take one message; None where its beginning is not all there yet."""
        if len(data) < at + 2:
            return None
        kind, size, start = data[at], data[at + 1], at + 2
        if size == 126:
            start, form = at + 4, "!H"
        elif size == 127:
            start, form = at + 10, "!Q"
        if size > 125:
            if len(data) < start:
                return None
            (size,) = struct.unpack_from(form, data, at + 2)
        if len(data) < start + (HEADER.size if kind == BINARY else size):
            return None
        if kind == PING:
            self._say(PONG, data[start : start + size])
        elif kind == BINARY:
            header = HEADER.unpack_from(data, start)
            self._ack = (header[4], header[8])
            self._asks = bool(header[2] & ACKNOWLEDGE)
            end = start + size
            self._skip = max(0, end - len(data))
            if not self._skip:
                self._end_picture()
            return min(end, len(data))
        return start + size

    def _end_picture(self) -> None:
        if self._ack is None:
            return
        ack, self._ack = self._ack, None
        self.frames += 1
        if self._asks:
            self.acks += 1
            self._say(TEXT, json.dumps({"ack": [ack]}).encode())

    def _say(self, kind: int, content: bytes) -> None:
        # Masked by zeros, which change nothing.
        head = bytes((kind, MASKED | len(content), 0, 0, 0, 0))
        self.socket.send(head + bytes(content))


def cpu(pid: int) -> float:
    """CPU seconds of all living threads of a process."""
    stats = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e9


def main(host: str, port: str, path: str, pid: str, viewers: str, seconds: str) -> None:
    """Watch, and print what it came to."""
    poll = select.epoll()
    watchers: dict[int, Watcher] = {}

    def run_for(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for number, _ in poll.poll(left):
                watchers[number].read()

    for _ in range(int(viewers)):
        watcher = Watcher(host, port, path)
        watchers[watcher.socket.fileno()] = watcher
        poll.register(watcher.socket, select.EPOLLIN)
        # Those that are there already are to be read meanwhile.
        run_for(SPREAD)
    run_for(SETTLE)
    before = [watcher.frames for watcher in watchers.values()]
    acks = sum(watcher.acks for watcher in watchers.values())
    began, used = time.monotonic(), cpu(int(pid))
    run_for(float(seconds))
    used, window = cpu(int(pid)) - used, time.monotonic() - began
    acks = sum(watcher.acks for watcher in watchers.values()) - acks
    counts = [w.frames - n for w, n in zip(watchers.values(), before, strict=True)]
    print(
        json.dumps(
            {
                "cpu_s": used,
                "window_s": window,
                "frames": sum(counts),
                "acks": acks,
                "us_per_frame": 1e6 * used / max(1, sum(counts)),
                "fps_median": sorted(counts)[len(counts) // 2] / window,
                "client_cpu_s": sum(os.times()[:2]),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
