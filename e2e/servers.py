"""Cameras that are programs of other people: motion as an MJPEG camera that asks for
Digest, µStreamer as one that asks for Basic, GStreamer as an RTSP camera. All can be
killed, and started again.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from e2e.client import stats, watching
from e2e.daemon import Daemon
from e2e.ports import free_port
from e2e.waiting import PATIENCE, until

USER, PASSWORD = "viewer", "swordfish-4711"

MOTION = """\
daemon off
netcam_url file://{video}
width 640
height 272
framerate 15
stream_port {port}
stream_localhost on
stream_maxrate 15
stream_auth_method 2
stream_authentication {user}:{password}
webcontrol_port 0
picture_output off
movie_output off
log_level 4
"""


class Server:
    """A program that listens on a port of 127.0.0.1.

    :ivar port: always the same, however often it is started.
    """

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(self._listens, f"{self._command[0]} listens")

    def kill(self) -> None:
        """Kill the server, as a power cut would; a second call does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
        self._process = None

    def address(self, form: str, password: str = PASSWORD) -> str:
        """Return its address: with ``{}`` in the form as login and host."""
        return form.format(f"{USER}:{password}@127.0.0.1:{self.port}")

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def motion(folder: Path, video: Path) -> Iterator[Server]:
    """Run motion on a video, behind a password."""
    port = free_port()
    settings = MOTION.format(video=video, port=port, user=USER, password=PASSWORD)
    (folder / "motion.conf").write_text(settings)
    command = ["motion", "-n", "-c", str(folder / "motion.conf")]
    with _running(Server(command, port, folder / "motion.log")) as server:
        yield server


@contextmanager
def ustreamer(folder: Path, device: str) -> Iterator[Server]:
    """Run µStreamer on a webcam's own JPEGs, behind a password."""
    port = free_port()
    command = [
        *("ustreamer", "--device", device, "--format", "MJPEG", "--encoder", "HW"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--user", USER, "--passwd", PASSWORD),
    ]
    with _running(Server(command, port, folder / "ustreamer.log")) as server:
        yield server


@contextmanager
def rtsp(folder: Path) -> Iterator[Server]:
    """Run GStreamer's RTSP server on a test picture, behind a password."""
    port = free_port()
    script = Path(__file__).with_name("rtsp_server.py")
    command = ["/usr/bin/python3", str(script), str(port), USER, PASSWORD]
    with _running(Server(command, port, folder / "rtsp.log")) as server:
        yield server


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.kill()


def killed_and_back(daemon: Daemon, server: Server) -> None:
    """Kill the server under three viewers, start it again, and see them go on."""
    with watching(daemon, 3) as watchers:
        until(lambda: all(w.seen[-1].number > 5 for w in watchers), "pictures")
        server.kill()
        until(lambda: stats(daemon)["state"] == "offline", "the camera is offline")
        assert PASSWORD not in str(stats(daemon))
        last = max(w.seen[-1].number for w in watchers)
        server.start()
        until(lambda: all(w.seen[-1].number > last + 5 for w in watchers), "new ones")
        assert [w.trouble for w in watchers] == [None] * 3
        assert stats(daemon)["active_clients"] == 3
