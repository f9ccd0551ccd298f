"""Rows on how late a picture is, and on what viewers do to each other."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench import rig as rigs
from bench.link import slow_link, why_no_link
from bench.load import load
from bench.report import Row, median_ratio
from bench.servers import KEY, camd, floor

if TYPE_CHECKING:
    from bench.load import Figures, Options
    from bench.rig import Rig
    from bench.servers import Server

# The bound that the floor is given where the question is how old a picture may get.
LOWAT = 16 * 1024
READER_BYTES = 20_000
FIRST_BAR_MS = 5.0
LATE_BARS_MS = {"p50": 5.0, "p99": 20.0}
OTHERS_BAR = 0.05
LINK_BAR_S = 0.45
READER_BAR_S = 4.0
ANSWER_BAR_MS = 100.0


def first_picture(rig: Rig) -> Row:
    """From connect() to the first whole picture, beside 50 viewers."""
    with camd(str(rig.vga)) as ours, floor(rig.vga) as least:
        pairs = rig.beside(ours, least, viewers=50, passing=50)
    one, other = rigs.medians(pairs, "first_p50_ms")
    worst, _ = rigs.medians(pairs, "first_p99_ms")
    return Row(
        "connect to first picture, 50 watching: median",
        "ms",
        one,
        other,
        bar=f"<= {FIRST_BAR_MS:.0f} ms",
        met=one <= FIRST_BAR_MS,
        note=f"p99 {worst:.1f} ms",
        detail={"pairs": pairs},
    )


def lateness(rig: Rig) -> list[Row]:
    """From capture to arrival at 200 viewers."""
    with camd(str(rig.vga)) as ours, floor(rig.vga) as least:
        pairs = rig.beside(ours, least, viewers=200)
    rows = []
    for part, allowed in LATE_BARS_MS.items():
        one, other = rigs.medians(pairs, f"late_{part}_ms")
        rows.append(
            Row(
                f"capture to arrival, 200 viewers: {part}",
                "ms",
                one,
                other,
                bar=f"<= floor + {allowed:.0f} ms",
                met=one - other <= allowed,
                detail={"pairs": pairs},
            )
        )
    return rows


def others(rig: Rig) -> list[Row]:
    """What 50 slow readers do to the 450 viewers beside them."""
    slow = {"viewers": 500, "slow": 50, "slow_rate": READER_BYTES}
    with camd(str(rig.vga)) as ours:
        pairs = rig.in_turn(
            lambda: rig.load(ours, **slow), lambda: rig.load(ours, viewers=450)
        )
    rows = []
    for name, what in (("fps_median", "fps"), ("gap_p99_ms", "p99 gap")):
        factor = median_ratio([(one[name], other[name]) for one, other in pairs])
        worse = 1 - factor if what == "fps" else factor - 1
        with_slow, without = rigs.medians(pairs, name)
        rows.append(
            Row(
                f"10 % of 500 read 20 KB/s: {what} of the others",
                "x",
                factor,
                bar="within 5 %",
                met=worse <= OTHERS_BAR,
                note=f"{with_slow:.2f} with slow readers, {without:.2f} without",
                detail={"pairs": pairs},
            )
        )
    return rows


def link_ages(rig: Rig, seconds: float) -> dict[str, Figures]:
    """One viewer behind 3 Mbit/s, of camd, and of the floor with the bound and not."""
    found: dict[str, Figures] = {}
    with slow_link("3mbit") as link, ExitStack() as stack:
        servers = {
            "camd": stack.enter_context(camd(str(rig.vga), link.host)),
            "bound": stack.enter_context(floor(rig.vga, LOWAT, link.host)),
            "unbound": stack.enter_context(floor(rig.vga, 0, link.host)),
        }
        for name, server in servers.items():
            window = {"viewers": 1, "seconds": seconds, "settle": 3}
            found[name] = load(server, window, link.enter)
    return found


def slow_link_age(rig: Rig) -> Row:
    """The age of the picture at a viewer whose link carries less than the stream."""
    what = "age at a 3 Mbit/s link, 4.8 Mbit/s stream: median"
    bar = f"<= {LINK_BAR_S} s"
    why = why_no_link()
    if why:
        return rigs.unmeasured(what, bar, why)
    try:
        found = link_ages(rig, 5.0 if rig.quick else 15.0)
    except subprocess.CalledProcessError as error:
        return rigs.unmeasured(what, bar, str(error.stderr or error).strip())
    ages = {name: figures["late_p50_ms"] / 1e3 for name, figures in found.items()}
    return Row(
        what,
        "s",
        ages["camd"],
        ages["bound"],
        bar=bar,
        met=ages["camd"] <= LINK_BAR_S,
        note=f"the floor without the bound: {ages['unbound']:.2f} s",
        detail=found,
    )


def reader_ages(rig: Rig, marks: tuple[int, ...]) -> dict[str, Figures]:
    """Ten slow readers each of camd, the bound floor, and the free one, all at once."""
    slow: Options = {
        "viewers": 10,
        "slow": 10,
        "slow_rate": READER_BYTES,
        "seconds": marks[-1],
        "settle": 0,
        "marks": ",".join(map(str, marks)),
    }
    with ExitStack() as stack:
        servers = {
            "camd": stack.enter_context(camd(str(rig.vga))),
            "bound": stack.enter_context(floor(rig.vga, LOWAT)),
            "unbound": stack.enter_context(floor(rig.vga)),
        }
        pool = stack.enter_context(ThreadPoolExecutor())
        waiting = {
            name: pool.submit(load, server, slow) for name, server in servers.items()
        }
        return {name: future.result() for name, future in waiting.items()}


def slow_reader_age(rig: Rig) -> list[Row]:
    """The age of pictures at a viewer that takes two seconds for each."""
    marks = (18,) if rig.quick else (18, 45)
    found = reader_ages(rig, marks)
    rows = []
    for mark in marks:
        ages = {
            name: figures.get(f"age_at_{mark}_p50_s") for name, figures in found.items()
        }
        ours, free = ages["camd"], ages["unbound"]
        rows.append(
            Row(
                f"age at a viewer that reads 20 KB/s, after {mark} s",
                "s",
                ours,
                ages["bound"],
                bar=f"<= {READER_BAR_S:.0f} s",
                met=ours is not None and ours <= READER_BAR_S,
                note=f"the floor without the bound: {free or 0:.1f} s",
                detail=found,
            )
        )
    return rows


def coming_and_going(rig: Rig) -> Row:
    """Frames that 500 viewers miss while 200 others a second come and go."""
    with camd(str(rig.vga)) as ours, floor(rig.vga) as least:
        one = rig.load(ours, viewers=500, passing=200)
        other = rig.load(least, viewers=500, passing=200)
    return Row(
        "frames missed by 500, 200 coming and going a second",
        "",
        one["skipped"],
        other["skipped"],
        bar="0",
        met=one["skipped"] == 0,
        note=f"{one['passed_per_s']:.0f} came and went a second",
        detail={"pairs": [(one, other)]},
    )


CROWD = 4000
"""Viewers beside whom the statistics are asked for."""


def answer(server: Server) -> tuple[float, int]:
    """How long one request for the stats takes, in ms, and how many watch."""
    url = f"http://{server.host}:{server.port}/api/robot0/stream/stats?api_key={KEY}"
    began = time.monotonic()
    with urllib.request.urlopen(url, timeout=10) as response:
        stats = response.read()
    took = (time.monotonic() - began) * 1e3
    return took, json.loads(stats)["active_clients"]


def ask_until(done: threading.Event, server: Server, times: list[float]) -> None:
    """Asks for the stats twice a second; the times while all the viewers are there."""
    while not done.wait(0.5):
        took, active = answer(server)
        if active == CROWD:
            times.append(took)


def answers(rig: Rig) -> Row:
    """The longest wait for the stats while 4,000 viewers watch."""
    done = threading.Event()
    times: list[float] = []
    with camd(str(rig.vga)) as ours:
        asking = threading.Thread(target=ask_until, args=(done, ours, times))
        asking.start()
        try:
            figures = rig.load(ours, viewers=CROWD, inflight=256)
        finally:
            done.set()
            asking.join()
    worst = max(times)
    return Row(
        "stats beside 4,000 viewers: longest wait",
        "ms",
        worst,
        bar=f"<= {ANSWER_BAR_MS:.0f} ms",
        met=worst <= ANSWER_BAR_MS,
        note=f"{len(times)} requests, {figures['held']:.0f} viewers at full rate",
        detail=figures,
    )
