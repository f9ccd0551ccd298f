"""Tests of the camd command."""

from __future__ import annotations

from pathlib import Path

import pytest

from camd import __version__
from camd.cli import main

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a current folder of its own."""
    monkeypatch.chdir(tmp_path)


def test_version(capsys: Captured) -> None:
    """The version is one line."""
    with pytest.raises(SystemExit) as caught:
        main(["--version"], {})
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"camd {__version__}\n"


def test_help(capsys: Captured) -> None:
    """Alone, the command says what it can do."""
    assert main([], {}) == 0
    assert "check" in capsys.readouterr().out


def test_check_without_file(capsys: Captured) -> None:
    """Where there is no camd.yaml, check says so and shows the defaults."""
    assert main(["check"], {}) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "# There is no camd.yaml here: these are the defaults."
    assert (
        "stream_fps           = 15                            # preset cloudflare"
        in lines
    )
    assert "api_keys             = none                          # default" in lines


def test_check_finds_file(tmp_path: Path, capsys: Captured) -> None:
    """The camd.yaml of the current folder needs no naming."""
    (tmp_path / "camd.yaml").write_text("stream_fps: 3.0")
    assert main(["check"], {}) == 0
    assert "stream_fps           = 3  " in capsys.readouterr().out


def test_check_shows_all(tmp_path: Path, capsys: Captured) -> None:
    """Every setting in force is shown with where it came from, the cameras beneath."""
    (tmp_path / "x.yaml").write_text(
        "api_keys: {phone: swordfish, hall: tuna}\n"
        "preset: hd\n"
        "enable_frame_cache: false\n"
        "listen: ['tcp:80', 'unix:/tmp/x']\n"
        "cameras: {door: {source: 'rtsp://me:secret@host/', jpeg_quality: 1}}\n"
    )
    assert main(["check", "-c", "x.yaml"], {"STREAM_FPS": "7.5"}) == 0
    assert capsys.readouterr().out.splitlines() == [
        "listen               = tcp:80, unix:/tmp/x       # x.yaml",
        "api_keys             = phone: ***, hall: ***     # x.yaml",
        'base_path            = ""                        # default',
        "trusted_proxies      = none                      # default",
        "cors_origins         = none                      # default",
        "preset               = hd                        # x.yaml",
        "camera_width         = 1280                      # preset hd",
        "camera_height        = 720                       # preset hd",
        "camera_fps           = 30                        # default",
        "camera_timeout       = 2                         # default",
        "stream_fps           = 7.5                       # environment",
        "idle_fps             = 1                         # default",
        "jpeg_quality         = 90                        # preset hd",
        "stream_buffer_size   = 2                         # preset hd",
        "stream_timeout       = 30                        # preset hd",
        "max_frame_age        = 0                         # default",
        "heartbeat_interval   = 5                         # preset hd",
        'tcp_congestion       = ""                        # default',
        "enable_frame_cache   = false                     # x.yaml",
        "",
        "cameras.door",
        "  source             = rtsp://me:***@host/       # x.yaml",
        "  camera_width       = 1280                      # preset hd",
        "  camera_height      = 720                       # preset hd",
        "  camera_fps         = 30                        # default",
        "  camera_timeout     = 2                         # default",
        "  stream_fps         = 7.5                       # environment",
        "  idle_fps           = 1                         # default",
        "  jpeg_quality       = 1                         # x.yaml",
        "  stream_buffer_size = 2                         # preset hd",
        "  stream_timeout     = 30                        # preset hd",
        "  max_frame_age      = 0                         # default",
        "  heartbeat_interval = 5                         # preset hd",
        '  tcp_congestion     = ""                        # default',
        "  enable_frame_cache = false                     # x.yaml",
    ]


def test_check_bad_settings(tmp_path: Path, capsys: Captured) -> None:
    """Each thing that is wrong is one line on stderr, and the status is 1."""
    (tmp_path / "camd.yaml").write_text("stream_fps: fast\nstream_fsp: 3\n")
    assert main(["check"], {}) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "camd: stream_fsp: unknown key; did you mean stream_fps? (camd.yaml)",
        "camd: stream_fps: 'fast' is not a number; expected a number from 0.1 to 240"
        " (camd.yaml)",
    ]


def test_check_missing_file(capsys: Captured) -> None:
    """A file that was named and is not there is an error, not a default."""
    assert main(["check", "-c", "none.yaml"], {}) == 1
    assert capsys.readouterr().err == (
        "camd: none.yaml: no such file; expected camd's settings in YAML\n"
    )


def test_unknown_command(capsys: Captured) -> None:
    """A command that does not exist is a usage error."""
    with pytest.raises(SystemExit) as caught:
        main(["chekc"], {})
    assert caught.value.code == 2
    assert "chekc" in capsys.readouterr().err
