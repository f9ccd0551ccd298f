"""A camera is asked within limits; no password goes astray; and all ends at once."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from typing import Any, cast

import pytest
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import (
    ConnectionLost,
    ConnectionRefusedError,
    NoRouteError,
    TimeoutError,
    getConnectError,
)

from camd import __version__
from camd.sources import SourceError
from camd.sources.http.client import ANSWER, REDIRECTS, Answer, Client
from camd.sources.http.connection import HEAD
from camd.sources.http.endpoint import ADDRESSES, CONNECT
from camd.sources.http.errors import why_no_answer, why_not
from camd.sources.http.names import UnknownHost
from camd.sources.http.url import Url
from tests.fakes_http import FakeWeb, answer, picture_answer, stream_answer

ADDRESS = "http://me:secret@cam:8080/video?a=b"
CAM = Url.parse(ADDRESS)
BASIC = 'Basic realm="cam"'
DIGEST = 'Digest realm="cam", nonce="n1", qop="auth"'


class FakeNames:
    """Knows the addresses of every host but one.

    :ivar addresses: they are the same for all.
    """

    def __init__(self) -> None:
        self.addresses: Sequence[str] = ["192.0.2.1"]
        self.hangs: Deferred[Sequence[str]] | None = None

    def find(self, host: str, port: int) -> Deferred[Sequence[str]]:
        """Answer at once, unless it hangs."""
        if host == "nowhere":
            return fail(UnknownHost())
        return self.hangs or succeed(self.addresses)


class NoTls:
    """Speaks plainly with https cameras too."""

    def creatorForNetloc(self, hostname: bytes, port: int) -> None:
        """Return nothing that could make a TLS connection."""


class ClientHarness:
    """A client on a fake web, and what came of its last request."""

    def __init__(self, *answers: bytes | Exception, address: str = ADDRESS) -> None:
        self.web = FakeWeb(*answers)
        self.names = FakeNames()
        self.client = Client(
            Url.parse(address),
            "http://cam/",
            cast(Any, self.names),
            self.web,
            cast(Any, NoTls()),
            new_nonce=lambda: "cnonce",
        )

    def ask(self) -> list[Any]:
        """Ask; the list gets an answer or an exception when there is one."""
        results: list[Any] = []
        self.client.ask().addCallbacks(
            results.append, lambda failure: results.append(failure.value)
        )
        for _ in range(20):  # Each redirect and each login is a turn of its own.
            self.web.advance(0)
        return results

    def trouble(self) -> str:
        """Why there is no answer, as people are told."""
        return why(self.ask())

    @property
    def sent(self) -> list[str]:
        """What was asked for, request by request: the path, and the host."""
        found = (
            re.match(r"GET (\S+) .*\r\nHost: (\S+)\r\n", request, re.DOTALL)
            for request in self.web.requests
        )
        return [f"{match[2]}{match[1]}" for match in found if match]

    @property
    def proofs(self) -> list[str]:
        """What was sent as Authorization, request by request; empty for nothing."""
        return [
            "".join(re.findall("Authorization: (.*)\r\n", request))
            for request in self.web.requests
        ]


def why(results: list[Any]) -> str:
    """Why there is no answer, as people are told."""
    (error,) = results
    assert isinstance(error, SourceError)
    assert str(error).startswith("http://cam/: ")
    return str(error).removeprefix("http://cam/: ")


def login_answer(*asked: str) -> bytes:
    """An answer that asks for a login."""
    return answer(*(f"WWW-Authenticate: {one}" for one in asked), code=401)


def redirect(location: str, code: int = 302) -> bytes:
    """An answer that leads elsewhere."""
    return answer(f"Location: {location}", code=code)


def test_the_request() -> None:
    """Path, host and camd's name stand in it, and no login that nobody asked for."""
    harness = ClientHarness(stream_answer())
    harness.ask()
    (request,) = harness.web.requests
    lines = request.split("\r\n")
    assert lines[0] == "GET /video?a=b HTTP/1.1"
    assert "Host: cam:8080" in lines
    assert f"User-Agent: camd/{__version__}" in lines
    assert "Authorization" not in request


def test_the_answer() -> None:
    """What its headers say is told, the lack of them too."""
    harness = ClientHarness(stream_answer(), answer())
    (full,), (bare,) = harness.ask(), harness.ask()
    assert isinstance(full, Answer)
    assert (full.code, full.kind) == (200, b"multipart/x-mixed-replace; boundary=b")
    assert (bare.kind, bare.location, bare.login) == (b"", "", [])


def test_what_is_not_200_is_hung_up_on() -> None:
    """Its head is all that is read; it is told by its number."""
    harness = ClientHarness(answer(code=503, body=b"x" * 1000))
    assert harness.trouble() == "it answers 503 Service Unavailable"
    assert harness.web.wire.cut
    assert harness.web.getDelayedCalls() == []


def test_addresses_in_turn() -> None:
    """The first address that answers is taken, of either kind."""
    harness = ClientHarness(stream_answer())
    harness.web.refuses = {"::1": ConnectionRefusedError(), "192.0.2.1": TimeoutError()}
    harness.names.addresses = ["::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert harness.ask()
    assert harness.web.hosts == ["::1 8080", "192.0.2.1 8080", "192.0.2.2 8080"]


def test_not_too_many_addresses() -> None:
    """Of a name with hundreds of addresses only the first few are tried."""
    harness = ClientHarness()
    hosts = [f"192.0.2.{n}" for n in range(100)]
    harness.web.refuses = {host: ConnectionRefusedError() for host in hosts}
    harness.names.addresses = hosts
    assert harness.trouble() == "nothing listens on cam port 8080"
    assert len(harness.web.hosts) == ADDRESSES


def test_the_time_to_connect() -> None:
    """Each address is given a few seconds."""
    harness = ClientHarness(stream_answer())
    harness.ask()
    assert harness.web.tcpClients[0][3] == CONNECT == 5


def test_no_answer_in_time() -> None:
    """A camera that takes a request and says nothing is hung up on."""
    harness = ClientHarness(b"")
    results = harness.ask()
    harness.web.advance(ANSWER - 0.1)
    assert not results
    harness.web.advance(0.1)
    assert why(results) == "cam port 8080 gives no answer within 10 s"
    assert harness.web.wire.cut


def test_half_an_answer() -> None:
    """Headers that trickle in do not make the wait longer."""
    harness = ClientHarness(b"HTTP/1.1 200 OK\r\nX-A: b\r\n")
    results = harness.ask()
    for _ in range(int(ANSWER)):
        harness.web.advance(1)
        harness.web.wire.send(b"X-A: b\r\n")
    assert why(results) == "cam port 8080 gives no answer within 10 s"


def test_headers_without_end() -> None:
    """Headers that do not end are hung up on long before they fill the memory."""
    harness = ClientHarness(b"HTTP/1.1 200 OK\r\n")
    results = harness.ask()
    line = b"X-Filler: " + b"x" * 1012 + b"\r\n"
    sent = 0
    while not harness.web.wire.cut:
        harness.web.wire.send(line)
        sent += len(line)
        assert sent <= HEAD + len(line)
    harness.web.advance(0)
    assert why(results) == "cam port 8080 hangs up without an answer"


def test_a_body_is_not_taken_for_headers() -> None:
    """The limit on headers ends where they end, and begins again with each request."""
    harness = ClientHarness(picture_answer(b"x" * HEAD))
    for _ in range(2):
        (result,) = harness.ask()
        assert result.code == 200
        assert not harness.web.wire.cut


@pytest.mark.parametrize(
    ("said", "trouble"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "does not answer in HTTP (ParseError)"),
        (ConnectionLost(), "hangs up without an answer"),
    ],
)
def test_no_http(said: bytes | Exception, trouble: str) -> None:
    """What is no camera is told apart."""
    assert ClientHarness(said).trouble() == f"cam port 8080 {trouble}"


def test_hanging_up_ends_all() -> None:
    """A connection that is open and a request that is under way end at once."""
    harness = ClientHarness(picture_answer(b"x"), b"")
    harness.ask()
    results = harness.ask()
    harness.client.hang_up()
    harness.web.advance(0)
    assert [wire.cut for wire in harness.web.wires] == [True]
    assert isinstance(results[0], Exception)
    assert harness.web.getDelayedCalls() == []


def test_hanging_up_while_a_name_is_looked_up() -> None:
    """A name server that never answers holds nobody up."""
    harness = ClientHarness()
    harness.names.hangs = Deferred()
    results = harness.ask()
    harness.client.hang_up()
    assert isinstance(results[0], CancelledError)
    assert harness.web.getDelayedCalls() == []


def test_a_name_server_that_never_answers() -> None:
    """The reason says that it is the name, and not the camera."""
    harness = ClientHarness()
    harness.names.hangs = Deferred()
    results = harness.ask()
    harness.web.advance(ANSWER)
    assert why(results) == "cam was not looked up within 10 s"


def test_hanging_up_while_connecting() -> None:
    """A connection that was not made yet is not made any more."""
    harness = ClientHarness()
    harness.web.refuses = {"192.0.2.1": None}
    results = harness.ask()
    harness.client.hang_up()
    assert harness.web.connectors[0].stoppedConnecting
    assert len(results) == 1
    assert harness.web.getDelayedCalls() == []


def test_hanging_up_twice() -> None:
    """A second time does nothing."""
    harness = ClientHarness(stream_answer())
    harness.ask()
    harness.client.hang_up()
    harness.client.hang_up()
    harness.web.advance(0)
    assert harness.web.wire.cut


def test_at_once() -> None:
    """An answer 200 is handed out, and nothing was told of the login."""
    harness = ClientHarness(stream_answer())
    assert harness.ask()[0].code == 200
    assert harness.proofs == [""]


def test_basic() -> None:
    """The password is sent when it is asked for, and from then on."""
    harness = ClientHarness(login_answer(BASIC), stream_answer())
    harness.ask()
    harness.ask()
    proof = "Basic bWU6c2VjcmV0"
    assert harness.proofs == ["", proof, proof]


def test_digest_counts_on() -> None:
    """The camera's nonce is used again for the next picture."""
    harness = ClientHarness(login_answer(DIGEST), stream_answer())
    harness.ask()
    harness.ask()
    _, first, second = harness.proofs
    assert "nc=00000001" in first
    assert "nc=00000002" in second


def test_a_nonce_that_ran_out() -> None:
    """With a new nonce all is well again, whether the camera calls it stale or not."""
    harness = ClientHarness(
        *(login_answer(DIGEST), stream_answer()),
        *(login_answer(DIGEST.replace("n1", "n2")), stream_answer()),
    )
    harness.ask()
    harness.ask()
    assert ['nonce="n2"' in proof for proof in harness.proofs] == [
        *(False, False, False, True)
    ]


def test_stale_at_once() -> None:
    """A nonce that is stale when it is used first is replaced once more."""
    stale = login_answer(DIGEST.replace("n1", "n2") + ", stale=true")
    harness = ClientHarness(login_answer(DIGEST), stale, stream_answer())
    assert harness.ask()[0].code == 200


def test_stale_for_ever() -> None:
    """A camera to which every nonce is stale is given up."""
    harness = ClientHarness(login_answer(DIGEST + ", stale=true"))
    assert harness.trouble() == "it refuses this user and password"
    assert len(harness.web.requests) == 3


@pytest.mark.parametrize("asked", [BASIC, DIGEST])
def test_a_wrong_password_is_sent_once(asked: str) -> None:
    """Cameras lock people out that try a wrong password often."""
    harness = ClientHarness(login_answer(asked))
    assert harness.trouble() == "it refuses this user and password"
    assert len(harness.web.requests) == 2


def test_no_password() -> None:
    """Where the address names nobody, that is what is missing."""
    harness = ClientHarness(login_answer(BASIC), address="http://cam/")
    assert harness.trouble() == "it asks for a user and password"


def test_a_login_that_is_not_known() -> None:
    """What camd cannot answer is not answered by telling the password."""
    harness = ClientHarness(login_answer("NTLM"))
    assert harness.trouble() == "it asks for a kind of login that camd does not know"
    assert harness.proofs == [""]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects(code: int) -> None:
    """A redirect is followed."""
    harness = ClientHarness(
        redirect("c", code), stream_answer(), address="http://cam/a/b"
    )
    assert harness.ask()[0].code == 200
    assert harness.sent == ["cam/a/b", "cam/a/c"]


def test_a_redirect_to_nowhere() -> None:
    """A redirect that does not say where to is an answer like others."""
    assert ClientHarness(answer(code=302)).trouble() == "it answers 302 Found"


def test_redirects_without_end() -> None:
    """A loop is left after a few rounds."""
    harness = ClientHarness(redirect("/"), address="http://cam/")
    assert harness.trouble() == f"it redirects more than {REDIRECTS} times"
    assert len(harness.web.requests) == REDIRECTS + 1 == 6


@pytest.mark.parametrize(
    "there", ["http://other/", "http://cam:81/", "https://cam/", "//other/"]
)
def test_the_password_goes_nowhere_else(there: str) -> None:
    """Another host, port or scheme never sees it, even if it asks."""
    harness = ClientHarness(
        *(login_answer(BASIC), redirect(there), login_answer(BASIC)),
    )
    assert "which asks for a user and password; give that address" in harness.trouble()
    assert harness.proofs == ["", "Basic bWU6c2VjcmV0", ""]


def test_the_password_within_the_origin() -> None:
    """A redirect on the same camera is no reason to be asked again."""
    harness = ClientHarness(
        *(login_answer(BASIC), redirect("/live"), stream_answer()),
    )
    harness.ask()
    assert harness.sent[-1] == "cam:8080/live"
    assert harness.proofs[-1] == "Basic bWU6c2VjcmV0"


def test_no_way_down_from_https() -> None:
    """What was meant to be encrypted stays so."""
    harness = ClientHarness(redirect("http://cam/"), address="https://cam/")
    assert harness.trouble() == "it redirects from https to http"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "rtsp://cam/", "http://[x"])
def test_redirects_to_what_is_no_http(location: str) -> None:
    """A camera cannot have camd open something else."""
    harness = ClientHarness(redirect(location), address="http://cam/")
    assert harness.trouble() == "it redirects to something that is not http"


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
    assert why_no_answer(trouble, CAM, 10) == words


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
