"""What systemd is told, and when."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from camd.capture.health import State
from camd.process.systemd import CHECK_EVERY, Watch, notifier, watchdog_interval


def camera(state: State, stuck: bool = False) -> Any:
    """A camera in this state."""
    return SimpleNamespace(state=state, stuck=stuck)


class WatchHarness:
    """A watch that has been started, and what it told systemd."""

    def __init__(self, *cameras: Any, within: float | None = None) -> None:
        self.lines: list[str] = []
        self.cameras = list(cameras)
        self.clock = Clock()
        watch = Watch(lambda: self.cameras, self.lines.append, within, self.clock)
        self.watch = watch
        watch.startService()

    def run(self, seconds: float) -> list[str]:
        """Let time pass; return what was told in it."""
        before = len(self.lines)
        self.clock.pump([CHECK_EVERY] * round(seconds / CHECK_EVERY))
        return self.lines[before:]


def test_ready_when_all_are_known() -> None:
    """A camera that has yet to be tried is waited for, and said once."""
    harness = WatchHarness(camera(State.LIVE), camera(State.STARTING))
    assert harness.run(60) == []
    harness.cameras[1] = camera(State.OFFLINE)
    assert harness.run(60) == ["READY=1\nSTATUS=1 of 2 cameras live"]


@pytest.mark.parametrize("state", set(State) - {State.STARTING})
def test_every_known_state_is_ready(state: State) -> None:
    """Whether it works or not, it is known."""
    count = int(state is State.LIVE)
    assert WatchHarness(camera(state)).run(1) == [
        f"READY=1\nSTATUS={count} of 1 cameras live"
    ]


def test_no_timer_once_it_is_ready() -> None:
    """Without a watchdog, nothing is left to be done then."""
    harness = WatchHarness(camera(State.LIVE))
    harness.run(1)
    assert not harness.clock.getDelayedCalls()


def test_signs_of_life() -> None:
    """They come in half the time that systemd waits for."""
    harness = WatchHarness(camera(State.STARTING), within=10)
    assert harness.run(60) == ["WATCHDOG=1"] * 12


def test_no_signs_of_life_where_none_are_wanted() -> None:
    """Without a watchdog nothing is sent."""
    assert WatchHarness(camera(State.STARTING)).run(60) == []


def test_a_stuck_camera_gives_no_sign_of_life() -> None:
    """While one camera can begin no thread, systemd waits in vain."""
    harness = WatchHarness(
        camera(State.STARTING), camera(State.STARTING, stuck=True), within=10
    )
    assert harness.run(60) == []
    harness.cameras[1] = camera(State.STARTING)
    assert harness.run(5) == ["WATCHDOG=1"]


def test_the_end() -> None:
    """It is told at the end, and then nothing more."""
    harness = WatchHarness(camera(State.STARTING), within=1)
    harness.watch.stopService()
    assert harness.lines == ["STOPPING=1"]
    assert harness.run(60) == []


def test_reloading() -> None:
    """Systemd wants to know when it began, on the monotonic clock."""
    harness = WatchHarness(camera(State.LIVE))
    harness.watch.reloading()
    harness.watch.reloaded()
    began, done = harness.lines
    assert began.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert done == "READY=1"


@pytest.mark.parametrize("abstract", [False, True])
def test_a_real_socket(tmp_path: Path, abstract: bool) -> None:
    """The lines arrive at the socket that the environment names."""
    name = f"@camd-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(name.replace("@", "\0") if abstract else name)
        ear.settimeout(10)
        notifier({"NOTIFY_SOCKET": name})("READY=1")
        assert ear.recv(100) == b"READY=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_nobody_listens(environ: dict[str, str]) -> None:
    """Without systemd, or when it is gone, nothing happens."""
    notifier(environ)("READY=1")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_when_signs_of_life_are_wanted(
    environ: dict[str, str], seconds: float | None
) -> None:
    """The variables count only if they are meant for this process."""
    assert watchdog_interval(environ, 7) == seconds
