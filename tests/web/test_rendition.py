"""``?width=``, ``?quality=`` and ``?fps=`` choose what a stream and a snapshot show."""

from __future__ import annotations

import re

import pytest
from twisted.logger import capturedLogs

from camd.cameras.camera import DRAIN
from tests.fakes_camera import CameraHarness, FakeDaemon, tiny_jpeg

RENDITIONS = ("1/2@60", "1/4@60")
STREAM, SNAPSHOT = "/api/robot/stream", "/api/robot/snapshot"


@pytest.mark.parametrize("path", [STREAM, SNAPSHOT])
@pytest.mark.parametrize(
    ("query", "rendition"),
    [
        ("", "full"),
        ("?width=32", "full"),
        ("?width=9999", "full"),
        ("?width=16", "1/2@60"),
        ("?width=1", "1/4@60"),
        ("?quality=60", "1/2@60"),
        ("?width=9&quality=1", "1/2@60"),
    ],
)
def test_the_answer_says_which_rendition_it_is(
    path: str, query: str, rendition: str
) -> None:
    """The smallest that is wide enough, and of those the nearest in quality."""
    daemon = FakeDaemon(renditions=RENDITIONS)
    daemon.environment.run(0.5)
    answer = daemon.ask(path + query)
    daemon.environment.run(0.2)
    assert (answer.status, answer.headers["x-rendition"]) == (200, rendition)
    made = [str(each) for _, asked in daemon.environment.scaler.asked for each in asked]
    assert set(made) == {rendition} - {"full"}
    assert (rendition.encode() + b":" in answer.body) is (rendition != "full")


@pytest.mark.parametrize("path", [STREAM, SNAPSHOT])
@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("width=0", "width: '0' is not a whole number from 1 to 65535"),
        ("width=wide", "width: 'wide' is not a whole number from 1 to 65535"),
        ("width=", "width: '' is not a whole number from 1 to 65535"),
        ("width=1e3", "width: '1e3' is not a whole number from 1 to 65535"),
        ("quality=101", "quality: '101' is not a whole number from 1 to 100"),
        ("quality=%0a", "quality: '\\n' is not a whole number from 1 to 100"),
        ("width=" + "9" * 5000, f"width: '{'9' * 20}' is not a whole number from 1 to"),
    ],
)
def test_what_makes_no_sense(path: str, query: str, line: str) -> None:
    """One line names the argument, its value, and what would make sense."""
    answer = FakeDaemon(renditions=RENDITIONS).ask(f"{path}?{query}")
    assert answer.status == 400
    assert answer.body.decode().startswith(line)
    assert answer.body.count(b"\n") == 1


@pytest.mark.parametrize("fps", ["0", "0.09", "241", "nan", "inf", "-5", "x"])
def test_a_rate_that_makes_no_sense(fps: str) -> None:
    """A rate is a number within the bounds of ``stream_fps``."""
    answer = FakeDaemon(renditions=RENDITIONS).ask(f"{STREAM}?fps={fps}")
    assert answer.status == 400
    assert answer.body.decode() == f"fps: '{fps}' is not a number from 0.1 to 240\n"


@pytest.mark.parametrize(("fps", "frames"), [("16", 32), ("8", 16), ("4", 8), ("3", 6)])
def test_a_rate(fps: str, frames: int) -> None:
    """A viewer gets each k-th frame, so that it has no more than it asked for."""
    daemon = FakeDaemon(renditions=RENDITIONS)
    daemon.ask(STREAM)
    daemon.environment.run(4)
    answer = daemon.ask(f"{STREAM}?fps={fps}")
    daemon.environment.run(2)
    numbers = set(re.findall(rb"X-Frame: (\d+)", answer.body))
    # And the newest one at once, as it came.
    assert len(numbers) - 1 in (frames - 1, frames)


def test_without_renditions() -> None:
    """Whatever is asked for, it is the full picture."""
    daemon = FakeDaemon(renditions=())
    daemon.environment.run(0.5)
    assert daemon.ask(SNAPSHOT + "?width=1").headers["x-rendition"] == "full"


def test_the_stats_tell_what_each_viewer_gets() -> None:
    """A viewer's rendition, and what was made of each."""
    daemon = FakeDaemon(renditions=RENDITIONS)
    daemon.environment.run(0.5)
    daemon.ask(STREAM + "?width=16")
    daemon.environment.run(1)
    stats = daemon.ask("/api/robot/stream/stats").json
    assert [client["rendition"] for client in stats["clients"]] == ["1/2@60"]
    half, quarter = stats["renditions"]
    assert (half["rendition"], half["resolution"]) == ("1/2@60", "16x12")
    assert (half["active_clients"], quarter["active_clients"]) == (1, 0)
    assert half["frames_made"] >= 16
    assert (half["frames_skipped"], quarter["frames_made"]) == (0, 0)
    metrics = daemon.ask("/metrics").body.decode()
    label = 'camera="robot",rendition="1/2@60"'
    assert f"camd_rendition_viewers{{{label}}} 1.0" in metrics
    assert f"camd_rendition_frames_total{{{label}}} {half['frames_made']}.0" in metrics


def test_viewers_stay_in_their_rendition_through_a_reload() -> None:
    """New settings of the camera change nothing of what a viewer asked for."""
    harness = CameraHarness(renditions=RENDITIONS)
    rendition = harness.camera.rendition_for(1)
    viewer = harness.visit()
    harness.camera.pipeline.fan_out.move(viewer, rendition)
    changed = harness.camera.settings.model_copy(update={"camera_fps": 10})
    harness.camera.apply(changed, DRAIN)
    harness.environment.run(1)
    assert b"1/4@60:" in harness.sent(viewer)[-1]


def test_a_snapshot_that_cannot_be_scaled() -> None:
    """It is the full picture, and says so."""
    daemon = FakeDaemon(renditions=RENDITIONS)
    daemon.environment.run(0.5)
    daemon.environment.scaler.trouble = ValueError("no JPEG")
    with capturedLogs():
        answer = daemon.ask(SNAPSHOT + "?width=1")
        daemon.environment.run(0.2)
    assert (answer.status, answer.headers["x-rendition"]) == (200, "full")
    assert answer.body == tiny_jpeg()
