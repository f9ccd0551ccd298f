"""This machine's cameras are found and described, for people and for scripts."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from camd.sources.v4l2.device import Device
from camd.sources.v4l2.discovery import CameraDevice, Census, census
from camd.sources.v4l2.listing import in_data, in_words
from tests.fake_v4l2 import FakeControl, FakeDriver, Formats, webcam_controls

SIZES: list[tuple[int, tuple[int, ...], int, list[tuple[int, ...]]]] = [
    (1, (640, 480), 1, [(1, 30), (2, 25)]),
    (2, (16, 1920, 2, 16, 1080, 2), 3, [(1, 60, 1, 1, 0, 0)]),
]
FORMATS: Formats = {b"MJPG": SIZES, b"YUYV": SIZES[:1], b"NV12": SIZES[:1]}


def found(folder: Path, **drivers: FakeDriver | int) -> Census:
    """The census of a folder of nodes; a number is the error of one not to open."""

    @contextmanager
    def open_device(path: str) -> Iterator[Device]:
        driver = drivers[Path(path).name]
        if isinstance(driver, int):
            raise OSError(driver, "Something Is Wrong")
        yield driver.device()

    for name in drivers:
        (folder / name).touch()
    return census(folder, open_device)


@pytest.fixture
def webcam(tmp_path: Path) -> CameraDevice:
    """A usual USB camera."""
    (tmp_path / "v4l" / "by-id").mkdir(parents=True)
    (tmp_path / "v4l" / "by-id" / "usb-c1").symlink_to("../../video0")
    button = FakeControl(0x9A0999, "Focus Once", kind=4, high=0)
    driver = FakeDriver([*webcam_controls(), button], FORMATS)
    (camera,) = found(tmp_path, video0=driver).cameras
    return camera


def test_in_words(webcam: CameraDevice, tmp_path: Path) -> None:
    """The text holds all there is to set, and ends with a piece of camd.yaml."""
    assert "\n".join(in_words(webcam)).replace(str(tmp_path), "/dev") == (
        """\
/dev/video0  Webcam C1: Webcam C1  (uvcvideo, usb-1)
  /dev/v4l/by-id/usb-c1
  formats
    MJPG  The format MJPG
      640x480      30, 12.5 fps
      16x16 to 1920x1080 1 to 60 fps
    YUYV, NV12
      640x480      30, 12.5 fps
  controls
    brightness               int      -64 to 64; default 0; now 0
    white_balance_automatic  bool     true or false; default true; now true
    power_line_frequency     menu     0 Disabled, 1 50 Hz, 2 60 Hz; default 1; now 1
    auto_exposure            menu     1 Manual Mode, 3 Aperture Priority Mode; \
default 3; now 3
    exposure_time_absolute   int      1 to 5000; default 156; now 156; does nothing now
    focus_absolute           int      0 to 250 in steps of 5; default 0; now 0
    focus_once               button   true
  in camd.yaml
    cameras:
      webcam-c1:
        source: /dev/v4l/by-id/usb-c1"""
    )


def test_the_piece_of_settings_is_yaml(webcam: CameraDevice) -> None:
    """What stands at the end can be copied into camd.yaml."""
    piece = "\n".join(list(in_words(webcam))[-3:])
    settings = {"cameras": {"webcam-c1": {"source": str(webcam.lasting_path)}}}
    assert yaml.safe_load(piece) == settings


def test_in_data(webcam: CameraDevice) -> None:
    """JSON has the same in numbers."""
    data = json.loads(json.dumps(in_data(webcam)))
    assert (data["driver"], data["name"]) == ("uvcvideo", "Webcam C1: Webcam C1")
    assert data["source"] == data["links"][0] != data["path"]
    assert data["formats"][0]["sizes"] == [
        {"width": 640, "height": 480, "fps": [30, 12.5], "any_fps_between": False},
        {
            "width": 1920,
            "height": 1080,
            "least_width": 16,
            "least_height": 16,
            "fps": [1, 60],
            "any_fps_between": True,
        },
    ]
    by_name = {control["name"]: control for control in data["controls"]}
    assert by_name["auto_exposure"] == {
        "name": "auto_exposure",
        "type": "menu",
        "value": 3,
        "default": 3,
        "min": None,
        "max": None,
        "step": None,
        "choices": [
            {"value": 1, "name": "Manual Mode"},
            {"value": 3, "name": "Aperture Priority Mode"},
        ],
        "read_only": False,
        "inactive": False,
        "busy": False,
    }
    assert by_name["exposure_time_absolute"] == {
        "name": "exposure_time_absolute",
        "type": "int",
        "value": 156,
        "default": 156,
        "min": 1,
        "max": 5000,
        "step": 1,
        "choices": [],
        "read_only": False,
        "inactive": True,
        "busy": False,
    }
    automatic = by_name["white_balance_automatic"]
    assert (automatic["value"], automatic["default"]) == (True, True)
    assert (by_name["focus_once"]["value"], by_name["focus_once"]["default"]) == (
        None,
        None,
    )


def test_in_order_of_number(tmp_path: Path) -> None:
    """video2 comes ahead of video10."""
    drivers = {name: FakeDriver([]) for name in ("video10", "video2", "video0")}
    cameras = found(tmp_path, **drivers).cameras
    assert [camera.path.name for camera in cameras] == ["video0", "video2", "video10"]


def test_without_links(tmp_path: Path) -> None:
    """A camera without a lasting name goes by its node, and without controls too."""
    (camera,) = found(tmp_path, video0=FakeDriver([])).cameras
    assert camera.lasting_path == tmp_path / "video0"
    assert "controls" not in "\n".join(in_words(camera))


def test_what_is_no_camera(tmp_path: Path) -> None:
    """Metadata nodes, and what has just been unplugged, are passed over in silence."""
    drivers = {"video0": FakeDriver(caps=0x00A00000), "video1": errno.ENODEV}
    assert found(tmp_path, **drivers) == Census((), ())


def test_no_permission(tmp_path: Path) -> None:
    """Who may not open a device is told what to do about it; the others are shown."""
    census = found(tmp_path, video0=errno.EACCES, video1=5, video2=FakeDriver([]))
    assert [camera.path.name for camera in census.cameras] == ["video2"]
    assert census.problems == (
        f"{tmp_path}/video0: permission denied: add yourself to the group video",
        f"{tmp_path}/video1: something is wrong",
    )


def test_a_control_that_tells_no_value(tmp_path: Path) -> None:
    """A control that fails to tell its value is listed without one."""
    driver = FakeDriver()
    get = driver._get

    def broken(answer: object) -> None:
        if answer.id == 0x980900:  # type: ignore[attr-defined]
            raise OSError(errno.EIO, "Input/output error")
        get(answer)

    driver._answers[0xC008561B] = (driver._answers[0xC008561B][0], broken)
    (camera,) = found(tmp_path, video0=driver).cameras
    value = camera.controls[0]
    assert (value.control.name, value.value) == ("brightness", None)
