"""Requests to a camera keep to their limits, and end at once."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import defer
from twisted.internet.error import (
    ConnectionLost,
    ConnectionRefusedError,
    NoRouteError,
    TimeoutError,
    getConnectError,
)
from twisted.python.failure import Failure

from camd import __version__
from camd.sources.http.client import ADDRESSES, ANSWER, Answer, Client
from camd.sources.http.connection import CONNECT, HEAD
from camd.sources.http.errors import why_no_answer, why_not
from camd.sources.http.tls import trust
from camd.sources.http.url import Url
from tests.fakes_http import Web, answer, picture_answer, stream_answer

CAM = Url.parse("http://cam:8080/video?a=b")


class Rig:
    """A client on a fake web, and what came of its last request."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.web = Web(*answers)
        self.client = Client(self.web, trust(verify=True))

    def get(
        self, url: Url = CAM, *addresses: str, proof: bytes | None = None
    ) -> list[Any]:
        """Ask; the list gets an answer or a failure when there is one."""
        results: list[Any] = []
        got = self.client.get(url, addresses or ("192.0.2.1",), proof)
        got.addBoth(results.append)
        self.web.advance(0)
        return results

    def trouble(self, results: list[Any]) -> str:
        """Why there is no answer, as people are told."""
        (failure,) = results
        assert isinstance(failure, Failure)
        return why_no_answer(failure.value, CAM)


def test_the_request() -> None:
    """Path, host and who asks stand in it, and a proof only when there is one."""
    rig = Rig(stream_answer())
    rig.get()
    (request,) = rig.web.requests
    lines = request.split("\r\n")
    assert lines[0] == "GET /video?a=b HTTP/1.1"
    assert "Host: cam:8080" in lines
    assert f"User-Agent: camd/{__version__}" in lines
    assert "Authorization" not in request
    rig.get(proof=b"Basic abc")
    assert "Authorization: Basic abc\r\n" in rig.web.requests[-1]


def test_the_answer() -> None:
    """What its headers say is told, the lack of them too."""
    rig = Rig(stream_answer(), answer())
    (full,), (bare,) = rig.get(), rig.get()
    assert isinstance(full, Answer)
    assert (full.code, full.kind) == (200, b"multipart/x-mixed-replace; boundary=b")
    assert (bare.kind, bare.location, bare.login) == (b"", "", [])


def test_what_is_not_200_is_hung_up_on() -> None:
    """Its headers are all that is read."""
    headers = [
        "Location: /x",
        'WWW-Authenticate: Basic realm="a"',
        "www-authenticate: D",
    ]
    rig = Rig(answer(*headers, code=302))
    (result,) = rig.get()
    assert (result.code, result.location) == (302, "/x")
    assert result.login == ['Basic realm="a"', "D"]
    assert rig.web.wire.cut
    assert rig.web.getDelayedCalls() == []


def test_addresses_in_turn() -> None:
    """The first address that answers is taken, of either kind."""
    rig = Rig(stream_answer())
    rig.web.refuses = {"::1": ConnectionRefusedError(), "192.0.2.1": TimeoutError()}
    assert rig.get(CAM, "::1", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert rig.web.hosts == ["::1 8080", "192.0.2.1 8080", "192.0.2.2 8080"]


def test_not_too_many_addresses() -> None:
    """Of a name with hundreds of addresses only the first few are tried."""
    rig = Rig()
    hosts = [f"192.0.2.{n}" for n in range(100)]
    rig.web.refuses = {host: ConnectionRefusedError() for host in hosts}
    results = rig.get(CAM, *hosts)
    assert len(rig.web.hosts) == ADDRESSES
    assert rig.trouble(results) == "nothing listens on cam port 8080"


def test_the_time_to_connect() -> None:
    """Each address is given a few seconds."""
    rig = Rig(stream_answer())
    rig.get()
    assert rig.web.tcpClients[0][3] == CONNECT == 5


def test_no_answer_in_time() -> None:
    """A camera that takes a request and says nothing is hung up on."""
    rig = Rig(b"")
    results = rig.get()
    rig.web.advance(ANSWER - 0.1)
    assert not results
    rig.web.advance(0.1)
    assert rig.trouble(results) == "cam port 8080 gives no answer within 10 s"
    assert rig.web.wire.cut


def test_half_an_answer() -> None:
    """Headers that trickle in do not make the wait longer."""
    rig = Rig(b"HTTP/1.1 200 OK\r\nX-A: b\r\n")
    results = rig.get()
    for _ in range(int(ANSWER)):
        rig.web.advance(1)
        rig.web.wire.send(b"X-A: b\r\n")
    assert rig.trouble(results) == "cam port 8080 gives no answer within 10 s"


def test_headers_without_end() -> None:
    """Headers that do not end are hung up on long before they fill the memory."""
    rig = Rig(b"HTTP/1.1 200 OK\r\n")
    results = rig.get()
    line = b"X-Filler: " + b"x" * 1012 + b"\r\n"
    sent = 0
    while not rig.web.wire.cut:
        rig.web.wire.send(line)
        sent += len(line)
        assert sent <= HEAD + len(line)
    rig.web.advance(0)
    assert rig.trouble(results) == "cam port 8080 hangs up without an answer"


def test_a_body_is_not_taken_for_headers() -> None:
    """The limit on headers ends where they end, and begins anew with each request."""
    rig = Rig(picture_answer(b"x" * HEAD))
    for _ in range(2):
        (result,) = rig.get()
        assert result.code == 200
        assert not rig.web.wire.cut


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "does not answer in HTTP (ParseError)"),
        (ConnectionLost(), "hangs up without an answer"),
    ],
)
def test_no_http(said: bytes | Exception, trouble: str) -> None:
    """What is no camera is told apart."""
    assert Rig().trouble(Rig(said).get()) == f"cam port 8080 {trouble}"


def test_hanging_up_ends_all() -> None:
    """A connection that is open and a request that is under way end at once."""
    rig = Rig(stream_answer(), b"")
    rig.get()
    results = rig.get()
    rig.client.hang_up()
    assert [wire.cut for wire in rig.web.wires] == [True, True]
    rig.web.advance(0)
    assert results[0].check(Exception)
    assert rig.web.getDelayedCalls() == []


def test_hanging_up_while_connecting() -> None:
    """A connection that was not made yet is not made any more."""
    rig = Rig()
    rig.web.refuses = {"192.0.2.1": None}
    results = rig.get()
    rig.client.hang_up()
    assert rig.web.connectors[0].stoppedConnecting
    assert rig.trouble(results) == "cam port 8080 gives no answer within 10 s"
    assert rig.web.getDelayedCalls() == []


def test_hanging_up_twice() -> None:
    """A second time does nothing."""
    rig = Rig(stream_answer())
    rig.get()
    rig.client.hang_up()
    rig.client.hang_up()
    rig.web.advance(0)
    assert rig.web.wire.cut


UNTRUSTED = "its certificate is not trusted; where the camera signed it itself, set "


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (NoRouteError(), "cam port 8080 cannot be reached: norouteerror"),
        (
            getConnectError((errno.ENETUNREACH, "Network is unreachable")),
            "cam port 8080 cannot be reached: network is unreachable",
        ),
        (
            getConnectError((errno.ECONNRESET, "Connection reset by peer")),
            "cam port 8080 cannot be reached: connection reset by peer",
        ),
        (
            getConnectError(OSError(errno.EHOSTUNREACH, "No route to host")),
            "cam port 8080 cannot be reached: no route to host",
        ),
        (
            getConnectError(OSError("no such thing")),
            "cam port 8080 cannot be reached: no such thing",
        ),
        (TimeoutError(), "cam port 8080 does not answer within 5 s"),
        (defer.TimeoutError(), "cam port 8080 gives no answer within 10 s"),
        (VerificationError([]), UNTRUSTED + "camera_verify_tls: false"),
        (
            SSL.Error([("SSL routines", "", "certificate verify failed")]),
            UNTRUSTED + "camera_verify_tls: false",
        ),
        (
            SSL.Error([("SSL routines", "", "wrong version number")]),
            "no TLS connection: wrong version number",
        ),
        (SSL.Error(), "no TLS connection: no reason given"),
        (ValueError("hunter2"), "cam port 8080 does not answer in HTTP (ValueError)"),
    ],
)
def test_troubles_in_words(trouble: Exception, words: str) -> None:
    """Each kind of trouble is one line, which says what to do where camd knows."""
    assert why_no_answer(trouble, CAM) == words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "it refuses this user and password"),
        (404, "it has nothing there (404 Not Found); is the path right?"),
        (503, "it answers 503 Service Unavailable"),
        (799, "it answers 799"),
    ],
)
def test_answers_in_words(code: int, words: str) -> None:
    """An answer other than 200 is told by its number, never by the camera's words."""
    assert why_not(code) == words
