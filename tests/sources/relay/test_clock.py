"""The clock of another camd: never a picture younger than it is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from camd.sources.relay.clock import DRIFT, OriginClock

THERE = 1_800_000_000.0
"""The Unix time there when the reactor's clock shows 0."""

unhurried = settings(deadline=None)
ways = st.floats(0, 5, allow_subnormal=False)


def test_nothing_is_known_at_first() -> None:
    """Before an answer there is no age."""
    assert OriginClock().captured(THERE, 0) is None


def test_an_answer_without_a_way() -> None:
    """Where the way takes no time, the age is right."""
    clock = OriginClock()
    clock.answered(10, THERE + 10, 10)
    assert clock.captured(THERE + 9.5, 10) == 9.5


def test_the_fastest_answer_counts() -> None:
    """Each is wrong by its way there at the most, and that by the shortest."""
    clock = OriginClock()
    clock.answered(10, THERE + 10.01, 10.02)
    clock.answered(11, THERE + 11.4, 11.5)
    captured = clock.captured(THERE + 11.0, 11.5)
    assert captured is not None
    assert 10.9889 < captured < 10.99


def test_an_answer_that_was_long_on_its_way_back() -> None:
    """Its clock may have gone ahead since it was read."""
    clock = OriginClock()
    clock.answered(0, THERE, 5)
    captured = clock.captured(THERE + 5 * (1 + DRIFT), 5.001)
    assert captured is not None
    assert captured <= 5 + 1e-6


def test_no_picture_is_from_the_future() -> None:
    """A clock that was set there is known by the next answer; until then it is now."""
    clock = OriginClock()
    clock.answered(10, THERE + 10, 10)
    assert clock.captured(THERE + 500, 11) == 11


def test_a_clock_that_is_set() -> None:
    """What contradicts all that was known replaces it, forward and back."""
    clock = OriginClock()
    clock.answered(10, THERE + 10, 10)
    clock.answered(11, THERE + 3600 + 11, 11)
    assert clock.captured(THERE + 3600 + 10.5, 11) == 10.5
    clock.answered(12, THERE - 3600 + 12, 12)
    assert clock.captured(THERE - 3600 + 11.5, 12) == 11.5


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

    clock, now = OriginClock(), 0.0
    for pause, way, back in answers:
        asked = now + pause
        now = asked + way + back
        clock.answered(asked, there(asked + way), now)
    taken = now
    now += later
    captured = clock.captured(there(taken), now)
    assert captured is not None
    assert captured <= taken + 1e-5
    assert captured <= now
