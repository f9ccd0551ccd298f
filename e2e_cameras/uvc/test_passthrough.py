"""A webcam's JPEGs reach viewers as the webcam sent them."""

from __future__ import annotations

import time

import pytest

from camd.formats.jpeg import Size
from e2e.client import stats, watching
from e2e.conftest import Start
from e2e.waiting import until
from e2e_cameras.stamps import read, sent
from e2e_cameras.webcam import Webcam

COUNT = 300
"""Pictures; ten seconds of them."""


@pytest.mark.parametrize(
    "size", [Size(640, 480), Size(1280, 720), Size(1920, 1080)], ids=str
)
def test_bytes(start: Start, webcam: Webcam, size: Size) -> None:
    """Picture after picture arrives byte for byte, each one newer than the last."""
    camera = {
        "source": webcam.device,
        "camera_width": size.width,
        "camera_height": size.height,
    }
    daemon = start({"robot": camera}, stream_fps=30)
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.seen) >= COUNT, f"{COUNT} pictures", 60)
        told = stats(daemon)
    pictures = [seen.jpeg for seen in watcher.seen]
    assert [len(p) for p in pictures if p != sent(p, size)] == []
    numbers = [read(seen.jpeg).number for seen in watcher.frames()]
    assert numbers == sorted(set(numbers))
    assert told["encoder"] == "passthrough"
    assert told["camera_format"] == "MJPG"
    assert told["camera_resolution"] == str(size)
    assert told["camera_asked"] is None
    assert told["jpeg_quality"] == 80
    assert told["frames_failed"] == 0


def test_two_that_sleep(start: Start) -> None:
    """Webcams that are busy while the kernel wakes them give JPEGs all the same."""
    cameras = {f"cam{n}": {"source": Webcam(n).device} for n in (0, 1)}
    # The kernel puts a webcam to sleep two seconds after its last use.
    time.sleep(3)
    daemon = start(cameras)
    for name in cameras:
        until(lambda name=name: stats(daemon, name)["state"] == "live", f"{name} lives")
        assert stats(daemon, name)["camera_format"] == "MJPG"


def test_another_size(start: Start, webcam: Webcam) -> None:
    """A webcam that lacks the size gives another, which is passed on and said once."""
    camera = {"source": webcam.device, "camera_width": 1000, "camera_height": 700}
    daemon = start({"robot": camera})
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.seen) >= 5, "five pictures")
        told = stats(daemon)
    size = Size(1280, 720)
    assert all(seen.jpeg == sent(seen.jpeg, size) for seen in watcher.seen)
    assert told["camera_resolution"] == "1280x720"
    assert told["camera_asked"] == "1000x700 at 30 fps"
    assert daemon.log.count("1280x720 at 30 fps, MJPG (asked for 1000x700") == 1


def test_raw(start: Start, webcam: Webcam) -> None:
    """Of the same webcam raw pictures can be had, which camd encodes."""
    camera = {"source": webcam.device, "camera_format": "raw"}
    daemon = start({"robot": camera})
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.seen) >= 5, "five pictures")
        told = stats(daemon)
    assert told["encoder"] == "opencv"
    assert told["camera_format"] == "YUYV"
    assert told["jpeg_quality"] == 70
