"""Bodies of requests: how long, of whom, and where they go."""

from __future__ import annotations

import tempfile

import pytest
from twisted.web.http import Request

from camd.rights import EVERY_RIGHT
from camd.web.answers import Answer, text_answer
from camd.web.channel import LINGER, REQUEST_TIME
from camd.web.request import LONGEST_BODY, CamdRequest, Receive
from tests.fakes_camera import KEY, FakeDaemon, HttpConnection

CHUNKED = "Transfer-Encoding: chunked\r\n"


def post(
    daemon: FakeDaemon, path: str, *headers: str, key: str | None = KEY
) -> HttpConnection:
    """Send the head of a POST."""
    line = daemon.connect()
    proof = f"X-API-Key: {key}\r\n" if key else ""
    feed(line, f"POST {path} HTTP/1.1\r\n{proof}{''.join(headers)}\r\n")
    return line


def feed(line: HttpConnection, data: str | bytes) -> None:
    """Send these bytes."""
    line.channel.dataReceived(data.encode() if isinstance(data, str) else data)


def chunk(size: int) -> str:
    """A chunk of this many bytes."""
    return f"{size:x}\r\n{'x' * size}\r\n"


@pytest.fixture(autouse=True)
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every temporary file an error."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)


def test_a_body_too_large() -> None:
    """A body that is announced too long is not even waited for."""
    line = post(FakeDaemon(), "/", f"Content-Length: {LONGEST_BODY + 1}\r\n")
    assert (line.status, line.raw) == (413, b"too long\n")
    assert line.transport.disconnecting


def test_a_body_too_large_that_is_asked_for() -> None:
    """Who waits for leave to send it is refused at once, and hears nothing else."""
    length = f"Content-Length: {LONGEST_BODY + 1}\r\n"
    line = post(FakeDaemon(), "/", length, "Expect: 100-continue\r\n")
    assert line.transport.value().count(b"HTTP/1.1") == 1
    assert line.status == 413


def test_a_chunked_body_too_large() -> None:
    """One that is not announced is cut off when it is too long."""
    line = post(FakeDaemon(), "/", CHUNKED)
    for _ in range(2):
        assert not line.transport.disconnecting
        feed(line, chunk(LONGEST_BODY // 2 + 1))
    assert line.status == 413
    assert line.transport.disconnecting
    before = line.transport.value()
    feed(line, chunk(LONGEST_BODY) + "0\r\n\r\n")
    assert line.transport.value() == before


def test_a_large_body_without_a_key() -> None:
    """Its sender hears at once what is missing, and has a while to read that."""
    daemon = FakeDaemon()
    length = f"Content-Length: {LONGEST_BODY + 1}\r\n"
    line = post(daemon, "/", length, key=None)
    assert (line.status, line.json) == (401, {"error": "a key is needed"})
    assert line.headers["www-authenticate"].startswith("Basic")
    feed(line, "x" * 1000)
    line.channel.check_progress(LINGER - 1)
    assert not line.transport.disconnecting
    line.channel.check_progress(LINGER)
    assert line.transport.disconnecting


def test_a_chunked_body_without_a_key() -> None:
    """No more of it is read than of a short one."""
    line = post(FakeDaemon(), "/", CHUNKED, key=None)
    feed(line, chunk(LONGEST_BODY))
    assert line.transport.value() == b""
    feed(line, chunk(1))
    assert line.status == 401


def test_leave_to_send_needs_a_key() -> None:
    """Who asks first is turned away, and sends nothing."""
    line = post(FakeDaemon(), "/", CHUNKED, "Expect: 100-continue\r\n", key=None)
    assert line.transport.value().count(b"HTTP/1.1") == 1
    assert line.status == 401


def test_a_chunked_body() -> None:
    """It needs no file, and is read by what it is for."""
    line = post(FakeDaemon(), "/api/sign", CHUNKED)
    body = '{"path": "robot/stream", "for": "1h"}'
    feed(line, f"{len(body):x}\r\n{body}\r\n0\r\n\r\n")
    assert (line.status, line.json["for"]) == (200, 3600)


def test_a_body_without_a_key() -> None:
    """It is dropped as it comes; the answer is the same as to any other request."""
    daemon = FakeDaemon()
    line = post(daemon, "/api/sign", "Content-Length: 1000\r\n", key=None)
    feed(line, "x" * 999)
    assert line.channel.requests[-1].content.getvalue() == b""
    feed(line, "x")
    assert (line.status, line.json) == (401, {"error": "a key is needed"})


def test_a_wrong_key_with_a_body_counts_once() -> None:
    """The door is asked once for a request, be it ahead of the body or behind it."""
    daemon = FakeDaemon()
    for _ in range(9):
        feed(post(daemon, "/", "Content-Length: 1\r\n", key="wrong"), "x")
    assert daemon.ask("/healthz").status == 200
    assert daemon.ask("/", key="wrong").status == 401
    assert daemon.ask("/", key="wrong").status == 429


def test_a_form_in_a_body_is_no_query() -> None:
    """A key in it opens nothing."""
    form = f"api_key={KEY}"
    headers = (
        f"Content-Length: {len(form)}\r\n",
        ("Content-Type: application/x-www-form-urlencoded\r\n"),
    )
    line = post(FakeDaemon(), "/api/sign", *headers, key=None)
    feed(line, form)
    assert line.status == 401


@pytest.mark.parametrize("target", ["*", "camd:80", "x"])
def test_a_body_of_what_is_no_path(target: str) -> None:
    """It is refused ahead of its body."""
    line = post(FakeDaemon(), target, "Content-Length: 10\r\n")
    assert (line.status, line.raw) == (400, b"no such address\n")


# ---- Resources that take bodies


class Sink(Answer):
    """Takes bodies of any length, but no zeros."""

    opened_by = EVERY_RIGHT

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.lost: list[object] = []

    def receiver(self, request: CamdRequest) -> Receive:
        """Take the body of a POST."""
        if request.getHeader(b"Content-Type") != b"image/jpeg":
            raise ValueError("expected image/jpeg")
        request.notifyFinish().addErrback(self.lost.append)
        return self._take

    def _take(self, piece: bytes) -> None:
        if b"\0" in piece:
            raise ValueError("a zero")
        self.pieces.append(piece)

    def render(self, request: Request) -> bytes:
        """Answer when all of it is there."""
        return text_answer(request, f"{sum(map(len, self.pieces))} bytes")


JPEG = "Content-Type: image/jpeg\r\n"


def daemon_with(sink: Sink) -> FakeDaemon:
    """A daemon where bodies are taken at /sink."""
    daemon = FakeDaemon()
    daemon.root.putChild(b"sink", sink)
    return daemon


def test_a_body_in_pieces() -> None:
    """It is handed on as it comes, however long it is, and then answered."""
    sink = Sink()
    line = post(daemon_with(sink), "/sink", JPEG, CHUNKED)
    for _ in range(4):
        feed(line, chunk(LONGEST_BODY))
    assert sum(map(len, sink.pieces)) == 4 * LONGEST_BODY
    assert line.transport.value() == b""
    feed(line, "0\r\n\r\n")
    assert (line.status, line.raw) == (200, f"{4 * LONGEST_BODY} bytes\n".encode())


def test_a_body_in_pieces_needs_a_key() -> None:
    """Without one nothing of it gets there."""
    sink = Sink()
    line = post(daemon_with(sink), "/sink", JPEG, CHUNKED, key=None)
    feed(line, chunk(1000) + "0\r\n\r\n")
    assert (line.status, sink.pieces) == (401, [])


def test_a_body_in_pieces_has_no_end() -> None:
    """Each piece is progress, and silence is the end."""
    sink = Sink()
    daemon = daemon_with(sink)
    line = post(daemon, "/sink", JPEG, CHUNKED)
    for _ in range(10):
        daemon.environment.clock.advance(REQUEST_TIME - 1)
        feed(line, chunk(1))
    assert not line.transport.disconnecting
    daemon.environment.clock.advance(REQUEST_TIME)
    assert line.transport.disconnecting


def test_a_body_that_breaks_off() -> None:
    """Whatever takes it is told."""
    sink = Sink()
    line = post(daemon_with(sink), "/sink", JPEG, CHUNKED)
    feed(line, chunk(1))
    line.lose()
    assert len(sink.lost) == 1


def test_the_next_request_has_a_deadline_again() -> None:
    """What was promised to the body does not hold for what follows it."""
    daemon = daemon_with(Sink())
    line = post(daemon, "/sink", JPEG, CHUNKED)
    feed(line, chunk(1) + "0\r\n\r\n")
    assert line.status == 200
    for _ in range(3):
        feed(line, "G")
        daemon.environment.clock.advance(REQUEST_TIME / 3)
    assert line.transport.disconnecting


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        (CHUNKED, "", b"expected image/jpeg\n"),
        (JPEG + CHUNKED, "1\r\n\0\r\n", b"a zero\n"),
    ],
)
def test_a_body_that_is_not_wanted(headers: str, body: str, words: bytes) -> None:
    """It is refused as soon as that is known."""
    line = post(daemon_with(Sink()), "/sink", headers)
    feed(line, body)
    assert (line.status, line.raw) == (400, words)
    assert line.transport.disconnecting
