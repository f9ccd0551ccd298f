"""What origins write and edges read."""

from __future__ import annotations

import json
from typing import Any

import hiredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import FAR_FUTURE
from camd.sources import patience
from camd.sources.redis.entries import (
    FIELDS,
    BadEntry,
    Entry,
    Seen,
    Wish,
    keep,
    picture_key,
    put,
    read_entry,
    read_seen,
    read_want,
    want,
)

PICTURE = Entry(1e9 + 0.1, 1e9 + 0.3, 7, "", "", Size(64, 48), b"\xff\xd8\r\n\xff\xd9")
GOOD = [b"c", b"1.5", b"t", b"1.25", b"n", b"7", b"s", b"", b"y", b""]
GOOD += [b"w", b"64", b"h", b"48", b"j", b"jpeg"]
HALF, SMALLEST = Rendition.parse("1/2@65"), Rendition.parse("1/4@35")
SEEN = Seen("Door", "live", "", 1e9, "run", 15, 640, 480, (HALF, SMALLEST), (None,))
# Sides that no JPEG has.
SIDES = b"Infinity", b"-Infinity", b"NaN", b"9" * 400, b"65536", b"-1"


def read(words: tuple[bytes | str | int, ...]) -> list[bytes]:
    """The words of a command as a server reads them."""
    reader = hiredis.Reader()
    reader.feed(hiredis.pack_command(words))
    said: list[bytes] = reader.gets()
    return said


@settings(deadline=None)
@given(
    st.floats(0, FAR_FUTURE, exclude_max=True),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 2**63 - 1),
    st.binary(max_size=100),
)
def test_an_entry_comes_out_as_it_went_in(
    timestamp: float, taken: float, number: int, jpeg: bytes
) -> None:
    """Times, number and picture are the same, bit for bit."""
    entry = Entry(timestamp, taken, number, "offline", "why", Size(640, 480), jpeg)
    added = read(put(picture_key("front"), entry))
    assert added[:5] == [b"XADD", b"camd:{front}:full", b"MAXLEN", b"1", b"*"]
    assert read_entry(added[5:]) == entry
    assert read(keep(picture_key("front"))) == [
        b"PEXPIRE",
        b"camd:{front}:full",
        b"10000",
    ]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_missing(name: bytes) -> None:
    """An entry without one of its fields is none."""
    at = GOOD.index(name)
    with pytest.raises(BadEntry):
        read_entry(GOOD[:at] + GOOD[at + 2 :])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"c", b"nan"),
        (b"c", b"-1"),
        (b"c", b"1e300"),
        (b"t", b"inf"),
        (b"c", b"soon"),
        (b"n", b"-1"),
        (b"n", b"1.5"),
        (b"n", b"9" * 40),
        (b"s", b"off line"),
        (b"s", b"x" * 21),
        (b"s", b"\xff"),
        (b"w", b"wide"),
        (b"w", b"65536"),
        (b"h", b"-1"),
        (b"y", b"\xff"),
    ],
)
def test_a_field_that_is_wrong(name: bytes, value: bytes) -> None:
    """A value that no camd writes makes the entry none."""
    at = GOOD.index(name)
    with pytest.raises(BadEntry):
        read_entry([*GOOD[: at + 1], value, *GOOD[at + 2 :]])


def test_a_reason_that_breaks_lines() -> None:
    """What would make two lines of a log is shown as a question mark."""
    at = GOOD.index(b"y")
    fields = [*GOOD[: at + 1], b"no\nsignal\x1b[31m", *GOOD[at + 2 :]]
    assert read_entry(fields).why == "no?signal?[31m"


@pytest.mark.parametrize("rungs", [[None], [HALF], [None, HALF, SMALLEST]])
def test_a_wish(rungs: list[Rendition | None]) -> None:
    """What an edge wants comes out as it went in."""
    wish = Wish(frozenset(rungs), frozenset(rungs[:1]))
    added = read(want("front", 15, wish))
    assert added[:5] == [b"XADD", b"camd:{front}:want", b"MAXLEN", b"64", b"*"]
    assert read_want(added[5:]) == wish


@pytest.mark.parametrize(
    ("fields", "rungs"),
    [
        ([b"fps", b"15"], {None}),
        ([b"rungs", b""], set()),
        ([b"rungs", b"1/2@65 huge \xff 0/1@5"], {HALF}),
        ([b"rungs", b"1/2@65 " * 100_000], {HALF}),
        ([b"rungs"], {None}),
    ],
)
def test_a_wish_of_another_kind(fields: list[bytes], rungs: set[Any]) -> None:
    """What is no rung is left out, and who names none wants the full picture."""
    assert read_want(fields) == Wish(frozenset(rungs))


def test_a_key_for_each_rung() -> None:
    """It names the camera and what the pictures come as."""
    assert picture_key("front") == b"camd:{front}:full"
    assert picture_key("front", SMALLEST) == b"camd:{front}:1/4@35"


def test_what_is_said_of_a_camera() -> None:
    """It comes out as it went in."""
    assert read_seen(SEEN.written()) == SEEN


def test_a_camd_that_says_nothing_of_renditions() -> None:
    """It has none for others."""
    said = {**json.loads(SEEN.written())}
    del said["renditions"], said["sent"]
    seen = read_seen(json.dumps(said).encode())
    assert (seen.renditions, seen.sent) == ((), ())


def test_a_camera_that_gives_a_picture_a_week() -> None:
    """All that is said of it is taken, and its silence is normal for two weeks."""
    seen = SEEN._replace(patience=14 * 86400.0)
    assert read_seen(seen.written()) == seen


@pytest.mark.parametrize(
    ("told", "believed"), [(1e10, patience.MOST), (-1, 0.0), (float("nan"), 0.0)]
)
def test_a_silence_that_is_normal_for_no_camera(told: float, believed: float) -> None:
    """It is bounded as on the live channel, and the rest is taken."""
    seen = SEEN._replace(patience=told)
    assert read_seen(seen.written()) == SEEN._replace(patience=believed)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        SEEN.written().replace(b"1000000000.0", b"NaN"),
        SEEN.written().replace(b"15", b"0"),
        SEEN.written().replace(b'"Door"', b"5"),
        SEEN.written().replace(b'["full"]', b"5"),
        SEEN.written().replace(b'"1/2@65"', b"[]"),
        *(SEEN.written().replace(b"640", side) for side in SIDES),
        SEEN.written().replace(b"15", b"9" * 400),
    ],
)
def test_what_no_camd_says(text: bytes) -> None:
    """Whatever else stands there is refused."""
    with pytest.raises(BadEntry):
        read_seen(text)
