"""What a person sees when something is wrong; each with a picture of it.

The pictures are in ``e2e/.cache/trouble``, to be looked at.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.camera import HttpCamera, Mood, http_camera
from e2e.chromium import Driver, enter
from e2e.conftest import Start
from e2e.daemon import Daemon, running
from e2e.ports import free_port, listening_on
from e2e.relay import NO_UPGRADE, relay
from e2e.video import CACHE
from e2e.waiting import until
from e2e.wall import Browser, await_live, await_word, text, word

PICTURES = CACHE / "trouble"

KEY = "the-key-of-both-daemons"

SLOW = 300_000 / 8
"""Bytes a second of a link of 300 kbit/s."""


@pytest.fixture
def camera() -> Iterator[HttpCamera]:
    """A camera whose moods the test decides."""
    with http_camera() as camera:
        yield camera


@pytest.fixture
def daemon(start: Start, camera: HttpCamera) -> Daemon:
    """A daemon with two cameras, of which one has moods."""
    pattern = {"source": "pattern", "title": "Workshop"}
    return start({"door": {"source": camera.address}, "workshop": pattern})


def take(browser: Browser, name: str) -> None:
    """Keep a picture of the window."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"{name}.png").write_bytes(browser.get_screenshot_as_png())


def test_the_daemon_is_killed(browser: Driver, tmp_path: Path) -> None:
    """The tile says that there is no connection, and is live again by itself."""
    settings = {
        "api_keys": {"me": KEY},
        "signing_key": "the-same-for-both-" * 2,
        "listen": listening_on(free_port()),
    }
    cameras = {"workshop": {"source": "pattern"}}
    (tmp_path / "one").mkdir()
    with running(tmp_path / "one", cameras, **settings) as daemon:
        browser.get(f"{daemon.origin}/?api_key={KEY}")
        await_live(browser, "workshop")
        daemon.stop(signal.SIGKILL)
    await_word(browser, "no connection", "workshop")
    take(browser, "daemon-killed")
    (tmp_path / "two").mkdir()
    with running(tmp_path / "two", cameras, **settings):
        await_live(browser, "workshop")
        take(browser, "daemon-back")


def test_a_camera_is_unplugged(
    browser: Driver, daemon: Daemon, camera: HttpCamera
) -> None:
    """Its tile dims and says why and when it is tried again; the other stays live."""
    enter(browser, daemon)
    await_live(browser, "door", "workshop")
    camera.mood = Mood.GONE
    await_word(browser, "offline", "door")
    until(lambda: "next try in" in text(browser, "trouble", "door"), "the next try")
    take(browser, "camera-unplugged")
    await_live(browser, "workshop")


def test_a_link_becomes_slow(browser: Driver, daemon: Daemon) -> None:
    """Pictures come seldom, and each tile tells how old they are; none lies."""
    with relay(daemon) as link:
        browser.get(f"{link.origin}/?api_key={daemon.key}")
        await_live(browser, "door", "workshop")
        link.rate = SLOW
        until(
            lambda: (
                "your link is slow" in str(word(browser, "workshop"))
                or _rate(browser, "workshop") < 14
            ),
            "it is told",
        )
        take(browser, "slow-link")
        link.rate = None
        await_live(browser, "door", "workshop")


def _rate(browser: Browser, camera: str) -> float:
    told = text(browser, "numbers", camera)
    return float(told.rpartition("· ")[2].split()[0]) if "fps" in told else 0


def _form(browser: Browser) -> bool:
    found: bool = browser.execute_script(
        "return document.querySelector('dialog.sign-in[open]') !== null"
    )
    return found


def test_a_key_is_revoked(browser: Driver, daemon: Daemon) -> None:
    """The form opens over the wall, whose tiles say why they are still."""
    enter(browser, daemon)
    await_live(browser, "door", "workshop")
    path = daemon.log_path.with_name("camd.yaml")
    settings = json.loads(path.read_text())
    other = {"other": "another-key-altogether"}
    path.write_text(json.dumps({**settings, "api_keys": other}))
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: _form(browser), "the form", seconds=10)
    await_word(browser, "signed out", "workshop")
    take(browser, "key-revoked")


NO_FRAMES = {b"/frame?": b"/nothing?", b"/snapshot?": b"/nothing?"}
"""What leaves nothing but streams."""


@pytest.mark.alone
def test_a_proxy_strips_the_upgrade(browser: Driver, daemon: Daemon) -> None:
    """Pictures are asked for one by one within three seconds, and are live as well."""
    with relay(daemon) as link:
        link.replaced = NO_UPGRADE
        browser.get(f"{link.origin}/?api_key={daemon.key}")
        await_live(browser, "workshop")
        began = browser.execute_script(
            "return performance.getEntriesByName('first picture')[0].startTime"
        )
        assert began < 3000
        take(browser, "upgrade-stripped")


def test_nothing_but_streams(browser: Driver, daemon: Daemon) -> None:
    """Where only an <img> gets through, nobody claims to know how old it is."""
    with relay(daemon) as link:
        link.replaced = {**NO_UPGRADE, **NO_FRAMES}
        browser.get(f"{link.origin}/?api_key={daemon.key}")
        await_word(browser, "age unknown", "workshop")
        shown = "return document.querySelector('.view img:not([hidden])')?.naturalWidth"
        until(lambda: browser.execute_script(shown), "the stream")
        assert text(browser, "numbers", "workshop") == ""
        take(browser, "streams-only")
