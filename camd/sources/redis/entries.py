"""What origins write into Redis and edges read: keys, pictures, wishes, states.

A *rung* is what a picture comes as: in full, or as one of the camera's renditions, such
as ``1/4@35``. Each has a stream of its own. A picture is an entry of a stream with
these fields, in this order:

=====  =====================================================================
``c``  when it was taken, in Unix seconds of the origin, as viewers are told
``t``  the same moment by Redis' clock, in seconds, or some time before it
``n``  its number; 0 for a placeholder
``s``  the camera's state on a placeholder; else empty
``y``  the reason for that, for people; else empty
``w``  its width in pixels
``h``  its height in pixels
``j``  the JPEG; empty where the entry only says that the state has changed
=====  =====================================================================

A placeholder is the full one in the streams of all rungs: each edge makes smaller ones
of it, as it does of its own. Numbers are written as Python's ``repr`` has them, so that
a time comes out bit for bit as it went in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any, NamedTuple

from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import Stamp
from camd.sources import patience

EXPIRES = 10
"""Seconds after which a picture is gone that no other one has replaced."""

WANTED = 3
"""Seconds that a rung is wanted after an edge has said so, which it does each second.
"""

WISHES = 64
"""Wishes that are kept of a camera: each edge's says which rungs that one wants. An
origin reads them as they come, and needs those of the last moment alone."""

FULL = "full"
"""What the rung of full pictures is called."""

SEEN = b"camd:seen"
"""The hash of all cameras that were ever published, and not taken back."""

GONE = "gone"
"""The state of a camera that its origin has taken back: no edge shows it any more."""

FIELDS = (b"c", b"t", b"n", b"s", b"y", b"w", b"h", b"j")

_values = itemgetter(*FIELDS)

_WORD = 20
"""Letters of a state."""

_LONGEST = 300
"""Characters of a title or a reason that are read."""

_MOST_RUNGS = 16
"""Rungs of one camera that are read."""

_MOST_SIDE = 65535
"""Pixels of a side that a JPEG can have."""

_WRONG = (KeyError, TypeError, ValueError, AttributeError)
"""What reading raises where another thing stands than a camd writes."""


class BadEntry(Exception):
    """What stands in Redis is nothing that a camd has written."""


class Entry(NamedTuple):
    """One picture, or a change of state without one.

    :ivar timestamp: when it was taken, in Unix seconds of its origin.
    :ivar taken: the same moment by Redis' clock, at the latest.
    :ivar number: 0 for a placeholder, and for a change of state.
    :ivar state: what the camera does; empty on its own pictures.
    :ivar why: the reason for that, for people; may be empty.
    :ivar jpeg: empty for a change of state.
    """

    timestamp: float
    taken: float
    number: int
    state: str
    why: str
    size: Size
    jpeg: bytes


class Wish(NamedTuple):
    """What an edge wants of a camera.

    :ivar rungs: what its viewers see; None among them is the full picture.
    :ivar lacks: those of them that it has no picture of yet, be it a new one or not.
    """

    rungs: frozenset[Rendition | None]
    lacks: frozenset[Rendition | None] = frozenset()


class Seen(NamedTuple):
    """What an origin says of one camera.

    :ivar title: for people.
    :ivar state: what the camera does, by its origin's own word.
    :ivar why: the reason, where it is not well; empty where it is.
    :ivar said: when this was written, by Redis' clock.
    :ivar origin: which run of which camd has written it.
    :ivar fps: the most pictures a second that there will be.
    :ivar width: of its pictures, in pixels; 0 as long as that is unknown.
    :ivar height: of its pictures, in pixels.
    :ivar renditions: the smaller ones that are to be had of its origin.
    :ivar sent: the rungs of which each picture goes out now; None among them is the
        full one.
    :ivar patience: seconds for which no picture is normal for it; 0 from a camd that
        does not say so.
    """

    title: str
    state: str
    why: str
    said: float
    origin: str
    fps: float
    width: int
    height: int
    renditions: tuple[Rendition, ...] = ()
    sent: tuple[Rendition | None, ...] = ()
    patience: float = 0.0

    def written(self) -> bytes:
        """Return it as it stands in Redis."""
        rungs = {
            "renditions": [rung_name(rendition) for rendition in self.renditions],
            "sent": [rung_name(rendition) for rendition in self.sent],
        }
        return json.dumps({**self._asdict(), **rungs}).encode()


def rung_name(rendition: Rendition | None) -> str:
    """Return what a rung is called in Redis.

    :param rendition: None for the full picture.
    """
    return FULL if rendition is None else str(rendition)


def picture_key(camera: str, rendition: Rendition | None = None) -> bytes:
    """Return the key of a camera's newest picture in a rendition.

    :param rendition: None for the full picture.
    """
    return f"camd:{{{camera}}}:{rung_name(rendition)}".encode()


def want_key(camera: str) -> bytes:
    """Return the key of the stream in which edges say that they want a camera."""
    return b"camd:{%b}:want" % camera.encode()


def want(camera: str, fps: float, wish: Wish) -> tuple[bytes | str | int, ...]:
    """Return the words of the command by which an edge says what it wants.

    :param fps: the most pictures a second.
    """
    return (
        *("XADD", want_key(camera), "MAXLEN", WISHES, "*"),
        *(b"fps", f"{fps:g}"),
        *(b"rungs", " ".join(map(rung_name, wish.rungs))),
        *(b"lacks", " ".join(map(rung_name, wish.lacks))),
    )


def read_want(fields: Sequence[Any]) -> Wish:
    """Return what an edge wants: the full picture where it names no rung.

    :param fields: names and values by turns, as Redis has them. What is no rung's name
        is left out.
    """
    said = dict(zip(fields[::2], fields[1::2], strict=False))

    def named(field: bytes, default: bytes) -> frozenset[Rendition | None]:
        return frozenset(
            _rungs(said.get(field, default).decode("ascii", "replace").split())
        )

    return Wish(named(b"rungs", FULL.encode()), named(b"lacks", b""))


def put(key: bytes, entry: Entry) -> tuple[bytes | str | int, ...]:
    """Return the words of the command that makes an entry the newest of its key."""
    return (
        *("XADD", key, "MAXLEN", 1, "*"),
        *(b"c", repr(entry.timestamp), b"t", repr(entry.taken), b"n", entry.number),
        *(b"s", entry.state, b"y", entry.why.encode(errors="replace")),
        *(b"w", entry.size.width, b"h", entry.size.height, b"j", entry.jpeg),
    )


def keep(key: bytes, seconds: int = EXPIRES) -> tuple[bytes | str | int, ...]:
    """Return the words of the command by which a key's entries stay for a while.

    :param seconds: 0 to have them gone at once.
    """
    return "PEXPIRE", key, 1000 * seconds


def read_entry(fields: Sequence[Any]) -> Entry:
    """Return what the fields of an entry say.

    :param fields: names and values by turns, as Redis has them.
    :raises BadEntry: they are not those of a camd.
    """
    try:
        said = dict(zip(fields[::2], fields[1::2], strict=True))
        c, t, n, s, y, w, h, jpeg = _values(said)
        entry = Entry(
            float(c),
            float(t),
            int(n),
            s.decode("ascii"),
            _line(y.decode()) if y else "",
            Size(int(w), int(h)),
            jpeg,
        )
    except _WRONG:
        raise BadEntry("its entry is not as a camd writes it") from None
    has_stamp = Stamp.told(entry.number, entry.timestamp) is not None
    is_word = not s or (s.isalpha() and len(s) <= _WORD)
    is_size = _is_size(entry.size.width, entry.size.height)
    if not (has_stamp and math.isfinite(entry.taken) and is_word and is_size):
        raise BadEntry("its entry is not as a camd writes it")
    return entry


def read_seen(text: bytes) -> Seen:
    """Return what an origin has said of a camera.

    :raises BadEntry: no camd has written it.
    """
    try:
        said = json.loads(text)
        seen = Seen(
            _line(said["title"]),
            _line(said["state"]),
            _line(said["why"]),
            float(said["said"]),
            _line(said["origin"]),
            float(said["fps"]),
            int(said["width"]),
            int(said["height"]),
            tuple(rung for rung in _rungs(said.get("renditions", ())) if rung),
            tuple(_rungs(said.get("sent", ()))),
            patience.read(said.get("patience")),
        )
    except (*_WRONG, RecursionError, OverflowError):
        raise BadEntry("what is said of it is not as a camd writes it") from None
    is_rate = 0 < seen.fps < 1000
    is_size = _is_size(seen.width, seen.height)
    if not (math.isfinite(seen.said) and is_rate and is_size):
        raise BadEntry("what is said of it is not as a camd writes it")
    return seen


def _rungs(names: Sequence[str]) -> Iterator[Rendition | None]:
    """Yield the rungs of these names; what is none's is left out."""
    for name in names[:_MOST_RUNGS]:
        with suppress(ValueError):
            yield None if name == FULL else Rendition.parse(name)


def _is_size(width: int, height: int) -> bool:
    return 0 <= width <= _MOST_SIDE and 0 <= height <= _MOST_SIDE


def _line(text: str) -> str:
    """Return a text as a line of a log or a page can hold it."""
    kept = text[:_LONGEST].encode(errors="replace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in kept)
