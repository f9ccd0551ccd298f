"""A daemon's life: its greeting, a camera that comes late, and its end."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from e2e.camera import Mood, http_camera
from e2e.client import STREAM, ask, not_reading, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.ports import free_port, listening_on
from e2e.video import Film, decode
from e2e.waiting import PATIENCE, until

DRAIN = 0.3
"""Seconds that streams have for their last picture; one here reads nothing of it."""

IN_TIME = 1.0
"""Seconds that a shutdown may take: drain and release take 0.6 of them. A camera's
thread that is waited for would hold it up for 30."""


def test_greeting_opens_the_page(start: Start, film: Film) -> None:
    """With no key set, the log has the address to open, and the made key only there."""
    listen = listening_on(free_port())
    daemon = start({"robot": {"source": str(film.path)}}, api_keys={}, listen=listen)
    address = f"{re.escape(daemon.origin)}/"
    greeting = until(
        lambda: re.search(rf"Open {address}\?api_key=(\S+)", daemon.log), "a greeting"
    )
    key = greeting[1]
    opened = ask(daemon, f"/?api_key={key}", headers={})
    assert (opened.status, opened.headers["location"]) == (302, "/")
    cookie = opened.headers["set-cookie"].partition(";")[0]
    page = ask(daemon, "/", headers={"Cookie": cookie})
    assert page.status == 200
    assert b"<img" in page.body
    assert daemon.log.count(key) == 1


def test_late_camera(start: Start, film: Film, tmp_path: Path) -> None:
    """A camera that is missing at first is shown when it comes, to those who wait."""
    source = tmp_path / "late.mp4"
    daemon = start({"robot": {"source": str(source)}}, heartbeat_interval=0.3)
    until(lambda: stats(daemon)["state"] == "offline", "the camera is offline")
    assert ask(daemon, "/readyz").status == 503
    assert ask(daemon, "/api/robot/snapshot").headers["retry-after"] == "1"
    with watching(daemon) as (watcher,):
        # Until then it is shown a picture that says what it waits for.
        assert {seen.number for seen in watcher.seen} == {0}
        shutil.copy(film.path, tmp_path / "copy")
        (tmp_path / "copy").rename(source)
        until(lambda: watcher.seen[-1].number > 5, "the viewer sees the video")
        assert film.match(decode(watcher.seen[-1].jpeg)).psnr > 30
        assert watcher.trouble is None
    assert ask(daemon, "/readyz").status == 200


@pytest.mark.alone
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_shutdown_in_time(start: Start, film: Film, how: signal.Signals) -> None:
    """It ends at once, for all its viewers, even beside a camera that hangs."""
    with ExitStack() as stack:
        hanging = stack.enter_context(http_camera())
        cameras = {"robot": str(film.path), "hanging": hanging.address}
        soon = {"camera_timeout": 0.5}
        sources = {name: {"source": cameras[name], **soon} for name in cameras}
        daemon = start(sources, drain_seconds=DRAIN)
        watchers = stack.enter_context(watching(daemon, 4))
        watchers += stack.enter_context(watching(daemon, 1, "1.0"))
        stack.enter_context(not_reading(daemon))
        player = stack.enter_context(_ffmpeg(daemon))
        until(lambda: stats(daemon)["active_clients"] == 7, "all of them watch")
        until(lambda: stats(daemon, "hanging")["state"] == "live", "the camera is live")
        hanging.mood = Mood.SILENT
        until(lambda: stats(daemon, "hanging")["state"] == "stalled", "it hangs")
        assert daemon.stop(how) < IN_TIME
        # Twisted ends by the signal itself once all is closed, as is good manners.
        assert daemon.process.returncode == -how
        for watcher in watchers:
            watcher.join(PATIENCE)
            assert not watcher.is_alive()
        assert player.wait(PATIENCE) == 0
    assert "Total active clients: 0" in daemon.log


@contextmanager
def _ffmpeg(daemon: Daemon) -> Iterator[subprocess.Popen[bytes]]:
    """Have ffmpeg watch until the stream ends, or the test does."""
    command = ["ffmpeg", "-nostdin", "-v", "quiet", "-i", daemon.with_query(STREAM)]
    with subprocess.Popen([*command, "-f", "null", "-"]) as player:
        try:
            yield player
        finally:
            player.kill()  # A test that failed would wait for it for ever.
