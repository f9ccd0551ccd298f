"""camd's observer of Twisted's log, and the places that its lines go to.

twistd makes its own observer from its own options unless the application has one, and
then reads these options no more. So the places are read from them here: ``--logfile``,
``--syslog`` and ``-n`` mean what they always did.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import syslog
from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any, Protocol, TypeAlias

from twisted.logger import ILogObserver, LogEvent, LogLevel
from twisted.python.logfile import LogFile
from zope.interface import implementer

from camd.config.settings import Settings
from camd.logs.flood import Flood
from camd.logs.lines import FORMS, Form, level_of
from camd.logs.secrets import Secrets, secrets_of

ROTATE_AT = 1_000_000
"""Bytes at which a log file is turned over."""

KEPT = 10
"""Files that are kept beside the newest one; older ones are deleted."""

SUMMARIES = 10.0
"""Seconds between two summaries of the lines that were held back."""

Write: TypeAlias = Callable[[str, LogLevel], None]
"""Takes one line, without its end, and its level."""

_PRIORITIES = {
    LogLevel.debug: syslog.LOG_DEBUG,
    LogLevel.info: syslog.LOG_INFO,
    LogLevel.warn: syslog.LOG_WARNING,
    LogLevel.error: syslog.LOG_ERR,
    LogLevel.critical: syslog.LOG_CRIT,
}


class TextFile(Protocol):
    """Where text can be written to, such as stdout or Twisted's LogFile."""

    def write(self, text: str, /) -> object:
        """Write."""

    def flush(self) -> object:
        """Leave nothing behind in a buffer."""


@implementer(ILogObserver)
class LogObserver:
    """Writes the events that are important enough, each as one line, without secrets.

    An event with a true ``log_unmasked`` is written as it is: the made key must be said
    once. It may hold nothing that came from outside.

    :ivar level: events below it are not written.
    :ivar secrets: what must never be written.

    :param write: where its lines go.
    :param form: makes a line of an event.
    :param clock: returns seconds that never jump.
    :param wall: returns Unix seconds.
    """

    def __init__(
        self,
        write: Write,
        form: Form,
        level: LogLevel,
        secrets: Secrets,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.level = level
        self.secrets = secrets
        self._write = write
        self._form = form
        self._wall = wall
        self._flood = Flood(clock)
        # Cameras' threads log as well. Reentrant: a signal may be logged in the midst.
        self._lock = RLock()

    def __call__(self, event: LogEvent) -> None:
        """Write the event, unless it is too small or one too many."""
        if level_of(event) < self.level:
            return
        with self._lock:
            if self._flood.admits(event):
                self._put(event)

    def follow(self, settings: Settings) -> None:
        """Write from now on what these settings want written, and hide their keys."""
        self.level = LogLevel.levelWithName(settings.log_level)
        self.secrets.hide(secrets_of(settings))

    def tell_held(self) -> None:
        """Write how many lines were held back since the last time."""
        with self._lock:
            for event in self._flood.held(self._wall()):
                # A full disk: there is no other place to say so, and it may pass.
                with contextlib.suppress(OSError):
                    self._put(event)

    def _put(self, event: LogEvent) -> None:
        mask = str if event.get("log_unmasked") else self.secrets.mask
        self._write(self._form(event, mask), level_of(event))


def observer_for(
    settings: Settings,
    twistd: Mapping[str, Any] | None,
    clock: Callable[[], float],
    wall: Callable[[], float],
    reactor: Any,
) -> LogObserver | None:
    """Make the observer that the settings and twistd's own options ask for.

    :param twistd: twistd's options; None where something else runs camd.
    :param clock: returns seconds that never jump.
    :param wall: returns Unix seconds.
    :return: None where another one is asked for: by ``--logger``, or by ``twist``.
    """
    if twistd is None or "nodaemon" not in twistd or twistd.get("logger"):
        return None
    return LogObserver(
        place(twistd, reactor),
        FORMS[settings.log_format],
        LogLevel.levelWithName(settings.log_level),
        Secrets(secrets_of(settings)),
        clock,
        wall,
    )


def place(twistd: Mapping[str, Any], reactor: Any) -> Write:
    """Return what writes to the place that twistd's options name.

    :raises SystemExit: a daemon cannot log to stdout.
    """
    path, is_daemon = twistd.get("logfile"), not twistd["nodaemon"]
    if twistd.get("syslog"):
        return to_syslog(twistd.get("prefix") or "camd")
    if path == "-" and is_daemon:
        raise SystemExit("Daemons cannot log to stdout, exiting!")
    if path in (None, "", "-") and not is_daemon:
        with contextlib.suppress(AttributeError):  # It may not be a real one.
            sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        return to_file(sys.stdout)
    name = path or "twistd.log"
    if os.path.exists(name) and not os.path.isfile(name):
        # A pipe, a terminal or /dev/null: nothing to turn over, and not camd's to lock.
        return to_file(open(name, "a", encoding="utf-8"))
    file = LogFile.fromFullPath(
        name, rotateLength=ROTATE_AT, defaultMode=0o600, maxRotatedFiles=KEPT
    )
    # As twistd does, if the signal has no meaning yet.
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(file.rotate))
    return to_file(file)


def to_file(file: TextFile) -> Write:
    """Write lines to a file, each at once."""

    def write(line: str, level: LogLevel) -> None:
        file.write(f"{line}\n")
        file.flush()

    return write


def to_syslog(prefix: str) -> Write:
    """Write lines to the system's log, each with the priority of its level."""
    syslog.openlog(prefix)

    def write(line: str, level: LogLevel) -> None:
        for piece in line.split("\n"):
            syslog.syslog(_PRIORITIES[level], piece)

    return write
