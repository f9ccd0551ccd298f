"""What twistd calls: options in, the daemon's services out.

The only module that names the global reactor.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from twisted.application.service import MultiService
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized

from camd import __version__, config
from camd.cameras.pipeline import Environment
from camd.capture.thread import CameraThread
from camd.config.settings import Settings
from camd.daemon import Daemon
from camd.logs.observer import LogObserver, observer_for
from camd.process.systemd import Watch, notifier, watchdog_interval
from camd.reload import reload
from camd.sources.factory import make_encoder, make_placeholder, make_source
from camd.sources.opencv_check import prepare, why_no_opencv

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
            self["settings"] = self.read()
        except config.ConfigError as error:
            _give_up(*error.problems)

    def read(self) -> Settings:
        """
        Read the settings.

        :raises camd.config.ConfigError: something is wrong with them.
        """
        return config.load(_path(self["config"]), os.environ).settings


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


class Camd(MultiService):
    """
    What twistd starts; ends in one line when it cannot listen.

    :ivar daemon: does the work.
    :ivar watch: tells systemd about it.
    :param observer: writes the log; None where somebody else does.
    """

    def __init__(
        self, daemon: Daemon, watch: Watch, observer: LogObserver | None
    ) -> None:
        super().__init__()
        self.daemon = daemon
        self.watch = watch
        self._observer = observer
        daemon.setServiceParent(self)
        watch.setServiceParent(self)

    def setServiceParent(self, parent: Any) -> None:
        """Become part of the application; twistd then asks it who writes the log."""
        super().setServiceParent(parent)
        if self._observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)

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
    whole = build(settings, reactor, os.environ, observer)
    # Before any port is bound: a hangup that nobody listens for ends the process.
    on_hangup(reactor, partial(reload, whole.daemon, options.read, whole.watch))
    return whole


def on_hangup(reactor: Any, act: Callable[[], None]) -> None:
    """Have something called, in the reactor, at each SIGHUP."""
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(act))


def build(
    settings: Settings,
    reactor: Any,
    environ: Mapping[str, str],
    observer: LogObserver | None = None,
) -> Camd:
    """
    Build the daemon.

    :param reactor: the reactor all of it runs on.
    :param environ: the environment, in which systemd says what it wants to be told.
    :param observer: writes the log; None where somebody else does.
    """
    daemon = Daemon(settings, environment(reactor), reactor, observer)
    within = watchdog_interval(environ, os.getpid())
    watch = Watch(daemon.cameras.values, notifier(environ), within, reactor)
    return Camd(daemon, watch, observer)


def environment(reactor: Any) -> Environment:
    """Give what cameras touch of the world outside, on this reactor."""
    return Environment(
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
