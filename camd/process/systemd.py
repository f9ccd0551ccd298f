"""What systemd is told: that camd is ready, that it is well, that it ends.

The protocol is sd_notify(3): one datagram of ``NAME=value`` lines to the socket that
systemd names in the environment. Without systemd nobody listens, and nothing is sent.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from camd.cameras.camera import Camera
from camd.capture.health import State

Notify = Callable[[str], None]
"""Sends lines to systemd; never fails."""

LOOK = 0.25
"""Seconds between two looks whether all cameras are known to work or not."""


def notifier(environ: Mapping[str, str]) -> Notify:
    """
    Make what tells systemd.

    :param environ: the environment, in which systemd names its socket.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return lambda lines: None
    # "@" stands for the null byte of an abstract socket.
    place = "\0" + address[1:] if address.startswith("@") else address
    # Kept: a datagram a second need not open a socket each.
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    sender.setblocking(False)

    def send(lines: str) -> None:
        try:
            sender.sendto(lines.encode(), place)
        except OSError:
            # It is systemd's loss: a daemon does not end because nobody listens.
            return

    return send


def watchdog_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """
    Give the seconds within which systemd wants a sign of life; None for never.

    :param pid: of this process: the variables may have been meant for another one.
    """
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdecimal() and int(text) else None


class Watch(Service):
    """
    Tells systemd that camd is ready, and then again and again that it is well.

    It is ready once each camera is known to give pictures, or not to. It is well while
    the reactor turns, as that is what calls this, and while no camera has so many
    threads stuck in its driver that it can begin no other one.

    :param cameras: gives all cameras there are by then.
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
        self._fed = 0.0
        self._ready = False
        self._clock = clock
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def startService(self) -> None:
        """Begin to look."""
        super().startService()
        self._fed = self._clock.seconds()
        self._loop.start(LOOK, now=False)

    def stopService(self) -> None:
        """Say that camd ends."""
        super().stopService()
        self._loop.stop()
        self._notify("STOPPING=1")

    def reloading(self) -> None:
        """Say that the settings are read again."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")

    def reloaded(self) -> None:
        """Say that they have been read."""
        self._notify("READY=1")

    def _look(self) -> None:
        if not self._ready:
            self._look_for_cameras()
        now = self._clock.seconds()
        if self._every is not None and now - self._fed >= self._every:
            self._feed(now)

    def _look_for_cameras(self) -> None:
        states = [camera.state for camera in self._cameras()]
        if State.STARTING not in states:
            self._ready = True
            live = sum(state is State.LIVE for state in states)
            status = f"STATUS={live} of {len(states)} cameras live"
            self._notify(f"READY=1\n{status}")

    def _feed(self, now: float) -> None:
        if not any(camera.stuck for camera in self._cameras()):
            self._fed = now
            self._notify("WATCHDOG=1")
