"""Tell systemd that camd is ready, that it is well, and that it ends.

The protocol is sd_notify(3): one datagram of ``NAME=value`` lines to the socket that
systemd names in the environment. Without systemd nothing is sent.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime

from camd.cameras.camera import Camera
from camd.capture.health import State
from camd.periodic import PeriodicCall

Notify = Callable[[str], None]
"""Sends lines to systemd; never fails."""

CHECK_EVERY = 0.25
"""Seconds between two checks of whether all cameras are known to work or not."""


def notifier(environ: Mapping[str, str]) -> Notify:
    """Return what sends lines to systemd.

    :param environ: the environment, in which systemd names its socket.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return lambda lines: None
    # "@" stands for the null byte of an abstract socket.
    place = "\0" + address[1:] if address.startswith("@") else address
    # Kept open: it is used once a second.
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    sender.setblocking(False)

    def send(lines: str) -> None:
        try:
            sender.sendto(lines.encode(), place)
        except OSError:
            # A daemon does not end because nobody listens.
            return

    return send


def watchdog_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """Return the seconds within which systemd wants a sign of life; None for never.

    :param pid: this process's: the variables may be meant for another one.
    """
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() and int(text) else None


class Watch(Service):
    """Tells systemd when camd is ready, and then regularly that it is well.

    It is ready once each camera is known to give pictures, or not to. It is well while
    the reactor runs, as that is what calls this, and while no camera has so many
    threads stuck in its driver that it can begin no other one.

    :param cameras: returns all cameras that there are by then.
    :param within: seconds within which a sign of life is wanted; None for never.
    """

    def __init__(
        self,
        cameras: Callable[[], Iterable[Camera]],
        notify: Notify,
        within: float | None,
        clock: IReactorTime,
    ) -> None:
        self._cameras = cameras
        self._notify = notify
        self._every = within / 2 if within else None
        self._ready_check = PeriodicCall(self._check_ready, clock)
        self._watchdog = PeriodicCall(self._feed_watchdog, clock)

    def startService(self) -> None:
        """Begin to check."""
        super().startService()
        self._ready_check.start(CHECK_EVERY, now=False)
        if self._every is not None:
            self._watchdog.start(self._every, now=False)

    def stopService(self) -> None:
        """Say that camd ends."""
        super().stopService()
        self._ready_check.end()
        self._watchdog.end()
        self._notify("STOPPING=1")

    def reloading(self) -> None:
        """Say that the settings are read again."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def reloaded(self) -> None:
        """Say that they have been read."""
        self._notify("READY=1")

    def _check_ready(self) -> None:
        states = [camera.state for camera in self._cameras()]
        if State.STARTING not in states:
            # Once is enough: a timer that does nothing costs as much as a frame.
            self._ready_check.stop()
            live = states.count(State.LIVE)
            status = f"STATUS={live} of {len(states)} cameras live"
            self._notify(f"READY=1\n{status}")

    def _feed_watchdog(self) -> None:
        if not any(camera.stuck for camera in self._cameras()):
            self._notify("WATCHDOG=1")
