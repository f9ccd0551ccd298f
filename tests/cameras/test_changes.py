"""New settings of a running camera: what is touched, and when they hold."""

from __future__ import annotations

from typing import Any

import pytest

from camd.cameras.camera import DRAIN
from camd.capture.health import State
from camd.config.changes import NEEDS, Needs
from camd.config.settings import CAMERA_KEYS
from camd.delivery.viewer import Viewer
from tests.fakes_camera import FPS, CameraHarness

CHANGES: dict[str, Any] = {
    "source": "/dev/video0",
    "camera_width": 320,
    "camera_height": 240,
    "camera_fps": 10,
    "camera_format": "raw",
    "camera_timeout": 5,
    "camera_controls": {"brightness": 1},
    "on_event": "true",
    "drop_identical": 1,
    "max_frame_bytes": 10_000,
    "camera_verify_tls": False,
    "rotate": 90,
    "flip": "both",
    "overlay": "{name}",
    "offline_picture": "hold",
    "offline_after": 3,
    "stream_fps": 8,
    "idle_fps": 2,
    "jpeg_quality": 50,
    "stream_buffer_size": 1,
    "stream_timeout": 7,
    "max_frame_age": 1,
    "heartbeat_interval": 3,
    "max_viewers_per_camera": 9,
    "tcp_congestion": "reno",
    "enable_frame_cache": False,
    "renditions": (),
    "auto_fps": 4,
    "title": "The robot",
    "max_pixels": 2_000_000,
}
"""For each key, a value that is not the default."""


def apply(harness: CameraHarness, **changed: Any) -> None:
    """Have the camera go by these settings, the others as they are."""
    settings = harness.camera.settings.model_copy(update=changed)
    harness.camera.apply(settings, DRAIN)


def test_every_key_is_tried() -> None:
    """There is another value here for every key that a camera can have."""
    assert set(CHANGES) == set(CAMERA_KEYS)


def keys(*needs: Needs) -> list[str]:
    """Return the keys of a camera that have one of these needs."""
    return [key for key in CAMERA_KEYS if NEEDS[key] in needs]


@pytest.mark.parametrize("key", keys(Needs.CAMERA))
def test_the_camera_is_opened_again(key: str) -> None:
    """Where the device is concerned, its source is released and another one opened."""
    harness = CameraHarness()
    viewer = harness.visit()
    harness.environment.run(1)
    apply(harness, **{key: CHANGES[key]})
    harness.environment.run(1)
    former, *others = harness.environment.sources
    assert not former.is_open
    assert any(source.is_open for source in others)
    assert viewer.sent.frames > FPS * 3 / 2


@pytest.mark.parametrize("key", keys(Needs.VIEWER, Needs.LOOP))
def test_the_camera_stays_open(key: str) -> None:
    """Where it is not, the source goes on and its viewer misses no frame."""
    harness = CameraHarness()
    viewer = harness.visit()
    harness.environment.run(1)
    apply(harness, **{key: CHANGES[key]})
    before = viewer.sent.frames
    harness.environment.run(1)
    (source,) = harness.environment.sources
    assert source.calls.count("open") == 1
    assert "close" not in source.calls
    assert viewer.sent.frames - before == harness.camera.settings.stream_fps
    assert viewer.sent.skipped == 0


@pytest.mark.parametrize("key", keys(Needs.VIEWER))
def test_the_loop_keeps_step(key: str) -> None:
    """What is about viewers does not even shift the moments of capture."""
    harness = CameraHarness()
    harness.visit()
    harness.environment.run(1 + 1 / 64)
    apply(harness, **{key: CHANGES[key]})
    harness.environment.run(1)
    assert harness.camera.captured == 2


# ---- Each holds for a viewer that is there already


def watched(**settings: Any) -> tuple[CameraHarness, Viewer]:
    """Return a camera, and a viewer that has watched it for a second."""
    harness = CameraHarness(**settings)
    viewer = harness.visit()
    harness.environment.run(1)
    return harness, viewer


def test_another_rate() -> None:
    """Frames come at the new one."""
    harness, viewer = watched()
    apply(harness, stream_fps=4)
    before = viewer.sent.frames
    harness.environment.run(4)
    assert viewer.sent.frames - before == 16


def test_another_idle_rate() -> None:
    """Nobody watches, and the camera is probed at the new one."""
    harness = CameraHarness()
    harness.environment.run(1)
    apply(harness, idle_fps=4)
    before = harness.source.calls.count("read")
    harness.environment.run(4)
    assert harness.source.calls.count("read") - before == 16


def test_no_idle_rate_any_more() -> None:
    """Nobody watches, and the camera is released."""
    harness = CameraHarness()
    harness.environment.run(1)
    apply(harness, idle_fps=0)
    harness.environment.run(11)
    assert harness.camera.state is State.IDLE
    assert not harness.source.is_open


def test_another_quality() -> None:
    """The encoder that is there encodes with it."""
    harness, _ = watched(jpeg_quality=80)
    (encoder,) = harness.environment.encoders
    apply(harness, jpeg_quality=50)
    assert encoder.quality == 50


def test_another_timeout_of_the_camera() -> None:
    """It counts as stalled after that."""
    harness, _ = watched(camera_timeout=30)
    apply(harness, camera_timeout=2)
    harness.thread.takes = None
    harness.environment.run(3)
    assert harness.camera.state is State.STALLED


def test_another_heartbeat() -> None:
    """It comes when that time has passed in silence."""
    harness, viewer = watched(heartbeat_interval=0, offline_picture="hold")
    apply(harness, heartbeat_interval=2)
    harness.thread.takes = None
    harness.environment.run(11)
    # One as the next frame is overdue, then one each two seconds.
    assert viewer.sent.heartbeats == 6


def test_another_offline_picture() -> None:
    """The streams of a camera that has been offline for long are ended."""
    harness, viewer = watched(offline_picture="hold", offline_after=3)
    harness.thread.takes = None
    harness.environment.run(6)
    apply(harness, offline_picture="close")
    harness.environment.run(1)
    assert viewer.reason == "camera offline"


def test_another_time_to_hold_the_last_picture() -> None:
    """The placeholder comes after that."""
    harness, _ = watched(offline_after=3600)
    harness.thread.takes = None
    harness.environment.run(6)
    assert not harness.environment.placeholders
    apply(harness, offline_after=5)
    harness.environment.run(1)
    assert harness.environment.placeholders


def test_another_time_without_progress() -> None:
    """A viewer that takes nothing is cut off after that."""
    harness, viewer = watched(stream_timeout=3600)
    outlet = harness.outlets[viewer]
    outlet.full = True
    harness.environment.run(1)
    apply(harness, stream_timeout=2)
    harness.environment.run(4)
    assert viewer.reason == "stalled"
    assert outlet.aborted


def test_no_frame_waits_any_more() -> None:
    """With a buffer of one, what comes while the last frame is under way is skipped."""
    harness, viewer = watched(stream_buffer_size=2)
    apply(harness, stream_buffer_size=1)
    outlet = harness.outlets[viewer]
    outlet.full = True
    harness.environment.run(1)
    sent = viewer.sent.frames
    outlet.drain(full=False)
    assert viewer.sent.frames == sent


def test_another_age() -> None:
    """A frame that has grown older than that meanwhile is not sent any more."""
    harness, viewer = watched(max_frame_age=0)
    outlet = harness.outlets[viewer]
    outlet.full = True
    harness.environment.run(1)
    apply(harness, max_frame_age=0.5)
    harness.thread.takes = None
    harness.environment.run(0.75)
    sent = viewer.sent.frames
    outlet.drain(full=False)
    assert viewer.sent.frames == sent
