"""The page, and an ``<img>`` alone, where a right or room is lacking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from selenium.webdriver.remote.webelement import WebElement

from e2e.chromium import Driver, bare_image, enter, images, natural_size, pixels
from e2e.client import STREAM, ask, stats, watching
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.video import decode
from e2e.waiting import until

OWNER, VISITOR = "the-key-of-the-owner-1", "the-key-of-a-visitor-1"

ACCEPT = "image/avif,image/webp,image/*;q=0.8,*/*;q=0.5"
"""What an ``<img>`` takes, as Chromium says it but for the order of things."""


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with room for one, and a key for those who may only see."""
    with running(
        tmp_path_factory.mktemp("page"),
        {"robot": {"source": "pattern", "max_viewers_per_camera": 1}},
        api_keys={"owner": OWNER, "visitor": VISITOR},
        api_rights={"visitor": ["view"]},
    ) as daemon:
        yield replace(daemon, key=OWNER)
    check_log(daemon)
    assert VISITOR not in daemon.log


@pytest.fixture
def daemon(lasting: Daemon) -> Daemon:
    """The daemon, once the last test's viewers are gone."""
    until(lambda: not stats(lasting)["clients"], "nobody watches")
    return lasting


def card(browser: Driver) -> WebElement:
    """The page's only camera."""
    return browser.find_element("tag name", "article")


def field(browser: Driver, name: str) -> str:
    """What the page says in one of its fields."""
    return browser.find_element("css selector", f"[data-field={name}]").text


def is_live(browser: Driver) -> bool:
    """Return whether the page says so."""
    return card(browser).get_attribute("data-state") == "live"


def test_a_key_that_may_only_see(browser: Driver, daemon: Daemon) -> None:
    """The page is live and says how many watch; it has no word on who they are."""
    enter(browser, replace(daemon, key=VISITOR))
    (image,) = images(browser)
    until(lambda: is_live(browser), "the page says live")
    until(lambda: field(browser, "viewers") == "1", "the page counts itself")
    assert not browser.find_element("tag name", "details").is_displayed()
    first = pixels(browser, image)
    until(lambda: (pixels(browser, image) != first).any(), "it moves")
    assert browser.get_log("browser") == []


def test_a_key_for_everything(browser: Driver, daemon: Daemon) -> None:
    """The page tells who the viewers are."""
    enter(browser, daemon)
    until(lambda: is_live(browser), "the page says live")
    details = browser.find_element("tag name", "details")
    assert details.is_displayed()
    until(lambda: details.text == "1 viewer", "the page counts itself")
    assert browser.get_log("browser") == []


def test_a_full_house_as_a_picture(browser: Driver, daemon: Daemon) -> None:
    """An ``<img>`` that there is no room for shows why."""
    with watching(daemon):
        reply = ask(daemon, STREAM, headers={"X-API-Key": OWNER, "Accept": ACCEPT})
        assert (reply.status, reply.headers["retry-after"]) == (503, "10")
        busy = decode(reply.body)
        browser.get(f"{daemon.origin}/healthz")
        image = bare_image(browser, daemon.with_query(STREAM))
        height, width, _ = busy.shape
        assert natural_size(browser, image) == (width, height)
        # Letters, and not an even grey.
        assert pixels(browser, image).std() > 5


def test_the_page_comes_into_a_full_house(browser: Driver, daemon: Daemon) -> None:
    """It takes no such picture for the camera's, and is live once there is room."""
    with watching(daemon):
        enter(browser, daemon)
        until(lambda: field(browser, "viewers") == "1", "the page knows of the viewer")
        (image,) = browser.find_elements("tag name", "img")
        assert natural_size(browser, image) == (0, 0)
        assert "connecting" in card(browser).find_element("class name", "note").text
    images(browser)
    until(lambda: is_live(browser), "the page says live")
