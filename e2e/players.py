"""The programs with which people watch a stream; each is a command that writes what it
decoded to its standard output. A player runs one and keeps which pictures came when.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import IO

import numpy as np

from e2e.camera import number_in
from e2e.pixels import BYTES, HEIGHT, WIDTH, shrunk
from e2e.readers import scan
from e2e.video import Pixels, decode

HERE = Path(__file__).parent

READER = f"{sys.executable} -m e2e.readers"


@dataclass(frozen=True, slots=True)
class Client:
    """A program with which people watch a stream.

    :ivar command: what to run; ``ADDRESS`` stands for the stream's.
    :ivar jpegs: whether it writes JPEGs, and not pixels.
    :ivar lag: seconds by which the client itself shows every picture late.
    """

    command: str
    jpegs: bool = False
    lag: float = 0


CLIENTS = {
    "ffmpeg": Client(
        "ffmpeg -nostdin -v error -i ADDRESS -fps_mode passthrough"
        f" -s {WIDTH}x{HEIGHT} -pix_fmt bgr24 -f rawvideo -",
        # It outputs a picture when the next bytes arrive.
        lag=0.5,
    ),
    "opencv": Client(f"{READER} opencv ADDRESS"),
    # It plays by a clock of its own, which a busy machine sets back for good.
    "vlc": Client(f"{READER} vlc ADDRESS", lag=10),
    "mpv": Client(
        "mpv --no-config --profile=low-latency --untimed --no-audio"
        " --msg-level=all=error,lavf=fatal"
        f" --vf=scale={WIDTH}:{HEIGHT},format=bgr24"
        " --ovc=rawvideo --of=rawvideo --o=- ADDRESS"
    ),
    "gstreamer": Client(
        "gst-launch-1.0 -q souphttpsrc location=ADDRESS ! multipartdemux ! jpegdec"
        " ! videoconvert ! videoscale"
        f" ! video/x-raw,format=BGR,width={WIDTH},height={HEIGHT} ! fdsink"
    ),
    "curl": Client("curl -sSfN ADDRESS", jpegs=True),
    "requests": Client(f"{READER} requests ADDRESS"),
    "aiohttp": Client(f"{READER} aiohttp ADDRESS"),
    # Node 18 warns that its fetch is experimental.
    "node": Client(f"node --no-warnings {HERE / 'fetch.mjs'} ADDRESS", jpegs=True),
}


@dataclass(frozen=True, slots=True)
class Sight:
    """A picture that a client decoded: when, on the monotonic clock, and its number."""

    moment: float
    number: int


class Player(Thread):
    """Runs a client until it is stopped.

    :ivar sights: what it decoded, repeats included. Only ever grows.
    :ivar trouble: its standard error; empty if nothing. Complete once it has
        been stopped.

    :param complaints: a file that its standard error goes to.
    """

    def __init__(self, client: Client, address: str, complaints: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self.sights: list[Sight] = []
        self.trouble = ""
        self._complaints = complaints
        self._process = subprocess.Popen(
            client.command.replace("ADDRESS", address).split(),
            cwd=HERE.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )
        assert self._process.stdout is not None
        pictures = _from_jpegs if client.jpegs else _from_pixels
        self._pictures = pictures(self._process.stdout)

    def run(self) -> None:
        """Read what the client writes."""
        try:
            for picture in self._pictures:
                self.sights.append(Sight(time.monotonic(), number_in(picture)))
        except Exception as error:
            self.trouble += f"{error!r}\n"

    def stop(self) -> None:
        """End the client, which should be running still."""
        if self._process.poll() is not None:
            self.trouble += f"it ended, with {self._process.returncode}\n"
        self._process.kill()  # Asked to end in order, some complain of it.
        self._process.wait()
        self.join()
        self._complaints.seek(0)
        self.trouble += self._complaints.read().decode()

    def newest(self) -> int:
        """Return the number of the picture decoded last; -1 before the first."""
        return self.sights[-1].number if self.sights else -1


@contextmanager
def playing(clients: Iterable[str], address: str) -> Iterator[dict[str, Player]]:
    """Run these of :data:`CLIENTS` all at once, and stop them at the end."""
    with ExitStack() as stack:
        players = {}
        for name in clients:
            complaints = stack.enter_context(tempfile.TemporaryFile())
            players[name] = player = Player(CLIENTS[name], address, complaints)
            stack.callback(player.stop)
            player.start()
        yield players


def _from_pixels(output: IO[bytes]) -> Iterator[Pixels]:
    while len(data := output.read(BYTES)) == BYTES:
        yield np.frombuffer(data, np.uint8).reshape(HEIGHT, WIDTH, 3)


def _from_jpegs(output: IO[bytes]) -> Iterator[Pixels]:
    for jpeg in scan(iter(partial(output.read1, 65536), b"")):  # type: ignore[attr-defined]
        yield shrunk(decode(jpeg))
