"""camd.yaml changes under a running daemon: what is in force, and who notices."""

from __future__ import annotations

import json
import secrets
import signal
from functools import partial
from typing import Any

from e2e.client import ask, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.live import LivePeer, live
from e2e.waiting import until

PATTERN = {"source": "pattern"}


def change(daemon: Daemon, **settings: Any) -> None:
    """Overwrite these settings in camd.yaml, and send SIGHUP."""
    path = daemon.log_path.parent / "camd.yaml"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    hang_up(daemon)


def hang_up(daemon: Daemon) -> None:
    """Reload the settings, and wait until that is done."""
    before = daemon.log.count("Reload: ")
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.log.count("Reload: ") > before, "the settings are read")


def test_who_is_not_touched_loses_nothing(start: Start) -> None:
    """Rates change, cameras come and go; another camera's viewer misses no frame."""
    daemon = start({"robot": PATTERN, "door": PATTERN})
    with (
        watching(daemon) as (untouched,),
        watching(daemon, path="/api/door/stream") as (touched,),
    ):
        change(daemon, cameras={"robot": PATTERN, "door": {**PATTERN, "stream_fps": 3}})
        assert stats(daemon, "door")["stream_fps"] == 3
        seen = touched.seen[-1].number
        until(lambda: touched.seen[-1].number > seen + 3, "pictures at the new rate")
        change(daemon, cameras={"robot": PATTERN, "garden": PATTERN})
        until(lambda: not touched.is_alive(), "the stream of the camera that is gone")
        assert ask(daemon, "/api/door/stream").status == 404
        assert ask(daemon, "/api/garden/stream/stats").status == 200
        until(lambda: untouched.seen[-1].number > seen + 60, "more pictures")
        numbers = [frame.number for frame in untouched.frames()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert untouched.trouble is None


def test_a_bad_file_changes_nothing(start: Start) -> None:
    """A bad file is reported, and the daemon goes on as before."""
    daemon = start({"robot": PATTERN})
    with watching(daemon) as (watcher,):
        change(daemon, stream_fps="fast", jpeg_quality=30)
        assert "Reload: stream_fps: 'fast' is not a number; expected" in daemon.log
        until(lambda: "Reload: nothing has changed" in daemon.log, "it is said")
        path = daemon.log_path.parent / "camd.yaml"
        path.write_text("{")
        hang_up(daemon)
        assert stats(daemon)["stream_fps"] == 15
        seen = len(watcher.seen)
        until(lambda: len(watcher.seen) > seen + 15, "more pictures")
        numbers = [frame.number for frame in watcher.frames()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_key_that_is_gone_ends_its_streams(start: Start) -> None:
    """Viewers of a revoked key are disconnected, and do not get in again."""
    daemon = start({"robot": PATTERN})
    other = secrets.token_urlsafe(24)
    with watching(daemon) as (watcher,):
        change(daemon, api_keys={"other": other})
        until(lambda: not watcher.is_alive(), "the stream has ended")
        assert watcher.trouble is None
    assert ask(daemon, "/api/cameras").status == 401
    assert ask(daemon, "/api/cameras", headers={"X-API-Key": other}).status == 200
    assert other not in daemon.log
    told = ": its key is gone. Total active clients: 0"
    until(lambda: told in daemon.log, "the log says why")


def _has_pictures(peer: LivePeer) -> bool:
    return bool(peer.frames)


def test_a_key_that_is_gone_ends_its_live_connections(start: Start) -> None:
    """They are told why; those of other keys lose no picture, and links end as well."""
    daemon = start({"robot": PATTERN})
    other = secrets.token_urlsafe(24)
    keys = {"e2e": daemon.key, "other": other}
    change(daemon, api_keys=keys)
    wanted = json.dumps({"path": "robot/live"})
    link = json.loads(ask(daemon, "/api/sign", "POST", body=wanted).body)["url"]
    with (
        live(daemon) as gone,
        live(daemon, link, headers={}) as linked,
        live(daemon, headers={"X-API-Key": other}) as stays,
    ):
        for peer in (gone, linked, stays):
            peer.read_until(partial(_has_pictures, peer), "a picture")
        change(daemon, api_keys={"other": other})
        for peer in (gone, linked):
            peer.read_until(lambda: False, "it is closed")
            assert peer.closed == (1008, "its key is gone")
        seen = len(stays.frames)
        stays.read_until(lambda: len(stays.frames) > seen + 15, "more pictures")
        assert stays.closed is None
    with live(daemon) as again:
        assert again.refused == 401
