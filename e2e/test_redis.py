"""Real Redis servers: TLS and a user with a password; a Sentinel and a replica."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import hiredis
import pytest

from camd.formats.jpeg import Size, measure
from e2e.authority import Authority
from e2e.client import STREAM, ask, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.ports import free_port
from e2e.servers import Server
from e2e.waiting import PATIENCE, until

USER = "camd"
PASSWORD = "swordfish-4711"
RIGHTS = (
    "resetkeys ~camd:* resetchannels nocommands +auth +select +ping +time +role +xadd "
    "+xread +pexpire +hset +hget +hmget +hgetall +hdel"
)
"""What docs/scaling.md gives the user."""


class Servers:
    """Redis servers on 127.0.0.1."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack

    def start(self, name: str, port: int, *lines: str) -> Server:
        """Start one with these lines as its settings."""
        folder = self._folder / name
        folder.mkdir()
        path = folder / "redis.conf"
        own = ("bind 127.0.0.1", f"dir {folder}", 'save ""', *lines)
        path.write_text("\n".join((*own, "")))
        words = ["redis-server", str(path)]
        if name == "sentinel":
            words.append("--sentinel")
        server = Server(words, port, folder / "log")
        server.start()
        self._stack.callback(server.kill)
        return server


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Start servers, and end them with the test."""
    with ExitStack() as stack:
        yield Servers(tmp_path, stack)


def state(edge: Daemon) -> str | None:
    """Return the state of the edge's camera; None as long as it has none."""
    reply = ask(edge, "/api/robot/stream/stats")
    return str(stats(edge)["state"]) if reply.status == 200 else None


def test_tls_and_a_user(
    servers: Servers, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures pass a server that speaks TLS alone, and that lets one user in."""
    authority, port = Authority(tmp_path), free_port()
    pair = tmp_path / "server.pem"
    pair.write_bytes(authority.issue())
    servers.start(
        "tls",
        port,
        *("port 0", f"tls-port {port}", "tls-auth-clients no"),
        *(f"tls-cert-file {pair}", f"tls-key-file {pair}"),
        f"tls-ca-cert-file {authority.path}",
        *("user default off", f"user {USER} on >{PASSWORD} {RIGHTS}"),
    )
    address = f"rediss://{USER}:{PASSWORD}@127.0.0.1:{port}/0"
    stranger = start({"robot": {"source": f"{address}/robot"}})
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    origin = start({"robot": {"source": "pattern"}}, publish=address)
    edge = start({}, cameras_from=address)
    wrong = address.replace(PASSWORD, "wrong-4711")
    refused = start({"robot": {"source": f"{wrong}/robot"}})
    until(lambda: state(edge) == "live", "the edge is live")
    with watching(edge) as (watcher,):
        until(lambda: len(watcher.frames()) > 10, "pictures come")
    until(lambda: "certificate trusted" in str(stats(stranger)["last_error"]), "why")
    until(lambda: "refuses: WRONGPASS" in str(stats(refused)["last_error"]), "why")
    for daemon in (stranger, origin, edge, refused):
        assert PASSWORD not in daemon.log
        assert "wrong-4711" not in daemon.log


def test_sentinels(servers: Servers, start: Start) -> None:
    """When the master is killed, origin and edge meet again at its replica."""
    first, second, sentinel = (free_port() for _ in range(3))
    master = servers.start("master", first, f"port {first}")
    servers.start(
        *("replica", second, f"port {second}", f"replicaof 127.0.0.1 {first}"),
        # It need not wait for more replicas that want the data.
        "repl-diskless-sync-delay 0",
    )
    servers.start(
        *("sentinel", sentinel, f"port {sentinel}"),
        f"sentinel monitor fleet 127.0.0.1 {first} 1",
        "sentinel down-after-milliseconds fleet 500",
        "sentinel failover-timeout fleet 2000",
    )
    address = f"redis+sentinel://127.0.0.1:{sentinel}/fleet/0"
    start({"robot": {"source": "pattern"}}, publish=address)
    edge = start({}, cameras_from=address)
    until(lambda: state(edge) == "live", "the edge is live")
    with watching(edge) as (watcher,):
        until(lambda: len(watcher.frames()) > 10, "pictures come")
        master.kill()
        until(lambda: stats(edge)["origin"]["link"] == "offline", "the way is lost")
        until(lambda: stats(edge)["origin"]["link"] == "up", "the replica is found")
        seen = len(watcher.frames())
        until(lambda: len(watcher.frames()) > seen + 10, "pictures come again")
        assert watcher.trouble is None


def read_by_edges(port: int) -> set[bytes]:
    """Return the keys that edges wait for within a second."""
    reader = hiredis.Reader()
    keys: set[bytes] = set()
    with socket.create_connection(("127.0.0.1", port)) as monitor:
        monitor.settimeout(PATIENCE)
        monitor.sendall(b"MONITOR\r\n")
        end = time.monotonic() + 1
        while time.monotonic() < end:
            reader.feed(monitor.recv(65536))
            while (line := reader.gets()) is not False:
                if b'"XREAD" "COUNT"' in line:
                    keys |= set(re.findall(rb'"camd:{robot}:([^"]+)"', line))
    return keys


def test_renditions_are_the_origins(servers: Servers, start: Start) -> None:
    """An edge with small viewers pulls what they see, and one beside it all of it."""
    port = free_port()
    servers.start("plain", port, f"port {port}")
    address = f"redis://127.0.0.1:{port}/0"
    origin = start({"robot": {"source": "pattern"}}, publish=address)
    small, large = (start({}, cameras_from=address) for _ in range(2))
    until(lambda: state(small) == state(large) == "live", "the edges are live")
    until(lambda: read_by_edges(port) == {b"1/4@35"}, "both read the smallest")
    path = f"{STREAM}?width=320"
    with watching(origin, path=path) as (there,), watching(small, path=path) as (here,):
        until(lambda: len(here.frames()) > 30, "pictures come")
        rendition = here.headers["x-rendition"]
        assert rendition == there.headers["x-rendition"] != "full"
        with watching(large) as (full,):
            until(lambda: len(full.frames()) > 10, "full pictures come")
            wanted = {rendition.encode(), b"full"}
            until(lambda: read_by_edges(port) == wanted, "each reads what it shows")
            assert measure(full.frames()[-1].jpeg) == Size(640, 480)
        # What the origin began with may have been made at both ends.
        made = {seen.stamp: seen.jpeg for seen in there.frames()}
        same = [seen for seen in here.frames()[1:] if seen.stamp in made]
        assert len(same) > 20
        assert all(seen.jpeg == made[seen.stamp] for seen in same)
        assert measure(here.frames()[-1].jpeg) == Size(320, 240)
        numbers = [seen.number for seen in here.frames()]
        assert numbers == sorted(numbers)
    assert stats(small)["renditions"][1]["frames_made"] == 0
