"""What twistd calls: options in, the daemon's services out.

The only module that names the global reactor.
"""

from __future__ import annotations

import os
import random
import secrets
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from twisted.application import strports
from twisted.application.internet import TimerService
from twisted.application.service import MultiService, Service
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized

from camd import __version__, config
from camd.camera import Camera, World
from camd.config.listening import address_of
from camd.config.settings import Settings
from camd.descriptors import raise_limit, safe_connections
from camd.logs.observer import SUMMARIES, LogObserver, observer_for
from camd.memory import keep_out_of_the_way
from camd.sources import (
    make_encoder,
    make_placeholder,
    make_source,
    prepare,
    why_no_opencv,
)
from camd.stats import Visits
from camd.thread import CameraThread
from camd.web.access import Access
from camd.web.auth import keys_of
from camd.web.channel import Connections
from camd.web.client import Proxies
from camd.web.cloudflare import CloudflareAccess, fetcher
from camd.web.limits import Room
from camd.web.site import CamdSite, tree

_log = Logger(namespace="camd")


class Options(usage.Options):
    """The command line of ``twistd camd``."""

    synopsis = "[options]"
    longdesc = (
        "Shows cameras to any number of viewers at once as MJPEG over HTTP. "
        "What there is to set stands, with its meaning, in the camd.yaml that comes "
        "with camd; 'camd check -c camd.yaml' shows the settings in force."
    )
    optParameters = (
        ("config", "c", None, "The settings' file. [default: camd.yaml, if there]"),
    )

    def opt_version(self) -> None:
        """Show camd's version and exit."""
        print(f"camd {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:
        """Read the settings, or end with one line for each thing that is wrong."""
        prepare(os.environ)
        missing = why_no_opencv()
        if missing is not None:
            _give_up(missing)
        try:
            self["settings"] = config.load(_path(self["config"]), os.environ).settings
        except config.ConfigError as error:
            _give_up(*error.problems)


def _path(given: str | None) -> Path | None:
    """Give the settings' file; None for the defaults, where there is none."""
    if given is not None:
        return Path(given)
    default = Path("camd.yaml")
    return default if default.exists() else None


def _give_up(*problems: str, to: TextIO | None = None) -> None:
    for problem in problems:
        print(f"camd: {problem}", file=to or sys.stderr)
    raise SystemExit(1)


class Daemon(MultiService):
    """
    All of camd's services; ends in one line when it cannot listen.

    :param connections: told how many of them the machine allows.
    :param most: of them at once, as the settings say; 0: as many as are safe.
    :param observer: writes the log; None where somebody else does.
    """

    def __init__(
        self, connections: Connections, most: int, observer: LogObserver | None
    ) -> None:
        super().__init__()
        self._connections = connections
        self._most = most
        self._observer = observer

    def setServiceParent(self, parent: Any) -> None:
        """Become part of the application; twistd then asks it who writes the log."""
        super().setServiceParent(parent)
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)

    def startService(self) -> None:
        """Make room for viewers, and start."""
        keep_out_of_the_way()
        before, now = raise_limit()
        safe = safe_connections(now)
        self._connections.most = min(self._most or safe, safe)
        _log.info(
            "Open files: at most {now} (was {before}); connections: at most {most}",
            now=now,
            before=before,
            most=self._connections.most,
        )
        super().startService()

    def privilegedStartService(self) -> None:
        """Bind the ports."""
        try:
            super().privilegedStartService()
        except CannotListenError as error:
            _log.critical("listen: {error}", error=error)
            # By now twistd has put the log in the place of stderr.
            _give_up(f"listen: {error}", to=sys.__stderr__)


def makeService(options: Options) -> MultiService:
    """Build the daemon from the options, on the global reactor."""
    from twisted.internet import reactor

    # All of camd's durations are counted by the reactor's clock. This one does not jump
    # when the wall clock is set, which would let every viewer go at once.
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    settings = options["settings"]
    observer = observer_for(
        settings, options.parent, time.monotonic, time.time, reactor
    )
    return build(settings, reactor, observer)


def build(
    settings: Settings, reactor: Any, observer: LogObserver | None = None
) -> MultiService:
    """
    Build the daemon.

    :param reactor: the reactor all of it runs on.
    :param observer: writes the log; None where somebody else does.
    """
    world = World(
        clock=reactor,
        wall=time.time,
        random=random.random,
        new_thread=lambda name: CameraThread(reactor, name),
        new_source=lambda camera: make_source(camera, reactor),
        new_encoder=make_encoder,
        new_placeholder=partial(
            # Drawing never hangs, so Twisted's own threads will do.
            lambda *of: deferToThreadPool(reactor, reactor.getThreadPool(), *of),
            make_placeholder,
        ),
        exists=os.path.exists,
    )
    visits = Visits()
    cameras = {
        name: Camera(camera, visits, world) for name, camera in settings.cameras.items()
    }
    made = None if settings.api_keys else secrets.token_urlsafe(24)
    cloudflare = _cloudflare(settings, reactor)
    access = Access(keys_of(settings, made, time.time), time.time, cloudflare)
    site = _site(settings, cameras, access, reactor)
    daemon = Daemon(site.connections, settings.max_connections, observer)
    if observer is not None:
        observer.secrets.hide([made or ""])
        Summaries(observer, reactor).setServiceParent(daemon)
    for camera in cameras.values():
        camera.setServiceParent(daemon)
    if cloudflare is not None:
        cloudflare.setServiceParent(daemon)
    for listen in settings.listen:
        strports.service(listen, site, reactor=reactor).setServiceParent(daemon)
    Greeting(settings, made).setServiceParent(daemon)
    return daemon


def _site(
    settings: Settings, cameras: Mapping[str, Camera], access: Access, reactor: Any
) -> CamdSite:
    proxies, base = Proxies(settings.trusted_proxies), settings.base_path
    room = Room(settings.max_viewers, settings.max_viewers_per_address)
    root = tree(cameras, access, proxies, base, room)
    return CamdSite(root, access, reactor, proxies, settings.cors_origins, base)


def _cloudflare(settings: Settings, reactor: Any) -> CloudflareAccess | None:
    team = settings.cloudflare_access
    if team is None:
        return None
    fetch = fetcher(reactor)
    return CloudflareAccess(team.team_domain, team.audience, fetch, reactor, time.time)


class Summaries(TimerService):
    """Has the log told, from time to time and at the end, what was held back of it."""

    def __init__(self, observer: LogObserver, clock: Any) -> None:
        super().__init__(SUMMARIES, observer.tell_held)
        self.clock = clock
        self._observer = observer

    def stopService(self) -> Any:
        """Tell it a last time."""
        self._observer.tell_held()
        return super().stopService()


class Greeting(Service):
    """
    Says, once, which address to open.

    :param made_key: the key that was made as none was set; None if there was one.
    """

    def __init__(self, settings: Settings, made_key: str | None) -> None:
        self._listen = settings.listen
        self._base = settings.base_path
        self._made_key = made_key

    def startService(self) -> None:
        """Say it."""
        super().startService()
        query = f"?api_key={self._made_key}" if self._made_key else ""
        # A key that was made must be seen, or nobody gets in.
        say = _log.warn if self._made_key else _log.info
        for listen in self._listen:
            address = address_of(listen) + self._base
            say(
                "Open {address}/{query}",
                address=address,
                query=query,
                log_unmasked=True,
            )
        if self._made_key:
            _log.warn("This key was made for this run; set your own with api_keys.")
