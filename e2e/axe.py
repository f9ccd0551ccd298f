"""axe-core, which finds what people with a screen reader or a keyboard stumble over.

It comes out of a wheel on the package index, which is downloaded once and never
installed.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from e2e.video import CACHE
from e2e.wall import Browser

PACKAGE = "axe-playwright-python==0.1.8"
"""It carries axe-core 4.12.1."""


@cache
def script() -> str:
    """Return axe as a script."""
    CACHE.mkdir(exist_ok=True)
    path = CACHE / "axe.min.js"
    # Workers that run in parallel come here at the same time.
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _download(path)
    return path.read_text()


def _download(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        subprocess.run([*pip, "--only-binary=:all:", "-d", folder, PACKAGE], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            part = path.with_suffix(".part")
            part.write_bytes(archive.read("axe_playwright_python/axe.min.js"))
            part.rename(path)


def findings(browser: Browser) -> list[str]:
    """Return what axe finds on the page as it is now: the rule, and where."""
    browser.execute_script(script())
    browser.execute_script("axe.run().then((found) => { window.axeFound = found; })")
    found: Any = None
    while found is None:
        found = browser.execute_script("return window.axeFound?.violations ?? null")
    browser.execute_script("delete window.axeFound")
    return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]
