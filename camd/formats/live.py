"""The bytes of the live channel: a picture as a WebSocket message, ahead of it a PING.

docs/live.md has the layout. A server never masks what it sends (RFC 6455 5.1), so that
the same bytes are good for every viewer.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from camd.formats.jpeg import Size

VERSION = 1
"""Of the header's layout, and of all that docs/live.md says."""

PLACEHOLDER, REPEAT, ACKNOWLEDGE = 1, 2, 4
"""The header's flags."""

HEADER = struct.Struct("!BBBBHHHHId")
"""Version, header length, flags, rendition, camera, width, height, 0, frame, time."""

_PROBE = struct.Struct("!I")
_BINARY, _TEXT, _CLOSE, _PING = 0x82, 0x81, 0x88, 0x89


class PictureKey(NamedTuple):
    """What names a picture on one connection, and is in the PING ahead of it."""

    camera: int
    frame: int


_KEY = struct.Struct("!BBHI")


def picture(
    jpeg: bytes,
    key: PictureKey,
    rendition: int,
    timestamp: float,
    size: Size,
    *,
    asks: bool,
    ahead: bool = True,
) -> bytes:
    """Return one picture as it is sent.

    :param key: its frame is 0 on a placeholder.
    :param rendition: 0 for the full picture.
    :param timestamp: when it was taken, in Unix seconds.
    :param asks: whether it is to be acknowledged.
    :param ahead: whether a PING comes ahead of one that is.
    """
    flags = (0 if key.frame else PLACEHOLDER) | (ACKNOWLEDGE if asks else 0)
    frame = key.frame & 0xFFFFFFFF
    header = HEADER.pack(
        VERSION,
        HEADER.size,
        flags,
        rendition,
        key.camera,
        size.width,
        size.height,
        0,
        frame,
        timestamp,
    )
    first = b""
    if asks and ahead:
        first = ping(_KEY.pack(flags, rendition, key.camera, frame))
    return b"".join((first, _head(_BINARY, HEADER.size + len(jpeg)), header, jpeg))


class Content(NamedTuple):
    """What a picture shows, whichever connection it is sent on.

    :ivar camera: its number.
    :ivar rendition: 0 for the full picture.
    :ivar frame: modulo 2³²; 0 on a placeholder.
    :ivar timestamp: when it was taken, in Unix seconds.
    """

    camera: int
    rendition: int
    frame: int
    timestamp: float


def content_of(block: bytes) -> Content:
    """Return what a picture with a PING ahead of it shows."""
    head = HEADER.unpack_from(block, _header_at(block))
    _, _, _, rendition, camera, _, _, _, frame, timestamp = head
    return Content(camera, rendition, frame, timestamp)


def as_repeat(block: bytes) -> bytes:
    """Return a picture with a PING, marked as one that was sent before."""
    marked = bytearray(block)
    for at in (2, _header_at(block) + 2):  # In the PING, and in the header.
        marked[at] |= REPEAT
    return bytes(marked)


def _header_at(block: bytes) -> int:
    """Return where the header of a picture with a PING ahead of it begins."""
    ahead = 2 + _KEY.size
    return ahead + {126: 4, 127: 10}.get(block[ahead + 1], 2)


class Picture(NamedTuple):
    """A picture as a client reads it.

    :ivar flags: those of :data:`PLACEHOLDER`, :data:`REPEAT` and :data:`ACKNOWLEDGE`
        that are set; there may be others.
    :ivar rendition: 0 for the full picture.
    :ivar camera: the daemon's number for it.
    :ivar width: in pixels, as the header says.
    :ivar frame: its number modulo 2**32; 0 for a placeholder.
    :ivar timestamp: when it was taken, in Unix seconds.
    """

    flags: int
    rendition: int
    camera: int
    width: int
    frame: int
    timestamp: float
    jpeg: bytes


def read_picture(message: bytes | bytearray) -> Picture | None:
    """Read a binary message; nothing has looked at the JPEG.

    :return: None for one of another version, or too short.
    """
    if len(message) < HEADER.size:
        return None
    version, length, flags, rendition, camera, width, _, _, frame, timestamp = (
        HEADER.unpack_from(message)
    )
    if version != VERSION or length < HEADER.size:
        return None
    jpeg = bytes(memoryview(message)[length:])
    return Picture(flags, rendition, camera, width, frame, timestamp, jpeg)


def key_of(block: bytes) -> PictureKey:
    """Return the key of a picture, out of the PING ahead of it."""
    _, _, camera, frame = _KEY.unpack_from(block, 2)
    return PictureKey(camera, frame)


def answered_key(payload: bytes) -> PictureKey | None:
    """Return the picture whose PING a PONG answers; None where it is no picture's."""
    if len(payload) != _KEY.size:
        return None
    _, _, camera, frame = _KEY.unpack(payload)
    return PictureKey(camera, frame)


def probe(number: int) -> bytes:
    """Return a PING that stands alone, of this number."""
    return ping(_PROBE.pack(number & 0xFFFFFFFF))


def answered_probe(payload: bytes) -> int | None:
    """Return the probe that a PONG answers; None where it is none."""
    return _PROBE.unpack(payload)[0] if len(payload) == _PROBE.size else None


def ping(payload: bytes = b"") -> bytes:
    """Return a PING; its payload has 125 bytes at the most."""
    return _head(_PING, len(payload)) + payload


def text(line: str) -> bytes:
    """Return a text message."""
    data = line.encode()
    return _head(_TEXT, len(data)) + data


def close(code: int, reason: str) -> bytes:
    """Return a CLOSE frame; the reason is cut at what fits one."""
    data = struct.pack("!H", code) + reason.encode()[:123]
    return _head(_CLOSE, len(data)) + data


def _head(opcode: int, length: int) -> bytes:
    """Return a frame's header (RFC 6455 5.2)."""
    if length < 126:
        return bytes((opcode, length))
    if length < 1 << 16:
        return struct.pack("!BBH", opcode, 126, length)
    return struct.pack("!BBQ", opcode, 127, length)
