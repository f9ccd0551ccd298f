"""A driver that does not come back holds nobody up: neither viewers, nor a new one."""

from __future__ import annotations

import errno
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.client import Watcher, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.waiting import until
from e2e_cameras.webcam import Webcam

PATIENCE = 90.0
"""Seconds; a thread is left behind after 30."""


def give_up_after(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have reads of a silent webcam fail after so long, in daemons yet to come."""
    monkeypatch.setenv("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(seconds))


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read of a silent webcam takes an hour."""
    give_up_after(3600, monkeypatch)


@pytest.fixture
def in_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A webcam that is silent is closed after a second."""
    give_up_after(1, monkeypatch)


@pytest.fixture
def webcam() -> Iterator[Webcam]:
    """A webcam that sends again, plugged in, behind the test."""
    webcam = Webcam(0)
    yield webcam
    webcam.tell("resume")
    if not webcam.tell("stat")["plugged"]:
        webcam.tell("plug")
    until(Path(webcam.device).exists, "it is there", PATIENCE)


def await_state(daemon: Daemon, state: str) -> None:
    """Wait until the camera's state is this one."""
    until(lambda: stats(daemon)["state"] == state, f"it is {state}", PATIENCE)


def await_pictures(watchers: list[Watcher]) -> None:
    """Wait until all see pictures of the camera's that are new."""
    before = [len(watcher.seen) for watcher in watchers]
    until(
        lambda: all(
            any(seen.number > 0 for seen in watcher.seen[count + 1 :])
            for watcher, count in zip(watchers, before, strict=True)
        ),
        "new pictures",
        PATIENCE,
    )


def await_comeback(daemon: Daemon) -> None:
    """Wait until all threads that were left behind have come back."""
    left = stats(daemon)["threads_left_behind"]
    until(
        lambda: daemon.log.count("has returned and ended") == left,
        f"{left} threads are back",
        PATIENCE,
    )


@pytest.mark.usefixtures("endless")
def test_left_behind(start: Start, webcam: Webcam) -> None:
    """Another thread takes over, and has the webcam when the cable is pulled."""
    daemon = start({"robot": {"source": webcam.device}})
    with watching(daemon, 3) as watchers:
        webcam.tell("stall")
        until(lambda: stats(daemon)["threads_left_behind"], "it is left", PATIENCE)
        until(lambda: "busy" in str(stats(daemon)["last_error"]), "it is held")
        assert stats(daemon)["state"] == "offline"
        webcam.tell("resume")
        webcam.tell("unplug")
        await_comeback(daemon)
        webcam.tell("plug")
        await_pictures(watchers)
        assert [watcher.trouble for watcher in watchers] == [None] * 3
    assert stats(daemon)["state"] == "live"


@pytest.mark.usefixtures("endless")
def test_reloaded(start: Start, webcam: Webcam) -> None:
    """New settings hold at once, and their feed waits for the device by itself."""
    daemon = start({"robot": {"source": webcam.device}})
    with watching(daemon, 3) as watchers:
        webcam.tell("stall")
        await_state(daemon, "stalled")
        daemon.reload({"robot": {"source": webcam.device, "stream_fps": 5}})
        until(lambda: "busy" in str(stats(daemon)["last_error"]), "it is held")
        webcam.tell("resume")
        await_pictures(watchers)
        assert [watcher.trouble for watcher in watchers] == [None] * 3
    assert stats(daemon)["state"] == "live"
    assert stats(daemon)["threads_left_behind"] == 0


@pytest.mark.usefixtures("endless")
def test_ended(start: Start, webcam: Webcam) -> None:
    """The daemon ends, although a read of the webcam does not."""
    daemon = start({"robot": {"source": webcam.device}})
    with watching(daemon):
        webcam.tell("stall")
        await_state(daemon, "stalled")
    # It would fail after ten seconds; the read takes an hour.
    daemon.stop()
    assert daemon.process.returncode == -signal.SIGTERM


@pytest.mark.usefixtures("in_closing")
def test_dead_firmware(start: Start, webcam: Webcam) -> None:
    """The kernel waits for its answer, and cannot be told to stop; camd goes on."""
    daemon = start({"robot": {"source": webcam.device}})
    with watching(daemon, 3) as watchers:
        with hung():
            until(lambda: stats(daemon)["threads_left_behind"], "it is left", PATIENCE)
            await_state(daemon, "offline")
        await_comeback(daemon)
        await_pictures(watchers)
        assert [watcher.trouble for watcher in watchers] == [None] * 3


@pytest.mark.usefixtures("in_closing")
def test_ended_beside_dead_firmware(start: Start, webcam: Webcam) -> None:
    """The daemon shuts down; only the kernel keeps its process until it answers."""
    daemon = start({"robot": {"source": webcam.device}})
    with watching(daemon), hung():
        until(lambda: _waits_in_kernel(daemon), "the kernel waits")
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: "Server Shut Down" in daemon.log, "it has shut down")
        with socket.socket() as late:
            refused = late.connect_ex(("127.0.0.1", daemon.port))
        assert refused == errno.ECONNREFUSED
        assert daemon.process.poll() is None
    daemon.process.wait(PATIENCE)


def _waits_in_kernel(daemon: Daemon) -> bool:
    """Return whether a thread is in an uninterruptible sleep, D in proc(5)."""
    threads = Path(f"/proc/{daemon.process.pid}/task").glob("*/stat")
    return any(") D " in thread.read_text() for thread in threads)


@contextmanager
def hung() -> Iterator[None]:
    """Have the webcams' firmware do nothing."""
    process = _firmware()
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def _firmware() -> int:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if any(word.endswith(b"/uvccam.py") for word in words):
            return int(path.parent.name)
    raise AssertionError("no webcams here")
