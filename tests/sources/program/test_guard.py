"""The guard of a program, run as camd runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from camd.sources.program.process import GUARD
from tests.fakes import soon

LONGEST = 30
"""Seconds that a guard may take, however loaded the machine is."""


@contextmanager
def guarded(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command under its guard; the standard input is the leash."""
    words = [sys.executable, "-I", "-S", str(GUARD), *command]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe) as guard:
        yield guard
        assert guard.stdin is not None
        guard.stdin.close()


def first_line(guard: subprocess.Popen[bytes]) -> bytes:
    """The first line of the command, once it has come."""
    assert guard.stdout is not None
    return guard.stdout.readline().strip()


def is_running(number: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        with open(f"/proc/{number}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("true",), 0),
        (("sh", "-c", "exit 3"), 3),
        (("sh", "-c", "kill -9 $$"), 128 + 9),
        (("/nonexistent",), 127),
        (("/etc/passwd",), 126),
    ],
)
def test_its_status_is_the_commands(command: tuple[str, ...], status: int) -> None:
    """The guard ends as the command did, as a shell would."""
    with guarded(*command) as guard:
        assert guard.wait(LONGEST) == status


def test_why_it_cannot_be_run() -> None:
    """What is no program is said in a line on standard error."""
    with guarded("/nonexistent") as guard:
        # Not communicate(), which lets go of the leash at once.
        assert guard.stderr is not None
        errors = guard.stderr.read()
    assert errors == b"/nonexistent: no such file or directory\n"


def test_the_command_sees_nothing_of_the_guard() -> None:
    """Its standard input is empty, and it has no descriptor but the usual three."""
    with guarded("sh", "-c", "cat; ls /proc/self/fd; trap -p") as guard:
        # Not communicate(), which lets go of the leash at once.
        assert guard.stdout is not None
        out = guard.stdout.read()
    # The fourth is that by which ls reads.
    assert out.split() == [b"0", b"1", b"2", b"3"]


def test_a_leash_that_is_let_go_ends_it() -> None:
    """When camd is gone the command and what it started are ended."""
    with guarded("sh", "-c", "sleep 1000 & echo $!; wait") as guard:
        sleeper = int(first_line(guard))
        assert is_running(sleeper)
        assert guard.stdin is not None
        guard.stdin.close()
        assert guard.wait(LONGEST) == 128 + signal.SIGTERM
        soon(lambda: not is_running(sleeper))


def test_a_command_that_ignores_the_signal() -> None:
    """One that does not end by SIGTERM is killed."""
    with guarded(
        "sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1; done"
    ) as guard:
        shell = int(first_line(guard))
        assert guard.stdin is not None
        guard.stdin.close()
        assert guard.wait(LONGEST) == 128 + signal.SIGKILL
        soon(lambda: not is_running(shell))


def test_what_a_command_leaves_behind() -> None:
    """What goes on when the command has ended is ended as well."""
    with guarded("sh", "-c", "sleep 1000 >/dev/null & echo $!; exit 4") as guard:
        sleeper = int(first_line(guard))
        assert guard.wait(LONGEST) == 4
        soon(lambda: not is_running(sleeper))


def test_a_guard_that_is_told_to_end() -> None:
    """SIGTERM to the guard, as systemd sends it to all, ends the command."""
    with guarded("sh", "-c", "echo $$; exec sleep 1000") as guard:
        sleeper = int(first_line(guard))
        os.kill(guard.pid, signal.SIGTERM)
        assert guard.wait(LONGEST) == 128 + signal.SIGTERM
        soon(lambda: not is_running(sleeper))
