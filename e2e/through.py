"""Starting a real proxy in front of a daemon, and stopping it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path

from e2e.client import ask
from e2e.daemon import Daemon
from e2e.ports import free_port
from e2e.proxies import Place, Setup
from e2e.waiting import PATIENCE

ATTEMPTS = 3
"""Ports to try: another program may take one between its choice and its use."""


@contextmanager
def through(
    setup: Setup, daemon: Daemon, folder: Path, base: str = ""
) -> Iterator[Daemon]:
    """Run a proxy in front of a daemon.

    :param folder: where its files and its log go; created here.
    :param base: the path under which the proxy shows the daemon, such as ``/cam``.
    :return: the daemon as it is seen through the proxy.
    """
    folder.mkdir()
    process, seen = _started(setup, daemon, folder, base)
    try:
        yield seen
    finally:
        _end(process)


def _started(
    setup: Setup, daemon: Daemon, folder: Path, base: str
) -> tuple[subprocess.Popen[bytes], Daemon]:
    log = folder / "log"
    for attempt in range(ATTEMPTS):
        place = Place(folder / str(attempt), free_port())
        seen = replace(daemon, port=place.port)
        process = _launched(setup, place, daemon.port, log)
        if _comes_up(process, seen, base):
            return process, seen
        _end(process)
    raise AssertionError(f"the proxy does not answer:\n{log.read_text()}")


def _launched(
    setup: Setup, place: Place, camd: int, log: Path
) -> subprocess.Popen[bytes]:
    place.folder.mkdir()
    text = setup.text.replace("PORT", str(place.port)).replace("CAMD", str(camd))
    with log.open("ab") as output:
        return subprocess.Popen(
            setup.program(place, text),
            # Caddy keeps files in the home folder.
            env={**os.environ, "HOME": str(place.folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _comes_up(process: subprocess.Popen[bytes], seen: Daemon, base: str) -> bool:
    """Wait until the daemon answers through the proxy, or the proxy has ended."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if _answers(seen, base):
            return True
        time.sleep(0.05)
    return False


def _answers(seen: Daemon, base: str) -> bool:
    # With the key, so that no other daemon is taken for this one.
    try:
        return ask(seen, f"{base}/api/cameras").status == 200
    except (OSError, HTTPException):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
