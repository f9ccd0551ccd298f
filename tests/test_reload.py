"""New settings in a running daemon: what changes, and who does not notice."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel, capturedLogs

from camd.cameras.pipeline import RELEASE
from camd.config import ConfigError
from camd.config.settings import Settings
from camd.daemon import Daemon
from camd.process.file_limit import FileLimit
from camd.tap import reload
from tests.fakes import FakeOutlet, uncollected
from tests.fakes_camera import FakeEnvironment, HttpConnection, said

KEY = "a-key-of-some-length"
OTHER = "another-key-of-some-length"


def settings(
    *cameras: str, keys: dict[str, str] | None = None, **more: Any
) -> Settings:
    """Settings of these cameras, each from a source of its own."""
    own = {name: {"name": name, "stream_fps": 16, **more} for name in cameras}
    return Settings.model_validate(
        {"cameras": own, "api_keys": {"me": KEY} if keys is None else keys}
    )


class Running:
    """A daemon that runs in a fake environment, and its viewers."""

    def __init__(self, given: Settings) -> None:
        self.environment = FakeEnvironment(0)
        self.reactor = MemoryReactorClock()
        # One clock for all.
        self.reactor.callLater = self.environment.clock.callLater
        self.reactor.seconds = self.environment.clock.seconds
        self.daemon = Daemon(
            given, self.environment, self.reactor, file_limit=FileLimit(1024, 4096)
        )
        self.daemon.startService()

    def ask(self, path: str, key: str = KEY) -> HttpConnection:
        """Send a request."""
        line = HttpConnection(self.daemon.site)
        line.ask(path, f"X-API-Key: {key}")
        return line

    def frames(self, name: str) -> int:
        """How many frames this camera's only viewer was sent."""
        (viewer,) = self.daemon.cameras[name].viewers
        return viewer.sent.frames


def test_an_untouched_camera_is_not_touched() -> None:
    """Its viewer loses no frame, while others come, go, and change."""
    running = Running(settings("robot", "door"))
    line = running.ask("/api/robot/stream")
    camera, source = running.daemon.cameras["robot"], running.environment.sources[0]
    running.environment.run(1)
    before = running.frames("robot")
    changed = settings("robot", "garden")
    running.daemon.apply(changed)
    running.environment.run(1)
    assert running.daemon.cameras["robot"] is camera
    assert list(running.daemon.cameras) == ["robot", "garden"]
    assert source.calls.count("open") == 1
    assert running.frames("robot") == before + 16
    assert not line.transport.disconnecting


def test_a_new_camera_is_there() -> None:
    """It can be watched at once."""
    running = Running(settings("robot"))
    assert running.ask("/api/door/stream").status == 404
    running.daemon.apply(settings("robot", "door"))
    running.ask("/api/door/stream")
    running.environment.run(1)
    assert running.frames("door") > 10


def test_a_camera_that_is_gone() -> None:
    """Its streams end, and it is not found any more."""
    running = Running(settings("robot", "door"))
    line = running.ask("/api/door/stream")
    running.environment.run(1)
    running.daemon.apply(settings("robot"))
    running.environment.run(1)
    assert line.raw.endswith(b"0\r\n\r\n")
    assert running.ask("/api/door/stream").status == 404


def test_a_new_camera_rate() -> None:
    """The camera is opened again; its viewers stay, and get pictures again."""
    running = Running(settings("robot"))
    line = running.ask("/api/robot/stream")
    running.environment.run(1)
    running.daemon.apply(settings("robot", camera_fps=4))
    running.environment.run(1)
    before = running.frames("robot")
    running.environment.run(1)
    assert running.frames("robot") - before == 16
    assert not line.transport.disconnecting
    assert [source.is_open for source in running.environment.sources] == [False, True]


def test_a_new_camera_rate_while_the_camera_hangs() -> None:
    """Another thread takes over at once; the old one lets go when it comes back."""
    running = Running(settings("robot"))
    line = running.ask("/api/robot/stream")
    running.environment.run(1)
    (stuck,) = running.environment.threads
    stuck.takes = None
    running.environment.run(1)
    running.daemon.apply(settings("robot", camera_fps=4))
    before = running.frames("robot")
    running.environment.run(RELEASE + 1)
    assert running.frames("robot") - before >= 4
    assert not line.transport.disconnecting
    assert [source.is_open for source in running.environment.sources] == [True, True]
    assert stuck.stops == 1
    while stuck.queue:
        stuck.finish()
    assert [source.is_open for source in running.environment.sources] == [False, True]


def test_changed_twice_at_once() -> None:
    """Only the last one counts, and no source is left open."""
    running = Running(settings("robot"))
    running.ask("/api/robot/stream")
    running.environment.run(1)
    for fps in (2, 4, 8):
        running.daemon.apply(settings("robot", stream_fps=fps, camera_fps=fps))
    running.environment.run(1)
    before = running.frames("robot")
    running.environment.run(2)
    assert running.frames("robot") - before in (16, 17)
    assert sum(source.is_open for source in running.environment.sources) == 1


@pytest.mark.parametrize("cached", [True, False])
def test_a_change_leaves_nothing_behind(cached: bool) -> None:
    """What was replaced is freed at once, though its viewer stays."""
    more = {"enable_frame_cache": cached, "heartbeat_interval": 2}
    running = Running(settings("robot", **more))
    running.ask("/api/robot/stream")
    running.environment.run(1)
    (pipeline,) = running.daemon.cameras["robot"].viewers.values()
    parts = (
        pipeline,
        pipeline.fan_out,
        pipeline.capture,
        pipeline.heartbeat,
        pipeline.offline,
    )
    left = {type(part).__name__: weakref.ref(part) for part in parts}
    del pipeline, parts
    with uncollected():
        running.daemon.apply(settings("robot", camera_fps=8, **more))
        running.environment.run(1)
        assert [name for name, part in left.items() if part() is not None] == []


def test_who_comes_in_the_midst_of_a_change() -> None:
    """Who comes before the former source is released gets every frame after that."""
    running = Running(settings("robot"))
    running.environment.run(1)
    (thread,) = running.environment.threads
    thread.takes = None
    running.daemon.apply(settings("robot", camera_fps=10))
    running.ask("/api/robot/stream")
    running.ask("/api/robot/snapshot")
    assert [s.is_open for s in running.environment.sources] == [True, False]
    running.environment.run(1)
    before = running.frames("robot")
    running.environment.run(1)
    assert running.frames("robot") - before == 16


def test_what_cannot_be_had_is_said_again() -> None:
    """A setting that cannot be met is said when it is new, not only at the start."""
    running = Running(settings("robot"))
    with capturedLogs() as events:
        running.daemon.apply(settings("robot", tcp_congestion="nosuch"))
    assert any("no tcp_congestion nosuch" in line for line in said(events))


def test_without_the_cache() -> None:
    """Where each viewer has a feed of its own, each gets a new one."""
    running = Running(settings("robot", enable_frame_cache=False))
    for _ in range(2):
        running.ask("/api/robot/stream")
    running.environment.run(1)
    running.daemon.apply(settings("robot", enable_frame_cache=True))
    running.environment.run(2)
    camera = running.daemon.cameras["robot"]
    assert set(camera.viewers.values()) == {camera.pipeline}
    before = [viewer.sent.frames for viewer in camera.viewers]
    running.environment.run(1)
    after = [viewer.sent.frames for viewer in camera.viewers]
    assert [b - a for a, b in zip(before, after, strict=True)] == [16, 16]


def test_a_key_that_is_gone() -> None:
    """It opens nothing more, and its streams end; those of others go on."""
    both = {"me": KEY, "you": OTHER}
    running = Running(settings("robot", keys=both))
    mine, yours = (running.ask("/api/robot/stream", key) for key in (KEY, OTHER))
    running.environment.run(1)
    running.daemon.apply(settings("robot", keys={"me": KEY}))
    running.environment.run(1)
    assert yours.raw.endswith(b"0\r\n\r\n")
    assert not mine.transport.disconnecting
    assert running.ask("/api/cameras", OTHER).status == 401


def test_no_key_any_more() -> None:
    """Without keys one is made and said, and the old one's streams end."""
    running = Running(settings("robot"))
    line = running.ask("/api/robot/stream")
    running.environment.run(1)
    with capturedLogs() as events:
        running.daemon.apply(settings("robot", keys={}))
    running.environment.run(1)
    assert any("/?api_key=" in text for text in said(events))
    assert line.raw.endswith(b"0\r\n\r\n")


def test_limits_and_places() -> None:
    """Limits, proxies, origins and the base path are the new ones."""
    running = Running(settings("robot"))
    given = settings("robot").model_copy(
        update={"max_viewers": 1, "base_path": "/cam", "max_connections": 7}
    )
    running.daemon.apply(given)
    assert running.ask("/cam/api/robot/stream").status == 200
    assert running.ask("/cam/api/robot/stream").status == 503
    assert running.daemon.site.connections.most == 7


def test_what_waits_for_a_restart() -> None:
    """It is said for each such key, and the port stays as it is."""
    running = Running(settings("robot"))
    given = settings("robot").model_copy(update={"listen": ("tcp:9000",)})
    with capturedLogs() as events:
        running.daemon.apply(given)
    assert said(events) == ["listen: its new value holds after a restart"]
    assert [server[0] for server in running.reactor.tcpServers] == [8001]


def test_what_waits_for_no_restart_any_more() -> None:
    """A value that is again what it was at the start needs none."""
    running = Running(settings("robot"))
    given = settings("robot").model_copy(update={"listen": ("tcp:9000",)})
    running.daemon.apply(given)
    with capturedLogs() as events:
        running.daemon.apply(settings("robot"))
    assert said(events) == []


def test_a_daemon_that_ends_while_it_changes() -> None:
    """What waits to be started is not started any more."""
    running = Running(settings("robot"))
    running.ask("/api/robot/stream")
    running.environment.run(1)
    running.daemon.apply(settings("robot", camera_fps=4))
    running.daemon.stopService()
    running.environment.run(5)
    assert not [
        call for call in running.environment.clock.getDelayedCalls() if call.active()
    ]


class FakeWatch:
    """Keeps what systemd is told of a reload."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def reloading(self) -> None:
        """It begins."""
        self.lines.append("reloading")

    def reloaded(self) -> None:
        """It is done."""
        self.lines.append("reloaded")


def hang_up(running: Running, read: Any) -> tuple[list[str], list[LogLevel], list[str]]:
    """Hang up; give what was logged, how important, and what systemd was told."""
    told: Any = FakeWatch()
    with capturedLogs() as events:
        reload(running.daemon, read, told)
    return said(events), [event["log_level"] for event in events], told.lines


def test_a_hangup() -> None:
    """The settings are read again, and in force."""
    running = Running(settings("robot"))
    lines, _, told = hang_up(running, lambda: settings("robot", "door"))
    assert lines[-1] == "Reload: the settings are in force"
    assert list(running.daemon.cameras) == ["robot", "door"]
    assert told == ["reloading", "reloaded"]


def test_a_hangup_with_bad_settings() -> None:
    """All that is wrong is said, and nothing has changed."""
    running = Running(settings("robot"))

    def read() -> Settings:
        raise ConfigError(["stream_fps: bad", "cameras: worse"])

    lines, levels, told = hang_up(running, read)
    assert lines == [
        "Reload: stream_fps: bad",
        "Reload: cameras: worse",
        "Reload: nothing has changed",
    ]
    assert set(levels) == {LogLevel.error}
    assert list(running.daemon.cameras) == ["robot"]
    assert told == ["reloading", "reloaded"]


def test_a_hangup_that_meets_a_bug() -> None:
    """Systemd is told that it is over: it would wait, and then end the daemon."""
    running, watch = Running(settings("robot")), FakeWatch()

    def read() -> Settings:
        raise ZeroDivisionError

    told: Any = watch
    with pytest.raises(ZeroDivisionError):
        reload(running.daemon, read, told)
    assert watch.lines == ["reloading", "reloaded"]


def test_a_viewer_whose_key_is_gone_and_that_reads_nothing() -> None:
    """It is cut off when the time for its last part is over."""
    running = Running(settings("robot"))
    running.ask("/api/robot/stream")
    camera = running.daemon.cameras["robot"]
    (reader,) = camera.viewers
    outlet = FakeOutlet()
    camera.add_viewer(outlet, "192.0.2.7", "", reader.client_info.principal)
    running.daemon.apply(settings("robot", keys={"me": OTHER}))
    running.environment.run(1)
    assert outlet.aborted == 0
    running.environment.run(1)
    assert (outlet.aborted, reader in camera.viewers) == (1, False)


def test_a_stream_of_a_key_that_may_only_sign() -> None:
    """Its link was good, and is: no reload ends it, until the key may sign no more."""
    given = {"api_keys": {"me": KEY}, "api_rights": {"me": ["sign"]}}
    cameras = {"robot": {"name": "robot", "stream_fps": 16}}
    running = Running(Settings.model_validate({"cameras": cameras, **given}))
    line = HttpConnection(running.daemon.site)
    line.ask(running.daemon._access.links.sign("me", "/api/robot/stream", 60))
    assert line.status == 200
    running.daemon.apply(
        Settings.model_validate({"cameras": cameras, **given, "max_viewers": 7})
    )
    running.environment.run(1)
    assert not line.transport.disconnecting
    running.daemon.apply(
        Settings.model_validate(
            {
                "cameras": cameras,
                "api_keys": {"me": KEY},
                "api_rights": {"me": ["view"]},
            }
        )
    )
    running.environment.run(1)
    assert line.transport.disconnecting


def test_a_hook_and_its_secret() -> None:
    """Both are there when the camera starts, and are changed at a reload."""
    given = {
        "api_keys": {"me": KEY},
        "on_event_secret": "a-secret-of-some-length",
        "cameras": {"arm": {"name": "arm", "source": "push", "on_event": "notify"}},
    }
    running = Running(Settings.model_validate(given))
    assert running.environment.called == [
        ("notify", "offline", b"a-secret-of-some-length")
    ]
    del given["on_event_secret"]
    running.daemon.apply(Settings.model_validate(given))
    running.environment.run(1)
    running.ask("/api/arm/stream")
    assert running.environment.called[1:] == [("notify", "first_viewer", None)]
