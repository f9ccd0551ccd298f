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
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.x509.oid import NameOID
from OpenSSL.SSL import Error as SSLError
from OpenSSL.SSL import WantReadError
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactor
from twisted.protocols.tls import TLSMemoryBIOFactory

from camd.listening.certificates import BACKLOG, Certificate, NoCertificate

# Twisted hands pyOpenSSL that one's own objects, and asks them for names, which it
# would rather leave to cryptography.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(OpenSSL|twisted)")


def pem(name: str, host: str = "localhost", rsa: bool = False) -> bytes:
    """A key and a certificate of that name."""
    key: Any = ec.generate_private_key(ec.SECP256R1())
    if rsa:
        key = generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        # Twisted looks for those of a folder by this, and by nothing else.
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
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


@pytest.mark.parametrize("name", ["localhost", "elsewhere", None])
def test_no_cipher_without_forward_secrecy(
    certificate: Certificate, name: str | None
) -> None:
    """A client of TLS 1.2 that has no other gets no connection; others do."""
    assert cipher_in(certificate, "ECDHE+AESGCM", name) is not None
    assert cipher_in(certificate, "AES128-GCM-SHA256:AES256-SHA", name) is None


def test_no_such_cipher_by_any_certificate_of_a_folder(tmp_path: Path) -> None:
    """The certificate of each name is as strict as the first one."""
    for name in ("one.example", "two.example"):
        (tmp_path / f"{name}.pem").write_bytes(pem(name, name, rsa=True))
    certificate = Certificate(f"tls:{tmp_path}:8443:interface=127.0.0.1")
    for asked_for in ("one.example", "two.example", "three.example", None):
        assert cipher_in(certificate, "AES128-GCM-SHA256", asked_for) is None
        if asked_for:
            assert cipher_in(certificate, "ECDHE+AESGCM", asked_for) is not None


def cipher_in(certificate: Certificate, offered: str, name: str | None) -> str | None:
    """The cipher of TLS 1.2 that a client with these gets; None for no connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(offered)
    client = shaken(certificate, context, name)
    found = client.cipher()
    return found[0] if found else None


def name_in(certificate: Certificate, asked_for: str | None = "localhost") -> str:
    """Whose certificate the next connection is made with, shaken hands for real."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = shaken(certificate, context, asked_for)
    der = client.getpeercert(binary_form=True)
    assert der is not None
    (found,) = x509.load_der_x509_certificate(der).subject
    return str(found.value)


def shaken(
    certificate: Certificate, context: ssl.SSLContext, asked_for: str | None
) -> ssl.SSLObject:
    """A client that has shaken hands with the next connection, or failed to."""
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(here, there, server_hostname=asked_for)
    server = certificate.serverConnectionForTLS(cast(Any, None))
    server.set_accept_state()
    for _ in range(3):
        with suppress(ssl.SSLError):
            client.do_handshake()
        if flight := there.read():
            server.bio_write(flight)
        with suppress(SSLError):
            server.do_handshake()
        with suppress(WantReadError):
            here.write(server.bio_read(65536))
    return client


def test_what_it_listens_on(certificate: Certificate) -> None:
    """The port is where the string says, with what the string says."""
    reactor = MemoryReactor()
    site = Factory()
    certificate.endpoint(reactor).listen(certificate.secured(site, reactor))
    ((port, factory, backlog, interface),) = reactor.tcpServers
    assert (port, interface, backlog) == (8443, "127.0.0.1", BACKLOG)
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
