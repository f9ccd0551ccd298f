"""Another machine's clock: never a picture younger than it is."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.sources.remote_clock import DRIFT, RemoteClock

THERE = 1_800_000_000.0
"""The Unix time there when the clock here shows 0."""

unhurried = settings(deadline=None)
ways = st.floats(0, 5, allow_subnormal=False)


def test_nothing_is_known_at_first() -> None:
    """Before an answer there is no age."""
    clock = RemoteClock()
    assert not clock.is_known
    assert clock.here(THERE, 0) == -math.inf


def test_an_answer_bounds_the_time() -> None:
    """The clock there was read between the question and the answer."""
    clock = RemoteClock()
    clock.answered(asked=10.0, time=1000.25, now=10.5)
    assert clock.earliest(10.5) == pytest.approx(1000.25, abs=DRIFT)
    assert clock.latest(10.5) == pytest.approx(1000.75, abs=DRIFT)


def test_what_all_answers_allow() -> None:
    """Several answers together say more than the best of them."""
    clock = RemoteClock()
    clock.answered(asked=0.0, time=100.0, now=1.0)
    clock.answered(asked=10.0, time=110.75, now=11.0)
    assert clock.earliest(11.0) == pytest.approx(110.75, abs=20 * DRIFT)
    assert clock.latest(11.0) == pytest.approx(111.0, abs=20 * DRIFT)


def test_clocks_drift_apart() -> None:
    """What was known once is known less well with time."""
    clock = RemoteClock()
    clock.answered(asked=0.0, time=100.0, now=0.0)
    assert clock.latest(1000.0) - clock.earliest(1000.0) == pytest.approx(1.0)


def test_an_answer_without_a_way() -> None:
    """Where the way takes no time, the age is right."""
    clock = RemoteClock()
    clock.answered(10, THERE + 10, 10)
    assert clock.here(THERE + 9.5, 10) == 9.5


def test_the_fastest_answer_counts() -> None:
    """Each is wrong by its way there at the most, and that by the shortest."""
    clock = RemoteClock()
    clock.answered(10, THERE + 10.01, 10.02)
    clock.answered(11, THERE + 11.4, 11.5)
    assert 10.9889 < clock.here(THERE + 11.0, 11.5) < 10.99


def test_an_answer_that_was_long_on_its_way_back() -> None:
    """Its clock may have gone ahead since it was read."""
    clock = RemoteClock()
    clock.answered(0, THERE, 5)
    assert clock.here(THERE + 5 * (1 + DRIFT), 5.001) <= 5 + 1e-6


def test_no_picture_is_from_the_future() -> None:
    """A clock that was set there is known by the next answer; until then it is now."""
    clock = RemoteClock()
    clock.answered(10, THERE + 10, 10)
    assert clock.here(THERE + 500, 11) == 11


def test_a_clock_that_is_set() -> None:
    """What contradicts all that was known replaces it, forward and back."""
    clock = RemoteClock()
    clock.answered(10, THERE + 10, 10)
    clock.answered(11, THERE + 3600 + 11, 11)
    assert clock.here(THERE + 3600 + 10.5, 11) == 10.5
    clock.answered(12, THERE - 3600 + 12, 12)
    assert clock.here(THERE - 3600 + 11.5, 12) == 11.5


@unhurried
@given(
    st.lists(st.tuples(ways, ways, ways), min_size=1, max_size=20),
    st.floats(-DRIFT, DRIFT),
    st.floats(0, 100),
)
def test_never_younger(
    answers: list[tuple[float, float, float]], drift: float, later: float
) -> None:
    """Whatever the ways take, and however the clocks part, no age is too low."""

    def there(at: float) -> float:
        return THERE + at * (1 + drift)

    clock, now = RemoteClock(), 0.0
    for pause, way, back in answers:
        asked = now + pause
        now = asked + way + back
        clock.answered(asked, there(asked + way), now)
        assert clock.earliest(now) - 1e-5 <= there(now) <= clock.latest(now) + 1e-5
    taken = now
    now += later
    captured = clock.here(there(taken), now)
    assert captured <= taken + 1e-5
    assert captured <= now
