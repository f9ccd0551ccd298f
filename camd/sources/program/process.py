"""A program under its guard: how it starts and ends, and what it complains of."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from camd.config.masking import with_origins
from camd.periodic import cancel

GUARD = Path(__file__).with_name("guard.py")
"""What runs the program, and ends it."""

PATIENCE = 4.0
"""Seconds until a guard that does not end is killed. It gives the program two."""

LINES = 20
"""Lines of standard error that are kept."""

LINE = 300
"""Bytes of such a line that are kept."""

LEASH, INPUT = 0, 3
"""Descriptors of the guard: the pipe by which it is told to end the program, and what
is the program's standard input."""

PIPES: Mapping[int, str] = {LEASH: "w", 1: "r", 2: "r"}
"""The guard's descriptors, as ``spawnProcess`` takes them."""


class GuardedProcess(ProcessProtocol):
    """One run of a program.

    :ivar last_line: the last line of its standard error; empty where there is none.
    :ivar has_exited: whether it has ended.
    """

    transport: IProcessTransport

    def __init__(self, reactor: Any) -> None:
        self.has_exited = False
        self._reactor = reactor
        self._lines: deque[bytes] = deque(maxlen=LINES)
        self._line = b""
        self._ended: Deferred[None] | None = None
        self._kill: IDelayedCall | None = None

    def spawn(self, command: Sequence[str], *, has_input: bool = False) -> None:
        """Start the program.

        :param has_input: whether its standard input is the descriptor :data:`INPUT`,
            and not empty.
        :raises OSError: no memory or no descriptors are left for it.
        """
        # -I and -S: nothing of the user's is imported, and half of the time is saved.
        words = [sys.executable, "-I", "-S", str(GUARD)]
        pipes = dict(PIPES)
        if has_input:
            words.append("--input")
            pipes[INPUT] = "w"
        self._reactor.spawnProcess(
            self,
            sys.executable,
            [*words, *command],
            env=dict(os.environ),
            childFDs=pipes,
        )

    @property
    def last_line(self) -> str:
        """The last line that says anything, without what may be a password."""
        for line in (self._line, *reversed(self._lines)):
            text = line.decode(errors="replace")
            text = "".join(c if c.isprintable() else " " for c in text).strip()
            if text:
                return with_origins(text)
        return ""

    def end(self) -> Deferred[None]:
        """End the program: the guard does so when the leash is let go.

        :return: fires when it has ended.
        """
        if self._ended is None:
            self._ended = Deferred()
            if self.has_exited:
                self._ended.callback(None)
            else:
                self.transport.closeStdin()
                self._kill = self._reactor.callLater(PATIENCE, self._kill_guard)
        return self._ended

    def errReceived(self, data: bytes) -> None:
        """Keep the last lines. Some programs rewrite a line by a carriage return."""
        *lines, rest = (self._line + data.replace(b"\r", b"\n")).split(b"\n")
        self._lines.extend(line[:LINE] for line in lines[-LINES:] if line.strip())
        self._line = rest[:LINE]

    def processExited(self, reason: Failure) -> None:
        """Note that the program has ended."""
        self.has_exited = True
        cancel(self._kill)
        if self._ended is not None:
            self._ended.callback(None)

    def how_it_ended(self, reason: Failure) -> str:
        """Return how it ended, in words, with its last line."""
        code, last, error = 0, self.last_line, reason.value
        if isinstance(error, ProcessTerminated):
            code = error.exitCode or 128 + (error.signal or 0)
        if code > 128:
            how = f"it was ended by signal {code - 128}"
        elif code in (126, 127) and last:
            return last
        else:
            how = f"it ended with status {code}"
        return f"{how}: {last}" if last else how

    def _kill_guard(self) -> None:
        """Do what the guard should have done; its program dies by the closed pipe."""
        self.transport.signalProcess("KILL")
        self.transport.loseConnection()
