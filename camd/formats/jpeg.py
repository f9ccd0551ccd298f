"""
What camd knows of JPEG (ITU-T T.81): is a picture whole, and how large is it.

Nothing here decodes. A frame that is not whole must never reach a viewer: Chromium and
WebKit then show nothing until the page is loaded again (measured: garbage, a picture
without a scan, one cut within its header). So every frame that a camera encoded passes
:func:`whole`, which also mends what cameras are known to do; a frame of camd's own
encoder passes :func:`measure`, which does not look at the scan.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from camd.formats.huffman import STANDARD_TABLES

_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
_SOS = 0xDA
_DHT = 0xC4
_DQT = 0xDB
# Sequential frames with Huffman codes: baseline and extended.
_SEQUENTIAL = frozenset({0xC0, 0xC1})
# T.81 table B.1: C0 to CF are frame headers, but for DHT (C4), JPG (C8) and DAC (CC).
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# T.81 table B.1: TEM and RST0 to RST7 have no length and no content.
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
# What begins no segment: the same, a second SOI, an early EOI, fill bytes, and 00 to
# BF, which mean nothing outside of a scan.
_BARE = frozenset({*range(0xC0), *range(0xD0, 0xDA), 0xFF})
# T.81 B.1.1.2: any number of fill bytes FF may stand ahead of a marker.
_FILL = re.compile(rb"\xff+")
# The sum of T.81 table K.1, the luminance quantization of quality 50.
_LUMINANCE_AT_50 = 3688
# What ends a scan. In it FF is followed by 00, or by the number of a restart interval
# (T.81 B.1.1.5); so damage shows, as one of 250 pairs of random bytes is such a marker.
_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# T.81 table B.1: what may stand between two scans of a frame: DHT, DAC, SOS, DQT, DNL,
# DRI, application segments and comments.
_BETWEEN = frozenset({0xC4, 0xCC, *range(0xDA, 0xDE), *range(0xE0, 0xF0), 0xFE})


class Damaged(ValueError):
    """These bytes are not a whole JPEG; the text says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a picture measures, in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Whole:
    """
    A JPEG that may be sent.

    :ivar jpeg: its bytes, from SOI to EOI.
    :ivar size: what its frame header says that it measures.
    """

    jpeg: bytes
    size: Size


@dataclass(frozen=True, slots=True)
class _Head:
    """
    What stands ahead of the first scan.

    :ivar frame: the frame header's marker.
    :ivar blocks: how many blocks of 8x8 samples a sequential frame codes at least.
    :ivar tables: whether any Huffman table is there.
    :ivar sos: where the first scan header begins.
    :ivar scan: where the first scan begins.
    """

    size: Size
    frame: int
    blocks: int
    tables: bool
    sos: int
    scan: int


def measure(jpeg: bytes) -> Size:
    """
    The size a JPEG says it has, after a look at whether it is whole.

    Whole is: SOI first, segments that add up, one frame header ahead of the scan, a
    scan with content, and EOI as the last two bytes. The scan itself is not looked at.
    The cost is that of the segments, about 5 µs for OpenCV's nine (measured), whatever
    the picture's size.

    :raises Damaged: for any other bytes, whatever they are.
    """
    if jpeg[:2] != _SOI:
        raise Damaged("no SOI at the start")
    if jpeg[-2:] != _EOI:
        raise Damaged("no EOI at the end")
    return _head(jpeg).size


def whole(data: bytes) -> Whole:
    """
    A camera's picture, fit to be sent.

    Checked is what :func:`measure` checks, and the scan: no marker in it but those of
    restarts, EOI at its end, and no fewer bytes than the frame's size takes. That finds
    pictures that were cut, run together or overwritten, but not every flipped bit:
    those show as stripes and harm no viewer. The scan is searched by a regular
    expression: 20 µs for 640x480, 110 µs for 1920x1080 (measured), a hundredth of what
    decoding takes.

    Mended are two things that many webcams do: what stands behind EOI is cut, and the
    standard Huffman tables are put in where a frame has none, which not every decoder
    does by itself.

    :return: with the very same object when nothing was mended, so that a good picture
        is never copied.
    :raises Damaged: for any other bytes, whatever they are.
    """
    if data[:2] != _SOI:
        raise Damaged("no SOI at the start")
    head = _head(data)
    end = _end(data, head.scan)
    # A block has at least a code for DC and one that ends AC, each of a bit or more.
    if 8 * (end - head.scan) < 2 * head.blocks:
        raise Damaged("the scan is cut")
    jpeg = data if end == len(data) else data[:end]
    if head.frame in _SEQUENTIAL and not head.tables:
        jpeg = jpeg[: head.sos] + STANDARD_TABLES + jpeg[head.sos :]
    return Whole(jpeg, head.size)


def quality(jpeg: bytes) -> int | None:
    """
    The quality that a JPEG was encoded with, from 1 to 100, as libjpeg counts it.

    That is how coarse its luminance is quantized, compared with table K.1 of T.81: to
    the point from 19 to 99 for encoders that scale this table, and a likeness for
    others.

    :param jpeg: a whole one.
    :return: None when it has no luminance table of 8 bits.
    """
    for marker, start, end in _segments(jpeg, 2):
        if marker == _SOS:
            break
        if marker == _DQT and jpeg[start] == 0 and end - start >= 65:
            percent = 100 * sum(jpeg[start + 1 : start + 65]) / _LUMINANCE_AT_50
            scaled = 5000 / percent if percent > 100 else (200 - percent) / 2
            return max(1, min(100, round(scaled)))
    return None


def _head(jpeg: bytes) -> _Head:
    """Read what stands ahead of the first scan, and check that it adds up."""
    frame, tables = None, False
    for marker, start, end in _segments(jpeg, 2):
        if marker in _SOF:
            if frame is not None:
                raise Damaged("two frame headers (SOF)")
            frame = (marker, start, end)
            size = _frame_size(jpeg, start, end)
        elif marker == _DHT:
            tables = True
        elif marker == _SOS:
            if frame is None:
                break
            _check_scan(jpeg, start, end)
            blocks = _blocks(jpeg, size, *frame)
            return _Head(size, frame[0], blocks, tables, start - 4, end)
    raise Damaged("no frame header (SOF)" if frame is None else "no scan (SOS)")


def _end(jpeg: bytes, scan: int) -> int:
    """
    The index behind EOI.

    :param scan: where the first scan begins.
    """
    while True:
        found = _SCAN_END.search(jpeg, scan)
        if found is None:
            raise Damaged("no EOI at the end")
        at = found.start()
        marker = jpeg[at + 1]
        if jpeg[at : at + 2] == _EOI:
            if at == scan:
                raise Damaged("the scan is empty")
            return at + 2
        if marker not in _BETWEEN:
            raise Damaged(f"marker {marker:02X} within the scan")
        scan = _next_scan(jpeg, at)


def _next_scan(jpeg: bytes, at: int) -> int:
    """Where the scan begins whose header or tables stand at `at`."""
    for marker, start, end in _segments(jpeg, at):
        if marker in _SOF:
            raise Damaged("two frame headers (SOF)")
        if marker == _SOS:
            _check_scan(jpeg, start, end)
            return end
    raise Damaged("no EOI at the end")


def _segments(jpeg: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """
    The marker segments from `at` on: marker, start and end of what it carries.

    The one who asks must stop at SOS, for no segment follows there.
    """
    last = len(jpeg) - 2
    while at < last:
        if jpeg[at] != 0xFF:
            raise Damaged("garbage between segments")
        marker = jpeg[at + 1]
        if marker in _BARE:
            at = _behind_bare(jpeg, at, marker)
            continue
        start = at + 4
        if start > last:
            raise Damaged("cut in a segment")
        # A length counts its own two bytes.
        end = at + 2 + (jpeg[at + 2] << 8 | jpeg[at + 3])
        if not start <= end <= last:
            raise Damaged("cut in a segment")
        yield marker, start, end
        at = end


def _behind_bare(jpeg: bytes, at: int, marker: int) -> int:
    """
    Where to go on behind a marker at `at` that begins no segment.

    Behind fill bytes that is the last FF of the run. The regular expression keeps a
    picture made of FF alone from costing seconds.
    """
    if marker in _ALONE:
        return at + 2
    fill = _FILL.match(jpeg, at)
    if marker != 0xFF or fill is None:
        raise Damaged(f"marker {marker:02X} ahead of the scan")
    return fill.end() - 1


def _frame_size(jpeg: bytes, start: int, end: int) -> Size:
    """
    The size out of a frame header (T.81 B.2.2): precision, height, width, components.

    A height of 0 announces a DNL segment behind the scan; no camera sends that and few
    viewers read it, so it counts as damaged.
    """
    components = jpeg[start + 5] if end - start > 5 else 0
    if not components or end - start != 6 + 3 * components:
        raise Damaged("the frame header (SOF) does not add up")
    height = jpeg[start + 1] << 8 | jpeg[start + 2]
    width = jpeg[start + 3] << 8 | jpeg[start + 4]
    size = Size(width, height)
    if not (width and height):
        raise Damaged(f"size is {size}")
    return size


def _blocks(jpeg: bytes, size: Size, marker: int, start: int, end: int) -> int:
    """
    How many blocks of 8x8 samples a sequential frame codes at least (T.81 A.1.1, A.2);
    0 for others, whose scans may leave blocks out.
    """
    if marker not in _SEQUENTIAL:
        return 0
    factors = [divmod(both, 16) for both in jpeg[start + 7 : end : 3]]
    across, down = (8 * max(column) or 8 for column in zip(*factors, strict=True))
    return sum(
        -(-size.width * h // across) * -(-size.height * v // down) for h, v in factors
    )


def _check_scan(jpeg: bytes, start: int, end: int) -> None:
    """Check a scan header (T.81 B.2.3), and that at least one byte of scan follows."""
    components = jpeg[start]
    if not components or end - start != 4 + 2 * components:
        raise Damaged("the scan header (SOS) does not add up")
    if end >= len(jpeg) - 2:
        raise Damaged("the scan is empty")
