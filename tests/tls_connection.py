"""Both sides of TLS over a connection to a real Site."""

from __future__ import annotations

import datetime
import ssl
from contextlib import suppress

import pytest

from tests.fakes import arrived, soon
from tests.http_connection import HttpConnection, Layer, ManualReactor, ViewerResource


def secured(reactor: ManualReactor) -> Layer:
    """A TLS layer with a certificate of its own making."""
    pytest.importorskip("OpenSSL")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from twisted.internet.ssl import PrivateCertificate
    from twisted.protocols.tls import TLSMemoryBIOFactory

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "camd")])
    begin = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    options = PrivateCertificate.loadPEM(pem).options()
    return lambda site: TLSMemoryBIOFactory(options, False, site, reactor)


class SecureClient:
    """A client's side of TLS over a connection, with no certificates checked."""

    def __init__(self, connection: HttpConnection) -> None:
        self.connection = connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out)
        self.received = b""

    def turn(self, read: bool = True) -> None:
        """Let both sides go on; ``read`` is whether the client takes anything."""
        self.connection.reactor.spin()
        if read:
            self._in.write(arrived(self.connection.client))
            with suppress(ssl.SSLWantReadError):
                self.received += self.tls.read(1 << 24)
        self.connection.client.sendall(self._out.read())

    def ask(self, request: bytes = b"GET / HTTP/1.1\r\nHost: camd\r\n\r\n") -> None:
        """Shake hands and send the request."""
        soon(self._shaken)
        self.tls.write(request)
        self.turn()

    def end(self) -> None:
        """Say that there is nothing more to come (close_notify); read nothing."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.connection.client.sendall(self._out.read())

    def _shaken(self) -> bool:
        self.connection.reactor.spin()
        self._in.write(arrived(self.connection.client))
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False
        finally:
            self.connection.client.sendall(self._out.read())

    def drop(self) -> None:
        """Take what has come, and look at none of it; it may be a reset."""
        self.connection.reactor.spin()
        with suppress(ConnectionResetError):
            arrived(self.connection.client)

    def expect(self, body: bytes) -> None:
        """Read until there is as much, and compare."""

        def all_there() -> bool:
            self.turn()
            return len(self._body()) >= len(body)

        soon(all_there)
        assert self._body() == body

    def free(self, resource: ViewerResource) -> bool:
        """Go on; return whether the server has nothing under way any more."""
        self.turn()
        return not resource.outlet.busy

    def _body(self) -> bytes:
        return self.received.partition(b"\r\n\r\n")[2]
