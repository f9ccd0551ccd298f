"""A video file as a source: over and over, at its own pace."""

from __future__ import annotations

from pathlib import Path

import cv2

from camd.sources import CameraMode, Clock, RawFrame, Sleep, SourceError
from camd.sources.due import ANY, Due
from camd.sources.opencv import Capture, Opener, given_by, open_capture, retrieve
from camd.sources.pace import Pace

LONGEST_SKIP = 1.0
"""Seconds that one read may spend on pictures nobody will see. A machine that
decodes a film slower than it plays shows all of it slower, instead of ever fewer
pictures."""


class VideoFile:
    """A video file that starts again when it ends, without a gap.

    Pictures that are skipped are taken from the file, as those after them need them,
    but not made into pixels.

    :param fps: how fast to show a file that does not tell.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        *,
        clock: Clock,
        sleep: Sleep,
        opener: Opener = open_capture,
    ) -> None:
        self._path = path
        self._fps = fps
        self._clock = clock
        self._sleep = sleep
        self._opener = opener
        self._capture: Capture | None = None
        self._pace = Pace(fps, clock, sleep)
        self._last = -1

    def open(self) -> CameraMode:
        """Open the file and start with its first picture.

        :raises SourceError: when there is no file, or no video in it.
        """
        self.close()
        self._capture = self._opened()
        mode = given_by(self._capture)
        fps = mode.fps or self._fps
        self._pace = Pace(fps, self._clock, self._sleep)
        self._last = -1
        return CameraMode(mode.width, mode.height, fps, mode.format)

    def read(self, due: Due = ANY) -> RawFrame:
        """Wait for the next picture to fall due, and decode it.

        :raises SourceError: when the file cannot be read any more.
        """
        index, moment = self._pace.wait(due)
        self._advance(index - self._last)
        self._last = index
        return RawFrame(retrieve(self._current(), str(self._path)), moment)

    def close(self) -> None:
        """Close the file."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None

    def _advance(self, pictures: int) -> None:
        patience = self._clock() + LONGEST_SKIP
        for _ in range(pictures):
            if not self._current().grab():
                self._start_again()
            if self._clock() >= patience:
                break

    def _start_again(self) -> None:
        """Take the first picture again; by opening it again where seeking fails."""
        capture = self._current()
        if capture.set(cv2.CAP_PROP_POS_FRAMES, 0) and capture.grab():
            return
        self.close()
        self._capture = self._opened()
        if not self._capture.grab():
            raise SourceError(f"{self._path}: there is no picture in it")

    def _current(self) -> Capture:
        if self._capture is None:
            raise SourceError(f"{self._path} is not open")
        return self._capture

    def _opened(self) -> Capture:
        if not self._path.exists():
            raise SourceError(f"{self._path}: no such file or folder")
        capture = self._opener(str(self._path), cv2.CAP_FFMPEG, ())
        if not capture.isOpened():
            capture.release()
            raise SourceError(f"{self._path}: not a video that OpenCV can read")
        return capture
