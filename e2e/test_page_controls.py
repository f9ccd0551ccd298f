"""A camera's controls in the panel: what they show, and what becomes of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from e2e import with_controls
from e2e.axe import findings
from e2e.chromium import Driver
from e2e.client import ask
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.waiting import until
from e2e.wall import await_live, click

OWNER, VISITOR = "the-key-of-the-owner-1", "the-key-of-a-visitor-1"

TWISTD = (sys.executable, with_controls.__file__)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose camera has the controls of a usual webcam."""
    settings = {
        "api_keys": {"owner": OWNER, "visitor": VISITOR},
        "api_rights": {"visitor": ["view"]},
    }
    cameras = {"robot": {"source": "pattern"}}
    folder = tmp_path / "daemon"
    folder.mkdir()
    with running(folder, cameras, twistd=TWISTD, **settings) as daemon:
        yield replace(daemon, key=OWNER)
    check_log(daemon)


@pytest.fixture
def panel(browser: Driver, daemon: Daemon) -> Driver:
    """Chromium with the camera in the window, and its controls beside it."""
    browser.get(f"{daemon.origin}/?api_key={daemon.key}#/robot")
    await_live(browser)
    click(browser, "[data-tool=panel]")
    until(lambda: browser.find_elements("css selector", ".control"), "the controls")
    return browser


def value(daemon: Daemon, name: str) -> Any:
    """Return what the driver has."""
    listed = json.loads(ask(daemon, "/api/robot/controls").body)["controls"]
    (found,) = (control["value"] for control in listed if control["name"] == name)
    return found


def control(browser: Driver, name: str) -> Any:
    """Return what sets a control."""
    return browser.find_element("id", f"control-{name}")


def shown(browser: Driver, name: str) -> str:
    """Return the number beside a slider."""
    output = browser.find_element("css selector", f"output[for=control-{name}]")
    return str(output.get_attribute("textContent"))


def test_they_are_set_by_hand(panel: Driver, daemon: Daemon) -> None:
    """A slider, a switch and a list reach the driver, by keys alone, too."""
    slider = control(panel, "brightness")
    assert (slider.get_attribute("min"), slider.get_attribute("max")) == ("-64", "64")
    slider.send_keys(Keys.END)
    until(lambda: value(daemon, "brightness") == 64, "the slider's end")
    until(lambda: shown(panel, "brightness") == "64", "its number")
    control(panel, "white_balance_automatic").send_keys(Keys.SPACE)
    until(lambda: value(daemon, "white_balance_automatic") is False, "the switch")
    control(panel, "power_line_frequency").send_keys("60")
    until(lambda: value(daemon, "power_line_frequency") == 2, "the list")
    assert findings(panel) == []


def test_one_switches_another(panel: Driver, daemon: Daemon) -> None:
    """What does nothing now cannot be moved, until its switch says otherwise."""
    assert not control(panel, "exposure_time_absolute").is_enabled()
    control(panel, "auto_exposure").send_keys("Manual")
    until(lambda: control(panel, "exposure_time_absolute").is_enabled(), "it is free")


def test_back_to_the_default(panel: Driver, daemon: Daemon) -> None:
    """One control goes back by the button beside it, all by the one below."""
    for name in ("brightness", "exposure_time_absolute"):
        assert not back(panel, name).is_displayed()
    control(panel, "brightness").send_keys(Keys.HOME)
    until(lambda: back(panel, "brightness").is_displayed(), "the way back")
    back(panel, "brightness").click()
    until(lambda: value(daemon, "brightness") == 0, "its default")
    until(lambda: not back(panel, "brightness").is_displayed(), "nothing to go back to")
    control(panel, "brightness").send_keys(Keys.HOME)
    control(panel, "power_line_frequency").send_keys("60")
    until(lambda: value(daemon, "power_line_frequency") == 2, "the list")
    everything = "//section[@aria-label='Controls']/button"
    panel.find_element("xpath", everything).click()
    until(lambda: value(daemon, "power_line_frequency") == 1, "all defaults")
    assert value(daemon, "brightness") == 0


def back(browser: Driver, name: str) -> Any:
    """Return the button that leads back to a control's default."""
    return browser.find_element("css selector", f"#control-{name}").find_element(
        "xpath", "../button[@title='Reset']"
    )


def test_what_the_driver_says(panel: Driver, daemon: Daemon) -> None:
    """A value that it refuses is told in its words, and the slider goes back."""
    slider = control(panel, "focus_absolute")
    slider.send_keys(Keys.END)
    told = "//section[@aria-label='Controls']/p[@role='alert']"
    error = panel.find_element("xpath", told)
    until(lambda: "focus_absolute" in error.text, "what went wrong")
    until(lambda: slider.get_attribute("value") == "0", "it goes back")


def test_who_may_not_sees_none(browser: Driver, daemon: Daemon) -> None:
    """Without the right there are no controls, and they are not asked for."""
    browser.get(f"{daemon.origin}/?api_key={VISITOR}#/robot")
    await_live(browser)
    click(browser, "[data-tool=panel]")
    until(lambda: browser.find_elements("css selector", "#panel summary"), "the panel")
    assert browser.find_elements("css selector", ".control") == []
    asked = "return performance.getEntriesByType('resource').map(({name}) => name)"
    names = browser.execute_script(asked)
    assert [name for name in names if name.endswith("/controls")] == []
