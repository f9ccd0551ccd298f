"""Libraries as programs: ``python -m e2e.readers NAME ADDRESS``.

Each reads the stream as its users do, and writes the decoded pictures to standard
output, as pixels: see :mod:`e2e.pixels`.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator
from threading import Event
from typing import Any

import cv2
import numpy as np

from e2e.pixels import BYTES, HEIGHT, WIDTH, shrunk
from e2e.video import Pixels, decode

CACHING = 300
"""Milliseconds for which VLC keeps pictures in store; its own choice is 1000."""


def show(picture: Pixels) -> None:
    """Write a picture of any size."""
    write(shrunk(picture).tobytes())


def write(pixels: bytes) -> None:
    """Write a picture's pixels at once."""
    sys.stdout.buffer.write(pixels)
    sys.stdout.buffer.flush()


def opencv(address: str) -> None:
    """Read picture by picture, as every program with OpenCV does."""
    capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG)
    while (read := capture.read())[0]:
        show(np.asarray(read[1], np.uint8))


def requests(address: str) -> None:
    """Search for the begin and end of JPEGs, as many scripts do."""
    import requests

    with requests.get(address, stream=True, timeout=60) as answer:
        answer.raise_for_status()
        for jpeg in scan(answer.iter_content(None)):
            show(decode(jpeg))


def scan(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Return the JPEGs among these bytes, from SOI to EOI, and leave out the rest."""
    data = b""
    for chunk in chunks:
        data += chunk
        while (end := data.find(b"\xff\xd9") + 2) >= 2:
            yield data[data.index(b"\xff\xd8") : end]
            data = data[end:]


def aiohttp(address: str) -> None:
    """Read part by part, as Home Assistant does."""
    asyncio.run(_aiohttp(address))


async def _aiohttp(address: str) -> None:
    import aiohttp

    async with aiohttp.ClientSession(raise_for_status=True) as session:
        answer = await session.get(address, timeout=aiohttp.ClientTimeout())
        reader: Any = aiohttp.MultipartReader.from_response(answer)
        while (part := await reader.next()) is not None:
            show(decode(await part.read()))


def vlc(address: str) -> None:
    """Let libvlc paint into memory; the program itself needs a screen."""
    import vlc

    pixels = ctypes.create_string_buffer(BYTES)
    ended = Event()

    @vlc.CallbackDecorators.VideoLockCb
    def lock(_: Any, planes: Any) -> None:
        planes[0] = ctypes.addressof(pixels)

    @vlc.CallbackDecorators.VideoDisplayCb
    def display(*_: Any) -> None:
        write(pixels.raw)

    instance = vlc.Instance("--quiet", "--no-audio", f"--network-caching={CACHING}")
    player = instance.media_player_new(address)
    # "RV24" is blue, green and red.
    player.video_set_format("RV24", WIDTH, HEIGHT, WIDTH * 3)
    player.video_set_callbacks(lock, None, display, None)
    events = player.event_manager()
    for kind in ("EndReached", "EncounteredError"):
        event = getattr(vlc.EventType, f"MediaPlayer{kind}")
        events.event_attach(event, lambda _: ended.set())
    player.play()
    ended.wait()


READERS: dict[str, Callable[[str], None]] = {
    "opencv": opencv,
    "requests": requests,
    "aiohttp": aiohttp,
    "vlc": vlc,
}

if __name__ == "__main__":
    READERS[sys.argv[1]](sys.argv[2])
