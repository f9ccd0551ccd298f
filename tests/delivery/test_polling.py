"""What the requests of a client that polls tell of its link."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.delivery.polling import PolledLink

LARGE, SMALL = 40_000, 4_000


def poll(
    link: PolledLink,
    sizes: list[int],
    round_trip: float,
    bandwidth: float,
    at_once: int = 1,
    since: float = 0.0,
) -> float:
    """Answer so many requests, each behind the one before; return when that was over.

    :param at_once: requests under way.
    """
    free_at, due = since, [since] * at_once
    arrivals: list[float] = []
    for size in sizes:
        now = due.pop(0)
        while arrivals and arrivals[0] <= now:
            link.asked(arrivals.pop(0))
        link.answered(size, size, now)
        free_at = max(free_at, now) + size / bandwidth
        arrivals.append(free_at + round_trip)
        due.append(arrivals[-1])
    for arrival in arrivals:
        link.asked(arrival)
    return arrivals[-1]


def test_nothing_is_known_before_the_second_request() -> None:
    """The first says nothing of the link."""
    link = PolledLink()
    link.asked(0.0)
    link.answered("full", LARGE, 0.1)
    assert link.bandwidth is None


def test_a_link_is_rather_taken_for_slow() -> None:
    """Pictures of one size do not tell how much of the time is the round trip."""
    link = PolledLink()
    poll(link, [LARGE] * 5, round_trip=0.1, bandwidth=400_000)
    assert link.bandwidth == pytest.approx(LARGE / 0.2)


@settings(deadline=None)
@given(
    round_trip=st.floats(0.001, 0.3),
    bandwidth=st.floats(10_000, 10_000_000),
    at_once=st.integers(1, 3),
)
def test_two_sizes_tell_all(round_trip: float, bandwidth: float, at_once: int) -> None:
    """Round trip and bandwidth, however many requests are under way."""
    link = PolledLink()
    now = poll(link, [LARGE] * 10, round_trip, bandwidth)
    now = poll(link, [SMALL] * 10, round_trip, bandwidth, since=now + 1)
    poll(link, [LARGE] * 20, round_trip, bandwidth, at_once, since=now + 1)
    assert link.round_trip == pytest.approx(round_trip, rel=0.02, abs=0.002)
    assert link.bandwidth == pytest.approx(bandwidth, rel=0.1, abs=200_000)


def test_a_route_that_gets_longer() -> None:
    """The old round trip is forgotten in time."""
    link, now = PolledLink(), 0.0
    for round_trip in (0.02, 0.2):
        for _ in range(100):
            sizes = [LARGE, LARGE, SMALL, SMALL]
            now = poll(link, sizes, round_trip, 400_000, since=now)
    assert link.round_trip == pytest.approx(0.2, rel=0.2)


def test_requests_without_answers_do_no_harm() -> None:
    """A hostile client may ask as often as it likes."""
    link = PolledLink()
    for step in range(100):
        link.asked(step / 100)
    for step in range(100):
        link.answered("full", LARGE, 1 + step / 100)
    for _ in range(100):
        link.asked(3.0)
    assert link.bandwidth is not None
