"""Starting and stopping a real ``twistd``, as a person or systemd would."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from camd.config.variables import BARE, PREFIX
from e2e.waiting import PATIENCE, until

Camera = Mapping[str, Any]

TWISTD = (str(Path(sys.executable).parent / "twistd"),)
"""The one beside this Python."""

USER = "anyone"
"""The user name for HTTP Basic; any will do."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that runs.

    :ivar port: the port of 127.0.0.1 on which it listens.
    :ivar key: the key that opens it.
    :ivar scheme: ``https`` where TLS is spoken on that port.
    """

    process: subprocess.Popen[bytes]
    log_path: Path
    port: int
    key: str
    scheme: str = "http"

    @property
    def origin(self) -> str:
        """The address without a path."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def with_query(self, path: str) -> str:
        """Return an address with the key in its query."""
        return f"{self.origin}{path}?api_key={quote(self.key, safe='')}"

    def with_password(self, path: str) -> str:
        """Return an address with the key in front of the host."""
        return f"http://{USER}:{quote(self.key, safe='')}@127.0.0.1:{self.port}{path}"

    @property
    def basic(self) -> str:
        """The key as HTTP Basic carries it, behind :data:`USER`."""
        return base64.b64encode(f"{USER}:{self.key}".encode()).decode()

    @property
    def log(self) -> str:
        """All that it has written until now."""
        return self.log_path.read_text()

    def reload(self, cameras: Mapping[str, Camera]) -> None:
        """Change its cameras, as in camd.yaml; return once the change is in force."""
        path = self.log_path.with_name("camd.yaml")
        settings = json.loads(path.read_text())
        path.write_text(json.dumps({**settings, "cameras": cameras}))
        said = "Reload: the settings are in force"
        before = self.log.count(said)
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.log.count(said) > before, "it goes by other settings")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Ask it to end, and wait.

        :return: the seconds that it took.
        """
        asked = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(PATIENCE)
        return time.monotonic() - asked


@contextmanager
def running(
    folder: Path,
    cameras: Mapping[str, Camera],
    twistd: Sequence[str] = TWISTD,
    **settings: Any,
) -> Iterator[Daemon]:
    """Start a daemon on a free port of 127.0.0.1, and stop it at the end.

    :param folder: where its settings and its log go; it must be empty.
    :param cameras: as in camd.yaml, and so are all further settings.
    :param twistd: the program that is told to run camd.
    """
    key = secrets.token_urlsafe(24)
    # The system picks the port, and the log says which: no two daemons get the same.
    listen = "tcp:0:interface=127.0.0.1"
    defaults = {"listen": listen, "api_keys": {"e2e": key}}
    (folder / "camd.yaml").write_text(
        json.dumps({**defaults, **settings, "cameras": cameras})
    )
    log = folder / "log"
    with log.open("wb") as output, _twistd(folder, output, twistd) as process:
        port = until(lambda: _port(process, log), "the daemon listens")
        yield Daemon(process, log, port, key)


@contextmanager
def _twistd(
    folder: Path, output: Any, twistd: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    command = [*twistd, "-n", "--pidfile=", "camd", "-c", "camd.yaml"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            _end(process)


def environment(folder: Path) -> dict[str, str]:
    """Return this process's environment, less what camd takes for settings.

    :param folder: the daemon's, in which it keeps its state as well.
    """
    own = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(PREFIX) and name.lower() not in BARE
    }
    return {**own, "STATE_DIRECTORY": str(folder / "state")}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def ports_of(daemon: Daemon, count: int) -> list[int]:
    """Return the ports that a daemon listens on, in the order of its settings.

    :param count: how many there are.
    """

    def said() -> list[int] | None:
        found = re.findall(r"Listening on \S+:(\d+)", daemon.log)
        return list(map(int, found)) if len(found) >= count else None

    return until(said, "the daemon listens on all of its ports")


def _port(process: subprocess.Popen[bytes], log: Path) -> int | None:
    text = log.read_text()
    assert process.poll() is None, f"the daemon has ended:\n{text}"
    found = re.search(r"Listening on \S+:(\d+)", text)
    return int(found[1]) if found else None
