"""Cameras over HTTP, in a process that is not counted.

``python -m bench.mjpeg ADDRESS PORT FOLDER FPS``: each connection is a camera that
sends the folder's JPEGs, and no two of them send at the same moment.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

HEAD = (
    b"HTTP/1.0 200 OK\r\n"
    b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
    b"--frame\r\n"
)
"""What a simple camera answers; the body ends with the connection."""

SPREAD = 0.618
"""Share of an interval between two cameras, so that any number of them are spread."""


def part(jpeg: bytes, headers: str = "") -> bytes:
    """Return a picture as a camera sends it.

    :param headers: further ones, each with its end of line.
    """
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n{headers}\r\n"
    return b"%b%b\r\n--frame\r\n" % (head.encode(), jpeg)


class Cameras:
    """Any number of cameras that all show the same pictures.

    :param new_part: returns the picture of a number, from 1, as :func:`part` does.
    :param fps: pictures a second of each camera.
    """

    def __init__(self, new_part: Callable[[int], bytes], fps: float) -> None:
        self._new_part = new_part
        self._interval = 1 / fps
        self._count = itertools.count()

    async def send(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer one request with pictures, until the client has gone."""
        due = time.monotonic() + next(self._count) * SPREAD % 1 * self._interval
        try:
            await reader.readuntil(b"\r\n\r\n")
            # What waits here would be old when it is read, and nobody could tell.
            writer.transport.set_write_buffer_limits(0)
            writer.write(HEAD)
            for number in itertools.count(1):
                await asyncio.sleep(due - time.monotonic())
                due = max(due + self._interval, time.monotonic())
                writer.write(self._new_part(number))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


async def main(address: str, port: str, folder: str, fps: str) -> None:
    """Serve until killed."""
    jpegs = [path.read_bytes() for path in sorted(Path(folder).glob("*.jpg"))]

    cameras = Cameras(lambda number: part(jpegs[number % len(jpegs)]), float(fps))
    server = await asyncio.start_server(cameras.send, address, int(port))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
