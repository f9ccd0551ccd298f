"""A camera's controls, asked for and set over HTTP."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest
from twisted.logger import capturedLogs

from camd.cameras.controls import CONTROL_TIME
from camd.rights import Right
from camd.web.access.keys import Keys
from tests.fake_v4l2 import FakeDriver
from tests.fakes_camera import KEY, FakeDaemon, FakeThread, HttpConnection, said

CONTROLS = "/api/robot/controls"


def daemon_of(driver: FakeDriver | None, **settings: Any) -> FakeDaemon:
    """A daemon whose camera has these controls."""
    return FakeDaemon(driver=driver, **settings)


def put(
    daemon: FakeDaemon, body: object, target: str = CONTROLS, key: str | None = KEY
) -> HttpConnection:
    """Send JSON, or bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    line = daemon.connect()
    proof = (f"X-API-Key: {key}",) if key else ()
    line.ask(target, *proof, f"Content-Length: {len(content)}", method="PUT")
    line.channel.dataReceived(content)
    return line


def control_thread(daemon: FakeDaemon) -> FakeThread:
    """The thread in which the driver is asked."""
    return daemon.environment.threads[-1]


def values(line: HttpConnection) -> dict[str, Any]:
    """The value of each control that an answer lists."""
    return {control["name"]: control["value"] for control in line.json["controls"]}


def test_the_list() -> None:
    """GET lists each control with what it takes and how it stands."""
    line = daemon_of(FakeDriver()).ask(CONTROLS)
    assert line.status == 200
    assert line.headers["cache-control"] == "no-store"
    assert line.json["controls"][2] == {
        "name": "power_line_frequency",
        "type": "menu",
        "value": 1,
        "default": 1,
        "min": None,
        "max": None,
        "step": None,
        "choices": [
            {"value": 0, "name": "Disabled"},
            {"value": 1, "name": "50 Hz"},
            {"value": 2, "name": "60 Hz"},
        ],
        "read_only": False,
        "inactive": False,
        "busy": False,
    }


def test_head() -> None:
    """HEAD gets the headers alone."""
    line = daemon_of(FakeDriver()).ask(CONTROLS, method="HEAD")
    assert (line.status, line.raw) == (200, b"")


def test_set() -> None:
    """PUT sets controls, and answers with how all of them stand now."""
    driver = FakeDriver()
    line = put(daemon_of(driver), {"brightness": 40, "power_line_frequency": "60 Hz"})
    assert line.status == 200
    assert values(line)["brightness"] == 40
    assert values(line)["power_line_frequency"] == 2
    assert dict(driver.sets) == {0x980900: 40, 0x980918: 2}


def test_rounded() -> None:
    """What lies between two steps is answered as the camera has it."""
    line = put(daemon_of(FakeDriver()), {"focus_absolute": 13})
    assert (line.status, values(line)["focus_absolute"]) == (200, 15)


def test_logged() -> None:
    """The log says who has set what."""
    daemon = daemon_of(FakeDriver())
    with capturedLogs() as events:
        put(daemon, {"brightness": 40})
    assert "Camera robot: controls set by owner: brightness 40" in said(events)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"brightness": 400}, "brightness takes -64 to 64; not 400"),
        ({"brightness": None}, "brightness takes -64 to 64; not null"),
        ({"auto_exposure": 2}, "auto_exposure takes 1 Manual Mode, 3 Aperture"),
        ({"zoom": 1}, "zoom: the camera has no such control; it has brightness"),
        ([1], 'expected {"brightness": 40, …}, at most 100 controls'),
        ({}, 'expected {"brightness": 40, …}, at most 100 controls'),
        (dict.fromkeys(map(str, range(101)), 1), 'expected {"brightness": 40, …}'),
        (b"brightness=40", "the body is not JSON"),
        (b"", "the body is not JSON"),
    ],
)  # fmt: skip
def test_bad_requests(body: object, error: str) -> None:
    """What makes no sense is answered 400 with control, value and what it takes."""
    driver = FakeDriver()
    line = put(daemon_of(driver), body)
    assert line.status == 400
    assert line.json["error"].startswith(error)
    assert driver.sets == []


def test_refused_by_the_driver() -> None:
    """What the driver does not set is answered 409, with how the controls stand."""
    driver = FakeDriver()
    driver.faults[0x980900] = errno.EIO
    line = put(daemon_of(driver), {"brightness": 40, "focus_absolute": 5})
    assert line.status == 409
    assert line.json["error"] == "brightness was refused: input/output error"
    assert (values(line)["brightness"], values(line)["focus_absolute"]) == (0, 5)


def test_without_effect() -> None:
    """So is what another control overrides."""
    line = put(daemon_of(FakeDriver()), {"exposure_time_absolute": 9})
    assert line.status == 409
    assert line.json["error"].startswith("exposure_time_absolute does nothing now")


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("pattern", "only devices of this machine have some that camd can set"),
        (
            "rpicam",
            "rpicam takes them when it starts; set camera_controls in camd.yaml",
        ),
        (
            "exec:cat film",
            "the camera belongs to a program, which has options of its own",
        ),
    ],
)
def test_no_controls(source: str, reason: str, method: str) -> None:
    """A camera that has no controls says why."""
    daemon = daemon_of(None, source=source)
    line = daemon.ask(CONTROLS) if method == "GET" else put(daemon, {"brightness": 1})
    assert (line.status, line.json["error"]) == (404, f"no controls: {reason}")


def test_a_device_without_any() -> None:
    """So does a device that lists none."""
    line = daemon_of(FakeDriver([])).ask(CONTROLS)
    assert line.status == 404
    assert line.json["error"] == "no controls: the device has no controls"


def test_unplugged() -> None:
    """A device that is away is answered 503, with the time to try again."""
    driver = FakeDriver()
    driver.gone = True
    line = daemon_of(driver).ask(CONTROLS)
    assert (line.status, line.json["error"]) == (503, "no such device")
    assert line.headers["retry-after"] == "1"


def test_a_driver_that_hangs() -> None:
    """After a time the answer is 503, and at once to others until it is back."""
    driver = FakeDriver()
    daemon = daemon_of(driver, takes=None)
    line = put(daemon, {"brightness": 40})
    daemon.environment.clock.advance(CONTROL_TIME)
    assert line.status == 503
    assert line.json["error"] == "its driver has not answered for 10 s"
    line = daemon.ask(CONTROLS)
    assert (line.status, line.json["error"]) == (503, "its driver does not answer")
    control_thread(daemon).finish()
    control_thread(daemon).takes = 0
    assert daemon.ask(CONTROLS).status == 200


def test_not_set_too_late() -> None:
    """What was given up before its turn came is not set any more."""
    driver = FakeDriver()
    daemon = daemon_of(driver, takes=None)
    daemon.ask(CONTROLS)
    put(daemon, {"brightness": 40})
    daemon.environment.clock.advance(CONTROL_TIME)
    control_thread(daemon).finish()
    control_thread(daemon).finish()
    assert driver.sets == []


def test_a_client_that_leaves() -> None:
    """It is no error when nobody waits for the answer."""
    daemon = daemon_of(FakeDriver(), takes=None)
    line = daemon.ask(CONTROLS)
    with capturedLogs() as events:
        line.lose()
        control_thread(daemon).finish()
    assert said(events) == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_other_methods(method: str) -> None:
    """There is nothing to post or delete."""
    line = daemon_of(FakeDriver()).ask(CONTROLS, "Content-Length: 0", method=method)
    assert line.status == 405
    assert line.headers["allow"] == "GET, HEAD, PUT, OPTIONS"


def test_without_a_key() -> None:
    """Nobody sets or sees anything without a key."""
    driver = FakeDriver()
    daemon = daemon_of(driver)
    assert daemon.ask(CONTROLS, key=None).status == 401
    assert put(daemon, {"brightness": 40}, key=None).status == 401
    assert driver.asked == []


@pytest.mark.parametrize("right", [Right.VIEW, Right.STATS, Right.SIGN])
def test_without_the_right(right: Right) -> None:
    """Other rights open neither list nor change; this one opens nothing else."""
    driver = FakeDriver()
    daemon = daemon_of(driver)
    daemon.access.change(Keys({"phone": KEY}, {"phone": frozenset({right})}), None)
    assert daemon.ask(CONTROLS).status == 403
    assert put(daemon, {"brightness": 40}).status == 403
    assert driver.asked == []
    only_control = {"phone": frozenset({Right.CONTROL})}
    daemon.access.change(Keys({"phone": KEY}, only_control), None)
    assert put(daemon, {"brightness": 40}).status == 200
    assert daemon.ask("/api/robot/snapshot").status == 403


def test_the_address_is_told() -> None:
    """The list of cameras has the address of those that have controls."""
    daemon = daemon_of(FakeDriver())
    (camera,) = daemon.ask("/api/cameras").json["cameras"]
    assert camera["controls"] == CONTROLS


def test_kept_while_settings_change() -> None:
    """What was set outlasts a reload that touches neither source nor controls."""
    driver = FakeDriver()
    daemon = daemon_of(driver)
    put(daemon, {"brightness": 40})
    camera = daemon.camera
    before = camera.controls.of_device
    camera.apply(camera.settings.model_copy(update={"camera_width": 800}), 2)
    assert camera.controls.of_device is before
    changed = {"camera_controls": {"brightness": 3}}
    camera.apply(camera.settings.model_copy(update=changed), 2)
    assert camera.controls.of_device is not before


def test_the_thread_ends() -> None:
    """The thread that asked the driver ends with the camera."""
    daemon = daemon_of(FakeDriver())
    daemon.ask(CONTROLS)
    thread = control_thread(daemon)
    daemon.camera.stopService()
    assert thread.stops == 1


def test_no_page_of_another_site() -> None:
    """A browser that asks ahead of a PUT is not told that it may."""
    daemon = FakeDaemon(driver=FakeDriver(), origins=["https://other.example"])
    line = daemon.ask(
        CONTROLS,
        "Origin: https://other.example",
        "Access-Control-Request-Method: PUT",
        method="OPTIONS",
        key=None,
    )
    assert line.headers["access-control-allow-methods"] == "GET, HEAD"
