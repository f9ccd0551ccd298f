"""Which certificates of cameras are trusted: those the system trusts, or any."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from OpenSSL import SSL, crypto
from service_identity.hazmat import (
    DNS_ID,
    IPAddress_ID,
    ServiceID,
    verify_service_identity,
)
from service_identity.pyopenssl import extract_patterns
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, platformTrust
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from camd.sources.http.names import is_number

Check = Callable[[SSL.Connection, crypto.X509, int, int, int], bool]
"""Asked for each certificate of a chain: connection, certificate, error, depth (0 for
the camera's own), and whether OpenSSL is content; returns whether camd is."""


def trust(verify: bool) -> IPolicyForHTTPS:
    """Choose whom to trust.

    :param verify: whether a certificate must be signed by somebody whom the system
        trusts, and bear the camera's name. False for cameras that sign their own:
        the connection is then encrypted, to whoever answers.
    """
    return _Trust(verify)


@implementer(IPolicyForHTTPS)
class _Trust:
    def __init__(self, verify: bool) -> None:
        self._verify = verify

    def creatorForNetloc(
        self, hostname: bytes, port: int
    ) -> IOpenSSLClientConnectionCreator:
        return _Creator(hostname.decode("ascii"), self._verify)


@implementer(IOpenSSLClientConnectionCreator)
class _Creator:
    """Makes connections to one host.

    Twisted's own lets a certificate pass that bears no name at all but is signed well,
    and logs a traceback for each that is not (26.10); so the names are looked at here.
    """

    def __init__(self, host: str, verify: bool) -> None:
        self._host = host
        self._verify = verify

    def clientConnectionForTLS(
        self, tlsProtocol: TLSMemoryBIOProtocol
    ) -> SSL.Connection:
        options = (
            CertificateOptions(trustRoot=platformTrust())
            if self._verify
            else CertificateOptions(verify=False)
        )
        connection = SSL.Connection(options.getContext(), None)
        # RFC 6066 3: a number is no server name.
        if not is_number(self._host):
            connection.set_tlsext_host_name(self._host.encode())
        if self._verify:
            must = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
            connection.set_verify(must, check_for(self._host))
        return connection


def check_for(host: str) -> Check:
    """Return the check that all are trusted, and the camera's own is this host's."""
    expected = IPAddress_ID(host) if is_number(host) else DNS_ID(host)
    return partial(_check, expected)


def _check(
    expected: ServiceID,
    connection: SSL.Connection,
    certificate: crypto.X509,
    error: int,
    depth: int,
    ok: int,
) -> bool:
    if not ok or depth:
        return bool(ok)
    try:
        verify_service_identity(extract_patterns(certificate), [expected], [])
    # An exception that leaves OpenSSL's callback would be lost.
    except Exception:
        return False
    return True
