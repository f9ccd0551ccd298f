"""The comment in each of a webcam's JPEGs, and with it the bytes that were sent."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from camd.formats.jpeg import Size
from e2e.client import Seen

_COMMENT = re.compile(
    rb"\xff\xd8(\xff\xfe..vcam cam=(\d+) seq=(\d+) t=(\d+) pool=(\d+))", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a webcam wrote into a picture.

    :ivar segment: the comment itself, which stands behind SOI.
    :ivar camera: the webcam's number.
    :ivar number: the picture's, without a gap but where one was dropped.
    :ivar sent: when the webcam began to send it, on the monotonic clock (seconds).
    :ivar drawing: which of the webcam's few drawings it is.
    """

    segment: bytes
    camera: int
    number: int
    sent: float
    drawing: int


def read(jpeg: bytes) -> Stamp:
    """Read the comment of a picture.

    :raises AssertionError: when it has none, as a placeholder.
    """
    found = _COMMENT.match(jpeg)
    assert found, jpeg[:100]
    camera, number, moment, drawing = map(int, found.groups()[1:])
    return Stamp(found[1], camera, number, moment / 1e9, drawing)


@cache
def drawing(camera: int, size: Size, index: int) -> bytes:
    """A webcam's drawing, as it is without a comment."""
    folder = Path(os.environ["VCAM_FRAMES"]) / f"cam{camera}" / str(size)
    return sorted(folder.glob("*.jpg"))[index].read_bytes()


def sent(jpeg: bytes, size: Size) -> bytes:
    """The bytes that the webcam sent when it sent the picture with this comment."""
    stamp = read(jpeg)
    plain = drawing(stamp.camera, size, stamp.drawing)
    return plain[:2] + stamp.segment + plain[2:]


def age(seen: Seen) -> float:
    """Seconds from when the webcam began to send it until a viewer had all of it."""
    return seen.moment - read(seen.jpeg).sent
