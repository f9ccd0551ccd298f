"""Runs a command and ends all of it, whatever becomes of camd.

A script: camd starts it as ``python -I -S guard.py COMMAND…``, with a pipe as standard
input. When the other end of that is closed, by camd or by the kernel because camd is
gone, the command's process group gets SIGTERM, and SIGKILL two seconds later. When the
command ends by itself, so does what it left behind, and the guard ends as it did.

With ``--input`` ahead of the command, its standard input is descriptor 3.

It imports little, as it starts with every camera.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

LEASH, INPUT = 0, 3
"""The descriptors of the pipe whose other end is camd's, and of the command's input."""

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""

POLL = 0.05
"""Seconds between two looks at whether the group is gone, once it is to end."""

NOT_FOUND, NOT_RUN = 127, 126
"""Exit statuses of a command that is not there or cannot be run, as in shells."""


def main(command: list[str]) -> int:
    """Run the command until it ends, or camd does; return its exit status.

    A command that a signal ended gives 128 and the signal's number, as in shells.
    """
    has_input = command[:1] == ["--input"]
    command = command[has_input:]
    # A session of its own: nothing that is typed at a terminal reaches it.
    os.setsid()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    child = os.fork()
    if child == 0:
        _run(command, has_input)
    if has_input:
        os.close(INPUT)
    # The group is made on both sides, as either may come first.
    _make_group(child)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    status = None
    while status is None:
        ready, _, _ = select.select([LEASH, wake], [], [])
        if wake in ready:
            numbers = os.read(wake, 64)
            if any(number != signal.SIGCHLD for number in numbers):
                break
        if LEASH in ready:
            break
        status = _ended(child)
    return _end_group(child, status)


def _run(command: list[str], has_input: bool) -> None:
    """Become the command; never returns."""
    _make_group(0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    # Python ignores these two, and programs would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.dup2(INPUT if has_input else os.open(os.devnull, os.O_RDONLY), 0)
    os.closerange(3, 256)
    status = NOT_RUN
    try:
        os.execvp(command[0], command)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        os.write(2, f"{command[0]}: {reason}\n".encode(errors="replace"))
        status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUN
    os._exit(status)


def _make_group(child: int) -> None:
    # It fails where the child has become the command, and made it itself.
    with contextlib.suppress(OSError):
        os.setpgid(child, child)


def _ended(child: int) -> int | None:
    """Return the child's exit status; None while it runs."""
    gone, told = os.waitpid(child, os.WNOHANG)
    if not gone:
        return None
    code = os.waitstatus_to_exitcode(told)
    return code if code >= 0 else 128 - code


def _end_group(child: int, status: int | None) -> int:
    """End what is left of the command's group, and return the command's status."""
    deadline = time.monotonic() + GRACE
    number = int(signal.SIGTERM)
    while True:
        try:
            os.killpg(child, number)
        except OSError:  # Nobody is left.
            return status or 0
        if status is None:
            status = _ended(child)
        elif number == signal.SIGKILL:
            return status
        # 0 sends nothing, and tells whether anybody is left.
        number = 0 if time.monotonic() < deadline else signal.SIGKILL
        time.sleep(POLL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
