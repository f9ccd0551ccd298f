"""The connection to Redis: signing in, being lost, coming back."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from camd.config.redis import RedisAddress
from camd.formats.splitter import MAX_FLOOD
from camd.sources.redis.connection import MOST, REFUSED_MOST, SILENT, Redis, RedisLink
from tests.fake_redis import EPOCH, FakeNetwork


class Harness:
    """A link, and what came of it."""

    def __init__(self, address: str = "redis://10.0.0.1/0") -> None:
        self.network = FakeNetwork()
        self.redis: Redis | None = None
        self.reasons: list[str] = []
        self.link = RedisLink(
            RedisAddress.parse(address),
            self.network,
            self._talk,
            self.reasons.append,
            lambda: 0.0,
        )
        self.link.start()

    async def _talk(self, redis: Redis) -> None:
        self.redis = redis
        try:
            while True:
                await redis.pause(1)
        finally:
            self.redis = None

    def ask(self, *words: bytes | str | int) -> Deferred[Any]:
        """Ask the server."""
        assert self.redis is not None
        return self.redis.ask(*words)


@pytest.fixture
def harness() -> Harness:
    """A link to a server that is there."""
    return Harness()


def test_it_connects(harness: Harness) -> None:
    """A link connects, and knows the server's time before anything else."""
    harness.network.run(0.1)
    assert harness.redis is not None
    assert harness.link.clock.latest(0) == pytest.approx(EPOCH)
    assert harness.link.reason == ""
    assert harness.reasons == []


def test_it_signs_in() -> None:
    """User, password and database of the address are told."""
    harness = Harness("redis://camd:p%40ss@10.0.0.1/3")
    harness.network.redis.users[b"camd"] = b"p@ss"
    harness.network.run(0.1)
    assert harness.redis is not None
    assert harness.network.redis.said[:2] == [
        [b"AUTH", b"camd", b"p@ss"],
        [b"SELECT", b"3"],
    ]


def test_a_password_alone() -> None:
    """An address without a user signs the default one in."""
    harness = Harness("redis://:secret@10.0.0.1")
    harness.network.redis.users[b"default"] = b"secret"
    harness.network.run(0.1)
    assert harness.redis is not None


def test_a_wrong_password() -> None:
    """A refusal is told without the password, and tried again ever more seldom."""
    harness = Harness("redis://camd:wrong-secret@10.0.0.1/0")
    harness.network.redis.users[b"camd"] = b"right"
    harness.network.run(60)
    assert harness.reasons[0] == (
        "redis://10.0.0.1:6379/0: it refuses: WRONGPASS invalid password"
    )
    assert "wrong-secret" not in "".join(harness.reasons)
    assert 5 < len(harness.network.wires) < 60 / REFUSED_MOST + 8


def test_nothing_listens(harness: Harness) -> None:
    """A server that is away is tried about once a second, and found when it is back."""
    harness.network.server = None
    harness.network.run(10)
    assert harness.reasons[0] == "redis://10.0.0.1:6379/0: nothing listens there"
    assert 10 <= len(harness.reasons) <= 13
    harness.network.server = harness.network.redis
    harness.network.run(MOST + 0.1)
    assert harness.redis is not None
    assert harness.link.reason == ""


def test_a_connection_that_is_lost(harness: Harness) -> None:
    """What was asked fails, and there is another connection soon."""
    harness.network.run(0.1)
    failed: list[object] = []
    harness.ask("XREAD", "BLOCK", 5000, "STREAMS", "a", "0").addErrback(failed.append)
    harness.network.wires[-1].abortConnection()
    harness.network.run(0.01)
    assert failed
    assert harness.reasons == ["redis://10.0.0.1:6379/0: the connection is lost"]
    harness.network.run(0.5)
    assert harness.redis is not None


def test_a_server_that_is_silent(harness: Harness) -> None:
    """One that owes an answer and says nothing for long is left."""
    harness.network.run(0.1)
    harness.network.redis.frozen = True
    harness.ask("PING").addErrback(lambda _: None)
    harness.network.run(SILENT - 1)
    assert harness.reasons == []
    harness.network.run(2.5)
    assert harness.reasons == ["redis://10.0.0.1:6379/0: the connection is lost"]


def test_silence_that_is_nobodys_fault(harness: Harness) -> None:
    """A server that owes nothing may be silent."""
    harness.network.run(5 * SILENT)
    assert harness.reasons == []


def test_an_answer_without_end(harness: Harness) -> None:
    """What grows and grows is hung up on."""
    harness.network.run(0.1)
    harness.network.wires[-1]._protocol.dataReceived(b"$999999999\r\n")
    piece = bytes(1 << 20)
    for _ in range(MAX_FLOOD // len(piece) + 1):
        harness.network.wires[-1]._protocol.dataReceived(piece)
    harness.network.run(0.01)
    assert harness.reasons == ["redis://10.0.0.1:6379/0: the connection is lost"]


def test_it_ends(harness: Harness) -> None:
    """After stop nothing more is tried, told, or left behind."""
    harness.network.run(0.1)
    harness.link.stop()
    harness.network.run(5)
    assert harness.redis is None
    assert harness.reasons == []
    assert len(harness.network.wires) == 1
    assert harness.network.getDelayedCalls() == []


@pytest.mark.parametrize("step", range(12))
def test_it_ends_at_any_moment(step: int) -> None:
    """It can be stopped while it connects and while it signs in, too."""
    harness = Harness("redis://camd:secret@10.0.0.1/3")
    harness.network.redis.users[b"camd"] = b"secret"
    harness.network.round_trip = 1 / 16
    harness.network.run(step / 64)
    harness.link.stop()
    harness.network.run(5)
    assert harness.reasons == []
    assert harness.network.getDelayedCalls() == []


def test_a_certificate_that_is_not_trusted(harness: Harness) -> None:
    """What is wrong with TLS shows when the connection is made already, and is told."""
    harness.network.run(0.1)
    harness.network.wires[-1]._protocol.connectionLost(Failure(SSL.Error([])))
    harness.network.run(0.01)
    assert harness.reasons == [
        "redis://10.0.0.1:6379/0: no TLS connection; is its certificate trusted?"
    ]
