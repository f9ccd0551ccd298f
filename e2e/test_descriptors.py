"""Running out of file descriptors: open streams go on, and new ones can come later."""

from __future__ import annotations

import os
import resource
import socket
from contextlib import ExitStack

from e2e.client import ask, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.waiting import until

FEW = 5
"""Files that may be opened beyond those already open."""

LINES = 4
"""Lines that the log may have about it: Twisted begins, closes one, and is through."""


def allow(daemon: Daemon, more: int) -> None:
    """Let the daemon open so many more files than it has open now."""
    pid = daemon.process.pid
    highest = max(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1 + more, hard))


def answers(daemon: Daemon) -> bool:
    """Return whether a connection is accepted, and not closed for want of a file."""
    try:
        return ask(daemon, "/healthz").status == 200
    except OSError:
        return False


def test_streams_go_on_without_descriptors(start: Start) -> None:
    """Accepting pauses, a stream does not, and accepting resumes by itself."""
    daemon = start({"robot": {"source": "pattern"}})
    with watching(daemon) as (watcher,), ExitStack() as stack:
        allow(daemon, FEW)
        for _ in range(3 * FEW):
            stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port)))
        until(lambda: "EMFILE" in daemon.log, "the daemon has no descriptor left")
        seen = len(watcher.seen)
        until(lambda: len(watcher.seen) > seen + 30, "two seconds of pictures")
        assert daemon.log.count("EMFILE") <= LINES, daemon.log
        numbers = [frame.number for frame in watcher.frames()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        stack.close()
        until(lambda: answers(daemon), "it answers again")
