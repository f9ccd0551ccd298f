"""Starts and stops the two servers that are measured: camd, and the C floor."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compiled import BUILD, program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
SERVER_CORE = 0
CLIENT_CORE = 1
LOOPBACK = "127.0.0.1"
KEY = "benchbenchbenchbench"
FPS = 15
START_SECONDS = 20.0
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: its process, and where its stream is."""

    pid: int
    host: str
    port: int
    path: str


class NotStarted(Exception):
    """A server ended, or did not listen in time; str() says what it printed last."""


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """The command bound to one core; as it is where there is only one."""
    if (os.cpu_count() or 1) < 2:
        return list(command)
    return ["taskset", "-c", str(core), *command]


def free_port(host: str) -> int:
    """A port of this address that nobody listens on."""
    with socket.socket() as listener:
        listener.bind((host, 0))
        port: int = listener.getsockname()[1]
        return port


def listens(host: str, port: int) -> bool:
    """Whether somebody answers there."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def await_start(process: subprocess.Popen[bytes], at: Server, log: Path) -> None:
    """Returns when the server listens.

    :raises NotStarted: when it ended, or did not listen within 20 seconds.
    """
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if listens(at.host, at.port):
            return
        time.sleep(0.05)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    raise NotStarted(lines[-1] if lines else "no answer and no word")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a server, by force when it does not go by itself."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running(
    command: Sequence[str],
    host: str,
    port: int,
    path: str,
    cwd: Path,
    core: int = SERVER_CORE,
) -> Iterator[Server]:
    """A server while it is needed, on a core of its own, with a bare environment.

    The environment would override camd's settings, so little of it is handed on.
    """
    log = BUILD / f"{Path(command[0]).name}-{port}.log"
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            pinned(core, command), stdout=out, stderr=out, cwd=cwd, env=bare
        )
        server = Server(process.pid, host, port, path)
        try:
            await_start(process, server, log)
            yield server
        finally:
            stop(process)
    log.unlink(missing_ok=True)


@contextmanager
def floor(folder: Path, lowat: int = 0, host: str = LOOPBACK) -> Iterator[Server]:
    """The C floor, sending a folder at 15 frames a second.

    :param lowat: its TCP_NOTSENT_LOWAT in bytes, 0 for the system's own.
    """
    port = free_port(host)
    numbers = [str(FPS)] + ([str(lowat)] if lowat else [])
    command = [str(program("floor")), host, str(port), str(folder), *numbers]
    with running(command, host, port, "/", BUILD) as server:
        yield server


@contextmanager
def webcam(folder: Path, fps: float = FPS) -> Iterator[Server]:
    """The daemon, showing a webcam that is in memory (:mod:`bench.webcam`).

    :param fps: pictures a second of the webcam, of which 15 are shown.
    """
    twistd = [sys.executable, "-m", "bench.webcam", str(folder), str(fps)]
    with camd("/dev/video0", twistd=twistd, camera_fps=fps) as server:
        yield server


@contextmanager
def mjpeg_cameras(folder: Path, fps: float = FPS) -> Iterator[str]:
    """Cameras over HTTP, on the clients' core: the address of any number of them.

    :param fps: pictures a second of each.
    """
    port = free_port(LOOPBACK)
    command = [sys.executable, "-m", "bench.mjpeg", LOOPBACK, str(port)]
    command += [str(folder), str(fps)]
    with running(command, LOOPBACK, port, "/", BUILD, CLIENT_CORE):
        yield f"http://{LOOPBACK}:{port}/video"


@contextmanager
def relay(camera: str, cameras: int, python: bool = False) -> Iterator[Server]:
    """The C relay, of so many streams of one camera.

    :param camera: its address, as :func:`mjpeg_cameras` has it.
    :param python: whether it is the least in Python (:mod:`bench.least`) instead.
    """
    place, _, path = camera.removeprefix("http://").partition("/")
    port, (host, _, there) = free_port(LOOPBACK), place.partition(":")
    least = [sys.executable, "-m", "bench.least"]
    command = least if python else [str(program("relay"))]
    command += [LOOPBACK, str(port), host, there, f"/{path}", str(cameras)]
    with running(command, LOOPBACK, port, "/api/{n}/stream", BUILD) as server:
        yield server


TWISTD = (str(Path(sys.executable).with_name("twistd")),)

WITHOUT_H2 = (
    sys.executable,
    "-c",
    "import sys; sys.modules['h2'] = None; "
    "from twisted.scripts import twistd; twistd.run()",
)
"""twistd as users have it: without h2, which only the tests install, and which Twisted
loads where it is there."""


@contextmanager
def camd(
    source: str,
    host: str = LOOPBACK,
    cameras: int = 1,
    twistd: Sequence[str] = TWISTD,
    **settings: float | bool | str,
) -> Iterator[Server]:
    """The daemon under twistd, showing a source at 15 frames a second.

    :param cameras: how many cameras have this source.
    :param twistd: what runs it.
    :param settings: more keys of camd.yaml; they win over the benchmark's own.
    """
    port = free_port(host)
    config: Mapping[str, object] = {
        "listen": f"tcp:{port}:interface={host}",
        "api_keys": {"bench": KEY},
        "cameras": {f"robot{n}": {"source": source} for n in range(cameras)},
        "stream_fps": FPS,
        "camera_fps": FPS,
        "max_viewers": 10_000,
        **settings,
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "camd.yaml")
        # JSON is YAML.
        file.write_text(json.dumps(config), encoding="utf-8")
        command = [*twistd, "-n", "--pidfile=", "camd", "-c", str(file)]
        path = f"/api/robot{{n}}/stream?api_key={KEY}"
        with running(command, host, port, path, Path(folder)) as server:
            yield server
