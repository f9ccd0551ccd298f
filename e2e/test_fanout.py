"""Many viewers at once: each gets every frame, and a stuck one costs others nothing."""

from __future__ import annotations

import re
import time

import pytest

from camd.formats.jpeg import Size, measure
from e2e.client import STREAM, Watcher, ask, not_reading, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.video import video
from e2e.waiting import until

WINDOW = 4.0
"""Seconds over which frames are counted."""

SNAPSHOT = "/api/robot/snapshot"

FULL_RATE = 14.0
"""Frames a second that count as the 15 that were set."""


def test_five_viewers_get_15_fps(bikes: Daemon) -> None:
    """Five viewers get 15 frames a second each, and every frame that was captured."""
    with watching(bikes, 5) as watchers:
        until(lambda: all(map(_has_all, watchers)), "14 to 16 fps for each, no gap")
        captured = stats(bikes)["frames_published"]
        until(
            lambda: all(w.seen[-1].number >= captured for w in watchers),
            "each has the newest frame",
        )


def _has_all(watcher: Watcher) -> bool:
    """Return whether a watcher got every frame of the last few seconds, at full rate.

    A machine that does something else meanwhile may capture too few for a while; the
    next window will do.
    """
    since = time.monotonic() - WINDOW
    numbers = [seen.number for seen in watcher.frames() if seen.moment > since]
    full = FULL_RATE <= len(numbers) / WINDOW <= 16
    return full and numbers == list(range(numbers[0], numbers[-1] + 1))


def test_one_capture_for_all(bikes: Daemon) -> None:
    """Three viewers are sent the same bytes, as each frame is encoded once."""
    with watching(bikes, 3) as watchers:
        until(lambda: all(len(w.seen) > 10 for w in watchers), "ten frames for each")
        one, *others = ({s.number: s.jpeg for s in w.frames()} for w in watchers)
        for other in others:
            both = one.keys() & other.keys()
            assert len(both) > 5
            assert all(one[number] == other[number] for number in both)


def test_http_1_0(bikes: Daemon) -> None:
    """A client of HTTP/1.0 gets the stream without chunks, ended by hanging up."""
    with watching(bikes, 1, "1.0") as (watcher,):
        until(lambda: len(watcher.frames()) >= 10, "ten frames")
    assert watcher.status == 200
    assert "transfer-encoding" not in watcher.headers
    assert {measure(seen.jpeg) for seen in watcher.seen} == {Size(640, 272)}


def test_renditions(bikes: Daemon) -> None:
    """Each viewer gets the size it asked for, of the same frames; each is made once."""
    narrow = f"{STREAM}?width=160"
    with watching(bikes) as (full,), watching(bikes, 3, path=narrow) as small:
        until(lambda: all(len(w.frames()) > 20 for w in small), "twenty frames")
        assert {w.headers["x-rendition"] for w in small} == {"1/4@35"}
        told = {each["rendition"]: each for each in stats(bikes)["renditions"]}
        sizes = [{measure(seen.jpeg) for seen in w.frames()} for w in (full, *small)]
        assert sizes == [{Size(640, 272)}] + [{Size(160, 68)}] * 3
        numbers = {seen.number for seen in full.frames()}
        assert len({seen.number for seen in small[0].frames()} & numbers) > 15
    assert told["1/4@35"]["active_clients"] == 3
    assert told["1/4@35"]["frames_made"] < 3 * 20
    assert told["1/2@65"]["frames_made"] == 0


def test_a_snapshot_of_a_rendition(bikes: Daemon) -> None:
    """A snapshot comes in the size that was asked for, whoever else watches."""
    reply = ask(bikes, f"{SNAPSHOT}?width=320&quality=90")
    assert (reply.status, reply.headers["x-rendition"]) == (200, "1/2@90")
    assert measure(reply.body) == Size(320, 136)


def test_a_lower_rate(bikes: Daemon) -> None:
    """With ``fps=5`` a viewer gets each k-th frame, about a third of 15 a second."""
    with watching(bikes) as (full,), watching(bikes, path=f"{STREAM}?fps=5") as (few,):
        until(lambda: len(few.frames()) > 20, "twenty frames")
        numbers = [seen.number for seen in few.frames()]
    between = [n for n in (seen.number for seen in full.frames()) if n > numbers[0]]
    # The first ones come while the camera's rate is not known yet.
    assert len(numbers) < 0.7 * len(between)


def test_head(bikes: Daemon) -> None:
    """HEAD on the stream answers with its headers and ends; it is no viewer."""
    reply = ask(bikes, STREAM, "HEAD")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
    assert stats(bikes)["active_clients"] == 0


def test_stalled_viewer_is_let_go(start: Start) -> None:
    """A viewer that reads nothing is cut off; the one beside it goes on."""
    film = str(video("bigbuckbunny.mp4"))
    daemon = start({"robot": {"source": film}}, stream_timeout=1)
    with watching(daemon) as (watcher,), not_reading(daemon) as connection:
        found = until(lambda: _stalled(daemon), "the log tells of the stalled viewer")
        assert found["active"] == "1"
        with pytest.raises(ConnectionResetError):
            while connection.recv(65536):
                pass
        before = len(watcher.frames())
        until(lambda: len(watcher.frames()) > before + 5, "the other one goes on")
        assert watcher.trouble is None


def _stalled(daemon: Daemon) -> re.Match[str] | None:
    return re.search(
        r"Client 2 disconnected after [\d.]+ s, \d+ frames: stalled\. "
        r"Total active clients: (?P<active>\d+)",
        daemon.log,
    )


def test_comings_and_goings_are_counted(bikes: Daemon) -> None:
    """The log says which viewers came and went; afterwards the stats know none."""
    with watching(bikes, 2):
        assert stats(bikes)["active_clients"] == 2
    until(lambda: stats(bikes)["active_clients"] == 0, "nobody watches")
    for line in (
        r"Client \d+ connected to robot from 127\.0\.0\.1 \(e2e\)\. "
        r"Total active clients: 2",
        r"Client \d+ disconnected after [\d.]+ s, \d+ frames: .*\. "
        r"Total active clients: 0",
    ):
        assert re.search(line, bikes.log)


def test_nobody_without_a_key(start: Start) -> None:
    """Without a key, or with a wrong one, nothing but the health check answers."""
    daemon = start({"robot": {"source": "pattern"}})
    paths = ("/", STREAM, f"{STREAM}/stats", SNAPSHOT, "/api/cameras")
    wrong = ({"X-API-Key": daemon.key[::-1]}, {"X-API-Key": daemon.key[:16]})
    for headers in ({}, *wrong):
        for path in paths:
            assert ask(daemon, path, headers=headers).status == 401
        assert ask(daemon, "/healthz", headers=headers).status == 200
    # After ten wrong keys another wrong one gets 429, and the right one opens.
    assert ask(daemon, SNAPSHOT, headers=wrong[0]).status == 429
    assert ask(daemon, SNAPSHOT, headers={"X-API-Key": daemon.key}).status == 200


def test_somebody_with_a_key(bikes: Daemon) -> None:
    """A key opens in each of the ways it may come, and none of them is logged."""
    snapshot = f"{SNAPSHOT}?api_key={bikes.key}"
    assert ask(bikes, snapshot, headers={}).status == 200
    for headers in (
        {"X-API-Key": bikes.key},
        {"Authorization": f"Bearer {bikes.key}"},
        {"Authorization": f"Basic {bikes.basic}"},
    ):
        headers["Referer"] = bikes.with_query("/")
        assert ask(bikes, SNAPSHOT, headers=headers).status == 200
    assert bikes.log.count(SNAPSHOT) >= 4
    assert bikes.key not in bikes.log
    assert bikes.basic not in bikes.log
