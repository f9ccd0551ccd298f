"""Tests of what a camera's source can be, and of logins in its address."""

from __future__ import annotations

import string
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.config import ConfigError, load
from camd.config.source import SourceFault, missing_part, usable_source


@pytest.mark.parametrize(
    "source",
    [
        "pattern",
        "0",
        "/dev/video9",
        "./pictures",
        "film.mp4",
        "http://host/",
        "https://host:8443/x?y=z#w",
        "rtsp://user:p%40ss@host/a%40b",
        "rtsp://[::1]:554/x",
        "rpicam",
        "rpicam:1",
        "exec:film 'two words' --url=rtsp://me:p@ss@host/",
        "udp://0.0.0.0:5000",
        "http://cam:8080/snap",
        "http://host/x?mail=a@b",
        "camd+http://KEY@host:8001/robot",
        "camd+https://host/base/robot",
        "camd+http://any:a%2Fb@[::1]/front-1",
    ],
)
def test_usable(source: str) -> None:
    """What can be a source is one, as it is written."""
    assert usable_source(source) == source


def test_blanks_around() -> None:
    """They are no part of a source: a variable has them soon."""
    assert usable_source(" /dev/video0 ") == "/dev/video0"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("pattrn", "is no source (did you mean pattern, or the path ./pattrn?)"),
        ("Pattern", "is no source (did you mean pattern, or the path ./Pattern?)"),
        ("video0", "is no source (did you mean /dev/video0?)"),
        ("usb:0", "is no source (a file or folder of this folder begins with ./)"),
        ("10.0.0.5/x", "is no source (an address begins with http:// or rtsp://)"),
        ("10.0.0.5", "is no source (an address begins with http:// or rtsp://)"),
        ("cam.lan:80/x", "is no source (an address begins with http:// or rtsp://)"),
        ("localhost/x", "is no source (an address begins with http:// or rtsp://)"),
        ("htp://x", "has a scheme that camd does not open (did you mean http://?)"),
        ("rstp://x", "has a scheme that camd does not open (did you mean rtsp://?)"),
        ("ftp://x", "has a scheme that camd does not open"),
        (
            "camd+htp://h/x",
            "has a scheme that camd does not open (did you mean camd+http://?)",
        ),
        (
            "camd+http:///robot",
            "names no host and port (expected camd+http://KEY@HOST:PORT/NAME)",
        ),
        (
            "camd+http://h:x/robot",
            "names no host and port (expected camd+http://KEY@HOST:PORT/NAME)",
        ),
        (
            "camd+http://h:8001/",
            "names no camera of another camd (expected camd+http://KEY@HOST:PORT/NAME)",
        ),
        (
            "camd+http://h/a.jpg",
            "names no camera of another camd (expected camd+http://KEY@HOST:PORT/NAME)",
        ),
        (
            "camd+http://h/robot?width=320",
            "takes nothing behind the name: the full picture is relayed",
        ),
        ("", "is no source"),
        ("a\nb", "is no source"),
    ],
)
def test_unusable(text: str, fault: str) -> None:
    """What nothing opens is refused, with the nearest that would be opened."""
    with pytest.raises(SourceFault) as caught:
        usable_source(text)
    assert str(caught.value) == fault


def test_the_line_says_what_a_source_can_be(tmp_path: Path) -> None:
    """The problem names the key, the text, the nearest, and all that can be."""
    (tmp_path / "camd.yaml").write_text("cameras: {robot: {source: pattrn}}")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "camd.yaml", {})
    assert caught.value.problems == (
        "cameras.robot.source: 'pattrn' is no source (did you mean pattern, or"
        " the path ./pattrn?); expected"
        " pattern, a device such as /dev/video0, a file, a folder, rpicam,"
        " exec:COMMAND, push, rtsp://..., http://..., camd+http://... or"
        " redis://.../CAMERA (camd.yaml)",
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("p@ss", "p@ss"),
        ("p:ss", "p:ss"),
        ("50%off", "50%off"),
        ("p%23ss", "p#ss"),
        ("a+b c!^", "a+b c!^"),
        ("ü€", "ü€"),
        ("p[ss", "p[ss"),
        ("[x]", "[x]"),
        ("p#ss", "p#ss"),
        ("p/ss", "p/ss"),
        ("p?ss", "p?ss"),
    ],
)
def test_logins_are_encoded(typed: str, meant: str) -> None:
    """A password that can be read in one way only arrives as what was meant."""
    parts = urlsplit(usable_source(f"RTSP://user:{typed}@host:554/x"))
    assert (parts.scheme, parts.username, parts.hostname) == ("rtsp", "user", "host")
    assert unquote(parts.password or "") == meant


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:my@Secret5/word@host/x",
        "rtsp://admin:12/34@host/x",
        "rtsp://admin:p/ss@host/x@2",
        "rtsp://user:p%40ss@host/a@b",
        "http://cam:8080/x?mail=a@b",
    ],
)
def test_two_readings(address: str) -> None:
    """What could name two hosts is refused, and what to encode is said."""
    with pytest.raises(SourceFault, match="write %40 for @, %2F for /"):
        usable_source(address)


def test_a_refused_login_is_not_shown(tmp_path: Path) -> None:
    """Nothing of the password is in the line that refuses it."""
    source = "rtsp://admin:my@Secret5/word@host/x"
    (tmp_path / "camd.yaml").write_text(f"cameras: {{robot: {{source: '{source}'}}}}")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "camd.yaml", {})
    (line,) = caught.value.problems
    assert "'rtsp://admin:***@host/x' can be read in two ways" in line
    assert not {"my", "secret5", "word"} & set(
        line.lower().replace("@", "/").split("/")
    )


@settings(deadline=None)
@given(st.text(string.printable, min_size=1, max_size=20))
def test_no_piece_of_a_password_is_a_host(password: str) -> None:
    """Whatever the password, the address is refused or names the right host."""
    try:
        source = usable_source(f"rtsp://user:{password}@host/x")
    except SourceFault:
        return
    assert urlsplit(source).hostname == "host"
    assert usable_source(source) == source


# ---- What is not there now


def test_missing_part(tmp_path: Path) -> None:
    """Only what has a path, or is a program, can be missing."""
    assert missing_part(str(tmp_path)) is None
    assert missing_part(str(tmp_path / "none")) == str(tmp_path / "none")
    assert missing_part("987") == "/dev/video987"
    assert missing_part("pattern") is None
    assert missing_part("http://host/x") is None
    assert missing_part("exec:sh -c 'echo'") is None
    assert missing_part("exec:no-such-program -x") == "no-such-program"


def test_warnings(tmp_path: Path) -> None:
    """What is not set, or is not there now, is a warning: it may come."""
    path = tmp_path / "camd.yaml"
    path.write_text("cameras: {a: {source: /dev/video987}, b: {}}")
    assert load(path, {}).warnings == (
        "cameras.a.source: /dev/video987 is not there now",
        "cameras.b.source: none is set; a test picture is shown",
    )


def test_a_hook_that_is_not_there(tmp_path: Path) -> None:
    """It is named where it was set, and nothing else of the command."""
    path = tmp_path / "camd.yaml"
    path.write_text(
        "on_event: no-such-program KEY\n"
        "cameras:\n"
        "  a: {source: pattern}\n"
        "  b: {source: pattern, on_event: ./none.sh}\n"
        "  c: {source: pattern, on_event: sh -c true}\n"
        "  d: {source: pattern, on_event: 'https://host/x'}\n"
        "  e: {source: pattern, on_event: ' '}\n"
    )
    assert load(path, {}).warnings == (
        "on_event: no-such-program is not there now",
        "cameras.b.on_event: ./none.sh is not there now",
    )


@pytest.mark.parametrize("text", ["", "cameras:\n", "stream_fps: 3"])
def test_no_camera_is_said(tmp_path: Path, text: str) -> None:
    """A file that names no camera: the log, the check and the page say so."""
    path = tmp_path / "camd.yaml"
    path.write_text(text)
    loaded = load(path, {})
    assert loaded.warnings == (
        "cameras: none is set; a test picture is shown as camera robot",
    )
    camera = loaded.settings.cameras["robot"]
    assert camera.label == "Test picture: no camera is set"
