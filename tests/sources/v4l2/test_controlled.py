"""A device's controls are set at each opening, and what is wrong is said once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from camd.sources import SourceError
from camd.sources.v4l2.controlled import Controlled
from camd.sources.v4l2.device import Device
from tests.fake_v4l2 import FakeDriver
from tests.fakes_camera import GIVEN, FakeSource, tiny_jpeg

NODE = "/dev/video7"


@pytest.fixture
def source() -> FakeSource:
    """A camera."""
    return FakeSource(Clock())


@pytest.fixture
def driver() -> FakeDriver:
    """Its driver."""
    return FakeDriver()


def controlled(
    source: FakeSource, driver: FakeDriver, **wishes: int | bool | str
) -> Controlled:
    """The camera with its controls."""

    @contextmanager
    def open_device(path: str) -> Iterator[Device]:
        # Pictures must be coming already.
        assert (path, source.is_open) == (NODE, True)
        with driver.opened(path) as device:
            yield device

    return Controlled(source, NODE, wishes, "robot", open_device)


def lines(camera: Controlled, times: int = 1) -> list[str]:
    """What is logged when it is opened so often."""
    with capturedLogs() as events:
        for _ in range(times):
            camera.open()
            camera.close()
    return [f"{e['log_level'].name} {formatEvent(e)}" for e in events]


def test_a_source_like_any(source, driver):
    """It opens, gives pictures and closes as the camera does."""
    camera = controlled(source, driver)
    assert camera.open() == GIVEN
    assert camera.read().content is tiny_jpeg()
    camera.close()
    assert source.calls == ["open", "read", "close"]


def test_set_at_each_opening(source, driver):
    """A camera that was away has forgotten its controls; they are set again."""
    lines(controlled(source, driver, brightness=40), times=3)
    assert driver.sets == [(0x980900, 40)] * 3


def test_said_once(source, driver):
    """What was set and what was not is logged at the first opening alone."""
    camera = controlled(source, driver, brightness=40, focus_absolute=-1)
    assert lines(camera, times=3) == [
        "info Camera robot: controls set: brightness 40",
        "warn Camera robot: camera_controls: focus_absolute takes 0 to 250 in steps of"
        " 5; not -1",
    ]


def test_said_again_when_it_changes(source, driver):
    """Another camera in its place may take other controls."""
    camera = controlled(source, driver, brightness=40)
    lines(camera)
    driver.controls[0x980900].high = 30
    assert lines(camera, times=2) == [
        "warn Camera robot: camera_controls: brightness takes -64 to 30; not 40"
    ]


def test_the_camera_stays_open(source, driver):
    """No control keeps a camera from showing pictures, not even one that is gone."""
    driver.gone = True
    camera = controlled(source, driver, brightness=40)
    assert lines(camera) == ["warn Camera robot: camera_controls: no such device"]
    assert camera.open() == GIVEN


def test_a_camera_that_does_not_open(source, driver):
    """Where the camera does not open, no control is tried."""
    source.opens.append(SourceError("gone"))
    with pytest.raises(SourceError, match="gone"):
        controlled(source, driver, brightness=40).open()
    assert driver.asked == []
