"""Where there is no plain socket, frames go through twisted.web: TLS, for one."""

from __future__ import annotations

import datetime
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress

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
from tests.fakes import FakeReactor, arrived, frame, soon, tracked, uncollected
from tests.line import (
    LARGE,
    OPENING,
    SMALL,
    Dial,
    HandReactor,
    House,
    Layer,
    Line,
    Show,
)


@pytest.fixture
def reactor() -> HandReactor:
    """The reactor, moved by hand."""
    return HandReactor()


@pytest.fixture
def dial(reactor: HandReactor) -> Iterator[Dial]:
    """What makes connections; they are closed behind the test."""
    with Dial(reactor) as dial:
        yield dial


both_kinds = pytest.mark.parametrize("kind", ["tcp", "unix"])


class Channel:
    """A Site's connection in memory, whose transport pauses when the test says so."""

    def __init__(self, house: House, version: str = "1.1") -> None:
        self.transport = StringTransport()
        site = Site(house, reactor=HandReactor())
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
    house = House(form)
    channel = Channel(house, version)
    assert isinstance(house.outlet, RequestOutlet)
    assert house.outlet.wire is WIRES[form, False]
    shown = [frame(number).block(house.outlet.wire) for number in (1, 2)]
    for block in shown:
        house.outlet.send(block)
    framed = chunk if version == "1.1" else bytes
    expected = [framed(part) for part in (house.outlet.wire.opening(), *shown)]
    assert channel.body == b"".join(expected)


def test_request_is_free_at_once() -> None:
    """A transport that pauses nobody leaves the outlet free behind the opening."""
    house = House(Form.PLAIN)
    Channel(house)
    assert not house.outlet.busy


def test_request_has_no_direct_send() -> None:
    """What has a buffer of its own in between is sent through it."""
    house = House(Form.PLAIN)
    Channel(house)
    assert house.outlet.direct_send() is None


def test_pauses_may_come_often() -> None:
    """However often it is paused, one resume makes it ready, once."""
    house = House(Form.PLAIN)
    channel = Channel(house)
    for _ in range(3):
        channel.pause()
    assert house.outlet.busy
    channel.resume()
    assert not house.outlet.busy
    assert house.readies == 1


def test_resume_without_a_pause_is_nothing() -> None:
    """What was not busy does not get ready."""
    house = House(Form.PLAIN)
    Channel(house).resume()
    assert house.readies == 0


def test_request_newest_wins() -> None:
    """While paused only the newest frame waits; it goes when all has left."""
    show = Show(Form.PLAIN, FakeReactor())
    channel = Channel(show)
    shown = [frame(number) for number in range(1, 10)]
    show.viewer.offer(shown[0], 0)
    channel.pause()
    for one in shown[1:]:
        show.viewer.offer(one, 0)
    channel.resume()
    wire = show.outlet.wire
    parts = (wire.opening(), shown[0].block(wire), shown[-1].block(wire))
    assert channel.body == b"".join(map(chunk, parts))
    assert show.viewer.sent.skipped == 7


def test_request_progress_is_each_drain() -> None:
    """Without a socket to ask, having sent all is what counts as progress."""
    house = House(Form.PLAIN)
    channel = Channel(house)
    before = house.outlet.progress()
    channel.pause()
    assert house.outlet.progress() == before
    channel.resume()
    assert house.outlet.progress() > before


def test_request_abort() -> None:
    """The transport is cut, not closed in order."""
    house = House(Form.PLAIN)
    channel = Channel(house)
    house.outlet.abort()
    assert channel.transport.disconnected


def test_request_departure() -> None:
    """A client that goes while paused is told to the request; later calls are mute."""
    house = House(Form.PLAIN)
    channel = Channel(house)
    channel.pause()
    channel.protocol.connectionLost(Failure(ConnectionDone()))
    house.outlet.stopProducing()
    house.outlet.send(b"late")
    assert b"late" not in channel.body
    assert house.gone[0].check(ConnectionDone)


# Through Request.write, with a real socket beneath


@both_kinds
def test_wrapped_socket_is_not_taken_over(dial: Dial, kind: str) -> None:
    """With a protocol in between the bytes go through it, and arrive all the same."""
    house = House(Form.PLAIN)
    line = dial(house, kind, wrap=WrappingFactory)
    line.flow()
    assert isinstance(house.outlet, RequestOutlet)
    block = frame().block(house.outlet.wire)
    house.outlet.send(block)
    line.flow()
    line.expect(OPENING + chunk(block))


@both_kinds
def test_wrapped_socket_has_one_block_under_way(dial: Dial, kind: str) -> None:
    """Every block as large as a picture makes it busy until it has left."""
    house = House(Form.PLAIN)
    line = dial(house, kind, wrap=WrappingFactory)
    line.flow()
    assert not house.outlet.busy
    house.outlet.send(frame(size=BACKLOG).block(house.outlet.wire))
    assert house.outlet.busy
    line.flow()
    assert not house.outlet.busy
    assert house.readies == 1


@both_kinds
def test_wrapped_client_may_send_something(dial: Dial, kind: str) -> None:
    """Bytes from a client that watches, be it one, do not end its stream."""
    house = House(Form.PLAIN)
    line = dial(house, kind, wrap=WrappingFactory)
    line.flow()
    for sent in (b"\n", b"GET /", bytes(5000)):
        line.client.sendall(sent)
        soon(lambda: bool(select.select([line.server], [], [], 0)[0]))
        while select.select([line.server], [], [], 0)[0]:
            line.reactor.spin()
    assert house.gone == []
    block = frame().block(house.outlet.wire)
    house.outlet.send(block)
    line.flow()
    line.expect(OPENING + chunk(block))


def test_wrapped_socket_is_tuned(dial: Dial) -> None:
    """The bound is set on the socket beneath, and its progress is watched."""
    house = House(Form.PLAIN)
    line = dial(house, room=SMALL, wrap=WrappingFactory)
    level, option = socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT
    assert line.server.getsockopt(level, option) == LOWAT
    line.flow()
    before = house.outlet.progress()
    house.outlet.send(frame(size=LARGE).block(house.outlet.wire))
    line.flow()
    soon(lambda: house.outlet.progress() > before + LARGE // 2)


def test_wrapped_viewer_newest_wins(dial: Dial, reactor: HandReactor) -> None:
    """The same holds there: the frame under way, whole, and then the newest."""
    show = Show(Form.PLAIN, reactor)
    line = dial(show, room=SMALL, wrap=WrappingFactory)
    line.flow()
    shown = [frame(number, size=LARGE) for number in range(1, 10)]
    for one in shown:
        show.viewer.offer(one, 0)
        reactor.spin()
    line.flow()
    wire = show.outlet.wire
    parts = (wire.opening(), shown[0].block(wire), shown[-1].block(wire))
    line.expect(b"".join(map(chunk, parts)))


@both_kinds
def test_departed_viewer_leaves_no_circle(
    dial: Dial, reactor: HandReactor, kind: str
) -> None:
    """A viewer that is gone is freed at once, without Python's collector."""
    show = Show(Form.PLAIN, reactor)
    line = dial(show, kind, SMALL, wrap=WrappingFactory)
    line.flow()
    with uncollected() as alive:
        for number in (1, 2):
            one = tracked(number, LARGE)
            alive.add(one)
            show.viewer.offer(one, 0)
            reactor.spin()
            del one
        line.client.close()
        soon(lambda: _lost(line, show))
        line.server.offered.clear()
        show.forget()
        assert len(alive) == 0


def _lost(line: Line, show: Show) -> bool:
    line.reactor.spin()
    return bool(show.gone)


def secured(reactor: HandReactor) -> Layer:
    """A TLS layer with a certificate of its own making."""
    pytest.importorskip("OpenSSL")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from twisted.internet.ssl import PrivateCertificate
    from twisted.protocols.tls import TLSMemoryBIOFactory

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camd")])
    begin = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    options = PrivateCertificate.loadPEM(pem).options()
    return lambda site: TLSMemoryBIOFactory(options, False, site, reactor)


class SecureClient:
    """A client's side of TLS over a line, with no certificates checked."""

    def __init__(self, line: Line) -> None:
        self.line = line
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out)
        self.received = b""

    def turn(self, read: bool = True) -> None:
        """Let both sides go on; ``read`` is whether the client takes anything."""
        self.line.reactor.spin()
        if read:
            self._in.write(arrived(self.line.client))
            with suppress(ssl.SSLWantReadError):
                self.received += self.tls.read(1 << 24)
        self.line.client.sendall(self._out.read())

    def ask(self) -> None:
        """Shake hands and send the request."""
        soon(self._shaken)
        self.tls.write(b"GET / HTTP/1.1\r\nHost: camd\r\n\r\n")
        self.turn()

    def _shaken(self) -> bool:
        self.line.reactor.spin()
        self._in.write(arrived(self.line.client))
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False
        finally:
            self.line.client.sendall(self._out.read())

    def expect(self, body: bytes) -> None:
        """Read until there is as much, and compare."""

        def all_there() -> bool:
            self.turn()
            return len(self._body()) >= len(body)

        soon(all_there)
        assert self._body() == body

    def free(self, show: Show) -> bool:
        """Go on; tell whether the server has nothing under way any more."""
        self.turn()
        return not show.outlet.busy

    def _body(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[2]


# Twisted hands pyOpenSSL that one's own objects, which it would rather not have.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:OpenSSL")
def test_tls(dial: Dial, reactor: HandReactor) -> None:
    """Over TLS a viewer gets whole frames, the newest, and the kernel is bounded."""
    show = Show(Form.PLAIN, reactor)
    line = dial(show, room=SMALL, wrap=secured(reactor), ask=False)
    client = SecureClient(line)
    client.ask()
    client.expect(OPENING)
    assert isinstance(show.outlet, RequestOutlet)
    level, option = socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT
    assert line.server.getsockopt(level, option) == LOWAT
    soon(lambda: client.free(show))
    shown = [frame(number, size=LARGE) for number in range(1, 10)]
    for one in shown:
        show.viewer.offer(one, 0)
        client.turn(read=False)
    wire = show.outlet.wire
    parts = (wire.opening(), shown[0].block(wire), shown[-1].block(wire))
    client.expect(b"".join(map(chunk, parts)))
    assert show.viewer.sent.skipped == 7


@pytest.mark.filterwarnings("ignore::DeprecationWarning:OpenSSL")
def test_a_byte_over_tls(dial: Dial, reactor: HandReactor) -> None:
    """A client that sends one byte over TLS goes on seeing frames."""
    show = Show(Form.PLAIN, reactor)
    client = SecureClient(dial(show, wrap=secured(reactor), ask=False))
    client.ask()
    client.expect(OPENING)
    client.tls.write(b"\n")
    client.turn()
    for _ in range(5):
        client.turn()
    assert show.gone == []
    one = frame()
    show.viewer.offer(one, 0)
    client.expect(OPENING + chunk(one.block(show.outlet.wire)))
