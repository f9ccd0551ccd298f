"""The daemon as a process: a real twistd, real sockets, real signals.

Nothing here waits for a fixed time; the daemon's own log tells when it is time.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import pytest

from camd import __version__
from camd.formats.multipart import Parser
from tests.fakes_camera import tiny_jpeg

ROOT = Path(__file__).parents[1]
TWISTD = Path(sys.executable).with_name("twistd")
KEY = "open-sesame-1234567890"

LONGEST = 120
"""Seconds after which a test is broken off, however loaded the machine is."""


@pytest.fixture(autouse=True, scope="module")
def heeds_interrupts() -> None:
    """A shell that starts the tests in the background has them ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Process:
    """A twistd that runs camd in a folder of its own.

    :ivar lines: what it has said so far, as far as anybody has read it.
    """

    def __init__(self, home: Path, config: str, *options: str) -> None:
        (home / "camd.yaml").write_text(config)
        plain = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        self.lines: list[str] = []
        self.twistd = subprocess.Popen(
            [TWISTD, "-n", "--pidfile=", *options, "camd", "-c", "camd.yaml"],
            cwd=home,
            env={**plain, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._guard = threading.Timer(LONGEST, self.twistd.kill)
        self._guard.start()

    def until(self, pattern: str) -> re.Match[str]:
        """Read its log up to a line with this."""
        assert self.twistd.stdout is not None
        for line in self.twistd.stdout:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"no {pattern!r} in:\n{''.join(self.lines)}")

    def wait(self) -> int:
        """Read the rest of its log, and give its exit status."""
        rest, _ = self.twistd.communicate(timeout=LONGEST)
        self.lines.append(rest)
        return self.twistd.returncode

    def close(self) -> None:
        """Leave nothing running."""
        self._guard.cancel()
        self.twistd.kill()
        self.twistd.communicate()

    @property
    def output(self) -> str:
        """All that it has said."""
        return "".join(self.lines)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts daemons with given settings, and ends them with the test."""
    started: list[Process] = []

    def run_one(config: str, *options: str) -> Process:
        started.append(Process(tmp_path, config, *options))
        return started[-1]

    yield run_one
    for process in started:
        process.close()


def config(source: str = "pattern") -> str:
    """Settings for one small camera, on a port that the system chooses."""
    return f"""
listen: tcp:0:interface=127.0.0.1
api_keys:
  test: {KEY}
camera_width: 160
camera_height: 120
camera_timeout: 0.2
cameras:
  robot:
    source: {source}
"""


class Viewer:
    """A client of the stream, as small as can be."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=LONGEST
        )
        self._connection.request("GET", f"/api/robot/stream?api_key={KEY}")
        self.answer = self._connection.getresponse()
        self._parser = Parser.from_content_type(
            self.answer.getheader("Content-Type", "").encode()
        )

    def parts(self, count: int) -> list[bytes]:
        """The next so many pictures, or fewer if the stream ends."""
        got: list[bytes] = []
        while len(got) < count and (data := self.answer.read1(65536)):
            got += [part.body for part in self._parser.receive(data)]
        return got

    def to_the_end(self) -> None:
        """Read until the stream is cut, which must be soon."""
        try:
            while self.answer.read1(65536):
                pass
        except (OSError, http.client.HTTPException):
            pass
        finally:
            self._connection.close()


def listening(process: Process) -> int:
    """The port that the daemon listens on, once it does."""
    return int(process.until(r"Listening on \S+:(\d+)")[1])


def check_the_end(process: Process, viewers: list[Viewer], how: signal.Signals) -> None:
    """Send this signal, and check that the daemon ends at once and in good order."""
    asked = monotonic()
    process.twistd.send_signal(how)
    for viewer in viewers:
        viewer.to_the_end()
    status = process.wait()
    took = monotonic() - asked
    output = process.output
    # twistd ends in good order and then by the signal itself, for its parent to see.
    assert status in (0, -how)
    # A second is what is promised; a loaded machine gets more.
    assert took < 5, output
    assert output.count(": shutdown. Total active clients") == len(viewers)
    assert "camd has stopped" in output
    assert "Traceback" not in output
    assert KEY not in output


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_ends(run: Callable[..., Process], how: signal.Signals) -> None:
    """It serves a moving picture to several at once, and ends at once when told to."""
    process = run(config())
    port = listening(process)
    viewers = [Viewer(port) for _ in range(3)]
    for viewer in viewers:
        pictures: set[bytes] = set()
        # One whose successor is late is sent again, so that every player shows it.
        while len(pictures) < 3 and (more := viewer.parts(1)):
            pictures.update(more)
        assert len(pictures) >= 3
        assert all(picture.startswith(b"\xff\xd8") for picture in pictures)
        assert all(picture.endswith(b"\xff\xd9") for picture in pictures)
    check_the_end(process, viewers, how)


def test_a_hangup_before_it_has_begun(run: Callable[..., Process]) -> None:
    """One that comes ahead of the ports is heeded once all has started."""
    process = run(config())
    process.until("camd .* starts")
    process.twistd.send_signal(signal.SIGHUP)
    process.until("Reload: the settings are in force")
    process.until("Camera robot is live")
    check_the_end(process, [], signal.SIGTERM)


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a camera that lets everybody connect and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def dying() -> Iterator[int]:
    """The port of a camera that sends some pictures, and then no more."""
    ended = threading.Event()

    def serve() -> None:
        with closing(server.accept()[0]) as client:
            client.recv(4096)
            client.sendall(
                b"HTTP/1.0 200 OK\r\n"
                b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
                b"--frame\r\n"
            )
            jpeg = tiny_jpeg()
            head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
            for _ in range(40):
                client.sendall(head + jpeg + b"\r\n--frame\r\n")
                ended.wait(0.05)
            ended.wait(LONGEST)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        ended.set()


def test_it_ends_though_a_source_hangs_when_opened(
    run: Callable[..., Process], mute: int
) -> None:
    """A source that never answers holds up neither the viewers nor the end."""
    process = run(config(f"http://127.0.0.1:{mute}/stream"))
    port = listening(process)
    viewers = [Viewer(port) for _ in range(3)]
    process.until("Camera robot is stalled")
    assert [viewer.answer.status for viewer in viewers] == [200] * 3
    check_the_end(process, viewers, signal.SIGTERM)


def test_it_ends_though_a_source_hangs_in_a_read(
    run: Callable[..., Process], dying: int
) -> None:
    """A source that falls silent holds up neither the viewers nor the end."""
    process = run(config(f"http://127.0.0.1:{dying}/stream"))
    port = listening(process)
    process.until("Camera robot is live")
    viewers = [Viewer(port) for _ in range(3)]
    process.until("Camera robot is stalled")
    assert all(viewer.parts(1) for viewer in viewers)
    check_the_end(process, viewers, signal.SIGTERM)


def test_a_port_in_use(run: Callable[..., Process]) -> None:
    """It is one line, which twistd puts into its log, and exit status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = run(config().replace("tcp:0:", f"tcp:{port}:"))
        assert process.wait() == 1
    (line,) = (line for line in process.output.splitlines() if "camd: " in line)
    why = "Address already in use; expected a port that no other program has"
    assert f"listen: 127.0.0.1:{port}: {why}" in line
    assert "Traceback" not in process.output


def test_bad_settings(run: Callable[..., Process]) -> None:
    """They are one line for each, exit status 1, and nothing besides."""
    process = run(config() + "stream_fps: many\n")
    assert process.wait() == 1
    (line,) = process.output.splitlines()
    assert line.startswith("camd: ")
    assert "stream_fps" in line


def test_json_from_the_first_line_to_the_last(run: Callable[..., Process]) -> None:
    """With log_format: json, every line is a JSON object."""
    process = run(config() + "log_format: json\n")
    listening(process)
    process.until("Camera robot is live")
    process.twistd.terminate()
    process.wait()
    told = [json.loads(line) for line in process.output.splitlines()]
    assert told[0]["message"] == f"camd {__version__} starts"
    assert told[-1]["message"] == "camd has stopped"
    assert {"time", "level", "namespace", "message"} <= set.intersection(
        *map(set, told)
    )
    assert {line["camera"] for line in told if "camera" in line} == {"robot"}


def test_passing_jpegs_on_takes_no_opencv(
    run: Callable[..., Process], tmp_path: Path
) -> None:
    """A daemon that shows JPEGs as they are loads neither OpenCV nor numpy."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(tiny_jpeg())
    (folder / "2.jpg").write_bytes(tiny_jpeg(50))
    process = run(config(str(folder)))
    assert len(Viewer(listening(process)).parts(3)) == 3
    loaded = Path(f"/proc/{process.twistd.pid}/maps").read_text()
    assert "cv2" not in loaded
    assert "numpy" not in loaded


@pytest.mark.parametrize(("level", "heard"), [("info", False), ("debug", True)])
def test_the_level(
    run: Callable[..., Process], mute: int, level: str, heard: bool
) -> None:
    """Rounds of heartbeats are logged when debug lines are asked for, and only then."""
    settings = f"log_level: {level}\nheartbeat_interval: 0.1\n"
    process = run(config(f"http://127.0.0.1:{mute}/stream") + settings)
    viewer = Viewer(listening(process))
    assert len(viewer.parts(5)) == 5
    process.twistd.terminate()
    viewer.to_the_end()
    process.wait()
    assert ("heartbeat to 1 viewers" in process.output) is heard


def test_a_log_file(run: Callable[..., Process], tmp_path: Path) -> None:
    """What twistd is told of the log's place holds: here a daemon with --logfile."""
    process = run(config() + "log_format: json\n", "--logfile=here.log")
    log = tmp_path / "here.log"
    while not (log.exists() and "Camera robot is live" in log.read_text()):
        assert process.twistd.poll() is None
        sleep(0.05)
    process.twistd.terminate()
    process.wait()
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert told[-1]["message"] == "camd has stopped"
    assert process.output == ""


def test_a_made_key_opens(run: Callable[..., Process]) -> None:
    """The address in the log is one that can be opened as it stands."""
    # A snapshot waits for as long as camera_timeout; a busy machine may need it.
    text = config().replace("camera_timeout: 0.2", "camera_timeout: 20")
    process = run(text.replace(f"api_keys:\n  test: {KEY}\n", ""))
    port = listening(process)
    key = process.until(r"Open http://127\.0\.0\.1:\d+/\?api_key=(\S+)")[1]
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", f"/api/robot/snapshot?api_key={key}")
        answer = connection.getresponse()
        assert (answer.status, answer.read()[:2]) == (200, b"\xff\xd8")
    process.twistd.terminate()
    process.wait()
    assert process.output.count(key) == 1


# ---- As a daemon


def daemonised(
    home: Path, config: str, *options: str
) -> subprocess.CompletedProcess[str]:
    """What the caller of a twistd that forks is told."""
    (home / "camd.yaml").write_text(config)
    plain = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [TWISTD, *options, "camd", "-c", "camd.yaml"],
        cwd=home,
        env={**plain, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )


def left_behind(home: Path) -> set[str]:
    """The files that the daemon has made."""
    return {path.name for path in home.iterdir()} - {"camd.yaml"}


def test_a_daemon_starts_and_ends(tmp_path: Path) -> None:
    """The caller is told nothing, and the log is for its owner alone."""
    done = daemonised(tmp_path, config())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid = int((tmp_path / "twistd.pid").read_text())
    log = tmp_path / "twistd.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert "Listening on 127.0.0.1:" in log.read_text()
    os.kill(pid, signal.SIGTERM)
    deadline = monotonic() + LONGEST
    while (tmp_path / "twistd.pid").exists():
        assert monotonic() < deadline
        sleep(0.05)
    assert "camd has stopped" in log.read_text()


occupied = socket.create_server(("127.0.0.1", 0))

FAILURES = {
    "a port that is taken": (
        f"listen: tcp:{occupied.getsockname()[1]}:interface=127.0.0.1",
        [],
        "listen: .* in use",
    ),
    "a socket without its folder": (
        "listen: unix:none/camd.sock",
        [],
        "listen: none/camd.sock.lock: No such file or directory",
    ),
    "a pid file that cannot be written": (
        "listen: tcp:0:interface=127.0.0.1",
        ["--pidfile=none/twistd.pid"],
        ".*No such file or directory: '.*/none/twistd.pid'",
    ),
    "a folder that is not there": (
        "listen: tcp:0:interface=127.0.0.1",
        ["--rundir=none"],
        ".*No such file or directory: 'none'",
    ),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_daemon_that_cannot_start(tmp_path: Path, what: str) -> None:
    """One line on the caller's stderr, status 1, and nothing left but the log."""
    settings, options, reason = FAILURES[what]
    done = daemonised(tmp_path, settings, *options)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(f"camd: {reason}.*", line)
    assert left_behind(tmp_path) <= {"twistd.log"}


def test_no_start_in_the_foreground(tmp_path: Path) -> None:
    """It is the same line there."""
    settings, _, reason = FAILURES["a port that is taken"]
    done = daemonised(tmp_path, settings, "-n", "--logfile=log")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(f"camd: {reason}.*", line)
    assert left_behind(tmp_path) == {"log"}
