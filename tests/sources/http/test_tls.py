"""A camera's certificate must be trusted, and bear the camera's name."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from OpenSSL import SSL, crypto

from camd.sources.http.tls import check_for, trust

NO_CONNECTION = cast(SSL.Connection, None)


def certificate(*names: x509.GeneralName) -> crypto.X509:
    """A certificate for these names."""
    key = Ed25519PrivateKey.generate()
    subject = x509.Name([])
    now = datetime.datetime(2026, 1, 1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if names:
        extension = x509.SubjectAlternativeName(names)
        builder = builder.add_extension(extension, critical=False)
    return crypto.X509.from_cryptography(builder.sign(key, None))


CAM = x509.DNSName("cam.example")
NUMBER = x509.IPAddress(ip_address("192.0.2.1"))


@pytest.mark.parametrize(
    ("host", "names", "good"),
    [
        ("cam.example", [CAM], True),
        ("cam.example", [NUMBER, CAM], True),
        ("other.example", [CAM], False),
        ("192.0.2.1", [NUMBER], True),
        ("192.0.2.2", [NUMBER], False),
        ("192.0.2.1", [CAM], False),
        ("cam.example", [], False),
        ("192.0.2.1", [], False),
    ],
)
def test_names(host: str, names: list[x509.GeneralName], good: bool) -> None:
    """A certificate that OpenSSL trusts must be the host's; one without name is not."""
    assert check_for(host)(NO_CONNECTION, certificate(*names), 0, 0, 1) is good


@pytest.mark.parametrize("depth", [0, 1])
def test_what_is_not_trusted(depth: int) -> None:
    """The right name does not help what OpenSSL does not trust."""
    check = check_for("cam.example")
    assert check(NO_CONNECTION, certificate(CAM), 18, depth, 0) is False


def test_signers_need_no_name() -> None:
    """Only the camera's own certificate bears its name."""
    assert check_for("cam.example")(NO_CONNECTION, certificate(), 0, 1, 1) is True


def mode(verify: bool) -> int:
    """What OpenSSL is told to do with a certificate."""
    creator = trust(verify).creatorForNetloc(b"cam.example", 443)
    connection = creator.clientConnectionForTLS(cast(Any, None))
    return int(connection.get_verify_mode())


def test_modes() -> None:
    """Certificates are looked at unless one says otherwise."""
    assert mode(verify=True) == SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    assert mode(verify=False) == SSL.VERIFY_NONE
