"""HTTP by hand, on real sockets: requests behind a stream, and other ways to listen."""

from __future__ import annotations

import http.client
import re
import select
import socket
import struct
import subprocess
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from camd.formats.multipart import Parser
from e2e.client import STREAM, only_viewer, stats
from e2e.conftest import check_log
from e2e.daemon import Daemon, ports_of, running
from e2e.video import decode
from e2e.waiting import PATIENCE, until

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: camd\r\n\r\n"

CLIENT = "203.0.113.7"
"""Whom a proxy connects for (RFC 5737)."""

HEADERS = {
    "v1": f"PROXY TCP4 {CLIENT} 192.0.2.1 50000 443\r\n".encode(),
    "v2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    + socket.inet_aton(CLIENT)
    + socket.inet_aton("192.0.2.1")
    + struct.pack("!HH", 50000, 443),
}
"""What a proxy sends ahead of all else, in both versions of the PROXY protocol."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that listens in every way that needs no certificate."""
    folder = tmp_path_factory.mktemp("http")
    loopback = "tcp:0:interface=127.0.0.1"
    # What is waited for comes last.
    listen = [loopback, f"haproxy:{loopback}", f"unix:{folder / 'socket'}:mode=600"]
    with running(folder, {"robot": {"source": "pattern"}}, listen=listen) as daemon:
        yield daemon
    check_log(daemon)


def request(daemon: Daemon, path: str = STREAM) -> bytes:
    """A request with the key."""
    return f"GET {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {daemon.key}\r\n\r\n".encode()


def connect(port: int) -> socket.socket:
    """Connect to a port of 127.0.0.1."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def pictures(connection: socket.socket) -> Generator[bytes, None, None]:
    """Read the answer, which must be a stream and nothing else, JPEG by JPEG.

    The connection is not quite closed before this is.
    """
    with closing(http.client.HTTPResponse(connection)) as answer:
        answer.begin()
        assert answer.status == 200
        parser = Parser.from_content_type(answer.headers["Content-Type"].encode())
        while data := answer.read1(65536):
            for part in parser.receive(data):
                yield part.body


def watch(stream: Iterator[bytes], count: int) -> None:
    """See that the next so many parts are whole pictures."""
    for _ in range(count):
        decode(next(stream))


def memory(daemon: Daemon) -> int:
    """Return the bytes of memory that it takes up."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def push(connection: socket.socket, data: bytes) -> int:
    """Send this again and again, for as long as the kernel takes it."""
    sent = 0
    while sent < 64 << 20 and select.select([], [connection], [], 0.2)[1]:
        sent += connection.send(data)
    return sent


def test_megabytes_behind_a_stream(daemon: Daemon) -> None:
    """Requests behind a stream are not answered, nor kept, and take nothing from it."""
    connection = connect(daemon.port)
    connection.sendall(request(daemon) + HEALTH)
    with connection, closing(pictures(connection)) as stream:
        watch(stream, 5)
        before = memory(daemon)
        # In the end both kernels are full, as the daemon reads nothing of it.
        until(lambda: not push(connection, HEALTH * 1000), "no more is taken")
        watch(stream, 10)
        assert memory(daemon) - before < 8 << 20
    until(lambda: not stats(daemon)["clients"], "its departure is seen")


def proxy_port(daemon: Daemon) -> int:
    """Return the port that only proxies are to connect to."""
    return ports_of(daemon, 2)[1]


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_proxy_protocol(daemon: Daemon, header: bytes) -> None:
    """The stats and the log name the client that a proxy has connected for."""
    with closing(connect(proxy_port(daemon))) as connection:
        connection.sendall(header + request(daemon))
        watch(pictures(connection), 3)
        viewer = only_viewer(daemon)
        assert viewer["address"] == CLIENT
    until(lambda: not stats(daemon)["clients"], "it is gone")
    assert f"Client {viewer['number']} connected to robot from {CLIENT}" in daemon.log


def test_a_byte_behind_the_proxy_protocol(daemon: Daemon) -> None:
    """A client that sends something more goes on seeing pictures."""
    with closing(connect(proxy_port(daemon))) as connection:
        connection.sendall(HEADERS["v1"] + request(daemon))
        with closing(pictures(connection)) as stream:
            watch(stream, 2)
            connection.sendall(b"\n")
            watch(stream, 10)


def test_no_proxy_protocol(daemon: Daemon) -> None:
    """Who does not speak it is let go without a word."""
    with closing(connect(proxy_port(daemon))) as connection:
        connection.sendall(request(daemon))
        assert connection.recv(1) == b""


def test_a_unix_socket(daemon: Daemon) -> None:
    """It gives a stream as any other, and curl a snapshot."""
    path = daemon.log_path.parent / "socket"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        connection.sendall(request(daemon))
        watch(pictures(connection), 3)
    command = ("curl", "-sSf", "--unix-socket", path, "-H", f"X-API-Key: {daemon.key}")
    done = subprocess.run(
        [*command, "http://camd/snapshot"], capture_output=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, b"")
    decode(done.stdout)
