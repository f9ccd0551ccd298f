"""Counters add up, and rates are exact on a clock made by hand."""

from __future__ import annotations

import pytest

from camd.stats import (
    DEPARTURES,
    WINDOW,
    CameraStats,
    Histogram,
    Meter,
    Rate,
    Sent,
    ViewerCount,
)


def ticked(*moments: float) -> Rate:
    """A rate of something that happened at these moments."""
    rate = Rate()
    for moment in moments:
        rate.tick(moment)
    return rate


def test_rate_of_nothing() -> None:
    """What never happened, or once, has no rate."""
    assert ticked().per_second(5) == 0
    assert ticked(5).per_second(5.5) == 0


@pytest.mark.parametrize("fps", [1, 2, 4, 8, 16])
def test_rate_is_exact(fps: int) -> None:
    """What happens evenly has just that rate, from the second time on."""
    assert ticked(*(step / fps for step in range(2))).per_second(1 / fps) == fps
    assert ticked(*(step / fps for step in range(50))).per_second(49 / fps) == fps


def test_rate_holds_until_the_next_is_due() -> None:
    """Between two times the rate does not fall."""
    assert ticked(0, 0.25, 0.5).per_second(0.75) == 4


def test_rate_falls_as_soon_as_one_is_overdue() -> None:
    """What has stopped falls at once: 2 steps in 0.5 s, and 0.5 s overdue."""
    assert ticked(0, 0.25, 0.5).per_second(1.25) == 2


def test_rate_of_what_stopped_is_nothing() -> None:
    """A window after the last time but one there is no rate any more."""
    rate = ticked(0, 0.25, 0.5)
    assert rate.per_second(0.25 + WINDOW) > 0
    assert rate.per_second(0.26 + WINDOW) == 0


def test_rate_looks_back_a_window_only() -> None:
    """What was faster or slower before the window counts no more."""
    fast = [step / 16 for step in range(17)]
    slow = [1 + step / 2 for step in range(1, 6)]
    assert ticked(*fast, *slow).per_second(3.5) == 2


def test_rate_of_what_happened_all_at_once() -> None:
    """Times that a coarse clock cannot tell apart have no rate, and do no harm."""
    assert ticked(1, 1, 1).per_second(1) == 0


def test_meter_of_nothing() -> None:
    """A meter that has just begun shows 0, not an error."""
    assert Meter(5).per_second(5, 0) == 0


def test_meter_before_the_first_sample() -> None:
    """The rate counts from the beginning: 8 in 2 s."""
    assert Meter(5).per_second(7, 8) == 4


def test_meter_is_exact() -> None:
    """A counter that grows evenly has just that rate, between samples too."""
    meter = Meter(0)
    for second in range(1, 10):
        meter.sample(second, 15 * second)
    assert meter.per_second(9, 135) == 15
    assert meter.per_second(9.2, 138) == pytest.approx(15)


def test_meter_falls_and_stops() -> None:
    """When the counter stands still, the rate falls at once and is 0 in a window."""
    meter = Meter(0)
    for second in range(11):
        meter.sample(second, 10 * min(second, 5))
    assert meter.per_second(10, 50) == 0
    falling = Meter(0)
    for second in range(1, 6):
        falling.sample(second, 10 * second)
    assert falling.per_second(6, 50) < 10


def test_meter_keeps_no_history() -> None:
    """After an hour of samples only what the window needs counts."""
    meter = Meter(0)
    for second in range(3600):
        meter.sample(second, 0)
    meter.sample(3600, 20)
    assert meter.per_second(3600, 20) == 20 / WINDOW


def test_sent_adds_up() -> None:
    """Every figure is added to its own."""
    total = Sent(1, 2, 3, 4)
    total.add(Sent(frames=10, skipped=20, heartbeats=30, bytes=40))
    assert total == Sent(11, 22, 33, 44)


def test_cameras_share_no_figures() -> None:
    """Each camera counts for itself, from nothing."""
    one, other = CameraStats(), CameraStats()
    one.departed.frames += 1
    one.rate.tick(0)
    one.rate.tick(0.5)
    assert other.departed == Sent()
    assert other.rate.per_second(0.5) == 0


def test_visits() -> None:
    """Numbers begin at 1 and are given once; who is there goes up and down."""
    viewer_count = ViewerCount()
    assert [viewer_count.arrive(), viewer_count.arrive()] == [1, 2]
    viewer_count.depart()
    assert viewer_count.arrive() == 3
    assert (viewer_count.ever, viewer_count.active) == (3, 2)


def test_a_histogram() -> None:
    """Each time counts for every bound that it does not exceed."""
    histogram = Histogram((1.0, 2.0, 4.0))
    for seconds in (0.5, 1.0, 1.5, 4.5):
        histogram.observe(seconds)
    assert histogram.upto() == [2, 3, 3, 4]
    assert histogram.sum == 7.5


def test_an_empty_histogram() -> None:
    """Before the first time all its counts are there, and 0."""
    assert (Histogram((1.0,)).upto(), Histogram((1.0,)).sum) == ([0, 0], 0)


def test_departures() -> None:
    """Why viewers left is counted, in a fixed set of reasons; hanging up is none."""
    stats = CameraStats()
    for reason in ("stalled", "stalled", None, "struck by lightning"):
        stats.depart(Sent(frames=1), reason)
    assert stats.departed == Sent(frames=4)
    assert stats.aborted == dict.fromkeys(DEPARTURES, 0) | {"stalled": 2, "other": 1}
