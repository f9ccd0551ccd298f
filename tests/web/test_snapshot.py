"""The snapshot, asked for over HTTP."""

from __future__ import annotations

import pytest
from twisted.internet.defer import fail
from twisted.logger import capturedLogs

from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import Stamp
from camd.sources import SourceError
from camd.web.frame import WAIT
from tests.fakes import failures
from tests.fakes_camera import (
    EPOCH,
    PLACEHOLDER,
    FakeDaemon,
    FakeEnvironment,
    FakePushSource,
    HttpConnection,
    lose_camera,
    tiny_jpeg,
)
from tests.jpegs import encode

SNAPSHOT = "/api/robot/snapshot"
STREAM = "/api/robot/stream"
JPEG = tiny_jpeg()


def test_a_snapshot() -> None:
    """It is the picture with its length, time, number and the camera's state."""
    daemon = FakeDaemon()
    daemon.environment.run(1.25)
    line = daemon.ask(SNAPSHOT)
    headers = line.headers
    assert (line.status, line.raw) == (200, JPEG)
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-length"] == str(len(JPEG))
    assert headers["cache-control"] == "no-store"
    assert headers["x-timestamp"] == f"{EPOCH + 1.25:.6f}"
    assert headers["x-frame"] == "1"
    assert headers["x-camera-state"] == "live"
    assert headers["x-frame-age"] == "0.000"


def test_head_of_a_snapshot() -> None:
    """HEAD gets the headers of a GET, and no body."""
    line = FakeDaemon().ask(SNAPSHOT, method="HEAD")
    assert (line.status, line.raw) == (200, b"")
    assert line.headers["content-length"] == str(len(JPEG))
    assert line.headers["content-type"] == "image/jpeg"


def test_a_snapshot_waits_for_its_picture() -> None:
    """It is answered when the camera has brought one."""
    daemon = FakeDaemon(takes=None)
    thread = daemon.environment.threads[0]
    line = daemon.ask(SNAPSHOT)
    thread.finish()
    assert line.transport.value() == b""
    thread.finish()
    assert (line.status, line.raw) == (200, JPEG)


def check_none_yet(line: HttpConnection, state: str) -> None:
    """Check that this is the answer while there is no picture."""
    assert (line.status, line.headers["retry-after"]) == (503, "1")
    assert line.headers["x-camera-state"] == state
    assert line.headers["content-type"] == "text/plain; charset=utf-8"
    assert line.headers["content-length"] == str(len(line.raw))
    is_trouble = state in ("offline", "stalled")
    why = f"the camera is {state}" if is_trouble else "no picture yet"
    assert line.raw.decode() == f"{why}; try again\n"


@pytest.mark.parametrize(
    "trouble", [SourceError("unplugged"), b"garbage", ZeroDivisionError("driver")]
)
def test_no_snapshot(trouble: object) -> None:
    """Whatever keeps the camera from bringing one: try again later."""
    daemon = FakeDaemon()
    daemon.environment.sources[0].reads.append(trouble)
    line = daemon.ask(SNAPSHOT)
    check_none_yet(line, "live" if trouble == b"garbage" else "offline")


def test_head_of_no_snapshot() -> None:
    """HEAD is told so, too."""
    daemon = FakeDaemon()
    daemon.environment.sources[0].reads.append(SourceError("unplugged"))
    line = daemon.ask(SNAPSHOT, method="HEAD")
    assert (line.status, line.headers["retry-after"]) == (503, "1")
    assert (line.raw, line.headers["content-length"]) == (b"", "33")


def test_no_snapshot_during_back_off() -> None:
    """While the camera waits to be tried again, the answer comes at once."""
    daemon = FakeDaemon()
    daemon.environment.sources[0].reads.append(SourceError("unplugged"))
    daemon.ask(SNAPSHOT)
    calls = len(daemon.environment.sources[0].calls)
    check_none_yet(daemon.ask(SNAPSHOT), "offline")
    assert len(daemon.environment.sources[0].calls) == calls


def test_a_snapshot_of_a_camera_that_hangs() -> None:
    """The answer comes after camera_timeout at the latest."""
    daemon = FakeDaemon(takes=None, camera_timeout=2)
    line = daemon.ask(SNAPSHOT)
    daemon.environment.run(1.9)
    assert line.transport.value() == b""
    daemon.environment.run(0.2)
    check_none_yet(line, "starting")


def test_who_leaves_before_the_snapshot() -> None:
    """A client that is gone when the picture comes harms nothing."""
    daemon = FakeDaemon(takes=None)
    thread = daemon.environment.threads[0]
    gone, here = daemon.ask(SNAPSHOT), daemon.ask(SNAPSHOT)
    with capturedLogs() as events:
        gone.lose()
        thread.finish()
        thread.finish()
    assert [e for e in events if "log_failure" in e] == []
    assert gone.transport.value() == b""
    assert here.status == 200


def test_an_old_snapshot_is_not_shown() -> None:
    """While nobody watches, each snapshot is a new picture."""
    daemon = FakeDaemon()
    first = daemon.ask(SNAPSHOT)
    daemon.environment.run(0.5)
    second = daemon.ask(SNAPSHOT)
    assert (first.headers["x-frame"], second.headers["x-frame"]) == ("1", "2")
    assert second.headers["x-timestamp"] == f"{EPOCH + 0.5:.6f}"


def test_a_snapshot_of_a_camera_that_stalls() -> None:
    """It is the last picture, and says that it is old: by state and age."""
    daemon = FakeDaemon()
    daemon.ask(STREAM)
    daemon.environment.run(1)
    daemon.environment.threads[0].takes = None
    daemon.environment.run(5)
    line = daemon.ask(SNAPSHOT)
    assert (line.status, line.raw) == (200, JPEG)
    assert line.headers["x-camera-state"] == "stalled"
    assert line.headers["x-frame-age"] == "5.000"


def test_no_old_snapshot_of_a_camera_that_is_offline() -> None:
    """The last picture is not given out, though viewers are still shown it."""
    daemon = FakeDaemon()
    daemon.ask(STREAM)
    daemon.environment.run(1)
    lose_camera(daemon)
    daemon.environment.run(3.5)
    line = daemon.ask(SNAPSHOT)
    assert (line.status, line.headers["x-camera-state"]) == (503, "offline")
    # Tries come 1, 2 and then 4 seconds after the one before.
    assert line.headers["retry-after"] == "4"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_placeholder_for_who_wants_one(method: str) -> None:
    """It is answered with 200, and the state says what it is."""
    daemon = FakeDaemon()
    lose_camera(daemon)
    daemon.environment.run(2)
    line = daemon.ask(f"{SNAPSHOT}?placeholder=1", method=method)
    assert (line.status, line.headers["x-camera-state"]) == (200, "offline")
    assert line.headers["x-frame"] == "0"
    assert "x-frame-age" not in line.headers
    assert line.raw == (PLACEHOLDER if method == "GET" else b"")


def test_no_placeholder_while_there_is_a_picture() -> None:
    """Who would take a placeholder is given the picture."""
    line = FakeDaemon().ask(f"{SNAPSHOT}?placeholder=1")
    assert line.raw == JPEG


def test_a_placeholder_that_cannot_be_drawn() -> None:
    """Then there is nothing to give."""
    daemon = FakeDaemon()
    lose_camera(daemon)
    daemon.environment.draw = lambda: fail(RuntimeError("no ink"))
    daemon.environment.run(2)
    with capturedLogs() as events:
        line = daemon.ask(f"{SNAPSHOT}?placeholder=1")
    assert (line.status, line.headers["x-camera-state"]) == (503, "offline")
    assert len(failures(events)) == 1


# ---- No older than that


def test_new_enough() -> None:
    """While somebody watches, a picture that is young enough is given at once."""
    daemon = FakeDaemon()
    daemon.ask(STREAM)
    daemon.environment.run(1)
    daemon.environment.threads[0].takes = None
    daemon.environment.run(0.375)
    line = daemon.ask(f"{SNAPSHOT}?max_age=0.5")
    assert (line.status, line.headers["x-frame-age"]) == (200, "0.375")


def test_too_old() -> None:
    """One that is older is not: a new one is taken, or the answer is 503."""
    daemon = FakeDaemon(camera_timeout=2)
    daemon.ask(STREAM)
    daemon.environment.run(1)
    thread = daemon.environment.threads[0]
    thread.takes = None
    daemon.environment.run(1)
    line = daemon.ask(f"{SNAPSHOT}?max_age=0.5")
    assert line.transport.value() == b""
    thread.finish()
    assert (line.status, line.headers["x-frame-age"]) == (200, "0.000")
    daemon.environment.run(1)
    line = daemon.ask(f"{SNAPSHOT}?max_age=0.5")
    daemon.environment.run(2.1)
    check_none_yet(line, "stalled")


def test_one_picture_for_many() -> None:
    """While nobody watches, a young picture is given again instead of a new one."""
    daemon = FakeDaemon()
    first = daemon.ask(SNAPSHOT)
    daemon.environment.run(0.5)
    again = daemon.ask(f"{SNAPSHOT}?max_age=1")
    assert (first.headers["x-frame"], again.headers["x-frame"]) == ("1", "1")
    assert again.headers["x-frame-age"] == "0.500"
    daemon.environment.run(1)
    assert daemon.ask(f"{SNAPSHOT}?max_age=1").headers["x-frame"] == "2"


def test_none_at_all() -> None:
    """``max_age=0``: taken after it was asked for."""
    daemon = FakeDaemon()
    daemon.ask(STREAM)
    daemon.environment.run(1.01)
    line = daemon.ask(f"{SNAPSHOT}?max_age=0")
    daemon.environment.run(1 / 16)
    assert (line.status, line.headers["x-frame-age"]) == (200, "0.000")


def test_what_is_pushed_late_is_too_old() -> None:
    """A picture that was long on its way is passed over, and the next one taken."""
    environment = FakeEnvironment()
    source = environment.push_source = FakePushSource(environment.clock)
    daemon = FakeDaemon(environment=environment)
    environment.run(2)
    line = daemon.ask(f"{SNAPSHOT}?max_age=0.5")
    source.send(age=0.6)
    assert line.transport.value() == b""
    source.send(tiny_jpeg(9), age=0.1)
    assert (line.status, line.body) == (200, tiny_jpeg(9))
    assert line.headers["x-frame-age"] == "0.100"


def test_never_of_a_camera_that_is_offline() -> None:
    """However young it is, the last picture of a camera that has gone is not given."""
    daemon = FakeDaemon()
    daemon.ask(SNAPSHOT)
    lose_camera(daemon)
    daemon.environment.run(2)
    line = daemon.ask(f"{SNAPSHOT}?max_age=60")
    assert (line.status, line.headers["x-camera-state"]) == (503, "offline")


# ---- Known already


def tag_of(line: HttpConnection) -> str:
    """The ETag of an answer."""
    tag = line.headers["etag"]
    assert tag[0] == tag[-1] == '"'
    return tag


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"a",{} , W/"b"', "*"])
def test_not_modified(form: str) -> None:
    """A client that has this very frame is answered 304, without its bytes."""
    daemon = FakeDaemon()
    target = f"{SNAPSHOT}?max_age=9"
    tag = tag_of(daemon.ask(target))
    daemon.environment.run(1)
    line = daemon.ask(target, f"If-None-Match: {form.format(tag)}")
    assert (line.status, line.raw) == (304, b"")
    assert tag_of(line) == tag
    assert line.headers["x-frame-age"] == "1.000"
    assert "content-type" not in line.headers


def test_modified() -> None:
    """Another frame, and another rendition of the same, have other names."""
    daemon = FakeDaemon()
    target = f"{SNAPSHOT}?max_age=0.9"
    full = tag_of(daemon.ask(target))
    small = tag_of(daemon.ask(f"{target}&width=16"))
    assert small != full
    line = daemon.ask(f"{target}&width=16", f"If-None-Match: {full}")
    assert (line.status, tag_of(line)) == (200, small)
    daemon.environment.run(1)
    line = daemon.ask(target, f"If-None-Match: {full}, {small}")
    assert line.status == 200
    assert tag_of(line) not in (full, small)


def test_a_placeholder_has_no_name() -> None:
    """Its words change from second to second, so nobody has it already."""
    daemon = FakeDaemon()
    lose_camera(daemon)
    daemon.environment.run(2)
    line = daemon.ask(f"{SNAPSHOT}?placeholder=1", "If-None-Match: *")
    assert (line.status, line.raw) == (200, PLACEHOLDER)
    assert "etag" not in line.headers


# ---- The next one


def test_the_next() -> None:
    """``?next=N`` is answered with the first frame after N, when there is one."""
    daemon = FakeDaemon()
    daemon.ask(STREAM)
    daemon.environment.run(1)
    newest = daemon.camera.newest
    assert newest is not None
    daemon.environment.threads[0].takes = None
    at_once = daemon.ask(f"{SNAPSHOT}?next={newest.number - 1}")
    assert int(at_once.headers["x-frame"]) == newest.number
    line = daemon.ask(f"{SNAPSHOT}?next={newest.number}")
    assert line.transport.value() == b""
    daemon.environment.run(1 / 16)
    daemon.environment.threads[0].finish()
    assert (line.status, line.body) == (200, JPEG)
    assert int(line.headers["x-frame"]) == newest.number + 1


def test_the_next_of_an_idle_camera() -> None:
    """Who waits for it is a viewer meanwhile, and so it comes."""
    daemon = FakeDaemon()
    number = int(daemon.ask(SNAPSHOT).headers["x-frame"])
    daemon.environment.run(2)
    line = daemon.ask(f"{SNAPSHOT}?next={number}")
    assert int(line.headers["x-frame"]) == number + 1
    assert line.headers["x-frame-age"] == "0.000"


@pytest.mark.parametrize(("more", "code"), [("", 204), ("&placeholder=1", 200)])
def test_no_placeholder_is_the_next(more: str, code: int) -> None:
    """While the camera is away there is no next frame; a placeholder is none."""
    daemon = FakeDaemon(offline_after=1)
    number = int(daemon.ask(SNAPSHOT).headers["x-frame"])
    lose_camera(daemon)
    line = daemon.ask(f"{SNAPSHOT}?next={number}{more}")
    daemon.environment.run(WAIT + 1)
    assert line.status == code
    assert line.headers["x-camera-state"] == "offline"


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("max_age=-1", "max_age: '-1' is not a number from 0 to 3600"),
        ("max_age=3601", "max_age: '3601' is not a number from 0 to 3600"),
        ("max_age=nan", "max_age: 'nan' is not a number from 0 to 3600"),
        ("max_age=", "max_age: '' is not a number from 0 to 3600"),
        ("max_age=%C3%A9", r"max_age: '\ufffd\ufffd' is not a number from 0 to 3600"),
        ("next=-1", "next: '-1' is not a whole number from 0"),
        ("next=1.5", "next: '1.5' is not a whole number from 0"),
        ("next=", "next: '' is not a whole number from 0"),
        ("next=1&max_age=1", "max_age: next asks for a new picture anyway"),
    ],
)
def test_bad_values(query: str, error: str) -> None:
    """They are answered with what was wrong, and nobody becomes a viewer."""
    daemon = FakeDaemon()
    line = daemon.ask(f"{SNAPSHOT}?{query}")
    assert (line.status, line.raw.decode()) == (400, f"{error}\n")
    assert daemon.viewer_count.active == 0


def test_a_rendition_that_comes_made() -> None:
    """Of another camd's camera: it is given as it came, under the same name."""
    environment = FakeEnvironment()
    source = environment.push_source = FakePushSource(environment.clock)
    daemon = FakeDaemon(environment=environment, renditions=["1/2@60"])
    daemon.ask(f"{STREAM}?width=16")
    half = encode(16, 12)
    assert source.receiver is not None
    source.receiver.opened("MJPG", None, Size(32, 24))
    source.receiver.picture(
        half,
        environment.clock.seconds(),
        Stamp(7, 1007.5),
        rendition=Rendition.parse("1/2@60"),
    )
    line = daemon.ask(f"{SNAPSHOT}?width=16")
    assert (line.status, line.raw) == (200, half)
    assert line.headers["x-rendition"] == "1/2@60"
    assert (line.headers["x-frame"], line.headers["x-timestamp"]) == (
        "7",
        "1007.500000",
    )
    assert environment.scaler.asked == []
