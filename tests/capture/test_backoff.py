"""The waits grow from one second to thirty, and chance only makes them shorter."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from camd.capture.backoff import LOCAL, RELAY, Backoff


def delays(chance: float, count: int) -> list[float]:
    """The first delays when chance always gives this number."""
    backoff = Backoff(lambda: chance)
    return list(islice(iter(backoff.delay, None), count))


def test_doubles_up_to_half_a_minute() -> None:
    """Without chance the delays are those of the docstring."""
    assert delays(0, 8) == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_quarter_shorter_at_the_most() -> None:
    """With the greatest chance each is a quarter shorter, and grows all the same."""
    assert delays(1, 8) == [0.75, 1.5, 3, 6, 12, 22.5, 22.5, 22.5]


def test_local_ones_are_tried_sooner() -> None:
    """What is of this machine is tried every other second at the least."""
    backoff = Backoff(lambda: 0, LOCAL)
    assert [backoff.delay() for _ in range(5)] == [0.5, 1, 2, 2, 2]
    backoff.reset()
    assert backoff.delay() == 0.5


def test_other_camds_are_tried_soonest() -> None:
    """Another camd is tried each second in the end: it is to be live soon when back."""
    backoff = Backoff(lambda: 0, RELAY)
    assert [backoff.delay() for _ in range(4)] == [0.5, 1, 1, 1]


def test_starts_again() -> None:
    """After success the first delay is the first again."""
    backoff = Backoff(lambda: 0)
    assert [backoff.delay() for _ in range(3)] == [1, 2, 4]
    backoff.reset()
    assert [backoff.delay() for _ in range(2)] == [1, 2]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_always_within_bounds(chances: list[float]) -> None:
    """Whatever chance says, a camera is tried within 30 s and never without a pause."""
    chance = iter(chances)
    backoff = Backoff(lambda: next(chance))
    assert all(0.75 <= backoff.delay() <= 30 for _ in chances)


def test_cameras_lost_together_are_not_tried_together() -> None:
    """Each delay is shortened by a chance of its own."""
    chance = iter([0.0, 1.0, 0.5])
    backoff = Backoff(lambda: next(chance))
    assert [backoff.delay() for _ in range(3)] == [1, 1.5, 3.5]
