"""Tests for whether a scan codes the whole picture."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from camd.formats.jpeg import Damaged, Unended, whole
from camd.formats.scan import is_complete
from tests.jpegs import encode, without_tables

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

GREY = cv2.imencode(".jpg", np.arange(63 * 33, dtype=np.uint8).reshape(63, 33))[1]

KINDS = {
    "baseline": encode(64, 48),
    "odd size": encode(17, 9),
    "one pixel": encode(1, 1),
    "grey": GREY.tobytes(),
    "own tables": encode(64, 48, cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "restarts": encode(64, 48, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "restarts with a rest": encode(64, 48, cv2.IMWRITE_JPEG_RST_INTERVAL, 5),
    "coarse": encode(64, 48, cv2.IMWRITE_JPEG_QUALITY, 1),
    "fine": encode(64, 48, cv2.IMWRITE_JPEG_QUALITY, 100),
    "4:4:4": encode(
        64,
        48,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ),
    "no tables": without_tables(encode(64, 48)),
}

every_kind = pytest.mark.parametrize("real", KINDS.values(), ids=KINDS)


def closed(cut: bytes) -> bytes:
    """The picture that these bytes would be with EOI."""
    with pytest.raises(Unended) as caught:
        whole(cut)
    return caught.value.closed.jpeg


@every_kind
def test_a_picture_that_only_lacks_its_end(real: bytes) -> None:
    """Where nothing but EOI is gone, the scan is complete."""
    assert is_complete(closed(real[:-2]))
    assert is_complete(closed(real[:-1]))


@every_kind
def test_a_picture_that_was_cut(real: bytes) -> None:
    """Cut by one byte or by any more, the scan is not."""
    scan = real.rindex(b"\xff\xda") + 14
    for end in range(scan + 1, len(real) - 2):
        try:
            whole(real[:end])
        except Unended as unended:
            assert not is_complete(unended.closed.jpeg), len(real) - 2 - end
        except Damaged:
            continue


def test_progressive_pictures_are_not_looked_into() -> None:
    """A progressive picture without EOI counts as cut."""
    assert not is_complete(encode(64, 48, cv2.IMWRITE_JPEG_PROGRESSIVE, 1))


@unhurried
@given(st.sampled_from(list(KINDS.values())), st.data())
def test_hostile_pictures(real: bytes, data: st.DataObject) -> None:
    """Whatever the header says, there is an answer."""
    flipped = bytearray(real[:-2])
    places = st.integers(0, len(flipped) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=8)):
        flipped[place] = data.draw(st.integers(0, 255))
    try:
        whole(bytes(flipped), max_pixels=10_000)
    except Unended as unended:
        assert is_complete(unended.closed.jpeg) in (True, False)
    except Damaged:
        return


def test_steps_far_behind_the_end() -> None:
    """A code that stands for more bits than the scan has left is no whole picture."""
    real = bytearray(encode(64, 48))
    table = real.index(b"\xff\xc4")
    counts = real[table + 5 : table + 21]
    values = table + 21
    real[values : values + sum(counts)] = b"\xff" * sum(counts)
    scan = real.index(b"\xff\xda") + 2
    header = real[: scan + (real[scan] << 8 | real[scan + 1])]
    assert not is_complete(bytes(header) + bytes(8) + b"\xff\xd9")


def test_tables_with_more_codes_than_there_can_be() -> None:
    """A kilobyte of header that means millions of codes costs no such memory."""
    real, tables = encode(64, 48), b""
    for number in range(2):
        lengths = b"\xff" * 15 + bytes([number])
        content = bytes([number]) + lengths + bytes(sum(lengths))
        tables += b"\xff\xc4" + (len(content) + 2).to_bytes(2, "big") + content
    sos = real.index(b"\xff\xda")
    hostile = closed(real[:sos] + tables + real[sos:-2])
    tracemalloc.start()
    try:
        assert not is_complete(hostile)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000
