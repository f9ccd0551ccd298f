"""Whether a JPEG's scan codes the whole picture: for those that come without EOI.

Such a picture is cut, or its camera never writes one; only the codes themselves tell
which. They are walked through, not decoded: 2 µs for each byte of the scan (measured),
a hundred times what :func:`camd.formats.jpeg.whole` takes, so this is for pictures that
are in doubt.
"""

from __future__ import annotations

import re
from functools import lru_cache

_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_SOF, _DHT, _SOS, _DRI = frozenset({0xC0, 0xC1}), 0xC4, 0xDA, 0xDD
_BLOCK_END = 64
"""What the code EOB adds to a coefficient's number: more than the block has."""


def is_complete(jpeg: bytes) -> bool:
    """Whether the scan has a code for every block of the picture.

    :param jpeg: one that :func:`camd.formats.jpeg.whole` would take if it had EOI, with
        its tables, and EOI put behind it.
    :return: False also for progressive pictures and those of several scans, which no
        camera sends.
    """
    tables: dict[int, list[int]] = {}
    factors: dict[int, tuple[int, int]] = {}
    width = height = interval = 0
    at, marker = 2, 0
    while marker != _SOS:
        while jpeg[at + 1] == 0xFF:
            at += 1
        marker = jpeg[at + 1]
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
            continue
        end = at + 2 + (jpeg[at + 2] << 8 | jpeg[at + 3])
        content = jpeg[at + 4 : end]
        at = end
        if marker in _SOF:
            height, width = content[1] << 8 | content[2], content[3] << 8 | content[4]
            for number, both in zip(content[6::3], content[7::3], strict=True):
                factors[number] = divmod(both, 16)
        elif marker == _DRI and len(content) > 1:
            interval = content[0] << 8 | content[1]
        while marker == _DHT and content:
            size = 17 + sum(content[1:17])
            is_ac = content[0] >= 16
            tables[content[0]] = _steps(content[1:17], content[17:size], is_ac)
            content = content[size:]
    chosen = dict(zip(content[1:-3:2], content[2:-3:2], strict=True))
    if not factors or chosen.keys() != factors.keys():
        return False
    # A scan of one component has a block for each unit, whatever its factors are.
    single = len(factors) == 1
    across = 8 * (1 if single else max(h for h, _ in factors.values()))
    down = 8 * (1 if single else max(v for _, v in factors.values()))
    units = -(-width // across) * -(-height // down)
    blocks = []
    for number, table in chosen.items():
        pair = tables.get(table >> 4), tables.get(16 | table & 15)
        if pair[0] is None or pair[1] is None:
            return False
        h, v = (1, 1) if single else factors[number]
        blocks += [(pair[0], pair[1])] * (h * v)
    pieces = _RESTART.split(jpeg[at:-2])
    interval = interval or units
    if len(pieces) != -(-units // interval):
        return False
    last = units - interval * (len(pieces) - 1)
    # What was lost ahead of a restart marker shows as stripes, as any damage; what the
    # picture ends with is what counts here.
    return _has_codes(pieces[-1].replace(b"\xff\x00", b"\xff"), last, blocks)


def _has_codes(
    scan: bytes, units: int, blocks: list[tuple[list[int], list[int]]]
) -> bool:
    """Whether these bytes have codes for so many units of these blocks each."""
    bits = 8 * len(scan)
    # Two blocks may begin behind the end before that is noticed.
    padded = scan + bytes(16)
    position = 0
    for _ in range(units):
        for dc, ac in blocks:
            window = int.from_bytes(padded[position >> 3 : (position >> 3) + 3], "big")
            step = dc[window >> 8 - (position & 7) & 0xFFFF]
            position += step >> 8
            # A hostile table has steps far behind the end: no byte is there to read.
            if not step or position > bits:
                return False
            coefficient = 1
            while coefficient < 64:
                at = position >> 3
                window = padded[at] << 16 | padded[at + 1] << 8 | padded[at + 2]
                step = ac[window >> 8 - (position & 7) & 0xFFFF]
                if not step or position > bits:
                    return False
                position += step >> 8
                coefficient += step & 255
        if position > bits:
            return False
    return True


@lru_cache(maxsize=16)
def _steps(counts: bytes, values: bytes, is_ac: bool) -> list[int]:
    """Return what each 16 bits that a code may begin mean.

    :param counts: how many codes there are of 1 to 16 bits (T.81 B.2.4.2).
    :param values: what they stand for, shortest first.
    :return: for each the bits to go on by, times 256, plus the coefficients; 0 where
        no code begins so.
    """
    steps: list[int] = []
    codes = iter(values)
    for length, count in enumerate(counts, 1):
        for value in [next(codes, 0) for _ in range(count)]:
            run, size = divmod(value, 16) if is_ac else (0, value)
            # A run of 15 zeros and no value is 16 zeros; any other without one is EOB.
            ahead = run + 1 if size or run == 15 else _BLOCK_END
            steps += [(length + size) << 8 | ahead] * (1 << 16 - length)
    return (steps + [0] * 65536)[:65536]
