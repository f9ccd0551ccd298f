"""The stream and the snapshot, asked for over HTTP: bytes, headers, departures."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IAddress
from twisted.logger import capturedLogs

from camd.formats.multipart import Parser
from tests.fakes_camera import (
    EPOCH,
    KEY,
    FakeDaemon,
    lose_camera,
    said,
    tiny_jpeg,
)

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


def test_the_streams_headers() -> None:
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


def test_http_1_1() -> None:
    """Each frame is one chunk, and the boundary behind it comes along."""
    daemon = FakeDaemon()
    line = daemon.ask(STREAM)
    daemon.environment.clock.advance(1 / 16)
    assert line.raw == chunk(b"--frame\r\n") + chunk(plain(1)) + chunk(plain(2, 1 / 16))


def test_http_1_0() -> None:
    """To an old client the parts go without chunks, up to the connection's end."""
    daemon = FakeDaemon()
    line = daemon.ask(STREAM, version="1.0")
    daemon.environment.clock.advance(1 / 16)
    assert line.head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert "transfer-encoding" not in line.headers
    assert line.raw == b"--frame\r\n" + plain(1) + plain(2, 1 / 16)


@pytest.mark.parametrize(
    "accept", ["image/avif,image/webp,*/*;q=0.8", "text/html,application/xml;q=0.9"]
)
def test_browsers_get_the_next_headers_early(accept: str) -> None:
    """An <img> or a window is sent each next part's headers behind the frame."""
    daemon = FakeDaemon()
    line = daemon.ask(STREAM, f"Accept: {accept}")
    daemon.environment.clock.advance(1 / 16)
    assert line.body == EARLY_OPENING + EARLY * 2


@pytest.mark.parametrize("accept", ["*/*", "application/json", "video/*,image/*"])
def test_others_get_lengths(accept: str) -> None:
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
def test_a_wish_goes_before_accept(wish: str, accept: str, begins: bytes) -> None:
    """``?wire=`` chooses the form, if it names one."""
    line = FakeDaemon().ask(f"{STREAM}?wire={wish}", f"Accept: {accept}")
    assert line.body.startswith(begins)


def test_what_was_not_asked_for_is_ignored() -> None:
    """Range and Icy-MetaData, which players send, change nothing."""
    line = FakeDaemon().ask(STREAM, "Range: bytes=0-", "Icy-MetaData: 1")
    assert (line.status, line.body) == (200, b"--frame\r\n" + plain(1))


def test_the_stream_waits_for_the_first_frame() -> None:
    """The headers come at once, the first frame when there is one."""
    daemon = FakeDaemon(takes=None)
    thread = daemon.environment.threads[0]
    line = daemon.ask(STREAM)
    assert (line.status, line.body) == (200, b"--frame\r\n")
    thread.finish()
    thread.finish()
    assert line.body == b"--frame\r\n" + plain(1)


def test_a_slow_client_gets_the_newest() -> None:
    """What was published while a client was busy is left out, but for the last."""
    daemon = FakeDaemon()
    line = daemon.ask(STREAM)
    line.transport.producer.pauseProducing()
    daemon.environment.run(1)
    line.transport.producer.resumeProducing()
    parts = Parser(b"frame").receive(line.body)
    assert [int(part.headers[b"x-frame"]) for part in parts] == [1, 17]
    (viewer,) = daemon.camera.viewers
    assert viewer.sent.skipped == 15


# ---- Methods


def test_head_of_the_stream() -> None:
    """HEAD gets the stream's headers and an end, and is no viewer."""
    daemon = FakeDaemon()
    got, asked = daemon.ask(STREAM), daemon.ask(STREAM, method="HEAD")
    own = {"date", "transfer-encoding"}
    told, mode = asked.headers, got.headers
    assert told.keys() - own == mode.keys() - own
    assert all(told[name] == mode[name] for name in told.keys() - own)
    assert (asked.status, asked.raw) == (200, b"")
    assert (len(daemon.camera.viewers), daemon.viewer_count.ever) == (1, 1)


def test_head_ends() -> None:
    """Behind a HEAD the connection is free for the next request."""
    daemon = FakeDaemon()
    line = daemon.connect()
    line.ask(STREAM, f"X-API-Key: {KEY}", method="HEAD")
    line.transport.clear()
    line.ask("/healthz")
    assert line.status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
@pytest.mark.parametrize("target", [STREAM, SNAPSHOT])
def test_other_methods(method: str, target: str) -> None:
    """They are not allowed, and what is allowed is told."""
    daemon = FakeDaemon()
    line = daemon.ask(target, "Content-Length: 0", method=method)
    assert (line.status, line.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert line.json == {"error": "only GET and HEAD"}
    assert daemon.viewer_count.ever == 0


# ---- Coming and going


def test_a_client_that_leaves() -> None:
    """Its departure is noted, once, and it is told of nothing more."""
    daemon = FakeDaemon()
    line = daemon.ask(STREAM)
    daemon.environment.run(1)
    with capturedLogs() as events:
        line.lose()
        line.transport.clear()
        daemon.environment.run(1)
    assert said(events) == [
        "Client 1 disconnected after 1.0 s, 17 frames: closed by the client. "
        "Total active clients: 0"
    ]
    assert (len(daemon.camera.viewers), daemon.viewer_count.active) == (0, 0)
    assert line.transport.value() == b""


def test_a_connection_that_breaks() -> None:
    """The log tells it from a client that closed."""
    line = FakeDaemon().ask(STREAM)
    with capturedLogs() as events:
        line.lose(ConnectionLost())
    assert "1 frames: connection lost. Total" in said(events)[0]


def test_a_client_that_stalls() -> None:
    """After stream_timeout without progress it is let go, and the reason told."""
    daemon = FakeDaemon(stream_timeout=3)
    line = daemon.ask(STREAM)
    line.transport.producer.pauseProducing()
    daemon.environment.run(2.9)
    assert not line.transport.disconnecting
    daemon.environment.run(1.2)
    assert line.transport.disconnecting
    with capturedLogs() as events:
        line.lose(ConnectionLost())
    assert "frames: stalled. Total active clients: 0" in said(events)[0]


def test_the_line_of_arrival_is_one_line() -> None:
    """A user agent with control characters in it does not break the log."""
    daemon = FakeDaemon()
    with capturedLogs() as events:
        daemon.ask(STREAM, "User-Agent: evil\x1b[2J\tagent\x7f\xff")
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
def test_addresses(peer: IAddress | None, address: str) -> None:
    """A viewer's address is known where there is one."""
    daemon = FakeDaemon()
    with capturedLogs() as events:
        daemon.connect(peer).ask(STREAM, f"X-API-Key: {KEY}")
    (viewer,) = daemon.camera.viewers
    assert viewer.client_info.address == address
    assert f"to robot from {address or '-'} ()" in said(events)[-1]


# ---- Streams that end


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_stream_that_ends(version: str) -> None:
    """It ends behind a part, as its version of HTTP has it, and then the connection."""
    daemon = FakeDaemon(offline_picture="close", offline_after=1)
    line = daemon.ask(STREAM, version=version)
    daemon.environment.run(1)
    lose_camera(daemon)
    with capturedLogs() as events:
        daemon.environment.run(3)
    assert line.body.endswith(b"\r\n--frame\r\n")
    parts = Parser(b"frame").receive(line.body)
    assert int(parts[-1].headers[b"x-frame"]) == daemon.camera.stats.published
    assert line.transport.disconnecting
    assert daemon.viewer_count.active == 0
    assert line.raw.endswith(b"0\r\n\r\n") == (version == "1.1")
    assert any("camera offline. Total active clients: 0" in s for s in said(events))


def test_a_stream_that_ends_takes_no_more_requests() -> None:
    """What a client sent ahead on the same connection is not begun."""
    daemon = FakeDaemon(offline_picture="close", offline_after=1)
    line = daemon.ask(STREAM)
    line.ask(SNAPSHOT, f"X-API-Key: {KEY}")
    lose_camera(daemon)
    daemon.environment.run(4)
    assert line.transport.value().count(b"HTTP/1.1 ") == 1
    assert line.transport.disconnecting


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_new_stream_of_a_closed_camera(method: str) -> None:
    """It is answered 503 with the seconds until the camera is tried again."""
    daemon = FakeDaemon(offline_picture="close", offline_after=1)
    lose_camera(daemon)
    daemon.environment.run(4)
    line = daemon.ask(STREAM, method=method)
    assert (line.status, line.headers["x-camera-state"]) == (503, "offline")
    assert 1 <= int(line.headers["retry-after"]) <= 4
    assert daemon.viewer_count.active == 0
