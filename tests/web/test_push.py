"""``/api/NAME/push``: what may be pushed by whom, and what becomes of it."""

from __future__ import annotations

import gc
import weakref

import pytest
from twisted.internet.error import ConnectionLost
from twisted.logger import capturedLogs

from camd.capture.health import State
from camd.capture.push import GIVE_UP
from camd.config.settings import Settings
from camd.formats.multipart import Form, block, opening
from camd.sources.ingest.source import MOST
from camd.web.channel import LINGER
from tests.fakes_camera import (
    KEY,
    FakeDaemon,
    HttpConnection,
    said,
    tiny_jpeg,
)
from tests.test_reload import KEY as ME
from tests.test_reload import OTHER, Running

JPEG = tiny_jpeg(1)
PATH = "/api/arm/push"
NOW = 1e12
"""A capture time in the future, which stands for now."""

CHUNKED = "Transfer-Encoding: chunked"


def camd(**settings: object) -> FakeDaemon:
    """A daemon with one camera that is pushed to."""
    return FakeDaemon("arm", source="push", **settings)


def length(data: bytes = JPEG) -> str:
    """The header of a body of known length."""
    return f"Content-Length: {len(data)}"


def chunk(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def post(
    daemon: FakeDaemon,
    data: bytes = JPEG,
    *headers: str,
    method: str = "POST",
    key: str = KEY,
) -> HttpConnection:
    """Push one body of known length."""
    line = daemon.ask(PATH, length(data), *headers, method=method, key=key)
    line.channel.dataReceived(data)
    return line


def stream(daemon: FakeDaemon, *jpegs: bytes, key: str = KEY) -> HttpConnection:
    """Push a stream that goes on; of one picture if none is given."""
    kind = "Content-Type: multipart/x-mixed-replace; boundary=frame"
    line = daemon.ask(PATH, kind, CHUNKED, method="POST", key=key)
    line.channel.dataReceived(chunk(opening(Form.PLAIN)))
    more(line, *jpegs or (JPEG,))
    return line


def more(line: HttpConnection, *jpegs: bytes) -> None:
    """Push these pictures into a stream."""
    for jpeg in jpegs:
        line.channel.dataReceived(chunk(block(Form.PLAIN, jpeg, NOW, 1)))


def state(daemon: FakeDaemon) -> State:
    """What the camera does."""
    return daemon.camera.state


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_one_picture(method: str) -> None:
    """It is shown, and a snapshot is that very picture."""
    daemon = camd()
    assert state(daemon) is State.OFFLINE
    line = post(daemon, method=method)
    assert (line.status, line.json) == (200, {"pictures": 1})
    assert state(daemon) is State.LIVE
    assert daemon.ask("/api/arm/snapshot").body == JPEG


def test_a_picture_of_some_age() -> None:
    """Its sender says when it was taken, and snapshots say so, too."""
    daemon = camd()
    daemon.environment.run(2)
    taken = daemon.environment.wall() - 1.5
    post(daemon, JPEG, f"X-Timestamp: {taken:.6f}")
    snapshot = daemon.ask("/api/arm/snapshot")
    assert snapshot.headers["x-frame-age"] == "1.500"
    assert snapshot.headers["x-timestamp"] == f"{taken:.6f}"


def test_a_stream() -> None:
    """Each of its pictures is shown when it is whole, and its end is answered."""
    daemon = camd()
    viewer = daemon.ask("/api/arm/stream")
    line = stream(daemon)
    daemon.environment.run(1 / 16)
    more(line, tiny_jpeg(2))
    assert JPEG in viewer.body
    assert tiny_jpeg(2) in viewer.body
    line.channel.dataReceived(b"0\r\n\r\n")
    assert (line.status, line.json) == (200, {"pictures": 2})
    assert state(daemon) is State.OFFLINE


def test_leave_to_send() -> None:
    """Who asks for it gets it."""
    line = camd().ask(PATH, CHUNKED, "Expect: 100-continue", method="PUT")
    assert line.transport.value() == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_stream_falls_silent() -> None:
    """The camera is stalled, then it is hung up on; then nobody pushes."""
    daemon = camd()
    line = stream(daemon)
    daemon.environment.run(3)
    assert state(daemon) is State.STALLED
    assert "is connected" in (daemon.camera.stats.last_error or "")
    daemon.environment.run(GIVE_UP)
    assert line.status == 408
    assert state(daemon) is State.OFFLINE
    assert (daemon.camera.stats.last_error or "").startswith("nobody pushes")
    post(daemon)
    assert state(daemon) is State.LIVE


def test_no_more_pictures_one_by_one() -> None:
    """The camera is stalled, then nobody pushes; the next one shows it live."""
    daemon = camd()
    post(daemon)
    daemon.environment.run(3)
    assert state(daemon) is State.STALLED
    daemon.environment.run(3600)
    assert state(daemon) is State.OFFLINE
    assert daemon.camera.retry_in == 0
    post(daemon)
    assert state(daemon) is State.LIVE


@pytest.mark.parametrize("idle_fps", [0, 1])
def test_nobody_watches(idle_fps: float) -> None:
    """Who pushes is not hung up on, and the newest picture is kept."""
    daemon = camd(idle_fps=idle_fps)
    line = stream(daemon)
    for shade in range(30):
        daemon.environment.run(1)
        more(line, tiny_jpeg(shade))
    assert line.transport.value() == b""
    assert daemon.ask("/api/arm/snapshot").body == tiny_jpeg(29)


def test_a_stream_breaks_off_within_a_part() -> None:
    """Nothing of that part is shown."""
    daemon = camd()
    line = stream(daemon)
    line.channel.dataReceived(chunk(block(Form.PLAIN, tiny_jpeg(2), NOW, 1)[:300]))
    with capturedLogs() as events:
        line.lose(ConnectionLost())
    assert state(daemon) is State.OFFLINE
    assert said(events)[0].endswith("1 pictures: connection lost")
    assert daemon.camera.stats.captured == 1


def test_a_second_pusher() -> None:
    """It takes over, and the first one is told and hung up on."""
    daemon = camd()
    first = stream(daemon)
    with capturedLogs() as events:
        second = stream(daemon, tiny_jpeg(2))
    assert (first.status, first.raw) == (
        409,
        b"somebody else pushes to this camera now\n",
    )
    assert first.headers["connection"] == "close"
    assert (
        "Camera arm: 192.168.1.1 (no name, key owner) takes over from"
        in said(events)[-2]
    )
    daemon.environment.run(LINGER + 1)
    assert first.transport.disconnecting
    more(second, tiny_jpeg(3))
    assert second.transport.value() == b""


# ---- What is refused


@pytest.mark.parametrize("data", [JPEG[:100], b"\x89PNG\r\n", b"{}", b"x"])
def test_no_picture(data: bytes) -> None:
    """The sender is told, and the camera does not notice."""
    daemon = camd()
    assert post(daemon, data).status == 400
    assert daemon.camera.stats.captured == daemon.camera.stats.failed == 0


def test_nothing() -> None:
    """An empty body is no picture."""
    line = camd().ask(PATH, "Content-Length: 0", method="POST")
    assert (line.status, line.json) == (400, {"error": "there was no JPEG in it"})


def test_a_camera_that_is_not_pushed_to() -> None:
    """It has another source, which is said with a body and without one."""
    daemon = FakeDaemon("arm")
    words = "nobody pushes to this camera: its source is not push"
    line = post(daemon)
    assert (line.status, line.raw.decode()) == (404, words + "\n")
    line = daemon.ask(PATH, method="POST")
    assert (line.status, line.json) == (404, {"error": words})


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_another_method(method: str) -> None:
    """There is nothing to be read here."""
    line = camd().ask(PATH, method=method)
    assert (line.status, line.headers["allow"]) == (405, "POST, PUT, OPTIONS")


def test_a_picture_too_large() -> None:
    """Its length alone is enough."""
    daemon = camd(max_frame_bytes=10_000)
    line = daemon.ask(PATH, "Content-Length: 10001", method="POST")
    assert line.status == 413
    assert line.raw == b"a picture of more than 10000 bytes\n"


@pytest.mark.parametrize("kind", ["image/jpeg", "multipart/mixed; boundary=b"])
def test_a_picture_too_large_in_a_stream(kind: str) -> None:
    """It is not kept until it ends."""
    daemon = camd(max_frame_bytes=10_000)
    line = daemon.ask(PATH, f"Content-Type: {kind}", CHUNKED, method="POST")
    head = b"--b\r\nContent-Type: image/jpeg\r\n\r\n" if kind[0] == "m" else b""
    line.channel.dataReceived(chunk(head + JPEG[:-2]))
    for _ in range(10):
        line.channel.dataReceived(chunk(b"x" * 2000))
    assert line.status == 413


def test_too_many_at_once() -> None:
    """The next one is told so ahead of its body."""
    daemon = camd()
    for _ in range(MOST):
        daemon.ask(PATH, length(), method="POST")
    line = daemon.ask(PATH, length(), method="POST")
    assert line.status == 429


def test_too_many_a_second() -> None:
    """Twice the camera's rate is enough."""
    daemon = camd(camera_fps=5)
    statuses = [post(daemon).status for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    daemon.environment.run(1)
    assert post(daemon).status == 200


def test_without_a_key() -> None:
    """Nothing of it is read."""
    daemon = camd()
    assert post(daemon, key="wrong").status == 401
    assert state(daemon) is State.OFFLINE


# ---- A daemon that goes on


RIGHTS = {"robot": ("push",), "me": ("view",)}


def running(**more: object) -> Running:
    """A daemon whose camera is pushed to by one key, and watched by another."""
    return Running(settings(**more))


def settings(keys: dict[str, str] | None = None, **more: object) -> Settings:
    """The settings of such a daemon."""
    return Settings.model_validate(
        {
            "cameras": {"arm": {"name": "arm", "source": "push", **more}},
            "api_keys": {"me": ME, "robot": OTHER} if keys is None else keys,
            "api_rights": RIGHTS,
        }
    )


def push_to(daemon: Running) -> HttpConnection:
    """Push a stream with the key that may."""
    line = HttpConnection(daemon.daemon.site)
    line.ask(PATH, f"X-API-Key: {OTHER}", CHUNKED, method="POST")
    line.channel.dataReceived(chunk(JPEG))
    return line


def test_a_key_for_pushing_alone() -> None:
    """It opens nothing else, and one for watching does not push."""
    daemon = running()
    push_to(daemon)
    assert daemon.ask("/api/arm/snapshot").body == JPEG
    assert daemon.ask("/api/arm/snapshot", OTHER).status == 403
    line = HttpConnection(daemon.daemon.site)
    line.ask(PATH, f"X-API-Key: {ME}", length(), method="POST")
    line.channel.dataReceived(JPEG)
    assert (line.status, line.json) == (403, {"error": "this key is for view only"})


def test_a_key_that_is_gone() -> None:
    """It ends what is pushed with it."""
    daemon = running()
    line = push_to(daemon)
    daemon.daemon.apply(settings())
    assert line.transport.value() == b""
    daemon.daemon.apply(settings({"me": ME, "robot": OTHER + "2"}))
    assert (line.status, line.raw) == (401, b"its key is gone\n")
    assert daemon.daemon.cameras["arm"].state is State.OFFLINE


@pytest.mark.parametrize("more", [{"rotate": 90}, {"title": "Arm"}, {"idle_fps": 0}])
def test_other_settings(more: dict[str, object]) -> None:
    """Who pushes notices nothing."""
    daemon = running()
    line = push_to(daemon)
    daemon.daemon.apply(settings(**more))
    daemon.environment.run(1)
    line.channel.dataReceived(chunk(tiny_jpeg(2)))
    assert line.transport.value() == b""
    assert daemon.daemon.cameras["arm"].state is State.LIVE


def test_another_source() -> None:
    """It ends what is pushed."""
    daemon = running()
    line = push_to(daemon)
    daemon.daemon.apply(settings(source="pattern"))
    assert (line.status, line.raw) == (503, b"nobody pushes to this camera any more\n")


def test_a_camera_that_is_gone() -> None:
    """It ends what is pushed to it."""
    daemon = running()
    line = push_to(daemon)
    daemon.daemon.stopService()
    assert (line.status, line.raw) == (503, b"camd is stopping\n")


def test_pushes_leave_nothing_behind() -> None:
    """No reference cycle keeps a request that is over, however it ended."""
    daemon = camd()
    gone = []
    gc.collect()
    gc.disable()
    try:
        for end in (b"0\r\n\r\n", b"", None):
            line = stream(daemon)
            gone.append(weakref.ref(line.channel.requests[0]))
            if end is None:
                line.channel.requests[0].turn_away(b"409 Conflict", "gone")
            elif end:
                line.channel.dataReceived(end)
            line.lose()
            del line
        assert [each() for each in gone] == [None, None, None]
    finally:
        gc.enable()
