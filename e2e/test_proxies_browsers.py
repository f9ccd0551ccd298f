"""camd's page in real browsers behind each proxy at 1 Mbit/s: what the screen shows.

The age of a picture is read from the screen's own pixels: each carries its number, and
when the camera sent which number is known.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import pytest

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


@pytest.mark.alone
@pytest.mark.parametrize("name", UPGRADING)
def test_what_the_screen_shows(
    camera: HttpCamera, daemon: Daemon, tmp_path: Path, name: str
) -> None:
    """Pictures are on each browser's screen soon after the camera has sent them."""
    with ExitStack() as stack:
        way = stack.enter_context(through(UPGRADING[name], daemon, tmp_path / "proxy"))
        onlookers = {
            browser: stack.enter_context(shown(browser, way, tmp_path / browser))
            for browser in ("chromium", "firefox")
        }
        until(
            lambda: all(it.glances for it in onlookers.values()),
            "a picture is on each screen",
        )
        begun = time.monotonic() + SETTLE
        time.sleep(SETTLE + SECONDS)
    for browser, onlooker in onlookers.items():
        ages = delays(camera, onlooker, begun)
        assert len(ages) > 20, f"too few pictures in {browser}"
        *_, p95 = quantiles(ages, n=20)
        middle = median(ages)
        assert (middle <= AGE, p95 <= P95) == (True, True), (browser, middle, p95)


@contextmanager
def shown(browser: str, way: Daemon, profile: Path) -> Iterator[Onlooker]:
    """Open the page in a browser with a screen and a slow link of its own."""
    with relay(way) as link, screen() as window, looking_at(window) as onlooker:
        link.rate = RATE
        address = way.with_query("/").replace(way.origin, link.origin)
        with browsing(browser, address, window, profile):
            yield onlooker
