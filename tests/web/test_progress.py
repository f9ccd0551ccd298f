"""What ends a connection: no progress. Over real sockets, by clocks set by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from camd.web.channel import BUSY_TIME, REQUEST_TIME, STALL_TIME
from tests.fakes import soon, tcp_pair, unix_pair
from tests.fakes_camera import KEY, FakeDaemon, tiny_jpeg
from tests.http_connection import SMALL, HttpConnection, ManualReactor
from tests.tls_connection import SecureClient, secured

STRANGER = b"GET /api/cameras HTTP/1.1\r\nHost: camd\r\n\r\n"
FAREWELL = b"GET /api/cameras HTTP/1.1\r\nHost: camd\r\nConnection: close\r\n\r\n"
SNAPSHOT = f"GET /api/robot/snapshot?api_key={KEY} HTTP/1.1\r\nHost: camd\r\n\r\n"
STREAM = f"GET /api/robot/stream?api_key={KEY} HTTP/1.1\r\nHost: camd\r\n\r\n"

COMMENT = b"\xff\xfe\xff\xff" + bytes(65533)
BIG_JPEG = tiny_jpeg()[:2] + COMMENT * 50 + tiny_jpeg()[2:]
"""A picture of 3.3 MB."""


class ClientOfASite:
    """A client with a real socket, and the site that it talks to.

    :ivar line: its connection.
    """

    def __init__(self, daemon: FakeDaemon, line: HttpConnection) -> None:
        self.daemon = daemon
        self.line = line

    def send(self, data: bytes) -> None:
        """Send as much of this as the site takes, without reading anything."""
        self.line.client.setblocking(False)
        for _ in range(200):
            if data:
                with suppress(BlockingIOError):
                    data = data[self.line.client.send(data) :]
            self.line.reactor.spin()

    def wait(self, seconds: float) -> None:
        """Let time pass without reading anything."""
        for _ in range(round(seconds)):
            self.daemon.environment.clock.advance(1)
            self.line.reactor.spin()

    def outlast(self) -> None:
        """Let time pass until the site gives up. The kernel may be late with it."""

        def given_up() -> bool:
            self.wait(1)
            return not self.open

        soon(given_up)

    @property
    def open(self) -> bool:
        """Whether the site still has the connection."""
        return bool(self.line.transport.connected)


Connect = Callable[..., ClientOfASite]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients, and closes them."""
    with ExitStack() as stack:

        def make(daemon: FakeDaemon | None = None, kind: str = "tcp") -> ClientOfASite:
            daemon = daemon or FakeDaemon()
            pair = {"tcp": tcp_pair, "unix": unix_pair}[kind](SMALL)
            line = HttpConnection(
                stack.enter_context(pair), daemon.site, ManualReactor()
            )
            return ClientOfASite(daemon, line)

        yield make


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("last", [STRANGER, FAREWELL])
def test_answers_that_nobody_reads(connect: Connect, kind: str, last: bytes) -> None:
    """They do not pile up, and their connection is aborted."""
    client = connect(kind=kind)
    client.send(STRANGER * 9000 + last)
    waiting = client.line.transport
    assert len(waiting.dataBuffer) + waiting._tempDataLen < 70_000
    client.wait(STALL_TIME - 1)
    assert client.open
    client.outlast()
    assert not client.daemon.site.connections._open


def test_answers_that_are_read(connect: Connect) -> None:
    """Each of a thousand requests at once is answered, in turn."""
    client = connect()
    rest = STRANGER * 1000
    client.line.client.setblocking(False)

    def go_on() -> bool:
        nonlocal rest
        with suppress(BlockingIOError):
            rest = rest[client.line.client.send(rest) :] if rest else rest
        client.line.still()
        return client.line.received.count(b"HTTP/1.1 401") == 1000

    soon(go_on)
    client.wait(REQUEST_TIME - 1)
    assert client.open


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_snapshot_that_moves_slowly(connect: Connect, kind: str) -> None:
    """It takes as long as it takes; when it moves no more, it is aborted."""
    client = connect(FakeDaemon(always=BIG_JPEG), kind)
    client.daemon.environment.run(1)
    client.send(SNAPSHOT.encode())
    for _ in range(10):
        client.wait(STALL_TIME - 2)
        client.line.received += client.line.client.recv(2 * SMALL)
        client.line.reactor.spin()
        assert client.open
    client.outlast()


def test_a_snapshot_that_is_read_in_the_end(connect: Connect) -> None:
    """It is whole, and the next request has its full time from then on."""
    client = connect(FakeDaemon(always=BIG_JPEG))
    client.daemon.environment.run(1)
    client.send(SNAPSHOT.encode())
    client.wait(STALL_TIME - 2)
    client.line.flow()
    soon(lambda: client.line.still() and client.line.body.endswith(b"\xff\xd9"))
    client.wait(REQUEST_TIME - 2)
    assert client.open
    client.outlast()


def test_an_ended_stream_that_nobody_reads(connect: Connect) -> None:
    """Its connection is not there for longer than that of any other answer."""
    client = connect(FakeDaemon(always=BIG_JPEG))
    client.send(STREAM.encode())
    client.wait(2)
    (viewer,) = client.daemon.camera.viewers
    viewer.finish_stream("its key is gone")
    client.outlast()
    assert not client.daemon.camera.viewers


def test_a_stream_has_a_time_out_of_its_own(connect: Connect) -> None:
    """A viewer that takes nothing is dropped after ``stream_timeout``, not before."""
    client = connect(FakeDaemon(always=BIG_JPEG, stream_timeout=60))
    client.send(STREAM.encode())
    client.wait(STALL_TIME * 3)
    assert client.open


# Twisted hands pyOpenSSL that one's own objects, which it would rather not have.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:OpenSSL")
def test_a_viewer_that_ends_tls_while_it_is_full() -> None:
    """It has gone, although what it was sent has all left: its stream ends."""
    daemon, reactor = FakeDaemon(always=BIG_JPEG), ManualReactor()
    with tcp_pair(SMALL) as pair:
        line = HttpConnection(pair, secured(reactor)(daemon.site), reactor)
        client = SecureClient(line)
        client.ask(STREAM.encode())
        daemon.environment.clock.advance(1)
        client.turn(read=False)
        client.end()
        client.turn(read=False)

        def ended() -> bool:
            daemon.environment.clock.advance(1)
            client.drop()
            return not daemon.camera.viewers

        soon(ended)


def test_one_connection_too_many_that_reads_nothing(connect: Connect) -> None:
    """It is aborted, whether it asked or not."""
    daemon = FakeDaemon()
    daemon.site.connections.most = 0
    silent, rude = connect(daemon), connect(daemon)
    rude.send(STRANGER)
    for client in (silent, rude):
        client.wait(BUSY_TIME + 1)
    assert not silent.open
    assert not rude.open


# ---- Clients that close their half


def closed_half(client: ClientOfASite, data: bytes) -> None:
    """Send this, and say that there is no more to come."""
    client.line.client.sendall(data)
    client.line.client.shutdown(1)


def test_a_client_that_has_said_all(connect: Connect) -> None:
    """It gets its answer, as that of ``printf ... | nc`` should."""
    client = connect()
    closed_half(client, STRANGER)
    soon(lambda: client.line.still() and not client.open)
    assert client.line.received.count(b"HTTP/1.1 401") == 1


def test_a_client_that_has_said_all_of_several(connect: Connect) -> None:
    """It gets all of its answers."""
    client = connect()
    closed_half(client, STRANGER * 3)
    soon(lambda: client.line.still() and not client.open)
    assert client.line.received.count(b"HTTP/1.1 401") == 3


def test_a_client_that_waits_for_its_answer(connect: Connect) -> None:
    """It gets a picture that comes later."""
    client = connect(FakeDaemon(takes=None))
    closed_half(client, SNAPSHOT.encode())
    soon(lambda: client.line.still() and bool(client.line.transport.connected))
    thread = client.daemon.environment.threads[0]
    while thread.queue:
        thread.finish()
    soon(lambda: client.line.still() and not client.open)
    assert client.line.head.startswith(b"HTTP/1.1 200")
    assert client.line.body.endswith(b"\xff\xd9")


@pytest.mark.parametrize("cut", [b"", STRANGER[:-2]])
def test_a_client_that_says_no_more_than_half(connect: Connect, cut: bytes) -> None:
    """There is nothing to wait for."""
    client = connect()
    closed_half(client, cut)
    soon(lambda: client.line.still() and not client.open)
    assert client.line.received == b""


def test_a_viewer_that_hangs_up(connect: Connect) -> None:
    """Its place is free at once, not only with the next frame."""
    client = connect()
    client.send(STREAM.encode())
    assert len(client.daemon.camera.viewers) == 1
    client.line.client.shutdown(1)
    soon(lambda: client.line.still() and not client.open)
    assert not client.daemon.camera.viewers
