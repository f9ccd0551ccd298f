"""What all sources read by OpenCV share: the capture object, and what it tells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import cv2
import numpy as np

from camd.sources import CameraMode, Image, SourceError


class Capture(Protocol):
    """What camd uses of ``cv2.VideoCapture``."""

    def isOpened(self) -> bool:
        """Whether opening succeeded; stays True when a camera is unplugged."""
        ...

    def grab(self) -> bool:
        """Take the next picture, waiting for it; False when there is none."""
        ...

    def retrieve(self) -> tuple[bool, Any]:
        """Decode the picture that was grabbed last."""
        ...

    def get(self, propId: int, /) -> float:
        """Read a property; 0 or -1 when it has none of that kind."""
        ...

    def set(self, propId: int, value: float, /) -> bool:
        """Ask for a property; True says little (measured), so read it back."""
        ...

    def release(self) -> None:
        """Release the camera."""
        ...


Opener: TypeAlias = Callable[[str, int, Sequence[int]], Capture]
"""Opens a path or an address: address, backend (``cv2.CAP_...``), and parameters as
key, value, key, value."""

_FASTEST = 1000.0
"""More pictures per second than this are not believed: some files tell the rate of
their clock, such as 90000."""

_OLDEST = 5.0
"""Seconds; a picture older than this was stamped by another clock."""


def open_capture(address: str, backend: int, parameters: Sequence[int]) -> Capture:
    """Open with OpenCV itself; ask ``isOpened`` whether it went well."""
    return cv2.VideoCapture(address, backend, parameters)


def comes_within(capture: Capture, seconds: float) -> bool | None:
    """Whether a V4L2 device has its next picture by then.

    OpenCV grabs that one then, and grabs no other until it was retrieved.

    :param seconds: how long to wait.
    :return: True as well where that cannot be asked; None where the device says that
        something is wrong. What it is shows in the next grab.
    """
    # OpenCV 5 crashes when it is asked about a capture that is not open.
    if not isinstance(capture, cv2.VideoCapture) or not capture.isOpened():
        return True
    try:
        is_there, _ = cv2.VideoCapture.waitAny([capture], max(1, int(seconds * 1e9)))
    except cv2.error as error:
        return True if error.code == cv2.Error.StsNotImplemented else None
    return is_there


def given_by(capture: Capture) -> CameraMode:
    """Return what a capture says of its pictures, without what it was asked for."""
    fps = capture.get(cv2.CAP_PROP_FPS)
    return CameraMode(
        width=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        height=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        # A quiet NaN compares as False, and so counts as not told.
        fps=fps if 0 < fps <= _FASTEST else None,
        format=_format(capture.get(cv2.CAP_PROP_FOURCC)),
    )


def retrieve(capture: Capture, name: str) -> Image:
    """Decode the picture that was grabbed last.

    :param name: of the source, for the error.
    :raises SourceError: when it cannot be decoded.
    """
    try:
        decoded, picture = capture.retrieve()
    except cv2.error as error:
        raise SourceError(f"{name}: a picture cannot be decoded") from error
    if not decoded:
        raise SourceError(f"{name}: a picture cannot be decoded")
    return np.asarray(picture, np.uint8)


def retrieve_jpeg(capture: Capture, name: str) -> bytes:
    """Take the camera's own JPEG of a capture that was told not to convert.

    OpenCV 5 gives it as a row of bytes, as many as the driver said there are.

    :param name: of the source, for the error.
    :return: the bytes as they came: whether they are a whole JPEG is not looked at.
    :raises SourceError: when the driver's buffer cannot be read.
    """
    return retrieve(capture, name).tobytes()


class DriverStamps:
    """When pictures were taken, as a V4L2 driver tells it (``CAP_PROP_POS_MSEC``).

    Drivers stamp by CLOCK_MONOTONIC, which is also what ``time.monotonic`` tells. Some
    do not: their stamps are 0, Unix time, or (vivid, measured) ahead of the clock by an
    interval. Then the time of arrival stands in.

    :param since: when the device was opened; no picture is older.
    """

    def __init__(self, capture: Capture, since: float) -> None:
        self._capture = capture
        self._last = since

    def stamp(self, now: float) -> float:
        """Return when the picture grabbed last was taken; ``now`` is the time."""
        told = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        believed = self._last < told <= now and told > now - _OLDEST
        self._last = told if believed else now
        return self._last


def _format(code: float) -> str:
    """Return the four letters that OpenCV made a number of."""
    if not math.isfinite(code) or not 0 < code < 2**32:
        return "unknown"
    text = int(code).to_bytes(4, "little").decode("latin-1").strip("\0 ")
    return text if text.isascii() and text.isprintable() and text else "unknown"
