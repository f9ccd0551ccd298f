"""One whole picture on its way to the viewers, built for the wire once, for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from camd.formats import multipart
from camd.formats.jpeg import Size
from camd.formats.multipart import Form
from camd.formats.rendition import Rendition

SOON = 1.0
"""Seconds between two pictures by the clock of the camd that has the camera, within
which a lower number is that of the one before, and not of a camera that began again."""

FAR_FUTURE = 1e11
"""Unix seconds that no clock shows, in the year 5138."""


class Stamp(NamedTuple):
    """What names a picture, from the camera to the last screen.

    The camd that has the camera gives it; others on the way pass it on unchanged.

    :ivar number: counts the camera's frames from 1.
    :ivar timestamp: when it was taken, in Unix seconds of that camd's clock.
    """

    number: int
    timestamp: float

    @classmethod
    def told(
        cls, number: int | str | bytes, timestamp: float | str | bytes
    ) -> Stamp | None:
        """Return what another camd calls a picture, with number 0 for a placeholder.

        :return: None where either is nonsense.
        """
        try:
            stamp = cls(int(number), float(timestamp))
        except ValueError:
            return None
        sound = 0 <= stamp.number < 1 << 63 and 0 <= stamp.timestamp < FAR_FUTURE
        return stamp if sound else None


class Frame:
    """One whole JPEG on its way to the viewers.

    :ivar jpeg: the picture, checked: nothing else may be sent as a part.
    :ivar number: counts the camera's frames from 1; 0 is on a placeholder.
    :ivar captured: when it was taken, in seconds of the reactor's clock.
    :ivar timestamp: the same moment in Unix seconds, as viewers are told: by the clock
        of the camd that has the camera.
    :ivar size: width and height in pixels.
    :ivar state: on a placeholder, what the camera does; empty on its own pictures.
    :ivar rendition: what it was scaled to; None for the full picture.
    :ivar full: the JPEG that it was scaled from; its own for the full picture.
    """

    __slots__ = (
        "_blocks",
        "captured",
        "full",
        "jpeg",
        "number",
        "rendition",
        "size",
        "state",
        "timestamp",
    )

    def __init__(
        self,
        jpeg: bytes,
        number: int,
        captured: float,
        timestamp: float,
        size: Size,
        state: str = "",
        rendition: Rendition | None = None,
        full: bytes | None = None,
    ) -> None:
        self.jpeg = jpeg
        self.full = jpeg if full is None else full
        self.number = number
        self.captured = captured
        self.timestamp = timestamp
        self.size = size
        self.state = state
        self.rendition = rendition
        self._blocks: dict[Wire, bytes] = {}

    @property
    def is_placeholder(self) -> bool:
        """Whether camd drew it because the camera gave no picture."""
        return not self.number

    def shows_the_same_as(self, other: Frame) -> bool:
        """Whether both are of one picture, be it in several renditions."""
        return (self.number, self.captured) == (other.number, other.captured)

    def is_behind(self, other: Frame, *, or_same: bool = False) -> bool:
        """Whether it was taken before another one, and is no placeholder.

        Numbers alone do not tell: they begin again with the camera.

        :param or_same: whether one that shows the same picture counts, too.
        """
        if self.number == other.number and self.timestamp == other.timestamp:
            return or_same and not self.is_placeholder
        if not 0 < self.number < other.number:
            return False
        # What is known of another camd's clock may change between two pictures.
        is_soon = 0 < other.timestamp - self.timestamp < SOON
        return self.captured < other.captured or is_soon

    def block(self, wire: Wire) -> bytes:
        """Return its bytes for this wire: built on first use, the same object to all.

        :raises Exception: whatever building them raised.
        """
        block = self._blocks.get(wire)
        if block is None:
            block = self._blocks[wire] = wire.build(self)
        return block


class Wire(ABC):
    """How frames are laid out on one kind of connection.

    Compared and hashed by identity: viewers share a block, and a batch, when they have
    the same wire. So there is one object for each kind, and none per viewer.
    """

    __slots__ = ()

    @abstractmethod
    def build(self, frame: Frame) -> bytes:
        """Lay out one frame. Called once per frame and wire, on first use."""


@dataclass(frozen=True, eq=False, slots=True)
class MultipartWire(Wire):
    """How frames are laid out in a stream. There are four, all in :data:`WIRES`.

    :ivar form: the layout of the part, by what the client is.
    :ivar chunked: whether each block carries its own HTTP/1.1 chunk framing.
    """

    form: Form
    chunked: bool

    def opening(self) -> bytes:
        """Return what comes once ahead of the first block, never chunk-framed."""
        return multipart.opening(self.form)

    def build(self, frame: Frame) -> bytes:
        """Lay out one frame, from behind one boundary to the end of the next."""
        return multipart.block(
            self.form,
            frame.jpeg,
            frame.timestamp,
            frame.number,
            frame.state,
            self.chunked,
        )


WIRES = {
    (form, chunked): MultipartWire(form, chunked)
    for form in Form
    for chunked in (False, True)
}
"""The wires of all streams, by form and by whether they are chunked."""
