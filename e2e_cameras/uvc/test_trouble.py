"""Webcams are unplugged, fall silent and come back, and no viewer is sent away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from e2e.client import Seen, Watcher, stats, watching
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.waiting import until
from e2e_cameras.conftest import Start
from e2e_cameras.stamps import read
from e2e_cameras.webcam import Webcam

BACK = 2.0
"""Seconds from the plug to the first picture."""
TRIES = 3
"""How often that may be measured, on a machine that is busy with other things."""
CYCLES = 100
WARM = 20
"""Cycles after which a daemon has grown as large as it may."""
GROWTH = 8_000
"""kB that it may grow in the cycles after that: what memory moves to and fro."""
SLOW = 8
"""Pictures a second of a webcam whose every picture is to be seen."""
PATIENCE = 60.0


@pytest.fixture
def webcams() -> Iterator[tuple[Webcam, Webcam]]:
    """Both webcams, plugged in again behind the test."""
    pair = (Webcam(0), Webcam(1))
    yield pair
    for webcam in pair:
        webcam.tell("resume")
        webcam.tell("fps", 0)
        node = Path(by_id(webcam))
        if not node.exists():
            webcam.tell("plug")
            until(node.exists, "it is there", PATIENCE)


@pytest.fixture
def daemon(
    tmp_path_factory: pytest.TempPathFactory, webcams: tuple[Webcam, Webcam]
) -> Iterator[Daemon]:
    """A daemon that shows both, by names that stay."""
    robot, door = ({"source": by_id(webcam), "camera_timeout": 1} for webcam in webcams)
    folder = tmp_path_factory.mktemp("trouble")
    cameras = {"robot": robot, "door": door}
    with running(folder, cameras, offline_after=1) as daemon:
        await_state(daemon, "live")
        await_state(daemon, "live", "door")
        yield daemon
    check_log(daemon)


def by_id(webcam: Webcam) -> str:
    """The name that a webcam keeps, whatever its number."""
    if not KNOWN:
        for path in Path("/dev/v4l/by-id").iterdir():
            KNOWN[str(path.resolve())] = str(path)
    return KNOWN[webcam.device]


KNOWN: dict[str, str] = {}
"""Device -> the name that it had when all were plugged in."""


def await_state(daemon: Daemon, state: str, camera: str = "robot") -> None:
    """Wait until the camera's state is this one."""
    until(
        lambda: stats(daemon, camera)["state"] == state,
        f"{camera} is {state}",
        PATIENCE,
    )


def is_live(watcher: Watcher) -> bool:
    """Return whether the part seen last is a picture of the camera's."""
    return bool(watcher.seen) and watcher.seen[-1].number > 0


def test_unplugged(daemon: Daemon, webcams: tuple[Webcam, Webcam]) -> None:
    """Three viewers wait for it, and see it again two seconds behind the plug."""
    webcam, _ = webcams
    with watching(daemon, 3) as watchers:
        guests = [client["number"] for client in stats(daemon)["clients"]]
        took = []
        for _ in range(TRIES):
            until(lambda: all(map(is_live, watchers)), "all see it", PATIENCE)
            webcam.tell("unplug")
            until(lambda: not any(map(is_live, watchers)), "placeholders", PATIENCE)
            assert {w.seen[-1].state for w in watchers} == {"offline"}
            webcam.tell("plug")
            # Not from before: to tell it takes longer than all the rest.
            plugged = time.monotonic()
            until(lambda: all(map(is_live, watchers)), "all see it again", PATIENCE)
            took.append(_first_after(watchers[0], plugged) - plugged)
        print(f"back after {', '.join(f'{seconds:.2f}' for seconds in took)} s")
        assert min(took) < BACK
        assert [client["number"] for client in stats(daemon)["clients"]] == guests
        assert all(watcher.trouble is None for watcher in watchers)
    assert "no such device" in daemon.log


def _first_after(watcher: Watcher, moment: float) -> float:
    seen = list(watcher.seen)
    return next(s.moment for s in seen if s.moment > moment and s.number > 0)


def test_silence(daemon: Daemon, webcams: tuple[Webcam, Webcam]) -> None:
    """It is noticed, the webcam is opened again, and its viewers stay."""
    webcam, _ = webcams
    with watching(daemon, 3) as watchers:
        webcam.tell("stall")
        await_state(daemon, "stalled")
        await_state(daemon, "offline")
        assert all(watcher.seen[-1].number == 0 for watcher in watchers)
        webcam.tell("resume")
        webcam.tell("fps", 0)
        until(lambda: all(map(is_live, watchers)), "all see it again", PATIENCE)
        assert all(watcher.trouble is None for watcher in watchers)
    assert stats(daemon)["threads_left_behind"] == 0


def test_the_other_one(daemon: Daemon, webcams: tuple[Webcam, Webcam]) -> None:
    """While one webcam comes and goes, the other's viewer gets every picture."""
    webcam, other = webcams
    # So slow that a busy machine loses few by itself.
    webcam.tell("fps", SLOW)
    with watching(daemon) as (watcher,):
        until(lambda: is_live(watcher), "it is seen", PATIENCE)
        missing = []
        for _ in range(TRIES):
            began = len(watcher.frames())
            other.tell("unplug")
            await_state(daemon, "offline", "door")
            other.tell("plug")
            await_state(daemon, "live", "door")
            missing.append(_missing(watcher.frames()[began:]))
        print(f"missing: {missing}")
        assert min(missing) == 0
        assert watcher.trouble is None


def _missing(frames: list[Seen]) -> int:
    numbers = [read(seen.jpeg).number for seen in frames]
    assert len(numbers) > SLOW
    return sum(after - before - 1 for before, after in pairwise(numbers))


class Footprint(NamedTuple):
    """What a process holds: kB of memory, threads, descriptors."""

    memory: int
    threads: int
    descriptors: int


def footprint(daemon: Daemon) -> Footprint:
    """Look at what the daemon holds."""
    process = Path(f"/proc/{daemon.process.pid}")
    lines = (line.split() for line in (process / "status").read_text().splitlines())
    status = {words[0]: words[1] for words in lines if len(words) > 1}
    descriptors = len(os.listdir(process / "fd"))
    return Footprint(int(status["VmRSS:"]), int(status["Threads:"]), descriptors)


def test_a_hundred_times(start: Start, webcams: tuple[Webcam, Webcam]) -> None:
    """A loose contact leaves nothing behind: no memory, no thread, no descriptor."""
    webcam, _ = webcams
    # By its number, which it gets back as camd lets go of it first.
    daemon = start({"robot": {"source": webcam.device}})
    await_state(daemon, "live")
    with watching(daemon) as (watcher,):
        for cycle in range(CYCLES):
            if cycle == WARM:
                before = footprint(daemon)
            webcam.tell("unplug")
            await_state(daemon, "offline")
            webcam.tell("plug")
            await_state(daemon, "live")
        # The connection that asked last may still be there, or a thread about to end.
        until(lambda: footprint(daemon)[1:] <= before[1:], "no thread, no descriptor")
        after = footprint(daemon)
        print(f"after {WARM}: {before}, after {CYCLES}: {after}")
        assert watcher.trouble is None
    assert stats(daemon)["camera_reopens"] >= CYCLES
    assert after.memory - before.memory < GROWTH
    # However early it was tried, it gave its JPEGs or nothing.
    assert "YUYV" not in daemon.log
