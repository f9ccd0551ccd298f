"""Tests for what camd knows of JPEG."""

from __future__ import annotations

from typing import SupportsIndex

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camd.jpeg import Damaged, Size, measure, trimmed

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"


def encode(width: int, height: int, *options: int) -> bytes:
    """A real picture with some detail, as OpenCV encodes it."""
    noise = np.random.default_rng(7).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (width, height))
    good, jpeg = cv2.imencode(".jpg", picture, options)
    assert good
    return jpeg.tobytes()


REAL = encode(64, 48)


def segment(marker: int, content: bytes) -> bytes:
    """One marker segment with the length that its content asks for."""
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def sof(width: int = 640, height: int = 480, marker: int = 0xC0) -> bytes:
    """A frame header with one component."""
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return segment(marker, b"\x08" + size + b"\x01" + b"\x01\x11\x00")


SOS = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
DHT = segment(0xC4, bytes(17))
SCAN = b"scan"


def picture(*segments: bytes) -> bytes:
    """Those segments and a scan between SOI and EOI."""
    return SOI + b"".join(segments) + SCAN + EOI


@pytest.mark.parametrize("size", [(1, 1), (64, 48), (640, 480), (1283, 721)])
def test_measures_what_opencv_encodes(size: tuple[int, int]) -> None:
    """The size is that of the picture which was encoded."""
    assert measure(encode(*size)) == Size(*size)


@pytest.mark.parametrize(
    "options",
    [
        (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        (cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
        (cv2.IMWRITE_JPEG_QUALITY, 1),
        (cv2.IMWRITE_JPEG_QUALITY, 100),
    ],
)
def test_measures_every_kind_that_opencv_encodes(options: tuple[int, int]) -> None:
    """Progressive scans, own tables, restart markers and any quality are whole."""
    assert measure(encode(64, 48, *options)) == Size(64, 48)


def test_size_reads_as_people_write_it() -> None:
    """A size as text is width, x, height."""
    assert str(Size(640, 480)) == "640x480"


def test_huffman_tables_may_be_missing() -> None:
    """A picture without DHT, as many webcams send it, is whole."""
    assert measure(picture(sof(), SOS)) == Size(640, 480)


@pytest.mark.parametrize(
    "marker", [m for m in range(0xC0, 0xD0) if m not in (0xC4, 0xC8, 0xCC)]
)
def test_every_frame_header_counts(marker: int) -> None:
    """All thirteen SOF markers give the size."""
    assert measure(picture(sof(marker=marker), SOS)) == Size(640, 480)


@pytest.mark.parametrize("marker", [0xC4, 0xC8, 0xCC])
def test_neighbours_of_the_frame_headers_do_not_count(marker: int) -> None:
    """DHT, JPG and DAC are no frame headers, though they look like some."""
    with pytest.raises(Damaged, match=r"no frame header \(SOF\)"):
        measure(picture(sof(marker=marker), SOS))


def test_fill_bytes_may_stand_between_segments() -> None:
    """Any number of FF ahead of a marker is skipped."""
    fill = b"\xff" * 5
    assert measure(picture(fill, sof(), fill, DHT, fill, SOS)) == Size(640, 480)


@pytest.mark.parametrize("marker", [0x01, *range(0xD0, 0xD8)])
def test_markers_without_length_are_passed(marker: int) -> None:
    """TEM and RST stand alone; what follows is the next marker."""
    assert measure(picture(bytes((0xFF, marker)), sof(), SOS)) == Size(640, 480)


def test_a_thumbnail_does_not_count() -> None:
    """A whole JPEG within an application segment is that segment's content."""
    thumbnail = segment(0xE1, picture(sof(160, 120), SOS))
    assert measure(picture(thumbnail, sof(), SOS)) == Size(640, 480)


@pytest.mark.parametrize(
    ("jpeg", "problem"),
    [
        (b"", "no SOI at the start"),
        (b"\0\0" + picture(sof(), SOS)[2:], "no SOI at the start"),
        (SOI, "no EOI at the end"),
        (picture(sof(), SOS)[:-2], "no EOI at the end"),
        (picture(sof(), SOS) + b"\0", "no EOI at the end"),
        (SOI + EOI, "no frame header (SOF)"),
        (SOI + segment(0xFE, b"heartbeat") + EOI, "no frame header (SOF)"),
        (picture(DHT, SOS), "no frame header (SOF)"),
        (SOI + sof() + EOI, "no scan (SOS)"),
        (SOI + sof() + b"\xff\xff" + EOI, "no scan (SOS)"),
        (SOI + sof() + SOS + EOI, "the scan is empty"),
        (SOI + sof() + SOS[:-1] + EOI, "cut in a segment"),
        (SOI + sof()[:5] + EOI, "cut in a segment"),
        (SOI + b"\xff\xc0" + EOI, "cut in a segment"),
        (SOI + b"\xff\xc0\0" + EOI, "cut in a segment"),
        (picture(b"\xff\xe0\0\1", sof(), SOS), "cut in a segment"),
        (picture(sof(), b"garbage", SOS), "garbage between segments"),
        (picture(sof(), b"\xff\x00", SOS), "marker 00 ahead of the scan"),
        (picture(sof(), segment(0x02, b""), SOS), "marker 02 ahead of the scan"),
        (picture(sof(), segment(0xBF, b""), SOS), "marker BF ahead of the scan"),
        (picture(SOI, sof(), SOS), "marker D8 ahead of the scan"),
        (picture(sof(), EOI, SOS), "marker D9 ahead of the scan"),
        (picture(sof(), sof(), SOS), "two frame headers (SOF)"),
        (picture(sof(0, 0), SOS), "size is 0x0"),
        (picture(sof(640, 0), SOS), "size is 640x0"),
        (picture(sof(0, 480), SOS), "size is 0x480"),
        (
            picture(segment(0xC0, b"\x08\1\0\1\0\0"), SOS),
            "the frame header (SOF) does not add up",
        ),
        (
            picture(segment(0xC0, b"\x08\1\0\1\0\3abc"), SOS),
            "the frame header (SOF) does not add up",
        ),
        (picture(segment(0xC0, b""), SOS), "the frame header (SOF) does not add up"),
        (picture(sof(), segment(0xDA, b"")), "the scan header (SOS) does not add up"),
        (
            picture(sof(), segment(0xDA, b"\3abc")),
            "the scan header (SOS) does not add up",
        ),
    ],
)
def test_says_what_is_damaged(jpeg: bytes, problem: str) -> None:
    """Each kind of damage has words of its own."""
    with pytest.raises(Damaged) as caught:
        measure(jpeg)
    assert str(caught.value) == problem


def test_no_beginning_of_a_picture_is_whole() -> None:
    """A picture cut anywhere is damaged."""
    for length in range(len(REAL)):
        with pytest.raises(Damaged):
            measure(REAL[:length])


def test_no_header_cut_and_closed_is_whole() -> None:
    """A picture cut ahead of its scan is damaged even with an EOI put behind."""
    scan = REAL.index(b"\xff\xda") + 14
    assert measure(REAL[: scan + 1] + EOI) == Size(64, 48)
    for length in range(2, scan + 1):
        with pytest.raises(Damaged):
            measure(REAL[:length] + EOI)


@unhurried
@given(st.binary())
def test_hostile_segments_are_damaged_or_measured(content: bytes) -> None:
    """Whatever stands between SOI and EOI, nothing but Damaged is raised."""
    try:
        size = measure(SOI + content + EOI)
    except Damaged:
        return
    assert size.width > 0 and size.height > 0


@unhurried
@given(st.data())
def test_flipped_bytes_are_damaged_or_measured(data: st.DataObject) -> None:
    """A real header with wrong bytes in it raises Damaged or has a size."""
    flipped = bytearray(REAL)
    places = st.integers(0, 640)
    for place in data.draw(st.lists(places, min_size=1, max_size=5)):
        flipped[place] = data.draw(st.integers(0, 255))
    try:
        size = measure(bytes(flipped))
    except Damaged:
        return
    assert size.width > 0 and size.height > 0


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_other_kinds_of_buffer_are_measured_too(kind: type) -> None:
    """A buffer that is not bytes gives the same answer."""
    assert measure(kind(REAL)) == Size(64, 48)


class Watched(bytes):
    """Bytes that count how often one is looked at."""

    looks = 0

    def __getitem__(  # type: ignore[override]
        self, index: SupportsIndex | slice
    ) -> int | bytes:
        self.looks += 1
        return super().__getitem__(index)


def looks(jpeg: bytes) -> int:
    """How many looks at its bytes it takes to measure a picture."""
    watched = Watched(jpeg)
    measure(watched)
    return watched.looks


def test_the_scan_costs_nothing() -> None:
    """A picture with a scan of a megabyte is measured with as many looks as any."""
    small, large = picture(sof(), SOS), picture(sof(), SOS, b"\xff\x00" * 500_000)
    assert looks(large) == looks(small)


def test_fill_bytes_cost_one_look_a_run() -> None:
    """A megabyte of fill bytes takes no more looks than one of them."""
    one, many = picture(b"\xff", sof(), SOS), picture(b"\xff" * 1_000_000, sof(), SOS)
    assert looks(many) == looks(one)


def test_padding_behind_the_end_is_cut() -> None:
    """Zeros behind EOI go, and the rest is the picture as it was."""
    assert trimmed(REAL + bytes(1000)) == REAL


def test_a_picture_without_padding_is_the_same_object() -> None:
    """Nothing is copied when there is nothing to cut."""
    assert trimmed(REAL) is REAL


@pytest.mark.parametrize("jpeg", [b"", b"\0\0\0", REAL[:-2] + b"\0\0"])
def test_zeros_behind_anything_else_stay(jpeg: bytes) -> None:
    """Zeros with no EOI ahead of them may belong to the picture."""
    assert trimmed(jpeg) is jpeg
