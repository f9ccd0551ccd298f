"""The figures of a soak, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from soak.process import course

if TYPE_CHECKING:
    from soak.soaked import Soaked

_WHAT = (
    ("memory, RSS", "MB", "rss"),
    ("memory, PSS", "MB", "pss"),
    ("threads", "", "threads"),
    ("open files", "", "files"),
)

_HEAD = ("", "start", "least", "median", "most", "1st", "2nd", "3rd third", "end")


def report(soaked: Soaked) -> str:
    """Return all figures, some lines."""
    return "\n".join([*_held(soaked), "", *_seen(soaked)])


def _held(soaked: Soaked) -> Iterator[str]:
    yield _line(_HEAD)
    for what, unit, name in _WHAT:
        over = course([getattr(sample, name) for sample in soaked.during])
        ends = [getattr(sample, name) for sample in (soaked.before, soaked.after)]
        row = [ends[0], over.least, over.median, over.most, *over.thirds, ends[1]]
        digits = 1 if unit else 0
        yield _line([f"{what} {unit}".strip(), *(f"{x:.{digits}f}" for x in row)])


def _line(cells: Sequence[str]) -> str:
    first, *others = cells
    return f"{first:16}" + "".join(f"{cell:>10}" for cell in others)


def _seen(soaked: Soaked) -> Iterator[str]:
    crowd, late = soaked.crowd, soaked.crowd["late"]
    kinds = ", ".join(f"{n} {name}" for name, n in sorted(crowd["viewers"].items()))
    yield f"viewers: {sum(crowd['viewers'].values())} ({kinds})"
    yield f"parts delivered to viewers that read fast: {crowd['frames']}"
    median, most_of_them, most = (part(late, share) for share in (0.5, 0.99, 1))
    yield (
        f"capture to arrival, as they saw it: median {median:.3f} s, "
        f"99 % {most_of_them:.3f} s, most {most:.3f} s"
    )
    yield f"oldest picture shown as new, by its number: {soaked.oldest:.3f} s"
    yield f"settings read again: {soaked.reloads} times"
    yield f"longest answer: {crowd['slowest']:.3f} s"
    for path, codes in crowd["answers"].items():
        told = ", ".join(f"{n} x {code}" for code, n in sorted(codes.items()))
        yield f"{path}: {told}"
    yield f"log: {len(soaked.log.splitlines())} lines, {len(soaked.log) // 1000} KB"


def part(late: Mapping[str, int], share: float) -> float:
    """Return the seconds within which this share of all frames came; 0 where none did.

    :param late: how many frames came after so many milliseconds, which are texts.
    """
    left = share * sum(late.values())
    for told in sorted(late, key=int):
        left -= late[told]
        if left <= 0:
            return int(told) / 1000
    return 0.0
