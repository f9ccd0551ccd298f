"""Links and Cloudflare Access, with a real daemon and a stand-in that has real keys."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from e2e.client import ask
from e2e.conftest import Start
from e2e.daemon import Daemon, environment
from e2e.live import live
from e2e.waiting import until

SNAPSHOT = "/api/robot/snapshot"
AUDIENCE = "the-tag-of-the-application"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """What the stand-in signs with."""
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def team(
    tmp_path: Path, key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A team's address, with a certificate that the daemon is told to trust."""
    pem = tmp_path / "localhost.pem"
    pem.write_bytes(certificate(key))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    told = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    body = json.dumps({"keys": [{**told, "kid": "one", "alg": "RS256"}]}).encode()
    server = HTTPServer(("127.0.0.1", 0), publishing(body))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def publishing(body: bytes) -> type[BaseHTTPRequestHandler]:
    """What answers with the team's public keys at their address."""

    class Certs(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/cdn-cgi/access/certs"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Certs


def certificate(key: rsa.RSAPrivateKey) -> bytes:
    """Make a certificate for localhost, and its key, as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made.public_bytes(serialization.Encoding.PEM) + private


def token(team: str, key: rsa.RSAPrivateKey) -> str:
    """Make what Access puts on a request."""
    claims = {
        "aud": [AUDIENCE],
        "iss": f"https://{team}",
        "email": "ada@example.com",
        "exp": time.time() + 60,
    }
    return jwt.encode(claims, key, "RS256", headers={"kid": "one"})


def test_cloudflare_access(start: Start, team: str, key: rsa.RSAPrivateKey) -> None:
    """The team's keys are fetched over TLS, and who is vouched for needs no key."""
    access = {"team_domain": team, "audience": AUDIENCE}
    daemon = start({"robot": {"source": "pattern"}}, cloudflare_access=access)
    until(lambda: "Cloudflare Access: 1 keys of" in daemon.log, "the keys are there")
    header = "Cf-Access-Jwt-Assertion"
    other = rsa.generate_private_key(65537, 2048)
    assert ask(daemon, SNAPSHOT, headers={header: token(team, key)}).status == 200
    assert ask(daemon, SNAPSHOT, headers={header: token(team, other)}).status == 401
    assert ask(daemon, SNAPSHOT, headers={}).status == 401
    with live(daemon, headers={header: token(team, key)}) as peer:
        peer.read_until(lambda: len(peer.frames) > 5, "five pictures")
        assert peer.closed is None
    with live(daemon, headers={header: token(team, other)}) as peer:
        assert peer.refused == 401
    assert "ey" + "J" not in daemon.log


def signed(daemon: Daemon, *arguments: str) -> str:
    """Have ``camd sign`` make a link from the daemon's settings; give its path."""
    camd = Path(sys.executable).parent / "camd"
    made = subprocess.run(
        [str(camd), "sign", *arguments],
        cwd=daemon.log_path.parent,
        env=environment(daemon.log_path.parent),
        capture_output=True,
        text=True,
        check=True,
    )
    return "/" + made.stdout.strip().split("/", 3)[3]


def test_a_signed_link(start: Start) -> None:
    """What ``camd sign`` prints opens that picture, for that time, and nothing else."""
    daemon = start({"robot": {"source": "pattern"}})
    link = signed(daemon, "robot/snapshot", "--for", "1m")
    assert ask(daemon, link, headers={}).status == 200
    assert ask(daemon, link.replace("snapshot", "stream"), headers={}).status == 401
    short = signed(daemon, "robot/snapshot", "--for", "1s")
    until(lambda: ask(daemon, short, headers={}).status == 401, "the link expires")
    assert "signature" not in daemon.log
    kept = daemon.log_path.with_name("state") / "signing_key"
    assert kept.stat().st_mode & 0o777 == 0o600
