"""The keys `camera_controls`, `rotate`, `flip` and `overlay`: what they take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from camd.cli import main
from camd.config import ConfigError, load
from camd.config.settings import StreamSettings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A camd.yaml, to be written."""
    return tmp_path / "camd.yaml"


def robot(path: Path, text: str, environ: dict[str, str] | None = None) -> Any:
    """The settings of the camera robot, by that file and those variables."""
    path.write_text(text)
    return load(path, environ or {}).settings.cameras["robot"]


def problems(path: Path, text: str) -> list[str]:
    """What is said of a file that is wrong."""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("file:///srv/one.jpg", "/srv/one.jpg"),
        ("FILE://localhost/srv/a%20film.mp4", "/srv/a film.mp4"),
        ("~/films", "/home/me/films"),
        ("/srv/~films", "/srv/~films"),
    ],
)
def test_sources_that_are_paths(
    path: Path, written: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may be named as a shell or a browser would."""
    monkeypatch.setenv("HOME", "/home/me")
    text = f"cameras: {{robot: {{source: '{written}'}}}}"
    assert robot(path, text).source == meant


@pytest.mark.parametrize("written", ["file://", "file://server/film.mp4"])
def test_sources_that_are_no_files(path: Path, written: str) -> None:
    """An address of a file that names none here is refused."""
    text = f"cameras: {{robot: {{source: '{written}'}}}}"
    assert "names no file of this machine" in problems(path, text)[0]


def test_controls(path: Path) -> None:
    """Numbers, truth and words arrive as what they are, in the file's order."""
    text = "camera_controls: {exposure: manual, brightness: -4, focus_auto: off}"
    controls = robot(path, text).camera_controls
    assert list(controls.items()) == [
        ("exposure", "manual"),
        ("brightness", -4),
        ("focus_auto", False),
    ]


@pytest.mark.parametrize("text", ["camera_controls:", "camera_controls: {}"])
def test_no_controls(path: Path, text: str) -> None:
    """A key with nothing behind it sets nothing."""
    assert robot(path, text).camera_controls == {}


def test_one_camera_has_its_own(path: Path) -> None:
    """What stands under a camera takes the place of what stands at the top."""
    text = """
        camera_controls: {brightness: 1, contrast: 2}
        rotate: 90
        cameras:
          robot: {camera_controls: {brightness: 3}, rotate: 0}
          door:
    """
    path.write_text(text)
    cameras = load(path, {}).settings.cameras
    assert cameras["robot"].camera_controls == {"brightness": 3}
    assert cameras["door"].camera_controls == {"brightness": 1, "contrast": 2}
    assert (cameras["robot"].rotate, cameras["door"].rotate) == (0, 90)


@pytest.mark.parametrize(
    "environ",
    [
        {"CAMERA_CONTROLS": "{brightness: 40, exposure: manual, focus_auto: off}"},
        {
            "CAMERA_CONTROLS__BRIGHTNESS": "40",
            "CAMERA_CONTROLS__EXPOSURE": "manual",
            "CAMERA_CONTROLS__FOCUS_AUTO": "off",
        },
        {
            "CAMD_CAMERAS__ROBOT__CAMERA_CONTROLS__BRIGHTNESS": "40",
            "CAMD_CAMERAS__ROBOT__CAMERA_CONTROLS__EXPOSURE": "manual",
            "CAMD_CAMERAS__ROBOT__CAMERA_CONTROLS__FOCUS_AUTO": "off",
        },
    ],
)
def test_from_variables(path: Path, environ: dict[str, str]) -> None:
    """In variables they are one mapping, or one variable each, and have their types."""
    controls = robot(path, "", environ).camera_controls
    assert controls == {"brightness": 40, "exposure": "manual", "focus_auto": False}
    assert type(controls["brightness"]) is int
    assert controls["focus_auto"] is False


def test_orientation_from_variables(path: Path) -> None:
    """A turn in a variable is a number."""
    environ = {
        "CAMD_ROTATE": "270",
        "CAMD_FLIP": "both",
        "CAMD_OVERLAY": "%H:%M {camera}",
    }
    camera = robot(path, "", environ)
    assert (camera.rotate, camera.flip, camera.overlay) == (
        270,
        "both",
        "%H:%M {camera}",
    )


CONTROLS = (
    "expected names as camd cameras lists them, and for each a number, true, false or a"
    " word of its menu (camd.yaml)"
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "camera_controls: bright",
            f"camera_controls: 'bright' is not a mapping; {CONTROLS}",
        ),
        (
            "camera_controls: {brightness: 5000000000}",
            f"camera_controls: 5000000000 is no control's value; {CONTROLS}",
        ),
        (
            "cameras: {robot: {camera_controls: {brightness: [1]}}}",
            "cameras.robot.camera_controls.brightness: a list is no control's value; "
            + CONTROLS,
        ),
        (
            "camera_controls: {Brightness: 1}",
            f"camera_controls: 'Brightness' is no control's name; {CONTROLS}",
        ),
        (
            "rotate: 45",
            "rotate: 45 is unknown; expected 0, 90, 180 or 270 (camd.yaml)",
        ),
        (
            "flip: sideways",
            "flip: 'sideways' is unknown; expected none, horizontal, vertical or both"
            " (camd.yaml)",
        ),
        (
            "overlay: '%H:%Q'",
            "overlay: '%H:%Q' has %Q, which strftime does not know; expected text in"
            " ASCII with {camera} and letters of strftime such as %H:%M:%S, or nothing"
            " (camd.yaml)",
        ),
    ],
)
def test_problems(path: Path, text: str, problem: str) -> None:
    """What is wrong is told in one line, with what the key takes."""
    assert problems(path, text) == [problem]


@pytest.mark.parametrize(
    "value", [2**32, -(2**31) - 1, "", "x" * 32, "a\nb", [1.0], None]
)
def test_bad_values(value: object) -> None:
    """What no control can take is refused."""
    with pytest.raises(ValidationError):
        StreamSettings.model_validate({"camera_controls": {"x": value}})


@pytest.mark.parametrize("rotate", [1, 360, -90, "90", 90.5, True, None])
def test_bad_turns(rotate: object) -> None:
    """A picture is turned by right angles alone."""
    with pytest.raises(ValidationError):
        StreamSettings.model_validate({"rotate": rotate})


NAMES = st.from_regex(r"[a-z0-9]{1,9}(_[a-z0-9]{1,9}){0,2}", fullmatch=True)
VALUES = (
    st.integers(-(2**31), 2**32 - 1)
    | st.booleans()
    | st.text(
        st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=31
    )
)


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=5))
def test_whatever_is_written(
    tmp_path_factory: pytest.TempPathFactory, controls: dict[str, int | bool | str]
) -> None:
    """What is written as YAML into the file arrives as it was meant."""
    path = tmp_path_factory.getbasetemp() / "controls.yaml"
    arrived = robot(path, yaml.safe_dump({"camera_controls": controls}))
    assert arrived.camera_controls == controls
    for name, value in controls.items():
        assert type(arrived.camera_controls[name]) is type(value)


def test_check_shows_them(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`camd check` shows the values of controls, which are no secrets, unlike keys."""
    path.write_text(
        "camera_controls: {brightness: 40, focus_auto: false}\n"
        "api_keys: {me: geheim-geheim-geheim}\n"
    )
    assert main(["check", "-c", str(path)], {}) == 0
    shown = capsys.readouterr().out
    assert re.search(
        r"^camera_controls += brightness: 40, focus_auto: false", shown, re.MULTILINE
    )
    assert "me: ***" in shown
    assert "geheim-geheim-geheim" not in shown
