"""Headless Firefox, driven by Mozilla's own Marionette: Debian has no geckodriver."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from marionette_driver.marionette import Marionette

from e2e.browsers import PREFERENCES
from e2e.waiting import PATIENCE, until


class Firefox:
    """A Firefox that does what it is told, by the names that Selenium has for it."""

    def __init__(self, port: int) -> None:
        self._client = Marionette(host="127.0.0.1", port=port)
        # Not until all is loaded: a stream never is.
        self._client.start_session({"pageLoadStrategy": "eager"}, timeout=PATIENCE)
        self._client.timeout.script = PATIENCE

    def get(self, url: str) -> None:
        """Open an address."""
        self._client.navigate(url)

    def execute_script(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page, and return what it returns."""
        return self._client.execute_script(script, arguments, sandbox=None)

    def get_screenshot_as_png(self) -> bytes:
        """Return what the window shows."""
        return base64.b64decode(self._client.screenshot(full=False))

    def quit(self) -> None:
        """End the session."""
        self._client.delete_session()


@contextmanager
def firefox(profile: Path, width: int = 1280, height: int = 900) -> Iterator[Firefox]:
    """Start a browser without a past, and end it.

    :param profile: a folder for what it stores; there must be none yet.
    :param width: of the window, in the page's pixels.
    """
    profile.mkdir()
    # It picks a port that is free, and writes it down.
    preferences = {**PREFERENCES, "marionette.port": "0"}
    lines = [f'user_pref("{name}", {text});\n' for name, text in preferences.items()]
    (profile / "user.js").write_text("".join(lines))
    size = ("--width", str(width), "--height", str(height))
    command = ["firefox-esr", "--headless", "--marionette", "--no-remote", *size]
    with (
        (profile / "output").open("wb") as output,
        subprocess.Popen(
            [*command, "--profile", str(profile)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            told = profile / "MarionetteActivePort"
            port = until(lambda: told.exists() and told.read_text(), "Firefox listens")
            browser = Firefox(int(port))
            yield browser
            browser.quit()
        finally:
            process.terminate()
