"""However seldom a fast camera is shown, what is shown is new."""

from __future__ import annotations

from statistics import median

import pytest

from e2e.client import watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.waiting import until
from e2e_cameras.stamps import age
from e2e_cameras.webcam import Webcam

# Only its smallest pictures does the webcam give 60 times a second.
CAMERAS = {30: (640, 480), 60: (320, 240)}


TRIES = 3
"""A machine that does other things makes any picture late."""


@pytest.mark.parametrize("stream_fps", [15, 10, 3])
@pytest.mark.parametrize("camera_fps", CAMERAS)
def test_age(start: Start, webcam: Webcam, camera_fps: int, stream_fps: int) -> None:
    """The median picture is not two of the camera's intervals old when it arrives."""
    width, height = CAMERAS[camera_fps]
    camera = {
        "source": webcam.device,
        "camera_width": width,
        "camera_height": height,
        "camera_fps": camera_fps,
    }
    daemon = start({"robot": camera}, stream_fps=stream_fps)
    tries = (_middle_age(daemon, 4 * stream_fps) for _ in range(TRIES))
    assert any(middle < 2 / camera_fps for middle in tries)


def _middle_age(daemon: Daemon, count: int) -> float:
    """Watch so many pictures, tell how old they were, and give the median (seconds)."""
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.frames()) >= 3 + count, f"{count} pictures")
    # The first ones found the camera opening.
    ages = sorted(age(seen) for seen in watcher.frames()[3:])
    middle = median(ages)
    print(
        f"{len(ages)} pictures, age in ms: median {1e3 * middle:.1f}, "
        f"p90 {1e3 * ages[len(ages) * 9 // 10]:.1f}, worst {1e3 * ages[-1]:.1f}"
    )
    return middle
