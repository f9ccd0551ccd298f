"""A camera that falls silent or goes away leaves its last picture on the screen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from selenium.webdriver.remote.webelement import WebElement

from e2e.camera import COLUMNS, HttpCamera, Mood, http_camera, number_in
from e2e.chromium import Driver, bare_image, enter, on_screen, pixels
from e2e.client import STREAM, ask, only_viewer, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.video import decode
from e2e.waiting import until
from e2e.wall import await_live, await_word, picture, text

INTERVAL = 0.3
"""Seconds of silence until a heartbeat; short, so that a short pause sees many."""


@pytest.fixture
def camera() -> Iterator[HttpCamera]:
    """A camera that can be told to fall silent."""
    with http_camera() as camera:
        yield camera


@pytest.fixture
def daemon(start: Start, camera: HttpCamera) -> Daemon:
    """A daemon that shows this camera."""
    # However long a browser takes, its last picture is not replaced.
    settings = {"source": camera.address, "camera_timeout": 1, "offline_after": 60}
    return start({"robot": settings}, heartbeat_interval=INTERVAL)


def await_state(daemon: Daemon, state: str) -> None:
    """Wait until the camera's state is this one."""
    until(lambda: stats(daemon)["state"] == state, f"the camera is {state}")


def await_silence(daemon: Daemon, camera: HttpCamera) -> int:
    """Silence the camera, and wait until its last picture is shown.

    :return: the number on the picture that is the daemon's newest.
    """
    camera.mood = Mood.SILENT
    await_state(daemon, "stalled")
    return number_in(decode(ask(daemon, "/api/robot/snapshot").body))


def number_on_page(browser: Driver) -> int:
    """Return the number on the page's picture, whichever rendition that is."""
    shown = picture(browser)
    return number_in(shown, shown.shape[1] // COLUMNS)


def await_new_pixels(browser: Driver, image: WebElement, number: int) -> None:
    """Wait until the picture is no longer the one with this number."""
    until(lambda: number_in(pixels(browser, image)) != number, "a new picture")


def await_heartbeats(daemon: Daemon, count: int) -> None:
    """Wait until the viewer was sent so many more heartbeats."""
    goal = only_viewer(daemon)["heartbeats"] + count
    until(lambda: only_viewer(daemon)["heartbeats"] >= goal, f"{count} heartbeats")


def test_last_picture_stays(
    browser: Driver, daemon: Daemon, camera: HttpCamera
) -> None:
    """Through heartbeats an <img> keeps the newest picture, and goes on afterwards."""
    enter(browser, daemon)
    image = bare_image(browser, STREAM)
    number = await_silence(daemon, camera)
    until(lambda: number_in(pixels(browser, image)) == number, "it is shown")
    before, still = only_viewer(daemon), on_screen(browser, image)
    for _ in range(4):
        await_heartbeats(daemon, 2)
        assert number_in(pixels(browser, image)) == number == camera.number
        assert np.array_equal(on_screen(browser, image), still)
    assert only_viewer(daemon)["frames"] == before["frames"]
    camera.mood = Mood.SENDING
    await_new_pixels(browser, image, number)
    assert only_viewer(daemon)["number"] == before["number"]


def test_camera_goes_and_comes(
    browser: Driver, daemon: Daemon, camera: HttpCamera
) -> None:
    """A camera that hangs up is connected to again, and the <img> never notices."""
    enter(browser, daemon)
    image = bare_image(browser, STREAM)
    client_info = only_viewer(daemon)["number"]
    camera.mood = Mood.GONE
    await_state(daemon, "offline")
    # The last picture may be on its way to the screen.
    await_heartbeats(daemon, 1)
    number = number_in(pixels(browser, image))
    await_heartbeats(daemon, 3)
    assert number_in(pixels(browser, image)) == number
    camera.mood = Mood.SENDING
    await_new_pixels(browser, image, number)
    assert only_viewer(daemon)["number"] == client_info
    assert stats(daemon)["camera_reopens"] == 1


def test_page_says_how_old(browser: Driver, daemon: Daemon, camera: HttpCamera) -> None:
    """The page keeps the last picture too, and says on it how old it is."""
    enter(browser, daemon)
    await_live(browser)
    number = await_silence(daemon, camera)
    await_word(browser, "camera silent")
    until(lambda: text(browser, "numbers").endswith(" s old"), "its age")
    assert number_on_page(browser) == number
    camera.mood = Mood.SENDING
    await_live(browser)
    assert text(browser, "trouble") == ""
    assert number_on_page(browser) != number


def test_heartbeat_is_the_last_frame(daemon: Daemon, camera: HttpCamera) -> None:
    """Heartbeats are the last frame again, byte by byte, at the interval set."""
    with watching(daemon) as (watcher,):
        await_silence(daemon, camera)
        before = len(watcher.seen)
        # The one that is on its way just now does not count.
        until(lambda: len(watcher.seen) > before, "a heartbeat")
        last, since = watcher.seen[-1], len(watcher.seen)
        until(lambda: len(watcher.seen) >= since + 6, "six heartbeats")
        took = watcher.seen[since + 5].moment - last.moment
        assert {seen.jpeg for seen in watcher.seen[since:]} == {last.jpeg}
        assert {seen.number for seen in watcher.seen[since:]} == {last.number}
        assert took > 5 * INTERVAL
