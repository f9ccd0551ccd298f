"""How much of a stream a proxy takes for a viewer that reads nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e.client import not_reading, stats
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.proxies import DEFAULT, RECOMMENDED
from e2e.through import through
from e2e.waiting import until

MUCH = 2_000_000
"""Bytes, on the whole way; a viewer with 1 Mbit/s is 16 s behind by them."""

STILL = 2.0
"""Seconds in which camd could send nothing more: all is full."""

BOUNDED = ("nginx", "haproxy", "apache")
"""Those that can be told how much to hold."""


@pytest.fixture(scope="module")
def backlogs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Bytes that camd could send to viewers that read nothing, by their ways."""
    ways = {
        **{f"{name}-default": DEFAULT[name] for name in BOUNDED},
        **{f"{name}-recommended": setup for name, setup in RECOMMENDED.items()},
    }
    # Large frames, as they shall fill what there is soon.
    large = {"camera_width": 1280, "camera_height": 720, "jpeg_quality": 95}
    folder = tmp_path_factory.mktemp("proxies")
    with ExitStack() as stack:
        cameras = {"robot": {"source": "pattern", **large}}
        daemon = stack.enter_context(
            running(tmp_path_factory.mktemp("daemon"), cameras, stream_fps=30)
        )
        seen = {
            way: stack.enter_context(through(setup, daemon, folder / way))
            for way, setup in ways.items()
        }
        numbers: dict[str, int] = {}
        for way, proxied in seen.items():
            stack.enter_context(not_reading(proxied))
            numbers[way] = _number_beside(daemon, set(numbers.values()))
        taken = _taken(daemon)
        yield {way: taken[number] for way, number in numbers.items()}
    check_log(daemon)


def _number_beside(daemon: Daemon, known: set[int]) -> int:
    """Wait for a viewer with a number that is not known yet, and give it."""
    return until(lambda: _bytes(daemon).keys() - known, "one more viewer").pop()


def _taken(daemon: Daemon) -> dict[int, int]:
    """Wait until no viewer takes any more; give each one's bytes.

    Some proxies give a viewer up once all is full, so it may be gone by then.
    """
    taken = _bytes(daemon)
    since = time.monotonic()

    def still() -> bool:
        nonlocal since
        more = taken | _bytes(daemon)
        if more != taken:
            since = time.monotonic()
            taken.update(more)
        return time.monotonic() - since > STILL

    until(still, "no viewer takes any more")
    return taken


def _bytes(daemon: Daemon) -> dict[int, int]:
    """Return the bytes that each viewer was sent, by its number."""
    return {c["number"]: c["bytes"] for c in stats(daemon)["clients"]}


@pytest.mark.parametrize("name", BOUNDED)
def test_recommended_holds_little(backlogs: dict[str, int], name: str) -> None:
    """With the recommended settings a proxy holds little that gets old."""
    assert backlogs[f"{name}-recommended"] < MUCH


@pytest.mark.parametrize("name", BOUNDED)
def test_default_holds_much(backlogs: dict[str, int], name: str) -> None:
    """By default it holds much more: the bound does something."""
    assert backlogs[f"{name}-default"] > MUCH


@pytest.mark.parametrize("name", [name for name in RECOMMENDED if name not in BOUNDED])
def test_these_hold_much(backlogs: dict[str, int], name: str) -> None:
    """These have no such setting; only the kernel's tcp_notsent_lowat helps."""
    assert backlogs[f"{name}-recommended"] > MUCH
