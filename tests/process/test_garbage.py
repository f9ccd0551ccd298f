"""How memory is kept out of the way of frames, and reference cycles collected."""

from __future__ import annotations

import subprocess
import sys
from platform import libc_ver

import pytest
from twisted.internet.task import Clock

from camd.process.garbage import (
    COLLECT_EVERY,
    FEW_VIEWERS,
    POSTPONED_MOST,
    GarbageCollection,
)

PROGRAM = """
import gc
from camd.process.garbage import OLD, YOUNG, tune_memory
tune_memory()
print(gc.isenabled(), gc.get_threshold() == (YOUNG, 20, OLD), gc.get_freeze_count() > 0)
"""


def test_garbage_is_still_collected_but_seldom() -> None:
    """What was imported is left alone, and the rest is looked at less often."""
    # In a process of its own, as this is for good.
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["True", "True", "True"]


FAULTS = """
from resource import RUSAGE_SELF, getrusage
from camd.process.garbage import tune_memory
tune_memory()
for turn in range(11):
    if turn == 1:
        before = getrusage(RUSAGE_SELF).ru_minflt
    pictures = [b"\\0" * size for size in (200_000, 1920 * 1080 * 3)]
    del pictures
print(getrusage(RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(libc_ver()[0] != "glibc", reason="other allocators do as they like")
def test_the_memory_of_a_picture_is_used_again() -> None:
    """The kernel need not find and clear new pages for each, be it encoded or raw."""
    run = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 100


def collections(viewers: int, intervals: int) -> list[float]:
    """Return when it collects, in intervals from its start, with so many viewers."""
    clock, times = Clock(), list[float]()
    service = GarbageCollection(
        lambda: viewers, clock, lambda: times.append(clock.seconds() / COLLECT_EVERY)
    )
    service.startService()
    for _ in range(intervals):
        clock.advance(COLLECT_EVERY)
    service.stopService()
    assert not clock.getDelayedCalls()
    return times


def test_few_viewers() -> None:
    """With few viewers, or none, reference cycles are collected each time."""
    assert collections(FEW_VIEWERS, 3) == [0, 1, 2, 3]


def test_many_viewers() -> None:
    """With many viewers they are collected once in a while."""
    expected = [POSTPONED_MOST, 2 * POSTPONED_MOST + 1]
    assert collections(FEW_VIEWERS + 1, 30) == expected
