"""The page on phones and on walls, with thirty cameras, and for screen readers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from e2e.axe import findings
from e2e.chromium import Driver, enter
from e2e.conftest import Start, check_log
from e2e.daemon import Daemon, running
from e2e.waiting import until
from e2e.wall import (
    await_live,
    click,
    go,
    hash_of,
    place,
    place_of,
    press,
    text,
    tiles,
    word,
)

MANY = 30
"""Cameras of the large wall."""

RATE = 10
"""Pictures a second that each of them has at least, on two cores, browser included."""

WIDE = 320
"""Pixels of those pictures."""

FLAT = 45
"""Seconds for which the page's memory is looked at."""

GROWTH = 1_000_000
"""Bytes by which it may grow in that time; each tile remembers its last two minutes."""

WIDTHS = (320, 390, 768, 1280, 1920, 3840)

NAMES = ("door", "arm", "yard", "gate", "hall")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with five cameras, of which one does not work."""
    cameras = {name: {"source": "pattern"} for name in NAMES[:-1]}
    broken = {NAMES[-1]: {"source": "http://127.0.0.1:9/"}}
    with running(tmp_path_factory.mktemp("devices"), {**cameras, **broken}) as daemon:
        yield daemon
    check_log(daemon)


def resize(browser: Driver, width: int, height: int, mobile: bool = False) -> None:
    """Make the window this large."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {**metrics, "mobile": mobile}
    )


def overflow(browser: Driver) -> int:
    """Return by how many pixels the page is wider than its window."""
    wider: int = browser.execute_script(
        "return Math.max(document.documentElement.scrollWidth,"
        " document.body.scrollWidth) - innerWidth"
    )
    return wider


def small_targets(browser: Driver) -> list[str]:
    """Return the buttons and fields that a finger would miss."""
    found: list[str] = browser.execute_script(
        """
        const all = "button, select, summary, .check, input[type=text]";
        return [...document.querySelectorAll(all)].filter((node) => {
            const {width, height} = node.getBoundingClientRect();
            return width && (width < 44 || height < 44);
        }).map((node) => node.outerHTML.slice(0, 100));
        """
    )
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_no_width_overflows(browser: Driver, daemon: Daemon, width: int) -> None:
    """From 320 to 3840 pixels wall, picture, panel and dialogs fit into the window."""
    resize(browser, width, round(width * 0.6) if width > 500 else 700)
    enter(browser, daemon)
    await_live(browser, "door")
    assert overflow(browser) <= 0
    for tool in ("arrange", "help"):
        click(browser, f"[data-tool={tool}]")
        assert overflow(browser) <= 0
        click(browser, "dialog .close")
    go(browser, "#/door")
    until(lambda: browser.find_elements("css selector", ".chosen"), "the picture")
    assert overflow(browser) <= 0
    click(browser, "[data-tool=panel]")
    assert overflow(browser) <= 0


def test_a_phone(browser: Driver, daemon: Daemon) -> None:
    """One column, as wide as the window, and no button that is missed."""
    resize(browser, 390, 844, mobile=True)
    enter(browser, daemon)
    await_live(browser, "door", "arm")
    places = [place_of(browser, name) for name in NAMES]
    assert {(left, width) for left, _, width, _ in places} == {(0, 390)}
    tops = [top for _, top, _, _ in places]
    assert tops == sorted(tops)
    assert small_targets(browser) == []
    viewport = browser.find_element("css selector", "meta[name=viewport]")
    assert "maximum-scale" not in str(viewport.get_attribute("content"))
    assert "user-scalable" not in str(viewport.get_attribute("content"))
    click(browser, "[data-tool=arrange]")
    assert small_targets(browser) == []
    lines = [f"li[data-name={name}] label" for name in NAMES]
    assert {place(browser, line)[3] for line in lines} == {44}, "names are broken"
    click(browser, "dialog .close")
    go(browser, "#/door")
    click(browser, "[data-tool=panel]")
    until(lambda: browser.find_elements("css selector", "#panel .plot"), "the panel")
    assert small_targets(browser) == []


def test_out_of_sight(browser: Driver, daemon: Daemon) -> None:
    """What is below the window is not loaded; scrolled to, it is live."""
    resize(browser, 390, 700, mobile=True)
    enter(browser, daemon)
    await_live(browser, "door")
    assert word(browser, "gate") != "live"
    browser.execute_script("document.querySelector('#wall').scrollTo(0, 9999)")
    await_live(browser, "gate")
    until(lambda: word(browser, "door") != "live", "door is out of sight")


def test_a_phone_held_across(browser: Driver, daemon: Daemon) -> None:
    """There is the picture alone, until a tap brings the tools."""
    resize(browser, 844, 390, mobile=True)
    enter(browser, daemon)
    go(browser, "#/door")
    await_live(browser, "door")
    assert place_of(browser, "door") == (0, 0, 844, 390)
    assert tiles(browser) == ["door"]
    shown = "return getComputedStyle(document.querySelector('header')).opacity"
    for opacity in ("0", "1"):
        until(
            lambda opacity=opacity: browser.execute_script(shown) == opacity,
            f"the tools have an opacity of {opacity}",
        )
        finger = {"touchPoints": [{"x": 400, "y": 300}]}
        browser.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": "touchStart", **finger}
        )
        lifted = {"type": "touchEnd", "touchPoints": []}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", lifted)


def test_it_can_be_installed(browser: Driver, daemon: Daemon) -> None:
    """Chromium finds a manifest without errors, with an icon."""
    enter(browser, daemon)
    found = browser.execute_cdp_cmd("Page.getAppManifest", {})
    assert found["url"] == f"{daemon.origin}/page/manifest.webmanifest"
    assert found["errors"] == []
    loaded = browser.execute_script(
        "const icon = new Image(); icon.src = '/page/icon.png';"
        "return icon.decode().then(() => icon.naturalWidth)"
    )
    assert loaded == 192


def test_axe_finds_nothing(browser: Driver, daemon: Daemon) -> None:
    """Neither on the wall, nor in the dialogs, nor on the picture and its panel."""
    browser.get(f"{daemon.origin}/")
    until(lambda: browser.find_elements("css selector", "dialog[open]"), "the form")
    assert findings(browser) == []
    enter(browser, daemon)
    await_live(browser, "door")
    assert findings(browser) == []
    for tool in ("arrange", "help"):
        click(browser, f"[data-tool={tool}]")
        assert findings(browser) == []
        click(browser, "dialog .close")
    go(browser, "#/door")
    click(browser, "[data-tool=panel]")
    until(lambda: browser.find_elements("css selector", "#panel .plot"), "the panel")
    browser.execute_script(
        "for (const part of document.querySelectorAll('details')) part.open = true"
    )
    assert findings(browser) == []


def test_states_are_told_not_ages(browser: Driver, daemon: Daemon) -> None:
    """The live region has each change of state, and nothing else."""
    enter(browser, daemon)
    await_live(browser, "door")
    browser.execute_script(
        "window.told = []; const news = document.querySelector('#news');"
        "new MutationObserver(() => { if (news.textContent)"
        " window.told.push(news.textContent); }).observe(news, {childList: true});"
    )
    before = text(browser, "numbers", "door")
    until(lambda: text(browser, "numbers", "door") != before, "the age changes")
    go(browser, "#/door")
    press(browser, "p")
    told = until(
        lambda: (
            "door: paused" in "; ".join(told := browser.execute_script("return told"))
            and told
        ),
        "the news",
    )
    change = r"\w+(, \w+)*: [a-z ]+"
    assert all(re.fullmatch(f"{change}(; {change})*", line) for line in told), told
    news = browser.find_element("id", "news")
    until(lambda: not news.get_attribute("textContent"), "what was told is gone")
    described = browser.execute_script(
        "const button = document.querySelector('.chosen .open');"
        "return document.getElementById(button.getAttribute('aria-describedby'))"
        ".textContent"
    )
    assert described == "paused"


def test_the_tab_key_reaches_all(browser: Driver, daemon: Daemon) -> None:
    """Each tile and tool has its turn, and shows that it has."""
    from selenium.webdriver.common.keys import Keys

    enter(browser, daemon)
    await_live(browser, "door")
    body, reached = browser.find_element("tag name", "body"), []
    for _ in range(12):
        body.send_keys(Keys.TAB)
        reached.append(
            browser.execute_script(
                "const a = document.activeElement;"
                "return a.dataset.tool ?? a.closest('.tile')?.dataset.camera ?? ''"
            )
        )
    assert {*NAMES, "arrange", "help"} <= {*reached}
    browser.find_element("css selector", ".tile[data-camera=arm] .open").send_keys("\n")
    until(lambda: hash_of(browser) == "#/arm", "Enter opens it")


# ---- Thirty cameras


def folder_of_pictures(folder: Path, number: int) -> Path:
    """Write a second of pictures, some 52 KB each."""
    folder.mkdir()
    grain = np.random.default_rng(number)
    noise = grain.integers(0, 60, (WIDE * 3 // 4, WIDE, 3), np.uint8)
    for index in range(15):
        picture = noise.copy()
        cv2.putText(picture, f"{number}.{index}", (60, 140), 0, 2, (255, 255, 255), 3)
        cv2.imwrite(str(folder / f"{index:02}.jpg"), picture)
    return folder


@pytest.fixture
def many(start: Start, tmp_path: Path) -> Daemon:
    """A daemon with thirty cameras."""
    return start(
        {
            f"camera-{number:02}": {
                "source": str(folder_of_pictures(tmp_path / f"{number}", number)),
                "camera_fps": 12,
                "stream_fps": 12,
            }
            for number in range(MANY)
        }
    )


def rates(browser: Driver) -> list[float]:
    """Return the pictures a second that the tiles tell, of those that tell some."""
    told = browser.execute_script(
        "return [...document.querySelectorAll('.numbers')].map((n) => n.textContent)"
    )
    return [float(t.rpartition("· ")[2].split()[0]) for t in told if "fps" in t]


def widths(browser: Driver) -> list[int]:
    """Return the widths of all pictures, by one question: each takes time."""
    found: list[int] = browser.execute_script(
        "return [...document.querySelectorAll('.view canvas')].map((c) => c.width)"
    )
    return found


@pytest.mark.alone
def test_thirty_cameras(browser: Driver, many: Daemon) -> None:
    """Over HTTP/1.1 all are live at once on one connection, at full speed and size."""
    enter(browser, many)
    names = [f"camera-{number:02}" for number in range(MANY)]
    seen: list[tuple[float, int]] = []

    def well() -> bool:
        found = rates(browser)
        if len(found) < MANY:
            return False
        seen.append((min(found), min(widths(browser))))
        return seen[-1][0] >= RATE and seen[-1][1] == WIDE

    try:
        until(well, "each has its pictures", seconds=90)
    finally:
        print("the slowest of thirty, and the smallest:", *seen[-1:])
    await_live(browser, *names)


# ---- What it keeps


@pytest.mark.parametrize("blob", [False, True], ids=["bytes", "blob"])
def test_memory_stays_flat(browser: Driver, many: Daemon, blob: bool) -> None:
    """Thirty cameras leave nothing behind: each picture goes.

    :param blob: whether pictures are decoded as where there is no HTTPS.
    """
    source = COUNT_PICTURES + ("delete window.ImageDecoder;" if blob else "")
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    enter(browser, many)
    until(lambda: len(rates(browser)) == MANY, "each has pictures")
    time.sleep(10)
    first, (before, _) = heap(browser), decoded(browser)
    kept, end = [], time.monotonic() + FLAT
    while time.monotonic() < end:
        time.sleep(1)
        kept.append(decoded(browser)[1])
    last, (after, _) = heap(browser), decoded(browser)
    print(f"{after - before} pictures, {max(kept)} at once; heap {first}, then {last}")
    assert after - before > FLAT * 10
    assert max(kept) <= 3 * MANY
    assert last - first < GROWTH


COUNT_PICTURES = """
    window.decoded = window.released = 0;
    const count = (made) => made.then((image) => { decoded += 1; return image; });
    const make = createImageBitmap, {decode} = ImageDecoder.prototype;
    window.createImageBitmap = (...all) => count(make(...all));
    ImageDecoder.prototype.decode = function () { return count(decode.call(this)); };
    for (const kind of [ImageBitmap, VideoFrame]) {
        const {close} = kind.prototype;
        kind.prototype.close = function () { window.released += 1; close.call(this); };
    }
"""
"""Counts the pictures that were decoded, and those that were let go."""


def decoded(browser: Driver) -> tuple[int, int]:
    """Return how many pictures were decoded, and how many of them are still there."""
    made, released = browser.execute_script("return [decoded, released]")
    return made, made - released


def heap(browser: Driver) -> int:
    """Return the bytes of the page's objects that something still refers to."""
    browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    used: int = browser.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"]
    return used
