"""What a caller hears when camd cannot start: one line, and exit status 1.

``twistd`` forks, and its first process waits until the daemon writes to a pipe. Where
the daemon ends without a word it waits for ever, as it holds the other end of that pipe
as well. So it waits here before, on a pipe that is closed whichever way the daemon
ends, and for the line that the daemon leaves there.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType

from twisted.logger import Logger
from twisted.python.failure import Failure

_STARTED = b"started\n"


class StartError(Exception):
    """camd cannot start; its text says why, in one line."""


class Launch:
    """The start of this process, from before twistd forks until the reactor runs.

    Whatever is raised meanwhile ends as one line on the caller's stderr.

    :param forks: whether twistd will fork.
    """

    _log = Logger(namespace="camd")

    def __init__(self, forks: bool) -> None:
        self._caller = os.getpid()
        self._pipe: tuple[int, int] | None = None
        if forks:
            self._pipe = os.pipe()
            os.register_at_fork(after_in_parent=self._wait)
        sys.excepthook = self._tell

    def done(self) -> None:
        """End it: the reactor runs."""
        sys.excepthook = sys.__excepthook__
        self._write(_STARTED)

    def _wait(self) -> None:
        """Wait in the caller's process, until the daemon has started or ended."""
        # Forked a second time, the daemon's parent comes by here as well.
        if self._pipe is None or os.getpid() != self._caller:
            return
        (read, write), self._pipe = self._pipe, None
        os.close(write)
        with open(read, "rb") as pipe:
            words = pipe.read()
        if words != _STARTED:
            os.write(2, words or b"camd: it ended while it started\n")
            os._exit(1)

    def _tell(
        self,
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
    ) -> None:
        """Say in one line why the process ends; Python calls it with what ends it."""
        if not isinstance(error, Exception):
            return sys.__excepthook__(kind, error, traceback)
        reason = str(error)
        if not isinstance(error, StartError | OSError):
            reason = f"{kind.__name__}: {error}"
            self._log.failure("camd cannot start", Failure(error, kind, traceback))
        self._write(f"camd: {reason}\n".encode("utf-8", "backslashreplace"))

    def _write(self, words: bytes) -> None:
        if self._pipe is not None and os.getpid() != self._caller:
            (read, write), self._pipe = self._pipe, None
            os.write(write, words)
            os.close(write)
            os.close(read)
        elif words != _STARTED:
            # twistd has put its log in the place of Python's stderr, not of the file.
            os.write(2, words)
