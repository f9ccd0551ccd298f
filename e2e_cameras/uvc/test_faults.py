"""Whatever a webcam does to its pictures, viewers get whole ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest

from camd.formats.jpeg import Size
from e2e.client import Watcher, stats, watching
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.video import decode
from e2e.waiting import until
from e2e_cameras.stamps import drawing, read, sent
from e2e_cameras.webcam import Webcam

SIZE = Size(640, 480)
BAD = 20
"""Pictures of which something is lost."""
LEFT_OUT = "dropped a bad picture"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that shows every picture that the first webcam sends."""
    cameras = {"robot": {"source": Webcam(0).device}}
    folder = tmp_path_factory.mktemp("faults")
    with running(folder, cameras, stream_fps=60) as daemon:
        yield daemon
    check_log(daemon)


@pytest.fixture
def failed(daemon: Daemon) -> Callable[[], int]:
    """Count the pictures that were no good since the test began."""
    before = stats(daemon)["frames_failed"]
    return lambda: int(stats(daemon)["frames_failed"]) - before


@pytest.fixture
def watcher(daemon: Daemon) -> Iterator[Watcher]:
    """Somebody who watches it."""
    with watching(daemon) as (watcher,):
        yield watcher


def await_more(watcher: Watcher, count: int) -> None:
    """Wait until so many more pictures came."""
    goal = len(watcher.seen) + count
    until(lambda: len(watcher.seen) >= goal, f"{count} more pictures")


def check_whole(watcher: Watcher) -> None:
    """See that every picture is the very one that the webcam meant to send."""
    pictures = [seen.jpeg for seen in watcher.seen]
    assert [len(p) for p in pictures if p != sent(p, SIZE)] == []
    assert watcher.trouble is None


@pytest.mark.parametrize("fault", ["truncate", "garbage"])
def test_bad_pictures(
    daemon: Daemon,
    watcher: Watcher,
    webcam: Webcam,
    failed: Callable[[], int],
    fault: str,
) -> None:
    """Pictures that are cut or garbled are left out and counted; the rest goes on."""
    said = daemon.log.count(LEFT_OUT)
    webcam.tell(fault, BAD)
    until(failed, "a bad picture is counted")
    await_more(watcher, 60)
    check_whole(watcher)
    # One that came while the last was under way was replaced, and never looked at.
    assert BAD / 2 <= failed() <= BAD
    told = stats(daemon)
    assert (told["state"], told["camera_reopens"]) == ("live", 0)
    assert daemon.log.count(LEFT_OUT) == said + 1


def test_dropped_pictures(
    watcher: Watcher, webcam: Webcam, failed: Callable[[], int]
) -> None:
    """Pictures that are lost on the way are missing, and nothing else is wrong."""
    webcam.tell("drop", BAD)
    await_more(watcher, 60)
    check_whole(watcher)
    numbers = [read(seen.jpeg).number for seen in watcher.frames()]
    assert max(b - a for a, b in pairwise(numbers)) > BAD
    assert failed() == 0


def test_padding(watcher: Watcher, webcam: Webcam, failed: Callable[[], int]) -> None:
    """The zeros behind each picture do not go out."""
    webcam.tell("pad", 1000)
    await_more(watcher, 60)
    check_whole(watcher)
    assert failed() == 0


def test_missing_tables(
    watcher: Watcher, webcam: Webcam, failed: Callable[[], int]
) -> None:
    """Pictures that leave out the Huffman tables go out with them."""
    webcam.tell("nodht", 1)
    await_more(watcher, 30)
    last = watcher.seen[-1].jpeg
    # In one segment, where the webcam's drawings have one for each table.
    assert last != sent(last, SIZE)
    assert last.count(b"\xff\xc4", 0, last.index(b"\xff\xda")) == 1
    plain = drawing(webcam.number, SIZE, read(last).drawing)
    assert np.array_equal(decode(last), decode(plain))
    assert failed() == 0
