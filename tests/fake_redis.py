"""A Redis server in memory, on a clock, and the network to it.

It answers the commands that camd sends, as Redis 7 does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

EPOCH = 1_700_000_000.0
"""What Redis' clock shows when the test's is at 0."""

SEGMENT = 16 * 1024
"""Bytes that arrive together: a record of TLS."""


class FakeRedis:
    """The server.

    :ivar users: user -> password; empty for a server that asks for none.
    :ivar ahead: seconds by which its clock is ahead of the test's.
    :ivar streams: key -> the newest entry: its number, its fields.
    :ivar hashes: key -> field -> value.
    :ivar said: the words of each command that came.
    :ivar frozen: whether it takes commands and answers none.
    :ivar refuses_hget: whether its user has no right to HGET.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.users: dict[bytes, bytes] = {}
        self.ahead = EPOCH
        self.streams: dict[bytes, tuple[bytes, list[bytes]]] = {}
        self.hashes: dict[bytes, dict[bytes, bytes]] = {}
        self.expires: dict[bytes, float] = {}
        self.said: list[list[bytes]] = []
        self.frozen = self.refuses_hget = False
        self.sessions: list[Session] = []
        self._last = b"0-0"

    def time(self) -> float:
        """The time by its clock."""
        return self.clock.seconds() + self.ahead

    def forget(self) -> None:
        """Lose all data, as it was started again."""
        self.streams.clear()
        self.hashes.clear()

    def entry(self, key: bytes) -> dict[bytes, bytes]:
        """The fields of the newest entry of a stream; empty where there is none."""
        self.expire()
        _, fields = self.streams.get(key, (b"", []))
        return dict(zip(fields[::2], fields[1::2], strict=True))

    def count(self, name: bytes) -> int:
        """How many commands of this name came."""
        return sum(words[0] == name for words in self.said)

    def expire(self) -> None:
        """Lose what has expired."""
        for key, at in list(self.expires.items()):
            if self.clock.seconds() >= at:
                del self.expires[key]
                self.streams.pop(key, None)

    def added(self, words: Sequence[bytes]) -> bytes:
        """Add an entry, and tell those that wait for one."""
        key, fields = words[1], list(words[5:])
        number = int(self._last.split(b"-")[0]) + 1
        self._last = b"%d-0" % max(number, int(self.time() * 1000))
        self.streams[key] = self._last, fields
        for session in self.sessions:
            session.look()
        return self._last


def packed(answer: Any) -> bytes:
    """Return an answer as Redis writes it."""
    match answer:
        case None:
            return b"*-1\r\n"
        case Exception():
            return b"-%b\r\n" % str(answer).encode()
        case int():
            return b":%d\r\n" % answer
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(answer), answer)
        case str():
            return b"+%b\r\n" % answer.encode()
    return b"*%d\r\n" % len(answer) + b"".join(map(packed, answer))


class Session:
    """One connection, as the server sees it.

    :ivar address: the host and port that the client connected to.
    """

    def __init__(self, server: FakeRedis, send: Callable[[bytes], None]) -> None:
        self._server = server
        self._send = send
        self._reader = hiredis.Reader()
        self._is_in = not server.users
        self._waits: list[bytes] | None = None
        self._timer: Any = None
        self._queue: list[list[bytes]] = []
        server.sessions.append(self)

    def feed(self, data: bytes) -> None:
        """Take what a client has sent."""
        self._reader.feed(data)
        while (words := self._reader.gets()) is not False:
            self._queue.append(words)
        self._work()

    def close(self) -> None:
        """The connection is gone."""
        if self in self._server.sessions:
            self._server.sessions.remove(self)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _work(self) -> None:
        while self._queue and self._waits is None and not self._server.frozen:
            words = self._queue.pop(0)
            self._server.said.append(words)
            self._server.expire()
            answer = self._answer(words[0].upper(), words)
            if answer is not ...:
                self._send(packed(answer))

    def _answer(self, name: bytes, words: list[bytes]) -> Any:
        server = self._server
        if name == b"AUTH":
            user = words[1] if len(words) == 3 else b"default"
            self._is_in = server.users.get(user) == words[-1]
            return "OK" if self._is_in else Exception("WRONGPASS invalid password")
        if not self._is_in:
            return Exception("NOAUTH Authentication required.")
        match name:
            case b"PING":
                return "PONG"
            case b"SELECT":
                return "OK"
            case b"TIME":
                now = server.time()
                return [b"%d" % now, b"%d" % (now % 1 * 1e6)]
            case b"XADD":
                return server.added(words)
            case b"PEXPIRE":
                server.expires[words[1]] = server.clock.seconds() + int(words[2]) / 1e3
                return 1
            case b"HSET":
                values = dict(zip(words[2::2], words[3::2], strict=True))
                server.hashes.setdefault(words[1], {}).update(values)
                return len(values)
            case b"HMGET":
                found = server.hashes.get(words[1], {})
                return [found.get(field, b"") for field in words[2:]]
            case b"HGET":
                if server.refuses_hget:
                    return Exception("NOPERM User edge has no permissions")
                return server.hashes.get(words[1], {}).get(words[2])
            case b"HGETALL":
                found = server.hashes.get(words[1], {})
                return [part for pair in found.items() for part in pair]
            case b"HDEL":
                return int(bool(server.hashes.get(words[1], {}).pop(words[2], None)))
            case b"XREAD":
                return self._read(words)
        return Exception(f"ERR unknown command {name.decode()}")

    def _read(self, words: list[bytes]) -> Any:
        found = self._newer(words)
        if found or b"BLOCK" not in words:
            return found or None
        wait = int(words[words.index(b"BLOCK") + 1]) / 1e3
        self._waits = words
        self._timer = self._server.clock.callLater(wait, self._end_wait, None)
        return ...

    def look(self) -> None:
        """See whether what it waits for is there."""
        if self._waits is not None and (found := self._newer(self._waits)):
            self._end_wait(found)

    def _end_wait(self, found: Any) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._waits = None
        self._send(packed(found))
        self._work()

    def _newer(self, words: list[bytes]) -> list[Any]:
        rest = words[words.index(b"STREAMS") + 1 :]
        keys, after = rest[: len(rest) // 2], rest[len(rest) // 2 :]
        found: list[Any] = []
        for key, last in zip(keys, after, strict=True):
            number, fields = self._server.streams.get(key, (b"0-0", []))
            if _order(number) > _order(last):
                found.append([key, [[number, fields]]])
        return found


def _order(number: bytes) -> tuple[int, ...]:
    time, _, count = number.partition(b"-")
    return int(time), int(count or 0)


class _Handle:
    """A socket that options can be set on."""

    def setsockopt(self, *words: int) -> None:
        """Do nothing."""


class Wire:
    """The client's end of a connection: a transport.

    :ivar is_cut: whether nothing gets through, and nobody is told.
    :ivar bytes_per_second: of each direction; None for the network's.
    """

    disconnecting = False

    def __init__(self, network: FakeNetwork, server: FakeRedis, protocol: Any) -> None:
        self.is_cut = False
        self.bytes_per_second: float | None = None
        self._network = network
        self._protocol = protocol
        self._is_open = True
        self._up_at = self._down_at = 0.0
        self._session = Session(server, self._down)

    @property
    def _rate(self) -> float:
        return self.bytes_per_second or self._network.bytes_per_second

    def write(self, data: bytes) -> None:
        """Send to the server; each byte takes its time."""
        now = self._network.seconds()
        for start in range(0, len(data), SEGMENT):
            piece = data[start : start + SEGMENT]
            self._up_at = max(now, self._up_at) + len(piece) / self._rate
            self._later(self._up_at - now, self._session.feed, piece)

    def writeSequence(self, pieces: Sequence[bytes]) -> None:
        """Send to the server."""
        self.write(b"".join(pieces))

    def _down(self, data: bytes) -> None:
        now = self._network.seconds()
        for start in range(0, len(data), SEGMENT):
            piece = data[start : start + SEGMENT]
            self._down_at = max(now, self._down_at) + len(piece) / self._rate
            self._later(self._down_at - now, self._protocol.dataReceived, piece)

    def _later(self, wait: float, call: Callable[[bytes], None], data: bytes) -> None:
        def arrive() -> None:
            if self._is_open and not self.is_cut:
                call(data)

        self._network.callLater(wait + self._network.round_trip / 2, arrive)

    def loseConnection(self) -> None:
        """End the connection."""
        self.abortConnection()

    def abortConnection(self) -> None:
        """Cut the connection."""
        if self._is_open:
            self._is_open = False
            self._session.close()
            self._network.callLater(0, self._lost)

    def _lost(self) -> None:
        self._protocol.connectionLost(Failure(ConnectionLost()))

    def setTcpNoDelay(self, on: bool) -> None:
        """Do nothing."""

    def getHandle(self) -> _Handle:
        """Return what stands for the socket."""
        return _Handle()

    def getPeer(self) -> IAddress | None:
        """Return nothing."""
        return None

    getHost = getPeer


class FakeNetwork(MemoryReactorClock):  # type: ignore[misc]
    """A reactor whose connections all lead to one server.

    :ivar server: the server; None while nothing listens.
    :ivar round_trip: seconds from a question to its answer.
    :ivar bytes_per_second: of each direction.
    :ivar wires: the connections that were ever made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.round_trip = 0.0
        self.bytes_per_second = 1e12
        self.redis = FakeRedis(self)
        self.server: FakeRedis | None = self.redis
        self.wires: list[Wire] = []

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> Any:
        """Connect to the server, or be refused."""
        connector = super().connectTCP(host, port, factory, timeout, bindAddress)

        def connect() -> None:
            server = self.server
            if connector.stoppedConnecting:
                return
            if server is None:
                refused = Failure(ConnectionRefusedError())
                factory.clientConnectionFailed(connector, refused)
                return
            protocol = factory.buildProtocol(None)
            wire = Wire(self, server, protocol)
            self.wires.append(wire)
            protocol.makeConnection(wire)

        self.callLater(self.round_trip / 2, connect)
        return connector

    def lose(self) -> None:
        """Have all connections end, and no new one be made."""
        self.server = None
        for wire in self.wires:
            wire.abortConnection()

    def run(self, seconds: float, step: float = 1 / 64) -> None:
        """Let time pass."""
        end = self.seconds() + seconds
        while self.seconds() < end - 1e-9:
            self.advance(step)
