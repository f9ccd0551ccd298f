"""A certificate authority for tests."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM

NAMES = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
"""The host names that all of its certificates are for."""


class Authority:
    """A new certificate authority.

    :ivar path: its own certificate, as PEM.

    :param folder: where to put that.
    """

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.path = folder / "authority.pem"
        self.path.write_bytes(self._certificate(self._key, "Authority of a test"))

    def issue(self) -> bytes:
        """Make a key, and a certificate of its own for :data:`NAMES`; both as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return private + self._certificate(key, "localhost")

    def _certificate(self, key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
        own, now = key is self._key, datetime.now(timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named("Authority of a test"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=own, path_length=None), True)
        )
        if not own:
            names = x509.SubjectAlternativeName(NAMES)
            builder = builder.add_extension(names, False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)

    def context(self, *protocols: str) -> ssl.SSLContext:
        """Make a client's side of TLS that trusts this authority and no other.

        :param protocols: what it offers by ALPN; nothing for no ALPN.
        """
        context = ssl.create_default_context(cafile=self.path)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def serial_of(pem: bytes) -> int:
    """Return the serial number of the certificate in this PEM."""
    _, begin, rest = pem.partition(b"-----BEGIN CERTIFICATE-----")
    return x509.load_pem_x509_certificate(begin + rest).serial_number
