"""Which certificates of cameras are trusted: those the system trusts, or any."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.client import BrowserLikePolicyForHTTPS
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer


def trust(verify: bool) -> IPolicyForHTTPS:
    """
    Choose whom to trust.

    :param verify: whether a certificate must be signed by somebody whom the system
        trusts, and bear the camera's name. False for cameras that sign their own:
        the connection is then encrypted, to whoever answers.
    """
    return BrowserLikePolicyForHTTPS() if verify else _Anybody()


@implementer(IPolicyForHTTPS)
class _Anybody:
    def creatorForNetloc(
        self, hostname: bytes, port: int
    ) -> IOpenSSLClientConnectionCreator:
        return _Unverified(hostname)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    def __init__(self, hostname: bytes) -> None:
        self._hostname = hostname

    def clientConnectionForTLS(
        self, tlsProtocol: TLSMemoryBIOProtocol
    ) -> SSL.Connection:
        context = CertificateOptions(verify=False).getContext()
        connection = SSL.Connection(context, None)
        # Some cameras behind one proxy are told apart by it.
        connection.set_tlsext_host_name(self._hostname)
        return connection
