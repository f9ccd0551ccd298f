"""
The connections below Twisted's HTTP client: to the first address that answers, with a
limit on what comes ahead of a body, and cut at once when told so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer

#: Seconds to connect to one of a host's addresses.
CONNECT = 5.0

#: Bytes of headers, and of what came along with their end, until a camera is hung up
#: on. Real ones send hundreds.
HEAD = 64 * 1024


class Connection(ProtocolWrapper):
    """Counts the bytes of an answer until :meth:`headers_came`."""

    _head: int | None = 0

    def write(self, data: bytes) -> None:
        """Begin to count anew: this is a request."""
        self._head = 0
        super().write(data)

    def writeSequence(self, data: Sequence[bytes]) -> None:
        """Do as :meth:`write`."""
        self._head = 0
        super().writeSequence(data)

    def dataReceived(self, data: bytes) -> None:
        """Pass it on, and hang up when there is no end to the headers."""
        super().dataReceived(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > HEAD:
                self.cut()

    def headers_came(self) -> None:
        """Count no more: what follows is the body, which has a limit of its own."""
        self._head = None

    def cut(self) -> None:
        """Hang up, whatever is still under way either way."""
        self.abortConnection()


if TYPE_CHECKING:
    _Wrapping = WrappingFactory[Connection]
else:
    # It takes no argument in Twisted 24.10.
    _Wrapping = WrappingFactory


class _Connecting(_Wrapping):
    """Makes connections, and keeps a set of those that are open."""

    protocol = Connection
    noisy = False

    def __init__(self, factory: IProtocolFactory, is_open: set[Connection]) -> None:
        super().__init__(factory)
        self._open = is_open

    def doStart(self) -> None:
        """Say nothing: the log would have a line for each try."""

    def doStop(self) -> None:
        """Say nothing."""

    def registerProtocol(self, p: Connection) -> None:
        """Note that it is open."""
        self._open.add(p)

    def unregisterProtocol(self, p: Connection) -> None:
        """Note that it is not."""
        self._open.discard(p)


@implementer(IStreamClientEndpoint)
class FirstThatAnswers:
    """
    An endpoint that tries one address after the other.

    :param addresses: numbers of IPv4 and IPv6; not empty.
    """

    def __init__(self, reactor: Any, addresses: Sequence[str], port: int) -> None:
        self._reactor = reactor
        self._addresses = addresses
        self._port = port

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Fail with what the last address came to, when none answers."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        *others, last = self._addresses
        for address in others:
            try:
                return await self._endpoint(address).connect(factory)
            except ConnectError:
                continue
        return await self._endpoint(last).connect(factory)

    def _endpoint(self, address: str) -> IStreamClientEndpoint:
        kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
        return kind(self._reactor, address, self._port, timeout=CONNECT)


@implementer(IStreamClientEndpoint)
class Guarded:
    """
    An endpoint whose connections are watched over by a :class:`Connection`.

    :param is_open: holds each connection for as long as it is open.
    """

    def __init__(
        self, endpoint: IStreamClientEndpoint, is_open: set[Connection]
    ) -> None:
        self._endpoint = endpoint
        self._open = is_open

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, and promise the protocol of the factory's own."""
        connecting = _Connecting(protocolFactory, self._open)
        return self._endpoint.connect(connecting).addCallback(_inner)


def _inner(connection: IProtocol) -> IProtocol:
    return cast(Connection, connection).wrappedProtocol
