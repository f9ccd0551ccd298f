"""How much later a frame comes through a proxy than it comes without."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from e2e.client import NO_HEADERS, Watcher, watching
from e2e.daemon import Daemon
from e2e.waiting import until

FPS = 5
"""Frames a second: so few that a frame held back for the next one is clearly late."""

FRAMES = 24
"""Frames that are compared."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a stream comes through a proxy.

    :ivar late: seconds by which three of four frames are late at most. HAProxy by
        itself delays every second one, so that a median would tell nothing; and the
        worst one tells what else this machine had to do.
    :ivar encoding: the answer's Content-Encoding; None for none.
    """

    late: float
    encoding: str | None


def compare(
    daemon: Daemon,
    seen: Mapping[str, Daemon],
    headers: Mapping[str, str] = NO_HEADERS,
) -> dict[str, Arrival]:
    """Watch one stream directly and through each of the proxies, all at once.

    :param seen: the daemon as it is seen through each proxy.
    :param headers: further headers that every watcher sends.
    """
    with ExitStack() as stack:
        (direct,) = stack.enter_context(watching(daemon, headers=headers))
        ways = {
            name: stack.enter_context(watching(proxied, headers=headers))[0]
            for name, proxied in seen.items()
        }
        until(lambda: _enough(direct, ways), f"{FRAMES} frames through each proxy")
        return {name: _arrival(direct, watcher) for name, watcher in ways.items()}


def _enough(direct: Watcher, ways: Mapping[str, Watcher]) -> bool:
    return all(len(_delays(direct, watcher)) >= FRAMES for watcher in ways.values())


def _arrival(direct: Watcher, watcher: Watcher) -> Arrival:
    *_, late = statistics.quantiles(_delays(direct, watcher), n=4)
    return Arrival(late, watcher.headers.get("content-encoding"))


def _delays(direct: Watcher, watcher: Watcher) -> list[float]:
    """Return the delay of each frame but the first, which may be old."""
    at = {seen.number: seen.moment for seen in direct.frames()}
    frames = watcher.frames()[1:]
    return [seen.moment - at[seen.number] for seen in frames if seen.number in at]
