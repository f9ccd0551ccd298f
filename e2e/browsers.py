"""The browsers as people start them: in a window, with an address.

Nothing drives them. What is to be seen stands in the address, and is read from the
screen, so that each one is itself and all are treated alike.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from e2e.chromium import FLAGS
from e2e.screen import HEIGHT, WIDTH, Screen

PREFERENCES = {
    # Only 127.0.0.1 can be reached: for all other hosts the proxy is dead.
    "network.proxy.type": "1",
    "network.proxy.http": '"127.0.0.1"',
    "network.proxy.http_port": "9",
    "network.proxy.ssl": '"127.0.0.1"',
    "network.proxy.ssl_port": "9",
    # No window and no tab but ours.
    "browser.aboutwelcome.enabled": "false",
    "browser.shell.checkDefaultBrowser": "false",
    "browser.startup.homepage_override.mstone": '"ignore"',
    "datareporting.policy.dataSubmissionEnabled": "false",
}
"""Of Firefox, as they are written into its profile."""


def _chromium(folder: Path) -> list[str]:
    window = (f"--window-size={WIDTH},{HEIGHT}", "--window-position=0,0", "--kiosk")
    return ["chromium", *FLAGS, *window, f"--user-data-dir={folder}"]


def _firefox(folder: Path) -> list[str]:
    lines = [f'user_pref("{name}", {text});\n' for name, text in PREFERENCES.items()]
    (folder / "user.js").write_text("".join(lines))
    window = ("--kiosk", "--width", str(WIDTH), "--height", str(HEIGHT))
    return ["firefox-esr", "--no-remote", "--profile", str(folder), *window]


def _webkit(folder: Path) -> list[str]:
    return [str(minibrowser()), "--full-screen"]


def minibrowser() -> Path | None:
    """Find the browser that comes with WebKitGTK; it is in no folder of PATH."""
    found = Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser")
    return max(found, default=None)


BROWSERS: dict[str, Callable[[Path], list[str]]] = {
    "chromium": _chromium,
    "firefox": _firefox,
    "webkit": _webkit,
}
"""Name -> the command, without the address, for a browser with an empty folder."""


@contextmanager
def browsing(
    name: str, address: str, screen: Screen, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a browser with an empty profile.

    :param name: one of :data:`BROWSERS`.
    :param folder: for what it stores; must not exist yet.
    """
    folder.mkdir()
    with (
        (folder / "output").open("wb") as output,
        subprocess.Popen(
            [*BROWSERS[name](folder), address],
            env=environment(screen, folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            # The whole process group: a browser is many processes.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def environment(screen: Screen, folder: Path) -> dict[str, str]:
    """Return a browser's environment: its screen, and its folder for a home."""
    return {
        **os.environ,
        "DISPLAY": screen.display,
        "HOME": str(folder),
        # Root has no sandbox, and a virtual screen has no graphics card.
        "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
        "WEBKIT_DISABLE_COMPOSITING_MODE": "1",
        "MOZ_CRASHREPORTER_DISABLE": "1",
    }
