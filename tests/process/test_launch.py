"""Tests of what a caller hears of a process that cannot start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PROGRAM = """
import os, signal, sys
from twisted.logger import globalLogBeginner
from camd.process.launch import Launch, StartError
globalLogBeginner.beginLoggingTo([lambda event: None], redirectStandardIO=False)
launch = Launch(forks=True)
if os.fork():
    # As twistd, which would wait here for its own pipe.
    os._exit(0)
if os.fork():
    os._exit(0)
{child}
"""
"""What twistd does: two forks, and the first process waits."""


def ended(child: str) -> tuple[int, str]:
    """The exit status and the stderr of the first process, by what its daemon does."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(child=child)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("child", "status", "line"),
    [
        ("launch.done()", 0, ""),
        ("raise StartError('no port')", 1, "camd: no port\n"),
        ("open('/none')", 1, "camd: [Errno 2] No such file or directory: '/none'\n"),
        ("{}['x']", 1, "camd: KeyError: 'x'\n"),
        ("sys.exit(3)", 1, "camd: it ended while it started\n"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 1,
         "camd: it ended while it started\n"),
        ("launch.done(); sys.exit(3)", 0, ""),
    ],
)  # fmt: skip
def test_the_caller_is_told(child: str, status: int, line: str) -> None:
    """Whichever way the daemon ends before it runs, there is one line and status 1."""
    assert ended(child) == (status, line)
