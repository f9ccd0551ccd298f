"""camd under a path of somebody else's site, and behind a UNIX socket."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from e2e.chromium import Driver, cookie
from e2e.client import ask, stats, watching
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.proxies import RECOMMENDED
from e2e.through import through
from e2e.waiting import until
from e2e.wall import await_live, picture

CLIENT = "127.0.0.2"

TCP = "127.0.0.1:CAMD"

SOCKETS = {
    "nginx": (TCP, "unix:SOCKET"),
    "haproxy": (TCP, "unix@SOCKET"),
    "caddy": (TCP, "unix/SOCKET"),
    "apache": (f"http://{TCP}/", "unix:SOCKET|http://127.0.0.1/"),
    "varnish": ('.host = "127.0.0.1";\n    .port = "CAMD";', '.path = "SOCKET";'),
}
"""What docs/proxies.md puts into each file of deploy/ for a UNIX socket."""


@contextmanager
def _short_folder() -> Iterator[Path]:
    """Return a folder for a socket, whose path has room for 107 bytes only."""
    folder = Path(tempfile.mkdtemp(prefix="camd-"))
    # Proxies run as somebody else.
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def socket() -> Iterator[Path]:
    """The path of the daemon's socket."""
    with _short_folder() as folder:
        yield folder / "camd.sock"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, socket: Path) -> Iterator[Daemon]:
    """A daemon that listens on a socket too, and knows of a path in front of it."""
    folder = tmp_path_factory.mktemp("daemon")
    listen = ["tcp:0:interface=127.0.0.1", f"unix:{socket}:mode=666"]
    with running(
        folder,
        {"robot": {"source": "pattern"}},
        listen=listen,
        base_path="/cam",
        trusted_proxies=["127.0.0.1", "unix"],
    ) as daemon:
        yield daemon
    check_log(daemon)


@pytest.fixture(scope="module")
def below(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The daemon behind nginx, below /cam, which nginx leaves on every address."""
    setup = RECOMMENDED["nginx"].having("location / {", "location /cam/ {")
    folder = tmp_path_factory.mktemp("proxy") / "nginx"
    with through(setup, daemon, folder, "/cam") as seen:
        yield seen


def test_addresses_lead_through_the_proxy(below: Daemon) -> None:
    """The addresses that camd tells are good behind the proxy."""
    (camera,) = json.loads(ask(below, "/cam/api/cameras").body)["cameras"]
    with watching(below, path=camera["stream"]) as (watcher,):
        until(lambda: len(watcher.frames()) > 5, "five frames")
    for address in (camera["snapshot"], camera["stats"], "/cam/healthz"):
        assert ask(below, address).status == 200
    assert ask(below, "/api/cameras").status == 404


def test_page_works_through_the_proxy(browser: Driver, below: Daemon) -> None:
    """The page shows the live picture, with a cookie for its own path."""
    browser.get(below.with_query("/cam/"))
    await_live(browser)
    before = picture(browser)
    until(lambda: not np.array_equal(picture(browser), before), "it moves")
    assert browser.current_url == f"{below.origin}/cam/"
    assert cookie(browser)["path"] == "/cam"


@pytest.mark.parametrize("name", SOCKETS)
def test_unix_socket(daemon: Daemon, socket: Path, tmp_path: Path, name: str) -> None:
    """A stream comes through a UNIX socket, and the client is known."""
    until(lambda: not stats(daemon)["clients"], "nobody watches")
    old, new = SOCKETS[name]
    setup = RECOMMENDED[name].having(old, new.replace("SOCKET", str(socket)))
    with through(setup, daemon, tmp_path / name) as seen:
        with watching(seen, source=CLIENT) as (watcher,):
            until(lambda: len(watcher.frames()) > 5, "five frames")
            (client,) = stats(daemon)["clients"]
        assert client["address"] == CLIENT
