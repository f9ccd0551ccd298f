"""A camera whose JPEGs say when they were taken, whatever anybody else says of them.

``python -m fleet.camera ADDRESS PORT FPS BYTES``: each connection is a camera of its
own. The time stands at the end of the scan, where decoders have all that they want and
the JPEG's head stays the same, as with most cameras.
"""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import time

import cv2
import numpy as np

from bench.mjpeg import Cameras, part

MARK = re.compile(rb"taken ([0-9.]{17})")
"""What stands at the end: Unix seconds."""

SEND_BUFFER = 16 * 1024
"""Bytes that the kernel may hold for one connection; it doubles that."""


def picture(size: int) -> bytes:
    """Return a JPEG of 640x480 that has about so many bytes."""
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3))
    smooth = np.full((480, 640, 3), 128)
    share, best = 0.5, b""
    low, high = 0.0, 1.0
    for _ in range(12):
        mixed = (share * noise + (1 - share) * smooth).astype(np.uint8)
        best = cv2.imencode(".jpg", mixed, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
        low, high = (low, share) if len(best) > size else (share, high)
        share = (low + high) / 2
    return best


def stamped(jpeg: bytes, now: float) -> bytes:
    """Return the JPEG with the time in it."""
    return b"%btaken %.6f%b" % (jpeg[:-2], now, jpeg[-2:])


async def main(address: str, port: str, fps: str, size: str) -> None:
    """Serve until killed."""
    jpeg = picture(int(size))
    cameras = Cameras(lambda _: part(stamped(jpeg, time.time())), float(fps))
    listening = socket.create_server((address, int(port)), backlog=100)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    server = await asyncio.start_server(cameras.send, sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
