"""A program whose standard output are JPEGs, as a camera that pushes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from camd.formats.splitter import NoPictures, Splitter
from camd.sources import Receiver, SourceError, in_words
from camd.sources.program.process import GuardedProcess


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
        try:
            process.spawn(command)
        except OSError as error:
            # No memory or no descriptors left: one that could not be started.
            self._process = None
            receiver.failed(SourceError(f"{self._name}: {in_words(error)}"))

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


class _Process(GuardedProcess):
    """One run of the program."""

    def __init__(self, name: str, receiver: Receiver, reactor: Any) -> None:
        super().__init__(reactor)
        self._name = name
        self._receiver: Receiver | None = receiver
        self._splitter = Splitter()
        self._is_opened = False

    def end(self) -> Deferred[None]:
        """End the program, and tell nothing more of it."""
        self._receiver = None
        self._splitter = Splitter()
        return super().end()

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

    def processEnded(self, reason: Failure) -> None:
        """Report how the program ended, now that all of its output has come."""
        self._fail(self.how_it_ended(reason))

    def _fail(self, reason: str) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.failed(SourceError(f"{self._name}: {reason}"))
