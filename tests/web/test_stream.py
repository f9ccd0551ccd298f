"""The stream and the snapshot, asked for over HTTP: bytes, headers, departures."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv6Address, UNIXAddress
from twisted.internet.defer import fail
from twisted.internet.error import ConnectionLost
from twisted.logger import capturedLogs

from camd.formats.multipart import Parser
from camd.sources import SourceError
from tests.fakes import failures
from tests.fakes_camera import EPOCH, KEY, PLACEHOLDER, FakeDaemon, said, tiny_jpeg

STREAM = "/api/robot/stream"
SNAPSHOT = "/api/robot/snapshot"
JPEG = tiny_jpeg()


def plain(number: int, time: float = 0) -> bytes:
    """What one frame is on the wire of most clients."""
    return (
        b"Content-Type: image/jpeg\r\n"
        b"Content-Length: %d\r\n"
        b"X-Timestamp: %.6f\r\n"
        b"X-Frame: %d\r\n\r\n"
        b"%b\r\n--frame\r\n" % (len(JPEG), EPOCH + time, number, JPEG)
    )


def chunk(data: bytes) -> bytes:
    """One chunk of an HTTP/1.1 body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


EARLY = b"%b\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n" % JPEG
EARLY_OPENING = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"


# ---- The stream's bytes


def test_the_streams_headers():
    """They say what it is, and that nobody in between may keep or hold it."""
    line = FakeDaemon().ask(STREAM)
    headers = line.headers
    assert line.head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
    assert headers["transfer-encoding"] == "chunked"
    assert headers["x-accel-buffering"] == "no"
    assert headers["pragma"] == "no-cache"
    assert headers["cache-control"].split(", ") == [
        "no-store",
        "no-cache",
        "must-revalidate",
        "no-transform",
    ]
    assert "content-length" not in headers


def test_http_1_1():
    """Each frame is one chunk, and the boundary behind it comes along."""
    house = FakeDaemon()
    line = house.ask(STREAM)
    house.environment.clock.advance(1 / 16)
    assert line.raw == chunk(b"--frame\r\n") + chunk(plain(1)) + chunk(plain(2, 1 / 16))


def test_http_1_0():
    """To an old client the parts go without chunks, up to the connection's end."""
    house = FakeDaemon()
    line = house.ask(STREAM, version="1.0")
    house.environment.clock.advance(1 / 16)
    assert line.head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert "transfer-encoding" not in line.headers
    assert line.raw == b"--frame\r\n" + plain(1) + plain(2, 1 / 16)


@pytest.mark.parametrize(
    "accept", ["image/avif,image/webp,*/*;q=0.8", "text/html,application/xml;q=0.9"]
)
def test_browsers_get_the_next_headers_early(accept):
    """An <img> or a window is sent each next part's headers behind the frame."""
    house = FakeDaemon()
    line = house.ask(STREAM, f"Accept: {accept}")
    house.environment.clock.advance(1 / 16)
    assert line.body == EARLY_OPENING + EARLY * 2


@pytest.mark.parametrize("accept", ["*/*", "application/json", "video/*,image/*"])
def test_others_get_lengths(accept):
    """Whoever asks otherwise gets parts with Content-Length."""
    assert FakeDaemon().ask(STREAM, f"Accept: {accept}").body == b"--frame\r\n" + plain(
        1
    )


@pytest.mark.parametrize(
    ("wish", "accept", "begins"),
    [
        ("early", "*/*", EARLY_OPENING),
        ("plain", "image/*", b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length"),
        ("nonsense", "image/*", EARLY_OPENING),
        ("", "image/*", EARLY_OPENING),
    ],
)
def test_a_wish_goes_before_accept(wish, accept, begins):
    """``?wire=`` chooses the form, if it names one."""
    line = FakeDaemon().ask(f"{STREAM}?wire={wish}", f"Accept: {accept}")
    assert line.body.startswith(begins)


def test_what_was_not_asked_for_is_ignored():
    """Range and Icy-MetaData, which players send, change nothing."""
    line = FakeDaemon().ask(STREAM, "Range: bytes=0-", "Icy-MetaData: 1")
    assert (line.status, line.body) == (200, b"--frame\r\n" + plain(1))


def test_the_stream_waits_for_the_first_frame():
    """The headers come at once, the first frame when there is one."""
    house = FakeDaemon(takes=None)
    thread = house.environment.threads[0]
    line = house.ask(STREAM)
    assert (line.status, line.body) == (200, b"--frame\r\n")
    thread.finish()
    thread.finish()
    assert line.body == b"--frame\r\n" + plain(1)


def test_a_slow_client_gets_the_newest():
    """What was published while a client was busy is left out, but for the last."""
    house = FakeDaemon()
    line = house.ask(STREAM)
    line.transport.producer.pauseProducing()
    house.environment.run(1)
    line.transport.producer.resumeProducing()
    parts = Parser(b"frame").receive(line.body)
    assert [int(part.headers[b"x-frame"]) for part in parts] == [1, 17]
    (viewer,) = house.camera.viewers
    assert viewer.sent.skipped == 15


# ---- Methods


def test_head_of_the_stream():
    """HEAD gets the stream's headers and an end, and is no viewer."""
    house = FakeDaemon()
    got, asked = house.ask(STREAM), house.ask(STREAM, method="HEAD")
    own = {"date", "transfer-encoding"}
    told, mode = asked.headers, got.headers
    assert told.keys() - own == mode.keys() - own
    assert all(told[name] == mode[name] for name in told.keys() - own)
    assert (asked.status, asked.raw) == (200, b"")
    assert (len(house.camera.viewers), house.viewer_count.ever) == (1, 1)


def test_head_ends():
    """Behind a HEAD the connection is free for the next request."""
    house = FakeDaemon()
    line = house.connect()
    line.ask(STREAM, f"X-API-Key: {KEY}", method="HEAD")
    line.transport.clear()
    line.ask("/healthz")
    assert line.status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
@pytest.mark.parametrize("target", [STREAM, SNAPSHOT])
def test_other_methods(method, target):
    """They are not allowed, and what is allowed is told."""
    house = FakeDaemon()
    line = house.ask(target, "Content-Length: 0", method=method)
    assert (line.status, line.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert line.json == {"error": "only GET and HEAD"}
    assert house.viewer_count.ever == 0


# ---- Coming and going


def test_a_client_that_leaves():
    """Its departure is noted, once, and it is told of nothing more."""
    house = FakeDaemon()
    line = house.ask(STREAM)
    house.environment.run(1)
    with capturedLogs() as events:
        line.lose()
        line.transport.clear()
        house.environment.run(1)
    assert said(events) == [
        "Client 1 disconnected after 1.0 s, 17 frames: closed by the client. "
        "Total active clients: 0"
    ]
    assert (len(house.camera.viewers), house.viewer_count.active) == (0, 0)
    assert line.transport.value() == b""


def test_a_connection_that_breaks():
    """The log tells it from a client that closed."""
    line = FakeDaemon().ask(STREAM)
    with capturedLogs() as events:
        line.lose(ConnectionLost())
    assert "1 frames: connection lost. Total" in said(events)[0]


def test_a_client_that_stalls():
    """After stream_timeout without progress it is let go, and the reason told."""
    house = FakeDaemon(stream_timeout=3)
    line = house.ask(STREAM)
    line.transport.producer.pauseProducing()
    house.environment.run(2.9)
    assert not line.transport.disconnecting
    house.environment.run(1.2)
    assert line.transport.disconnecting
    with capturedLogs() as events:
        line.lose(ConnectionLost())
    assert "frames: stalled. Total active clients: 0" in said(events)[0]


def test_the_line_of_arrival_is_one_line():
    """A user agent with control characters in it does not break the log."""
    house = FakeDaemon()
    with capturedLogs() as events:
        house.ask(STREAM, "User-Agent: evil\x1b[2J\tagent\x7f\xff")
    (line,) = (text for text in said(events) if "connected" in text)
    assert "(evil?[2J?agent??)" in line
    assert line.isprintable()


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (IPv6Address("TCP", "2001:db8::7", 4000), "2001:db8::7"),
        (UNIXAddress(None), ""),
        (UNIXAddress("/run/nginx.sock"), ""),
    ],
)
def test_addresses(peer, address):
    """A viewer's address is known where there is one."""
    house = FakeDaemon()
    with capturedLogs() as events:
        house.connect(peer).ask(STREAM, f"X-API-Key: {KEY}")
    (viewer,) = house.camera.viewers
    assert viewer.client_info.address == address
    assert f"to robot from {address or '-'} ()" in said(events)[-1]


# ---- The snapshot


def test_a_snapshot():
    """It is the picture with its length, time, number and the camera's state."""
    house = FakeDaemon()
    house.environment.run(1.25)
    line = house.ask(SNAPSHOT)
    headers = line.headers
    assert (line.status, line.raw) == (200, JPEG)
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-length"] == str(len(JPEG))
    assert headers["cache-control"] == "no-store"
    assert headers["x-timestamp"] == f"{EPOCH + 1.25:.6f}"
    assert headers["x-frame"] == "1"
    assert headers["x-camera-state"] == "live"
    assert headers["x-frame-age"] == "0.000"


def test_head_of_a_snapshot():
    """HEAD gets the headers of a GET, and no body."""
    line = FakeDaemon().ask(SNAPSHOT, method="HEAD")
    assert (line.status, line.raw) == (200, b"")
    assert line.headers["content-length"] == str(len(JPEG))
    assert line.headers["content-type"] == "image/jpeg"


def test_a_snapshot_waits_for_its_picture():
    """It is answered when the camera has brought one."""
    house = FakeDaemon(takes=None)
    thread = house.environment.threads[0]
    line = house.ask(SNAPSHOT)
    thread.finish()
    assert line.transport.value() == b""
    thread.finish()
    assert (line.status, line.raw) == (200, JPEG)


def check_none_yet(line, state):
    """Check that this is the answer for "no picture yet"."""
    assert (line.status, line.headers["retry-after"]) == (503, "1")
    assert line.headers["x-camera-state"] == state
    assert line.headers["content-type"] == "text/plain; charset=utf-8"
    assert line.headers["content-length"] == str(len(line.raw))
    assert line.raw == b"no picture yet; try again\n"


@pytest.mark.parametrize(
    "trouble", [SourceError("unplugged"), b"garbage", ZeroDivisionError("driver")]
)
def test_no_snapshot(trouble):
    """Whatever keeps the camera from bringing one: try again later."""
    house = FakeDaemon()
    house.environment.sources[0].reads.append(trouble)
    line = house.ask(SNAPSHOT)
    check_none_yet(line, "live" if trouble == b"garbage" else "offline")


def test_head_of_no_snapshot():
    """HEAD is told so, too."""
    house = FakeDaemon()
    house.environment.sources[0].reads.append(SourceError("unplugged"))
    line = house.ask(SNAPSHOT, method="HEAD")
    assert (line.status, line.headers["retry-after"]) == (503, "1")
    assert (line.raw, line.headers["content-length"]) == (b"", "26")


def test_no_snapshot_during_back_off():
    """While the camera waits to be tried again, the answer comes at once."""
    house = FakeDaemon()
    house.environment.sources[0].reads.append(SourceError("unplugged"))
    house.ask(SNAPSHOT)
    calls = len(house.environment.sources[0].calls)
    check_none_yet(house.ask(SNAPSHOT), "offline")
    assert len(house.environment.sources[0].calls) == calls


def test_a_snapshot_of_a_camera_that_hangs():
    """The answer comes after camera_timeout at the latest."""
    house = FakeDaemon(takes=None, camera_timeout=2)
    line = house.ask(SNAPSHOT)
    house.environment.run(1.9)
    assert line.transport.value() == b""
    house.environment.run(0.2)
    check_none_yet(line, "starting")


def test_who_leaves_before_the_snapshot():
    """A client that is gone when the picture comes harms nothing."""
    house = FakeDaemon(takes=None)
    thread = house.environment.threads[0]
    gone, here = house.ask(SNAPSHOT), house.ask(SNAPSHOT)
    with capturedLogs() as events:
        gone.lose()
        thread.finish()
        thread.finish()
    assert [e for e in events if "log_failure" in e] == []
    assert gone.transport.value() == b""
    assert here.status == 200


def test_an_old_snapshot_is_not_shown():
    """While nobody watches, each snapshot is a new picture."""
    house = FakeDaemon()
    first = house.ask(SNAPSHOT)
    house.environment.run(0.5)
    second = house.ask(SNAPSHOT)
    assert (first.headers["x-frame"], second.headers["x-frame"]) == ("1", "2")
    assert second.headers["x-timestamp"] == f"{EPOCH + 0.5:.6f}"


def test_a_snapshot_of_a_camera_that_stalls():
    """It is the last picture, and says that it is old: by state and age."""
    house = FakeDaemon()
    house.ask(STREAM)
    house.environment.run(1)
    house.environment.threads[0].takes = None
    house.environment.run(5)
    line = house.ask(SNAPSHOT)
    assert (line.status, line.raw) == (200, JPEG)
    assert line.headers["x-camera-state"] == "stalled"
    assert line.headers["x-frame-age"] == "5.000"


def test_no_old_snapshot_of_a_camera_that_is_offline():
    """The last picture is not given out, though viewers are still shown it."""
    house = FakeDaemon()
    house.ask(STREAM)
    house.environment.run(1)
    lose(house)
    house.environment.run(3.5)
    line = house.ask(SNAPSHOT)
    assert (line.status, line.headers["x-camera-state"]) == (503, "offline")
    # Tries come 1, 2 and then 4 seconds after the one before.
    assert line.headers["retry-after"] == "4"


def lose(house):
    """Let the camera fail from now on."""
    source = house.environment.sources[0]
    source.reads.append(SourceError("unplugged"))
    source.opens.extend([SourceError("no such device")] * 100)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_placeholder_for_who_wants_one(method):
    """It is answered with 200, and the state says what it is."""
    house = FakeDaemon()
    lose(house)
    house.environment.run(2)
    line = house.ask(f"{SNAPSHOT}?placeholder=1", method=method)
    assert (line.status, line.headers["x-camera-state"]) == (200, "offline")
    assert line.headers["x-frame"] == "0"
    assert "x-frame-age" not in line.headers
    assert line.raw == (PLACEHOLDER if method == "GET" else b"")


def test_no_placeholder_while_there_is_a_picture():
    """Who would take a placeholder is given the picture."""
    line = FakeDaemon().ask(f"{SNAPSHOT}?placeholder=1")
    assert line.raw == JPEG


def test_a_placeholder_that_cannot_be_drawn():
    """Then there is nothing to give."""
    house = FakeDaemon()
    lose(house)
    house.environment.draw = lambda: fail(RuntimeError("no ink"))
    house.environment.run(2)
    with capturedLogs() as events:
        line = house.ask(f"{SNAPSHOT}?placeholder=1")
    assert (line.status, line.headers["x-camera-state"]) == (503, "offline")
    assert len(failures(events)) == 1


# ---- Streams that end


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_stream_that_ends(version):
    """It ends behind a part, as its version of HTTP has it, and then the connection."""
    house = FakeDaemon(offline_picture="close", offline_after=1)
    line = house.ask(STREAM, version=version)
    house.environment.run(1)
    lose(house)
    with capturedLogs() as events:
        house.environment.run(3)
    assert line.body.endswith(b"\r\n--frame\r\n")
    parts = Parser(b"frame").receive(line.body)
    assert int(parts[-1].headers[b"x-frame"]) == house.camera.stats.published
    assert line.transport.disconnecting
    assert house.viewer_count.active == 0
    assert line.raw.endswith(b"0\r\n\r\n") == (version == "1.1")
    assert any("camera offline. Total active clients: 0" in s for s in said(events))


def test_a_stream_that_ends_takes_no_more_requests():
    """What a client sent ahead on the same connection is not begun."""
    house = FakeDaemon(offline_picture="close", offline_after=1)
    line = house.ask(STREAM)
    line.ask(SNAPSHOT, f"X-API-Key: {KEY}")
    lose(house)
    house.environment.run(4)
    assert line.transport.value().count(b"HTTP/1.1 ") == 1
    assert line.transport.disconnecting


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_new_stream_of_a_closed_camera(method):
    """It is answered 503 with the seconds until the camera is tried again."""
    house = FakeDaemon(offline_picture="close", offline_after=1)
    lose(house)
    house.environment.run(4)
    line = house.ask(STREAM, method=method)
    assert (line.status, line.headers["x-camera-state"]) == (503, "offline")
    assert 1 <= int(line.headers["retry-after"]) <= 4
    assert house.viewer_count.active == 0
