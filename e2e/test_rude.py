"""Clients that would stay for ever: each is hung up on, and others find room."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.authority import Authority
from e2e.client import ask
from e2e.conftest import check_log
from e2e.daemon import Daemon, ports_of, running
from e2e.rude import HUNG_UP, STAYED, Rude

SOURCE = "127.0.0.5"
"""Where they come from."""

EACH = 10
"""Clients of each kind: all together more than there may be connections."""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with and without TLS, and with room for few."""
    authority = Authority(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(authority.issue())
    here = "interface=127.0.0.1"
    listen = [f"tcp:0:{here}", f"ssl:0:privateKey={both}:{here}"]
    place = tmp_path / "daemon"
    place.mkdir()
    with running(
        place, {"robot": {"source": "pattern"}}, listen=listen, max_connections=40
    ) as daemon:
        yield daemon
    check_log(daemon)


def test_rude_clients(daemon: Daemon) -> None:
    """None of them outstays a minute, and then there is room for all again."""
    plain, tls = ports_of(daemon, 2)
    rude = Rude(SOURCE, plain, tls, daemon.key, "robot")

    async def all_at_once() -> dict[str, set[str]]:
        names = [name for name in rude.kinds for _ in range(EACH)]
        became = await asyncio.gather(*(rude.kinds[name]() for name in names))
        return {
            name: {what for n, what in zip(names, became, strict=True) if n == name}
            for name in rude.kinds
        }

    became = asyncio.run(all_at_once())
    assert STAYED not in set().union(*became.values()), became
    assert became == {name: {HUNG_UP} for name in rude.kinds}
    assert ask(daemon, "/healthz", headers={}).status == 200
