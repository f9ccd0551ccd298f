"""What every row is measured with: the folders, the time it may take, the rounds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.load import Figures, load
from bench.report import Row, median_ratio

if TYPE_CHECKING:
    from pathlib import Path

    from bench.servers import Server

# Seconds between the last viewer's first picture and the window.
SETTLE = 1.0

Pair = tuple[Figures, Figures]


@dataclass(frozen=True, slots=True)
class Rig:
    """:param vga: the folder of 640x480 pictures, of about 40 KB.
    :param hd: the folder of 1280x720 pictures, of about 88 KB.
    :param seconds: how long one window is.
    :param rounds: how often camd and floor are measured in turn.
    :param quick: leave out what takes long.
    """

    vga: Path
    hd: Path
    seconds: float
    rounds: int
    quick: bool

    def load(self, server: Server, **options: float | str) -> Figures:
        """One window of a server, as long as the rig's unless told otherwise."""
        usual = {"seconds": self.seconds, "settle": SETTLE}
        return load(server, {**usual, **options})

    def in_turn(
        self, one: Callable[[], Figures], other: Callable[[], Figures]
    ) -> list[Pair]:
        """Measures both, A B A B, a pair for each round."""
        return [(one(), other()) for _ in range(self.rounds)]

    def beside(self, camd: Server, floor: Server, **options: float | str) -> list[Pair]:
        """Measures camd and the floor in turn, under the same load."""
        return self.in_turn(
            lambda: self.load(camd, **options), lambda: self.load(floor, **options)
        )


def medians(pairs: Sequence[Pair], name: str) -> tuple[float, float]:
    """The medians over the rounds of one figure, of camd and of the floor."""
    one, other = (statistics.median(pair[i][name] for pair in pairs) for i in (0, 1))
    return one, other


def ratio(pairs: Sequence[Pair], name: str) -> float:
    """The median over the rounds of camd's figure through the floor's."""
    return median_ratio([(one[name], other[name]) for one, other in pairs])


def trouble(figures: Figures) -> str:
    """What went wrong in a window, for a note; empty when nothing did."""
    names = ("refused", "http_errors", "broken", "dropped", "damaged")
    counts = [f"{name} {figures[name]:.0f}" for name in names if figures[name]]
    return ", ".join(counts)


def unmeasured(what: str, bar: str, why: str) -> Row:
    """The row of something that could not be measured here."""
    return Row(what, bar=bar, note=f"not measured: {why}")
