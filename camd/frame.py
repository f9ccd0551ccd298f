"""One whole picture on its way to the viewers, built for the wire once, for all."""

from __future__ import annotations

from dataclasses import dataclass

from camd.formats import multipart
from camd.formats.jpeg import Size
from camd.formats.multipart import Form


class Frame:
    """
    One whole JPEG on its way to the viewers.

    :ivar jpeg: the picture, checked: nothing else may be sent as a part.
    :ivar number: counts the camera's frames from 1; 0 is on a placeholder.
    :ivar captured: when it was taken, in seconds of the reactor's clock.
    :ivar timestamp: the same moment in Unix seconds, as viewers are told.
    :ivar size: width and height in pixels.
    :ivar state: on a placeholder, what the camera does; empty on its own pictures.
    :ivar blocks: its bytes by :class:`Wire`, built on first use: the same to all.
    """

    __slots__ = ("blocks", "captured", "jpeg", "number", "size", "state", "timestamp")

    def __init__(
        self,
        jpeg: bytes,
        number: int,
        captured: float,
        timestamp: float,
        size: Size,
        state: str = "",
    ) -> None:
        self.jpeg = jpeg
        self.number = number
        self.captured = captured
        self.timestamp = timestamp
        self.size = size
        self.state = state
        self.blocks = Blocks(jpeg, timestamp, number, state)

    @property
    def is_placeholder(self) -> bool:
        """Whether camd drew it because the camera gave no picture."""
        return not self.number


class Blocks(dict["Wire", bytes]):
    """
    A frame's bytes for each kind of wire that somebody watches on.

    A dict, as looking one up is done for every viewer and must cost next to nothing.
    """

    __slots__ = ("_parts",)

    def __init__(self, jpeg: bytes, timestamp: float, number: int, state: str) -> None:
        # Not the frame itself: in a circle, frames would stay until the collector
        # comes by, and that is seldom.
        self._parts = (jpeg, timestamp, number, state)

    def __missing__(self, wire: Wire) -> bytes:
        block = self[wire] = wire.build(*self._parts)
        return block


# Compared and hashed by identity: a frame looks its block up once per viewer.
@dataclass(frozen=True, eq=False, slots=True)
class Wire:
    """
    How frames stand on one connection. There are four, all in :data:`WIRES`.

    :ivar form: the layout of the part, by what the client is.
    :ivar chunked: whether each block carries its own HTTP/1.1 chunk framing.
    """

    form: Form
    chunked: bool

    def opening(self) -> bytes:
        """Give what stands once ahead of the first block, never chunk-framed."""
        return multipart.opening(self.form)

    def build(
        self, jpeg: bytes, timestamp: float, number: int, state: str = ""
    ) -> bytes:
        """Lay out one frame. Called once per frame and wire, on first use."""
        join = multipart.chunk if self.chunked else _join
        return join(*multipart.pieces(self.form, jpeg, timestamp, number, state))


def _join(*pieces: bytes) -> bytes:
    return b"".join(pieces)


WIRES = {
    (form, chunked): Wire(form, chunked) for form in Form for chunked in (False, True)
}
