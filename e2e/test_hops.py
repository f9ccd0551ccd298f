"""camd behind camd behind camd: what is true at the first is true at the last."""

from __future__ import annotations

import json
import signal
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from e2e.camera import Mood, http_camera
from e2e.client import STREAM, Watcher, ask, only_viewer, stats, watching
from e2e.clocks import clock_set
from e2e.conftest import Start
from e2e.daemon import Daemon, running
from e2e.ports import free_port, listening_on
from e2e.relay import relay
from e2e.video import Pixels
from e2e.waiting import until

SLOW = 3_000_000 / 8
"""Bytes a second of a mobile uplink."""


def source_of(daemon: Daemon, port: int | None = None) -> str:
    """Return the source that reads a daemon's camera by its live channel."""
    return f"camd+http://{daemon.key}@127.0.0.1:{port or daemon.port}/robot"


def chain(start: Start, first: Daemon, count: int = 2) -> list[Daemon]:
    """Start daemons behind the first one, each behind the one before it."""
    daemons = [first]
    for _ in range(count):
        daemons.append(start({"robot": {"source": source_of(daemons[-1])}}))
    return daemons


def state(daemon: Daemon) -> str:
    """Return the state of a daemon's camera."""
    return str(stats(daemon)["state"])


def is_ready(daemon: Daemon) -> bool:
    """Whether it says so, by the status of ``/readyz``."""
    return ask(daemon, "/readyz").status == 200


def stamps(watcher: Watcher) -> set[tuple[str, int, str]]:
    """Return what the headers of all that came have said."""
    return {seen.stamp for seen in list(watcher.seen)}


def test_a_chain(start: Start) -> None:
    """The three headers at the end are the first one's, bit for bit, in any state."""
    with http_camera() as camera:
        first = start({"robot": {"source": camera.address, "offline_after": 1}})
        daemons = chain(start, first)
        with watching(daemons[0]) as (near,), watching(daemons[-1]) as (far,):
            until(lambda: len(far.frames()) > 20, "pictures at the end")
            assert all(map(is_ready, daemons))
            camera.mood = Mood.GONE
            until(lambda: far.seen[-1].state == "offline", "a placeholder at the end")
            until(lambda: len(far.frames()) > 20, "placeholders at the end")
            told = until(lambda: told_alike(daemons), "they tell one reason")
            assert [each["state"] for each in told] == ["offline"] * 3
            assert not any(map(is_ready, daemons))
            assert [each["origin"] and each["origin"]["link"] for each in told] == [
                None,
                "up",
                "up",
            ]
            camera.mood = Mood.SENDING
            before = far.seen[-1].moment
            until(lambda: far.seen[-1].number, "a picture at the end")
            until(lambda: all(map(is_ready, daemons)), "all are live again")
            until(lambda: far.seen[-1].moment > before + 1, "some more")
            # It begins with a picture that may be older than all the near one has had.
            began = float(near.seen[0].taken)
            at_the_end = {s for s in stamps(far) if float(s[0]) >= began}
            until(lambda: at_the_end <= stamps(near), "the near one has had all of it")
    assert len(at_the_end) > 20
    assert {state for _, number, state in at_the_end if not number} >= {"offline"}


def told_alike(daemons: list[Daemon]) -> list[dict[str, Any]]:
    """Return what they tell of the camera, if the first one's reason is that of all."""
    told = [stats(daemon) for daemon in daemons]
    why = f"the origin's camera is offline: {told[0]['last_error']}"
    return told if all(each["last_error"] == why for each in told[1:]) else []


def test_snapshots_in_a_chain(start: Start) -> None:
    """A snapshot at the end has number, time and state of the first camd."""
    with http_camera() as camera:
        daemons = chain(start, start({"robot": {"source": camera.address}}))
        with watching(daemons[0]) as (near,), watching(daemons[-1]):
            first = until(lambda: near.seen[0].number if near.seen else 0, "pictures")

            def newer() -> Mapping[str, str] | None:
                # The last one may still show what came ahead of that.
                told = ask(daemons[-1], "/api/robot/snapshot").headers
                return told if int(told["x-frame"]) >= first else None

            answer = until(newer, "a picture that the first has shown")
            taken, number = answer["x-timestamp"], int(answer["x-frame"])
            until(lambda: near.seen[-1].number > number, "the first has it as well")
            assert (taken, number, "") in stamps(near)
            assert answer["x-camera-state"] == "live"


def test_an_http_source_in_a_chain(start: Start) -> None:
    """The stream of another camd, as an address, is believed in the same way."""
    with http_camera() as camera:
        first = start({"robot": {"source": camera.address, "offline_after": 1}})
        behind = first.with_password("/api/robot/stream")
        last = start({"robot": {"source": behind}})
        with watching(first) as (near,), watching(last) as (far,):
            until(lambda: len(far.frames()) > 20, "pictures at the end")
            camera.mood = Mood.GONE
            until(lambda: state(last) == "offline", "it is offline there")
            until(lambda: far.seen[-1].state == "offline", "a placeholder at the end")
            assert not is_ready(last)
            at_the_end = stamps(far)
            until(lambda: at_the_end <= stamps(near), "the near one has had all of it")


def noise(number: int) -> Pixels:
    """Draw a picture whose JPEG has 40 KB."""
    random = np.random.default_rng(number)
    grains = random.integers(60, 108, (28, 36, 3), np.uint8)
    drawn = cv2.resize(grains, (640, 480), interpolation=cv2.INTER_CUBIC)
    return np.asarray(drawn, np.uint8)


@pytest.mark.alone
def test_a_slow_way(start: Start) -> None:
    """Behind 3 Mbit/s pictures of 40 KB are fewer, and as fresh as that allows."""
    with http_camera(fps=15) as camera:
        pictures = [noise(number) for number in range(15)]
        camera.draw = lambda number, square=0: pictures[number % 15]
        first = start({"robot": {"source": camera.address}})
        with relay(first) as way:
            way.rate = SLOW
            port = int(way.origin.rpartition(":")[2])
            last = start({"robot": {"source": source_of(first, port)}})
            with watching(last) as (watcher,):
                # The first pictures tell camd what the link is like.
                until(lambda: len(watcher.frames()) > 15, "pictures come")
                known = len(watcher.seen)
                until(lambda: len(watcher.seen) > known + 60, "a minute's worth", 40)
                ages = ages_of(watcher, known)
            told = stats(first)["clients"][0]
    size = statistics.median(len(seen.jpeg) for seen in watcher.seen)
    assert 35_000 < size < 45_000
    assert told["skipped"] > 0
    assert statistics.median(ages) < 0.3
    assert statistics.quantiles(ages, n=20)[-1] < 0.45


def ages_of(watcher: Watcher, known: int = 0) -> list[float]:
    """Return how old frames were when they came, each the first time."""
    wall = time.time() - time.monotonic()
    frames = {seen.stamp: seen for seen in reversed(watcher.seen[known:])}
    return [wall + seen.moment - float(seen.taken) for seen in frames.values()]


@pytest.mark.alone
def test_what_a_hop_adds(start: Start) -> None:
    """On this machine next to nothing: 2 ms (measured, when it has nothing to do)."""
    with http_camera() as camera:
        first, last = chain(start, start({"robot": {"source": camera.address}}), 1)
        with watching(first) as (near,), watching(last) as (far,):
            until(lambda: len(far.frames()) > 60, "pictures at the end")
        at = {seen.number: seen.moment for seen in near.frames()}
        added = [s.moment - at[s.number] for s in far.frames()[2:] if s.number in at]
    assert statistics.median(added) < 0.01


@pytest.mark.parametrize("kind", ["channel", "stream"])
@pytest.mark.parametrize("seconds", [5, -5])
def test_clocks_that_are_wrong(
    start: Start, tmp_path: Path, seconds: float, kind: str
) -> None:
    """An age is that of the picture, and never lower, whatever the clocks show."""
    with http_camera() as camera:
        with clock_set(tmp_path / "clock", seconds):
            first = start({"robot": {"source": camera.address}})
        with clock_set(tmp_path / "other", -3):
            stream = first.with_password("/api/robot/stream")
            source = source_of(first) if kind == "channel" else stream
            middle = start({"robot": {"source": source}})
        last = chain(start, middle, 1)[-1]
        with watching(last) as (watcher,):
            until(lambda: len(watcher.frames()) > 20, "pictures at the end")
            for _ in range(5):
                before = time.time()
                answer = ask(last, "/api/robot/snapshot").headers
                taken = float(answer["x-timestamp"]) - seconds
                age = float(answer["x-frame-age"])
                assert before - taken - 0.002 <= age <= time.time() - taken + 0.25
            assert stats(last)["state"] == "live"


@pytest.mark.alone
def test_an_origin_that_is_killed(start: Start, tmp_path: Path) -> None:
    """Its edge says that the way is lost, and is live 2 s after it is back."""
    key, port = "an-origins-own-key-1", free_port()
    fixed = {"listen": listening_on(port), "api_keys": {"e2e": key}}
    with http_camera() as camera:
        cameras = {"robot": {"source": camera.address}}
        for folder in ("once", "again"):
            (tmp_path / folder).mkdir()
        address = f"camd+http://{key}@127.0.0.1:{port}/robot"
        edge = start({"robot": {"source": address, "offline_after": 1}})
        with running(tmp_path / "once", cameras, **fixed) as origin:
            until(lambda: state(edge) == "live", "the edge is live")
            watcher = Watcher(edge)
            watcher.start()
            until(lambda: len(watcher.frames()) > 5, "pictures come")
            origin.stop(signal.SIGKILL)
        until(lambda: watcher.seen[-1].state == "offline", "a placeholder comes")
        told = stats(edge)
        assert told["origin"] == {"link": "offline", "state": None, "why": None}
        assert f"nothing listens on 127.0.0.1 port {port}" in told["last_error"]
        assert key not in json.dumps(told)
        with running(tmp_path / "again", cameras, **fixed) as daemon:
            again = replace(daemon, key=key)
            origin_live = until(
                lambda: state(again) == "live" and time.monotonic(), "it is back"
            )
            until(lambda: watcher.seen[-1].number, "a picture comes")
            back = next(
                seen for seen in reversed(watcher.seen) if not seen.number
            ).moment
            watcher.stop()
        assert back - origin_live < 2
        assert watcher.trouble is None
        assert key not in edge.log


def test_a_wrong_key(start: Start) -> None:
    """The reason is the origin's answer, and the key is shown nowhere."""
    first = start({"robot": {"source": "pattern"}})
    wrong = "not-the-key-of-it-1234"
    edge = start({"robot": {"source": source_of(first).replace(first.key, wrong)}})
    until(lambda: "it refuses this key" in str(stats(edge)["last_error"]), "it says so")
    assert stats(edge)["origin"]["link"] == "offline"
    assert wrong not in edge.log + json.dumps(stats(edge))


def test_an_edge_at_rest(start: Start) -> None:
    """When nobody watches there, no more is sent than probes take."""
    first, edge = chain(start, start({"robot": {"source": "pattern"}}), 1)

    def rate() -> float:
        return float(only_viewer(first)["fps"])

    with watching(edge):
        until(lambda: rate() > 8, "pictures are sent")
    until(lambda: rate() < 2, "probes are sent")
    assert state(edge) == "live"


def test_a_rendition_over_a_hop(start: Start) -> None:
    """Where all viewers want less, less comes over; it is the first one's own."""
    first, last = chain(start, start({"robot": {"source": "pattern"}}), 1)
    path = f"{STREAM}?width=320"

    def comes_as() -> list[str]:
        """Return what the last one is sent."""
        clients = stats(first)["clients"]
        return [c["rendition"] for c in clients if c["user_agent"].startswith("camd/")]

    until(lambda: comes_as() == ["1/4@35"], "the smallest at rest")
    with watching(first, path=path) as (near,), watching(last, path=path) as (far,):
        rendition = near.headers["x-rendition"]
        assert far.headers["x-rendition"] == rendition
        until(lambda: comes_as() == [rendition], "the rendition comes over")
        since = len(far.frames())
        until(lambda: len(far.frames()) > since + 20, "pictures come")
        made = {seen.stamp: seen.jpeg for seen in near.frames()}
        same = [seen for seen in far.frames()[since:] if seen.stamp in made]
        assert len(same) > 10
        assert all(seen.jpeg == made[seen.stamp] for seen in same)
        with watching(last) as (full,):
            until(lambda: comes_as() == ["full"], "the full picture comes over")
            until(lambda: len(full.frames()) > 10, "full pictures come")
            seen = len(far.frames())
            until(lambda: len(far.frames()) > seen + 10, "and smaller ones")
        numbers = [seen.number for seen in far.frames()]
        assert numbers == sorted(numbers)
