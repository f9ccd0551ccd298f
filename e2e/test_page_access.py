"""Signing in and out, keys that are revoked, and the page for other people's pages."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from e2e.chromium import Driver, enter
from e2e.client import ask
from e2e.conftest import Start
from e2e.daemon import Daemon, running
from e2e.ports import free_port, listening_on
from e2e.waiting import PATIENCE, until
from e2e.wall import Browser, await_live, click, place_of, text, tiles, word

CAMERAS = {"robot": {"source": "pattern"}}


def type_key(browser: Browser, key: str) -> None:
    """Type a key into the form, and send it."""
    until(lambda: form_is_open(browser), "the form")
    browser.execute_script("document.querySelector('#key').value = arguments[0]", key)
    click(browser, "dialog .primary")


def said(browser: Browser) -> str:
    """Return what the form says is wrong."""
    text: str = browser.execute_script(
        "return document.querySelector('.wrong')?.textContent ?? ''"
    )
    return text


def form_is_open(browser: Browser) -> bool:
    """Return whether the page asks for a key."""
    found: bool = browser.execute_script(
        "return document.querySelector('dialog.sign-in[open]') !== null"
    )
    return found


def test_signing_in(any_browser: Browser, start: Start) -> None:
    """A form asks for the key, says what is wrong with it, and opens the wall."""
    daemon = start(CAMERAS)
    any_browser.get(f"{daemon.origin}/")
    type_key(any_browser, "not-the-key-at-all")
    until(lambda: said(any_browser) == "That is not the key.", "it says so")
    type_key(any_browser, daemon.key)
    await_live(any_browser)
    assert "api_key" not in any_browser.execute_script("return location.href")


def test_staying_signed_in_and_signing_out(browser: Driver, start: Start) -> None:
    """The cookie lasts if that is wanted; signing out ends it."""
    daemon = start(CAMERAS)
    browser.get(f"{daemon.origin}/")
    until(lambda: form_is_open(browser), "the form")
    click(browser, "#stay")
    type_key(browser, daemon.key)
    await_live(browser)
    (cookie,) = browser.get_cookies()
    assert "expiry" not in cookie
    click(browser, "[data-tool=out]")
    until(lambda: form_is_open(browser), "the form")
    type_key(browser, daemon.key)
    await_live(browser)
    (cookie,) = browser.get_cookies()
    assert "expiry" in cookie
    click(browser, "[data-tool=out]")
    until(lambda: not browser.get_cookies(), "the cookie is gone")


def test_nobody_is_prompted(start: Start) -> None:
    """Programs may be asked for a password; a browser has the form."""
    daemon = start(CAMERAS)
    person = ask(daemon, "/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (person.status, person.headers["www-authenticate"][:6]) == (401, "Bearer")
    program = ask(daemon, "/api/robot/stream", headers={"Accept": "*/*"})
    assert program.headers["www-authenticate"].startswith("Basic")


def reload_keys(daemon: Daemon, **keys: str) -> None:
    """Give a daemon other keys."""
    path = daemon.log_path.with_name("camd.yaml")
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "api_keys": keys}))
    before = daemon.log.count("Reload: the settings are in force")
    daemon.process.send_signal(signal.SIGHUP)
    until(
        lambda: daemon.log.count("Reload: the settings are in force") > before,
        "it goes by other keys",
    )


def test_a_key_that_is_revoked(browser: Driver, start: Start) -> None:
    """The wall asks for a key at once, and does not fill the log meanwhile."""
    daemon = start(CAMERAS)
    enter(browser, daemon)
    await_live(browser)
    reload_keys(daemon, other="another-key-altogether")
    until(lambda: form_is_open(browser), "the form", seconds=5)
    assert tiles(browser) == ["robot"]
    assert word(browser) != "live"
    lines = daemon.log.count("\n")
    # Nothing is asked for while nobody has a key.
    assert not _grows(daemon, lines, 3)
    type_key(browser, "another-key-altogether")
    await_live(browser)


def _grows(daemon: Daemon, lines: int, seconds: float) -> bool:
    """Return whether the log gets more than a few lines within some seconds."""
    try:
        until(lambda: daemon.log.count("\n") > lines + 3, "more lines", seconds)
    except AssertionError:
        return False
    return True


def test_another_key_after_a_restart(browser: Driver, tmp_path: Path) -> None:
    """A page that stayed open asks for the new key over the wall."""
    listen = listening_on(free_port())
    (tmp_path / "one").mkdir()
    with running(tmp_path / "one", CAMERAS, listen=listen) as daemon:
        enter(browser, daemon)
        await_live(browser)
    (tmp_path / "two").mkdir()
    with running(tmp_path / "two", CAMERAS, listen=listen) as second:
        until(lambda: form_is_open(browser), "the form")
        assert tiles(browser) == ["robot"]
        type_key(browser, second.key)
        await_live(browser)


# ---- Other people's pages


class Site:
    """A site of somebody else's, with one page.

    :ivar html: the page; the test sets it.
    :ivar origin: where it is.
    """

    html = ""

    def __init__(self) -> None:
        site = self

        class Request(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = site.html.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of somebody else's."""
    site = Site()
    Thread(target=site.server.serve_forever, daemon=True).start()
    yield site
    site.server.shutdown()
    site.server.server_close()


def framed(address: str) -> str:
    """Return a page with a frame in it."""
    return f'<!DOCTYPE html><iframe width="640" height="480" src="{address}"></iframe>'


def signed(daemon: Daemon, seconds: str = "15m") -> str:
    """Return the address of robot's page, with a link that opens it."""
    answer = requests.post(
        f"{daemon.origin}/api/sign",
        json={"path": "robot/embed", "for": seconds},
        headers={"X-API-Key": daemon.key},
        timeout=PATIENCE,
    )
    return daemon.origin + str(answer.json()["url"])


def test_a_camera_on_somebody_elses_page(
    browser: Driver, start: Start, site: Site
) -> None:
    """One tile, by a link, live, without a key and without a cookie."""
    daemon = start({"robot": {"source": "pattern", "title": "Meine Küche"}})
    site.html = framed(signed(daemon))
    browser.get(site.origin)
    browser.switch_to.frame(0)
    await_live(browser)
    assert text(browser, "name").startswith("Meine Küche")
    assert browser.get_cookies() == []
    wide, high = browser.execute_script("return [innerWidth, innerHeight]")
    assert place_of(browser, "robot") == (0, 0, wide, high)


def test_who_may_frame_the_page(browser: Driver, start: Start, site: Site) -> None:
    """Another site may not show the wall in a frame, unless the settings name it."""
    closed = start(CAMERAS)
    enter(browser, closed)
    site.html = framed(f"{closed.origin}/")
    browser.get(site.origin)
    browser.switch_to.frame(0)
    assert word(browser) is None
    opened = start(CAMERAS, frame_ancestors=["'self'", site.origin])
    enter(browser, opened)
    site.html = framed(f"{opened.origin}/")
    browser.get(site.origin)
    browser.switch_to.frame(0)
    await_live(browser)
