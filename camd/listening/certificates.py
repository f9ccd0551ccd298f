"""Certificates of ``ssl:`` and ``tls:`` endpoints, which can be read again at any time.

Twisted's endpoints read theirs once. Here what they have read is taken out of them and
exchanged, for connections to come; those that are there keep theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import (
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
)
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

KINDS = ("ssl", "tls")
"""The endpoints that have certificates: of files that are named, and of a folder."""

Connect = Callable[[TLSMemoryBIOProtocol], SSL.Connection]
"""Makes the TLS state of one connection, as its server."""


class NoCertificate(Exception):
    """There is no certificate that fits a key."""


@dataclass(frozen=True, slots=True)
class _Asked:
    port: int
    backlog: int
    interface: str


class _RecordingReactor:
    """Stands for a reactor, to learn what an endpoint would ask of one."""

    asked: _Asked
    connect: Connect

    def listenTCP(self, port: int, factory: Any, backlog: int, interface: str) -> None:
        """Note what is asked for."""
        self.asked = _Asked(port, backlog, interface)

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, backlog: int, interface: str
    ) -> None:
        """Note what is asked for, and the certificate."""
        self.asked = _Asked(port, backlog, interface)
        self.connect = lambda _: SSL.Connection(contextFactory.getContext(), None)


def _read(listen: str) -> tuple[_Asked, Connect]:
    asking = _RecordingReactor()
    try:
        endpoint: Any = serverFromString(asking, listen)
    except (crypto.Error, SSL.Error, VerifyError) as error:
        raise NoCertificate(str(error)) from error
    if listen.startswith("tls:"):
        # TLS stands around an endpoint of its own.
        asking.connect = endpoint.connectionCreator.serverConnectionForTLS
        endpoint = endpoint.endpoint
    endpoint.listen(None)
    return asking.asked, asking.connect


@implementer(IOpenSSLServerConnectionCreator)
class Certificate:
    """
    The certificate of one endpoint, or those of its folder.

    :param listen: the endpoint's string, which names the files.
    :raises OSError: a file cannot be read.
    :raises NoCertificate: there is none, or its key is that of another.
    :raises Exception: the string does not fit its kind; what Twisted's parsers like.
    """

    def __init__(self, listen: str) -> None:
        self.listen = listen
        self.renew()

    def renew(self) -> None:
        """Read the files again; what is wrong with them leaves the old ones in use."""
        asked, connect = _read(self.listen)
        nobody: Any = None
        # A folder is read without a word where there is nothing of use in it.
        if connect(nobody).get_certificate() is None:
            raise NoCertificate("there is none with its key")
        self._asked, self._connect = asked, connect

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """Return what the next connection is made with."""
        return self._connect(protocol)

    def endpoint(self, reactor: Any) -> TCP4ServerEndpoint:
        """Return where to listen, as the string says it."""
        asked = self._asked
        # Of either IP version, by the interface: the reactor is handed it as it is.
        return TCP4ServerEndpoint(reactor, asked.port, asked.backlog, asked.interface)

    def secured(self, site: IProtocolFactory, reactor: Any) -> TLSMemoryBIOFactory:
        """Return a factory that speaks TLS and hands what is in it to the site."""
        return TLSMemoryBIOFactory(self, False, site, reactor)
