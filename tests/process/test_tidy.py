"""Garbage in circles is collected, but not in the midst of a crowd."""

from __future__ import annotations

from twisted.internet.task import Clock

from camd.process.tidy import EVERY, FEW, PUT_OFF, Tidy


def times(active: int, count: int) -> list[float]:
    """At which of so many times it collects, while so many watch."""
    clock, done = Clock(), list[float]()
    tidy = Tidy(lambda: active, clock, lambda: done.append(clock.seconds() / EVERY))
    tidy.startService()
    for _ in range(count):
        clock.advance(EVERY)
    tidy.stopService()
    assert not clock.getDelayedCalls()
    return done


def test_few_viewers() -> None:
    """With few viewers, or none, it is done each time."""
    assert times(FEW, 3) == [0, 1, 2, 3]


def test_many_viewers() -> None:
    """With many it is done once in a while."""
    assert times(FEW + 1, 30) == [PUT_OFF, 2 * PUT_OFF + 1]
