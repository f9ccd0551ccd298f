"""Headless Chromium, and what it really shows."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement

from e2e.daemon import Daemon
from e2e.ports import free_port
from e2e.video import Pixels, decode
from e2e.waiting import PATIENCE, until

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Only the daemon can be reached.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # A pixel on the screen has the colour that it has in the picture.
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)

# The picture that an <img> shows now, at its natural size, past the page's style.
_PIXELS = """
    const img = arguments[0], canvas = document.createElement("canvas");
    canvas.width = img.naturalWidth;
    canvas.height = img.naturalHeight;
    canvas.getContext("2d").drawImage(img, 0, 0);
    return canvas.toDataURL("image/png");
"""

# Lays an <img> over everything else, at its natural size.
_BRING_FORWARD = """
    const style = arguments[0].style;
    style.cssText = "position: fixed; inset: 0 auto auto 0; z-index: 9; filter: none";
    style.width = arguments[0].naturalWidth + "px";
    style.height = arguments[0].naturalHeight + "px";
"""

_BARE = "document.body.innerHTML = `<img src='${arguments[0]}'>`;"

Driver = webdriver.Chrome


@contextmanager
def chromium(
    profile: Path, width: int = 1280, scale: float = 1, home: Path | None = None
) -> Iterator[Driver]:
    """Run a browser with an empty profile.

    :param profile: a folder for what it stores.
    :param width: of the window, in the page's pixels.
    :param scale: pixels of the screen for each pixel of the page.
    :param home: where it finds authorities to trust; None for the real home folder.
    """
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    window = (
        "--headless=new",
        f"--window-size={width},900",
        f"--force-device-scale-factor={scale}",
        f"--user-data-dir={profile}",
    )
    for flag in (*FLAGS, *window):
        options.add_argument(flag)
    # Do not wait until everything is loaded: a stream never is.
    options.page_load_strategy = "eager"
    environment = {**os.environ, **({"HOME": str(home)} if home else {})}
    program = str(shutil.which("chromedriver"))
    service = Service(program, port=free_port(), env=environment)
    driver = Driver(options, service)
    try:
        driver.set_page_load_timeout(PATIENCE)
        driver.set_script_timeout(PATIENCE)
        yield driver
    finally:
        driver.quit()


def enter(driver: Driver, daemon: Daemon) -> None:
    """Open the page with the address that carries the key."""
    driver.get(daemon.with_query("/"))


def images(driver: Driver) -> list[WebElement]:
    """Return the page's live pictures, once each of them shows something."""
    found: list[WebElement] = driver.find_elements("tag name", "img")
    until(lambda: all(natural_size(driver, img)[0] for img in found), "a picture shows")
    return found


def bare_image(driver: Driver, address: str) -> WebElement:
    """Show an ``<img>`` alone, with no script that could reload it.

    :param address: a path of the same daemon, for which there is a cookie already.
    """
    origin = driver.execute_script("return location.origin")
    driver.get(f"{origin}/healthz")
    driver.execute_script(_BARE, address)
    (image,) = images(driver)
    return image


def natural_size(driver: Driver, image: WebElement) -> tuple[int, int]:
    """Return width and height of what an ``<img>`` shows; zeros for nothing."""
    script = "return [arguments[0].naturalWidth, arguments[0].naturalHeight]"
    width, height = driver.execute_script(script, image)
    return width, height


def pixels(driver: Driver, image: WebElement) -> Pixels:
    """Return the picture that an ``<img>`` shows, at its natural size."""
    url: str = driver.execute_script(_PIXELS, image)
    return decode(base64.b64decode(url.partition(",")[2]))


def on_screen(driver: Driver, image: WebElement) -> Pixels:
    """Return what is on the screen where an ``<img>`` stands, at its natural size."""
    driver.execute_script(_BRING_FORWARD, image)
    return decode(image.screenshot_as_png)


def cookie(driver: Driver) -> dict[str, Any]:
    """Return the only cookie."""
    (found,) = driver.get_cookies()
    return dict(found)
