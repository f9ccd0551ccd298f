"""New settings while the daemon runs: read on a hangup signal, in force at once.

What is wrong with them is said, and then nothing changes at all.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from camd.config import ConfigError
from camd.config.settings import Settings
from camd.daemon import Daemon
from camd.systemd import Watch


class Reload:
    """
    Reads the settings again when the process is told to.

    :param read: reads them; raises :exc:`ConfigError`.
    :param watch: tells systemd about it.
    """

    _log = Logger(namespace="camd")

    def __init__(
        self,
        daemon: Daemon,
        read: Callable[[], Settings],
        watch: Watch,
    ) -> None:
        self._daemon = daemon
        self._read = read
        self._watch = watch

    def reload(self) -> None:
        """Read the settings, and go by them if they are good."""
        self._watch.reloading()
        try:
            self._daemon.change(self._read())
        except ConfigError as error:
            for problem in error.problems:
                self._log.error("Reload: {problem}", problem=problem)
            self._log.error("Reload: nothing has changed")
        else:
            self._log.info("Reload: the settings are in force")
        self._watch.reloaded()
