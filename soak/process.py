"""What a process holds: memory, threads and open files, from ``/proc``."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE = re.compile(r"^(Rss|Pss):\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds at one moment.

    :ivar rss: megabytes in memory.
    :ivar pss: the same, with its share only of what others use as well.
    :ivar files: open descriptors.
    """

    rss: float
    pss: float
    threads: int
    files: int


def sample(pid: int) -> Sample:
    """Look at a process.

    :raises OSError: it is gone, or is somebody else's.
    """
    place = Path("/proc", str(pid))
    told = dict(_SIZE.findall((place / "smaps_rollup").read_text()))
    return Sample(
        int(told["Rss"]) / 1024,
        int(told["Pss"]) / 1024,
        len(os.listdir(place / "task")),
        len(os.listdir(place / "fd")),
    )


@dataclass(frozen=True, slots=True)
class Course:
    """One figure over the whole time.

    :ivar thirds: its medians in the first, the second and the last third.
    """

    least: float
    median: float
    most: float
    thirds: tuple[float, float, float]


def course(values: Sequence[float]) -> Course:
    """Sum up what was sampled, in the order of time.

    :raises ValueError: there are fewer than three values.
    """
    if len(values) < 3:
        raise ValueError("too few samples to compare")
    third = len(values) // 3
    first, last = values[:third], values[-third:]
    thirds = (median(first), median(values[third:-third]), median(last))
    return Course(min(values), median(values), max(values), thirds)
