"""Connections to a Redis server, opened again whenever they are lost.

txredisapi speaks Redis' protocol; it is an extra of camd's, and imported when a
connection is made. What it would do itself on the global reactor is done here: to
connect, to sign in, and to try again.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import ConnectError, ConnectionRefusedError
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from camd.config.redis import RedisAddress
from camd.formats.splitter import MAX_FLOOD
from camd.periodic import PeriodicCall
from camd.sources.http.names import LookUp, Names, UnknownHost, look_up
from camd.sources.http.tls import trust
from camd.sources.redis.clock import ServerClock

CONNECT = 2.0
"""Seconds to connect. A connection that is tried while a network is down sends its
first packet again after 1 s, then after 2 more: later than a new try would."""

SIGN_IN = 5.0
"""Seconds for TLS, user and password."""

FIRST, MOST = 0.25, 1.0
"""Seconds until the next try: at first, and at the most. Pictures are to be back two
seconds after Redis is."""

REFUSED_MOST = 10.0
"""The same at the most where Redis refuses what it is asked for, as a password."""

SILENT = 10.0
"""Seconds that Redis may owe an answer, and say nothing at all."""

UNACKNOWLEDGED = 3000
"""Milliseconds that what was sent may remain unacknowledged by the other computer."""


class RedisLost(Exception):
    """A connection that does not come about, or is over. Its text is for people."""


def why_no_redis() -> str | None:
    """Return what is missing for Redis, in one line; None if nothing is."""
    try:
        import txredisapi  # noqa: F401
    except ImportError:
        return "redis: txredisapi is not installed; pip install 'camd-server[redis]'"
    return None


class Redis:
    """One open connection.

    :ivar address: where it leads to, as it may be shown.
    :ivar clock: the server's.
    :ivar heard_at: when something last came, on the reactor's clock.

    :param protocol: txredisapi's.
    """

    def __init__(
        self,
        protocol: Any,
        address: str,
        clock: ServerClock,
        reactor: IReactorTime,
    ) -> None:
        self.address = address
        self.clock = clock
        self._reactor = reactor
        now = self._now = reactor.seconds
        self.heard_at = now()
        self._protocol = protocol
        self._unread = 0
        self._pauses: set[Deferred[None]] = set()
        self._trouble: Failure | None = None
        protocol.whenDisconnected().addCallback(self._disconnected)
        take, done = protocol.dataReceived, protocol.replyReceived

        def data_received(data: bytes) -> None:
            self.heard_at = now()
            self._unread += len(data)
            take(data)
            if self._unread > MAX_FLOOD:
                self.close()

        def reply_received(reply: object) -> None:
            self._unread = 0
            done(reply)

        protocol.dataReceived = data_received
        protocol.replyReceived = reply_received

    @property
    def owes(self) -> bool:
        """Whether an answer is due."""
        return bool(self._protocol.replyQueue.waiting)

    def ask(self, *words: bytes | str | int) -> Deferred[Any]:
        """Send a command; return the answer.

        :return: fails with :exc:`RedisLost`, and with what txredisapi has for errors.
        """
        if not self._protocol.connected:
            raise RedisLost("the connection is lost")
        answer: Deferred[Any] = self._protocol.execute_command(*words)
        return answer

    def send(self, commands: bytes, count: int) -> list[Deferred[Any]]:
        """Send commands that are built already; return the answers.

        :param count: how many commands they are.
        """
        if not self._protocol.connected:
            raise RedisLost("the connection is lost")
        protocol = self._protocol
        protocol.transport.write(commands)
        return [
            protocol.replyQueue.get().addCallback(protocol.handle_reply)
            for _ in range(count)
        ]

    async def ask_time(self) -> float:
        """Ask for Redis' time, for :attr:`clock`; return the seconds that it took."""
        asked = self._now()
        seconds, microseconds = await self.ask("TIME")
        now = self._now()
        self.clock.answered(asked, now, int(seconds) + int(microseconds) / 1e6)
        return now - asked

    def pause(self, seconds: float) -> Deferred[None]:
        """Wait, at the most until the connection is lost.

        :return: fails with :exc:`RedisLost`, or with what :meth:`fail` was told.
        """
        done: Deferred[None] = Deferred()
        if not self._protocol.connected:
            self._pauses.add(done)
            self._disconnected(None)
            return done
        call = self._reactor.callLater(seconds, done.callback, None)
        self._pauses.add(done)

        def over(outcome: Any) -> Any:
            self._pauses.discard(done)
            if call.active():
                call.cancel()
            return outcome

        return done.addBoth(over)

    def _disconnected(self, _: object) -> None:
        lost = self._trouble or Failure(RedisLost("the connection is lost"))
        for done in list(self._pauses):
            done.errback(lost)

    def fail(self, trouble: Failure) -> None:
        """Cut the connection for a reason, which :meth:`pause` tells."""
        self._trouble = self._trouble or trouble
        self.close()

    def close(self) -> None:
        """Cut the connection."""
        self._protocol.transport.abortConnection()


class Link:
    """Keeps one connection to a server: connects, signs in, and does so again.

    :ivar clock: the server's; it is kept from one connection to the next.
    :ivar reason: why there is no connection, for people; empty while there is one.

    :param talk: what is done with each connection; it runs until it raises, and is
        cancelled at the end.
    :param lost: told the reason each time there is no connection.
    :param random: returns a number from 0 to 1.
    """

    _log = Logger()

    def __init__(
        self,
        address: RedisAddress,
        reactor: Any,
        talk: Callable[[Redis], Awaitable[None]],
        lost: Callable[[str], None],
        random: Callable[[], float],
        *,
        verify_tls: bool = True,
        find: LookUp = look_up,
    ) -> None:
        self.clock = ServerClock()
        self.reason = "not connected yet"
        self._address = address
        self._reactor = reactor
        self._talk = talk
        self._lost = lost
        self._random = random
        self._trust = trust(verify_tls)
        self._names = Names(reactor, find)
        self._redis: Redis | None = None
        self._task: Deferred[None] | None = None
        self._retry: IDelayedCall | None = None
        self._delay = FIRST
        self._is_stopped = False
        self._watch = PeriodicCall(self._check, reactor)

    def start(self) -> None:
        """Begin to connect."""
        self._watch.start(SILENT / 10, now=False)
        self._connect()

    def stop(self) -> None:
        """Cut the connection, and make no other one."""
        self._watch.end()
        self._is_stopped = True
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        if self._redis is not None:
            self._redis.close()
        if self._task is not None:
            self._task.cancel()

    def _check(self) -> None:
        redis = self._redis
        if redis is None or not redis.owes:
            return
        if self._reactor.seconds() - redis.heard_at > SILENT:
            redis.close()

    def _connect(self) -> None:
        self._retry = None
        self._task = Deferred.fromCoroutine(self._one_connection())
        self._task.addBoth(self._ended)

    async def _one_connection(self) -> None:
        redis = self._redis = await self._opened()
        try:
            self.reason, self._delay = "", FIRST
            await self._talk(redis)
        finally:
            self._redis = None
            redis.close()

    def _ended(self, outcome: Failure | None) -> None:
        if self._is_stopped:
            return
        most, reason = MOST, "the connection is lost"
        if outcome is not None:
            most, reason = self._in_words(outcome)
        self.reason = f"{self._address}: {reason}"
        delay, self._delay = self._delay, min(2 * self._delay, most)
        delay *= 1 - 0.25 * self._random()
        self._retry = self._reactor.callLater(delay, self._connect)
        self._lost(self.reason)

    def _in_words(self, failure: Failure) -> tuple[float, str]:
        """Return the longest delay of the next try, and what went wrong."""
        import txredisapi

        error = failure.value
        match error:
            case RedisLost() | txredisapi.ConnectionError():
                return MOST, str(error).lower()
            case txredisapi.RedisError():
                told = ascii(str(error)[:120])[1:-1]
                return REFUSED_MOST, f"it refuses: {told}"
            case UnknownHost():
                return MOST, "there is no host of this name"
            case ConnectionRefusedError():
                return MOST, "nothing listens there"
            case SSL.Error():
                return REFUSED_MOST, "no TLS connection; is its certificate trusted?"
            case TimeoutError() | CancelledError():
                return MOST, f"it does not answer within {SIGN_IN:.0f} s"
            case ConnectError():
                return MOST, "it cannot be reached"
        self._log.failure("Redis at {address}", failure, address=self._address)
        return REFUSED_MOST, type(error).__name__

    # ---- To connect

    async def _opened(self) -> Redis:
        """Return a connection that is signed in."""
        address = self._address
        if not address.service:
            (server,) = address.hosts
            return await self._signed_in(await self._open(*server))
        trouble: Exception = RedisLost("its Sentinels know no master")
        for sentinel in address.hosts:
            try:
                server = await self._master(*sentinel)
            except Exception as error:
                trouble = error
                continue
            redis = await self._signed_in(await self._open(*server))
            role = await redis.ask("ROLE").addTimeout(SIGN_IN, self._reactor)
            if role[0] == b"master":
                return redis
            redis.close()
        raise trouble

    async def _master(self, host: str, port: int) -> tuple[str, int]:
        """Ask a Sentinel where the master is."""
        redis = await self._open(host, port)
        try:
            said = await redis.ask(
                "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._address.service
            ).addTimeout(SIGN_IN, self._reactor)
        finally:
            redis.close()
        if not said:
            raise RedisLost("its Sentinels know no master of that name")
        return said[0].decode("ascii"), int(said[1])

    async def _open(self, host: str, port: int) -> Redis:
        import txredisapi

        self._names.forget()
        found = self._names.find(host, port).addTimeout(SIGN_IN, self._reactor)
        addresses: Sequence[str] = await found
        factory = Factory.forProtocol(
            lambda: txredisapi.RedisProtocol(charset=None, convertNumbers=False)
        )
        factory.noisy = False
        *others, last = addresses[:4]
        for number in others:
            with suppress(ConnectError):
                protocol: Any
                protocol = await self._endpoint(host, number, port).connect(factory)
                break
        else:
            protocol = await self._endpoint(host, last, port).connect(factory)
        _tune(protocol.transport)
        return Redis(protocol, str(self._address), self.clock, self._reactor)

    def _endpoint(self, host: str, number: str, port: int) -> IStreamClientEndpoint:
        kind = TCP6ClientEndpoint if ":" in number else TCP4ClientEndpoint
        endpoint = kind(self._reactor, number, port, timeout=CONNECT)
        if not self._address.is_tls:
            return endpoint
        creator = self._trust.creatorForNetloc(host.encode("ascii"), port)
        return wrapClientTLS(creator, endpoint)

    async def _signed_in(self, redis: Redis) -> Redis:
        address = self._address
        try:
            if address.password:
                user = (address.user,) if address.user else ()
                await self._in_time(redis.ask("AUTH", *user, address.password))
            if address.database:
                await self._in_time(redis.ask("SELECT", address.database))
            await redis.ask_time()
        except BaseException:
            redis.close()
            raise
        return redis

    def _in_time(self, answer: Deferred[Any]) -> Deferred[Any]:
        return answer.addTimeout(SIGN_IN, self._reactor)


def _tune(transport: Any) -> None:
    """Have small commands leave at once, and a broken connection end soon."""
    while isinstance(transport, TLSMemoryBIOProtocol):
        transport = transport.transport
    transport.setTcpNoDelay(True)
    plain: socket.socket = transport.getHandle()
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)
