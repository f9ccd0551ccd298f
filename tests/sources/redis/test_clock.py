"""What is known of Redis' clock, by what it answered."""

from __future__ import annotations

from camd.sources.redis.clock import KEPT, ServerClock


def test_an_answer_bounds_the_time() -> None:
    """Redis read its clock between the question and the answer."""
    clock = ServerClock()
    clock.answered(asked=10.0, now=10.5, time=1000.25)
    assert (clock.earliest(10.5), clock.latest(10.5)) == (1000.25, 1000.75)
    assert clock.error == 0.5


def test_what_all_answers_allow() -> None:
    """Several answers together say more than the best of them."""
    clock = ServerClock()
    clock.answered(asked=0.0, now=1.0, time=100.0)
    clock.answered(asked=10.0, now=11.0, time=110.75)
    assert (clock.earliest(0), clock.latest(0)) == (99.75, 100.0)
    assert clock.error == 0.25


def test_a_clock_that_was_set() -> None:
    """An answer that no other one allows is the one that is believed."""
    clock = ServerClock()
    clock.answered(asked=0.0, now=1.0, time=100.0)
    clock.answered(asked=2.0, now=3.0, time=50.0)
    assert clock.latest(3.0) == 51.0


def test_clocks_drift_apart() -> None:
    """After so many answers the first one is not believed any more."""
    clock = ServerClock()
    clock.answered(asked=0.0, now=0.0, time=100.0)
    for moment in range(1, KEPT + 1):
        clock.answered(asked=moment - 0.5, now=moment + 0.5, time=100.0 + moment)
    assert clock.error == 1.0


def test_a_moment_here_is_no_later_than_it_was() -> None:
    """Of what the answers leave open, a picture is as old as it may be."""
    clock = ServerClock()
    clock.answered(asked=10.0, now=12.0, time=1000.0)
    assert clock.here(1000.0) == 10.0
