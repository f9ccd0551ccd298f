"""Certificates that are read again while the daemon runs, for ``ssl:`` endpoints.

A ``tls:`` endpoint of Twisted does so by itself. An ``ssl:`` one reads its files once;
here it is given a context that can be exchanged, for connections to come.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from OpenSSL.SSL import Context
from twisted.application.internet import SSLServer
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IOpenSSLContextFactory, IProtocolFactory
from zope.interface import implementer


@dataclass(frozen=True, slots=True)
class _Asked:
    port: int
    certificate: IOpenSSLContextFactory
    backlog: int
    interface: str


class _Asking:
    """Stands for a reactor, to learn what an endpoint would ask of one."""

    asked: _Asked

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, backlog: int, interface: str
    ) -> None:
        """Note what is asked for."""
        self.asked = _Asked(port, contextFactory, backlog, interface)


def _read(listen: str) -> _Asked:
    asking: Any = _Asking()
    serverFromString(asking, listen).listen(None)
    asked: _Asked = asking.asked
    return asked


@implementer(IOpenSSLContextFactory)
class Certificate:
    """
    The certificate of one ``ssl:`` endpoint.

    :param listen: the endpoint's string, which names the files.
    :raises OSError: a file cannot be read; other exceptions where it does not fit.
    """

    def __init__(self, listen: str) -> None:
        self.listen = listen
        self.renew()

    def renew(self) -> None:
        """Read the files again; what is wrong with them leaves the old ones in use."""
        self._asked = _read(self.listen)

    def getContext(self) -> Context:
        """Give what the next connection is made with."""
        return self._asked.certificate.getContext()

    def service(self, site: IProtocolFactory, reactor: Any) -> SSLServer:
        """Make what listens, as the string says it."""
        asked = self._asked
        return SSLServer(
            asked.port, site, self, asked.backlog, asked.interface, reactor=reactor
        )
