"""What twistd calls: options in, the daemon's services out.

The only module that names the global reactor.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThreadPool
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized
from twisted.python.threadpool import ThreadPool

from camd import __version__, config
from camd.capture.thread import CameraThread, EventCalls, ThreadCalls
from camd.config.settings import CameraSettings, Settings
from camd.daemon import Daemon
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.logs.observer import LogObserver, observer_for
from camd.process.file_limit import FileLimit, raise_limit
from camd.process.garbage import tune_memory
from camd.process.launch import Launch, StartError
from camd.process.state import kept_or_new_key
from camd.process.systemd import Watch, notifier, watchdog_interval
from camd.sources import Encoder, PushSource, Source
from camd.sources.factory import (
    make_controls,
    make_encoder,
    make_placeholder,
    make_source,
    needs_opencv,
    needs_redis,
    push_source,
    scale,
)
from camd.sources.opencv_check import prepare, why_no_opencv

if TYPE_CHECKING:
    from camd.sources.relay.connection import Origins
    from camd.sources.v4l2.controlled import DeviceControls

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
        try:
            settings = self["settings"] = self.read()
        except config.ConfigError as error:
            _give_up(*error.problems)
        # It is large, and a daemon that only passes JPEGs on does without it.
        if any(map(needs_opencv, settings.cameras.values())):
            missing = why_no_opencv()
            if missing is not None:
                _give_up(missing)

    def read(self) -> Settings:
        """Read the settings.

        :raises camd.config.ConfigError: something is wrong with them.
        """
        loaded = config.load(_path(self["config"]), os.environ)
        if needs_redis(loaded.settings):
            from camd.sources.redis.connection import why_no_redis

            missing = why_no_redis()
            if missing is not None:
                raise config.ConfigError([missing])
        for warning in loaded.warnings:
            _log.warn("{warning}", warning=warning)
        return loaded.settings


def _path(given: str | None) -> Path | None:
    """Return the settings' file; None for the defaults, where there is none."""
    if given is not None:
        return Path(given)
    default = Path("camd.yaml")
    return default if default.exists() else None


def _give_up(*problems: str) -> NoReturn:
    for problem in problems:
        print(f"camd: {problem}", file=sys.stderr)
    raise SystemExit(1)


class Camd(MultiService):
    """What twistd starts.

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
        except (CannotListenError, OSError) as error:
            reason = _in_words(error)
            _log.critical("listen: {reason}", reason=reason)
            raise StartError(f"listen: {reason}") from None

    async def _stopped(self, all_else: Deferred[Any]) -> None:
        await all_else
        _log.info("camd has stopped")

    def stopService(self) -> Deferred[None]:
        """Stop all of it, and say when that is done."""
        return Deferred.fromCoroutine(self._stopped(super().stopService()))


_EXPECTED = {
    errno.EADDRINUSE: "a port that no other program has",
    errno.EADDRNOTAVAIL: "an address of this machine",
    socket.EAI_NONAME: "an address of this machine",
    errno.EACCES: "a port that may be bound; those below 1024 are root's",
}
"""What to say of a TCP port that cannot be had, by the number of the error. That of a
name that nobody knows is below 0, as no other is."""


def _in_words(error: CannotListenError | OSError) -> str:
    if not isinstance(error, OSError):
        reason, port = error.socketError, error.port
        if reason.errno not in _EXPECTED or not isinstance(port, int):
            return str(error)
        place = f"{error.interface or '*'}:{port}"
        return f"{place}: {reason.strerror}; expected {_EXPECTED[reason.errno]}"
    # Of two names the second one is the lock's, beside the socket.
    name = error.filename2 or error.filename
    return f"{os.fsdecode(name)}: {error.strerror}" if name else str(error)


def makeService(options: Options) -> MultiService:
    """Build the daemon from the options, on the global reactor.

    All that concerns the process as a whole is done here, and nowhere else.
    """
    if sys.platform == "linux":  # epoll(7) is Linux' own.
        from camd.process.reactor import install

        install()
    from twisted.internet import reactor as global_reactor

    reactor: Any = global_reactor
    # All of camd's durations are counted by the reactor's clock. This one does not jump
    # when the wall clock is set, which would let every viewer go at once.
    reactor.seconds = time.monotonic
    _log.info("camd {version} starts", version=__version__)
    # "twist" never forks, and has no such option.
    parent: Mapping[str, Any] = options.parent or {}
    launch = Launch(forks=not parent.get("nodaemon", True))
    reactor.callWhenRunning(launch.done)
    settings = options["settings"]
    observer = observer_for(
        settings, options.parent, time.monotonic, time.time, reactor
    )
    service = build(settings, reactor, os.environ, observer, raise_limit())
    apply_settings = partial(reload, service.daemon, options.read, service.watch)
    # Before any port is bound: a hangup that nobody listens for ends the process.
    signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(apply_settings))
    tune_memory()
    return service


def build(
    settings: Settings,
    reactor: Any,
    environ: Mapping[str, str],
    observer: LogObserver | None = None,
    file_limit: FileLimit | None = None,
) -> Camd:
    """Build the daemon.

    :param reactor: the reactor all of it runs on.
    :param environ: the environment, in which systemd says what it wants to be told,
        and where what outlives this run is kept.
    :param observer: writes the log; None where somebody else does.
    :param file_limit: how many files may be open; None where nobody knows.
    """
    # A key that is not needed is not kept.
    own_signing_key = None if settings.signing_key else kept_or_new_key(environ)
    daemon = Daemon(
        settings,
        ReactorEnvironment(reactor, settings.encode_threads),
        reactor,
        observer,
        file_limit,
        own_signing_key,
    )
    within = watchdog_interval(environ, os.getpid())
    watch = Watch(daemon.cameras.values, notifier(environ), within, reactor)
    return Camd(daemon, watch, observer)


def reload(daemon: Daemon, read: Callable[[], Settings], watch: Watch) -> None:
    """Read the settings again, and apply them if they are good.

    Where they are not, the log says what is wrong, and nothing changes at all.

    :param read: reads them; raises :exc:`~camd.config.ConfigError`.
    :param watch: tells systemd about it.
    """
    watch.reloading()
    try:
        daemon.apply(read())
    except config.ConfigError as error:
        for problem in error.problems:
            _log.error("Reload: {problem}", problem=problem)
        _log.error("Reload: nothing has changed")
    else:
        _log.info("Reload: the settings are in force")
    finally:
        watch.reloaded()


class ReactorEnvironment:
    """What cameras touch of the world outside, on this reactor.

    :ivar clock: the reactor.

    :param encode_threads: the most threads that scale pictures.
    """

    def __init__(self, reactor: Any, encode_threads: int = 1) -> None:
        self.clock = reactor
        self._encoders = ThreadPool(0, encode_threads, "encode")
        # eventfd(2) is Linux' own.
        has_eventfd = hasattr(os, "eventfd")
        self._calls: ThreadCalls = EventCalls(reactor) if has_eventfd else reactor

    wall = staticmethod(time.time)
    """Returns the time in Unix seconds; asked for each frame, so with no more calls."""

    def random(self) -> float:
        """Return a number from 0 to 1."""
        return random.random()

    def new_thread(
        self, name: str, between: Callable[[], bool] = lambda: False
    ) -> CameraThread:
        """Start a camera's own thread."""
        return CameraThread(self._calls, name, between)

    def new_controls(self, settings: CameraSettings) -> DeviceControls | None:
        """Make what sets a device's controls; None for a camera that has none."""
        return make_controls(settings)

    def new_source(
        self, settings: CameraSettings, controls: DeviceControls | None
    ) -> Source:
        """Make a camera's source that is pulled, closed."""
        return make_source(settings, controls=controls)

    def new_push_source(self, settings: CameraSettings) -> PushSource | None:
        """Make a camera's source that pushes, stopped; None where it is pulled."""
        return push_source(settings, self.clock, lambda: self._origins)

    @cached_property
    def _origins(self) -> Origins:
        # Imported for the first camera of another camd: it takes 1 MB.
        from camd.sources.relay.connection import Origins

        return Origins(self.clock, self.wall)

    def new_encoder(self, quality: int) -> Encoder:
        """Make an encoder of this JPEG quality."""
        return make_encoder(quality)

    def new_placeholder(
        self, settings: CameraSettings, lines: Sequence[str], size: Size
    ) -> Deferred[bytes]:
        """Draw a JPEG of lines of text, in Twisted's own pool: it never hangs."""
        return deferToThreadPool(
            self.clock,
            self.clock.getThreadPool(),
            make_placeholder,
            settings,
            lines,
            size.width,
            size.height,
        )

    def scale(
        self, jpeg: bytes, renditions: Sequence[Rendition]
    ) -> Deferred[list[tuple[bytes, Size]]]:
        """Make smaller JPEGs of one, in a pool that starts with the first."""
        if not self._encoders.started:
            self._encoders.start()
            self.clock.addSystemEventTrigger("during", "shutdown", self._encoders.stop)
        return deferToThreadPool(self.clock, self._encoders, scale, jpeg, renditions)

    def call_hook(
        self, target: str, body: bytes, event: str, secret: bytes | None
    ) -> Deferred[None]:
        """Call what is to be called for an event."""
        from camd.hooks.call import call_hook

        return call_hook(target, body, event, secret, self.clock)

    def exists(self, path: str) -> bool:
        """Return whether there is such a device."""
        return os.path.exists(path)
