"""What camd tells of itself: stats, the list of cameras, health."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from camd.sources import CameraMode, SourceError
from tests.fakes_camera import KEY, FakeDaemon, tiny_jpeg

STATS = "/api/robot/stream/stats"
STREAM = "/api/robot/stream"


def stats(daemon: FakeDaemon) -> dict[str, Any]:
    """The stats of the first camera."""
    return daemon.ask(STATS).json


# ---- Stats


def test_the_five_names() -> None:
    """The names that clients rely on are there, with the types that they rely on."""
    pixels = np.zeros((24, 32, 3), np.uint8)
    daemon = FakeDaemon(jpeg_quality=70, stream_fps=15, always=pixels)
    daemon.ask(STREAM)
    told = stats(daemon)
    assert told["active_clients"] == 1
    assert told["frame_cache_enabled"] is True
    assert told["stream_fps"] == 15
    assert told["camera_resolution"] == "32x24"
    assert told["jpeg_quality"] == 70
    assert type(told["active_clients"]) is type(told["stream_fps"]) is int
    assert type(told["jpeg_quality"]) is int


def test_quality_of_a_camera_that_encodes() -> None:
    """Of a camera's own JPEGs it is told how they were encoded, once they come."""
    daemon = FakeDaemon(always=b"garbage", jpeg_quality=70)
    daemon.ask(STREAM)
    assert stats(daemon)["jpeg_quality"] == 70
    daemon.environment.sources[0].always = tiny_jpeg()
    daemon.environment.run(1)
    assert stats(daemon)["jpeg_quality"] == 95


def test_what_it_was_asked_for() -> None:
    """A camera that gives something else than it was asked for is shown beside it."""
    daemon = FakeDaemon()
    asked = CameraMode(32, 24, 30, "MJPG", asked="800x600 at 30 fps")
    daemon.environment.sources[0].reads.append(SourceError("gone"))
    daemon.environment.sources[0].opens.append(asked)
    daemon.ask(STREAM)
    daemon.environment.run(3)
    assert stats(daemon)["camera_asked"] == "800x600 at 30 fps"


AT_WORK = {
    "camera": "robot",
    "state": "live",
    "active_clients": 1,
    "frame_cache_enabled": True,
    "stream_fps": 16,
    "camera_resolution": "32x24",
    "jpeg_quality": 95,
    "source": "pattern",
    "camera_fps": 30,
    "camera_format": "YUYV",
    "camera_asked": None,
    "encoder": "passthrough",
    "frames_captured": 34,
    "frames_published": 33,
    "frames_identical": 0,
    "frames_failed": 0,
    "frames_sent": 33,
    "frames_skipped": 0,
    "heartbeats_sent": 0,
    "capture_fps": 16,
    "frame_age": 0,
    "camera_reopens": 0,
    "threads_left_behind": 0,
    "last_error": None,
    "origin": None,
    "uptime": 2.5,
}

WATCHING = {
    "number": 1,
    "address": "192.168.1.1",
    "user_agent": "VLC/3.0.24",
    "key": "owner",
    "since": "2027-01-15T08:00:00Z",
    "rendition": "full",
    "frames": 33,
    "skipped": 0,
    "heartbeats": 0,
    "frame_age": 0,
    "screen_age": None,
}


def test_a_camera_at_work() -> None:
    """All that is told of a camera that one viewer watched for two seconds."""
    daemon = FakeDaemon()
    daemon.environment.run(0.5)
    line = daemon.ask(STREAM, "User-Agent: VLC/3.0.24")
    daemon.environment.run(2)
    told = stats(daemon)
    (client,) = told.pop("clients")
    del told["renditions"]  # See test_rendition.
    size = len(line.body) - len(b"--frame\r\n")
    assert told == {**AT_WORK, "bytes_sent": size}
    assert client == {**WATCHING, "fps": client["fps"], "bytes": size}
    assert 15 < client["fps"] < 17


def test_before_the_first_frame() -> None:
    """What is not known yet is null; the size is the one that is asked for."""
    daemon = FakeDaemon(takes=None, camera_width=800, camera_height=600)
    daemon.ask(STREAM)
    told = stats(daemon)
    assert told["state"] == "starting"
    assert told["camera_resolution"] == "800x600"
    for name in ("camera_fps", "camera_format", "encoder", "frame_age"):
        assert told[name] is None
    (client,) = told["clients"]
    assert (client["frames"], client["frame_age"]) == (0, None)


def test_what_the_camera_says_of_its_size() -> None:
    """Before a frame was seen, the size is the one that the camera says it gives."""
    daemon = FakeDaemon(takes=None)
    thread = daemon.environment.threads[0]
    daemon.environment.sources[0].opens.append(CameraMode(1280, 720, None, "MJPG"))
    thread.finish()
    told = stats(daemon)
    assert (told["camera_resolution"], told["camera_fps"]) == ("1280x720", None)


def test_a_camera_that_hangs() -> None:
    """The age of its newest picture grows, and its rate falls to nothing."""
    daemon = FakeDaemon()
    daemon.ask(STREAM)
    daemon.environment.run(2)
    daemon.environment.threads[0].takes = None
    daemon.environment.run(10)
    told = stats(daemon)
    assert told["state"] == "stalled"
    assert 9.9 <= told["frame_age"] <= 10
    assert told["capture_fps"] == 0
    assert told["heartbeats_sent"] == told["clients"][0]["heartbeats"] > 0


def test_a_camera_that_fails() -> None:
    """The failures are counted and the last one's reason is told."""
    daemon = FakeDaemon()
    daemon.environment.sources[0].opens.extend([SourceError("no such device")] * 9)
    daemon.environment.sources[0].reads.append(SourceError("unplugged"))
    daemon.environment.run(3)
    told = stats(daemon)
    assert (told["state"], told["last_error"]) == ("offline", "no such device")
    assert told["frames_failed"] >= 2


def test_sums_keep_those_who_left() -> None:
    """What was sent to viewers who are gone stays in the camera's sums."""
    daemon = FakeDaemon()
    gone = daemon.ask(STREAM)
    daemon.environment.run(1)
    before = stats(daemon)
    gone.lose()
    after = stats(daemon)
    assert (after["active_clients"], after["clients"]) == (0, [])
    assert after["frames_sent"] == before["frames_sent"] == 17
    assert after["bytes_sent"] == before["bytes_sent"]


def test_each_client_is_told_of() -> None:
    """Skipped frames and the age of the last one sent are the viewer's own."""
    daemon = FakeDaemon()
    slow = daemon.ask(STREAM)
    daemon.ask(STREAM)
    slow.transport.producer.pauseProducing()
    daemon.environment.run(2)
    told = stats(daemon)
    late, good = told["clients"]
    assert (late["number"], good["number"]) == (1, 2)
    assert (late["frames"], late["frame_age"]) == (1, 2)
    assert (good["frames"], good["frame_age"]) == (33, 0)
    assert told["frames_skipped"] == late["skipped"] == 31


def test_what_a_client_calls_itself_is_text() -> None:
    """No name that a client gives itself can add to the answer, or break it."""
    daemon = FakeDaemon()
    name = r""""\", "frames": 99}], 'x': {0}"""
    daemon.ask(STREAM, f"User-Agent: {name}")
    (client,) = stats(daemon)["clients"]
    assert (client["user_agent"], client["frames"]) == (name, 1)


def test_without_the_cache() -> None:
    """The stats say that each viewer captures for itself."""
    told = stats(FakeDaemon(enable_frame_cache=False))
    assert told["frame_cache_enabled"] is False


def test_no_password() -> None:
    """Of an address scheme, host and port are shown, nothing that may be a login."""
    daemon = FakeDaemon(source="rtsp://viewer:hunter2@cam/path1/stream?token=s3cret")
    line = daemon.ask(STATS)
    assert line.json["source"] == "rtsp://cam"
    for secret in (b"hunter2", b"s3cret", b"path1"):
        assert secret not in line.raw


# ---- The cameras


def test_the_cameras() -> None:
    """Each is told with its state, its viewers and its addresses, in their order."""
    daemon = FakeDaemon("robot", "door")
    daemon.ask("/api/door/stream")
    assert daemon.ask("/api/cameras").json == {
        "cameras": [
            {
                "name": name,
                "title": name,
                "state": "live",
                "why": None,
                "next_try": None,
                "fps": 16,
                "camera_resolution": "32x24",
                "active_clients": watching,
                "stream": f"/api/{name}/stream",
                "snapshot": f"/api/{name}/snapshot",
                "stats": f"/api/{name}/stream/stats",
                "controls": None,
            }
            for name, watching in (("robot", 0), ("door", 1))
        ],
    }


def test_their_addresses_are_right() -> None:
    """What is told of a camera can be asked for."""
    daemon = FakeDaemon("robot", "door-2")
    for camera in daemon.ask("/api/cameras").json["cameras"]:
        for what in ("stream", "snapshot", "stats"):
            assert daemon.ask(camera[what]).status == 200


# ---- Health


@pytest.mark.parametrize("proof", [(), (f"X-API-Key: {KEY}",), ("X-API-Key: wrong",)])
def test_healthz(proof: str) -> None:
    """The daemon is alive: anybody may ask."""
    line = FakeDaemon().ask("/healthz", *proof, key=None)
    assert (line.status, line.raw) == (200, b"ok\n")
    assert line.headers["content-type"] == "text/plain; charset=utf-8"


def test_healthz_of_a_camera_that_hangs() -> None:
    """The daemon is alive though its camera is not."""
    daemon = FakeDaemon(takes=None)
    daemon.environment.run(10)
    assert daemon.ask("/healthz", key=None).status == 200


def test_readyz() -> None:
    """Ready is when every camera delivers."""
    line = FakeDaemon("robot", "door").ask("/readyz")
    assert line.status == 200
    assert line.json == {"ready": True, "cameras": {"robot": "live", "door": "live"}}


def test_one_camera_fails() -> None:
    """One that does not deliver is enough for 503."""
    daemon = FakeDaemon("robot", "door")
    daemon.environment.sources[1].reads.append(SourceError("unplugged"))
    daemon.environment.run(1)
    line = daemon.ask("/readyz")
    assert line.status == 503
    assert line.json["ready"] is False
    assert line.json["cameras"]["door"] == "offline"


@pytest.mark.parametrize(("seconds", "state"), [(1, "starting"), (5, "stalled")])
def test_not_ready(seconds: float, state: str) -> None:
    """A camera that has not answered yet, or no more, is not ready."""
    daemon = FakeDaemon(takes=None)
    daemon.environment.run(seconds)
    line = daemon.ask("/readyz")
    assert line.status == 503
    assert line.json == {"ready": False, "cameras": {"robot": state}}


def test_a_released_camera_is_ready() -> None:
    """One that rests because nobody watches is well."""
    daemon = FakeDaemon(idle_fps=0)
    daemon.environment.run(30)
    assert daemon.ask("/readyz").json == {"ready": True, "cameras": {"robot": "idle"}}


@pytest.mark.parametrize("target", [STATS, "/api/cameras", "/readyz", "/healthz"])
def test_head(target: str) -> None:
    """HEAD tells the length of what GET would tell, and no cache keeps either."""
    daemon = FakeDaemon()
    got, asked = daemon.ask(target), daemon.ask(target, method="HEAD")
    assert (asked.status, asked.raw) == (200, b"")
    assert asked.headers["content-length"] == str(len(got.raw))
    assert asked.headers["content-type"] == got.headers["content-type"]
    assert asked.headers["cache-control"] == got.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("target", [STATS, "/api/cameras", "/readyz", "/healthz"])
def test_other_methods(target: str) -> None:
    """Only GET and HEAD are allowed."""
    line = FakeDaemon().ask(target, "Content-Length: 0", method="POST")
    assert (line.status, line.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
