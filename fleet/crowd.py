"""Many viewers in one process, which check how old each picture truly is.

``python -m fleet.crowd HOST PORT KEY VIEWERS PATH...``: viewers take the paths by
turns, and one that is hung up on comes again within two seconds, as the page does. A
line on stdin is a mark: from then on it is counted who has seen a picture that was
taken later. Each quarter of a second a line of JSON says what they saw.
"""

from __future__ import annotations

import json
import random
import re
import selectors
import socket
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import Any

from fleet.camera import MARK

REPORT = 0.25
"""Seconds between two lines."""

LATE = 2.0
"""Seconds: a picture that was taken longer ago is late. It may come, as where a machine
is too busy, but must say by its time how old it is."""

UNTRUE = 1.0
"""Seconds by which a picture may look younger than it is. A camera does not say when it
took one, so that camd cannot know how long it was on the way to the origin; on a busy
machine that takes its time. A picture is stale from two seconds on."""

RETRY = 2.0
"""Seconds within which a viewer that was hung up on comes again."""

_LENGTH = re.compile(rb"(?i)content-length: (\d+)")
_NUMBER = re.compile(rb"(?i)x-frame: (\d+)")
_TIME = re.compile(rb"(?i)x-timestamp: ([\d.]+)")
_EDGE = re.compile(rb"(?i)x-edge: (\w+)")

TAIL = 40
"""Bytes of a JPEG that hold the time at its end."""


class Viewer:
    """One viewer, and what it has on its screen.

    :ivar edge: which edge answers it, by the balancer's word.
    :ivar shown_at: when the last new picture came, by the steady clock.
    :ivar retry_at: when it connects again; 0 while it is connected.
    :ivar taken: when the last new picture was taken, in Unix seconds.
    """

    def __init__(self, crowd: Crowd, path: str) -> None:
        self.edge = ""
        self.shown_at = time.monotonic()
        self.retry_at = time.monotonic()
        self.taken = 0.0
        self._crowd = crowd
        self._path = path
        self._stamp = (b"", b"")
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._is_open = False

    def connect(self) -> None:
        """Ask for the stream."""
        crowd = self._crowd
        self.retry_at = 0.0
        self._buffer.clear()
        self._is_open = False
        try:
            self._socket = socket.create_connection(crowd.address, timeout=5)
            request = f"GET {self._path} HTTP/1.0\r\nHost: fleet\r\n"
            self._socket.sendall(f"{request}X-API-Key: {crowd.key}\r\n\r\n".encode())
            self._socket.setblocking(False)
            crowd.selector.register(self._socket, selectors.EVENT_READ, self)
        except OSError:
            self.lose()

    def lose(self) -> None:
        """Come again soon."""
        if self._socket is not None:
            with suppress(KeyError):
                self._crowd.selector.unregister(self._socket)
            self._socket.close()
        self._socket = None
        if self._is_open:
            self._crowd.counts["lost"] += 1
        self.retry_at = time.monotonic() + random.random() * RETRY

    def read(self) -> None:
        """Take what has come."""
        assert self._socket is not None
        try:
            data = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.lose()
            return
        self._buffer += data
        while self._part():
            pass

    def _part(self) -> bool:
        """Take one part off the buffer, its picture as far as it is there."""
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(buffer[:end])
        if head.startswith(b"HTTP/"):
            if b" 200 " not in head[:20]:
                self._crowd.counts["refused"] += 1
                self.lose()
                return False
            edge = _EDGE.search(head)
            self.edge = edge[1].decode() if edge else ""
            self._is_open, self.shown_at = True, time.monotonic()
            del buffer[: end + 4]
            return True
        length = _LENGTH.search(head)
        if length is None:
            del buffer[: end + 4]
            return True
        whole = end + 4 + int(length[1])
        if len(buffer) < whole:
            return False
        taken = MARK.search(buffer, whole - TAIL, whole)
        self._see(head, float(taken[1]) if taken else 0.0)
        del buffer[:whole]
        return bool(buffer)

    def _see(self, head: bytes, taken: float) -> None:
        counts, now = self._crowd.counts, time.time()
        number, moment = _NUMBER.search(head), _TIME.search(head)
        stamp = number[1] if number else b"", moment[1] if moment else b""
        if stamp[0] == b"0":
            counts["placeholders"] += 1
            return
        if stamp == self._stamp:
            counts["repeats"] += 1
            return
        self._stamp = stamp
        age = now - taken
        self._crowd.ages.append(age)
        counts["late"] += age > LATE
        # The origin's clock is this machine's.
        looks = now - float(stamp[1] or 0)
        counts["untrue"] += not age - UNTRUE <= looks <= age + 0.001
        steady = time.monotonic()
        self._crowd.gaps[self.edge] = max(
            self._crowd.gaps.get(self.edge, 0.0), steady - self.shown_at
        )
        self.shown_at, self.taken = steady, taken


class Crowd:
    """All viewers.

    :ivar counts: what has happened since the last report.
    :ivar ages: of the pictures since then, in seconds.
    :ivar gaps: edge -> the longest time between two pictures of one of its viewers.
    """

    def __init__(self, host: str, port: int, key: str, viewers: int) -> None:
        self.address = host, port
        self.key = key
        self.selector = selectors.DefaultSelector()
        self.counts: Counter[str] = Counter()
        self.ages: list[float] = []
        self.gaps: dict[str, float] = {}
        self._viewers: list[Viewer] = []
        self._mark: tuple[str, float] | None = None
        self._most = viewers

    def run(self, paths: list[str]) -> None:
        """Watch until stdin ends."""
        self._viewers = [Viewer(self, paths[n % len(paths)]) for n in range(self._most)]
        for number, viewer in enumerate(self._viewers):
            viewer.retry_at += 2 * number / len(self._viewers)
        self.selector.register(sys.stdin, selectors.EVENT_READ)
        report_at = time.monotonic() + REPORT
        while True:
            now = time.monotonic()
            for key, _ in self.selector.select(max(0.0, min(0.05, report_at - now))):
                if isinstance(key.data, Viewer):
                    key.data.read()
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                self._mark = line.strip(), time.time()
                self.gaps.clear()
            now = time.monotonic()
            for viewer in self._viewers:
                if viewer.retry_at and now >= viewer.retry_at:
                    viewer.connect()
            if now >= report_at:
                report_at = now + REPORT
                print(json.dumps(self._report()), flush=True)

    def _report(self) -> dict[str, Any]:
        ages = sorted(self.ages)
        name, since = self._mark or ("", 0.0)
        told = {
            "time": time.time(),
            "viewers": sum(not v.retry_at for v in self._viewers),
            "frames": len(ages),
            "ages": ages[:: max(1, len(ages) // 50)],
            "oldest": ages[-1] if ages else None,
            "counts": dict(self.counts),
            "edges": Counter(v.edge for v in self._viewers if not v.retry_at),
            "gaps": dict(self.gaps),
            "mark": name,
            "seen": sum(v.taken > since for v in self._viewers),
        }
        self.counts.clear()
        self.ages.clear()
        return told


def main(host: str, port: str, key: str, viewers: str, *paths: str) -> None:
    """Watch until stdin ends."""
    Crowd(host, int(port), key, int(viewers)).run(list(paths))


if __name__ == "__main__":
    main(*sys.argv[1:])
