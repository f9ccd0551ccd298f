"""The live channel behind each real proxy: it gets through, and stays fresh."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count, cycle
from pathlib import Path
from subprocess import SubprocessError
from threading import Event, Thread, Timer
from typing import Any

import pytest

from bench import ages
from bench.link import slow_link, why_no_link
from camd.watch import LiveClient, address
from e2e.client import ask
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.delayed import relay
from e2e.proxies import DEFAULT, IDLE, RECOMMENDED, UPGRADING, Setup
from e2e.through import through


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with one camera."""
    folder = tmp_path_factory.mktemp("daemon")
    cameras = {"robot": ages.CAMERA}
    with running(folder, cameras, stream_fps=15, heartbeat_interval=1) as it:
        yield it
    check_log(it)


def seen_through(
    setups: Mapping[str, Setup], daemon: Daemon, folder: Path
) -> Iterator[dict[str, Daemon]]:
    """Run proxies; the daemon as it is seen through each."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(through(setup, daemon, folder / name))
            for name, setup in setups.items()
        }


@pytest.fixture(scope="module")
def deployed(
    daemon: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Daemon]]:
    """The daemon behind each proxy with the file of ``deploy/``."""
    yield from seen_through(RECOMMENDED, daemon, tmp_path_factory.mktemp("deployed"))


@pytest.fixture(scope="module")
def ways(
    daemon: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Daemon]]:
    """The daemon behind each proxy with the least that works."""
    yield from seen_through(UPGRADING, daemon, tmp_path_factory.mktemp("ways"))


def through_each(
    ways: Mapping[str, Daemon], look: Callable[[Daemon, int], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Look through all proxies at once; what was seen, by the proxy's name.

    :param look: called with the daemon as it is seen, and a number of its own.
    """
    with ThreadPoolExecutor(len(ways)) as pool:
        return dict(
            zip(ways, pool.map(look, ways.values(), range(len(ways))), strict=True)
        )


@pytest.mark.alone
def test_it_gets_through(deployed: dict[str, Daemon]) -> None:
    """With the files of deploy/: every picture, none of them old."""

    def seen(way: Daemon, _: int) -> dict[str, Any]:
        return ages.watch(way, "127.0.0.1", way.port, (), 1, 3)[-1]

    for name, total in through_each(deployed, seen).items():
        assert total["age_p95"] < 0.5, name
        assert total["fps"] > 12, name


class Idle(LiveClient):
    """A client that watches no camera."""

    def _told(self, message: dict[str, Any]) -> None:
        pass


def test_silence_does_not_end_it(deployed: dict[str, Daemon]) -> None:
    """Nothing is watched for longer than any of the proxies waits."""

    def rest(way: Daemon, _: int) -> dict[str, Any]:
        url = f"http://127.0.0.1:{way.port}/api/live"
        live = Idle(address(url, stream=False, key=way.key), {})
        seen = list(live.pictures(time.monotonic() + 2 * IDLE + 1))
        return {"pictures": sum(map(bool, seen))}

    for name, total in through_each(deployed, rest).items():
        assert total["pictures"] == 0, name


def test_without_upgrade_there_is_the_frame(
    daemon: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An nginx that lets no WebSocket through lets pictures through."""
    folder = tmp_path_factory.mktemp("stripped")
    with through(DEFAULT["nginx"], daemon, folder / "nginx") as way:
        with pytest.raises(SubprocessError, match="426"):
            ages.watch(way, "127.0.0.1", way.port, (), 1, 3)
        after = 0
        for _ in range(10):
            answer = ask(way, f"/api/robot/frame?after={after}")
            assert answer.status == 200
            assert int(answer.headers["x-frame"]) > after
            after = int(answer.headers["x-frame"])


needs_links = pytest.mark.skipif(bool(why_no_link()), reason=str(why_no_link()))


LINKS = {
    "slow": [name for name, scene in ages.SCENES.items() if scene.rate],
    "unlimited": [name for name, scene in ages.SCENES.items() if not scene.rate],
}
"""What is watched at once: twenty slow links take little of a machine."""


@pytest.mark.alone
@needs_links
@pytest.mark.parametrize("kind", LINKS)
def test_pictures_are_fresh(ways: dict[str, Daemon], kind: str) -> None:
    """Behind every proxy, each over a link of its own: age and rate hold."""
    names = LINKS[kind]

    def seen(number: int, name: str) -> dict[str, dict[str, Any]]:
        return ages.all_at_once(ways, ages.SCENES[name], number * len(ways))

    with ThreadPoolExecutor(len(names)) as pool:
        totals = dict(zip(names, pool.map(seen, count(), names), strict=True))
    missed = [
        (name, way)
        for name, found in totals.items()
        for way, total in found.items()
        if not ages.SCENES[name].bars.met(total)
    ]
    assert missed == [], totals


FALL = {"full": ((), 1.5), "auto": (("--auto",), 0.6)}
"""Options of ``camd watch``, and the age that pictures have again after a fall."""


@pytest.mark.alone
@needs_links
def test_a_link_that_falls(ways: dict[str, Daemon]) -> None:
    """From 10 Mbit/s to 480 kbit/s at once: fresh again within five seconds."""
    before, after, seconds = 8, 5, 10
    tries = [(way, name) for way in ways for name in FALL]

    def fallen(number: int, tried: tuple[str, str]) -> float:
        way, options = ways[tried[0]], FALL[tried[1]][0]
        with slow_link("10mbit", number) as far, relay(far.host, way.port) as port:
            timer = Timer(before, far.change, ["480kbit"])
            timer.start()
            whole = before + after, seconds
            *_, total = ages.watch(way, far.host, port, far.enter, *whole, *options)
        age: float = total["age_p95"]
        return age

    with ThreadPoolExecutor(len(tries)) as pool:
        found = dict(zip(tries, pool.map(fallen, count(), tries), strict=True))
    late = [(way, name) for (way, name), age in found.items() if age > FALL[name][1]]
    assert late == [], found


@pytest.mark.alone
@needs_links
def test_a_link_that_jumps(ways: dict[str, Daemon]) -> None:
    """1 and 3 Mbit/s by turns of ten seconds: the rendition stays nearly still."""
    settle, minutes = 30, 1

    def jumped(way: Daemon, number: int) -> dict[str, Any]:
        with slow_link("1mbit", number) as far, relay(far.host, way.port) as port:
            ended = Event()

            def jump() -> None:
                for rate in cycle(("3mbit", "1mbit")):
                    if ended.wait(10):
                        return
                    far.change(rate)

            jumping = Thread(target=jump)
            jumping.start()
            try:
                times = settle, 60 * minutes
                *_, total = ages.watch(way, far.host, port, far.enter, *times, "--auto")
            finally:
                ended.set()
                jumping.join()
            return total

    totals = through_each(ways, jumped)
    assert [w for w, it in totals.items() if it["changes"] > 2 * minutes] == [], totals


POLL = """
import http.client, sys, time
host, port, key, seconds = sys.argv[1:]
connection = http.client.HTTPConnection(host, int(port), timeout=20)
number, until = 0, time.monotonic() + float(seconds)
while time.monotonic() < until:
    path = f"/api/robot/frame?auto=1&after={number}"
    connection.request("GET", path, headers={"X-API-Key": key})
    answer = connection.getresponse()
    answer.read()
    number = int(answer.headers["X-Frame"])
    print(answer.headers["X-Rendition"])
"""


@pytest.mark.alone
@needs_links
def test_frames_fit_the_link(daemon: Daemon, tmp_path: Path) -> None:
    """A client that polls through a proxy has small pictures over 480 kbit/s, often."""
    with (
        through(DEFAULT["nginx"], daemon, tmp_path / "nginx") as way,
        slow_link("480kbit") as far,
        relay(far.host, way.port) as port,
    ):
        told = (far.host, str(port), daemon.key, "15")
        polled = subprocess.run(
            [*far.enter, sys.executable, "-c", POLL, *told],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    renditions = polled.stdout.split()
    assert renditions[0] == "full"
    assert "full" not in renditions[-20:]
    # With the full picture there would be twenty.
    assert len(renditions) > 75
