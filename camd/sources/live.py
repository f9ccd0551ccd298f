"""Cameras that go at their own pace: V4L2 devices and network addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import cv2

from camd.config.masking import mask_url
from camd.config.settings import CameraFormat
from camd.sources import Clock, Given, Shot, SourceError
from camd.sources.diagnosis import formats_of, why_no_answer, why_no_device
from camd.sources.opencv import (
    Capture,
    DriverStamps,
    Opener,
    given_by,
    open_capture,
    retrieve,
    retrieve_jpeg,
)
from camd.sources.pump import Content, Pump, on_arrival

#: Milliseconds that FFmpeg may take to connect, and to bring a picture.
TIME_OUT = 5000

#: The formats whose pictures are JPEGs: V4L2_PIX_FMT_MJPEG and V4L2_PIX_FMT_JPEG.
JPEGS = frozenset({"MJPG", "JPEG"})


@dataclass(frozen=True, slots=True)
class Line:
    """
    A camera that was connected to.

    :param content: how a picture is taken out of the capture.
    :param stamped: whether the driver's own time stamps can be asked for.
    """

    capture: Capture
    given: Given
    content: Content = retrieve
    stamped: bool = False


class Live:
    """
    A camera that is connected to when it is opened, and read for its newest picture.

    :param name: what people call it; shows no password.
    :param connect: opens it, or raises `SourceError` with the reason.
    """

    def __init__(self, name: str, connect: Callable[[], Line], clock: Clock) -> None:
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
        since = self._clock()
        line = self._connect()
        stamp = DriverStamps(line.capture, since) if line.stamped else on_arrival
        self._pump = Pump(line.capture, self._clock, self._name, line.content, stamp)
        return line.given

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
    wanted: CameraFormat = "auto",
    *,
    clock: Clock,
    opener: Opener = open_capture,
    why: Callable[[str], str] = why_no_device,
    formats: Callable[[str], str] = formats_of,
) -> Live:
    """
    Make a V4L2 camera a source.

    :param source: a path such as ``/dev/v4l/by-id/...``, or the number in /dev/videoN.
    :param width: in pixels, like the height and the rate what it is asked for.
    :param wanted: ``mjpeg``: the camera's own JPEGs, or it does not open; ``raw``:
        pixels; ``auto``: JPEGs where it has them.
    :param why: tells why a path does not open.
    :param formats: tells which formats a device has.
    """
    path = f"/dev/video{source}" if source.isdecimal() else source
    wish = Wish(width, height, max(1, round(fps)), wanted)
    return Live(path, partial(_connect_device, path, wish, opener, why, formats), clock)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a device is asked for."""

    width: int
    height: int
    fps: int
    format: CameraFormat

    def lists(self) -> Iterator[tuple[bool, tuple[int, ...]]]:
        """
        The parameters to open with, the best first, and whether they are for JPEGs.

        In one list they hold (measured); set one by one, a width alone does nothing.
        But a device that lacks one of them does not open with the list at all.
        """
        size = (
            *(cv2.CAP_PROP_FRAME_WIDTH, self.width),
            *(cv2.CAP_PROP_FRAME_HEIGHT, self.height),
            *(cv2.CAP_PROP_FPS, self.fps),
        )
        jpeg = (
            *(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            *(cv2.CAP_PROP_CONVERT_RGB, 0),
        )
        if self.format != "raw":
            yield True, jpeg[:2] + size + jpeg[2:]
        if self.format != "mjpeg":
            yield False, size
            yield False, ()

    def beside(self, given: Given) -> str | None:
        """This wish in words, where it was not fulfilled."""
        same = (given.width, given.height) == (self.width, self.height)
        if same and (given.fps is None or round(given.fps) == self.fps):
            return None
        return f"{self.width}x{self.height} at {self.fps} fps"


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
    path: str,
    wish: Wish,
    opener: Opener,
    why: Callable[[str], str],
    formats: Callable[[str], str],
) -> Line:
    opened = False
    for jpegs, parameters in wish.lists():
        capture = opener(path, cv2.CAP_V4L2, parameters)
        # The driver keeps its usual number of buffers (CAP_PROP_BUFFERSIZE): with one
        # alone it would lose pictures that come while another is being copied.
        if capture.isOpened():
            opened = True
            given = given_by(capture)
            # Asked for what it does not have, it gives something else, and the buffer
            # would be that, unconverted.
            if not jpegs or given.format in JPEGS:
                given = replace(given, asked=wish.beside(given), steady=True)
                take = retrieve_jpeg if jpegs else retrieve
                return Line(capture, given, take, stamped=True)
        capture.release()
    if opened:
        raise SourceError(f"{path}: it gives no MJPEG; {formats(path)}")
    raise SourceError(f"{path}: {why(path)}")


def _connect_address(url: str, opener: Opener, why: Callable[[str], str]) -> Line:
    limits = (
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIME_OUT),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIME_OUT),
    )
    capture = opener(url, cv2.CAP_FFMPEG, limits)
    if capture.isOpened():
        return Line(capture, given_by(capture))
    capture.release()
    raise SourceError(f"{mask_url(url)}: {why(url)}")
