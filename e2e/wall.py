"""The page as a person sees it, asked for by script in whichever browser."""

from __future__ import annotations

import base64
from typing import Any, Protocol

from e2e.video import Pixels, decode
from e2e.waiting import until


class Browser(Protocol):
    """What all drivers can do: Selenium's, and that of Firefox."""

    def get(self, url: str) -> None:
        """Open an address."""

    def execute_script(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page, and return what it returns."""

    def get_screenshot_as_png(self) -> bytes:
        """Return what the window shows."""


_TILE = """
    const tile = [...document.querySelectorAll(".tile")]
        .find((tile) => tile.dataset.camera === arguments[0]);
"""


def tiles(browser: Browser) -> list[str]:
    """Return the cameras of the tiles that can be seen, in their order."""
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('.tile:not([hidden])')]"
        ".map((tile) => tile.dataset.camera)"
    )
    return found


def word(browser: Browser, camera: str = "robot") -> str | None:
    """Return the state that a tile tells; None without the tile."""
    told: str | None = browser.execute_script(
        _TILE + "return tile?.dataset.state ?? null", camera
    )
    return told


def text(browser: Browser, part: str, camera: str = "robot") -> str:
    """Return what stands in a part of a tile, such as "numbers"; "" for nothing."""
    told: str = browser.execute_script(
        _TILE + "const part = tile?.querySelector(arguments[1]);"
        "return part && !part.hidden ? part.textContent : ''",
        camera,
        f".{part}",
    )
    return told


def await_word(browser: Browser, expected: str, camera: str = "robot") -> None:
    """Wait until a tile tells this state; the error has what it told instead."""
    what = f"{camera} is said to be {expected}"
    try:
        until(lambda: word(browser, camera) == expected, what)
    except AssertionError as error:
        told = [text(browser, part, camera) for part in ("word", "numbers", "trouble")]
        raise AssertionError(f"{error}, but {' | '.join(told)}") from None


def await_live(browser: Browser, *cameras: str) -> None:
    """Wait until these tiles say that their pictures are live."""
    for camera in cameras or ("robot",):
        await_word(browser, "live", camera)


def size(browser: Browser, camera: str = "robot") -> tuple[int, int]:
    """Return width and height of the picture on a tile."""
    width, height = browser.execute_script(
        _TILE + "const {width, height} = tile.querySelector('.view canvas');"
        "return [width, height]",
        camera,
    )
    return width, height


def picture(browser: Browser, camera: str = "robot") -> Pixels:
    """Return the picture on a tile, at its own size."""
    url: str = browser.execute_script(
        _TILE + "return tile.querySelector('.view canvas').toDataURL('image/png')",
        camera,
    )
    return decode(base64.b64decode(url.partition(",")[2]))


def place(browser: Browser, selector: str) -> tuple[float, float, float, float]:
    """Return where an element is: left, top, width and height in the page's pixels."""
    left, top, width, height = browser.execute_script(
        "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
        "return [r.left, r.top, r.width, r.height]",
        selector,
    )
    return left, top, width, height


def place_of(browser: Browser, camera: str) -> tuple[float, float, float, float]:
    """Return where a tile is."""
    return place(browser, f".tile[data-camera='{camera}']")


def click(browser: Browser, selector: str) -> None:
    """Click on an element, once it is there."""
    script = (
        "const found = document.querySelector(arguments[0]);"
        "found?.click(); return found !== null"
    )
    until(lambda: browser.execute_script(script, selector), f"{selector} is there")


def press(browser: Browser, key: str) -> None:
    """Press a key, wherever the focus is."""
    browser.execute_script(
        "(document.activeElement ?? document.body).dispatchEvent("
        "new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))",
        key,
    )


def hash_of(browser: Browser) -> str:
    """Return what stands behind the # of the address."""
    found: str = browser.execute_script("return location.hash")
    return found


def go(browser: Browser, address: str) -> None:
    """Put something else behind the # of the address; return once the page has it."""
    browser.execute_script(
        "return new Promise((done) => {"
        " addEventListener('hashchange', () => done(), {once: true});"
        " location.hash = arguments[0]; })",
        address,
    )
