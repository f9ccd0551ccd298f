"""Tests for cutting a stream of bytes into JPEGs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import cv2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camd.formats.splitter import NoPictures, Splitter
from tests.jpegs import encode, without_tables

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

EOI = b"\xff\xd9"
REAL = encode(64, 48)


def segment(marker: int, content: bytes) -> bytes:
    """One marker segment with the length that its content asks for."""
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def with_segment(jpeg: bytes, added: bytes) -> bytes:
    """The same picture with a segment right behind SOI."""
    return jpeg[:2] + added + jpeg[2:]


PICTURES = [
    REAL,
    encode(8, 8),
    without_tables(REAL),
    encode(64, 48, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    encode(64, 48, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    with_segment(REAL, segment(0xE1, b"Exif\0\0" + encode(16, 16))),
    with_segment(REAL, segment(0xE0, b"JFXX\0\x10" + encode(8, 8) * 3)),
    with_segment(REAL, b"\xff\xff\xff" + segment(0xFE, EOI)),
    REAL[:-2] + segment(0xFE, b"behind the scan" + EOI) + EOI,
    REAL[:-2] + b"\xff\xff\xff" + EOI,
]
GAPS = [
    b"",
    bytes(100),
    b"\xff" * 9,
    b"\xff\xd8",
    EOI,
    b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\n",
    b"garbage",
]
pictures = st.sampled_from(PICTURES)
gaps = st.sampled_from(GAPS) | st.binary(max_size=40).filter(
    lambda garbage: b"\xff\xd8\xff" not in garbage
)


def split(stream: bytes, cuts: Iterable[int] = ()) -> list[bytes]:
    """The pictures in these bytes, cut at those places on the way."""
    splitter = Splitter()
    places = [0, *sorted(cuts), len(stream)]
    return [
        picture
        for start, end in itertools.pairwise(places)
        for picture in splitter.receive(stream[start:end])
    ]


@unhurried
@given(st.lists(st.tuples(gaps, pictures), max_size=5), gaps, st.data())
def test_every_picture_comes_out(
    parts: list[tuple[bytes, bytes]], tail: bytes, data: st.DataObject
) -> None:
    """However it was split, and whatever stands between, each picture comes out."""
    stream = b"".join(gap + picture for gap, picture in parts) + tail
    # A gap that ends as a start begins makes another one with the picture's own.
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    assert split(stream, cuts) == [picture for _, picture in parts]


@pytest.mark.parametrize("picture", PICTURES)
def test_byte_by_byte(picture: bytes) -> None:
    """A picture is handed out with its last byte."""
    splitter = Splitter()
    came = [splitter.receive(bytes((byte,))) for byte in picture]
    assert came == [[]] * (len(picture) - 1) + [[picture]]


def test_a_picture_without_its_end() -> None:
    """One that ends where the next begins is handed out as it is."""
    assert split(REAL[:-2] + REAL) == [REAL[:-2], REAL]


@pytest.mark.parametrize(
    "torn",
    [
        REAL[:100],
        REAL[:2] + b"\xff\x02garbage",
        REAL[:2] + EOI,
        b"\xff\xd8\xff\xc0",
        REAL[:-40] + b"\xff\x02",
    ],
)
def test_a_torn_picture(torn: bytes) -> None:
    """Behind one whose segments do not add up, pictures come out again."""
    assert split(torn + REAL * 50)[-1:] == [REAL]


@unhurried
@given(st.binary(), st.data())
def test_any_bytes(stream: bytes, data: st.DataObject) -> None:
    """What comes out hangs on the bytes alone, not on how they were split."""
    hostile = stream.replace(b"\x00", b"\xff\xd8\xff").replace(b"\x01", b"\xff\xda")
    cuts = data.draw(st.lists(st.integers(0, len(hostile)), max_size=8))
    assert split(hostile, cuts) == split(hostile)


def test_a_flood() -> None:
    """A stream without a picture is given up, and nothing of it kept."""
    splitter = Splitter(limit=1000, flood=5000)
    with pytest.raises(NoPictures, match="no JPEG in 5000 bytes"):
        for _ in range(60):
            splitter.receive(bytes(100))


def test_a_picture_without_end() -> None:
    """A scan that never ends is dropped at the limit, and counts as a flood."""
    splitter = Splitter(limit=1000, flood=5000)
    scan = REAL[: REAL.index(b"\xff\xda") + 14]
    splitter.receive(scan)
    most = 0
    with pytest.raises(NoPictures):
        for _ in range(60):
            splitter.receive(bytes(100))
            most = max(most, len(splitter._buffer))
    assert most <= 1200
