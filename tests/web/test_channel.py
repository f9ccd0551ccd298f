"""A connection until its request is complete: how long, how large, how many."""

from __future__ import annotations

import weakref

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from camd.web.channel import BUSY_TIME, REQUEST_TIME, Channel
from tests.fakes import uncollected
from tests.fakes_camera import KEY, FakeDaemon, HttpConnection

HEAD = f"GET /api/cameras HTTP/1.1\r\nHost: camd\r\nX-API-Key: {KEY}\r\n"


def feed(line: HttpConnection, text: str | bytes) -> None:
    """Send these bytes."""
    line.channel.dataReceived(text.encode() if isinstance(text, str) else text)


def gone(line: HttpConnection) -> bool:
    """Whether the daemon has hung up."""
    return bool(line.transport.disconnecting or line.transport.disconnected)


def test_a_request_that_never_ends() -> None:
    """A byte a second keeps a connection no longer than silence does."""
    daemon = FakeDaemon()
    line = daemon.connect()
    for byte in (HEAD * 2)[: REQUEST_TIME - 1]:
        feed(line, byte)
        daemon.environment.clock.advance(1)
    assert not gone(line)
    daemon.environment.clock.advance(1)
    assert gone(line)


def test_a_body_that_never_ends() -> None:
    """Nor does a body a byte at a time."""
    daemon = FakeDaemon()
    line = daemon.connect()
    feed(line, f"{HEAD}Content-Length: 1000\r\n\r\n")
    for _ in range(REQUEST_TIME):
        feed(line, "x")
        daemon.environment.clock.advance(1)
    assert gone(line)


def test_a_connection_is_kept_between_requests() -> None:
    """After each answer the time begins anew."""
    daemon = FakeDaemon()
    line = daemon.connect()
    for count in range(1, 4):
        feed(line, f"{HEAD}\r\n")
        assert line.transport.value().count(b"HTTP/1.1 200") == count
        daemon.environment.clock.advance(REQUEST_TIME - 1)
    assert not gone(line)
    daemon.environment.clock.advance(1)
    assert gone(line)


def test_a_stream_has_no_such_end() -> None:
    """Once a request is complete, its answer takes as long as it takes."""
    daemon = FakeDaemon()
    line = daemon.ask("/api/robot/stream")
    for _ in range(10 * REQUEST_TIME):
        daemon.environment.clock.advance(1)
    assert not gone(line)


@pytest.mark.parametrize(
    "head",
    [
        "GET /" + "x" * 20_000,
        HEAD + "X-Long: " + "x" * 20_000,
        HEAD + "".join(f"X-{n}: 1\r\n" for n in range(101)) + "\r\n",
        HEAD + "X: 1\r\n" * 4000,
    ],
    ids=["request line", "one header", "many headers", "headers without end"],
)
def test_a_head_too_large(head: str) -> None:
    """A request that is mostly head is refused, whoever sends it."""
    line = FakeDaemon().connect()
    feed(line, head)
    assert line.status in (400, 431)
    assert gone(line)


def test_what_a_viewer_looks_after_is_not_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once a second it is asked of all others whether they move."""
    checked: list[object] = []
    monkeypatch.setattr(Channel, "check_progress", lambda self, _: checked.append(self))
    daemon = FakeDaemon()
    viewer, other = daemon.ask("/api/robot/stream"), daemon.connect()
    daemon.environment.clock.advance(1)
    assert checked == [other.channel]
    viewer.channel.loseConnection()
    checked.clear()
    daemon.environment.clock.advance(1)
    assert set(checked) == {viewer.channel, other.channel}


def test_connections_at_once() -> None:
    """One too many is told so when it asks, and the others go on."""
    daemon = FakeDaemon()
    daemon.site.connections.most = 2
    first, second, third = (daemon.connect() for _ in range(3))
    feed(third, f"{HEAD}\r\n")
    assert (third.status, third.raw) == (503, b"too many connections\n")
    assert third.headers["retry-after"] == "10"
    assert gone(third)
    feed(first, f"{HEAD}\r\n")
    assert first.status == 200
    for line in (second, third):
        line.lose()
    fourth = daemon.connect()
    feed(fourth, f"{HEAD}\r\n")
    assert fourth.status == 200


def test_one_too_many_that_does_not_ask() -> None:
    """It takes its place for seconds only."""
    daemon = FakeDaemon()
    daemon.site.connections.most = 0
    line = daemon.connect()
    daemon.environment.clock.advance(BUSY_TIME)
    assert gone(line)
    assert line.transport.value() == b""


class Socket(StringTransport):
    """A connection in memory that can be asked for speed, as one of TCP."""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Be as fast as ever."""


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n"])
def test_a_tls_connection_leaves_nothing_behind(sent: bytes) -> None:
    """What there is of it above TLS is freed at once, also where it never was TLS."""
    daemon = FakeDaemon()
    factory = TLSMemoryBIOFactory(
        CertificateOptions(), False, daemon.site, daemon.environment.clock
    )
    with uncollected():
        secured = factory.buildProtocol(None)
        secured.makeConnection(Socket())
        left = weakref.ref(secured.wrappedProtocol)
        if sent:
            secured.dataReceived(sent)
        secured.connectionLost(Failure(ConnectionDone()))
        del secured
        assert left() is None
