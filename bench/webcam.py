"""A camd whose webcam is in memory: the pulled path, without a driver below it.

``python -m bench.webcam FOLDER FPS ...``: what follows are twistd's own arguments. In
place of ``cv2.VideoCapture`` stands what it makes of a webcam that gives JPEGs; all
else is camd as it is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from twisted.scripts import twistd

from camd.sources import live


class Webcam:
    """What OpenCV makes of a webcam that gives JPEGs, which it shows over and over.

    :param jpegs: the pictures, each as OpenCV hands it out: a row of bytes.
    :param fps: pictures a second.
    """

    def __init__(self, jpegs: Sequence[npt.NDArray[np.uint8]], fps: float) -> None:
        self._jpegs = jpegs
        self._fps = fps
        self._began = self._due = time.monotonic()
        self._number = 0
        self._told = {
            cv2.CAP_PROP_FRAME_WIDTH: 640,
            cv2.CAP_PROP_FRAME_HEIGHT: 480,
            cv2.CAP_PROP_FPS: fps,
            cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"MJPG"),
        }

    def isOpened(self) -> bool:
        """Return True: it never fails."""
        return True

    # For each picture there is as little Python as can be: OpenCV's own is in C++.

    def grab(self) -> bool:
        """Wait for the next picture, one after the other."""
        self._number += 1
        self._due = self._began + self._number / self._fps
        wait = self._due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        return True

    def retrieve(self) -> tuple[bool, Any]:
        """Return the picture that was grabbed last."""
        return True, self._jpegs[self._number % len(self._jpegs)]

    def get(self, propId: int, /) -> float:
        """Return what a driver would tell."""
        if propId == cv2.CAP_PROP_POS_MSEC:
            return 1000 * self._due
        return self._told.get(propId, 0.0)

    def set(self, propId: int, value: float, /) -> bool:
        """Return False: there is nothing to set."""
        return False

    def release(self) -> None:
        """Do nothing: nothing is held."""


def main(folder: str, fps: str, *arguments: str) -> None:
    """Run twistd with these arguments, and this folder for any device."""
    jpegs = [
        np.frombuffer(path.read_bytes(), np.uint8).reshape(1, -1)
        for path in sorted(Path(folder).glob("*.jpg"))
    ]
    live.device = partial(
        live.device,
        opener=lambda address, backend, parameters: Webcam(jpegs, float(fps)),
        codes=lambda path: ("MJPG",),
    )
    sys.argv = ["twistd", *arguments]
    twistd.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
