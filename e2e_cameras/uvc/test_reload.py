"""A webcam's settings are changed while it is watched."""

from __future__ import annotations

import time
from itertools import pairwise

from e2e.client import Watcher, stats, watching
from e2e.conftest import Start
from e2e.waiting import until
from e2e_cameras.stamps import read
from e2e_cameras.webcam import Webcam

GAP = 1.0
"""Seconds without a picture, while the device is closed and opened again."""
PIXELS = (10_000_000, 20_000_000, 10_000_000)
"""``max_pixels``, which has the device opened again, one after the other: it may be
measured thrice, on a machine that is busy."""


def test_reload(start: Start, webcam: Webcam) -> None:
    """It is closed and opened again within a second, and three viewers stay."""
    daemon = start({"robot": {"source": webcam.device}})
    with watching(daemon, 3) as watchers:
        guests = [client["number"] for client in stats(daemon)["clients"]]
        gaps = []
        for pixels in PIXELS:
            asked = time.monotonic()
            camera = {"source": webcam.device, "max_pixels": pixels}
            daemon.reload({"robot": camera})
            _await_new(watchers, asked + GAP)
            gaps.append(max(_gap(watcher, asked) for watcher in watchers))
        print(f"without a picture for {', '.join(f'{gap:.2f}' for gap in gaps)} s")
        assert min(gaps) < GAP
        assert [client["number"] for client in stats(daemon)["clients"]] == guests
        assert [watcher.trouble for watcher in watchers] == [None] * 3
    assert stats(daemon)["encoder"] == "passthrough"
    assert daemon.log.count("is live: 640x480 at 30 fps, MJPG") == 1 + len(PIXELS)


def _await_new(watchers: list[Watcher], moment: float) -> None:
    """Wait until each has got a picture that the webcam sent after this moment."""
    until(
        lambda: all(read(watcher.seen[-1].jpeg).sent > moment for watcher in watchers),
        "all see new pictures",
    )


def _gap(watcher: Watcher, since: float) -> float:
    """The longest time that pictures, each counted once, were apart from then on."""
    moments = [read(seen.jpeg).sent for seen in watcher.frames()]
    around = [m for m in moments if m > since - GAP]
    return max(after - before for before, after in pairwise(around))
