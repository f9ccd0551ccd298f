"""Pictures leave just in time, whatever the link behind the sender is like."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.delivery.pacing import DRAWING, PROBE_MOST, Pacer, RoundRobin
from tests.simulated_link import CameraTraits, LinkTraits, Simulation

SIZE = 40_000

slow_test = settings(max_examples=8, deadline=None, derandomize=True)
"""Each example simulates half a minute, which takes a tenth of a second."""


def acknowledged(pacer: Pacer, key: str, at: float, round_trip: float) -> None:
    """One picture alone, sent at that moment at 100 KB/s and acknowledged."""
    pacer.sent(key, SIZE, at)
    pacer.pong(key, at + round_trip)
    pacer.acked(key, at + round_trip + SIZE / 100_000)


@pytest.fixture
def pacer() -> Pacer:
    """A pacer that has seen one picture: 0.1 s of round trip, 100 KB/s."""
    pacer = Pacer(max_lateness=2.0)
    acknowledged(pacer, "first", 0.0, 0.1)
    return pacer


def test_the_first_picture_leaves_at_once() -> None:
    """Nothing is known, and nothing is under way."""
    assert Pacer(1.0).send_at(SIZE, 5.0) <= 5.0


def test_the_second_waits_for_the_first_acknowledgement() -> None:
    """How fast the link is, only that can tell."""
    pacer = Pacer(1.0)
    pacer.sent("a", SIZE, 0.0)
    assert pacer.send_at(SIZE, 0.1) == math.inf


def test_it_learns_round_trip_and_bandwidth(pacer: Pacer) -> None:
    """The first from the PONG, the second from what came behind that."""
    assert pacer.round_trip == pytest.approx(0.1)
    assert pacer.bandwidth == pytest.approx(100_000)


def test_what_it_has_learnt_does_not_limit_tries_for_ever(pacer: Pacer) -> None:
    """While pictures keep up it learns nothing, and the moment may have been bad."""
    known = pacer.bandwidth_at_best(20.0)
    assert known == pytest.approx(SIZE / (SIZE / 100_000 - DRAWING))
    assert pacer.bandwidth_at_best(40.0) == math.inf


def test_a_link_that_falls_is_believed_after_two_pictures(pacer: Pacer) -> None:
    """One may have been held up; but until the next nothing is sent on trust."""
    for key, at in ("b", 1.0), ("c", 10.0):
        pacer.sent(key, SIZE, at)
        pacer.pong(key, at + 0.1)
        pacer.acked(key, at + 0.1 + SIZE / 10_000)
        if key == "b":
            assert pacer.bandwidth == pytest.approx(27_000, rel=0.01)
            pacer.sent("next", SIZE, 6.0)
            assert pacer.send_at(SIZE, 6.0) > 6.0 + 0.9 * SIZE / 10_000
            pacer.acked("next", 6.1 + SIZE / 10_000)
    assert pacer.bandwidth == pytest.approx(10_000)


@pytest.mark.parametrize(
    ("late", "bandwidth"), [(0.0, 100_000), (0.4, 100_000), (0.8, 80_000)]
)
def test_a_late_daemon_blames_no_link(
    pacer: Pacer, late: float, bandwidth: float
) -> None:
    """Of what may have been read half a second late, only the rest is the link's."""
    pacer.sent("b", SIZE, 1.0)
    pacer.pong("b", 1.1)
    pacer.acked("b", 1.1 + SIZE / 100_000 + late, lag=0.5)
    assert pacer.bandwidth == pytest.approx(bandwidth, rel=0.03)


def test_the_next_leaves_just_in_time(pacer: Pacer) -> None:
    """Its first byte comes where the last one's end has just left."""
    pacer.sent("a", SIZE, 1.0)
    assert pacer.send_at(SIZE, 1.0) == pytest.approx(1.0 + SIZE / 100_000, abs=0.01)


def test_nothing_leaves_while_an_acknowledgement_is_late(pacer: Pacer) -> None:
    """What was measured before holds no more."""
    pacer.sent("a", SIZE, 1.0)
    assert not pacer.is_late(1.5)
    assert pacer.is_late(2.0)
    assert pacer.send_at(SIZE, 2.0) == math.inf


def test_an_acknowledgement_stands_for_all_before(pacer: Pacer) -> None:
    """A client that skipped a picture need not name it."""
    pacer.sent("a", SIZE, 1.0)
    pacer.sent("b", SIZE, 1.4)
    assert pacer.acked("b", 1.9)
    assert pacer.unacked == 0


def test_what_was_never_sent_is_not_acknowledged(pacer: Pacer) -> None:
    """Nor what was acknowledged before."""
    assert not pacer.acked("first", 1.0)
    assert not pacer.acked("never", 1.0)
    pacer.pong("never", 1.0)
    assert pacer.round_trip == pytest.approx(0.1)


def test_a_round_trip_is_measured_again_alone(pacer: Pacer) -> None:
    """After half a minute all must have arrived, and then a PING goes by itself."""
    pacer.sent("a", SIZE, 29.0)
    assert pacer.send_at(SIZE, 40.0) == pacer.sound_at(40.0) == math.inf
    pacer.acked("a", 40.1)
    assert pacer.send_at(SIZE, 40.1) == math.inf
    assert pacer.sound_at(40.1) == 40.1
    number = pacer.sounded(40.1)
    assert pacer.sound_at(40.2) > 41
    assert pacer.probe_answered(number, 40.4)
    assert pacer.round_trip == pytest.approx(0.3)
    assert pacer.send_at(SIZE, 40.4) <= 40.4


def test_a_long_round_trip_is_measured_again() -> None:
    """However long it is, the answer comes before the PING is sent once more."""
    pacer = Pacer(1.0)
    pacer.probe_answered(pacer.sounded(0.0), 5.0)
    now, answers = pacer.sound_at(40.0), list[tuple[int, float]]()
    while now < 60:
        answers.append((pacer.sounded(now), now + 5.0))
        now = pacer.sound_at(now)
        for number, at in answers:
            if at <= now:
                pacer.probe_answered(number, at)
        now = pacer.sound_at(now)
    assert now == math.inf


def test_a_ping_that_comes_with_its_picture_tells_nothing_of_the_link() -> None:
    """As where packets travel as one: the picture took as long as the two together."""
    pacer = Pacer(2.0)
    pacer.probe_answered(pacer.sounded(0.0), 0.1)
    pacer.sent("a", SIZE, 1.0)
    pacer.pong("a", 1.5)
    pacer.acked("a", 1.5)
    assert pacer.bandwidth == pytest.approx(SIZE / 0.4, rel=0.1)


def test_a_client_that_never_acknowledges_gets_ever_less() -> None:
    """Each answered probe lets one picture through, after twice the time."""
    pacer, now, gaps = Pacer(1.0), 0.0, []
    for key in range(8):
        assert pacer.send_at(SIZE, now) <= now
        pacer.sent(key, SIZE, now)
        at = pacer.probe_at()
        gaps.append(at - now)
        pacer.probe_answered(pacer.probed(), at + 0.1)
        now = at + 0.1
    assert gaps == sorted(gaps)
    assert gaps[-1] >= PROBE_MOST


def test_an_answer_to_no_probe_does_nothing(pacer: Pacer) -> None:
    """A hostile client may send any PONG."""
    pacer.sent("a", SIZE, 1.0)
    pacer.probe_answered(1, 1.1)
    number = pacer.probed()
    pacer.probe_answered(number + 1, 1.2)
    assert pacer.unacked == SIZE
    pacer.probe_answered(number, 1.3)
    pacer.probe_answered(number, 1.4)
    assert pacer.unacked == 0


links = st.builds(
    LinkTraits,
    rates=st.floats(4, 7).map(lambda exponent: ((0.0, 10**exponent),)),
    delay=st.sampled_from([0.0005, 0.01, 0.05, 0.1]),
    jitter=st.sampled_from([0.0, 0.005, 0.01]),
    draw=st.sampled_from([0.001, 0.016, 0.03]),
    draw_jitter=st.sampled_from([0.0, 0.01]),
    burst=st.sampled_from([0, 16_384]),
    lump=st.sampled_from([0, 0, 16_384]),
)
"""Links from 80 kbit/s to 80 Mbit/s, and viewers behind them."""

cameras = st.builds(
    CameraTraits,
    fps=st.sampled_from([5.0, 15.0, 30.0]),
    size=st.sampled_from([3_000, 10_000, 40_000, 150_000]),
    spread=st.sampled_from([0.0, 0.1, 0.3]),
)


def fresh(link: LinkTraits, camera: CameraTraits, rate: float) -> float:
    """How old a picture may be: its own time, the one before it, and what varies."""
    taken = camera.size * (1 + camera.spread) / rate
    vary = 2 * (link.jitter + link.draw_jitter)
    return 1 / camera.fps + 2 * link.delay + 2 * taken + link.draw + vary + 0.25


def duration(camera: CameraTraits, rate: float) -> float:
    """Return the seconds to simulate: twenty, or as long as forty pictures take."""
    return max(20.0, 40 * camera.size / rate)


@slow_test
@given(link=links, camera=cameras, seed=st.integers(0, 1000))
def test_no_picture_is_old(link: LinkTraits, camera: CameraTraits, seed: int) -> None:
    """Though the buffer ahead of the link would take everything."""
    rate = link.rate(0)
    simulation = Simulation(link, {"robot": camera}, seed=seed)
    shown = simulation.run(duration(camera, rate))
    oldest = max(picture.age for picture in shown[3:])
    assert oldest < fresh(link, camera, rate)


@slow_test
@given(link=links, camera=cameras, seed=st.integers(0, 1000))
def test_the_link_is_used(link: LinkTraits, camera: CameraTraits, seed: int) -> None:
    """85 % of what it can carry, or of what the camera gives."""
    rate, seconds = link.rate(0), duration(camera, link.rate(0))
    simulation = Simulation(link, {"robot": camera}, seed=seed)
    shown = simulation.run(seconds)
    late = [picture for picture in shown if picture.at > seconds * 0.4]
    carried = sum(picture.size for picture in late) / (seconds * 0.6)
    assert carried >= 0.85 * min(rate, camera.fps * camera.size)


@slow_test
@given(link=links, camera=cameras, lost=st.floats(0.01, 0.5), seed=st.integers(0, 1000))
def test_lost_acknowledgements_starve_nobody(
    link: LinkTraits, camera: CameraTraits, lost: float, seed: int
) -> None:
    """Pictures go on, and are as fresh as ever."""
    rate = link.rate(0)
    lossy = replace(link, lost=lost, burst=0)
    simulation = Simulation(lossy, {"robot": camera}, seed=seed)
    shown = simulation.run(duration(camera, rate))
    gaps = [b.at - a.at for a, b in itertools.pairwise(shown)]
    assert max(gaps) < 20 + 4 * camera.size / rate
    assert max(picture.age for picture in shown[3:]) < fresh(link, camera, rate)


@slow_test
@given(fall=st.floats(2, 20), delay=st.sampled_from([0.005, 0.05]))
def test_a_link_that_falls_is_noticed_at_once(fall: float, delay: float) -> None:
    """What was under way is late; after that pictures are fresh again."""
    before, after = 1_250_000.0, 1_250_000.0 / fall
    link = LinkTraits(((0.0, before), (20.0, after)), delay)
    camera = CameraTraits()
    shown = Simulation(link, {"robot": camera}).run(60.0)
    # Four pictures and the round trip's worth of them were under way.
    over = 20 + (4 + 15 * 2 * delay) * camera.size / after
    later = [picture.age for picture in shown if picture.at > over + 1]
    assert max(later) < fresh(link, camera, after)


@pytest.mark.parametrize("weight", [1.0, 3.0])
@pytest.mark.parametrize("sizes", [(5_000, 5_000), (2_000, 20_000)])
def test_cameras_share_a_link_by_weight(sizes: tuple[int, int], weight: float) -> None:
    """By bytes, be the pictures large or small; and nobody is left out."""
    first, second = (CameraTraits(fps=15.0, size=size) for size in sizes)
    first.weight = weight
    # So little that both always want to send.
    link = LinkTraits(((0.0, 0.25 * 15 * min(sizes) * (1 + weight)),))
    shown = Simulation(link, {"first": first, "second": second}).run(40.0)
    carried = {"first": 0, "second": 0}
    for picture in shown:
        carried[picture.camera] += picture.size
    assert carried["first"] == pytest.approx(weight * carried["second"], rel=0.4)


def test_who_has_left_takes_no_turn() -> None:
    """And the others go on in turns."""
    turns: RoundRobin[str] = RoundRobin()
    for name in ("a", "b", "c"):
        turns.set(name, 1)
    turns.remove("b")
    assert [turns.pick({"a": 10, "c": 10}) for _ in range(4)] == ["a", "c", "a", "c"]
