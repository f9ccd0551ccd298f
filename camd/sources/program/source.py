"""A program whose standard output are JPEGs, as a camera that pushes."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from camd.config.masking import with_origins
from camd.formats.splitter import NoPictures, Splitter
from camd.sources import Receiver, SourceError

GUARD = Path(__file__).with_name("guard.py")
"""What runs the program, and ends it."""

PATIENCE = 4.0
"""Seconds until a guard that does not end is killed. It gives the program two."""

LINES = 20
"""Lines of standard error that are kept."""

LINE = 300
"""Bytes of such a line that are kept."""


class Program:
    """A camera that is a program; a :class:`camd.sources.PushSource`.

    What it writes may be JPEGs back to back, or a multipart stream of them. It goes at
    its own pace. The last line of its standard error is the reason when it ends or
    falls silent.

    :param name: what people call it.
    :param command: returns the words of the command, each time it is started; may raise
        :exc:`SourceError`.
    """

    def __init__(
        self, name: str, command: Callable[[], Sequence[str]], reactor: Any
    ) -> None:
        self._name = name
        self._command = command
        self._reactor = reactor
        self._process: _Process | None = None

    def start(self, receiver: Receiver, fps: float) -> None:
        """Run the program."""
        try:
            command = self._command()
        except SourceError as error:
            receiver.failed(error)
            return
        process = self._process = _Process(self._name, receiver, self._reactor)
        # -I and -S: nothing of the user's is imported, and half of the time is saved.
        guarded = [sys.executable, "-I", "-S", str(GUARD), *command]
        try:
            self._reactor.spawnProcess(
                process, sys.executable, guarded, env=dict(os.environ)
            )
        except OSError as error:
            # No memory or no descriptors left: one that could not be started.
            self._process = None
            reason = (error.strerror or str(error)).lower()
            receiver.failed(SourceError(f"{self._name}: {reason}"))

    def set_rate(self, fps: float) -> None:
        """Do nothing: a program goes at its own pace."""

    def why_silent(self, seconds: float) -> SourceError:
        """Return the error to tell when no picture has come for so long."""
        last = self._process.last_line if self._process is not None else ""
        reason = f"no picture for {seconds:.1f} s"
        return SourceError(f"{self._name}: {reason}{': ' if last else ''}{last}")

    def stop(self) -> Deferred[None]:
        """End the program and all that it started.

        :return: fires when it has ended: a camera can be opened once only.
        """
        process, self._process = self._process, None
        return succeed(None) if process is None else process.end()


class _Process(ProcessProtocol):
    """One run of the program.

    :ivar last_line: the last line of its standard error; empty where there is none.
    """

    transport: IProcessTransport

    def __init__(self, name: str, receiver: Receiver, reactor: Any) -> None:
        self._name = name
        self._receiver: Receiver | None = receiver
        self._reactor = reactor
        self._splitter = Splitter()
        self._is_opened = False
        self._lines: deque[bytes] = deque(maxlen=LINES)
        self._line = b""
        self._has_exited = False
        self._ended: Deferred[None] | None = None
        self._kill: IDelayedCall | None = None

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
        """End the program: the guard does so when its standard input is closed."""
        self._receiver = None
        self._splitter = Splitter()
        if self._ended is None:
            self._ended = Deferred()
            if self._has_exited:
                self._ended.callback(None)
            else:
                self.transport.closeStdin()
                self._kill = self._reactor.callLater(PATIENCE, self._kill_guard)
        return self._ended

    def outReceived(self, data: bytes) -> None:
        """Hand on the newest picture that ended in these bytes."""
        receiver = self._receiver
        if receiver is None:
            return
        try:
            pictures = self._splitter.receive(data)
        except NoPictures as error:
            self._fail(f"it sends no pictures: {error}")
            return
        if pictures:
            if not self._is_opened:
                self._is_opened = True
                receiver.opened("MJPG")
            receiver.picture(pictures[-1], self._reactor.seconds())

    def errReceived(self, data: bytes) -> None:
        """Keep the last lines. Some programs rewrite a line by a carriage return."""
        *lines, rest = (self._line + data.replace(b"\r", b"\n")).split(b"\n")
        self._lines.extend(line[:LINE] for line in lines[-LINES:] if line.strip())
        self._line = rest[:LINE]

    def processExited(self, reason: Failure) -> None:
        """Note that the program has ended."""
        self._has_exited = True
        if self._kill is not None and self._kill.active():
            self._kill.cancel()
        if self._ended is not None:
            self._ended.callback(None)

    def processEnded(self, reason: Failure) -> None:
        """Report how the program ended, now that all of its output has come."""
        self._fail(self._how_it_ended(reason))

    def _how_it_ended(self, reason: Failure) -> str:
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

    def _fail(self, reason: str) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.failed(SourceError(f"{self._name}: {reason}"))

    def _kill_guard(self) -> None:
        """Do what the guard should have done; its program dies by the closed pipe."""
        self.transport.signalProcess("KILL")
        self.transport.loseConnection()
