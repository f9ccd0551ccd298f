"""Where there is no plain socket, frames go through twisted.web: TLS, for one."""

from __future__ import annotations

import select
import socket

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.web.server import Site

from camd.delivery.outlet import BACKLOG, RequestOutlet
from camd.delivery.tcp import LOWAT
from camd.formats.multipart import Form, chunk
from camd.frame import WIRES
from tests.fakes import FakeReactor, frame, soon, tracked, uncollected
from tests.http_connection import (
    LARGE,
    OPENING,
    SMALL,
    Connector,
    HttpConnection,
    ManualReactor,
    OutletResource,
    ViewerResource,
)
from tests.tls_connection import SecureClient, secured

both_kinds = pytest.mark.parametrize("kind", ["tcp", "unix"])


class SiteInMemory:
    """A Site's connection in memory, whose transport pauses when the test says so."""

    def __init__(self, resource: OutletResource, version: str = "1.1") -> None:
        self.transport = StringTransport()
        site = Site(resource, reactor=ManualReactor())
        self.protocol = site.buildProtocol(None)
        self.protocol.makeConnection(self.transport)
        request = f"GET / HTTP/{version}\r\nHost: camd\r\n\r\n"
        self.protocol.dataReceived(request.encode())

    @property
    def body(self) -> bytes:
        """What was written behind the headers."""
        written: bytes = self.transport.value()
        return written.partition(b"\r\n\r\n")[2]

    def pause(self) -> None:
        """The transport has more to send than it likes."""
        assert self.transport.producer is not None
        self.transport.producer.pauseProducing()

    def resume(self) -> None:
        """All that was written has left."""
        assert self.transport.producer is not None
        self.transport.producer.resumeProducing()


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_request_bytes_on_the_wire(form: Form, version: str) -> None:
    """Blocks have no framing of their own there; Twisted adds it in HTTP/1.1."""
    resource = OutletResource(form)
    channel = SiteInMemory(resource, version)
    assert isinstance(resource.outlet, RequestOutlet)
    assert resource.outlet.wire is WIRES[form, False]
    shown = [frame(number).block(resource.outlet.wire) for number in (1, 2)]
    for block in shown:
        resource.outlet.send(block)
    framed = chunk if version == "1.1" else bytes
    expected = [framed(part) for part in (resource.outlet.wire.opening(), *shown)]
    assert channel.body == b"".join(expected)


def test_request_is_free_at_once() -> None:
    """A transport that pauses nobody leaves the outlet free behind the opening."""
    resource = OutletResource(Form.PLAIN)
    SiteInMemory(resource)
    assert not resource.outlet.busy


def test_request_has_no_direct_send() -> None:
    """What has a buffer of its own in between is sent through it."""
    resource = OutletResource(Form.PLAIN)
    SiteInMemory(resource)
    assert resource.outlet.direct_send() is None


def test_pauses_may_come_often() -> None:
    """However often it is paused, one resume makes it ready, once."""
    resource = OutletResource(Form.PLAIN)
    channel = SiteInMemory(resource)
    for _ in range(3):
        channel.pause()
    assert resource.outlet.busy
    channel.resume()
    assert not resource.outlet.busy
    assert resource.readies == 1


def test_resume_without_a_pause_is_nothing() -> None:
    """What was not busy does not get ready."""
    resource = OutletResource(Form.PLAIN)
    SiteInMemory(resource).resume()
    assert resource.readies == 0


def test_request_newest_wins() -> None:
    """While paused only the newest frame waits; it goes when all has left."""
    resource = ViewerResource(Form.PLAIN, FakeReactor())
    channel = SiteInMemory(resource)
    shown = [frame(number) for number in range(1, 10)]
    resource.viewer.offer(shown[0], 0)
    channel.pause()
    for one in shown[1:]:
        resource.viewer.offer(one, 0)
    channel.resume()
    wire = resource.outlet.wire
    parts = (wire.opening(), shown[0].block(wire), shown[-1].block(wire))
    assert channel.body == b"".join(map(chunk, parts))
    assert resource.viewer.sent.skipped == 7


def test_request_progress_is_each_drain() -> None:
    """Without a socket to ask, having sent all is what counts as progress."""
    resource = OutletResource(Form.PLAIN)
    channel = SiteInMemory(resource)
    before = resource.outlet.progress()
    channel.pause()
    assert resource.outlet.progress() == before
    channel.resume()
    assert resource.outlet.progress() > before


def test_request_abort() -> None:
    """The transport is cut, not closed in order."""
    resource = OutletResource(Form.PLAIN)
    channel = SiteInMemory(resource)
    resource.outlet.abort()
    assert channel.transport.disconnected


def test_request_departure() -> None:
    """A client that goes while paused is told to the request; later calls are mute."""
    resource = OutletResource(Form.PLAIN)
    channel = SiteInMemory(resource)
    channel.pause()
    channel.protocol.connectionLost(Failure(ConnectionDone()))
    resource.outlet.stopProducing()
    resource.outlet.send(b"late")
    assert b"late" not in channel.body
    assert resource.gone[0].check(ConnectionDone)


# Through Request.write, with a real socket beneath


@both_kinds
def test_wrapped_socket_is_not_taken_over(connect: Connector, kind: str) -> None:
    """With a protocol in between the bytes go through it, and arrive all the same."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, wrap=WrappingFactory)
    connection.flow()
    assert isinstance(resource.outlet, RequestOutlet)
    block = frame().block(resource.outlet.wire)
    resource.outlet.send(block)
    connection.flow()
    connection.expect(OPENING + chunk(block))


@both_kinds
def test_wrapped_socket_has_one_block_under_way(connect: Connector, kind: str) -> None:
    """Every block as large as a picture makes it busy until it has left."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, wrap=WrappingFactory)
    connection.flow()
    assert not resource.outlet.busy
    resource.outlet.send(frame(size=BACKLOG).block(resource.outlet.wire))
    assert resource.outlet.busy
    connection.flow()
    assert not resource.outlet.busy
    assert resource.readies == 1


@both_kinds
def test_wrapped_client_may_send_something(connect: Connector, kind: str) -> None:
    """Bytes from a client that watches, be it one, do not end its stream."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, wrap=WrappingFactory)
    connection.flow()
    for sent in (b"\n", b"GET /", bytes(5000)):
        connection.client.sendall(sent)
        soon(lambda: bool(select.select([connection.server], [], [], 0)[0]))
        while select.select([connection.server], [], [], 0)[0]:
            connection.reactor.spin()
    assert resource.gone == []
    block = frame().block(resource.outlet.wire)
    resource.outlet.send(block)
    connection.flow()
    connection.expect(OPENING + chunk(block))


def test_wrapped_socket_is_tuned(connect: Connector) -> None:
    """The bound is set on the socket beneath, and its progress is watched."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, room=SMALL, wrap=WrappingFactory)
    level, option = socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT
    assert connection.server.getsockopt(level, option) == LOWAT
    connection.flow()
    before = resource.outlet.progress()
    resource.outlet.send(frame(size=LARGE).block(resource.outlet.wire))
    connection.flow()
    soon(lambda: resource.outlet.progress() > before + LARGE // 2)


def test_wrapped_viewer_newest_wins(connect: Connector, reactor: ManualReactor) -> None:
    """The same holds there: the frame under way, whole, and then the newest."""
    resource = ViewerResource(Form.PLAIN, reactor)
    connection = connect(resource, room=SMALL, wrap=WrappingFactory)
    connection.flow()
    shown = [frame(number, size=LARGE) for number in range(1, 10)]
    for one in shown:
        resource.viewer.offer(one, 0)
        reactor.spin()
    connection.flow()
    wire = resource.outlet.wire
    parts = (wire.opening(), shown[0].block(wire), shown[-1].block(wire))
    connection.expect(b"".join(map(chunk, parts)))


@both_kinds
def test_departed_viewer_leaves_no_reference_cycle(
    connect: Connector, reactor: ManualReactor, kind: str
) -> None:
    """A viewer that is gone is freed at once, without the garbage collector."""
    resource = ViewerResource(Form.PLAIN, reactor)
    connection = connect(resource, kind, SMALL, wrap=WrappingFactory)
    connection.flow()
    with uncollected() as alive:
        for number in (1, 2):
            one = tracked(number, LARGE)
            alive.add(one)
            resource.viewer.offer(one, 0)
            reactor.spin()
            del one
        connection.client.close()
        soon(lambda: _lost(connection, resource))
        connection.server.offered.clear()
        resource.forget()
        assert len(alive) == 0


def _lost(connection: HttpConnection, resource: ViewerResource) -> bool:
    connection.reactor.spin()
    return bool(resource.gone)


# Twisted hands pyOpenSSL that one's own objects, which it would rather not have.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:OpenSSL")
def test_tls(connect: Connector, reactor: ManualReactor) -> None:
    """Over TLS a viewer gets whole frames, the newest, and the kernel is bounded."""
    resource = ViewerResource(Form.PLAIN, reactor)
    connection = connect(resource, room=SMALL, wrap=secured(reactor), ask=False)
    client = SecureClient(connection)
    client.ask()
    client.expect(OPENING)
    assert isinstance(resource.outlet, RequestOutlet)
    level, option = socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT
    assert connection.server.getsockopt(level, option) == LOWAT
    soon(lambda: client.free(resource))
    shown = [frame(number, size=LARGE) for number in range(1, 10)]
    for one in shown:
        resource.viewer.offer(one, 0)
        client.turn(read=False)
    wire = resource.outlet.wire
    parts = (wire.opening(), shown[0].block(wire), shown[-1].block(wire))
    client.expect(b"".join(map(chunk, parts)))
    assert resource.viewer.sent.skipped == 7


@pytest.mark.filterwarnings("ignore::DeprecationWarning:OpenSSL")
def test_a_byte_over_tls(connect: Connector, reactor: ManualReactor) -> None:
    """A client that sends one byte over TLS goes on seeing frames."""
    resource = ViewerResource(Form.PLAIN, reactor)
    client = SecureClient(connect(resource, wrap=secured(reactor), ask=False))
    client.ask()
    client.expect(OPENING)
    client.tls.write(b"\n")
    client.turn()
    for _ in range(5):
        client.turn()
    assert resource.gone == []
    one = frame()
    resource.viewer.offer(one, 0)
    client.expect(OPENING + chunk(one.block(resource.outlet.wire)))
