"""A camera that has no JPEGs is converted and encoded."""

from __future__ import annotations

import numpy as np
import pytest

from e2e.client import stats, watching
from e2e.conftest import Start
from e2e.video import decode
from e2e.waiting import until

DEVICE = "/dev/video0"

# Vivid draws colour bars of 75 %, from left to right, here as blue, green, red.
BARS = [
    (191, 191, 191),
    (0, 191, 191),
    (191, 191, 0),
    (0, 191, 0),
    (191, 0, 191),
    (0, 0, 191),
    (191, 0, 0),
    (0, 0, 0),
]


@pytest.mark.parametrize("wanted", ["auto", "raw"])
@pytest.mark.parametrize("size", [(640, 480), (1280, 720)])
def test_colours(start: Start, wanted: str, size: tuple[int, int]) -> None:
    """Its colour bars arrive in the colours and the size that they have."""
    width, height = size
    camera = {
        "source": DEVICE,
        "camera_width": width,
        "camera_height": height,
        "camera_format": wanted,
    }
    daemon = start({"robot": camera}, jpeg_quality=90)
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.seen) >= 10, "ten pictures")
        told = stats(daemon)
    for seen in watcher.seen:
        picture = decode(seen.jpeg)
        assert picture.shape == (height, width, 3)
        # Below the text that vivid writes over them.
        middles = picture[-20:, width // 16 :: width // 8].mean(axis=0)
        assert np.abs(middles - BARS).max() < 12, middles
    assert (told["encoder"], told["jpeg_quality"]) == ("opencv", 90)
    assert told["camera_resolution"] == f"{width}x{height}"
    assert told["frames_failed"] == 0


def test_jpegs_or_nothing(start: Start) -> None:
    """Asked for JPEGs and nothing else, it is offline, and told is what it has."""
    camera = {"source": DEVICE, "camera_format": "mjpeg"}
    daemon = start({"robot": camera})
    until(lambda: stats(daemon)["state"] == "offline", "the camera is offline")
    reason = stats(daemon)["last_error"]
    assert reason.startswith(f"{DEVICE}: it gives no MJPEG; it has ")
    assert "YUYV" in reason
