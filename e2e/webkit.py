"""WebKitGTK, driven: for what has to be done to a page, where looking is not enough."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.webkitgtk.service import Service

from e2e.browsers import environment, minibrowser
from e2e.ports import free_port
from e2e.screen import Screen
from e2e.waiting import PATIENCE


@contextmanager
def webkit(screen: Screen, folder: Path) -> Iterator[webdriver.WebKitGTK]:
    """Start MiniBrowser without a past, and end it.

    :param folder: for what it stores.
    """
    options = webdriver.WebKitGTKOptions()
    options.binary_location = str(minibrowser())
    options.add_argument("--automation")
    # Not until all is loaded: a stream never is.
    options.page_load_strategy = "none"
    program = str(shutil.which("WebKitWebDriver"))
    service = Service(program, port=free_port(), env=environment(screen, folder))
    driver = webdriver.WebKitGTK(options=options, service=service)
    try:
        driver.set_script_timeout(PATIENCE)
        yield driver
    finally:
        driver.quit()
