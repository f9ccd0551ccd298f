"""Requests as odd clients write them: whole addresses, bodies, one behind another."""

from __future__ import annotations

import pytest
from twisted.logger import capturedLogs

from tests.fakes_camera import KEY, FakeDaemon, HttpConnection, said

MINE = f"X-API-Key: {KEY}\r\n"
HEALTH = "GET /healthz HTTP/1.1\r\nHost: camd\r\n\r\n"


def sent(text: str, daemon: FakeDaemon | None = None) -> HttpConnection:
    """What comes of these bytes on a new connection."""
    line = (daemon or FakeDaemon()).connect()
    line.channel.dataReceived(text.encode())
    return line


def answers(line: HttpConnection) -> int:
    """How many answers have come."""
    return line.transport.value().count(b"HTTP/1.")


# ---- The target


@pytest.mark.parametrize(
    "target",
    [
        "http://camd/api/robot/snapshot",
        "HTTP://camd:8001/api/robot/snapshot?x=1",
        "https://another.example/api/robot/snapshot",
        "http:///api/robot/snapshot",
    ],
)
def test_a_whole_address(target: str) -> None:
    """The form that clients of a proxy send is the path alone (RFC 9112 3.2.2)."""
    line = FakeDaemon().ask(target)
    assert (line.status, line.headers["content-type"]) == (200, "image/jpeg")
    assert FakeDaemon().ask(target, key=None).status == 401


@pytest.mark.parametrize(
    ("target", "status"), [("http://camd", 200), (f"http://camd?api_key={KEY}", 302)]
)
def test_a_whole_address_without_a_path(target: str, status: int) -> None:
    """It is the page's, and the key in its query counts."""
    assert FakeDaemon().ask(target).status == status


def test_a_whole_address_of_what_is_open() -> None:
    """The answer to whether the daemon is alive needs no key there either."""
    assert FakeDaemon().ask("http://camd/healthz", key=None).status == 200


def test_a_password_in_a_whole_address() -> None:
    """It is no key, as nobody should send it there, and no log shows it."""
    daemon = FakeDaemon()
    with capturedLogs() as events:
        line = daemon.ask(f"http://me:{KEY}@camd/api/cameras", key=None)
    assert line.status == 401
    (logged,) = said(events)
    assert '"GET /api/cameras HTTP/1.1" 401' in logged
    assert KEY not in logged


@pytest.mark.parametrize("key", [KEY, None])
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("OPTIONS", "*"),
        ("GET", "*"),
        ("CONNECT", "camd:80"),
        ("GET", "api/cameras"),
        ("GET", "xhealthz"),
        ("GET", "ftp://camd/healthz"),
        ("GET", "?api_key=x"),
    ],
)
def test_what_is_no_path(method: str, target: str, key: str | None) -> None:
    """It is refused, with a key or without, and the connection with it."""
    line = FakeDaemon().ask(target, method=method, key=key)
    assert (line.status, answers(line)) == (400, 1)
    assert line.transport.disconnecting


# ---- Host and the version


@pytest.mark.parametrize(
    "host",
    [
        "",
        "Host: \r\n",
        "Host: a.example\r\nHost: b.example\r\n",
        "Host: evil.example:99999/<script>\r\n",
        "Host: [::1]:8001\r\n",
    ],
)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("path", ["/", "/?api_key=x", "/api/cameras"])
def test_host_decides_nothing(path: str, version: str, host: str) -> None:
    """There is one site: whatever a client calls it, the answer is the same."""
    line = sent(f"GET {path} HTTP/{version}\r\n{host}{MINE}\r\n")
    assert line.status == (302 if "?" in path else 200)
    assert b"example" not in line.transport.value()


@pytest.mark.parametrize("version", ["0.9", "2.0", "1", "x"])
def test_another_version(version: str) -> None:
    """What is neither HTTP/1.0 nor HTTP/1.1 is refused."""
    line = sent(f"GET /healthz HTTP/{version}\r\nHost: camd\r\n\r\n")
    assert (line.status, line.transport.disconnecting) == (400, True)


@pytest.mark.parametrize(
    "request_bytes",
    [
        "nonsense\r\n\r\n",
        "GET /healthz HTTP/9\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nno header\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        f"GET /healthz HTTP/1.1\r\nX: {'x' * 20_000}\r\n\r\n",
        "POST /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "GET * HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_request(request_bytes: str) -> None:
    """It is answered in words, with the headers of every answer."""
    line = sent(request_bytes)
    assert line.status in (400, 431)
    assert line.transport.disconnecting
    assert line.headers["x-content-type-options"] == "nosniff"
    assert line.headers["referrer-policy"] == "no-referrer"
    assert line.headers["cross-origin-resource-policy"] == "same-origin"
    assert line.headers["content-length"] == str(len(line.raw))
    assert line.raw.endswith(b"\n")


# ---- Whether the connection stays


@pytest.mark.parametrize(
    ("version", "header", "stays"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: keep-alive\r\n", True),
        ("1.1", "Connection: close\r\n", False),
        ("1.1", "Connection: Close\r\n", False),
        ("1.0", "", False),
        ("1.0", "Connection: keep-alive\r\n", False),
    ],
)
def test_whether_the_connection_stays(version: str, header: str, stays: bool) -> None:
    """HTTP/1.1 keeps it unless it is told not to; HTTP/1.0 ends with the answer."""
    line = sent(
        f"GET /api/robot/snapshot HTTP/{version}\r\nHost: camd\r\n{header}{MINE}\r\n"
    )
    assert (line.status, line.transport.disconnecting) == (200, not stays)
    if version == "1.1":
        assert line.headers.get("connection") == (None if stays else "close")


@pytest.mark.parametrize("header", ["close", "keep-alive", "Upgrade, HTTP2-Settings"])
def test_a_stream_goes_on_whatever_is_said_of_the_connection(header: str) -> None:
    """Its end is the connection's, one way or the other."""
    daemon = FakeDaemon()
    line = daemon.ask("/api/robot/stream", f"Connection: {header}", "Upgrade: h2c")
    daemon.environment.run(1)
    assert (line.status, line.transport.disconnecting) == (200, False)
    assert line.body.count(b"Content-Length") > 1


# ---- Bodies, ranges, conditions


@pytest.mark.parametrize(
    "body",
    [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_a_body_of_a_get(body: str) -> None:
    """It is left out, and the next request is read behind it."""
    line = sent(f"GET /api/robot/snapshot HTTP/1.1\r\n{MINE}{body}{HEALTH}")
    assert (line.status, answers(line)) == (200, 2)
    assert line.transport.value().endswith(b"ok\n")


def test_a_length_of_two_kinds() -> None:
    """Nobody can say where such a body ends: it is refused (RFC 9112 6.3)."""
    both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    line = sent(f"GET /healthz HTTP/1.1\r\n{both}\r\n0\r\n\r\n{HEALTH}")
    assert (line.status, answers(line)) == (400, 1)


@pytest.mark.parametrize(
    "header",
    [
        "Range: bytes=0-3",
        "If-Range: x",
        'If-None-Match: "x"',
        "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT",
    ],
)
def test_a_snapshot_is_always_whole(header: str) -> None:
    """Nobody gets a part of one, and nobody has one by its time alone."""
    line = FakeDaemon().ask("/api/robot/snapshot", header)
    assert (line.status, line.raw[:2], line.raw[-2:]) == (200, b"\xff\xd8", b"\xff\xd9")


# ---- One request behind another


def test_a_request_behind_a_snapshot_that_is_late() -> None:
    """It waits for its turn."""
    daemon = FakeDaemon(takes=None)
    line = sent(f"GET /api/robot/snapshot HTTP/1.1\r\n{MINE}\r\n{HEALTH}", daemon)
    assert line.transport.value() == b""
    thread = daemon.environment.threads[0]
    while thread.queue:
        thread.finish()
    picture, health = line.transport.value().split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"image/jpeg" in picture
    assert health.endswith(b"ok\n")


def test_a_request_behind_a_stream() -> None:
    """It is never answered: the stream is the last of its connection."""
    daemon = FakeDaemon()
    line = sent(f"GET /api/robot/stream HTTP/1.1\r\n{MINE}\r\n{HEALTH}", daemon)
    daemon.environment.run(1)
    line.channel.dataReceived(HEALTH.encode())
    daemon.environment.run(1)
    assert answers(line) == 1
    assert b"ok\n" not in line.transport.value()
    assert line.body.endswith(b"\r\n--frame\r\n")
    assert daemon.viewer_count.ever == 1


def test_requests_without_end_behind_a_stream() -> None:
    """They are read no further than some kilobytes, and the stream goes on."""
    daemon = FakeDaemon()
    line = sent(f"GET /api/robot/stream HTTP/1.1\r\n{MINE}\r\n", daemon)
    taken = 0
    while line.transport.producerState == "producing":
        line.channel.dataReceived(HEALTH.encode())
        taken += len(HEALTH)
        assert taken < 32 * 1024
    before = len(line.raw)
    daemon.environment.run(1)
    assert line.transport.producerState == "paused"
    assert len(line.raw) > before
    assert answers(line) == 1


# ---- Aliases


@pytest.mark.parametrize(
    "target", ["/?action=stream", "/?action=snapshot", "/stream", "/snapshot"]
)
@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        (f"api_key={KEY}", "X: 1", 200),
        ("", f"Authorization: Bearer {KEY}", 200),
        ("api_key=wrong", "X: 1", 401),
        ("", "Authorization: Basic d3Jvbmc6d3Jvbmc=", 401),
        ("", "Cookie: camd_session=1.00", 401),
    ],
)
def test_aliases_obey_keys(target: str, query: str, header: str, status: int) -> None:
    """Old addresses take a key in any way it may come, and no wrong one."""
    mark = "&" if "?" in target else "?"
    assert FakeDaemon().ask(f"{target}{mark}{query}", header, key=None).status == status
