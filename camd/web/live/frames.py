"""WebSocket frames of clients: where each ends, and the short ones taken apart.

wsproto knows all rules of RFC 6455 and reads nearly everything. But acknowledgements
come by the thousand each second, each in one short frame, and wsproto and Twisted take
60 calls for such a one. What is found to be one here is not shown to them.
"""

from __future__ import annotations

FINAL = 0x80
"""Bit of a frame's first byte: the message ends with this frame."""

TEXT, PONG = 0x81, 0x8A
"""First bytes of frames that are whole messages."""

CLOSE = 8
"""Opcode, the lower half of the first byte; below it are those of data."""

_MASKED = 0x80
_SHORT = 125
_HEAD = 6


def end_of(data: bytes, at: int) -> tuple[int, int]:
    """Return where the frame that begins at ``at`` ends, and the bytes of its payload.

    :return: an end behind the data for one that is not all there; the payload counts as
        0 until its length is.
    """
    if len(data) < at + 2:
        return at + 2, 0
    size, start = data[at + 1] & ~_MASKED, at + 2
    if size > _SHORT:
        width = 2 if size == 126 else 8
        start += width
        if len(data) < start:
            return start, 0
        size = int.from_bytes(data[start - width : start], "big")
    if data[at + 1] & _MASKED:
        start += 4
    return start + size, size


def short_payload(frame: bytes) -> bytes | None:
    """Return the payload of a frame.

    :return: None where these bytes are not one frame, from its beginning to its end, or
        where that is longer than 125 bytes, or not masked.
    """
    size = len(frame) - _HEAD
    if not 0 <= size <= _SHORT or frame[1] != _MASKED | size:
        return None
    mask = frame[2:_HEAD] * (size // 4 + 1)
    plain = int.from_bytes(frame[_HEAD:], "big") ^ int.from_bytes(mask[:size], "big")
    return plain.to_bytes(size, "big")
