"""
Where pictures come from: what a source and an encoder are, and which one a
camera's settings call for.

This is the one room that knows OpenCV, and this module must be importable where
OpenCV is not: what imports it stands in the other modules of the package, and is
imported by `make_source` and `make_encoder` when it is needed.

All of it may block and belongs in the camera's own thread, never in the reactor's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from camd.config.checks import PICTURE_CHOICES
from camd.sources.opencv_check import prepare, why_no_opencv

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from camd.config.settings import CameraSettings

__all__ = [
    "Clock",
    "EncodeError",
    "Encoder",
    "Given",
    "Image",
    "Shot",
    "Sleep",
    "Source",
    "SourceError",
    "is_device",
    "local_path",
    "make_encoder",
    "make_placeholder",
    "make_source",
    "prepare",
    "why_no_opencv",
]

#: A picture in pixels: uint8, height x width x 3, in the order blue, green, red.
Image: TypeAlias = "npt.NDArray[np.uint8]"

#: Tells the time in seconds; only differences mean something.
Clock: TypeAlias = Callable[[], float]

#: Blocks for so many seconds.
Sleep: TypeAlias = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class RawFrame:
    """
    One picture as it left the source.

    :param content: a JPEG, which is passed on as it is, or pixels to be encoded.
    :param captured: when it was taken, in seconds on the clock the source was given.
    """

    content: bytes | Image
    captured: float


@dataclass(frozen=True, slots=True)
class CameraMode:
    """
    What a camera really gives, read back from it; often not what it was asked for.

    :param width: in pixels.
    :param fps: pictures per second; None when the camera does not tell.
    :param format: how the pictures come in, such as ``BGR``, ``YUYV``, ``MJPG``,
        ``JPEG`` or ``h264``; shown to people, not interpreted.
    :param asked: what it was asked for, in words, where that is something else.
    :param steady: whether all pictures are of this size, as a camera's are; JPEGs that
        say otherwise are damaged.
    """

    width: int
    height: int
    fps: float | None
    format: str
    asked: str | None = None
    steady: bool = False

    @property
    def resolution(self) -> str:
        """Width and height as people write them: ``640x480``."""
        return f"{self.width}x{self.height}"

    def __str__(self) -> str:
        rate = f" at {self.fps:g} fps" if self.fps else ""
        asked = f" (asked for {self.asked})" if self.asked else ""
        return f"{self.resolution}{rate}, {self.format}{asked}"


class SourceError(Exception):
    """
    A source does not open or gives no picture; trying again later may help.

    Its text is one line for people: the reason, with no password in it.
    """


class EncodeError(Exception):
    """One picture could not be made into a JPEG; the next one may do."""


class Source(Protocol):
    """One camera, or what stands in for one. Used by one thread at a time."""

    def open(self) -> CameraMode:
        """
        Get the camera going; what was open before is closed first.

        :raises SourceError: with the reason, as well as it can be told.
        """
        ...

    def read(self) -> RawFrame:
        """
        Wait for the newest picture, newer than the last one returned.

        :raises SourceError: when there is none; close and open again.
        :raises Damaged: when this one is no good (`camd.formats.jpeg`); read on.
        """
        ...

    def close(self) -> None:
        """
        Let the camera go. May be called at any time, any number of times.

        Like the others it may never return, where a driver hangs.
        """
        ...


class Encoder(Protocol):
    """Makes JPEGs of pictures."""

    def encode(self, picture: Image) -> bytes:
        """
        One whole JPEG.

        :raises EncodeError: when this picture cannot be encoded.
        """
        ...


def make_source(
    camera: CameraSettings,
    reactor: Any,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Source:
    """
    Choose the source that a camera's settings name. Opens nothing yet.

    :param reactor: the reactor, for cameras that are asked over HTTP.
    :param clock: the same as the reactor's.
    :raises SourceError: when it takes OpenCV and that cannot be imported.
    """
    source = _make_plain(camera, reactor, clock, sleep)
    if camera.camera_controls and is_device(camera.source):
        source = _with_controls(source, camera)
    if camera.rotate or camera.flip != "none" or camera.overlay:
        source = _redrawn(source, camera, clock)
    return source


def _make_plain(
    camera: CameraSettings, reactor: Any, clock: Clock, sleep: Sleep
) -> Source:
    """Make the source as its pictures come."""
    address = camera.source
    if _names_jpegs(address):
        return _make_folder(camera, clock, sleep)
    if address.lower().startswith(("http://", "https://")):
        return _make_http(camera, reactor, clock, sleep)
    _demand_opencv()
    if address == "pattern":
        return _make_pattern(camera, clock, sleep)
    if is_device(address):
        return _make_device(camera, clock)
    if "://" in address:
        return _make_address(camera, clock)
    return _make_video(camera, clock, sleep)


def is_device(address: str) -> bool:
    """Tell whether an address is a camera of this machine, which one can open once."""
    return address.isdecimal() or address.startswith("/dev/")


def local_path(address: str) -> str | None:
    """The path of a device or file; None for what has none, such as an address."""
    if address.isdecimal():
        return f"/dev/video{address}"
    return None if address == "pattern" or "://" in address else address


def make_encoder(quality: int) -> Encoder:
    """
    Make the encoder for one camera.

    :param quality: 1 (small) to 100 (good), as JPEG libraries count it.
    :raises SourceError: when OpenCV cannot be imported.
    """
    _demand_opencv()
    from camd.sources.encoder import JpegEncoder

    return JpegEncoder(quality)


def make_placeholder(
    camera: CameraSettings, lines: Sequence[str], width: int, height: int
) -> bytes:
    """
    Make the JPEG that stands in for a camera: lines of text, or the user's own file.

    :param lines: ASCII text, the camera's name first.
    :param width: in pixels, like the height; the user's file keeps its own size.
    :raises OSError: when the user's file cannot be read.
    :raises SourceError: when OpenCV cannot be imported.
    """
    if camera.offline_picture not in PICTURE_CHOICES:
        return Path(camera.offline_picture).read_bytes()
    encoder = make_encoder(camera.jpeg_quality)
    from camd.sources.drawing.placeholder import draw

    return encoder.encode(draw(lines, width, height))


#: What the names of JPEG files end in; a single such file is a folder of one.
_JPEG_SUFFIX = frozenset({".jpg", ".jpeg"})


def _names_jpegs(address: str) -> bool:
    if address == "pattern" or "://" in address:
        return False
    path = Path(address)
    return path.is_dir() or path.suffix.lower() in _JPEG_SUFFIX


def _demand_opencv() -> None:
    prepare(os.environ)
    reason = why_no_opencv()
    if reason is not None:
        raise SourceError(reason)


def _with_controls(source: Source, camera: CameraSettings) -> Source:
    from camd.sources.v4l2.controlled import Controlled
    from camd.sources.v4l2.device import device_path

    path = device_path(camera.source)
    return Controlled(source, path, camera.camera_controls, camera.name)


def _redrawn(source: Source, camera: CameraSettings, clock: Clock) -> Source:
    _demand_opencv()
    from camd.sources.drawing.transform import Redrawn

    return Redrawn(source, camera, clock)


def _make_pattern(camera: CameraSettings, clock: Clock, sleep: Sleep) -> Source:
    from camd.sources.pattern import Pattern

    return Pattern(
        camera.name,
        camera.camera_width,
        camera.camera_height,
        camera.camera_fps,
        clock=clock,
        sleep=sleep,
    )


def _make_folder(camera: CameraSettings, clock: Clock, sleep: Sleep) -> Source:
    from camd.sources.folder import Folder

    return Folder(Path(camera.source), camera.camera_fps, clock=clock, sleep=sleep)


def _make_video(camera: CameraSettings, clock: Clock, sleep: Sleep) -> Source:
    from camd.sources.video import VideoFile

    return VideoFile(Path(camera.source), camera.camera_fps, clock=clock, sleep=sleep)


def _make_device(camera: CameraSettings, clock: Clock) -> Source:
    from camd.sources.live import device

    return device(
        camera.source,
        camera.camera_width,
        camera.camera_height,
        camera.camera_fps,
        camera.camera_format,
        clock=clock,
    )


def _make_http(
    camera: CameraSettings, reactor: Any, clock: Clock, sleep: Sleep
) -> Source:
    from camd.sources.http.camera import HttpCamera

    def otherwise() -> Source:
        _demand_opencv()
        return _make_address(camera, clock)

    return HttpCamera(
        camera.source,
        camera.camera_fps,
        verify_tls=camera.camera_verify_tls,
        reactor=reactor,
        clock=clock,
        sleep=sleep,
        otherwise=otherwise,
    )


def _make_address(camera: CameraSettings, clock: Clock) -> Source:
    from camd.sources.live import address

    return address(camera.source, clock=clock)
