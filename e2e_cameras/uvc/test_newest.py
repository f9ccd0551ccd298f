"""However seldom a fast camera is shown, what is shown is new."""

from __future__ import annotations

from statistics import median

import pytest

from e2e.client import watching
from e2e.conftest import Start
from e2e.waiting import until
from e2e_cameras.stamps import age
from e2e_cameras.webcam import Webcam

# Only its smallest pictures does the webcam give 60 times a second.
CAMERAS = {30: (640, 480), 60: (320, 240)}


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
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.frames()) >= 3 + 4 * stream_fps, "four seconds")
    # The first ones found the camera opening.
    ages = sorted(age(seen) for seen in watcher.frames()[3:])
    middle = median(ages)
    print(
        f"{camera_fps} -> {stream_fps} fps, {len(ages)} pictures: age in ms: "
        f"median {1e3 * middle:.1f}, p90 {1e3 * ages[len(ages) * 9 // 10]:.1f}, "
        f"worst {1e3 * ages[-1]:.1f}"
    )
    assert middle < 2 / camera_fps
