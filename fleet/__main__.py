"""Has a fleet on this machine live through trouble: ``python -m fleet``.

Prints a table; the exit status is 1 if a bar is not met.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from fleet import scenarios
from fleet.network import machines, why_no_network
from fleet.rig import Crowd, Fleet, fleet
from fleet.scenarios import Row


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line. Ends the program when it makes no sense."""
    parser = argparse.ArgumentParser(prog="fleet", description=__doc__)
    parser.add_argument("--viewers", type=int, default=300, help="in all (300)")
    parser.add_argument("--times", type=int, default=3, help="of each trouble (3)")
    parser.add_argument("--away", type=float, default=10, help="seconds of each (10)")
    parser.add_argument("--watch", type=float, default=15, help="seconds of ages (15)")
    parser.add_argument("--cameras", type=int, default=64, help="of one origin (64)")
    parser.add_argument("--only", choices=["trouble", "ages", "cameras"])
    parser.add_argument("--keep", type=Path, help="an empty folder for all logs")
    return parser.parse_args(words)


def measured(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Yield each row when it is there."""
    only = options.only
    if only in (None, "trouble", "ages"):
        with (
            machines(*scenarios.MACHINES) as network,
            fleet(network, folder / "fleet") as made,
        ):
            yield from _with_robots(made, options)
    if only in (None, "cameras"):
        for many in (scenarios.through_redis, scenarios.over_a_channel):
            with (
                machines(*scenarios.MACHINES) as network,
                fleet(network, folder / many.__name__) as made,
            ):
                yield from many(made, options.cameras, options.watch)


def _with_robots(made: Fleet, options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows on two robots behind narrow uplinks."""
    network, away, watch = made.network, options.away, options.watch
    scenarios.start(made, settle=3)
    if options.only in (None, "ages"):
        yield scenarios.to_narrow_edge(made, watch)
        yield scenarios.one_hop(made, watch)
    paths = [f"/api/{camera}/stream" for camera in scenarios.CAMERAS]
    crowd = Crowd(network, network.addresses["lb"], options.viewers, paths)
    try:
        assert crowd.seen_after("start", within=60) is not None
        yield scenarios.from_narrow_origins(crowd, watch)
        for _ in range(options.times if options.only != "ages" else 0):
            yield scenarios.killed_edge(made, crowd)
            yield scenarios.lost_redis(made, crowd, away)
            yield scenarios.parted(made, crowd, away)
            yield scenarios.killed_origin(made, crowd, away)
            yield scenarios.scaled(made, crowd)
        yield scenarios.honest(crowd)
    finally:
        crowd.stop()


def main(words: Sequence[str]) -> int:
    """Run it; return the exit status."""
    options = parsed(words)
    missing = why_no_network()
    if missing is not None:
        print(f"fleet: {missing}", file=sys.stderr)
        return 2
    is_well = True
    with tempfile.TemporaryDirectory() as temporary:
        print("| what | seen | bar | |\n|---|---|---|---|", flush=True)
        for row in measured(options, options.keep or Path(temporary)):
            is_well = is_well and row.met
            verdict = "yes" if row.met else "**no**"
            print(f"| {row.what} | {row.seen} | {row.bar} | {verdict} |", flush=True)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
