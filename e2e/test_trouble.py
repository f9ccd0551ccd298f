"""A camera in trouble: no stream ends, and nothing old is shown as new."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from e2e.camera import HttpCamera, Mood, draw, http_camera, number_in
from e2e.client import STREAM, Watcher, ask, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.video import Film, decode
from e2e.waiting import PATIENCE, until

SNAPSHOT = "/api/robot/snapshot"

HELD = 1.0
"""Seconds for which the last picture is held; short, as tests wait for it."""

IN_TIME = 1.0
"""Seconds that a shutdown may take."""


@pytest.fixture
def camera() -> Iterator[HttpCamera]:
    """A camera that the test gets into trouble."""
    with http_camera() as camera:
        yield camera


def show(start: Start, camera: HttpCamera, **settings: Any) -> Daemon:
    """Show this camera, and wait until it is live."""
    robot = {
        "source": camera.address,
        "camera_timeout": 0.5,
        "offline_after": HELD,
        **settings,
    }
    daemon = start({"robot": robot})
    until(lambda: stats(daemon)["state"] == "live", "the camera is live")
    return daemon


def is_live(watcher: Watcher) -> bool:
    """Return whether the part seen last is a picture of the camera's."""
    return watcher.seen[-1].number > 0


@pytest.mark.parametrize("mood", [Mood.GONE, Mood.SILENT])
def test_an_outage(start: Start, camera: HttpCamera, mood: Mood) -> None:
    """Three viewers see the last picture, a placeholder, and live pictures again."""
    daemon = show(start, camera)
    with watching(daemon, 3) as watchers:
        until(lambda: all(map(is_live, watchers)), "all see the camera")
        guests = [client["number"] for client in stats(daemon)["clients"]]
        camera.mood = mood
        until(lambda: not any(map(is_live, watchers)), "all see the placeholder")
        for watcher in watchers:
            check_placeholder(watcher, camera)
        reply = ask(daemon, SNAPSHOT)
        assert (reply.status, int(reply.headers["retry-after"]) >= 1) == (503, True)
        camera.mood = Mood.SENDING
        until(lambda: all(map(is_live, watchers)), "all see the camera again")
        assert all(number_in(decode(w.seen[-1].jpeg)) >= 0 for w in watchers)
        assert [client["number"] for client in stats(daemon)["clients"]] == guests
        assert all(watcher.trouble is None for watcher in watchers)


def check_placeholder(watcher: Watcher, camera: HttpCamera) -> None:
    """Check that it is none of the camera's pictures, and came in time."""
    frames = watcher.frames()
    first = next(n for n, one in enumerate(frames) if one.number == 0)
    last = frames[first - 1]
    taken = camera.sent[number_in(decode(last.jpeg))]
    assert frames[first].moment - taken > 0.9 * HELD
    seen = watcher.seen[-1]
    assert seen.state in ("offline", "stalled")
    picture = decode(seen.jpeg)
    assert picture.shape == decode(last.jpeg).shape
    with pytest.raises(AssertionError):
        number_in(picture)


def test_a_placeholder_a_second(start: Start, camera: HttpCamera) -> None:
    """It is drawn again, once for all; a snapshot is one only for who asks for that."""
    daemon = show(start, camera)
    assert ask(daemon, SNAPSHOT).headers["x-camera-state"] == "live"
    with watching(daemon, 3) as watchers:
        camera.mood = Mood.GONE
        until(lambda: all(len(_drawn(w)) >= 3 for w in watchers), "three of them")
        one, *others = map(_drawn, watchers)
        assert all(len(one & other) >= 2 for other in others)
        reply = ask(daemon, f"{SNAPSHOT}?placeholder=1")
        assert (reply.status, reply.headers["x-camera-state"]) == (200, "offline")
        with pytest.raises(AssertionError):
            number_in(decode(reply.body))


def _drawn(watcher: Watcher) -> set[bytes]:
    return {seen.jpeg for seen in list(watcher.seen) if seen.number == 0}


def test_a_file_of_the_users_own(
    start: Start, camera: HttpCamera, tmp_path: Path
) -> None:
    """A JPEG file is shown as it is, byte for byte."""
    picture = tmp_path / "off.jpg"
    cv2.imwrite(str(picture), draw(1))
    daemon = show(start, camera, offline_picture=str(picture))
    with watching(daemon) as (watcher,):
        camera.mood = Mood.GONE
        until(lambda: not is_live(watcher), "the file is shown")
        assert watcher.seen[-1].jpeg == picture.read_bytes()


def test_close(start: Start, camera: HttpCamera) -> None:
    """Streams end after a part, new ones get 503, until the camera is back."""
    daemon = show(start, camera, offline_picture="close")
    with watching(daemon, 3) as watchers:
        camera.mood = Mood.GONE
        for watcher in watchers:
            watcher.join(PATIENCE)
            assert not watcher.is_alive()
            # Cut within a part or a chunk it would have failed.
            assert watcher.trouble is None
            assert number_in(decode(watcher.seen[-1].jpeg)) >= 0
    reply = ask(daemon, STREAM)
    assert (reply.status, reply.headers["x-camera-state"]) == (503, "offline")
    assert int(reply.headers["retry-after"]) >= 1
    camera.mood = Mood.SENDING
    until(lambda: ask(daemon, STREAM, "HEAD").status == 200, "streams are to be had")
    with watching(daemon) as (watcher,):
        until(lambda: is_live(watcher), "the camera is seen")


@pytest.mark.alone
def test_a_camera_that_hangs(start: Start, camera: HttpCamera, film: Film) -> None:
    """One that never answers holds up neither the other camera nor the end."""
    camera.mood = Mood.HANGING
    hanging = {"source": camera.address, "camera_timeout": 0.5}
    daemon = start({"robot": {"source": str(film.path)}, "hanging": hanging})
    until(lambda: stats(daemon, "hanging")["state"] == "stalled", "it hangs")
    reply = ask(daemon, "/api/hanging/snapshot?placeholder=1")
    assert (reply.status, reply.headers["x-frame"]) == (200, "0")
    with watching(daemon) as (watcher,):
        began = time.monotonic()
        until(lambda: len(watcher.frames()) > 30, "the other camera goes on")
        assert time.monotonic() - began < 10
        assert daemon.stop() < IN_TIME
