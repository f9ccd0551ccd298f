"""Of a camera's pictures those are due that keep the stream's rate, evenly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from random import Random

import pytest

from camd.sources.due import NEAR, Due


def taken(due: Due, moments: Iterable[float], interval: float) -> list[int]:
    """Return which of a camera's pictures are due.

    :param moments: when they were taken.
    :param interval: of the camera.
    """
    numbers = []
    for number, moment in enumerate(moments):
        if moment + NEAR * interval >= due.at:
            due.took(moment)
            numbers.append(number)
    return numbers


def steps(numbers: list[int]) -> list[int]:
    """Return how many pictures each is behind the one before."""
    return [after - before for before, after in pairwise(numbers)]


@pytest.mark.parametrize(
    ("camera", "stream", "pattern"),
    [
        (15, 15, [1]),
        (30, 15, [2]),
        (60, 15, [4]),
        (30, 20, [2, 1]),
        (25, 10, [3, 2]),
        (30, 10, [3]),
        (10, 15, [1]),
        (14, 15, [1]),
    ],
)
def test_an_even_pattern(camera: float, stream: float, pattern: list[int]) -> None:
    """Each k-th picture, or such steps in turn as give the very rate."""
    count = 60 * len(pattern)
    moments = [7 + number / camera for number in range(sum(pattern) * 60 + 1)]
    found = steps(taken(Due(stream), moments, 1 / camera))
    assert found == (pattern * 60)[:count]


@pytest.mark.parametrize("camera", [15, 20, 30, 50, 60, 90])
def test_an_irregular_camera(camera: int) -> None:
    """Pictures that come a little sooner or later change neither rate nor pattern."""
    random, interval = Random(0), 1 / camera
    moments = [
        number * interval + random.uniform(-0.1, 0.1) * interval
        for number in range(60 * camera)
    ]
    assert len(taken(Due(15), moments, interval)) == pytest.approx(60 * 15, abs=2)


@pytest.mark.parametrize("camera", [16, 17, 22, 25, 29, 31, 40, 50, 55, 61, 100, 240])
def test_the_rate_is_kept(camera: int) -> None:
    """Over time there are as many pictures as wanted, within two in a hundred."""
    moments = [number / camera for number in range(60 * camera)]
    found = taken(Due(15), moments, 1 / camera)
    assert len(found) == pytest.approx(60 * 15, rel=0.0201, abs=2)
    gaps = steps(found)
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("camera", [29.97, 30.03, 29.7, 30.3])
def test_a_camera_whose_clock_runs_otherwise(camera: float) -> None:
    """Of one that is nearly twice as fast, each second picture is due, for ever."""
    moments = [number / camera for number in range(5_000)]
    found = taken(Due(15), moments, 1 / camera)
    assert set(steps(found)) == {2}


def test_what_is_missed_is_not_made_up_for() -> None:
    """Behind a silence pictures are due at the stream's rate, from the first on."""
    moments = [*(n / 30 for n in range(10)), *(5 + n / 30 for n in range(10))]
    found = taken(Due(15), moments, 1 / 30)
    assert found == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]


def test_a_burst_is_not_shown() -> None:
    """Of pictures that come all at once behind a pause, one more is due, not all."""
    moments = [*(n / 15 for n in range(10)), *(1 + n / 1000 for n in range(10))]
    assert len(taken(Due(15), moments, 1 / 15)) <= 12


def test_a_camera_in_the_dark() -> None:
    """It slows down and shows each picture, then each second one in the light."""
    moments = [n / 30 for n in range(30)]
    moments += [1 + n / 15 for n in range(15)]
    moments += [2 + n / 7.5 for n in range(15)]
    moments += [4 + n / 30 for n in range(31)]
    due = Due(15)
    numbers = []
    for number, moment in enumerate(moments):
        interval = moment - moments[number - 1] if number else 1 / 30
        if moment + NEAR * interval >= due.at:
            due.took(moment)
            numbers.append(number)
    assert numbers == [*range(0, 30, 2), *range(30, 60), *range(60, 91, 2)]


def test_hurry() -> None:
    """The next picture is due at once, and those behind it at the rate again."""
    due = Due(1)
    due.took(5)
    due.hurry()
    assert due.at == -math.inf
    due.took(5.5)
    assert due.at == 6.5
