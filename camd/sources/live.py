"""Cameras that go at their own pace: V4L2 devices and network addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import cv2

from camd.config.masking import origin_of
from camd.config.settings import CameraFormat
from camd.sources import CameraMode, Clock, RawFrame, SourceError
from camd.sources.due import ANY, Due
from camd.sources.opencv import (
    Capture,
    DriverStamps,
    Opener,
    comes_within,
    given_by,
    open_capture,
    retrieve,
    retrieve_jpeg,
)
from camd.sources.pump import Comes, Content, Pump, Stamp, ThreadedPump, on_arrival
from camd.sources.v4l2.device import codes_of, device_path
from camd.sources.v4l2.diagnosis import why_no_answer, why_no_device

TIME_OUT = 5000
"""Milliseconds that FFmpeg may take to connect, and to bring a picture."""

JPEGS = ("MJPG", "JPEG")
"""The formats whose pictures are JPEGs, V4L2_PIX_FMT_MJPEG and V4L2_PIX_FMT_JPEG;
the one to ask for first."""


@dataclass(frozen=True, slots=True)
class OpenedCapture:
    """A camera that was connected to.

    :ivar content: how a picture is taken out of the capture.
    :ivar is_device: whether the driver's own time stamps can be asked for, and whether
        its next picture comes.
    :ivar pump: takes them.
    """

    capture: Capture
    mode: CameraMode
    content: Content = retrieve
    is_device: bool = False
    pump: type[Pump] = ThreadedPump


class Live:
    """A camera that is connected to when it is opened, and read for its newest picture.

    :param name: what people call it; shows no password.
    :param connect: opens it, or raises ``SourceError`` with the reason.
    """

    def __init__(
        self, name: str, connect: Callable[[], OpenedCapture], clock: Clock
    ) -> None:
        self._name = name
        self._connect = connect
        self._clock = clock
        self._pump: Pump | None = None

    def open(self) -> CameraMode:
        """Connect to the camera.

        :raises SourceError: when that fails.
        """
        # While a dead capture holds a device, the camera comes back under another
        # number (measured).
        self.close()
        since = self._clock()
        opened = self._connect()
        stamp: Stamp = on_arrival
        comes: Comes | None = None
        if opened.is_device:
            stamp, comes = DriverStamps(opened.capture, since).stamp, comes_within
        self._pump = opened.pump(
            opened.capture, self._clock, self._name, opened.content, stamp, comes
        )
        return opened.mode

    def read(self, due: Due = ANY) -> RawFrame:
        """Wait for the picture that is due.

        :raises SourceError: when the camera brings none.
        """
        if self._pump is None:
            raise SourceError(f"{self._name} is not open")
        return self._pump.read(due)

    def pump(self) -> bool:
        """Take the next picture, unless another thread does."""
        return self._pump is not None and self._pump.take()

    def close(self) -> None:
        """Release the camera."""
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
    is_redrawn: bool = False,
    opener: Opener = open_capture,
    why: Callable[[str], str] = why_no_device,
    codes: Callable[[str], Sequence[str]] = codes_of,
) -> Live:
    """Return a V4L2 camera as a source.

    :param source: a path such as ``/dev/v4l/by-id/...``, or the number in /dev/videoN.
    :param width: in pixels, like the height and the rate what it is asked for.
    :param wanted: ``mjpeg``: the camera's own JPEGs, or it does not open; ``raw``:
        pixels; ``auto``: JPEGs where it has them.
    :param is_redrawn: whether its JPEGs are not passed on as they are.
    :param why: tells why a path does not open.
    :param codes: asks a device which formats it has; may raise ``OSError``.
    """
    path = device_path(source)
    requested = RequestedMode(width, height, max(1, round(fps)), wanted)
    connect = partial(_connect_device, path, requested, is_redrawn, opener, why, codes)
    return Live(path, connect, clock)


@dataclass(frozen=True, slots=True)
class RequestedMode:
    """What a device is asked for."""

    width: int
    height: int
    fps: int
    format: CameraFormat

    def jpegs(self, codes: Sequence[str]) -> str | None:
        """Return which of a device's formats to ask for; None for pixels."""
        if self.format == "raw":
            return None
        return next((code for code in JPEGS if code in codes), None)

    def lists(self, jpegs: str | None) -> Iterator[tuple[int, ...]]:
        """Yield the parameters to open with, the best first.

        In one list they hold (measured); set one by one, a width alone does nothing.
        But a device that lacks one of them does not open with the list at all: many
        have no rate to set. The format is never left out: a device may refuse a list
        only because it is not ready yet, and would give pixels from then on.

        :param jpegs: the format; None for pixels, of whatever format.
        """
        form: tuple[int, ...] = ()
        if jpegs is not None:
            form = (
                *(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*jpegs)),
                *(cv2.CAP_PROP_CONVERT_RGB, 0),
            )
        size = (
            *(cv2.CAP_PROP_FRAME_WIDTH, self.width),
            *(cv2.CAP_PROP_FRAME_HEIGHT, self.height),
        )
        rate = (cv2.CAP_PROP_FPS, self.fps)
        for requests in (size + rate, size, ()):
            # In this order it was measured: the rate depends on the size, and that on
            # the format.
            yield form[:2] + requests + form[2:]

    def beside(self, mode: CameraMode) -> str | None:
        """Return this in words, where the camera gives something else."""
        same = (mode.width, mode.height) == (self.width, self.height)
        if same and (mode.fps is None or round(mode.fps) == self.fps):
            return None
        return f"{self.width}x{self.height} at {self.fps} fps"


def address(
    url: str,
    *,
    clock: Clock,
    opener: Opener = open_capture,
    why: Callable[[str], str] = why_no_answer,
) -> Live:
    """Return a camera in the network as a source.

    :param url: what FFmpeg can read: ``rtsp://``, ``http://``, ``https://``.
    :param why: tells why an address does not open.
    """
    return Live(origin_of(url), partial(_connect_address, url, opener, why), clock)


def _connect_device(
    path: str,
    requested: RequestedMode,
    is_redrawn: bool,
    opener: Opener,
    why: Callable[[str], str],
    codes: Callable[[str], Sequence[str]],
) -> OpenedCapture:
    jpegs = _jpegs(path, requested, why, codes)
    for parameters in requested.lists(jpegs):
        capture = opener(path, cv2.CAP_V4L2, parameters)
        # The driver keeps its usual number of buffers (CAP_PROP_BUFFERSIZE): with one
        # alone it would lose pictures that come while another is being copied.
        if capture.isOpened():
            return _opened(capture, path, requested, jpegs, is_redrawn)
        capture.release()
    raise SourceError(f"{path}: {why(path)}")


def _jpegs(
    path: str,
    requested: RequestedMode,
    why: Callable[[str], str],
    codes: Callable[[str], Sequence[str]],
) -> str | None:
    """Return the format of JPEGs to ask for; None for pixels."""
    try:
        told = codes(path)
    except OSError:
        raise SourceError(f"{path}: {why(path)}") from None
    jpegs = requested.jpegs(told)
    if jpegs is None and requested.format == "mjpeg":
        reason = f"it gives no MJPEG; it has {', '.join(told)}"
        raise SourceError(f"{path}: {reason if told else why(path)}")
    return jpegs


def _opened(
    capture: Capture,
    path: str,
    requested: RequestedMode,
    jpegs: str | None,
    is_redrawn: bool,
) -> OpenedCapture:
    mode = replace(given_by(capture), steady=True)
    mode = replace(mode, asked=requested.beside(mode))
    if jpegs is None:
        return OpenedCapture(capture, mode, retrieve, is_device=True)
    # OpenCV takes another format when the driver refuses this one for a moment; and
    # the buffer would be that, unconverted.
    if mode.format not in JPEGS:
        capture.release()
        raise SourceError(f"{path}: it gave {mode.format}, though it has {jpegs}")
    pump = ThreadedPump if is_redrawn else Pump
    return OpenedCapture(capture, mode, retrieve_jpeg, is_device=True, pump=pump)


def _connect_address(
    url: str, opener: Opener, why: Callable[[str], str]
) -> OpenedCapture:
    limits = (
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIME_OUT),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIME_OUT),
    )
    # FFmpeg knows schemes in lower case only; phones write "Rtsp".
    scheme, separator, rest = url.partition("://")
    capture = opener(scheme.lower() + separator + rest, cv2.CAP_FFMPEG, limits)
    if capture.isOpened():
        return OpenedCapture(capture, given_by(capture))
    capture.release()
    raise SourceError(f"{origin_of(url)}: {why(url)}")
