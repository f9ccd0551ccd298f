"""Tests for what camd knows of JPEG."""

from __future__ import annotations

import re
from typing import SupportsIndex

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from camd.formats.huffman import STANDARD_TABLES
from camd.formats.jpeg import (
    Damaged,
    Size,
    Unended,
    Whole,
    measure,
    quality,
    whole,
)
from tests.jpegs import encode, without_tables

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"


REAL = encode(64, 48)


def segment(marker: int, content: bytes) -> bytes:
    """One marker segment with the length that its content asks for."""
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def sof(
    width: int = 640,
    height: int = 480,
    marker: int = 0xC0,
    precision: int = 8,
    components: int = 1,
    sampling: int = 0x11,
) -> bytes:
    """A frame header; with one component where nothing else is said."""
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    each = bytes((1, sampling, 0))
    start = bytes((precision,)) + size + bytes((components,))
    return segment(marker, start + components * each)


SOS = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
DHT = segment(0xC4, bytes(17))
SCAN = b"scan" * 4


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


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2])
def test_frames_that_browsers_show(marker: int) -> None:
    """Baseline, extended and progressive frames give the size."""
    assert measure(picture(sof(marker=marker), SOS)) == Size(640, 480)


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        *(
            (sof(marker=0xC0 + kind), f"browsers do not show (SOF{kind})")
            for kind in (3, 5, 6, 7, 9, 10, 11, 13, 14, 15)
        ),
        (sof(precision=12), "12 bits a sample, which browsers do not show"),
        (sof(components=2), "2 components, which browsers do not show"),
        (sof(components=5), "5 components, which browsers do not show"),
        (sof(sampling=0x01), "the frame header (SOF) does not add up"),
        (sof(sampling=0x15), "the frame header (SOF) does not add up"),
    ],
)
def test_frames_that_browsers_do_not_show(frame: bytes, problem: str) -> None:
    """Lossless, hierarchical, arithmetic and 12 bit frames are refused."""
    jpeg = picture(frame, SOS)
    for check in (measure, whole):
        with pytest.raises(Damaged, match=re.escape(problem)):
            check(jpeg)


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
        (picture(sof(), EOI, SOS), "no scan (SOS)"),
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


# ---- Whole

KINDS = {
    "baseline": encode(64, 48),
    "own tables": encode(64, 48, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "progressive": encode(64, 48, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restarts": encode(64, 48, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "coarse": encode(64, 48, cv2.IMWRITE_JPEG_QUALITY, 1),
    "fine": encode(64, 48, cv2.IMWRITE_JPEG_QUALITY, 100),
    "no tables": without_tables(encode(64, 48)),
}

every_kind = pytest.mark.parametrize("real", KINDS.values(), ids=KINDS)
kinds = st.sampled_from(list(KINDS.values()))
sequential = st.sampled_from([KINDS[kind] for kind in KINDS if kind != "progressive"])


def decode(jpeg: bytes) -> npt.NDArray[np.uint8]:
    """The pixels of a JPEG."""
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


def flat(*options: int) -> bytes:
    """A picture all of one grey, which takes the fewest bits there can be."""
    grey = np.full((480, 640, 3), 128, np.uint8)
    return cv2.imencode(".jpg", grey, options)[1].tobytes()


def scan_of(jpeg: bytes) -> int:
    """Where the first scan begins."""
    header = jpeg.index(b"\xff\xda")
    return header + 2 + int.from_bytes(jpeg[header + 2 : header + 4], "big")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "no tables"])
def test_a_whole_picture_is_the_same_object(kind: str) -> None:
    """Nothing is copied when there is nothing to mend."""
    found = whole(KINDS[kind])
    assert found.jpeg is KINDS[kind]
    assert found.size == Size(64, 48)


@every_kind
@pytest.mark.parametrize("behind", [bytes(1000), b"\0", b"\xff", b"left over", EOI])
def test_what_stands_behind_the_end_is_cut(real: bytes, behind: bytes) -> None:
    """Zeros or whatever else behind EOI goes, and the rest is the picture as it was."""
    assert whole(real + behind).jpeg == whole(real).jpeg


def test_missing_tables_are_put_in() -> None:
    """A picture without DHT gets the standard tables ahead of its scan header."""
    bare = KINDS["no tables"]
    mended = whole(bare).jpeg
    at = bare.index(b"\xff\xda")
    assert mended == bare[:at] + STANDARD_TABLES + bare[at:]
    assert np.array_equal(decode(mended), decode(REAL))


def test_the_standard_tables_are_those_that_libjpeg_writes() -> None:
    """OpenCV's encoder writes the tables of T.81 Annex K, each in a DHT of its own."""
    tables, at = STANDARD_TABLES[4:], 0
    while at < len(tables):
        length = 17 + sum(tables[at + 1 : at + 17])
        assert segment(0xC4, tables[at : at + length]) in REAL
        at += length
    assert at == 2 * (17 + 12) + 2 * (17 + 162)


def test_progressive_frames_get_no_tables() -> None:
    """The standard tables are for sequential frames alone."""
    jpeg = picture(sof(marker=0xC2), SOS)
    assert whole(jpeg).jpeg is jpeg


def test_a_flat_picture_is_whole() -> None:
    """The fewest bits that a scan can have are enough."""
    for options in ((), (cv2.IMWRITE_JPEG_OPTIMIZE, 1)):
        jpeg = flat(*options)
        assert whole(jpeg).jpeg is jpeg


@pytest.mark.parametrize("share", [0, 0.1, 0.3])
def test_a_scan_that_is_too_short(share: float) -> None:
    """A scan with too few bytes for its picture was cut, though EOI is there."""
    jpeg = flat()
    start = scan_of(jpeg)
    cut = jpeg[: start + int(share * (len(jpeg) - start))] + EOI
    with pytest.raises(Damaged, match=r"the scan is (cut|empty)"):
        whole(cut)


def test_one_component_takes_fewer_blocks() -> None:
    """A grey picture, whatever sampling its header names, has one block per 8x8."""
    grey = cv2.imencode(".jpg", np.full((480, 640), 128, np.uint8))[1].tobytes()
    assert whole(grey).size == Size(640, 480)


@pytest.mark.parametrize("marker", [0x02, 0xC0, 0xC8, 0xD8, 0xDE, 0xF0])
def test_markers_within_the_scan(marker: int) -> None:
    """A picture into which another one ran, or garbage, is damaged."""
    at = scan_of(REAL) + 20
    with pytest.raises(Damaged, match=f"marker {marker:02X} within the scan"):
        whole(REAL[:at] + bytes((0xFF, marker)) + REAL[at:])


def test_two_pictures_in_one() -> None:
    """The first half of one picture and the whole of the next are damaged."""
    at = scan_of(REAL) + 40
    with pytest.raises(Damaged, match="marker D8 within the scan"):
        whole(REAL[:at] + REAL)


def test_a_second_frame_behind_a_scan() -> None:
    """A frame header between scans belongs to another picture."""
    jpeg = picture(sof(16, 16), SOS) + sof(16, 16)
    jpeg = jpeg.replace(EOI, DHT) + SOS + SCAN + EOI
    with pytest.raises(Damaged, match="two frame headers"):
        whole(jpeg)


@every_kind
@pytest.mark.parametrize(
    "segments",
    [
        segment(0xFE, b"hello camd"),
        segment(0xE5, b"\xff\xd8 and \xff\xd9") + segment(0xFE, b""),
        b"\xff\xff" + DHT,
    ],
)
def test_segments_behind_the_scan(real: bytes, segments: bytes) -> None:
    """Comments, application data and tables may stand between the scan and EOI."""
    sent = whole(real).jpeg
    commented = sent[:-2] + segments + EOI
    assert whole(commented).jpeg is commented
    assert whole(commented + b"left over").jpeg == commented


@every_kind
@pytest.mark.parametrize(
    "lead", [b"\0\0\0\1", b"\r\n", b"\xff", SOI, b"\0" + SOI, b"\xff" + SOI, bytes(256)]
)
def test_what_stands_ahead_of_the_start_is_cut(real: bytes, lead: bytes) -> None:
    """A counter, line ends or a second SOI ahead of SOI go."""
    assert whole(lead + real).jpeg == whole(real).jpeg
    assert whole(lead + real + b"left over").jpeg == whole(real).jpeg


def test_more_than_a_little_ahead_of_the_start() -> None:
    """Where no SOI stands near the start, it is none that was pushed aside."""
    with pytest.raises(Damaged, match="no SOI at the start"):
        whole(bytes(257) + REAL)


def test_a_thumbnail_is_not_taken_for_the_picture() -> None:
    """The thumbnail of a picture that lost its SOI is not shown in its place."""
    large = encode(640, 480, cv2.IMWRITE_JPEG_QUALITY, 100)
    picture = b"\0\0" + segment(0xE0, b"JFXX\0\x10" + encode(16, 16)) + large[2:]
    with pytest.raises(Damaged, match="a thumbnail further on"):
        whole(picture)


@every_kind
def test_a_missing_end_is_told_apart(real: bytes) -> None:
    """A picture that lacks nothing but EOI is refused, with the picture it would be."""
    sent = whole(real).jpeg
    for data in (real[:-2], b"\r\n" + real[:-2], real[:-1]):
        with pytest.raises(Unended, match="no EOI at the end") as caught:
            whole(data)
        closed = caught.value.closed
        assert whole(closed.jpeg) == closed
        assert np.array_equal(decode(closed.jpeg), decode(sent))
        assert whole(data, is_framed=True) == closed


def test_a_size_beyond_the_bound() -> None:
    """A picture that claims more pixels than may be is refused, with its size."""
    huge = picture(sof(20000, 20000, marker=0xC2), SOS)
    with pytest.raises(Damaged, match=r"size is 20000x20000, more than max_pixels"):
        whole(huge)
    assert whole(huge, max_pixels=400_000_000).size == Size(20000, 20000)
    with pytest.raises(Damaged, match="size is 64x48"):
        whole(REAL, max_pixels=64 * 48 - 1)


@every_kind
def test_no_beginning_of_a_kind_is_whole(real: bytes) -> None:
    """A picture of any kind that is cut anywhere is damaged."""
    for length in range(len(real)):
        with pytest.raises(Damaged):
            whole(real[:length])


@every_kind
def test_no_beginning_with_zeros_is_whole(real: bytes) -> None:
    """Nor is it with the zeros of a driver's buffer behind."""
    for length in range(0, len(real), 7):
        with pytest.raises(Damaged):
            whole(real[:length].ljust(len(real), b"\0"))


def is_whole(found: Whole) -> None:
    """Check that a picture can be sent, and is found so again, with the same words."""
    assert found.jpeg.startswith(SOI)
    assert found.jpeg.endswith(EOI)
    assert measure(found.jpeg) == found.size
    assert whole(found.jpeg) == found


@unhurried
@given(sequential, st.data())
def test_garbage_in_the_scan(real: bytes, data: st.DataObject) -> None:
    """With garbage in its scan a picture is damaged, or decodes to its size."""
    at = data.draw(st.integers(scan_of(real), len(real)))
    garbage = data.draw(st.binary(min_size=1, max_size=200))
    try:
        found = whole(real[:at] + garbage + real[at + len(garbage) :])
    except Damaged:
        return
    is_whole(found)
    assert decode(found.jpeg).shape == (48, 64, 3)


@unhurried
@given(kinds, st.data())
def test_garbage_anywhere(real: bytes, data: st.DataObject) -> None:
    """With garbage written over or pushed into it, a picture is damaged or whole."""
    at = data.draw(st.integers(0, len(real)))
    garbage = data.draw(st.binary(min_size=1, max_size=200))
    gone = data.draw(st.sampled_from([0, len(garbage)]))
    try:
        found = whole(real[:at] + garbage + real[at + gone :])
    except Damaged:
        return
    is_whole(found)


@unhurried
@given(kinds, st.data())
def test_a_piece_that_was_lost(real: bytes, data: st.DataObject) -> None:
    """With a piece lost on the way, a picture is damaged or whole."""
    start = data.draw(st.integers(0, len(real)))
    end = data.draw(st.integers(start, len(real)))
    try:
        found = whole(real[:start] + real[end:])
    except Damaged:
        return
    is_whole(found)


@unhurried
@given(st.binary())
def test_any_bytes(content: bytes) -> None:
    """Whatever comes, with SOI and EOI or without, nothing but Damaged is raised."""
    for data in (content, SOI + content, SOI + content + EOI):
        try:
            found = whole(data)
        except Damaged:
            continue
        is_whole(found)


@unhurried
@given(st.lists(st.sampled_from([SOI, sof(16, 16), DHT, SOS, SCAN, EOI, b"\xff"])))
@example([sof(16, 16), SOS, EOI, SOS])
@example([sof(16, 16), SOS, SCAN, SOS, EOI, SCAN])
def test_any_order_of_segments(parts: list[bytes]) -> None:
    """Segments that each are in order, in any order, are damaged or whole."""
    try:
        found = whole(SOI + b"".join(parts))
    except Damaged:
        return
    is_whole(found)


# ---- Quality


@pytest.mark.parametrize("asked", [20, 50, 70, 80, 95, 99])
def test_quality(asked: int) -> None:
    """The quality that OpenCV was asked for is read out of the picture."""
    assert quality(encode(64, 48, cv2.IMWRITE_JPEG_QUALITY, asked)) == asked


@pytest.mark.parametrize(("asked", "least", "most"), [(1, 1, 12), (100, 99, 100)])
def test_quality_at_the_ends(asked: int, least: int, most: int) -> None:
    """At the ends of the scale it is near."""
    told = quality(encode(64, 48, cv2.IMWRITE_JPEG_QUALITY, asked))
    assert told is not None
    assert least <= told <= most


@pytest.mark.parametrize(
    "table", [b"", b"\x01" + bytes(64), b"\x00" + bytes(63), b"\x10" + bytes(128)]
)
def test_quality_of_other_tables(table: bytes) -> None:
    """A picture without a luminance table of 8 bits has no quality to tell."""
    assert quality(picture(segment(0xDB, table), sof(), SOS)) is None


def test_a_known_head_is_not_read_again() -> None:
    """A head like the last one gives the same picture; another one is read."""
    first, second = whole(picture_of(10)), whole(picture_of(200))
    assert first.head == second.head
    again = whole(picture_of(200), known=first.head)
    assert again == second
    assert again.head is first.head
    larger = whole(picture_of(10, (48, 64, 3)), known=first.head)
    assert str(larger.size) == "64x48"


def test_a_known_head_hides_no_damage() -> None:
    """The scan is checked, whatever is known of the head."""
    jpeg = picture_of(10)
    known = whole(jpeg).head
    with pytest.raises(Damaged):
        whole(jpeg[:-2], known=known)
    with pytest.raises(Damaged, match="more than max_pixels"):
        whole(jpeg, max_pixels=10, known=known)


def picture_of(shade: int, shape: tuple[int, int, int] = (24, 32, 3)) -> bytes:
    """A JPEG of one grey."""
    return bytes(cv2.imencode(".jpg", np.full(shape, shade, np.uint8))[1].tobytes())
