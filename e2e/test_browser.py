"""What a person sees: the real video in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from e2e.chromium import (
    Driver,
    bare_image,
    cookie,
    enter,
    natural_size,
    on_screen,
)
from e2e.client import STREAM, only_viewer
from e2e.daemon import Daemon, running
from e2e.video import Film, Pixels
from e2e.waiting import until
from e2e.wall import await_live, picture

ALIKE = 35.0
"""Peak signal to noise in dB from which on a picture shows that frame of the film and
no other: the right one has 40 and more, its neighbours have up to 31.5 (measured)."""


@pytest.fixture
def unscaled(tmp_path: Path, film: Film) -> Iterator[Daemon]:
    """A daemon that shows bikes.mp4 in its own size alone.

    A browser on a busy machine would be sent smaller pictures, as it draws them late.
    """
    (folder := tmp_path / "unscaled").mkdir()
    cameras = {"robot": {"source": str(film.path)}}
    with running(folder, cameras, renditions=[]) as daemon:
        yield daemon


def test_key_becomes_a_cookie(browser: Driver, bikes: Daemon) -> None:
    """The address with the key leads to one without it, and the cookie opens it."""
    enter(browser, bikes)
    assert browser.current_url == f"{bikes.origin}/"
    assert bikes.key not in browser.page_source
    session = cookie(browser)
    assert (session["httpOnly"], session["sameSite"]) == (True, "Lax")
    assert bikes.key not in session["value"]
    assert session["value"] not in bikes.log


def test_page_plays_the_video(browser: Driver, unscaled: Daemon, film: Film) -> None:
    """The page's picture is always a frame of the video, and goes on as the video."""
    enter(browser, unscaled)
    await_live(browser)
    began, shown = time.monotonic(), []
    for _ in range(8):
        time.sleep(0.25)
        shown.append(film.match(picture(browser)))
    took = time.monotonic() - began
    assert min(match.psnr for match in shown) > ALIKE, shown
    # A loaded machine may show one of them twice, or late.
    assert len({match.index for match in shown}) > len(shown) / 2, shown
    played = film.ahead(shown[0].index, shown[-1].index) / film.fps
    assert 0.5 * took < played < took + 1, (shown, took)


def test_screen_shows_the_video(browser: Driver, bikes: Daemon, film: Film) -> None:
    """An <img> of the stream alone: its pixels on the screen are the video's."""
    enter(browser, bikes)
    image = bare_image(browser, STREAM)
    assert natural_size(browser, image) == (640, 272)
    earlier = on_screen(browser, image)

    def moved() -> list[Pixels]:
        shown = on_screen(browser, image)
        return [] if np.array_equal(earlier, shown) else [shown]

    (later,) = until(moved, "it moves")
    for shown in (earlier, later):
        assert film.match(shown).psnr > ALIKE


def test_browser_is_one_viewer(browser: Driver, bikes: Daemon) -> None:
    """The stats name the browser as the only viewer, and it is sent frame on frame."""
    enter(browser, bikes)
    bare_image(browser, STREAM)
    viewer = only_viewer(bikes)
    assert "Chrome" in viewer["user_agent"]
    goal = viewer["frames"] + 15
    until(lambda: only_viewer(bikes)["frames"] >= goal, "it was sent 15 more frames")
    assert only_viewer(bikes)["number"] == viewer["number"]
