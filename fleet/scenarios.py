"""What is measured, and what goes wrong, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from fleet.rig import Crowd, Fleet, Program, own_cameras, wait

EDGES = ("edge1", "edge2", "edge3")
ROBOTS = ("robot1", "robot2")
MACHINES = (*ROBOTS, "core", *EDGES, "lb", "viewers")

UNNOTICED = 1.0
"""Seconds without a picture that nobody takes for trouble: at nine a second, behind
narrow links, some are 0.3 s apart."""

CAMERAS = tuple(f"{robot}-front" for robot in ROBOTS)
"""The camera of each robot."""

UPLINK = "3mbit"
"""What a robot can send."""

NARROW = 0.3, 0.45
"""Seconds that pictures may be old behind such a link: median, and of 95 in 100."""

BACK, ELSEWHERE = 2.0, 5.0
"""Seconds within which viewers have pictures again: from what was away and is back, and
from another edge than the one that they had."""

ADDED = 10.0
"""Milliseconds that Redis and an edge may add."""

FPS = 15
"""Pictures a second of each camera."""

CPU = 0.3
"""Milliseconds of processor for each picture, at either end."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    :ivar what: what was done.
    :ivar seen: what was seen.
    :ivar bar: what it must be.
    :ivar met: whether it is.
    :ivar is_cost: whether that is a matter of how fast the machine is.
    """

    what: str
    seen: str
    bar: str
    met: bool
    is_cost: bool = False


def percentile(values: list[float], share: float) -> float:
    """Return the value that so many are no larger than; infinite for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 1e9


def ages_row(what: str, ages: list[float]) -> Row:
    """Return the row of how old pictures were behind a narrow link."""
    middle, most = percentile(ages, 0.5), percentile(ages, 0.95)
    return Row(
        what,
        f"{middle:.2f} / {most:.2f} s ({len(ages)} samples)",
        f"<= {NARROW[0]:g} / {NARROW[1]:g} s",
        middle <= NARROW[0] and most <= NARROW[1],
    )


def start(fleet: Fleet, settle: float) -> None:
    """Start all of it: two robots behind narrow uplinks, Redis, edges, the balancer."""
    fleet.redis()
    for robot in ROBOTS:
        fleet.network.limit_up(robot, UPLINK)
        fleet.camera(robot)
        fleet.origin(robot, [f"{robot}-front"])
    for edge in EDGES:
        fleet.edge(edge)
    fleet.balancer(EDGES)
    names = set(CAMERAS)
    for edge in EDGES:
        wait_for(fleet, edge, names)
    time.sleep(settle)


def wait_for(fleet: Fleet, edge: str, names: set[str]) -> None:
    """Wait until an edge has these cameras, all of them live."""

    def is_there() -> bool:
        states = fleet.states(edge)
        return set(states) == names and set(states.values()) == {"live"}

    wait(is_there, f"{edge} shows all cameras", 60, fleet.programs[edge])


def from_narrow_origins(crowd: Crowd, seconds: float) -> Row:
    """Measure the age of pictures from origins behind narrow uplinks."""
    what = f"age at viewers, origins behind {UPLINK}, 40 KB, 15 fps: median / p95"
    return ages_row(what, crowd.ages(seconds))


def killed_edge(fleet: Fleet, crowd: Crowd) -> Row:
    """Kill an edge, and see when its viewers are back at another one."""
    victim = EDGES[0]
    fleet.programs[victim].kill()
    seconds = crowd.seen_after("edge killed")
    time.sleep(1)
    gaps = crowd.reports[-1]["gaps"]
    others = max((gaps.get(edge, 0.0) for edge in EDGES[1:]), default=0.0)
    fleet.programs[victim].start()
    wait_for(fleet, victim, set(CAMERAS))
    seen = "never" if seconds is None else f"all back after {seconds:.1f} s"
    return Row(
        "kill -9 of an edge",
        f"{seen}; longest gap of any viewer of the others {others:.2f} s",
        f"<= {ELSEWHERE:g} s, others < {UNNOTICED:g} s",
        seconds is not None and seconds <= ELSEWHERE and others < UNNOTICED,
    )


def lost_redis(fleet: Fleet, crowd: Crowd, away: float) -> Row:
    """Kill Redis for some seconds."""
    before, lost = crowd.total("placeholders"), crowd.total("lost")
    fleet.programs["redis"].kill()
    time.sleep(away)
    states = {s for edge in EDGES for s in fleet.states(edge).values()}
    fleet.programs["redis"].start()
    shown = crowd.total("placeholders") - before
    return _after(
        crowd,
        f"Redis killed for {away:g} s",
        lost,
        f"{'/'.join(sorted(states))} meanwhile, then {shown} placeholders",
        states == {"stalled"} and shown >= crowd.viewers,
    )


def parted(fleet: Fleet, crowd: Crowd, away: float) -> Row:
    """Have nothing of Redis' reach one edge for some seconds."""
    edge, lost = EDGES[1], crowd.total("lost")
    fleet.network.part("core", edge)
    time.sleep(away)
    states = set(fleet.states(edge).values())
    others = {s for e in EDGES if e != edge for s in fleet.states(e).values()}
    fleet.network.join("core", edge)
    return _after(
        crowd,
        f"core and one edge parted for {away:g} s",
        lost,
        f"{'/'.join(sorted(states))} there, {'/'.join(sorted(others))} elsewhere",
        states == {"stalled"} and others == {"live"},
    )


def killed_origin(fleet: Fleet, crowd: Crowd, away: float) -> Row:
    """Kill an origin for some seconds; count from when it listens again."""
    robot, lost = ROBOTS[0], crowd.total("lost")
    fleet.programs[robot].kill()
    time.sleep(away)
    states = {fleet.states(edge).get(f"{robot}-front", "none") for edge in EDGES}
    program = fleet.programs[robot]
    listening = program.log.read_text().count("Listening on")
    program.start()
    wait(
        lambda: program.log.read_text().count("Listening on") > listening,
        "the origin listens",
        60,
        program,
    )
    return _after(
        crowd,
        f"an origin killed for {away:g} s",
        lost,
        f"{'/'.join(sorted(states))} meanwhile",
        states == {"stalled"},
    )


def _after(crowd: Crowd, what: str, lost: int, meanwhile: str, is_right: bool) -> Row:
    """See when all viewers have pictures again, and whether all are still there."""
    seconds = crowd.seen_after(what)
    gone = crowd.total("lost") - lost
    again = "never live again" if seconds is None else f"live after {seconds:.1f} s"
    return Row(
        what,
        f"{again}; {gone} viewers lost; {meanwhile}",
        f"<= {BACK:g} s, none lost, stalled meanwhile",
        seconds is not None and seconds <= BACK and not gone and is_right,
    )


def scaled(fleet: Fleet, crowd: Crowd) -> Row:
    """Drain two edges, and start them again."""
    for edge in EDGES[1:]:
        fleet.programs[edge].stop()
    alone = crowd.seen_after("3 to 1")
    for edge in EDGES[1:]:
        fleet.programs[edge].start()
    for edge in EDGES[1:]:
        wait_for(fleet, edge, set(CAMERAS))
    three = crowd.seen_after("1 to 3")
    worst = max(1e9 if s is None else s for s in (alone, three))
    return Row(
        "edges 3 to 1 with drain, and 1 to 3",
        f"all have pictures again after {worst:.1f} s",
        f"<= {ELSEWHERE:g} s",
        worst <= ELSEWHERE,
    )


def honest(crowd: Crowd) -> Row:
    """Say whether any viewer was ever shown something that was not so."""
    late, untrue = crowd.total("late"), crowd.total("untrue")
    frames = crowd.total("frames")
    return Row(
        "every viewer checks every picture",
        f"{untrue} of {frames} look younger than they are; {late} came late",
        "0 untrue",
        not untrue and frames > 0,
    )


def to_narrow_edge(fleet: Fleet, seconds: float) -> Row:
    """Measure the age of one camera's pictures at an edge behind a narrow link."""
    edge = EDGES[0]
    fleet.network.limit_up(ROBOTS[0], None)
    fleet.network.limit_down(edge, UPLINK)
    path = f"/api/{ROBOTS[0]}-front/stream"
    crowd = Crowd(fleet.network, fleet.network.addresses[edge], 5, [path])
    try:
        wait(
            lambda: bool(crowd.reports) and crowd.reports[-1]["frames"] > 0, "pictures"
        )
        time.sleep(3)
        ages = crowd.ages(seconds)
    finally:
        crowd.stop()
        fleet.network.limit_down(edge, None)
        fleet.network.limit_up(ROBOTS[0], UPLINK)
    return ages_row(f"age at an edge behind {UPLINK}: median / p95", ages)


def one_hop(fleet: Fleet, seconds: float) -> Row:
    """Measure what Redis and an edge add to a picture's age, on links without limit."""
    robot = ROBOTS[0]
    fleet.network.limit_up(robot, None)
    path = f"/api/{robot}-front/stream"
    try:
        at_origin = _ages_at(fleet, robot, path, seconds)
        at_edge = _ages_at(fleet, EDGES[0], path, seconds)
    finally:
        fleet.network.limit_up(robot, UPLINK)
    adds = 1000 * (median(at_edge) - median(at_origin))
    return Row(
        "what origin, Redis and edge add, no limit: median",
        f"{adds:.1f} ms",
        f"<= {ADDED:g} ms",
        adds <= ADDED,
    )


def _ages_at(fleet: Fleet, machine: str, path: str, seconds: float) -> list[float]:
    crowd = Crowd(fleet.network, fleet.network.addresses[machine], 1, [path])
    try:
        wait(
            lambda: bool(crowd.reports) and crowd.reports[-1]["frames"] > 0, "pictures"
        )
        time.sleep(2)
        return crowd.ages(seconds)
    finally:
        crowd.stop()


def through_redis(fleet: Fleet, cameras: int, seconds: float) -> Iterator[Row]:
    """Show many cameras of one origin to one viewer each, through Redis and an edge."""
    names = [f"c{n}" for n in range(cameras)]
    redis = fleet.redis()
    fleet.camera(ROBOTS[0], size=20_000)
    origin = fleet.origin(ROBOTS[0], names)
    edge = fleet.edge(EDGES[0])
    what = f"{cameras} cameras of one origin through Redis to one edge, 20 KB"
    yield from _many(fleet, what, names, (origin, edge, redis), seconds)


def over_a_channel(fleet: Fleet, cameras: int, seconds: float) -> Iterator[Row]:
    """Show as many over the live channel between two camds."""
    names = [f"c{n}" for n in range(cameras)]
    fleet.camera(ROBOTS[0], size=20_000)
    origin = fleet.camd(ROBOTS[0], {"cameras": own_cameras(names)})
    edge = fleet.camd(EDGES[0], {"cameras": fleet.cameras_of(ROBOTS[0], names)})
    what = f"{cameras} cameras of one camd over its live channel to another, 20 KB"
    yield from _many(fleet, what, names, (origin, edge), seconds)


def _many(
    fleet: Fleet,
    what: str,
    names: Sequence[str],
    programs: Sequence[Program],
    seconds: float,
) -> Iterator[Row]:
    """Watch all cameras of an edge, and what that costs these programs.

    :param programs: the two ends first.
    """
    wait_for(fleet, EDGES[0], set(names))
    paths = [f"/api/{name}/stream" for name in names]
    address = fleet.network.addresses[EDGES[0]]
    crowd = Crowd(fleet.network, address, len(names), paths)
    try:
        took = crowd.seen_after("all", share=1, within=60)
        assert took is not None, "not all cameras came"
        time.sleep(3)
        began, before = time.monotonic(), [program.cpu() for program in programs]
        ages_from = time.time()
        time.sleep(seconds)
        took = time.monotonic() - began
        used = [p.cpu() - b for p, b in zip(programs, before, strict=True)]
        reports = crowd.since(ages_from)
    finally:
        crowd.stop()
    # A report counts from the one before it.
    first, *others = reports
    rate = sum(r["frames"] for r in others) / (others[-1]["time"] - first["time"])
    fps = rate / len(names)
    ages = sorted(age for report in reports for age in report["ages"])
    per_frame = [1000 * seconds_used / (rate * took) for seconds_used in used]
    yield Row(
        what,
        f"{fps:.1f} fps each; age {percentile(ages, 0.5):.3f} / "
        f"{percentile(ages, 0.95):.3f} s",
        f"{FPS} fps",
        fps >= FPS - 0.5,
    )
    yield Row(
        f"CPU per frame there: {', '.join(p.machine for p in programs)}",
        " / ".join(f"{value:.2f}" for value in per_frame) + " ms",
        f"<= {CPU:g} ms at either end",
        max(per_frame[:2]) <= CPU,
        is_cost=True,
    )
