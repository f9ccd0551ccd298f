"""All that can be measured, by name, in the order of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import age, ages, cameras, cost, renditions

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.report import Row
    from bench.rig import Rig

    Measure = Callable[[Rig], Row | list[Row]]

ROWS: dict[str, Measure] = {
    "cpu400": lambda rig: cost.per_frame(rig, rig.vga, 400),
    "cpu1000": lambda rig: cost.per_frame(rig, rig.vga, 1000),
    "cpu2000": lambda rig: cost.per_frame(rig, rig.vga, 2000),
    "cpu720p": lambda rig: cost.per_frame(rig, rig.hd, 200),
    "acks400": lambda rig: cost.acknowledging(rig, 400),
    "http1": lambda rig: cameras.by_http(rig, 1),
    "http5": lambda rig: cameras.by_http(rig, 5),
    "http50": lambda rig: cameras.by_http(rig, 50),
    "files1": lambda rig: cameras.by_folder(rig, 1),
    "files5": lambda rig: cameras.by_folder(rig, 5),
    "files50": lambda rig: cameras.by_folder(rig, 50),
    "device1": lambda rig: cameras.by_device(rig, 1),
    "device5": lambda rig: cameras.by_device(rig, 5),
    "device50": lambda rig: cameras.by_device(rig, 50),
    "device30": lambda rig: cameras.by_device(rig, 1, fps=30),
    "cameras16": lambda rig: cameras.many(rig, 16),
    "cameras64": lambda rig: cameras.many(rig, 64),
    "daemon": cameras.whole_daemon,
    "small": cameras.memory,
    "held": cost.held,
    "first": age.first_picture,
    "late": age.lateness,
    "others": age.others,
    "link": age.slow_link_age,
    "ages": ages.behind_proxies,
    "reader": age.slow_reader_age,
    "memory": cost.memory,
    "cache": cost.cache,
    "idle": cost.idle,
    "encode": cost.encode,
    "through": cost.through,
    "renditions": renditions.choice,
    "ladder": renditions.ladder,
    "rungs": renditions.rungs,
    "churn": age.coming_and_going,
    "answers": age.answers,
}

# What takes longest, or says little more than the others, is not in a quick run.
SLOW = frozenset(
    {
        *("cpu1000", "cpu2000", "held", "others", "memory", "churn", "answers"),
        *("http5", "http50", "files5", "files50", "device5", "device50"),
        *("cameras64", "daemon"),
        *("ages", "renditions", "rungs", "acks400"),
    }
)


def chosen(names: str | None, quick: bool) -> list[str]:
    """The names of the rows to measure.

    :param names: with commas between; None for all, or all quick ones.
    :raises ValueError: naming those that there are not.
    """
    if names is None:
        return [name for name in ROWS if not (quick and name in SLOW)]
    wanted = [name.strip() for name in names.split(",")]
    unknown = [name for name in wanted if name not in ROWS]
    if unknown:
        known = ", ".join(ROWS)
        raise ValueError(f"no row is called {', '.join(unknown)}; there are: {known}")
    return wanted
