"""A device's controls are set at each opening and meanwhile; trouble is said once."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from camd.sources import SourceError
from camd.sources.v4l2.controlled import Controlled, DeviceControls
from camd.sources.v4l2.controls import ControlRefused, Outcome
from camd.sources.v4l2.device import Device
from tests.fake_v4l2 import FakeControl, FakeDriver
from tests.fakes_camera import GIVEN, FakeSource, tiny_jpeg

NODE = "/dev/video7"

BRIGHTNESS, EXPOSURE = 0x980900, 0x9A0901


@pytest.fixture
def source() -> FakeSource:
    """A camera."""
    return FakeSource(Clock())


@pytest.fixture
def driver() -> FakeDriver:
    """Its driver."""
    return FakeDriver()


def device_controls(
    driver: FakeDriver, **requested: int | bool | str
) -> DeviceControls:
    """The controls of a device, as the settings want them."""
    return DeviceControls(NODE, requested, driver.opened)


def controlled(
    source: FakeSource, driver: FakeDriver, **requested: int | bool | str
) -> Controlled:
    """The camera with its controls."""

    @contextmanager
    def open_device(path: str) -> Iterator[Device]:
        # Pictures must be coming already.
        assert (path, source.is_open) == (NODE, True)
        with driver.opened(path) as device:
            yield device

    return Controlled(source, DeviceControls(NODE, requested, open_device), "robot")


def lines(camera: Controlled, times: int = 1) -> list[str]:
    """What is logged when it is opened so often."""
    with capturedLogs() as events:
        for _ in range(times):
            camera.open()
            camera.close()
    return [f"{e['log_level'].name} {formatEvent(e)}" for e in events]


# ---- At each opening


def test_a_source_like_any(source: FakeSource, driver: FakeDriver) -> None:
    """It opens, gives pictures and closes as the camera does."""
    camera = controlled(source, driver)
    assert camera.open() == GIVEN
    assert camera.read().content is tiny_jpeg()
    camera.close()
    assert source.calls == ["open", "read", "close"]


def test_nothing_to_set(source: FakeSource, driver: FakeDriver) -> None:
    """Where nothing is to be set, the device is not opened a second time."""
    assert lines(controlled(source, driver)) == []
    assert driver.asked == []


def test_set_at_each_opening(source: FakeSource, driver: FakeDriver) -> None:
    """A camera that was away has forgotten its controls; they are set again."""
    lines(controlled(source, driver, brightness=40), times=3)
    assert driver.sets == [(BRIGHTNESS, 40)] * 3


def test_said_once(source: FakeSource, driver: FakeDriver) -> None:
    """What was set and what was not is logged at the first opening alone."""
    camera = controlled(source, driver, brightness=40, focus_absolute=-1)
    assert lines(camera, times=3) == [
        "info Camera robot: controls set: brightness 40",
        "warn Camera robot: camera_controls: focus_absolute takes 0 to 250 in steps of"
        " 5; not -1",
    ]


def test_said_again_when_it_changes(source: FakeSource, driver: FakeDriver) -> None:
    """Another camera in its place may take other controls."""
    camera = controlled(source, driver, brightness=40)
    lines(camera)
    driver.controls[BRIGHTNESS].high = 30
    assert lines(camera, times=2) == [
        "warn Camera robot: camera_controls: brightness takes -64 to 30; not 40"
    ]


def test_the_camera_stays_open(source: FakeSource, driver: FakeDriver) -> None:
    """No control keeps a camera from showing pictures, not even one that is gone."""
    driver.gone = True
    camera = controlled(source, driver, brightness=40)
    assert lines(camera) == ["warn Camera robot: camera_controls: no such device"]
    assert camera.open() == GIVEN


def test_a_camera_that_does_not_open(source: FakeSource, driver: FakeDriver) -> None:
    """Where the camera does not open, no control is tried."""
    source.opens.append(SourceError("gone"))
    with pytest.raises(SourceError, match="gone"):
        controlled(source, driver, brightness=40).open()
    assert driver.asked == []


# ---- Meanwhile


def test_listed(driver: FakeDriver) -> None:
    """Each control is listed with its value; headings are not."""
    controls = device_controls(driver).read()
    assert [control["name"] for control in controls] == [
        "brightness",
        "white_balance_automatic",
        "power_line_frequency",
        "auto_exposure",
        "exposure_time_absolute",
        "focus_absolute",
    ]
    assert controls[0]["value"] == 0


def test_what_others_own_cannot_be_set() -> None:
    """Kinds that camd cannot set, and what the driver keeps, count as read-only."""
    text, fixed = FakeControl(5, "X", kind=7), FakeControl(6, "Y", flags=4)
    listed = device_controls(FakeDriver([text, fixed])).read()
    assert [control["read_only"] for control in listed] == [True, True]
    assert (listed[0]["value"], listed[0]["default"]) == (None, None)


def test_in_use_by_the_driver() -> None:
    """What cannot be set while pictures come is said to be busy."""
    (grabbed,) = device_controls(FakeDriver([FakeControl(5, "X", flags=2)])).read()
    assert (grabbed["busy"], grabbed["inactive"]) == (True, False)


def test_changed(driver: FakeDriver) -> None:
    """Several controls are set at once, switches first."""
    controls = device_controls(driver)
    outcome = controls.change({"exposure_time_absolute": 9, "exposure": "manual"})
    assert outcome == Outcome(
        ("auto_exposure 1 (Manual Mode)", "exposure_time_absolute 9"), ()
    )
    assert controls.read()[4]["value"] == 9


def test_all_or_none(driver: FakeDriver) -> None:
    """Where one value makes no sense, none is set, and each fault is said."""
    controls = device_controls(driver)
    faults = (
        "brightness takes -64 to 64; not 400; "
        "brightnes: the camera has no such control; did you mean brightness?"
    )
    with pytest.raises(ControlRefused) as refused:
        controls.change({"brightness": 400, "focus_absolute": 5, "brightnes": 1})
    assert str(refused.value) == faults
    assert driver.sets == []


def test_names_from_anywhere(driver: FakeDriver) -> None:
    """A name that is none is repeated in ASCII, and not endlessly."""
    with pytest.raises(ControlRefused) as refused:
        device_controls(driver).change({"é\n" * 1000: 1})
    assert str(refused.value).startswith(r"'\xe9\n\xe9\n")
    assert len(str(refused.value)) < 300


def test_kept_for_the_next_opening(source: FakeSource, driver: FakeDriver) -> None:
    """What was changed holds over the settings when the camera is back."""
    controls = device_controls(driver, brightness=40, focus_absolute=10)
    camera = Controlled(source, controls, "robot")
    camera.open()
    controls.change({"brightness": 50})
    driver.sets.clear()
    camera.open()
    assert dict(driver.sets) == {BRIGHTNESS: 50, 0x9A090A: 10}


def test_kept_by_another_name(source: FakeSource, driver: FakeDriver) -> None:
    """What was changed comes last, also where the settings have another name for it."""
    controls = device_controls(driver, exposure="manual")
    controls.change({"auto_exposure": "auto"})
    Controlled(source, controls, "robot").open()
    assert driver.controls[EXPOSURE].value == 3


def test_buttons_are_pressed_once(source: FakeSource) -> None:
    """A button that was pressed is not pressed again at the next opening."""
    driver = FakeDriver([FakeControl(5, "Focus Once", kind=4, high=0)])
    controls = device_controls(driver)
    controls.change({"focus_once": True})
    Controlled(source, controls, "robot").open()
    assert driver.sets == [(5, 1)]


def test_refused_by_the_driver(source: FakeSource, driver: FakeDriver) -> None:
    """What the driver does not set is said, and not tried again; the rest is kept."""
    controls = device_controls(driver)
    driver.faults[BRIGHTNESS] = errno.EBUSY
    outcome = controls.change({"brightness": 4, "focus_absolute": 5})
    assert outcome.done == ("focus_absolute 5",)
    assert outcome.complaints == ("brightness cannot be set while pictures come",)
    driver.faults.clear()
    driver.sets.clear()
    Controlled(source, controls, "robot").open()
    assert driver.sets == [(0x9A090A, 5)]


def test_gone(driver: FakeDriver) -> None:
    """A device that is not there is no fault of the value."""
    driver.gone = True
    controls = device_controls(driver)
    with pytest.raises(SourceError, match="no such device"):
        controls.read()
    with pytest.raises(SourceError, match="no such device"):
        controls.change({"brightness": 4})


class Pumped(FakeSource):
    """A camera whose pictures are to be taken as they come; there is one more."""

    left = 1

    def pump(self) -> bool:
        """Take it."""
        self.left -= 1
        return self.left >= 0


def test_pictures_are_taken_as_they_come(
    source: FakeSource, driver: FakeDriver
) -> None:
    """What must be taken between two reads is, through the controls."""
    pumped = Controlled(Pumped(Clock()), device_controls(driver), "robot")
    assert [pumped.pump(), pumped.pump()] == [True, False]
    assert not Controlled(source, device_controls(driver), "robot").pump()
