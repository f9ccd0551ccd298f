"""Certificates of ``ssl:`` and ``tls:`` endpoints, which can be read again at any time.

Twisted's endpoints read theirs once. Here what they have read is taken out of them and
exchanged, for connections to come; those that are there keep theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakSet

from OpenSSL import SSL, crypto
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import (
    IOpenSSLServerConnectionCreator,
    IProtocolFactory,
)
from twisted.protocols._sni import lookupWithWildcard
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

KINDS = ("ssl", "tls")
"""The endpoints that have certificates: of files that are named, and of a folder."""

BACKLOG = 65535
"""Connections that may wait to be accepted, where the string does not say.

The kernel makes as many of it as ``net.core.somaxconn`` allows, listen(2). With 50,
which is Twisted's, the last of 1000 viewers that came back at once waited 28 s
(measured).
"""

_TWISTED_BACKLOG = 50
"""What a string that does not say means to Twisted's endpoints."""

CIPHERS = (
    b"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:"
    b"ECDHE+AES256:DHE+AES256:ECDHE+AES128:DHE+AES:!aNULL:!MD5:!DSS"
)
"""Ciphers of TLS 1.2: Twisted's, but for those without forward secrecy."""

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
        context = contextFactory.getContext()
        context.set_cipher_list(CIPHERS)
        self.connect = lambda _: SSL.Connection(context, None)


def _read(listen: str) -> tuple[_Asked, Connect]:
    asking = _RecordingReactor()
    try:
        endpoint: Any = serverFromString(asking, listen)
    except (crypto.Error, SSL.Error, VerifyError) as error:
        raise NoCertificate(str(error)) from error
    if listen.startswith("tls:"):
        # TLS stands around an endpoint of its own.
        asking.connect = _with_ciphers(endpoint.connectionCreator)
        endpoint = endpoint.endpoint
    endpoint.listen(None)
    return asking.asked, asking.connect


def _with_ciphers(creator: Any) -> Connect:
    """Restrict the ciphers of a folder's certificates, whichever name is asked for.

    :param creator: Twisted's, which looks a context up for each name.
    """
    default = creator.defaultContext
    default.set_cipher_list(CIPHERS)
    # A context that is in use takes no other ciphers.
    restricted = WeakSet([default])
    # Or every name that nobody has would have the folder read again.
    look_up = partial(creator._contextLookup, shouldReload=False)

    def choose(connection: SSL.Connection) -> None:
        context = lookupWithWildcard(look_up, connection.get_servername())
        if context is None:
            return
        if context not in restricted:
            context.set_cipher_list(CIPHERS)
            restricted.add(context)
        connection.set_context(context)

    default.set_tlsext_servername_callback(choose)
    connect: Connect = creator.serverConnectionForTLS
    return connect


@implementer(IOpenSSLServerConnectionCreator)
class Certificate:
    """The certificate of one endpoint, or those of its folder.

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
        is_said = asked.backlog != _TWISTED_BACKLOG
        backlog = asked.backlog if is_said else BACKLOG
        # Of either IP version, by the interface: the reactor is handed it as it is.
        return TCP4ServerEndpoint(reactor, asked.port, backlog, asked.interface)

    def secured(self, site: IProtocolFactory, reactor: Any) -> TLSMemoryBIOFactory:
        """Return a factory that speaks TLS and hands what is in it to the site."""
        return TLSMemoryBIOFactory(self, False, site, reactor)
