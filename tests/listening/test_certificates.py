"""Certificates: read when asked, and the old one kept where the new one is no good."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL.SSL import WantReadError
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactor
from twisted.protocols.tls import TLSMemoryBIOFactory

from camd.listening.certificates import Certificate, NoCertificate

# Twisted hands pyOpenSSL that one's own objects, and asks them for names, which it
# would rather leave to cryptography.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(OpenSSL|twisted)")


def pem(name: str) -> bytes:
    """A key and a certificate of that name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        # Twisted looks for those of a folder by this, and by nothing else.
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a certificate for "first", alone in its folder."""
    path = tmp_path / "both.pem"
    path.write_bytes(pem("first"))
    return path


@pytest.fixture(params=["ssl", "tls"])
def certificate(request: pytest.FixtureRequest, path: Path) -> Certificate:
    """The certificate of an endpoint that names the file, or its folder."""
    where = "interface=127.0.0.1"
    if request.param == "ssl":
        return Certificate(f"ssl:8443:privateKey={path}:{where}")
    return Certificate(f"tls:{path.parent}:8443:{where}")


@pytest.mark.parametrize("name", ["localhost", "elsewhere", None])
def test_whoever_is_asked_for(certificate: Certificate, name: str | None) -> None:
    """Who asks for a name that is not there, or for none, gets a certificate too."""
    assert name_in(certificate, name) == "first"


def name_in(certificate: Certificate, asked_for: str | None = "localhost") -> str:
    """Whose certificate the next connection is made with, shaken hands for real."""
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_bio(here, there, server_hostname=asked_for)
    server = certificate.serverConnectionForTLS(cast(Any, None))
    server.set_accept_state()
    for _ in range(3):
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        if flight := there.read():
            server.bio_write(flight)
        with suppress(WantReadError):
            server.do_handshake()
        with suppress(WantReadError):
            here.write(server.bio_read(65536))
    der = client.getpeercert(binary_form=True)
    assert der is not None
    (found,) = x509.load_der_x509_certificate(der).subject
    return str(found.value)


def test_what_it_listens_on(certificate: Certificate) -> None:
    """The port is where the string says, with what the string says."""
    reactor = MemoryReactor()
    site = Factory()
    certificate.endpoint(reactor).listen(certificate.secured(site, reactor))
    ((port, factory, _, interface),) = reactor.tcpServers
    assert (port, interface) == (8443, "127.0.0.1")
    assert isinstance(factory, TLSMemoryBIOFactory)
    assert factory.wrappedFactory is site


def test_a_new_certificate(certificate: Certificate, path: Path) -> None:
    """After it was read again, connections to come have the new one."""
    assert name_in(certificate) == "first"
    path.write_bytes(pem("second"))
    assert name_in(certificate) == "first"
    certificate.renew()
    assert name_in(certificate) == "second"


@pytest.mark.parametrize("content", [b"", b"garbage", None, "of another"])
def test_a_bad_certificate(
    certificate: Certificate, path: Path, content: bytes | str | None
) -> None:
    """One that cannot be used is refused, and the old one stays in use."""
    if content is None:
        path.unlink()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        key, end, _ = pem("second").partition(b"-----BEGIN CERTIFICATE-----")
        _, _, made = pem("third").partition(end)
        path.write_bytes(key + end + made)
    with pytest.raises((NoCertificate, FileNotFoundError)):
        certificate.renew()
    assert name_in(certificate) == "first"
