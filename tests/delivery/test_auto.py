"""Which rendition fits the link: down at once, up with care."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from camd.delivery.auto import AutoRendition

SIZES = (40_000, 10_000, 4_000)
"""Bytes of the full picture, the half and the quarter."""


def over(
    auto: AutoRendition,
    bandwidth: Callable[[float], float],
    seconds: float,
    since: float = 0.0,
    late: int = 0,
) -> list[int]:
    """What is chosen, ten times a second."""
    return [
        auto.choose(SIZES, bandwidth(now), bandwidth(now), 0.02, late, now)
        for now in (since + step / 10 for step in range(int(seconds * 10)))
    ]


def changes(chosen: list[int]) -> int:
    """How often it changed."""
    return sum(a != b for a, b in itertools.pairwise(chosen))


def test_a_fast_link_has_the_full_picture() -> None:
    """From the beginning, and for good."""
    assert set(over(AutoRendition(8, 1.0, 0), lambda now: 1e6, 60)) == {0}


def test_a_slow_link_has_what_fits_at_once() -> None:
    """At 60 KB/s 8 quarters a second fit; 8 halves do not."""
    chosen = over(AutoRendition(8, 1.0, 0), lambda now: 60_000, 60)
    assert chosen[20:] == [2] * len(chosen[20:])


def test_below_the_smallest_there_is_nothing() -> None:
    """Then there are fewer pictures a second."""
    assert over(AutoRendition(8, 1.0, 0), lambda now: 1_000, 5)[-1] == 2


def test_three_late_acknowledgements_are_enough() -> None:
    """Whatever the bandwidth was; the next step down waits for what that brings."""
    auto = AutoRendition(8, 1.0, 0)
    over(auto, lambda now: 1e6, 5)
    assert over(auto, lambda now: 1e6, 0.5, since=5, late=3) == [1] * 5


def test_it_goes_up_after_ten_seconds_of_room() -> None:
    """One step, and the next ten seconds later."""
    auto = AutoRendition(8, 1.0, 0)
    over(auto, lambda now: 60_000, 5)
    chosen = over(auto, lambda now: 1e6, 30, since=5)
    assert chosen[95] == 2
    assert chosen[105] == 1
    assert chosen[-1] == 0


def test_a_try_that_fails_is_not_repeated_soon() -> None:
    """Each failure doubles the wait."""
    auto = AutoRendition(8, 1.0, 0)
    over(auto, lambda now: 60_000, 3)
    # Measured with small pictures the link looks better than it is.
    chosen: list[int] = []
    for step in range(3000):
        bandwidth = 120_000 if auto.number == 2 else 70_000
        chosen.append(auto.choose(SIZES, bandwidth, bandwidth, 0.02, 0, 3 + step / 10))
    assert changes(chosen) <= 2 * 5


def test_a_link_that_jumps_changes_little() -> None:
    """1 and 3 Mbit/s by turns of ten seconds: two changes a minute at the most."""
    auto = AutoRendition(8, 1.0, 0)

    def bandwidth(now: float) -> float:
        return 375_000 if now // 10 % 2 else 125_000

    over(auto, bandwidth, 20)
    assert changes(over(auto, bandwidth, 120, since=20)) <= 4
