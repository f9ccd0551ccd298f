"""The page in a tab that is hidden and looked at again, over and over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from selenium.webdriver.remote.webdriver import WebDriver

from e2e.chromium import chromium
from e2e.client import stats
from e2e.daemon import Daemon
from e2e.screen import screen
from e2e.waiting import until
from e2e.wall import await_live
from e2e.webkit import webkit

CONNECTIONS = 6
"""That a browser opens to one host, at the most."""

_HIDE = """
    const hidden = {value: arguments[0], configurable: true};
    Object.defineProperty(document, "hidden", hidden);
    document.dispatchEvent(new Event("visibilitychange"));
"""


@pytest.fixture(params=["chromium", "webkit"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WebDriver]:
    """A browser that can be told to hide its page."""
    with ExitStack() as stack:
        if request.param == "chromium":
            yield stack.enter_context(chromium(tmp_path / "profile"))
        else:
            window = stack.enter_context(screen())
            yield stack.enter_context(webkit(window, tmp_path))


def test_hidden_page_lets_go(driver: WebDriver, bikes: Daemon) -> None:
    """A hidden page watches nothing, and it shows the camera each time it is seen."""
    driver.get(bikes.with_query("/"))
    for _ in range(CONNECTIONS + 1):
        until(lambda: len(stats(bikes)["clients"]) == 1, "the page watches")
        driver.execute_script(_HIDE, True)
        until(lambda: not stats(bikes)["clients"], "the page watches no more")
        driver.execute_script(_HIDE, False)
    await_live(driver)
