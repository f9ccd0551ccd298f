"""What clients of the live channel say, read with distrust."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from camd.formats.live import PictureKey

LONGEST = 16384
"""Bytes of a message; one that watches a hundred cameras has fewer, however long their
names are."""


_ONE_ACK = re.compile(
    rb'\{"ack": ?\[\[(0|[1-9][0-9]{0,9}), ?(0|[1-9][0-9]{0,9})'
    rb"(?:, ?(0|[1-9][0-9]{0,5}))?\]\]\}"
)

HAD_MOST = 1e6
"""Milliseconds that a client may say it had a picture: none is waited for as long."""


class BadMessage(ValueError):
    """A message that is none of docs/live.md; the text says why, in one line."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants of one camera.

    :ivar width: pixels that pictures are to have at least; None for the whole picture.
    :ivar quality: the JPEG quality that they are to be near to; None for any.
    :ivar fps: the most pictures a second; 0 for all.
    :ivar auto: whether the rendition follows the link, up to that width.
    :ivar weight: its share of the link, beside the other cameras'.
    """

    width: int | None = None
    quality: int | None = None
    fps: float = 0
    auto: bool = False
    weight: float = 1


class Ack(NamedTuple):
    """A picture that is on the screen.

    :ivar drawing: seconds that the client says it had it; 0 where it does not say.
    """

    key: PictureKey
    drawing: float


@dataclass(frozen=True, slots=True)
class Said:
    """One message.

    :ivar watch: all that is wanted from now on, by camera; None for no change.
    :ivar acks: the pictures that are on the screen.
    :ivar clock: a number to be sent back; None for none.
    """

    watch: Mapping[str, Wanted] | None
    acks: tuple[Ack, ...]
    clock: float | None


def read(text: str) -> Said:
    """Read one message.

    :raises BadMessage: it is none.
    """
    try:
        content = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadMessage("not a JSON object") from None
    if not isinstance(content, dict):
        raise BadMessage("not a JSON object")
    if unknown := content.keys() - {"watch", "ack", "clock"}:
        raise BadMessage(f"bad key: {_shown(min(unknown))}")
    clock = content.get("clock")
    if clock is not None and not _is_number(clock, -1e300, 1e300):
        raise BadMessage(f"bad clock: {_shown(clock)} is no number")
    watch = _watch(content["watch"]) if "watch" in content else None
    return Said(watch, _acks(content.get("ack", [])), clock)


@lru_cache(maxsize=256)
def one_ack(message: bytes) -> Ack | None:
    """Return what a message acknowledges, where that is one picture and all it says.

    Nearly all do not, and :func:`read` takes some 20 times as long (measured). Many
    viewers of a picture say the same of it, which is read once.

    :param message: of 125 bytes at the most, as some are kept.
    """
    found = _ONE_ACK.fullmatch(message)
    if found is None:
        return None
    camera, frame, had = found.groups()
    drawing = 0.0 if had is None else int(had) / 1000
    return Ack(PictureKey(int(camera), int(frame)), drawing)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _acks(content: Any) -> tuple[Ack, ...]:
    if not isinstance(content, list):
        raise BadMessage("bad ack: expected a list of pairs [camera, frame]")
    return tuple(map(_ack, content))


def _ack(content: Any) -> Ack:
    if not (isinstance(content, list) and len(content) in (2, 3)):
        expected = "neither [camera, frame] nor [camera, frame, ms]"
        raise BadMessage(f"bad ack: {_shown(content)} is {expected}")
    camera, frame, *had = content
    if not all(type(number) is int and number >= 0 for number in (camera, frame)):
        raise BadMessage(f"bad ack: {_shown(content)} are no whole numbers from 0")
    if had and not _is_number(had[0], 0, math.inf):
        raise BadMessage(f"bad ack: {_shown(had[0])} is no number of ms from 0")
    drawing = min(had[0], HAD_MOST) / 1000 if had else 0.0
    return Ack(PictureKey(camera, frame), drawing)


def _watch(content: Any) -> dict[str, Wanted]:
    if not isinstance(content, dict):
        raise BadMessage("bad watch: expected an object of cameras")
    return {name: _wanted(name, value) for name, value in content.items()}


def _wanted(name: str, content: Any) -> Wanted:
    if not isinstance(content, dict):
        raise BadMessage(f"bad watch: {_shown(name)}: expected an object")
    for key, value in content.items():
        expected = _EXPECTED.get(key)
        if expected is None:
            raise BadMessage(f"bad watch: {_shown(name)}: bad key: {_shown(key)}")
        if not _fits(key, value):
            raise BadMessage(
                f"bad watch: {_shown(name)}: {key}: {_shown(value)} is not {expected}"
            )
    return Wanted(**content)


_EXPECTED = {
    "width": "a whole number from 1 to 65535",
    "quality": "a whole number from 1 to 100",
    "fps": "a number from 0.1 to 240",
    "auto": "true or false",
    "weight": "a number from 1 to 10",
}


def _fits(key: str, value: Any) -> bool:
    if key == "auto":
        return isinstance(value, bool)
    if key == "width":
        return type(value) is int and 1 <= value <= 65535
    if key == "quality":
        return type(value) is int and 1 <= value <= 100
    low, high = (0.1, 240) if key == "fps" else (1, 10)
    return _is_number(value, low, high)


def _is_number(value: Any, low: float, high: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return low <= value <= high


def _shown(value: Any) -> str:
    """Return what a client sent, fit for a line: short, printable, ASCII."""
    return ascii(value)[:40]
