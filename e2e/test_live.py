"""The live channel of a real daemon: who is rude there disturbs nobody beside."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.client import Watcher, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon, ports_of
from e2e.live import live
from e2e.proxies import PROXY_PROTOCOL
from e2e.through import through
from e2e.waiting import until

PATTERN = {"source": "pattern"}

TIMEOUT = 3
"""Seconds without an acknowledgement until a client is cut off."""

CLIENT = "127.0.0.2"


@contextmanager
def nobody_notices(daemon: Daemon) -> Iterator[None]:
    """Have a stream run meanwhile, which must not lose a frame."""
    watcher: Watcher
    with watching(daemon) as (watcher,):
        before = len(watcher.frames())
        yield
        until(lambda: len(watcher.frames()) > before + 15, "fifteen frames")
        numbers = [seen.number for seen in watcher.frames()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert watcher.trouble is None


def text(content: object) -> bytes:
    """Return a client's message; its mask is all zero."""
    data = json.dumps(content).encode()
    assert len(data) < 126
    return bytes((0x81, 0x80 | len(data), 0, 0, 0, 0)) + data


def control(opcode: int) -> bytes:
    """Return a control frame of a client."""
    return bytes((0x80 | opcode, 0x84, 0, 0, 0, 0)) + b"rude"


FLOODS = {
    "watches": text({"watch": {"robot": {}}}) + text({"watch": {}}),
    "pings": control(9),
    "pongs": control(10),
    "acknowledgements of what was never sent": text({"ack": [[1, 4_000_000_000]]}),
    "empty fragments": bytes((0x01, 0x80, 0, 0, 0, 0)),
    "no masks": b"\x81\x02{}",
    "huge frames": struct.pack("!BBQ", 0x81, 0xFF, 2**62) + bytes(4 + 5000),
}
"""What is sent a thousand times."""


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood(start: Start, name: str) -> None:
    """It is told that this is too much, and cut off; the viewers beside see all."""
    daemon = start({"robot": PATTERN})
    with nobody_notices(daemon), live(daemon, "/api/live") as rude:
        for _ in range(1000):
            rude.send(FLOODS[name])
        rude.read_until(lambda: False, "it is closed")
        assert rude.closed is not None
        assert rude.closed[0] in (1002, 1006, 1007, 1008, 1009)
    until(lambda: len(stats(daemon)["clients"]) == 0, "nobody is left")


def test_a_client_that_never_acknowledges(start: Start) -> None:
    """It has a picture now and then and is cut off; the viewers beside see all."""
    daemon = start({"robot": {**PATTERN, "stream_timeout": TIMEOUT}})
    with nobody_notices(daemon), live(daemon, acks=False) as rude:
        rude.read_until(lambda: False, "it is cut off")
        assert rude.closed == (1006, "")
        assert 0 < len(rude.frames) <= TIMEOUT + 2
    told = ": stalled. Total active clients: "
    until(lambda: told in daemon.log, "the log says why")


def test_pages_of_other_sites(start: Start) -> None:
    """A browser lets them connect, cookie and all, so camd does not."""
    daemon = start({"robot": PATTERN}, cors_origins=["https://friend.example"])
    for origin, status in {
        "https://evil.example": 403,
        "null": 403,
        "https://friend.example": None,
        "http://localhost": None,
    }.items():
        with live(daemon, headers={"X-API-Key": daemon.key, "Origin": origin}) as peer:
            assert peer.refused == status


def test_behind_proxy_protocol(start: Start, tmp_path: Path) -> None:
    """The client is known by its own address, and each of its pictures comes."""
    here = "interface=127.0.0.1"
    listen = [f"tcp:0:{here}", f"haproxy:tcp:0:{here}"]
    daemon = start({"robot": PATTERN}, listen=listen)
    door = replace(daemon, port=ports_of(daemon, 2)[1])
    with (
        through(PROXY_PROTOCOL, door, tmp_path / "haproxy") as way,
        live(way, source=CLIENT) as peer,
    ):
        peer.read_until(lambda: len(peer.frames) >= 30, "thirty pictures")
        assert [client["address"] for client in stats(daemon)["clients"]] == [CLIENT]
        assert peer.closed is None
