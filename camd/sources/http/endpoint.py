"""Connecting to the first of a host's addresses that answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from zope.interface import implementer

CONNECT = 5.0
"""Seconds to connect to one of a camera's addresses."""

ADDRESSES = 4
"""Addresses of one host that are tried."""


@implementer(IStreamClientEndpoint)
class FirstAddress:
    """An endpoint that tries one address of a host after the other.

    :param addresses: numbers of IPv4 and IPv6, the preferred one first; not empty.
    :param timeout: seconds to connect to each.
    :param tls: makes the TLS connection; None for a plain one.
    """

    def __init__(
        self,
        reactor: Any,
        addresses: Sequence[str],
        port: int,
        timeout: float,
        tls: IOpenSSLClientConnectionCreator | None,
    ) -> None:
        self._reactor = reactor
        self._addresses = addresses[:ADDRESSES]
        self._port = port
        self._timeout = timeout
        self._tls = tls

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Promise a connection; fails with what the last address came to."""
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
        endpoint = kind(self._reactor, address, self._port, timeout=self._timeout)
        return endpoint if self._tls is None else wrapClientTLS(self._tls, endpoint)
