"""TLS by endpoint: clients that check certificates, and new certificates on the way."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from e2e.authority import Authority, serial_of
from e2e.chromium import chromium, cookie, enter
from e2e.client import Watcher, ask, stats
from e2e.conftest import check_log
from e2e.daemon import Daemon, ports_of, running
from e2e.live import live
from e2e.waiting import PATIENCE, until
from e2e.wall import await_live, picture

KINDS = ("ssl", "tls")

BAD = "names no certificate with its key"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the daemon's certificates."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Path:
    """A folder with one certificate, which both endpoints show."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "both.pem").write_bytes(authority.issue())
    return folder


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Daemon]:
    """A daemon that listens by ``ssl:``, by ``tls:``, and without TLS on its port."""
    here = "interface=127.0.0.1"
    file = folder / "both.pem"
    secured = [f"ssl:0:privateKey={file}:{here}", f"tls:{folder}:0:{here}"]
    listen = [f"tcp:0:{here}", *secured]
    place = tmp_path_factory.mktemp("tls")
    with running(place, {"robot": {"source": "pattern"}}, listen=listen) as daemon:
        yield daemon
    check_log(daemon)


@pytest.fixture(params=KINDS)
def secured(request: pytest.FixtureRequest, daemon: Daemon) -> Daemon:
    """The daemon by its port for TLS, of each kind."""
    _, *secured = ports_of(daemon, 1 + len(KINDS))
    return replace(daemon, port=secured[KINDS.index(request.param)], scheme="https")


def shaken(
    daemon: Daemon, authority: Authority, *protocols: str, name: str = "localhost"
) -> tuple[str | None, int]:
    """Shake hands; give what ALPN chose, and the certificate's serial number."""
    plain = socket.create_connection(("127.0.0.1", daemon.port), PATIENCE)
    context = authority.context(*protocols)
    with plain, context.wrap_socket(plain, server_hostname=name) as connection:
        made = connection.getpeercert(binary_form=True)
        assert made is not None
        chosen = connection.selected_alpn_protocol()
        return chosen, x509.load_der_x509_certificate(made).serial_number


@pytest.mark.parametrize("protocols", [("h2", "http/1.1"), ("http/1.1",), ()])
def test_http_1_1_only(
    secured: Daemon, authority: Authority, protocols: tuple[str, ...]
) -> None:
    """A client that would rather have HTTP/2 gets 1.1, though Twisted could do it."""
    # Without h2 and priority Twisted would offer 1.1 only, whatever camd says.
    import twisted.web.http

    assert twisted.web.http.H2_ENABLED
    chosen, _ = shaken(secured, authority, *protocols)
    assert chosen == ("http/1.1" if protocols else None)


def curl(
    daemon: Daemon, *options: str | Path, host: str
) -> subprocess.CompletedProcess[str]:
    """Have curl fetch a snapshot; give what it says of it."""
    told = "%{http_code} %{http_version} %{content_type}"
    command = ("curl", "-sS", "-o", "/dev/null", "-w", told, *options)
    address = f"https://{host}:{daemon.port}/api/robot/snapshot"
    return subprocess.run(
        [*command, "-H", f"X-API-Key: {daemon.key}", address],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_a_byte_from_a_viewer(secured: Daemon, authority: Authority) -> None:
    """A client that sends something more goes on seeing pictures."""
    plain = socket.create_connection(("127.0.0.1", secured.port), PATIENCE)
    context = authority.context()
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        lines = (
            "GET /api/robot/stream HTTP/1.1",
            "Host: a",
            f"X-API-Key: {secured.key}",
        )
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        received = connection.recv(65536)
        connection.sendall(b"\n")
        while received.count(b"X-Frame:") < 10:
            data = connection.recv(65536)
            assert data, "the stream was ended"
            received += data


@pytest.mark.alone
def test_the_live_channel(secured: Daemon, authority: Authority) -> None:
    """Over TLS too, each picture comes, and the client's own words do no harm."""
    with live(secured, tls=authority.context()) as peer:
        peer.read_until(lambda: len(peer.frames) >= 30, "thirty pictures")
        frames = peer.frames
        assert frames == list(range(frames[0], frames[0] + len(frames)))
        peer.say(watch={})
        peer.say(clock=1)
        peer.read_until(lambda: "clock" in peer.texts[-1], "the time")


def test_camd_watch(secured: Daemon, authority: Authority) -> None:
    """It believes the authority that it is told to, and no other."""
    camd = Path(sys.executable).with_name("camd")
    url = f"https://localhost:{secured.port}/"
    command = [str(camd), "watch", url, "--for", "3s", "--max-age", "1"]
    own = {**os.environ, "CAMD_API_KEY": secured.key}
    trusting = {**own, "SSL_CERT_FILE": str(authority.path)}
    assert subprocess.run(command, env=trusting, timeout=PATIENCE).returncode == 0
    wary = subprocess.run(command, env=own, timeout=PATIENCE, capture_output=True)
    assert wary.returncode == 2
    assert b"certificate verify failed" in wary.stderr


# With an address in place of a name there is no SNI.
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_curl(secured: Daemon, authority: Authority, host: str) -> None:
    """It is content once it is told whom to trust, and not a moment before."""
    done = curl(secured, "--http2", "--cacert", authority.path, host=host)
    assert (done.stdout, done.stderr) == ("200 1.1 image/jpeg", "")
    # 60: the peer's certificate cannot be verified.
    assert curl(secured, host=host).returncode == 60


def test_plain_http_is_let_go(secured: Daemon, daemon: Daemon) -> None:
    """Who speaks plain HTTP to the port for TLS gets nothing, and does no harm."""
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        ask(secured, "/healthz")
    assert ask(daemon, "/healthz").status == 200


def renew(daemon: Daemon, told: str) -> None:
    """Have the daemon read its settings again, until it tells this once more."""
    before = daemon.log.count(told)
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.log.count(told) > before, "it has read them")


def consecutive(watcher: Watcher) -> bool:
    """Return whether each frame follows the one before."""
    numbers = [frame.number for frame in watcher.frames()]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_renewed_certificate(
    secured: Daemon, authority: Authority, folder: Path
) -> None:
    """After a hangup who comes gets the new one; who is there loses no frame."""
    path = folder / "both.pem"
    old, new = path.read_bytes(), authority.issue()
    watcher = Watcher(secured, tls=authority.context())
    watcher.start()
    until(lambda: watcher.seen, "a frame")
    path.write_bytes(new)
    assert shaken(secured, authority)[1] == serial_of(old)
    renew(secured, "Reload: the settings are in force")
    assert shaken(secured, authority)[1] == serial_of(new)
    assert shaken(secured, authority, name="127.0.0.1")[1] == serial_of(new)
    seen = len(watcher.seen)
    until(lambda: len(watcher.seen) > seen + 15, "a second of pictures")
    assert consecutive(watcher)
    watcher.stop()
    assert watcher.trouble is None


@pytest.mark.parametrize("how", ["garbage", "of another key"])
def test_a_bad_certificate(
    secured: Daemon, authority: Authority, folder: Path, how: str
) -> None:
    """The old one stays in use, and the log says once for each endpoint why."""
    path = folder / "both.pem"
    good = path.read_bytes()
    marker = b"-----BEGIN CERTIFICATE-----"
    key, _, _ = good.partition(marker)
    _, _, other = authority.issue().partition(marker)
    path.write_bytes(b"garbage" if how == "garbage" else key + marker + other)
    before = secured.log.count(BAD)
    try:
        renew(secured, "Reload: nothing has changed")
    finally:
        path.write_bytes(good)
    assert secured.log.count(BAD) - before == len(KINDS)
    assert shaken(secured, authority)[1] == serial_of(good)


def trusting(home: Path, authority: Authority) -> Path:
    """Make a home folder in which Chromium finds an authority to trust."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = ("certutil", "-d", f"sql:{database}")
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    trust = ("-A", "-n", "a test's", "-t", "C,,", "-i", str(authority.path))
    subprocess.run([*certutil, *trust], check=True)
    return home


def test_chromium(
    secured: Daemon, authority: Authority, daemon: Daemon, tmp_path: Path
) -> None:
    """It finds nothing wrong, keeps the cookie for https, and shows a live picture."""
    home = trusting(tmp_path / "home", authority)
    with chromium(tmp_path / "profile", home=home) as driver:
        enter(driver, secured)
        await_live(driver)
        assert driver.current_url == f"{secured.origin}/"
        assert driver.execute_script("return isSecureContext")
        kept = cookie(driver)
        assert (kept["secure"], kept["httpOnly"]) == (True, True)
        first = picture(driver)
        until(lambda: (picture(driver) != first).any(), "it moves")
        until(lambda: len(stats(daemon)["clients"]) == 1, "it is the one viewer")
