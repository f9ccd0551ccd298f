"""The head of an answer is read as browsers and FFmpeg read it."""

from __future__ import annotations

import os
import socket
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection as TcpConnection
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure

from camd.sources.http.body import Body
from camd.sources.http.connection import (
    HEAD,
    Connection,
    tolerant_head,
)
from camd.sources.low_water import MOST
from tests.fakes import FakeReactor, tcp_pair
from tests.fakes_http import answer
from tests.sources.http.test_body import FakeConsumer


def head(*lines: str) -> bytes:
    """A head without its empty line."""
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (["Content-Type: image/jpeg"], ["Content-Type: image/jpeg"]),
        # A GoAhead camera's date, without its name.
        (["Tue, 12 Jun 2012 01:56:34 GMT", "A: b"], ["A: b"]),
        (["no colon", "A : b"], ["A: b"]),
        (["Content-Length: 12"], ["Content-Length: 12"]),
        (["Content-Length: 12", "content-length: 12"], ["Content-Length: 12"]),
        (["Content-Length: -1"], []),
        (["Content-Length: 12", "Content-Length: 13"], []),
        (["Content-Length: 1e3"], []),
        (["Transfer-Encoding: identity"], []),
        (
            ["Transfer-Encoding: Chunked", "Content-Length: 12"],
            ["Transfer-Encoding: chunked"],
        ),
    ],
)
def test_headers(lines: list[str], kept: list[str]) -> None:
    """What is no header, or no length, is left out."""
    code, told = tolerant_head(head("HTTP/1.1 200 OK", *lines))
    assert code == 200
    assert told == head("HTTP/1.1 200 .", *kept, "", "")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("HTTP/1.1 404 Not Found", "HTTP/1.1 404 ."),
        ("HTTP/1.0 200", "HTTP/1.0 200 ."),
        ("HTTP/1.1  200  OK", "HTTP/1.1 200 ."),
        ("HTTP/2.0 200 OK", "HTTP/1.0 200 ."),
        ("ICY 200 OK", "HTTP/1.0 200 ."),
        ("http 200 ok", "HTTP/1.0 200 ."),
    ],
)
def test_status_lines(line: str, told: str) -> None:
    """What can be understood as a status line is one."""
    assert tolerant_head(head(line))[1] == head(told, "", "")


@pytest.mark.parametrize("line", ["SSH-2.0-OpenSSH_9", "<html>", "220 ftp", ""])
def test_no_answer(line: str) -> None:
    """What is none stays as it is, for the parser to refuse."""
    assert tolerant_head(head(line, "A: b")) == (0, head(line, "A: b"))


def test_the_limit() -> None:
    """The heads of real cameras are far below the limit."""
    assert len(answer("Content-Type: image/jpeg")) < HEAD / 100


class Reads(Protocol):
    """Stands for Twisted's parser: keeps what it is handed."""

    def __init__(self) -> None:
        self.came = b""
        self.ended = False

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Note that there will be no more."""
        self.ended = True

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.came += data


class Link:
    """A connection to a camera that was asked, and the parser behind it."""

    def __init__(self, transport: object = None) -> None:
        self.parser = Reads()
        self.connection = Connection(WrappingFactory(None), self.parser)
        self.connection.makeConnection(transport or StringTransport())
        self.connection.write(b"GET / HTTP/1.1\r\n\r\n")

    def receive(self, data: bytes) -> None:
        """Hand over what has come."""
        self.connection.dataReceived(data)


def test_an_endless_body_goes_past_the_parser() -> None:
    """The parser has the head and what came with it; the rest goes straight on."""
    link, straight = Link(), list[bytes]()

    def receive(data: bytes) -> int:
        straight.append(data)
        return 0

    link.receive(head("HTTP/1.0 200 OK", "Content-Type: image/jpeg", "", "one"))
    assert link.connection.is_endless
    link.connection.divert(receive)
    link.receive(b"two")
    assert link.parser.came.endswith(b"\r\none")
    assert straight == [b"two"]


@pytest.mark.parametrize(
    "length", ["Content-Length: 12", "content-length:12", "Transfer-Encoding: chunked"]
)
def test_a_body_with_an_end_is_not_endless(length: str) -> None:
    """Where it ends only the parser knows."""
    link = Link()
    link.receive(head("HTTP/1.1 200 OK", length, "", ""))
    assert not link.connection.is_endless


def test_a_connection_that_was_cut_is_not_endless() -> None:
    """Nothing of it is wanted any more."""
    link = Link()
    link.receive(head("HTTP/1.0 302 Found", "", ""))
    link.connection.cut()
    assert not link.connection.is_endless


def test_a_connection_that_has_ended_lets_go() -> None:
    """No reference cycle is left of a connection and what it was diverted to."""
    link, body = Link(), Body(b"", FakeConsumer())
    link.connection.divert(body.receive)
    link.connection.connectionLost()
    gone = weakref.ref(body)
    del body
    assert gone() is None


class SocketReactor(FakeReactor):
    """A reactor that reads when the test says so.

    :ivar readers: what is to be read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[IReadDescriptor] = []

    def addReader(self, reader: IReadDescriptor) -> None:
        """Read this."""
        self.readers.append(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        """Read this no more, as a socket's descriptor stands for all of its readers."""
        self.readers = [r for r in self.readers if r.fileno() != reader.fileno()]

    removeWriter = removeReader

    def read(self) -> None:
        """Read once, and tell the reader if that was the end."""
        (reader,) = self.readers
        why: Any = reader.doRead()
        if why is not None:
            self.removeReader(reader)
            reader.connectionLost(Failure(why))


@contextmanager
def diverted(receive: Callable[[bytes], int]) -> Iterator[tuple[Link, socket.socket]]:
    """A connection whose endless body is diverted, and the camera's end of it."""
    with tcp_pair() as (near, far):
        link = Link(TcpConnection(near, Reads(), SocketReactor()))
        transport: Any = link.connection.transport
        transport.protocol, transport.connected = link.connection, True
        transport.startReading()
        link.connection.divert(receive)
        yield link, far


def reactor_of(link: Link) -> SocketReactor:
    """The reactor that reads a connection."""
    transport: Any = link.connection.transport
    reactor: SocketReactor = transport.reactor
    return reactor


def test_a_picture_that_comes_in_many_packets_wakes_once() -> None:
    """The kernel is told how much is missing, up to a bound, and when nothing is."""
    missing = [0]
    with diverted(lambda _: missing[0]) as (link, far):
        (reader,) = reactor_of(link).readers
        near = socket.socket(fileno=os.dup(reader.fileno()))
        with near:
            for missing[0], least in ((30_000, 30_000), (1 << 30, MOST), (0, 1)):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
                far.sendall(b"some")
                reactor_of(link).read()
                assert near.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == least


def test_a_diverted_body_is_read_from_the_socket() -> None:
    """One reader takes what comes, and the transport reads no more."""
    came = list[bytes]()

    def receive(data: bytes) -> int:
        came.append(data)
        return 0

    with diverted(receive) as (link, far):
        far.sendall(b"a picture")
        reactor_of(link).read()
    assert came == [b"a picture"]


def test_the_end_of_a_diverted_body_is_told() -> None:
    """The parser is told that the connection has ended, and nobody reads any more."""
    with diverted(lambda _: 0) as (link, far):
        far.close()
        reactor_of(link).read()
        assert link.parser.ended
        assert reactor_of(link).readers == []


def test_a_diverted_body_that_is_cut_is_not_read() -> None:
    """What a camera still sends is nobody's any more."""
    with diverted(lambda _: 0) as (link, _):
        link.connection.cut()
        assert reactor_of(link).readers == []
