"""Cameras that go at their own pace: V4L2 devices and network addresses."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2

from camd.config.masking import mask_url
from camd.sources import Clock, Given, Shot, SourceError
from camd.sources.diagnosis import why_no_answer, why_no_device
from camd.sources.opencv import Capture, Opener, given_by, open_capture
from camd.sources.pump import Pump

#: Milliseconds that FFmpeg may take to connect, and to bring a picture.
TIME_OUT = 5000


class Live:
    """
    A camera that is connected to when it is opened, and read for its newest picture.

    :param name: what people call it; shows no password.
    :param connect: opens it, or raises `SourceError` with the reason.
    """

    def __init__(self, name: str, connect: Callable[[], Capture], clock: Clock) -> None:
        self._name = name
        self._connect = connect
        self._clock = clock
        self._pump: Pump | None = None

    def open(self) -> Given:
        """
        Connect to the camera.

        :raises SourceError: when that fails.
        """
        # While a dead capture holds a device, the camera comes back under another
        # number (measured).
        self.close()
        capture = self._connect()
        given = given_by(capture)
        self._pump = Pump(capture, self._clock, self._name)
        return given

    def read(self) -> Shot:
        """
        Wait for the newest picture.

        :raises SourceError: when the camera brings none.
        """
        if self._pump is None:
            raise SourceError(f"{self._name} is not open")
        return self._pump.read()

    def close(self) -> None:
        """Let the camera go."""
        if self._pump is not None:
            self._pump.release()
        self._pump = None


def device(
    source: str,
    width: int,
    height: int,
    fps: float,
    *,
    clock: Clock,
    opener: Opener = open_capture,
    why: Callable[[str], str] = why_no_device,
) -> Live:
    """
    Make a V4L2 camera a source.

    :param source: a path such as ``/dev/v4l/by-id/...``, or the number in /dev/videoN.
    :param width: in pixels, like the height and the rate what it is asked for.
    :param why: tells why a path does not open.
    """
    path = f"/dev/video{source}" if source.isdecimal() else source
    wishes = (
        # Most cameras reach their full rate only with JPEGs: USB 2 is too slow for
        # larger pictures in YUYV. One that has none gives what it has.
        *(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        *(cv2.CAP_PROP_FRAME_WIDTH, width),
        *(cv2.CAP_PROP_FRAME_HEIGHT, height),
        *(cv2.CAP_PROP_FPS, max(1, round(fps))),
    )
    return Live(path, partial(_connect_device, path, wishes, opener, why), clock)


def address(
    url: str,
    *,
    clock: Clock,
    opener: Opener = open_capture,
    why: Callable[[str], str] = why_no_answer,
) -> Live:
    """
    Make a camera in the network a source.

    :param url: what FFmpeg can read: ``rtsp://``, ``http://``, ``https://``.
    :param why: tells why an address does not open.
    """
    return Live(mask_url(url), partial(_connect_address, url, opener, why), clock)


def _connect_device(
    path: str, wishes: tuple[int, ...], opener: Opener, why: Callable[[str], str]
) -> Capture:
    # Asked for in one list they hold (measured); set one by one, a width alone does
    # nothing. But a device that lacks one of them does not open with the list at all.
    for parameters in (wishes, ()):
        capture = opener(path, cv2.CAP_V4L2, parameters)
        # The driver keeps its usual number of buffers (CAP_PROP_BUFFERSIZE): with one
        # alone it would lose pictures that come while another is being decoded.
        if capture.isOpened():
            return capture
        capture.release()
    raise SourceError(f"{path}: {why(path)}")


def _connect_address(url: str, opener: Opener, why: Callable[[str], str]) -> Capture:
    limits = (
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIME_OUT),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIME_OUT),
    )
    capture = opener(url, cv2.CAP_FFMPEG, limits)
    if capture.isOpened():
        return capture
    capture.release()
    raise SourceError(f"{mask_url(url)}: {why(url)}")
