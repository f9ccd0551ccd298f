"""What twistd calls: the options, the services, and the one line when it cannot be."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from twisted.application.service import IService
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs
from twisted.plugin import getPlugins

from camd import __version__, tap
from camd.cameras.camera import Camera
from camd.config.settings import Settings
from camd.process.file_limit import FileLimit
from camd.process.launch import StartError
from tests.fakes_camera import HttpConnection, said


class FakeReactor(MemoryReactorClock):
    """A reactor in memory that never comes to what threads ask of it."""

    def callFromThread(self, call: object, *args: object, **named: object) -> None:
        """Leave it."""


class FullReactor(FakeReactor):
    """A reactor on a machine whose ports are all taken."""

    def listenTCP(self, port, factory, backlog=50, interface=""):
        """Refuse."""
        raise CannotListenError(interface, port, OSError(98, "Address already in use"))


class LostReactor(FakeReactor):
    """A reactor on a machine that knows no interface by any name."""

    def listenTCP(self, port, factory, backlog=50, interface=""):
        """Fail as the system does that looks the name up."""
        reason = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        raise CannotListenError("localhots", port, reason)


@pytest.fixture(autouse=True)
def nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings beside the test's own."""
    monkeypatch.chdir(tmp_path)
    for name in ("STREAM_FPS", "API_KEYS", "LISTEN", "PRESET"):
        monkeypatch.delenv(name, raising=False)


def parsed(*words: str) -> tap.Options:
    """The options that these words make."""
    options = tap.Options()
    options.parseOptions(words)
    return options


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The lines on stderr of a command line that is refused with exit status 1."""
    with pytest.raises(SystemExit) as stop:
        parsed(*words)
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (1, "")
    return err.splitlines()


# ---- The options


def test_the_settings_file(tmp_path: Path) -> None:
    """The file that is named is read."""
    (tmp_path / "my.yaml").write_text("stream_fps: 7\n")
    assert parsed("-c", "my.yaml")["settings"].stream_fps == 7
    assert parsed("--config=my.yaml")["settings"].stream_fps == 7


def test_camd_yaml_is_the_default(tmp_path: Path) -> None:
    """Without an option it is camd.yaml here."""
    (tmp_path / "camd.yaml").write_text("stream_fps: 8\n")
    assert parsed()["settings"].stream_fps == 8


def test_no_file_at_all() -> None:
    """Without a file the defaults hold."""
    assert list(parsed()["settings"].cameras) == ["robot"]


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's settings hold."""
    monkeypatch.setenv("STREAM_FPS", "9")
    assert parsed()["settings"].stream_fps == 9


def test_bad_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each thing that is wrong is one line, and the exit status is 1."""
    (tmp_path / "camd.yaml").write_text("stream_fps: many\njpeg_qality: 70\n")
    lines = refusal(capsys)
    assert len(lines) == 2
    assert all(line.startswith("camd: ") for line in lines)
    assert any("stream_fps" in line and "many" in line for line in lines)
    assert any("jpeg_qality" in line for line in lines)


def test_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that was named must be there."""
    (line,) = refusal(capsys, "-c", "nowhere.yaml")
    assert line.startswith("camd: ")
    assert "nowhere.yaml" in line


def test_no_opencv(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where OpenCV cannot be imported, one line says what to install."""
    monkeypatch.setattr(tap, "why_no_opencv", lambda: "OpenCV needs libGL")
    assert refusal(capsys) == ["camd: OpenCV needs libGL"]


@pytest.mark.parametrize("source", ["http://camera/video", "https://camera/", "{}"])
def test_no_opencv_and_no_need_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """Where all cameras send JPEGs, nobody asks for it at the start."""
    monkeypatch.setattr(tap, "why_no_opencv", lambda: "OpenCV needs libGL")
    cameras = {"robot": {"source": source.format(tmp_path)}}
    (tmp_path / "camd.yaml").write_text(json.dumps({"cameras": cameras}))
    assert list(parsed()["settings"].cameras) == ["robot"]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is camd's, not Twisted's."""
    with pytest.raises(SystemExit) as stop:
        parsed("--version")
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"camd {__version__}\n"


def test_the_plugin() -> None:
    """The plugin that stands for camd among twistd's commands names this module."""
    from twisted.application.service import IServiceMaker

    (plugin,) = (p for p in getPlugins(IServiceMaker) if p.tapname == "camd")
    assert plugin.module == "camd.tap"
    assert plugin.options is tap.Options
    assert plugin.makeService is tap.makeService


# ---- The services


def settings(**given: object) -> Settings:
    """Settings with these said."""
    return Settings.model_validate(given)


TWO = {
    "robot": {"name": "robot", "source": "pattern"},
    "door": {"name": "door", "source": "pattern"},
}


def test_the_daemons_services() -> None:
    """It has every camera, and whatever it is told to listen on."""
    reactor = FakeReactor()
    daemon = tap.build(
        settings(cameras=TWO, listen=["tcp:8001:interface=127.0.0.1", "tcp:8002"]),
        reactor,
        {},
    )
    cameras = [s for s in daemon.daemon if isinstance(s, Camera)]
    assert IService.providedBy(daemon)
    assert [camera.settings.name for camera in cameras] == ["robot", "door"]
    assert reactor.tcpServers == []
    daemon.privilegedStartService()
    bound = [(port, interface) for port, _, _, interface in reactor.tcpServers]
    assert bound == [(8001, "127.0.0.1"), (8002, "")]


def test_a_unix_socket(tmp_path: Path) -> None:
    """It listens on a UNIX socket, too."""
    reactor = FakeReactor()
    path = tmp_path / "camd.sock"
    tap.build(settings(listen=[f"unix:{path}:mode=660"]), reactor, {}).startService()
    ((address, _, _, mode, _),) = reactor.unixServers
    assert (Path(address), mode) == (path, 0o660)


def test_what_listens_is_the_site() -> None:
    """Who connects is asked for the key, and let in with it."""
    reactor = FakeReactor()
    daemon = tap.build(settings(api_keys={"me": "a-secret-of-sixteen"}), reactor, {})
    daemon.startService()
    site = reactor.tcpServers[0][1]
    line, other = HttpConnection(site), HttpConnection(site)
    line.ask("/api/cameras", "X-API-Key: a-secret-of-sixteen")
    other.ask("/api/cameras", "X-API-Key: another")
    daemon.stopService()
    assert (line.status, other.status) == (200, 401)


def started(**given: object) -> list[str]:
    """What a daemon with these settings says when it starts."""
    daemon = tap.build(
        settings(**given), FakeReactor(), {}, None, FileLimit(1024, 4096)
    )
    with capturedLogs() as events:
        daemon.startService()
    daemon.stopService()
    return said(events)


def test_a_made_key_is_said_once() -> None:
    """Without a key in the settings one is made, and the address to open has it."""
    lines = started()
    (line,) = (line for line in lines if "api_key=" in line)
    address, _, key = line.removeprefix("Open ").partition("/?api_key=")
    assert address == "http://127.0.0.1:8001"
    assert len(key) >= 32
    assert "This key was made for this run; set your own with api_keys." in lines
    assert "\n".join(lines).count(key) == 1


def test_a_made_key_is_new_each_time() -> None:
    """No two daemons make the same one."""
    one, other = (
        next(line for line in started() if "api_key=" in line) for _ in range(2)
    )
    assert one != other


def test_a_given_key_is_never_said() -> None:
    """The address to open is said without it."""
    lines = started(api_keys={"me": "my-very-secret-key"})
    assert "Open http://127.0.0.1:8001/" in lines
    assert "secret" not in "\n".join(lines)
    assert "api_key=" not in "\n".join(lines)


def test_the_limit_is_said() -> None:
    """How many files may be open is in the log."""
    assert "Open files: at most 4096 (was 1024); connections: at most 3276" in started()


def test_a_port_in_use() -> None:
    """It is one line, in the log too."""
    daemon = tap.build(settings(), FullReactor(), {})
    with capturedLogs() as logged, pytest.raises(StartError) as caught:
        daemon.privilegedStartService()
    assert [event["log_format"] for event in logged] == ["listen: {reason}"]
    assert str(caught.value).startswith("listen: ")
    assert "8001" in str(caught.value)
    assert "in use" in str(caught.value)


def test_an_interface_that_is_no_address() -> None:
    """It is one line, which says what is expected."""
    daemon = tap.build(settings(), LostReactor(), {})
    with pytest.raises(StartError) as caught:
        daemon.privilegedStartService()
    assert str(caught.value) == (
        "listen: localhots:8001: Name or service not known;"
        " expected an address of this machine"
    )
