"""Players and programs that people use read a hundred frames without an error."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from itertools import pairwise
from threading import Thread

import cv2
import numpy as np
import pytest

from e2e.client import STREAM, watching
from e2e.daemon import Daemon
from e2e.video import Film
from e2e.waiting import PATIENCE

COUNT = 100

WAYS = {"query": Daemon.with_query, "password": Daemon.with_password}
"""The two places for a key in an address."""

ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())

Way = Callable[[Daemon, str], str]


@ways
def test_ffmpeg(bikes: Daemon, way: Way) -> None:
    """Ffmpeg decodes a hundred frames without a warning."""
    # One line with a checksum per decoded frame, none repeated or dropped.
    output = ("-frames:v", f"{COUNT}", "-fps_mode", "passthrough", "-f", "framemd5")
    command = ("ffmpeg", "-nostdin", "-v", "warning", "-i", way(bikes, STREAM))
    done = subprocess.run(
        [*command, *output, "-"], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [x for x in done.stdout.splitlines() if not x.startswith("#")]
    assert len(lines) == COUNT
    # All but a few heartbeats are different pictures.
    assert len({line.split(",")[-1] for line in lines}) > 0.9 * COUNT


@ways
def test_opencv(bikes: Daemon, film: Film, way: Way) -> None:
    """OpenCV reads a hundred frames, and they are the video's, in order."""
    capture = cv2.VideoCapture(way(bikes, STREAM), cv2.CAP_FFMPEG)
    # Looked at later: to compare each with the whole film would hold the reader up.
    pictures = []
    for number in range(COUNT):
        read, picture = capture.read()
        assert read, f"frame {number}"
        pictures.append(np.asarray(picture, np.uint8))
    capture.release()
    matches = [film.match(picture) for picture in pictures[::10]]
    assert min(match.psnr for match in matches) > 30
    steps = [
        film.ahead(earlier.index, later.index) for earlier, later in pairwise(matches)
    ]
    # Ten frames at 15 fps are 17 of the video's 25 fps.
    assert all(5 < step < 50 for step in steps), steps


def test_all_at_once(bikes: Daemon) -> None:
    """A reader that comes and goes takes nothing from the others."""
    with watching(bikes, 2) as watchers:
        players = [Thread(target=_read_ten, args=(bikes,)) for _ in range(2)]
        for player in players:
            player.start()
        for player in players:
            player.join()
        assert [watcher.trouble for watcher in watchers] == [None, None]
        assert all(watcher.is_alive() for watcher in watchers)


def _read_ten(daemon: Daemon) -> None:
    capture = cv2.VideoCapture(daemon.with_query(STREAM), cv2.CAP_FFMPEG)
    for _ in range(10):
        capture.read()
    capture.release()
