"""The ``haproxy:`` endpoint: the PROXY protocol says for whom a proxy has connected."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs

from camd.web.client import Proxies
from tests.fakes_camera import KEY, FakeDaemon, HttpConnection, said

PROXY = IPv4Address("TCP", "10.0.0.1", 4711)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
STREAM = f"GET /api/robot/stream HTTP/1.1\r\nX-API-Key: {KEY}\r\n\r\n".encode()


def second(
    command: int, family: int, addresses: bytes = b"", more: bytes = b""
) -> bytes:
    """A header of version 2, with something behind its addresses."""
    length = len(addresses) + len(more)
    head = struct.pack("!12sBBH", SIGNATURE, 0x20 | command, family, length)
    return head + addresses + more


def of(client: str, family: int, more: bytes = b"") -> bytes:
    """A header of version 2 for this client's TCP connection."""
    source = ip_address(client).packed
    ports = struct.pack("!HH", 50000, 443)
    return second(1, family, source + bytes(len(source)) + ports, more)


def connect(house: FakeDaemon) -> HttpConnection:
    """A connection from the proxy, to where the house listens for proxies."""
    reactor = MemoryReactorClock()
    serverFromString(reactor, "haproxy:tcp:8001").listen(house.site)
    return HttpConnection(reactor.tcpServers[0][1], PROXY)


def viewer(house: FakeDaemon) -> str:
    """The address of the house's only viewer."""
    (found,) = house.camera.viewers
    return found.client_info.address


GOOD = {
    "v1-ipv4": (b"PROXY TCP4 203.0.113.7 192.0.2.1 50000 443\r\n", "203.0.113.7"),
    "v1-ipv6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 50000 443\r\n", "2001:db8::7"),
    "v2-ipv4": (of("203.0.113.7", 0x11), "203.0.113.7"),
    "v2-ipv6": (of("2001:db8::7", 0x21), "2001:db8::7"),
    "v2-further": (of("203.0.113.7", 0x11, b"\x04\0\x01x"), "203.0.113.7"),
    "v2-local": (second(0, 0), "10.0.0.1"),
    "v2-unknown": (second(1, 0), "10.0.0.1"),
}


@pytest.mark.parametrize(("header", "client"), GOOD.values(), ids=GOOD.keys())
def test_the_client_is_named(header, client):
    """Whom the proxy names is the viewer; without a name it is the proxy itself."""
    house = FakeDaemon()
    connect(house).channel.dataReceived(header + STREAM)
    assert viewer(house) == client


def test_a_header_in_pieces():
    """It may come apart from the request, and in two."""
    house, (header, client) = FakeDaemon(), GOOD["v1-ipv4"]
    line = connect(house)
    for piece in (header[:20], header[20:], STREAM):
        line.channel.dataReceived(piece)
    assert viewer(house) == client


def test_the_log_names_the_client():
    """Each request's line in the access log begins with its address."""
    house, (header, client) = FakeDaemon(), GOOD["v2-ipv4"]
    line = connect(house)
    with capturedLogs() as events:
        line.channel.dataReceived(header + b"GET /healthz HTTP/1.1\r\n\r\n")
    assert said(events) == [f'{client} "GET /healthz HTTP/1.1" 200 3 ""']


@pytest.mark.xfail(
    reason="Twisted wants a space behind UNKNOWN: https://github.com/twisted/twisted"
    "/blob/trunk/src/twisted/protocols/haproxy/_v1parser.py"
)
def test_a_client_unknown():
    """The shortest header says nothing of the client (PROXY protocol, 2.1)."""
    house = FakeDaemon()
    connect(house).channel.dataReceived(b"PROXY UNKNOWN\r\n" + STREAM)
    assert viewer(house) == "10.0.0.1"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"PROXY\r\n",
        b"PROXY TCP5 203.0.113.7 192.0.2.1 50000 443\r\n",
        b"PROXY TCP4 203.0.113.7\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x31\x11\0\x0c" + bytes(12),
        second(1, 0x11, bytes(3)),
    ],
)
def test_without_a_header(header):
    """Who does not say for whom, as nobody but a proxy connects here, is let go."""
    house = FakeDaemon()
    line = connect(house)
    line.channel.dataReceived(header + STREAM)
    assert line.transport.disconnecting
    assert line.transport.value() == b""
    assert house.viewer_count.ever == 0


def test_other_words_for_the_client():
    """What a client says of itself in a header is believed of trusted proxies only."""
    forwarded = b"X-Forwarded-For: 6.6.6.6\r\n\r\n"
    for trusted, client in (("10.0.0.1", "203.0.113.7"), ("203.0.113.7", "6.6.6.6")):
        house = FakeDaemon(proxies=Proxies([trusted]))
        request = STREAM.replace(b"\r\n\r\n", b"\r\n" + forwarded)
        connect(house).channel.dataReceived(GOOD["v1-ipv4"][0] + request)
        assert viewer(house) == client


@pytest.mark.parametrize("name", [b"\x1b[31m", b"<script>", b"999.1.1.1"])
def test_an_address_that_is_none(name):
    """It does not get into stats and log."""
    house = FakeDaemon()
    header = b"PROXY TCP4 %b 192.0.2.1 50000 443\r\n" % name
    connect(house).channel.dataReceived(header + STREAM)
    assert viewer(house) == ""
