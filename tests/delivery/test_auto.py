"""Which rendition fits the link: down at once, up with care."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.delivery.auto import AutoRendition
from tests.simulated_link import CameraTraits, LinkTraits, Simulation

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


def test_what_nobody_asked_about_has_fitted() -> None:
    """The bandwidth must be too low for a second from then on."""
    auto = AutoRendition(8, 1.0, 0)
    assert over(auto, lambda now: 300_000, 1, since=60) == [0] * 10
    assert over(auto, lambda now: 300_000, 1, since=61)[-1] == 1


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


def test_what_failed_and_fits_now_holds_nothing_up() -> None:
    """A page that draws slowly shows room for the largest at best alone."""
    auto = AutoRendition(8, 1.0, 0)

    def choose(bandwidth: float, at_best: float, since: int, until: int) -> int:
        for step in range(since * 10, until * 10):
            auto.choose(RENDITIONS, bandwidth, at_best, 0.02, 0, step / 10)
        return auto.number

    assert choose(57_000, 60_000, 0, 5) == 3
    assert choose(57_000, 80_000, 5, 16) == 2  # By that alone.
    assert choose(57_000, 60_000, 16, 18) == 3
    assert choose(150_000, 600_000, 18, 33) == 1
    assert choose(150_000, 600_000, 33, 35) == 0


# ---- Over a simulated link, with the sender that paces what was chosen

RENDITIONS = (40_000, 13_300, 7_400, 4_300, 4_000)
"""Bytes of the test pattern in each of the default ones: 4.8 Mbit/s at 15 a second.
Eight a second of the second take 0.9 of 1 Mbit/s, so that it nearly fits."""

SMALL, LARGE = 57_000, 119_000
"""Bytes a second of pictures over 480 kbit/s and 1 Mbit/s: Ethernet takes 5 %."""

kinds = pytest.mark.parametrize(
    "kind",
    [
        LinkTraits(((0.0, 1.0),), jitter=0.003),
        LinkTraits(((0.0, 1.0),), jitter=0.003, burst=16_384),
        LinkTraits(((0.0, 1.0),), jitter=0.003, burst=16_384, lump=16_384),
        LinkTraits(((0.0, 1.0),), jitter=0.01, draw_jitter=0.03, pauses=0.1),
    ],
    ids=["even", "token bucket", "lumps", "busy machine"],
)


def watch(link: LinkTraits, seconds: float, *, auto: bool) -> Simulation:
    """Watch a camera of 4.8 Mbit/s over a link."""
    renditions = RENDITIONS if auto else ()
    simulation = Simulation(link, {"robot": CameraTraits()}, renditions=renditions)
    simulation.run(seconds)
    return simulation


def seen(simulation: Simulation, since: float) -> tuple[float, float, float]:
    """Return the age's median and 95th percentile, and pictures a second, from then."""
    shown = [picture for picture in simulation.shown if picture.at >= since]
    ages = sorted(picture.age for picture in shown)
    rate = len(shown) / (shown[-1].at - since)
    return ages[len(ages) // 2], ages[int(0.95 * len(ages))], rate


@kinds
@pytest.mark.parametrize(
    ("rate", "delay", "auto", "age", "p95", "fps"),
    [
        (SMALL, 0.001, False, 1.0, 1.2, 1.35),
        (SMALL, 0.001, True, 0.4, 0.6, 8),
        (LARGE, 0.05, True, 0.4, 0.6, 8),
        (3 * LARGE, 0.075, False, 0.3, 0.4, 8.5),
        (1e9, 0.075, False, 0.3, 0.4, 14.9),
    ],
)
def test_pictures_are_fresh_on_slow_links(
    kind: LinkTraits,
    rate: float,
    delay: float,
    auto: bool,
    age: float,
    p95: float,
    fps: float,
) -> None:
    """After ten seconds, and as many come as the link can carry."""
    link = replace(kind, rates=((0.0, rate),), delay=delay)
    found = seen(watch(link, 40.0, auto=auto), since=10.0)
    assert (found[0] <= age, found[1] <= p95, found[2] >= fps) == (True,) * 3, found


@kinds
@pytest.mark.parametrize(("auto", "most"), [(False, 1.5), (True, 0.6)])
def test_a_link_that_falls_to_a_twentieth(
    kind: LinkTraits, auto: bool, most: float
) -> None:
    """From 10 Mbit/s to 480 kbit/s: within five seconds pictures are fresh again."""
    link = replace(kind, rates=((0.0, 10 * LARGE), (20.0, SMALL)), delay=0.005)
    _, p95, _ = seen(watch(link, 40.0, auto=auto), since=25.0)
    assert p95 < most


@kinds
@pytest.mark.parametrize("seed", range(3))
def test_it_falls_at_once(kind: LinkTraits, seed: int) -> None:
    """From the full picture to the fourth rendition, and pictures are fresh behind it.

    On the way are what the link was counted on to carry, and one picture more.
    """
    rates = (0.0, 10 * LARGE), (20.0, SMALL)
    link = replace(kind, rates=rates, delay=0.005)
    found = Simulation(link, {"robot": CameraTraits()}, 1.0, seed, RENDITIONS)
    found.run(30.0)
    [(at, number)] = [change for change in found.changes if change[0] >= 20.0]
    assert (at < 22.1, number) == (True, 3)
    assert max(picture.at for picture in found.shown if picture.age > 0.6) < 23.0


@kinds
@pytest.mark.parametrize("seed", range(3))
def test_it_falls_no_further_than_it_has_to(kind: LinkTraits, seed: int) -> None:
    """Over 1 Mbit/s the second rendition fits, and is there for good at once."""
    rates = (0.0, 10 * LARGE), (20.0, LARGE)
    link = replace(kind, rates=rates, delay=0.005)
    found = Simulation(link, {"robot": CameraTraits()}, 1.0, seed, RENDITIONS)
    found.run(40.0)
    [(at, number)] = [change for change in found.changes if change[0] >= 20.0]
    assert (at < 22.0, number) == (True, 1)
    assert all(picture.age < 0.6 for picture in found.shown if picture.at > 22.5)


@kinds
@pytest.mark.parametrize("seed", range(3))
def test_a_link_that_jumps_up_and_down(kind: LinkTraits, seed: int) -> None:
    """1 and 3 Mbit/s by turns of ten seconds: two changes in any minute at the most."""
    rates = tuple((10.0 * turn, (1 + turn % 2 * 2) * LARGE) for turn in range(21))
    link = replace(kind, rates=rates)
    found = Simulation(link, {"robot": CameraTraits()}, 1.0, seed, RENDITIONS)
    found.run(210.0)
    at = [at for at, _ in found.changes if at >= 30.0]
    assert max((sum(a <= b < a + 60 for b in at) for a in at), default=0) <= 2, at


@kinds
@pytest.mark.parametrize("seed", range(4))
def test_a_link_that_gets_better(kind: LinkTraits, seed: int) -> None:
    """10 Mbit/s again: back at the full size within 20 s, whatever was tried before."""
    rates = (0.0, 10 * LARGE), (20.0, SMALL), (40.0, 10 * LARGE)
    link = replace(kind, rates=rates, delay=0.005)
    found = Simulation(link, {"robot": CameraTraits()}, 1.0, seed, RENDITIONS)
    found.run(65.0)
    back = [number for at, number in found.changes if at < 60.0][-1]
    assert back == 0, found.changes


# ---- A viewer that is slow itself, and says so

SLOW = LinkTraits(((0.0, 1e9),), 0.005, jitter=0.003, slow=(0.05, 0.5), tells=True)
"""By spells it draws within 50 to 500 ms, on a machine that has other things to do."""

TAKEN = 0.5
"""Seconds that it needs for one picture at the most."""

seeds = st.integers(0, 1000)

slow_viewer = settings(max_examples=12, deadline=None, derandomize=True)
"""Each example simulates a minute."""


def slow_watch(link: LinkTraits, seed: int = 0) -> Simulation:
    """Watch for a minute over a link whose viewer is slow."""
    simulation = Simulation(link, {"robot": CameraTraits()}, 1.0, seed, RENDITIONS)
    simulation.run(60.0)
    return simulation


@slow_viewer
@given(rate=st.floats(7, 9), lump=st.sampled_from([0, 16_384]), seed=seeds)
def test_a_slow_viewer_has_fewer_pictures_and_not_smaller_ones(
    rate: float, lump: int, seed: int
) -> None:
    """From 80 Mbit/s on: the full size for good, and none is older than a second.

    When it gets slow, one picture is being drawn and one waits.
    """
    link = replace(SLOW, rates=((0.0, 10**rate),), lump=lump)
    found = slow_watch(link, seed)
    assert found.changes == []
    assert max(picture.age for picture in found.shown) < 2 * TAKEN + 0.1
    assert len(found.shown) > 60 * 7


def test_one_that_does_not_say_so_has_small_ones() -> None:
    """All the time counts as the link's."""
    assert slow_watch(replace(SLOW, tells=False)).changes[-1][1] > 1


@slow_viewer
@given(rate=st.sampled_from([SMALL, LARGE]), seed=seeds)
def test_a_slow_viewer_behind_a_slow_link(rate: float, seed: int) -> None:
    """What the link cannot carry is smaller there as anywhere."""
    found = slow_watch(replace(SLOW, rates=((0.0, rate),)), seed)
    sizes = [picture.size for picture in found.shown if picture.at > 10]
    assert 8 * sum(sizes) / len(sizes) <= rate
    assert max(picture.age for picture in found.shown if picture.at > 10) < 1.3


@slow_viewer
@given(delay=st.sampled_from([0.005, 0.05]), seed=seeds)
def test_a_link_that_falls_while_its_viewer_is_slow(delay: float, seed: int) -> None:
    """It is noticed within three seconds."""
    rates = (0.0, 10 * LARGE), (20.0, SMALL)
    found = slow_watch(replace(SLOW, rates=rates, delay=delay), seed)
    assert min(at for at, number in found.changes if number >= 2) < 23.0


@slow_viewer
@given(rate=st.floats(4, 7), seed=seeds)
def test_a_liar_hurts_itself_alone(rate: float, seed: int) -> None:
    """It has large pictures, and fewer of them; as fresh as one that asked for them."""
    link = replace(SLOW, rates=((0.0, 10**rate),), slow=None)
    liar = slow_watch(replace(link, claims=math.inf), seed)
    asked = Simulation(link, {"robot": CameraTraits()}, 1.0, seed)
    asked.run(60.0)
    assert liar.changes == []
    assert len(liar.shown) == pytest.approx(len(asked.shown), rel=0.1, abs=2)
    ages = [max(p.age for p in each.shown[3:]) for each in (liar, asked)]
    assert ages[0] < ages[1] + 0.1


@slow_viewer
@given(rate=st.floats(15_000, 150_000), seed=seeds)
def test_one_that_claims_half_a_second_has_pictures(rate: float, seed: int) -> None:
    """As a page that is always at work does: three in two seconds on any link."""
    link = replace(SLOW, rates=((0.0, rate),), slow=None, claims=0.5)
    shown = [picture for picture in slow_watch(link, seed).shown if picture.at > 15]
    assert len(shown) > 45 * 1.5
