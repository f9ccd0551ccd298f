"""What camd tells of itself: stats, the list of cameras, health."""

from __future__ import annotations

import numpy as np
import pytest

from camd.sources import CameraMode, SourceError
from tests.fakes_camera import KEY, FakeDaemon, tiny_jpeg

STATS = "/api/robot/stream/stats"
STREAM = "/api/robot/stream"


def stats(house: FakeDaemon) -> dict[str, object]:
    """The stats of the first camera."""
    return house.ask(STATS).json


# ---- Stats


def test_the_five_names():
    """The names that clients rely on are there, with the types that they rely on."""
    pixels = np.zeros((24, 32, 3), np.uint8)
    house = FakeDaemon(jpeg_quality=70, stream_fps=15, always=pixels)
    house.ask(STREAM)
    told = stats(house)
    assert told["active_clients"] == 1
    assert told["frame_cache_enabled"] is True
    assert told["stream_fps"] == 15
    assert told["camera_resolution"] == "32x24"
    assert told["jpeg_quality"] == 70
    assert type(told["active_clients"]) is type(told["stream_fps"]) is int
    assert type(told["jpeg_quality"]) is int


def test_quality_of_a_camera_that_encodes():
    """Of a camera's own JPEGs it is told how they were encoded, once they come."""
    house = FakeDaemon(always=b"garbage", jpeg_quality=70)
    house.ask(STREAM)
    assert stats(house)["jpeg_quality"] == 70
    house.environment.sources[0].always = tiny_jpeg()
    house.environment.run(1)
    assert stats(house)["jpeg_quality"] == 95


def test_what_it_was_asked_for():
    """A camera that gives something else than it was asked for is shown beside it."""
    house = FakeDaemon()
    asked = CameraMode(32, 24, 30, "MJPG", asked="800x600 at 30 fps")
    house.environment.sources[0].reads.append(SourceError("gone"))
    house.environment.sources[0].opens.append(asked)
    house.ask(STREAM)
    house.environment.run(3)
    assert stats(house)["camera_asked"] == "800x600 at 30 fps"


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
    "frames_failed": 0,
    "frames_sent": 33,
    "frames_skipped": 0,
    "heartbeats_sent": 0,
    "capture_fps": 16,
    "frame_age": 0,
    "camera_reopens": 0,
    "threads_left_behind": 0,
    "last_error": None,
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


def test_a_camera_at_work():
    """All that is told of a camera that one viewer watched for two seconds."""
    house = FakeDaemon()
    house.environment.run(0.5)
    line = house.ask(STREAM, "User-Agent: VLC/3.0.24")
    house.environment.run(2)
    told = stats(house)
    (client,) = told.pop("clients")
    del told["renditions"]  # See test_rendition.
    size = len(line.body) - len(b"--frame\r\n")
    assert told == {**AT_WORK, "bytes_sent": size}
    assert client == {**WATCHING, "fps": client["fps"], "bytes": size}
    assert 15 < client["fps"] < 17


def test_before_the_first_frame():
    """What is not known yet is null; the size is the one that is asked for."""
    house = FakeDaemon(takes=None, camera_width=800, camera_height=600)
    house.ask(STREAM)
    told = stats(house)
    assert told["state"] == "starting"
    assert told["camera_resolution"] == "800x600"
    for name in ("camera_fps", "camera_format", "encoder", "frame_age"):
        assert told[name] is None
    (client,) = told["clients"]
    assert (client["frames"], client["frame_age"]) == (0, None)


def test_what_the_camera_says_of_its_size():
    """Before a frame was seen, the size is the one that the camera says it gives."""
    house = FakeDaemon(takes=None)
    thread = house.environment.threads[0]
    house.environment.sources[0].opens.append(CameraMode(1280, 720, None, "MJPG"))
    thread.finish()
    told = stats(house)
    assert (told["camera_resolution"], told["camera_fps"]) == ("1280x720", None)


def test_a_camera_that_hangs():
    """The age of its newest picture grows, and its rate falls to nothing."""
    house = FakeDaemon()
    house.ask(STREAM)
    house.environment.run(2)
    house.environment.threads[0].takes = None
    house.environment.run(10)
    told = stats(house)
    assert told["state"] == "stalled"
    assert 9.9 <= told["frame_age"] <= 10
    assert told["capture_fps"] == 0
    assert told["heartbeats_sent"] == told["clients"][0]["heartbeats"] > 0


def test_a_camera_that_fails():
    """The failures are counted and the last one's reason is told."""
    house = FakeDaemon()
    house.environment.sources[0].opens.extend([SourceError("no such device")] * 9)
    house.environment.sources[0].reads.append(SourceError("unplugged"))
    house.environment.run(3)
    told = stats(house)
    assert (told["state"], told["last_error"]) == ("offline", "no such device")
    assert told["frames_failed"] >= 2


def test_sums_keep_those_who_left():
    """What was sent to viewers who are gone stays in the camera's sums."""
    house = FakeDaemon()
    gone = house.ask(STREAM)
    house.environment.run(1)
    before = stats(house)
    gone.lose()
    after = stats(house)
    assert (after["active_clients"], after["clients"]) == (0, [])
    assert after["frames_sent"] == before["frames_sent"] == 17
    assert after["bytes_sent"] == before["bytes_sent"]


def test_each_client_is_told_of():
    """Skipped frames and the age of the last one sent are the viewer's own."""
    house = FakeDaemon()
    slow = house.ask(STREAM)
    house.ask(STREAM)
    slow.transport.producer.pauseProducing()
    house.environment.run(2)
    told = stats(house)
    late, good = told["clients"]
    assert (late["number"], good["number"]) == (1, 2)
    assert (late["frames"], late["frame_age"]) == (1, 2)
    assert (good["frames"], good["frame_age"]) == (33, 0)
    assert told["frames_skipped"] == late["skipped"] == 31


def test_without_the_cache():
    """The stats say that each viewer captures for itself."""
    told = stats(FakeDaemon(enable_frame_cache=False))
    assert told["frame_cache_enabled"] is False


def test_no_password():
    """Of an address scheme, host and port are shown, nothing that may be a login."""
    house = FakeDaemon(source="rtsp://viewer:hunter2@cam/stream?token=s3cret")
    line = house.ask(STATS)
    assert line.json["source"] == "rtsp://cam"
    assert b"hunter2" not in line.raw
    assert b"s3cret" not in line.raw


# ---- The cameras


def test_the_cameras():
    """Each is told with its state, its viewers and its addresses, in their order."""
    house = FakeDaemon("robot", "door")
    house.ask("/api/door/stream")
    assert house.ask("/api/cameras").json == {
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
            }
            for name, watching in (("robot", 0), ("door", 1))
        ],
    }


def test_their_addresses_are_right():
    """What is told of a camera can be asked for."""
    house = FakeDaemon("robot", "door-2")
    for camera in house.ask("/api/cameras").json["cameras"]:
        for what in ("stream", "snapshot", "stats"):
            assert house.ask(camera[what]).status == 200


# ---- Health


@pytest.mark.parametrize("proof", [(), (f"X-API-Key: {KEY}",), ("X-API-Key: wrong",)])
def test_healthz(proof):
    """The daemon is alive: anybody may ask."""
    line = FakeDaemon().ask("/healthz", *proof, key=None)
    assert (line.status, line.raw) == (200, b"ok\n")
    assert line.headers["content-type"] == "text/plain; charset=utf-8"


def test_healthz_of_a_camera_that_hangs():
    """The daemon is alive though its camera is not."""
    house = FakeDaemon(takes=None)
    house.environment.run(10)
    assert house.ask("/healthz", key=None).status == 200


def test_readyz():
    """Ready is when every camera delivers."""
    line = FakeDaemon("robot", "door").ask("/readyz")
    assert line.status == 200
    assert line.json == {"ready": True, "cameras": {"robot": "live", "door": "live"}}


def test_one_camera_fails():
    """One that does not deliver is enough for 503."""
    house = FakeDaemon("robot", "door")
    house.environment.sources[1].reads.append(SourceError("unplugged"))
    house.environment.run(1)
    line = house.ask("/readyz")
    assert line.status == 503
    assert line.json["ready"] is False
    assert line.json["cameras"]["door"] == "offline"


@pytest.mark.parametrize(("seconds", "state"), [(1, "starting"), (5, "stalled")])
def test_not_ready(seconds, state):
    """A camera that has not answered yet, or no more, is not ready."""
    house = FakeDaemon(takes=None)
    house.environment.run(seconds)
    line = house.ask("/readyz")
    assert line.status == 503
    assert line.json == {"ready": False, "cameras": {"robot": state}}


def test_a_released_camera_is_ready():
    """One that rests because nobody watches is well."""
    house = FakeDaemon(idle_fps=0)
    house.environment.run(30)
    assert house.ask("/readyz").json == {"ready": True, "cameras": {"robot": "idle"}}


@pytest.mark.parametrize("target", [STATS, "/api/cameras", "/readyz", "/healthz"])
def test_head(target):
    """HEAD tells the length of what GET would tell, and no cache keeps either."""
    house = FakeDaemon()
    got, asked = house.ask(target), house.ask(target, method="HEAD")
    assert (asked.status, asked.raw) == (200, b"")
    assert asked.headers["content-length"] == str(len(got.raw))
    assert asked.headers["content-type"] == got.headers["content-type"]
    assert asked.headers["cache-control"] == got.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("target", [STATS, "/api/cameras", "/readyz", "/healthz"])
def test_other_methods(target):
    """Only GET and HEAD are allowed."""
    line = FakeDaemon().ask(target, "Content-Length: 0", method="POST")
    assert (line.status, line.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
