"""camd's page in real browsers behind each proxy at 1 Mbit/s: what the screen shows.

The age of a picture is read from the screen's own pixels: each carries its number, and
when the camera sent which number is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import quantiles

import numpy as np
import pytest

from bench import ages as measured
from e2e.browsers import browsing
from e2e.camera import COLUMNS, HttpCamera, draw, http_camera
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.proxies import UPGRADING
from e2e.relay import relay
from e2e.screen import Onlooker, looking_at, screen
from e2e.through import through
from e2e.video import Pixels
from e2e.waiting import until

RATE = 125_000
"""Bytes a second: 1 Mbit/s. The full pictures would take 17 times as much."""

FPS = 15

SETTLE = 10.0
"""Seconds after the first picture in which a fitting rendition is found."""

SECONDS = 10.0
"""Seconds that count after that."""

AGE, P95 = 0.4, 0.6
"""Seconds from the camera to the screen, the median and the 95th percentile."""


GRAIN = np.random.default_rng(0).integers(0, 15, (540, 720, 1), np.uint8)
"""Makes pictures as large in bytes as real ones; numbers and colours stay what they
are."""


def draw_grainy(number: int) -> Pixels:
    """Draw a number in its colours, with grain on it."""
    squares = draw(number, GRAIN.shape[1] // COLUMNS)
    return np.where(squares > 127, squares - GRAIN, squares + GRAIN)


@pytest.fixture(scope="module")
def camera() -> Iterator[HttpCamera]:
    """A camera of 140 KB a picture, with a number in each."""
    with http_camera(FPS) as camera:
        camera.draw = draw_grainy
        yield camera


@pytest.fixture(scope="module")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, camera: HttpCamera
) -> Iterator[Daemon]:
    """A daemon that shows it."""
    folder = tmp_path_factory.mktemp("daemon")
    robot = {"source": camera.address}
    with running(folder, {"robot": robot}, heartbeat_interval=1) as daemon:
        yield daemon
    check_log(daemon)


def delays(camera: HttpCamera, onlooker: Onlooker, since: float) -> list[float]:
    """Return how old each picture was when it came on the screen after a moment."""
    shown: dict[int, float] = {}
    for glance in list(onlooker.glances):
        if glance.number is not None:
            shown.setdefault(glance.number, glance.moment)
    return [at - camera.sent[n] for n, at in shown.items() if at >= since]


@pytest.mark.parametrize(
    ("name", "browser"), list(product(UPGRADING, ("chromium", "firefox")))
)
def test_what_the_screen_shows(
    camera: HttpCamera, daemon: Daemon, tmp_path: Path, name: str, browser: str
) -> None:
    """Pictures are on the screen soon after the camera has sent them."""
    if why := measured.too_busy():
        pytest.skip(f"nothing can be timed: {why}")
    with (
        through(UPGRADING[name], daemon, tmp_path / name) as way,
        relay(way) as link,
        screen() as window,
        looking_at(window) as onlooker,
    ):
        link.rate = RATE
        address = daemon.with_query("/").replace(daemon.origin, link.origin)
        with browsing(browser, address, window, tmp_path / browser):
            until(lambda: onlooker.glances, "a picture is on the screen", 60)
            begun = onlooker.glances[0].moment + SETTLE
            until(
                lambda: onlooker.glances[-1].moment > begun + SECONDS,
                "it was looked at for long enough",
                60,
            )
    ages = delays(camera, onlooker, begun)
    assert len(ages) > 20, "too few pictures"
    *_, p95 = quantiles(ages, n=20)
    median = quantiles(ages, n=2)[0]
    assert (median <= AGE, p95 <= P95) == (True, True), (median, p95, len(ages))
