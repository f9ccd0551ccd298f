"""A reactor that starts processes which do nothing, and end as the test says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure


class FakeProcess:
    """What a reactor knows of a process that it has started.

    :ivar written: what was written, by the descriptor in the process.
    :ivar calls: what else was asked of it: names of methods, and of signals.
    """

    def __init__(self) -> None:
        self.written: dict[int, bytes] = {}
        self.calls: list[str] = []

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        self.written[descriptor] = data

    def closeChildFD(self, descriptor: int) -> None:
        self.calls.append(f"closeChildFD {descriptor}")

    def closeStdin(self) -> None:
        self.calls.append("closeStdin")

    def signalProcess(self, signal: str) -> None:
        self.calls.append(signal)

    def loseConnection(self) -> None:
        self.calls.append("loseConnection")


class ProcessReactor(Clock):
    """A clock that starts processes which do nothing.

    :ivar spawned: protocol, program and words of each that was started.
    :ivar trouble: why the next one cannot be.
    """

    def __init__(self) -> None:
        super().__init__()
        self.spawned: list[tuple[Any, str, Sequence[str]]] = []
        self.trouble: OSError | None = None

    def spawnProcess(
        self,
        protocol: Any,
        executable: str,
        args: Sequence[str],
        env: object,
        childFDs: object,
    ) -> None:
        """Note the process, and connect its protocol."""
        if self.trouble is not None:
            raise self.trouble
        self.spawned.append((protocol, executable, args))
        protocol.makeConnection(FakeProcess())

    @property
    def protocol(self) -> Any:
        """The protocol of the last one."""
        return self.spawned[-1][0]

    @property
    def process(self) -> FakeProcess:
        """The last one."""
        process: FakeProcess = self.protocol.transport
        return process

    def end(self, status: int | None = 0, signal: int | None = None) -> None:
        """Let the last one end, as its guard did, or by a signal."""
        code: Exception = ProcessDone(0)
        if status or signal:
            code = ProcessTerminated(status, signal)
        self.protocol.processExited(Failure(code))
        self.protocol.processEnded(Failure(code))
