"""What the benchmark found: rows, the table of them, and the same as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

HEADINGS = ("what", "camd", "floor", "ratio", "bar", "met?")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    :param what: what was measured, with the number of viewers.
    :param unit: of both figures: ``µs``, ``ms``, ``s``, ``KB``, ``%``, ``x`` or none.
    :param camd: camd's figure, None when it was not measured.
    :param floor: the C floor's in the same run, None where it has none.
    :param ratio: the median of the rounds' ratios, None for camd through floor.
    :param bar: what is asked for, in words.
    :param met: whether it is met, None when that was not measured.
    :param note: why it was not measured, or what else was seen.
    :param detail: all that the load client said, for the JSON.
    """

    what: str
    unit: str = ""
    camd: float | None = None
    floor: float | None = None
    ratio: float | None = None
    bar: str = ""
    met: bool | None = None
    note: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)


def figure(value: float | None, unit: str = "") -> str:
    """Three digits that mean something, with the unit; a dash for None."""
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def ratio_of(row: Row) -> float | None:
    """The ratio to print: the row's own, or camd's figure through the floor's."""
    if row.ratio is not None or row.camd is None or not row.floor:
        return row.ratio
    return row.camd / row.floor


def verdict(met: bool | None) -> str:
    """Whether a bar is met, as a word; a dash when nobody knows."""
    return {True: "yes", False: "NO", None: "-"}[met]


def cells(row: Row) -> tuple[str, ...]:
    """The row's texts, one for each heading."""
    camd, floor = (figure(value, row.unit) for value in (row.camd, row.floor))
    ratio = figure(ratio_of(row))
    return row.what, camd, floor, ratio, row.bar, verdict(row.met)


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, its columns aligned, and the notes below it."""
    lines = [HEADINGS, *map(cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width for width in widths]
    padded = [
        " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        for line in [HEADINGS, rule, *map(cells, rows)]
    ]
    notes = [f"- {row.what}: {row.note}" for row in rows if row.note]
    return "\n".join(
        [f"| {line} |" for line in padded] + (["", *notes] if notes else [])
    )


def document(machine: Mapping[str, object], rows: Iterable[Row]) -> dict[str, object]:
    """Everything, ready for ``json.dump``."""
    return {"machine": dict(machine), "rows": [asdict(row) for row in rows]}


def median_ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """The median of the ratios of pairs that were measured one right after the other.

    What disturbs a shared machine disturbs both of a pair, so their ratio holds
    better than that of two medians.

    :raises statistics.StatisticsError: when there are no pairs.
    """
    return statistics.median(one / other for one, other in pairs)
