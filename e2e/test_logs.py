"""What a daemon logs while people without a key, or with odd ones, do their worst."""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from e2e.client import STREAM, ask, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.video import Film
from e2e.waiting import PATIENCE, until

PASSWORD = "Pass/Word+of%the cam"
"""The camera's; as typed by somebody who knows nothing of percent encoding."""

TOKEN = "t0ken-0f-the-camera"

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} \[[\w.]+#\w+\] .")
"""How a line of text begins."""

CRAFTED = (
    "\x1b[2J\x1b[31mred",
    "\u202eright",
    'quote" 200 0 "-',
    "tab\tand \x7f and \x85 and \u2028",
    '"}{"level":"critical","message":"forged"}',
    "2026-01-01T00:00:00+0000 [camd#info] forged",
    "\udcff\udcfe",
    "{key} {0} %s {request.args}",
    "x" * 9000,
)
"""What clients call themselves, and ask for."""


def requests(daemon: Daemon) -> Iterator[bytes]:
    """Requests that carry secrets where none belong, and text that breaks things."""
    key = daemon.key
    for text in (key, daemon.basic, *CRAFTED):
        raw = text.encode("utf-8", "surrogateescape").replace(b"\n", b"")
        yield b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % raw.replace(b" ", b"%20")
        yield b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: %s\r\n\r\n" % raw
        yield b"GET / HTTP/1.1\r\nHost: a\r\nReferer: http://a/%s\r\n\r\n" % raw
        yield b"%s / HTTP/1.1\r\nHost: a\r\n\r\n" % raw[:50]
        yield b"GET / HTTP/%s\r\nHost: a\r\n\r\n" % raw
        yield raw + b"\r\n\r\n"
    for line in (
        f"GET /?api_key={key}x HTTP/1.1",
        f"GET /api_key={key}/signature={key} HTTP/1.1",
        f"GET /api/robot/{key}?api_key={key} HTTP/1.1",
        f"GET http://me:{key}@127.0.0.1/ HTTP/1.1",
        f"POST {STREAM}?api_key={key} HTTP/1.1\r\nContent-Length: x",
        f"GET / HTTP/1.1\r\nCookie: camd_session={key}",
        f"GET /metrics HTTP/1.1\r\nAuthorization: Bearer {key}\r\nAccept: \udcff",
        f"GET /metrics HTTP/1.1\r\nX-API-Key: {key}\r\nUser-Agent: {key}",
        f"GET / HTTP/1.1\r\nAuthorization: Basic {daemon.basic}=",
        f"GET / HTTP/1.1\r\nX-Forwarded-For: {key}\r\nForwarded: for={key}",
    ):
        yield line.encode("utf-8", "surrogateescape") + b"\r\nHost: a\r\n\r\n"


def send(daemon: Daemon, request: bytes) -> None:
    """Send this and nothing more, and read what comes until the daemon hangs up."""
    with (
        socket.create_connection(("127.0.0.1", daemon.port), PATIENCE) as connection,
        suppress(ConnectionError),
    ):
        connection.sendall(request)
        # The daemon may have hung up already.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_secret_and_nothing_broken(
    start: Start, film: Film, log_format: str
) -> None:
    """No key, no password, no signature is in the log, and no line of it is forged."""
    source = f"http://viewer:{PASSWORD}@127.0.0.1:1/x?token={TOKEN}"
    cameras = {"robot": {"source": str(film.path)}, "door": {"source": source}}
    daemon = start(cameras, log_format=log_format, log_level="debug")
    with watching(daemon) as (watcher,):
        before = len(watcher.seen)
        for request in requests(daemon):
            send(daemon, request)
        until(lambda: len(watcher.seen) > before, "the stream goes on")
        assert watcher.trouble is None
    until(lambda: "Client 1 disconnected" in daemon.log, "its departure is logged")
    until(lambda: stats(daemon, "door")["state"] == "offline", "the other is offline")
    daemon.stop()
    check(daemon, log_format)


def check(daemon: Daemon, log_format: str) -> None:
    """Look for secrets, and read each line."""
    log = daemon.log
    pieces = base64.b64encode(f"anyone:{daemon.key}".encode()).decode()
    for secret in (daemon.key, pieces, PASSWORD, PASSWORD.replace(" ", "%20"), TOKEN):
        assert secret not in log
    assert "Held back" in log
    lines = log.split("\n")
    assert lines.pop() == ""
    read = read_json if log_format == "json" else read_text
    for line in lines:
        read(line)


def read_text(line: str) -> None:
    """See that it is one line, with nothing in it that moves a terminal."""
    assert TIME.match(line)
    assert line.isprintable()
    assert not line.startswith("2026-01-01")


def read_json(line: str) -> None:
    """See that it is one object, whose texts have nothing in them either."""
    told: dict[str, Any] = json.loads(line)
    assert told["level"] in ("debug", "info", "warn")
    for name, value in told.items():
        assert str(value).isprintable(), name


def test_a_flood_without_a_key(start: Start, film: Film) -> None:
    """It makes one line a second, and one that counts the rest; viewers have theirs."""
    daemon = start({"robot": {"source": str(film.path)}}, log_format="json")
    for _ in range(500):
        assert ask(daemon, "/", headers={}).status == 401
    with watching(daemon, 3):
        pass
    until(lambda: daemon.log.count(" disconnected after ") == 3, "three have left")
    daemon.stop()
    told = [json.loads(line) for line in daemon.log.splitlines()]
    refused = [line for line in told if line["namespace"] == "camd.refused"]
    lines = [line for line in refused if line.get("status") == 401]
    held = sum(line["held"] for line in refused if "held" in line)
    assert len(lines) + held == 500
    seconds = {line["time"][:19] for line in lines}
    # Two may stand in one second of the clock, a second and a bit apart.
    assert len(lines) <= 2 * len(seconds)
    departed = [line for line in told if "reason" in line]
    assert {(line["camera"], line["address"]) for line in departed} == {
        ("robot", "127.0.0.1")
    }
