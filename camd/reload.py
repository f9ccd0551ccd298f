"""New settings while the daemon runs: read on a hangup signal, in force at once.

What is wrong with them is said, and then nothing changes at all.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from camd.config import ConfigError
from camd.config.settings import Settings
from camd.daemon import Daemon
from camd.process.systemd import Watch

_log = Logger(namespace="camd")


def reload(daemon: Daemon, read: Callable[[], Settings], watch: Watch) -> None:
    """
    Read the settings, and have the daemon go by them if they are good.

    :param read: reads them; raises :exc:`ConfigError`.
    :param watch: tells systemd about it.
    """
    watch.reloading()
    try:
        daemon.change(read())
    except ConfigError as error:
        for problem in error.problems:
            _log.error("Reload: {problem}", problem=problem)
        _log.error("Reload: nothing has changed")
    else:
        _log.info("Reload: the settings are in force")
    watch.reloaded()
