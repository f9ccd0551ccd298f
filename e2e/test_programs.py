"""Cameras that are programs: real ones, a stand-in for a Pi's, and how each ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from camd.formats.jpeg import whole
from e2e.camera import encode
from e2e.client import stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.waiting import until

FFMPEG = (
    "exec:ffmpeg -loglevel error -re -f lavfi"
    " -i testsrc=size={width}x{height}:rate={fps} -f %s -"
)
GSTREAMER = (
    "exec:gst-launch-1.0 -q videotestsrc is-live=true !"
    " video/x-raw,width={width},height={height},framerate={fps}/1 ! jpegenc ! %s"
)
PROGRAMS = {
    "ffmpeg": FFMPEG % "mjpeg",
    "ffmpeg, multipart": FFMPEG % "mpjpeg",
    "GStreamer": GSTREAMER % "fdsink",
    "GStreamer, multipart": GSTREAMER % "multipartmux ! fdsink",
}

STAND_IN = """#!{python}
import argparse, sys, time
takes = argparse.ArgumentParser(allow_abbrev=False)
for name in ("camera", "timeout", "width", "height", "framerate", "quality"):
    takes.add_argument("--" + name, type=int, required=True)
for name in ("codec", "output"):
    takes.add_argument("--" + name, required=True)
takes.add_argument("--brightness", type=float)
for name in ("nopreview", "flush", "vflip"):
    takes.add_argument("--" + name, action="store_true")
asked = takes.parse_args()
print("Made X/EGL preview window", file=sys.stderr)
if asked.camera:
    sys.exit("ERROR: *** no cameras available ***")
assert (asked.timeout, asked.codec, asked.output) == (0, "mjpeg", "-"), asked
assert asked.nopreview and asked.flush and asked.vflip, asked
assert asked.brightness == 0.25, asked
pictures = {pictures!r}
number = 0
while True:
    sys.stdout.buffer.write(pictures[number % len(pictures)])
    sys.stdout.buffer.flush()
    number += 1
    time.sleep(1 / asked.framerate)
"""
"""A program that takes what ``rpicam-vid`` takes, and plays JPEGs."""


@pytest.fixture
def pi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Put the stand-in on the path; return the pictures that it plays."""
    folder = tmp_path / "bin"
    folder.mkdir()
    pictures = [encode(number) for number in range(5)]
    program = folder / "rpicam-vid"
    program.write_text(STAND_IN.format(python=sys.executable, pictures=pictures))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return pictures


def descendants(number: int) -> Iterator[tuple[int, str, str]]:
    """The number, name and state of all that a process has started."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                told = (entry / "stat").read_text()
            except OSError:
                continue
            name = told[told.index("(") + 1 : told.rindex(")")]
            state, parent = told.rpartition(")")[2].split()[:2]
            if int(parent) == number:
                yield int(entry.name), name, state
                yield from descendants(int(entry.name))


def program_of(daemon: Daemon, name: str) -> int:
    """The number of the program of this name that a daemon has started, once it is."""
    return until(
        lambda: next(
            (n for n, called, _ in descendants(daemon.process.pid) if called == name), 0
        ),
        f"{name} runs",
    )


def is_running(number: int) -> bool:
    """Whether there is such a process, dead ones that nobody has reaped aside."""
    try:
        told = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return told.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_real_programs(start: Start, source: str) -> None:
    """What ffmpeg and GStreamer write, JPEGs or multipart, goes out as it is."""
    keys = {"camera_width": 320, "camera_height": 240, "camera_fps": 15}
    daemon = start({"robot": {"source": source, **keys}})
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.frames()) > 20, "some pictures")
        told = stats(daemon)
    assert told["encoder"] == "passthrough"
    assert told["camera_resolution"] == "320x240"
    assert told["frames_failed"] == 0
    seen = {frame.jpeg for frame in watcher.frames()}
    assert len(seen) > 10
    assert all(whole(jpeg).jpeg == jpeg for jpeg in seen)


def test_a_pi(start: Start, pi: list[bytes]) -> None:
    """A Pi's camera takes the camera's keys, and its pictures are its own."""
    keys = {"camera_fps": 15, "camera_controls": {"brightness": 0.25, "vflip": True}}
    daemon = start({"robot": {"source": "rpicam", **keys}})
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.frames()) > 10, "some pictures")
    assert {frame.jpeg for frame in watcher.frames()} <= set(pi)


def test_why_a_pi_has_no_camera(start: Start, pi: list[bytes]) -> None:
    """The last line that the program says is why the camera is offline."""
    daemon = start({"robot": {"source": "rpicam:1"}})
    error = until(lambda: stats(daemon)["last_error"], "it is offline")
    assert error == (
        "rpicam:1: it ended with status 1: ERROR: *** no cameras available ***"
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("exec:no-such-program -x", "exec:no-such-program ***: no-such-program: no"),
        ("exec:sh -c 'echo one >&2; exit 3'", "it ended with status 3: one"),
        ("exec:cat /dev/zero", "it sends no pictures: no JPEG in 67108864 bytes"),
    ],
)
def test_programs_that_fail(start: Start, source: str, reason: str) -> None:
    """A program that is not there, ends, or floods, is a camera that is offline."""
    daemon = start({"robot": {"source": source}})
    until(lambda: reason in (stats(daemon)["last_error"] or ""), "it says why")
    assert stats(daemon)["state"] == "offline"


def test_a_program_that_is_killed(start: Start) -> None:
    """It is started again, viewers stay, and nothing of the first one is left."""
    daemon = start({"robot": {"source": PROGRAMS["ffmpeg"]}})
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.frames()) > 5, "some pictures")
        number = program_of(daemon, "ffmpeg")
        os.kill(number, signal.SIGKILL)
        until(lambda: "it was ended by signal 9" in daemon.log, "it is missed")
        before = len(watcher.frames())
        until(lambda: len(watcher.frames()) > before + 5, "pictures come again")
        assert not is_running(number)
    assert not [
        name for _, name, state in descendants(daemon.process.pid) if state == "Z"
    ]


def test_camd_that_is_killed(start: Start) -> None:
    """Not even kill -9 leaves a program behind, nor what that has started."""
    film = "ffmpeg -loglevel error -re -f lavfi -i testsrc -f mjpeg -"
    shell = f"exec:sh -c 'sleep 1000 & {film}; wait'"
    daemon = start({"robot": {"source": shell}})
    numbers = [program_of(daemon, name) for name in ("ffmpeg", "sleep")]
    daemon.process.kill()
    daemon.process.wait()
    until(lambda: not any(map(is_running, numbers)), "they have ended")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_end(start: Start, how: signal.Signals) -> None:
    """When camd ends so do its programs, and it does not wait for them."""
    stubborn = "exec:sh -c 'trap \"\" TERM INT; while :; do sleep 1; done'"
    daemon = start({"robot": {"source": stubborn}})
    number = program_of(daemon, "sh")
    assert daemon.stop(how) < 2
    until(lambda: not is_running(number), "it has ended")


def test_nobody_watches(start: Start) -> None:
    """With idle_fps 0 a program runs only while somebody watches."""
    daemon = start({"robot": {"source": PROGRAMS["ffmpeg"], "idle_fps": 0}})
    until(lambda: stats(daemon)["state"] == "idle", "it is released")
    until(lambda: not list(descendants(daemon.process.pid)), "the program ends")
    with watching(daemon) as (watcher,):
        until(lambda: len(watcher.frames()) > 5, "pictures come")


def memory(number: int) -> int:
    """The memory of a process, in bytes."""
    pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_many_restarts(start: Start, pi: list[bytes]) -> None:
    """Started again and again, they leave no process, descriptor or memory behind."""
    keys = {"camera_controls": {"brightness": 0.25, "vflip": True}}
    daemon = start({"robot": {"source": "rpicam", **keys}})
    descriptors = Path(f"/proc/{daemon.process.pid}/fd")
    until(lambda: stats(daemon)["state"] == "live", "it is live")
    counts, sizes = [], []
    for number in range(60):
        daemon.reload(
            {"robot": {"source": "rpicam", "camera_fps": 20 + number % 2, **keys}}
        )
        until(lambda: stats(daemon)["state"] == "live", "it is live again")
        counts.append(len(list(descriptors.iterdir())))
        sizes.append(memory(daemon.process.pid))
    assert max(counts[20:]) <= max(counts[:20]) + 2
    # The first tens of them warm up what is kept for good.
    assert sizes[-1] - sizes[20] < 4_000_000, sizes[::10]
    until(lambda: len(list(descendants(daemon.process.pid))) == 2, "one is left")
