"""One picture in the window: closer, turned, stopped, saved, with all its figures."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

from e2e.camera import HttpCamera, http_camera, number_in
from e2e.chromium import Driver, enter
from e2e.client import ask
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.video import decode
from e2e.waiting import until
from e2e.wall import (
    Browser,
    await_live,
    await_word,
    click,
    go,
    hash_of,
    picture,
    place,
    place_of,
    press,
    size,
    text,
    tiles,
)

NAMES = ("door", "arm", "yard")


@pytest.fixture(scope="module")
def camera() -> Iterator[HttpCamera]:
    """A camera whose pictures carry their numbers."""
    with http_camera() as camera:
        yield camera


@pytest.fixture(scope="module")
def daemon(
    tmp_path_factory: pytest.TempPathFactory, camera: HttpCamera
) -> Iterator[Daemon]:
    """A daemon with three cameras, of which the first has numbers."""
    cameras = {
        name: {"source": camera.address if name == "door" else "pattern"}
        for name in NAMES
    }
    with running(tmp_path_factory.mktemp("focus"), cameras) as daemon:
        yield daemon
    check_log(daemon)


@pytest.fixture
def closer(browser: Driver, daemon: Daemon) -> Driver:
    """Chromium with the first camera in the window."""
    enter(browser, daemon)
    go(browser, "#/door")
    await_live(browser, "door")
    return browser


def transform(browser: Driver) -> str:
    """Return how the picture in the window is magnified; "" for not at all."""
    found: str = browser.execute_script(
        "return document.querySelector('.chosen canvas').style.transform"
    )
    return found


def test_a_click_and_back(any_browser: Browser, daemon: Daemon) -> None:
    """A click has one fill the window above a strip of the others; Esc leads back."""
    any_browser.get(daemon.with_query("/"))
    await_live(any_browser, *NAMES)
    before = place_of(any_browser, "arm")
    click(any_browser, ".tile[data-camera=arm] .open")
    until(lambda: hash_of(any_browser) == "#/arm", "the address follows")
    _, top, width, height = place_of(any_browser, "arm")
    _, _, wide, high = place(any_browser, "#wall")
    assert (width, height) == (pytest.approx(wide, 1), pytest.approx(high - 82, 1))
    assert width > before[2]
    for other in ("door", "yard"):
        assert place_of(any_browser, other)[1] >= top + height
    await_live(any_browser, *NAMES)
    press(any_browser, "ArrowRight")
    until(lambda: hash_of(any_browser) == "#/yard", "the next one")
    press(any_browser, "ArrowRight")
    until(lambda: hash_of(any_browser) == "#/door", "round to the first")
    press(any_browser, "ArrowLeft")
    until(lambda: hash_of(any_browser) == "#/yard", "the one before")
    press(any_browser, "Escape")
    until(lambda: hash_of(any_browser) == "", "the wall")
    assert tiles(any_browser) == [*NAMES]


def test_keys(closer: Driver) -> None:
    """Digits choose, G leads back, ? lists the keys, F fills the screen."""
    press(closer, "2")
    until(lambda: hash_of(closer) == "#/arm", "the second")
    press(closer, "g")
    until(lambda: hash_of(closer) == "", "the wall")
    press(closer, "?")
    until(lambda: closer.find_elements("css selector", "dialog[open] kbd"), "the keys")
    press(closer, "1")
    assert hash_of(closer) == ""
    click(closer, "dialog .close")
    closer.find_element("tag name", "body").send_keys("f")
    until(
        lambda: closer.execute_script("return document.fullscreenElement !== null"),
        "the full screen",
    )
    bar = "return getComputedStyle(document.querySelector('header')).opacity"
    until(lambda: closer.execute_script(bar) == "0", "the bar is gone")


def test_zooming(closer: Driver) -> None:
    """The wheel goes to eight times and back; a small map tells where one is."""
    canvas = closer.find_element("css selector", ".chosen .view")
    wheel = ScrollOrigin.from_element(canvas, 100, 50)
    assert transform(closer) == ""
    for _ in range(6):
        ActionChains(closer).scroll_from_origin(wheel, 0, -400).perform()
    until(lambda: transform(closer).startswith("scale(8)"), "eight times")
    minimap = closer.find_element("css selector", ".minimap")
    assert minimap.is_displayed()
    # Dragging moves the picture.
    before = transform(closer)
    ActionChains(closer).drag_and_drop_by_offset(canvas, 120, 40).perform()
    until(lambda: transform(closer) != before, "it is moved")
    press(closer, "0")
    assert transform(closer) == ""
    assert not minimap.is_displayed()
    double_click(closer)
    until(lambda: transform(closer).startswith("scale(3)"), "three times")
    double_click(closer)
    until(lambda: transform(closer) == "", "the whole picture")


def double_click(browser: Driver) -> None:
    """Click twice on the picture, by the clock of the events within 0.1 s."""
    left, top, width, height = place(browser, ".chosen .view")
    at = {"x": left + width / 2, "y": top + height / 2}
    now = time.time()
    for count, kind in product((1, 2), ("mousePressed", "mouseReleased")):
        click = {"type": kind, "button": "left", "clickCount": count, **at}
        moment = {"timestamp": now + 0.1 * (count - 1)}
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", {**click, **moment})


def test_zooming_asks_for_the_whole_picture(closer: Driver) -> None:
    """Who looks closely gets all pixels, whichever rendition was good enough before."""
    press(closer, "+")
    press(closer, "+")
    press(closer, "+")
    until(lambda: size(closer, "door") == (240, 180), "the whole picture")


def test_swiping(closer: Driver) -> None:
    """A finger that goes across leads to the next one."""
    left, top, width, height = place(closer, ".chosen .view")
    y = top + height / 2

    def touch(kind: str, *points: float) -> None:
        found = [{"x": x, "y": y} for x in points]
        closer.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": found}
        )

    touch("touchStart", left + 0.8 * width)
    touch("touchMove", left + 0.6 * width)
    touch("touchMove", left + 0.4 * width)
    touch("touchEnd")
    until(lambda: hash_of(closer) == "#/arm", "the next one")


def test_turning_is_kept(closer: Driver, daemon: Daemon) -> None:
    """Turned and mirrored, a camera's pictures stay so, and those of others do not."""
    width, height = size(closer, "door")
    press(closer, "r")
    until(lambda: size(closer, "door") == (height, width), "it stands upright")
    press(closer, "r")
    press(closer, "m")
    until(lambda: size(closer, "door") == (width, height), "it stands on its head")
    closer.refresh()
    await_live(closer, "door")
    # Turned by 180 degrees and mirrored is upside down.
    upright = np.ascontiguousarray(picture(closer, "door")[::-1])
    number_in(upright, upright.shape[1] // 4)
    kept = closer.execute_script("return JSON.stringify({...localStorage})")
    assert json.loads(kept).keys() == {"camd.view.door"}


def test_pausing(closer: Driver) -> None:
    """A picture that was paused stands, grows old, and is never called live."""
    press(closer, "p")
    await_word(closer, "paused", "door")
    still = picture(closer, "door")
    until(lambda: "s old" in text(closer, "numbers", "door"), "it grows old")
    assert np.array_equal(picture(closer, "door"), still)
    press(closer, "p")
    await_live(closer, "door")


def test_saving_the_picture(
    closer: Driver, daemon: Daemon, tmp_path: Path, camera: HttpCamera
) -> None:
    """What is saved is the very JPEG on the screen, named by when it was taken."""
    press(closer, "p")
    await_word(closer, "paused", "door")
    shown = picture(closer, "door")
    on_screen = number_in(shown, shown.shape[1] // 4)
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    closer.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    seen = time.time()
    press(closer, "s")
    saved: Path = until(
        lambda: next((p for p in tmp_path.glob("door_*.jpg") if is_whole(p)), None),
        "the file is there",
    )
    kept = decode(saved.read_bytes())
    assert number_in(kept, kept.shape[1] // 4) == on_screen
    said = re.fullmatch(r"door_(.+)Z\.jpg", saved.name)
    assert said is not None
    moment = datetime.strptime(said[1] + "+0000", "%Y-%m-%dT%H-%M-%S.%f%z")
    offset = time.time() - time.monotonic()
    # The name has milliseconds.
    sent = camera.sent[on_screen] + offset - 0.001
    assert sent <= moment.timestamp() <= seen


def is_whole(path: Path) -> bool:
    """Return whether a JPEG file has its end."""
    return path.read_bytes().endswith(b"\xff\xd9")


def test_the_panel(closer: Driver) -> None:
    """It has two minutes of age, rate and data, and what is known of the camera."""
    click(closer, "[data-tool=panel]")
    panel = closer.find_element("id", "panel")
    until(lambda: re.search(r"Age\n0\.\d\d s", panel.text), "the age")
    until(lambda: re.search(r"Pictures\n\d+\.\d fps", panel.text), "the rate")
    until(lambda: re.search(r"Data\n\d+ KB/s", panel.text), "the data")
    until(lambda: "240 \N{MULTIPLICATION SIGN} 180" in panel.text, "the resolution")
    until(lambda: "the camera's own JPEG" in panel.text, "the encoder")
    path = "return document.querySelector('.plot path').getAttribute('d').length"
    until(lambda: closer.execute_script(path) > 40, "a line through some seconds")


def test_using_it_elsewhere(closer: Driver, daemon: Daemon) -> None:
    """Each line has the address as it is seen here, and works once the key is in."""
    click(closer, "[data-tool=panel]")
    lines = until(
        lambda: [
            line.get_attribute("textContent")
            for line in closer.find_elements("css selector", "#panel pre")
        ],
        "the lines",
    )
    addresses = {a for line in lines for a in re.findall(r'https?://[^"\s]+', line)}
    assert {a.partition("/api/")[0] for a in addresses} == {daemon.origin}
    (still,) = (a for a in addresses if "/snapshot" in a)
    path = still.removeprefix(daemon.origin).replace("KEY", daemon.key)
    assert ask(daemon, path, headers={}).status == 200


HOLD_SESSION = """
    const ask = window.fetch, held = new Promise((go) => { window.letGo = go; });
    window.fetch = async (...all) => {
        if (String(all[0]).endsWith("/session")) await held;
        return ask(...all);
    };
"""
"""Holds back the answer to what this person may do, until it is let go."""


def test_rights_that_come_late(browser: Driver, daemon: Daemon) -> None:
    """What a person may do is offered in a panel that was open before it was known."""
    script = {"source": HOLD_SESSION}
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    browser.get(f"{daemon.with_query('/')}#/door")
    await_live(browser, "door")
    click(browser, "[data-tool=panel]")
    click(browser, "#panel summary")
    assert not browser.find_elements("css selector", ".share")
    browser.execute_script("letGo()")
    until(lambda: browser.find_elements("css selector", ".share"), "a link is offered")


def test_what_was_copied_is_told(closer: Driver) -> None:
    """Those who cannot see it hear it each time; figures that change are not told."""
    click(closer, "[data-tool=panel]")
    click(closer, "#panel summary")
    allowed = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    closer.execute_cdp_cmd("Browser.grantPermissions", allowed)
    closer.execute_script(
        "window.told = []; const news = document.querySelector('#news');"
        "new MutationObserver(() => { if (/cop/.test(news.textContent))"
        " window.told.push(news.textContent); }).observe(news, {childList: true});"
    )
    told = ["copied", "copied", "selected; copy it with your keyboard"]
    for count in range(1, len(told) + 1):
        if count == len(told):
            # As it is without HTTPS.
            closer.execute_script(
                "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
            )
        click(closer, "#panel .line .tool")
        until(
            lambda count=count: closer.execute_script("return told") == told[:count],
            f"{count} are told",
        )
        until(
            lambda: not closer.find_element("id", "news").get_attribute("textContent"),
            "what was told is gone",
        )
    selected = closer.execute_script("return getSelection().toString()")
    assert selected == closer.find_element("css selector", "#panel pre").text
    loud = "return document.querySelectorAll('#panel output:not([aria-live=off])')"
    assert closer.execute_script(f"{loud}.length") == 0


def test_sharing(closer: Driver, daemon: Daemon) -> None:
    """The link opens that camera's page, and its QR code reads the same."""
    click(closer, "[data-tool=panel]")
    click(closer, ".share summary")
    click(closer, ".share .primary")
    link = until(
        lambda: closer.execute_script(
            "return document.querySelector('.share pre')?.textContent"
        ),
        "the link",
    )
    path = link.removeprefix(daemon.origin)
    assert path.startswith("/embed/door?")
    assert ask(daemon, path, headers={"Accept": "text/html"}).status == 200
    code = closer.find_element("css selector", ".qr")
    closer.execute_async_script(
        "const [code, done] = arguments; code.scrollIntoView({block: 'center'});"
        "code.decode().then(() => requestAnimationFrame(() => setTimeout(done)))",
        code,
    )
    shown = decode(code.screenshot_as_png)
    # Without a format it now and then finds a bar code among the squares, too.
    seen = zxingcpp.read_barcode(shown, formats=zxingcpp.BarcodeFormat.QRCode)
    assert seen is not None
    assert seen.text == link
