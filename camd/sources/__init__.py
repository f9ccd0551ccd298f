"""What a source, an encoder and their pictures are: the words of this package.

This is the one package that knows OpenCV, and this module must be importable where
OpenCV is not. :mod:`camd.sources.factory` chooses the source that a camera's settings
call for.

All of it may block and belongs in the camera's own thread, never in the reactor's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "CameraMode",
    "Clock",
    "EncodeError",
    "Encoder",
    "Image",
    "RawFrame",
    "Sleep",
    "Source",
    "SourceError",
]

Image: TypeAlias = "npt.NDArray[np.uint8]"
"""A picture in pixels: uint8, height x width x 3, in the order blue, green, red."""

Clock: TypeAlias = Callable[[], float]
"""Returns the time in seconds; only differences mean something."""

Sleep: TypeAlias = Callable[[float], None]
"""Blocks for so many seconds."""


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One picture as it left the source.

    :ivar content: a JPEG, which is passed on as it is, or pixels to be encoded.
    :ivar captured: when it was taken, in seconds on the clock the source was given.
    """

    content: bytes | Image
    captured: float


@dataclass(frozen=True, slots=True)
class CameraMode:
    """What a camera really gives, read back from it; often not what it was asked for.

    :ivar width: in pixels.
    :ivar height: in pixels.
    :ivar fps: pictures per second; None when the camera does not tell.
    :ivar format: how the pictures come in, such as ``BGR``, ``YUYV``, ``MJPG``,
        ``JPEG`` or ``h264``; shown to people, not interpreted.
    :ivar asked: what it was asked for, in words, where that is something else.
    :ivar steady: whether all pictures are of this size, as a camera's are; JPEGs that
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
    """A source does not open or gives no picture; trying again later may help.

    Its text is one line for people: the reason, with no password in it.
    """


class EncodeError(Exception):
    """One picture could not be made into a JPEG; the next one may do."""


class Source(Protocol):
    """One camera, or what stands in for one. Used by one thread at a time."""

    def open(self) -> CameraMode:
        """Open the camera; what was open before is closed first.

        :raises SourceError: with the reason, as far as it is known.
        """
        ...

    def read(self) -> RawFrame:
        """Wait for the newest picture, newer than the last one returned.

        :raises SourceError: when there is none; close and open again.
        :raises Damaged: when this one is no good (:mod:`camd.formats.jpeg`); read on.
        """
        ...

    def close(self) -> None:
        """Release the camera. May be called at any time, any number of times.

        Like the others it may never return, where a driver hangs.
        """
        ...


class Encoder(Protocol):
    """Makes JPEGs of pictures."""

    def encode(self, picture: Image) -> bytes:
        """Return the picture as one whole JPEG.

        :raises EncodeError: when this picture cannot be encoded.
        """
        ...
