"""What a source, an encoder and their pictures are: the words of this package.

This is the one package that knows OpenCV, and this module must be importable where
OpenCV is not. :mod:`camd.sources.factory` chooses the source that a camera's settings
call for. There are two kinds:

- A :class:`Source` is *pulled*: its calls may block, so they are made in the camera's
  own thread and never in the reactor's (``camd.capture.pull``). OpenCV, files.
- A :class:`PushSource` *pushes*: its pictures are JPEGs that arrive on the reactor. It
  hands each to a :class:`Receiver` there (``camd.capture.push``), without a thread.

To write a source that pushes:

- ``start`` begins to connect, or spawns the program, and returns at once. Tell the
  receiver ``opened`` once, just ahead of the first picture, then ``picture`` for each,
  checked by nobody: the receiver drops what exceeds the rate, and checks the rest.
- When no more pictures can come, tell ``failed`` once, with the reason for people. The
  receiver then calls ``stop`` and, later, ``start`` again; there are no retries, no
  back-off and no states to keep in the source.
- No deadline for a picture is needed either: the receiver gives a source up that brings
  none for long, and asks it by ``why_silent`` for the words. Only waits that the source
  alone knows of (to connect, for an answer) are bounded by the source.
- A source that relays another camd hands over each picture with its ``Stamp``, tells by
  ``upstream`` what that one says of its camera, and by ``placeholder`` what that one
  shows in place of a picture. What it repeats is known by its stamp. Where that one
  makes renditions, it may bring those that ``wanted`` names, and leave out the rest.
- After ``stop`` tell the receiver nothing more, and do not keep it.
- Add it to ``push_source`` in :mod:`camd.sources.factory`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable

from twisted.internet.defer import Deferred

from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import Stamp
from camd.sources.due import ANY, Due

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "CameraMode",
    "Clock",
    "EncodeError",
    "Encoder",
    "Image",
    "PumpedSource",
    "PushSource",
    "RawFrame",
    "Receiver",
    "Refused",
    "Sleep",
    "Source",
    "SourceError",
    "in_words",
]

Image: TypeAlias = "npt.NDArray[np.uint8]"
"""A picture in pixels: uint8, height x width x 3, in the order blue, green, red."""

Clock: TypeAlias = Callable[[], float]
"""Returns the time in seconds; only differences mean something."""

Sleep: TypeAlias = Callable[[float], None]
"""Blocks for so many seconds."""


class RawFrame(NamedTuple):
    """One picture as it left the source.

    :ivar content: a JPEG, which is passed on as it is, or pixels to be encoded.
    :ivar captured: when it was taken, in seconds on the clock the source was given.
    :ivar stamp: what another camd calls it; None for a camera of this one.
    :ivar size: of a JPEG that has passed :func:`camd.formats.jpeg.whole` already; None
        where it has yet to.
    """

    content: bytes | Image
    captured: float
    stamp: Stamp | None = None
    size: Size | None = None


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


class Refused(SourceError):
    """A source that answers, and says no: only people can change that.

    It is tried again no more often than after the longest of delays: where a key is
    wrong, each try counts against whoever makes it.
    """


class EncodeError(Exception):
    """One picture could not be made into a JPEG; the next one may do."""


def in_words(error: OSError) -> str:
    """Return why the system has refused something, as a line for people says it."""
    return (error.strerror or str(error) or type(error).__name__).lower()


class Source(Protocol):
    """One camera, or what stands in for one. Used by one thread at a time."""

    def open(self) -> CameraMode:
        """Open the camera; what was open before is closed first.

        :raises SourceError: with the reason, as far as it is known.
        """
        ...

    def read(self, due: Due = ANY) -> RawFrame:
        """Wait for the newest picture, newer than the last one returned.

        :param due: which one is wanted. What comes sooner is left out; but where
            nothing else has come by then, it is the newest.
        :raises SourceError: when there is none; close and open again.
        :raises Damaged: when this one is no good (:mod:`camd.formats.jpeg`); read on.
        """
        ...

    def close(self) -> None:
        """Release the camera. May be called at any time, any number of times.

        Like the others it may never return, where a driver hangs.
        """
        ...


@runtime_checkable
class PumpedSource(Source, Protocol):
    """A source whose pictures must be taken as they come, whether one is read or not.

    What it keeps unread is old otherwise.
    """

    def pump(self) -> bool:
        """Wait for the next picture, and keep it for the next :meth:`read`.

        Called again and again while there is nothing else to do; never raises.

        :return: False where there is nothing to take, as it is closed, has failed, or
            has a thread for this.
        """
        ...


class Receiver(Protocol):
    """Takes what a :class:`PushSource` brings. Called on the reactor only."""

    def opened(
        self, format: str, fps: float | None = None, size: Size | None = None
    ) -> None:
        """Note that pictures begin to come.

        :param format: as :attr:`CameraMode.format`.
        :param fps: pictures per second, where the camera tells.
        :param size: of full pictures; None where the first whole one is to tell.
        """
        ...

    def wanted(self) -> Collection[Rendition | None]:
        """Return in which renditions viewers want pictures, of those that there may be.

        :return: None among them is the full picture; nothing while nobody watches, when
            the smallest will do.
        """
        ...

    def lacks(self, rendition: Rendition | None) -> bool:
        """Whether somebody waits for a picture in a rendition, be it a new one or not.

        :param rendition: None for the full picture.
        """
        ...

    def picture(
        self,
        jpeg: bytes,
        captured: float,
        stamp: Stamp | None = None,
        size: Size | None = None,
        rendition: Rendition | None = None,
    ) -> None:
        """Take a JPEG, whole or not.

        :param captured: when it was taken, on the reactor's clock (seconds).
        :param stamp: what another camd calls it. The frame has the same number and
            time; one that comes twice is no new picture.
        :param size: of one that is known to be whole; None where that is to be checked.
        :param rendition: what another camd has made of it; None for the full picture.
            Those of one rendition come in the order in which they were taken.
        """
        ...

    def heard(self) -> None:
        """Note that the source is well though it brings no picture.

        It is not given up for its silence then.
        """
        ...

    def link_lost(self, reason: str) -> None:
        """Note that the way to another camd is broken, which the source mends itself.

        It is not given up for its silence, as long as it says so now and then.

        :param reason: for people.
        """
        ...

    def patience(self, seconds: float) -> None:
        """Note for how long no picture is normal for the camera of another camd.

        :param seconds: by that one's word; 0 where it says nothing of that.
        """
        ...

    def upstream(self, state: str, why: str | None) -> None:
        """Note what the camd that the pictures come from says of its camera.

        :param state: as its stats have it. An unknown one counts as ``stalled``.
        :param why: its last error, in one line that may be shown; None for none.
        """
        ...

    def placeholder(self, jpeg: bytes, timestamp: float) -> None:
        """Take what the camd that the pictures come from shows in place of a picture.

        The state behind it is what :meth:`upstream` told last.

        :param jpeg: whole or not.
        :param timestamp: as that one tells it, in Unix seconds.
        """
        ...

    def waits(self, reason: str) -> None:
        """Note that nobody is there to bring pictures, and that the source waits.

        The camera is offline until the next picture, and the source stays started.

        :param reason: for people.
        """
        ...

    def failed(self, error: SourceError) -> None:
        """Stop the source: it does not open, or brings no more pictures."""
        ...

    def fall_back(self, new_source: Callable[[], Source]) -> None:
        """Stop the source: what it found has to be pulled, by this one.

        :param new_source: may raise :exc:`SourceError`.
        """
        ...


class PushSource(Protocol):
    """A camera whose pictures arrive on the reactor. All calls are made there."""

    def start(self, receiver: Receiver, fps: float) -> None:
        """Begin to bring pictures, and return at once.

        Not called while it is started, nor before :meth:`stop` has fired.

        :param fps: the most pictures a second that are wanted.
        """
        ...

    def set_rate(self, fps: float) -> None:
        """Bring so many pictures a second at the most, where that can be chosen.

        The next one is wanted as soon as this rate allows. What comes faster is
        dropped, so a camera that goes at its own pace may ignore it.
        """
        ...

    def why_silent(self, seconds: float) -> SourceError:
        """Return the error to tell when no picture has come for so long.

        It says what came instead, if anything did.
        """
        ...

    def stop(self) -> Deferred[None]:
        """Stop at once, whatever is under way. Called any number of times.

        :return: fires when the camera is free to be started again.
        """
        ...


class Encoder(Protocol):
    """Makes JPEGs of pictures.

    :ivar quality: 1 (small) to 100 (good); may be changed at any time.
    """

    quality: int

    def encode(self, picture: Image) -> bytes:
        """Return the picture as one whole JPEG.

        :raises EncodeError: when this picture cannot be encoded.
        """
        ...
