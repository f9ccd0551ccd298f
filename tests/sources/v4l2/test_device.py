"""What is asked of the kernel, byte for byte, and what is made of its answers."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from camd.sources.v4l2.device import (
    About,
    Control,
    Device,
    Format,
    Mode,
    codes_of,
    device_path,
    links,
    opened,
    variable,
)
from tests.fake_v4l2 import FakeControl, FakeDriver

BRIGHTNESS = Control(0x980900, "brightness", "int", -64, 64, 1, 0, 0)


def only(driver: FakeDriver) -> Control:
    """The one control that there is."""
    (control,) = driver.device().controls()
    return control


def test_about() -> None:
    """Driver, name and place are told, and that this node gives pictures."""
    about = FakeDriver().device().about()
    assert about == About("uvcvideo", "Webcam C1: Webcam C1", "usb-1", True)


@pytest.mark.parametrize(("caps", "captures"), [(0x00A00000, False), (0x1000, True)])
def test_what_this_node_can(caps: int, captures: bool) -> None:
    """A node for metadata gives no pictures; one with several planes does."""
    assert FakeDriver(caps=caps).device().about().captures is captures


@pytest.mark.parametrize("buffers", [1, 9])
@pytest.mark.parametrize("held", [True, False])
def test_busy(buffers: int, held: bool) -> None:
    """A camera that somebody else streams from is busy, whatever its buffers."""
    assert FakeDriver(buffers=buffers, held=held).device().is_busy() is held


def test_busy_without_a_camera() -> None:
    """One that has gone is not told to be free."""
    driver = FakeDriver()
    driver.gone = True
    with pytest.raises(OSError, match="No such device"):
        driver.device().is_busy()


def test_codes() -> None:
    """The codes of all formats are told in the camera's order."""
    driver = FakeDriver(formats={b"YUYV": [], b"Y16 ": [], b"MJPG": []})
    assert codes_of("cam", driver.opened) == ("YUYV", "Y16", "MJPG")


def test_codes_of_no_camera() -> None:
    """A device that knows nothing of video has no formats."""
    assert codes_of("/dev/null") == ()


def test_formats_with_sizes_and_rates() -> None:
    """Each format's sizes come with the rates that the intervals stand for."""
    sizes = [(1, (640, 480), 1, [(1, 30), (1, 15), (2, 25)]), (1, (320, 240), 1, [])]
    driver = FakeDriver(formats={b"MJPG": sizes})
    assert list(driver.device().formats()) == [
        Format(
            "MJPG",
            "The format MJPG",
            (
                Mode((640, 480), (640, 480), (30, 15, 12.5), False),
                Mode((320, 240), (320, 240), (), False),
            ),
        )
    ]


def test_ranges_of_sizes_and_rates() -> None:
    """A driver that takes any size up to a largest says so once, rates the same."""
    sizes = [(3, (16, 1920, 2, 32, 1080, 4), 2, [(1, 60, 1, 2, 1, 1000)])]
    (form,) = FakeDriver(formats={b"YUYV": sizes}).device().formats()
    assert form.modes == (Mode((16, 32), (1920, 1080), (2, 60), True),)


def test_an_interval_of_nothing() -> None:
    """A driver's interval of 0 s is no rate, and no division by zero."""
    driver = FakeDriver(formats={b"YUYV": [(1, (8, 8), 1, [(0, 1)])]})
    (form,) = driver.device().formats()
    assert form.modes[0].rates == (0,)


def test_big_endian_formats_have_a_mark() -> None:
    """The highest bit of a format's code is no letter."""
    driver = FakeDriver(formats={b"Y16\xa0": [], b"Y16 ": []})
    assert [form.code for form in driver.device().formats()] == ["Y16-BE", "Y16"]


def test_controls_in_the_kernels_order() -> None:
    """Headings of classes and what is switched off are left out."""
    driver = FakeDriver(
        [
            FakeControl(0x980001, "User Controls", kind=6),
            FakeControl(0x980901, "Contrast", flags=1),
            FakeControl(0x980900, "Brightness", low=-64, high=64),
            FakeControl(0x9A0902, "Exposure Time, Absolute", flags=0x10),
        ]
    )
    first, second = driver.device().controls()
    assert first == BRIGHTNESS
    assert (second.name, second.flags) == ("exposure_time_absolute", 0x10)


def test_kinds() -> None:
    """The kinds have the names that v4l2-ctl gives them."""
    for kind, name in {1: "int", 8: "bitmask", 9: "intmenu", 0x100: "other"}.items():
        assert only(FakeDriver([FakeControl(5, "X", kind=kind)])).kind == name


def test_a_driver_that_repeats_itself() -> None:
    """A driver that gives the same control again and again ends the list."""

    def ioctl(descriptor: int, number: int, buffer: bytearray) -> None:
        buffer[:8] = (7).to_bytes(4, "little") + (1).to_bytes(4, "little")

    assert [control.number for control in Device(9, ioctl).controls()] == [7]


def test_a_driver_that_never_ends() -> None:
    """A list of formats without end is cut off."""

    def ioctl(descriptor: int, number: int, buffer: bytearray) -> None:
        if number != 0xC0405602:
            raise OSError(errno.EINVAL, "Invalid argument")

    assert len(list(Device(9, ioctl).formats())) == 2000


def test_menus_with_gaps() -> None:
    """Only the items that the camera has are listed, by their numbers."""
    menu: dict[int, str | int] = {1: "Manual Mode", 3: "Aperture Priority Mode"}
    driver = FakeDriver([FakeControl(5, "X", kind=3, high=3, menu=menu)])
    assert driver.device().menu(only(driver)) == menu


def test_menus_of_numbers() -> None:
    """The items of a menu of numbers are those numbers, of 64 bits."""
    menu: dict[int, str | int] = {0: 8, 2: -(2**40)}
    driver = FakeDriver([FakeControl(5, "X", kind=9, high=2, menu=menu)])
    assert driver.device().menu(only(driver)) == {0: "8", 2: "-1099511627776"}


def test_no_menu() -> None:
    """What is no menu is not asked for items."""
    driver = FakeDriver()
    assert driver.device().menu(BRIGHTNESS) == {}
    assert driver.asked == []


@pytest.mark.parametrize("value", [-64, -1, 0, 64])
def test_set_and_get(value: int) -> None:
    """A value arrives with its sign, and is told back."""
    driver = FakeDriver()
    assert driver.device().set(BRIGHTNESS, value) == value
    assert driver.sets == [(0x980900, value)]
    assert driver.device().value(BRIGHTNESS) == value


def test_set_tells_what_it_became() -> None:
    """What the driver rounded is told."""
    driver = FakeDriver([FakeControl(5, "Focus", step=5)])
    assert driver.device().set(only(driver), 13) == 15


def test_bitmasks_have_no_sign() -> None:
    """The highest bit of a mask is a bit like the others."""
    driver = FakeDriver([FakeControl(5, "Mask", kind=8, high=-1, value=-(2**31))])
    control = only(driver)
    assert (control.high, control.default) == (2**32 - 1, 2**31)
    assert driver.device().value(control) == 2**31
    assert driver.device().set(control, 2**32 - 1) == 2**32 - 1


@pytest.mark.parametrize(("kind", "flags"), [(4, 0), (5, 0), (7, 0), (1, 0x40)])
def test_without_a_value(kind: int, flags: int) -> None:
    """Buttons, texts, long numbers and what can only be written tell no value."""
    driver = FakeDriver([FakeControl(5, "X", kind=kind, flags=flags)])
    assert driver.device().value(only(driver)) is None


def test_gone() -> None:
    """When the camera is gone, every question says so."""
    driver = FakeDriver()
    driver.gone = True
    for ask in (Device.about, Device.controls, Device.formats):
        with pytest.raises(OSError, match="No such device"):
            list(ask(driver.device()))  # type: ignore[call-overload]


def test_names_cannot_colour_a_terminal() -> None:
    """What is not printable in a driver's text is shown as a question mark."""
    menu: dict[int, str | int] = {0: "a\x1b[31m"}
    driver = FakeDriver([FakeControl(5, "X", kind=3, high=0, menu=menu)])
    assert driver.device().menu(only(driver)) == {0: "a?[31m"}


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("White Balance, Automatic", "white_balance_automatic"),
        ("Focus, Automatic Continuous", "focus_automatic_continuous"),
        ("U8 2x3x4x5 Array", "u8_2x3x4x5_array"),
        (" (Odd) ", "odd"),
    ],
)
def test_names_as_v4l2_ctl_writes_them(name: str, written: str) -> None:
    """Names are in small letters, with one _ for whatever stands between words."""
    assert variable(name) == written


def test_device_path() -> None:
    """A number stands for /dev/videoN; a path for itself."""
    assert device_path("2") == "/dev/video2"
    assert device_path("/dev/v4l/by-id/x") == "/dev/v4l/by-id/x"


def test_links(tmp_path: Path) -> None:
    """The names that stay are found, those by the camera's own name first."""
    (tmp_path / "video0").touch()
    (tmp_path / "video1").touch()
    for folder, name, node in (
        ("by-path", "a", "video0"),
        ("by-id", "usb-x", "video0"),
        ("by-id", "usb-y", "video1"),
    ):
        (tmp_path / "v4l" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "v4l" / folder / name).symlink_to(f"../../{node}")
    found = links(tmp_path / "video0", tmp_path)
    assert [str(link.relative_to(tmp_path)) for link in found] == [
        "v4l/by-id/usb-x",
        "v4l/by-path/a",
    ]


def test_opened_is_closed(tmp_path: Path) -> None:
    """A device is closed again, whatever happens to it meanwhile."""
    descriptors = []

    def open_file(path: str, flags: int) -> int:
        assert flags == os.O_RDWR | os.O_NONBLOCK
        descriptors.append(os.open(path, os.O_RDONLY))
        return descriptors[-1]

    with (
        pytest.raises(OSError, match="ioctl"),
        opened(str(tmp_path), open_file) as device,
    ):
        device.about()
    with pytest.raises(OSError) as caught:
        os.fstat(descriptors[0])
    assert caught.value.errno == errno.EBADF
