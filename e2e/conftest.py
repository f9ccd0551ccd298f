"""What the tests share: the daemon, the video, the browser; and what must be there."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from e2e.client import stats
from e2e.daemon import Camera, Daemon, running
from e2e.video import Film, video
from e2e.waiting import until

if TYPE_CHECKING:
    from e2e.chromium import Driver
    from e2e.wall import Browser

PACKAGES = {
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    # Tells Chromium whom to trust.
    "certutil": "libnss3-tools",
    "ffmpeg": "ffmpeg",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "nginx": "nginx",
    "haproxy": "haproxy",
    "caddy": "caddy",
    # The program alone: no site of its own that would be started.
    "apache2": "apache2-bin",
    "varnishd": "varnish",
    "curl": "curl",
    "mpv": "mpv",
    "node": "nodejs",
    "vlc": "vlc-bin vlc-plugin-base",
    "gst-launch-1.0": "gstreamer1.0-tools gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good",
    "systemd-analyze": "systemd",
    "firefox-esr": "firefox-esr",
    "WebKitWebDriver": "webkit2gtk-driver",
    "Xvfb": "xvfb",
    "man": "man-db",
    "motion": "motion",
    "openssl": "openssl",
}
"""Program -> the Debian packages that it takes."""

MODULES = {
    "aiohttp": "aiohttp",
    "h2": "Twisted[http2]",
    "marionette_driver": "marionette_driver",
    "priority": "Twisted[http2]",
    "pipx": "pipx",
    "requests": "requests",
    "selenium": "selenium",
    "vlc": "python-vlc",
    "zxingcpp": "zxing-cpp",
}
"""Python module -> the project it comes in."""


def pytest_configure() -> None:
    """End with one line, before anything else, when something is missing."""
    # A shell that starts the tests in the background has them ignore SIGINT, and every
    # daemon would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Debian keeps servers where root alone looks for commands.
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    missing = sorted({PACKAGES[name] for name in PACKAGES if not shutil.which(name)})
    if missing:
        raise pytest.UsageError(f"missing; run: apt install {' '.join(missing)}")
    missing = [MODULES[name] for name in MODULES if not find_spec(name)]
    if missing:
        raise pytest.UsageError(f"missing; run: pip install {' '.join(missing)}")


class Start(Protocol):
    """Starts a daemon with these cameras and settings, as in camd.yaml."""

    def __call__(self, cameras: dict[str, Camera], **settings: Any) -> Daemon:
        """Return the daemon once it listens; it ends with the test."""
        ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start daemons, and check the log of each after the test."""
    daemons: list[Daemon] = []
    with ExitStack() as stack:

        def started(cameras: dict[str, Camera], **settings: Any) -> Daemon:
            folder = tmp_path / f"daemon-{len(daemons)}"
            folder.mkdir()
            daemon = stack.enter_context(running(folder, cameras, **settings))
            daemons.append(daemon)
            return daemon

        yield started
    for daemon in daemons:
        check_log(daemon)


def check_log(daemon: Daemon) -> None:
    """Check that nothing went wrong unnoticed, and that no key was logged."""
    log = daemon.log
    assert "Traceback" not in log, log
    assert "Unhandled" not in log, log
    for secret in (daemon.key, daemon.basic):
        assert secret not in log


@pytest.fixture(scope="session")
def film() -> Film:
    """Decode bikes.mp4: 640x272, 250 frames at 25 fps."""
    return Film(video("bikes.mp4"))


@pytest.fixture(scope="module")
def lasting_bikes(
    tmp_path_factory: pytest.TempPathFactory, film: Film
) -> Iterator[Daemon]:
    """A daemon that shows bikes.mp4, with all settings at their defaults."""
    cameras = {"robot": {"source": str(film.path)}}
    with running(tmp_path_factory.mktemp("bikes"), cameras) as daemon:
        yield daemon
    check_log(daemon)


@pytest.fixture
def bikes(lasting_bikes: Daemon) -> Daemon:
    """The daemon that shows bikes.mp4, once the last test's viewers are gone."""
    until(lambda: not stats(lasting_bikes)["clients"], "nobody watches")
    return lasting_bikes


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Driver]:
    """Headless Chromium with an empty profile."""
    from e2e.chromium import chromium

    with chromium(tmp_path / "profile") as driver:
        yield driver


@pytest.fixture(params=["chromium", "firefox", "webkit"])
def any_browser(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Browser]:
    """Each of the browsers, without a past."""
    from e2e.chromium import chromium
    from e2e.firefox import firefox
    from e2e.screen import screen
    from e2e.webkit import webkit

    with ExitStack() as stack:
        if request.param == "chromium":
            yield stack.enter_context(chromium(tmp_path / "profile"))
        elif request.param == "firefox":
            yield stack.enter_context(firefox(tmp_path / "profile"))
        else:
            window = stack.enter_context(screen())
            yield stack.enter_context(webkit(window, tmp_path))
