"""Connections to a Redis server, opened again whenever they are lost.

hiredis reads and writes Redis' protocol; it is an extra of camd's, and imported when a
connection is made. txredisapi, which stands on it, takes 72 µs to ask for a picture of
20 KB and to hand it over, where hiredis alone takes 11 (measured).
"""

from __future__ import annotations

import re
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, TimeoutError, fail
from twisted.internet.error import ConnectError, ConnectionRefusedError
from twisted.internet.interfaces import (
    IDelayedCall,
    IPullProducer,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from camd.config.redis import RedisAddress
from camd.formats.splitter import MAX_FLOOD
from camd.periodic import PeriodicCall, cancel
from camd.sources.http.endpoint import FirstAddress
from camd.sources.http.names import LookUp, Names, UnknownHost, look_up
from camd.sources.http.tls import trust
from camd.sources.low_water import LowWater
from camd.sources.remote_clock import RemoteClock

CONNECT = 1.5
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


# The length of a picture, which ends an answer: the first that has so many digits.
_LARGE = re.compile(rb"\$(\d{4,8})\r\n")


class RedisLost(Exception):
    """A connection that does not come about, or is over. Its text is for people."""


def why_no_redis() -> str | None:
    """Return what is missing for Redis, in one line; None if nothing is."""
    try:
        import hiredis  # noqa: F401
    except ImportError:
        return "redis: hiredis is not installed; pip install 'camd-server[redis]'"
    return None


class RedisRefused(Exception):
    """What Redis answers in place of what it was asked for. Its text is Redis' own."""


Take = Callable[[Any], None]
"""Takes an answer, or the exception that came in its place."""


class Redis(Protocol):
    """One open connection.

    :ivar address: where it leads to, as it may be shown.
    :ivar clock: the server's.
    :ivar heard_at: when something last came, on the reactor's clock.
    """

    transport: Any

    def __init__(self, address: str, clock: RemoteClock, reactor: IReactorTime) -> None:
        import hiredis

        self.address = address
        self.clock = clock
        self._reactor = reactor
        self._now = reactor.seconds
        self.heard_at = self._now()
        self._reader = hiredis.Reader(replyError=RedisRefused)
        self._pack: Callable[[Any], bytes] = hiredis.pack_command
        # Who waits for the next answer, and for those behind it.
        self._waiting: deque[Take] = deque()
        self._unread = 0
        # Bytes that are sure to come of the answer under way.
        self._missing = 0
        self._pauses: set[Deferred[None]] = set()
        self._trouble: Failure | None = None
        self._way_out: WayOut | None = None

    # ---- What Twisted calls

    def connectionMade(self) -> None:
        """Have small commands leave at once, and a broken connection end soon."""
        self._way_out = WayOut(self.transport)
        self._low_water = LowWater(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """Hand on the answers that are whole by now."""
        self.heard_at = self._now()
        reader, is_first = self._reader, not self._unread
        reader.feed(data)
        self._unread += len(data)
        try:
            while (answer := reader.gets()) is not False:
                self._unread = 0
                self._waiting.popleft()(answer)
        except Exception:
            # No Redis answers so; or it is a fault of camd's, which the log shows.
            self.fail(Failure())
        if self._unread > MAX_FLOOD:
            self.close()
        self._missing = max(0, self._missing - len(data))
        if is_first and self._unread and (large := _LARGE.search(data)):
            self._missing = max(0, large.end() + int(large[1]) + 2 - len(data))
        self._low_water.set(self._missing)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell all that wait."""
        self._way_out = None
        if reason.check(SSL.Error):
            # The connection is made before TLS is agreed on.
            self._trouble = self._trouble or reason
        lost, waiting, pauses = self._lost, list(self._waiting), list(self._pauses)
        self._waiting.clear()
        for take in waiting:
            take(lost.value)
        for done in pauses:
            done.errback(lost)

    @property
    def _lost(self) -> Failure:
        return self._trouble or Failure(RedisLost("the connection is lost"))

    # ---- What others ask

    @property
    def owes(self) -> bool:
        """Whether an answer is due."""
        return bool(self._waiting)

    def pack(self, *words: bytes | str | int) -> bytes:
        """Return a command as Redis reads it."""
        return self._pack(words)

    def send(self, command: bytes, take: Take) -> None:
        """Send a packed command.

        :param take: takes the answer, or :exc:`RedisRefused`, or why the connection was
            lost, which mostly is :exc:`RedisLost`.
        :raises RedisLost: the connection is not there any more.
        """
        if self._way_out is None:
            raise RedisLost("the connection is lost")
        self._waiting.append(take)
        self._way_out.write(command)

    def ask(self, *words: bytes | str | int) -> Deferred[Any]:
        """Send a command; return the answer.

        :return: fails with what :meth:`send` has for exceptions.
        """
        answer: Deferred[Any] = Deferred()

        def take(said: Any) -> None:
            if isinstance(said, Exception):
                answer.errback(said)
            else:
                answer.callback(said)

        self.send(self._pack(words), take)
        return answer

    async def ask_time(self) -> None:
        """Ask for Redis' time, for :attr:`clock`."""
        asked = self._now()
        seconds, microseconds = await self.ask("TIME")
        now = self._now()
        self.clock.answered(asked, int(seconds) + int(microseconds) / 1e6, now)

    def until_lost(self) -> Deferred[None]:
        """Wait until the connection is lost.

        :return: fails then, with :exc:`RedisLost` or with what :meth:`fail` was told.
        """
        if self._way_out is None:
            return fail(self._lost)
        done: Deferred[None] = Deferred()
        self._pauses.add(done)

        def over(outcome: Any) -> Any:
            self._pauses.discard(done)
            return outcome

        return done.addBoth(over)

    def pause(self, seconds: float) -> Deferred[None]:
        """Wait, at the most until the connection is lost, as :meth:`until_lost`."""
        done = self.until_lost()
        call = self._reactor.callLater(seconds, done.callback, None)

        def over(outcome: Any) -> Any:
            cancel(call)
            return outcome

        return done.addBoth(over)

    def fail(self, trouble: Failure) -> None:
        """Cut the connection for a reason, which :meth:`until_lost` tells."""
        self._trouble = self._trouble or trouble
        self.close()

    def close(self) -> None:
        """Cut the connection."""
        self.transport.abortConnection()


@implementer(IPullProducer)
class WayOut:
    """Writes to a connection: straight into the socket where there is no TLS.

    Through Twisted's own buffer a command takes three calls to the kernel, and a turn
    of the reactor, in place of one call. What the socket does not take waits here;
    being the transport's pull producer is Twisted's public way to learn when there is
    room.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._rest = bytearray()
        self._send: Callable[[bytes | bytearray], int] | None = None
        plain = transport
        while isinstance(plain, TLSMemoryBIOProtocol):
            plain = plain.transport
        plain.setTcpNoDelay(True)
        handle: socket.socket = plain.getHandle()
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)
        if isinstance(transport, Connection):
            self._send = handle.send
            transport.registerProducer(self, False)

    def write(self, data: bytes) -> None:
        """Send this, or have it wait for room."""
        if self._send is None:
            self._transport.write(data)
            return
        sent = 0 if self._rest else self._send_some(data)
        if sent < len(data):
            self._rest += memoryview(data)[sent:]
            self._transport.startWriting()

    def _send_some(self, data: bytes | bytearray) -> int:
        assert self._send is not None
        try:
            return self._send(data)
        except BlockingIOError:
            return 0
        except OSError:
            # Twisted tells everybody in the reactor's next turn.
            self._transport.abortConnection()
            return 0

    def resumeProducing(self) -> None:
        """Go on, as the socket can be written to."""
        if self._rest:
            del self._rest[: self._send_some(self._rest)]
        if self._rest:
            self._transport.startWriting()

    def stopProducing(self) -> None:
        """Let go: the connection is gone."""
        self._rest.clear()


class RedisLink:
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
        self.clock = RemoteClock()
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
        cancel(self._retry)
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
        error = failure.value
        match error:
            case RedisLost():
                return MOST, str(error)
            case RedisRefused():
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
        self._log.failure("Redis at {address} failed", failure, address=self._address)
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
        self._names.forget()
        found = self._names.find(host, port).addTimeout(SIGN_IN, self._reactor)
        addresses: Sequence[str] = await found
        name, clock, reactor = str(self._address), self.clock, self._reactor
        factory = Factory.forProtocol(lambda: Redis(name, clock, reactor))
        factory.noisy = False
        tls = None
        if self._address.is_tls:
            tls = self._trust.creatorForNetloc(host.encode("ascii"), port)
        endpoint = FirstAddress(reactor, addresses, port, CONNECT, tls)
        return cast(Redis, await endpoint.connect(factory))

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
