"""What systemd is told and what it hands over; the unit files, looked at by systemd."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e.client import ask, watching
from e2e.daemon import Daemon
from e2e.ports import free_port
from e2e.waiting import PATIENCE, until

DEPLOY = Path(__file__).parents[1] / "deploy"

EXPOSURE = 40
"""Tenths of systemd's scale of exposure; 4.0 is where "OK" ends."""

KEY = "a-key-for-a-daemon-under-systemd"


class Systemd:
    """What stands in for systemd: it holds the port, and listens to what it is told."""

    def __init__(self, folder: Path) -> None:
        self.port = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(str(folder / "notify"))
        self._ear.settimeout(PATIENCE)
        self._folder = folder
        self.told: list[str] = []

    def hear(self, line: str) -> None:
        """Wait until this line is told."""
        while line not in self.told:
            self.told += self._ear.recv(4096).decode().splitlines()

    def environment(self, **more: str) -> dict[str, str]:
        """Return what systemd sets for a service."""
        own = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}
        own["STATE_DIRECTORY"] = str(self._folder / "state")
        notify = {"NOTIFY_SOCKET": str(self._folder / "notify")}
        return {**os.environ, **own, **notify, **more}

    def close(self) -> None:
        """Let go of the sockets."""
        self.port.close()
        self._ear.close()

    @contextmanager
    def started(self, **more: str) -> Iterator[Daemon]:
        """Start camd with the port as its third file, as systemd does."""
        log, port = self._folder / "log", self.port.fileno()
        twistd = str(Path(sys.executable).parent / "twistd")
        # systemd names the process that the port is for; a shell knows its number.
        line = 'LISTEN_PID=$$ exec "$@"'
        camd = [twistd, "-n", "--pidfile=", "camd", "-c", "camd.yaml"]
        with (
            log.open("ab") as output,
            subprocess.Popen(
                ["sh", "-c", line, "sh", *camd],
                cwd=self._folder,
                env=self.environment(**more),
                # The first of its files, as sd_listen_fds(3) has it.
                preexec_fn=lambda: os.dup2(port, 3),
                pass_fds=(3,),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                yield Daemon(process, log, self.port.getsockname()[1], KEY)
            finally:
                if process.poll() is None:
                    process.kill()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """What stands in for systemd, and settings for a daemon under it."""
    settings: dict[str, Any] = {
        "listen": "systemd:domain=INET:name=http",
        "api_keys": {"e2e": KEY},
        "cameras": {"robot": {"source": "pattern"}},
    }
    (tmp_path / "camd.yaml").write_text(json.dumps(settings))
    systemd = Systemd(tmp_path)
    yield systemd
    systemd.close()
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log, log
    assert KEY not in log


def test_ready_and_well_and_ending(systemd: Systemd) -> None:
    """It is told when the camera works, then again and again, and at the end."""
    with systemd.started(WATCHDOG_USEC="500000") as daemon:
        systemd.hear("READY=1")
        assert "STATUS=1 of 1 cameras live" in systemd.told
        assert ask(daemon, "/readyz").status == 200
        systemd.told.clear()
        for _ in range(3):
            systemd.hear("WATCHDOG=1")
            systemd.told.clear()
        daemon.process.send_signal(signal.SIGHUP)
        systemd.hear("RELOADING=1")
        systemd.hear("READY=1")
        daemon.stop()
        systemd.hear("STOPPING=1")


def test_ready_without_a_camera(systemd: Systemd, tmp_path: Path) -> None:
    """A camera that is known not to be there keeps nobody from being ready."""
    settings = json.loads((tmp_path / "camd.yaml").read_text())
    settings["cameras"]["door"] = {"source": "/dev/video77"}
    (tmp_path / "camd.yaml").write_text(json.dumps(settings))
    with systemd.started() as daemon:
        systemd.hear("READY=1")
        assert "STATUS=1 of 2 cameras live" in systemd.told
        daemon.stop()


def test_restart_without_a_gap(systemd: Systemd) -> None:
    """Who asks between two daemons waits for the next one, and is not refused."""
    with systemd.started() as daemon:
        systemd.hear("READY=1")
        assert ask(daemon, "/healthz").status == 200
        daemon.stop()
    with socket.create_connection(systemd.port.getsockname(), PATIENCE) as early:
        early.sendall(b"GET /healthz HTTP/1.1\r\nHost: camd\r\n\r\n")
        with systemd.started() as daemon:
            early.settimeout(PATIENCE)
            assert early.recv(4096).startswith(b"HTTP/1.1 200 OK")
            with watching(daemon) as (watcher,):
                assert watcher.status == 200
            daemon.stop()


def test_socket_activation_by_systemd_itself(tmp_path: Path) -> None:
    """Systemd's own tool hands a port over, and camd answers on it."""
    port = free_port()
    listen = "systemd:domain=INET:name=http"
    settings = {"listen": listen, "api_keys": {"e2e": KEY}}
    (tmp_path / "camd.yaml").write_text(json.dumps(settings))
    twistd = str(Path(sys.executable).parent / "twistd")
    activate = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "--fdname=http"]
    log = tmp_path / "log"
    # It waits for a connection, and then becomes what it starts.
    names = ("PYTHONPATH", "PATH", "HOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
    kept = [f"--setenv={name}" for name in names if name in os.environ]
    command = [*activate, *kept, twistd, "-n", "--pidfile=", "camd"]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            until(lambda: "Listening on" in log.read_text(), "the port is open")
            daemon = Daemon(process, log, port, KEY)
            assert ask(daemon, "/healthz").status == 200
            daemon.stop()
        finally:
            if process.poll() is None:
                process.kill()


def units(tmp_path: Path) -> list[str]:
    """The unit files, with a program and a user that are there."""
    twistd = Path(sys.executable).parent / "twistd"
    paths = []
    for name in ("camd.service", "camd.socket"):
        text = (DEPLOY / name).read_text()
        text = text.replace("/opt/camd/bin/twistd", str(twistd))
        text = text.replace("User=camd", "User=root")
        (tmp_path / name).write_text(text)
        paths.append(str(tmp_path / name))
    return paths


def test_units_are_right(tmp_path: Path) -> None:
    """Systemd finds nothing wrong with them."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "camd" in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_exposure_is_low() -> None:
    """Systemd rates what the service could do to the machine as little."""
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={EXPOSURE}",
            str(DEPLOY / "camd.service"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"exposure level for camd.service: [0-3]\.\d OK", done.stdout)
