"""Takes the picture of the page for the README: ``python -m e2e.screenshot FILE``."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path

import cv2

from e2e.chromium import Driver, chromium, enter, images
from e2e.daemon import running
from e2e.video import decode, video
from e2e.waiting import until

PIXELS = 1280
"""How wide the picture is."""

SCALE = 1.25
"""Pixels of the picture for each pixel of the page, which two cameras then fill."""

LIMIT = 300_000
"""Bytes that the picture may have, as everybody who clones camd gets it."""


def take(folder: Path) -> bytes:
    """
    Take a picture of the page with the bikes and the test picture on it.

    :param folder: for what the daemon and the browser store.
    :return: a PNG.
    """
    # Of one shape, so that both pictures fill their frames.
    test = {"camera_width": 640, "camera_height": 272}
    cameras = {"robot": {"source": str(video("bikes.mp4"))}, "test": test}
    home, profile = folder / "daemon", folder / "profile"
    home.mkdir()
    with running(home, cameras) as daemon, _browser(profile) as driver:
        enter(driver, daemon)
        images(driver)
        until(lambda: _is_live(driver), "both cameras are live")
        # Until the rates have settled.
        time.sleep(3)
        return until(lambda: _small_shot(driver), f"a scene of {LIMIT} bytes")


def _browser(profile: Path) -> AbstractContextManager[Driver]:
    return chromium(profile, round(PIXELS / SCALE), SCALE)


def _is_live(driver: Driver) -> bool:
    cards = driver.find_elements("tag name", "article")
    return all(card.get_attribute("data-state") == "live" for card in cards)


def _height(driver: Driver) -> int:
    script = "return document.querySelector('main').getBoundingClientRect().bottom"
    return int(SCALE * (driver.execute_script(script) + 20))


def _small_shot(driver: Driver) -> bytes | None:
    """Return the page as a PNG; None while the video shows too busy a scene for it."""
    page = decode(driver.get_screenshot_as_png())[: _height(driver), :PIXELS]
    tight = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    png = cv2.imencode(".png", page, tight)[1].tobytes()
    return png if len(png) < LIMIT else None


def main(target: Path) -> None:
    """Write the picture to a file."""
    with tempfile.TemporaryDirectory() as folder:
        target.write_bytes(take(Path(folder)))
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
