"""Takes the pictures of the page for the docs: ``python -m e2e.screenshot FOLDER``."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import cv2

from e2e.chromium import Driver, chromium, enter
from e2e.daemon import Daemon, running
from e2e.video import decode, video
from e2e.waiting import until
from e2e.wall import await_live, click, go, text, tiles, word

CAMERAS = {
    # Big Buck Bunny, of which pictures may be shown with its maker's name (CC BY 3.0).
    "meadow": {"source": str(video("bigbuckbunny.mp4")), "title": "Meadow"},
    "press": {"source": "pattern", "title": "Press"},
    "arm": {"source": "pattern", "title": "Robot arm"},
    "gate": {"source": "pattern", "rotate": 90, "title": "Gate"},
}

LIMIT = 400_000
"""Bytes that a picture may have, as everybody who clones camd gets it."""


RATES = ("14 fps", "15 fps", "16 fps")
"""What a camera of 15 fps is told to have, as the moments vary at which it is asked."""


def wall(browser: Driver, daemon: Daemon) -> None:
    """All cameras in a window."""
    resize(browser, 1120, 640)
    enter(browser, daemon)
    await_live(browser, *CAMERAS)


def one(browser: Driver, daemon: Daemon) -> None:
    """One camera, with its panel."""
    resize(browser, 1120, 640)
    enter(browser, daemon)
    go(browser, "#/arm")
    click(browser, "[data-tool=panel]")
    await_live(browser, "arm")
    # Until there is something in the plots.
    time.sleep(20)


def phone(browser: Driver, daemon: Daemon) -> None:
    """A phone."""
    resize(browser, 390, 780)
    enter(browser, daemon)
    go(browser, "#arm,meadow,press")
    await_live(browser, "arm", "meadow")


PICTURES = {"page": wall, "page-camera": one, "page-phone": phone}
"""Name -> what brings the page into that form."""


def resize(browser: Driver, width: int, height: int) -> None:
    """Make the window this large."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {**metrics, "mobile": width < 500}
    )


def shot(browser: Driver) -> bytes | None:
    """Return the window as a PNG.

    :return: None while a camera's pictures do not come at its rate, as the machine has
        other things to do, and while the film has too busy a scene.
    """
    live = [name for name in tiles(browser) if word(browser, name) == "live"]
    if not all(text(browser, "numbers", name).endswith(RATES) for name in live):
        return None
    page = decode(browser.get_screenshot_as_png())
    tight = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    png = cv2.imencode(".png", page, tight)[1].tobytes()
    return png if len(png) < LIMIT else None


def main(target: Path) -> None:
    """Write the pictures into a folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "daemon")
        home.mkdir()
        with (
            running(home, CAMERAS) as daemon,
            chromium(Path(folder, "profile"), 1400) as browser,
        ):
            for name, prepare in PICTURES.items():
                prepare(browser, daemon)
                # Until the rates have settled.
                time.sleep(3)
                png = until(lambda: shot(browser), f"a scene of {LIMIT} bytes")
                path = target / f"{name}.png"
                path.write_bytes(png)
                print(f"{path}: {len(png)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
