"""The reactor that reads and writes until a call is due."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from twisted.internet.abstract import FileDescriptor

epoll = pytest.importorskip("twisted.internet.epollreactor")

from camd.process.reactor import FrameReactor  # noqa: E402

SECONDS = 10.0
"""After which a test that hangs fails."""


class Reader(FileDescriptor):
    """Reads one end of a pair of sockets, of which the test writes into the other."""

    def __init__(self, reactor: Any, read: Callable[[bytes], object]) -> None:
        super().__init__(reactor)
        self.near, self.far = socket.socketpair()
        self.read = read
        self.startReading()

    def fileno(self) -> int:
        """The near end's."""
        return self.near.fileno()

    def doRead(self) -> None:
        """Hand on what came."""
        self.read(self.near.recv(100))


@pytest.fixture
def reactor() -> Iterator[FrameReactor]:
    """A reactor that runs in this thread, and for a test alone."""
    reactor = FrameReactor()
    late = reactor.callLater(SECONDS, reactor.stop)
    yield reactor
    assert late.active(), "it did not stop by itself"
    reactor.removeAll()
    reactor._poller.close()


def run(reactor: FrameReactor) -> None:
    """Run it until it is stopped."""
    reactor.run(installSignalHandlers=False)


def test_reads_until_it_is_stopped(reactor: FrameReactor) -> None:
    """One reading after the other, without a turn in between, up to the stop."""
    came: list[bytes] = []

    def read(data: bytes) -> None:
        came.append(data)
        if len(came) == 3:
            reactor.stop()
        else:
            reader.far.send(b"%d" % len(came))

    reader = Reader(reactor, read)
    reader.far.send(b"0")
    run(reactor)
    assert came == [b"0", b"1", b"2"]


def test_a_call_is_not_late_for_what_is_read(reactor: FrameReactor) -> None:
    """However much there is to read, what is due meanwhile is called."""
    reader = Reader(reactor, lambda data: reader.far.send(data))
    reader.far.send(b"for ever")
    reactor.callLater(0.01, reactor.stop)
    run(reactor)


def test_a_call_that_a_reading_asks_for_is_made(reactor: FrameReactor) -> None:
    """At once, where it is to be made at once."""
    reader = Reader(reactor, lambda _: reactor.callLater(0, reactor.stop))
    reader.far.send(b"now")
    run(reactor)


def test_a_call_from_a_thread_is_made(reactor: FrameReactor) -> None:
    """While the reactor waits with nothing else to do."""
    thread = Thread(target=reactor.callFromThread, args=(reactor.stop,))
    reactor.callWhenRunning(thread.start)
    run(reactor)
    thread.join()


def test_one_reading_may_end_another(reactor: FrameReactor) -> None:
    """What was ready together, and is gone meanwhile, is left out."""

    def read(_: bytes) -> None:
        for reader in readers:
            reader.stopReading()
        reactor.callLater(0, reactor.stop)

    readers = [Reader(reactor, read) for _ in range(2)]
    for reader in readers:
        reader.far.send(b"both")
    run(reactor)


def test_a_call_that_was_cancelled_wakes_nobody(reactor: FrameReactor) -> None:
    """The reactor waits for those that are left."""
    for seconds in (1, 2):
        reactor.callLater(seconds, reactor.stop).cancel()
    assert SECONDS - 1 < (reactor.timeout() or 0) <= SECONDS


def test_a_call_that_was_put_off_wakes_nobody(reactor: FrameReactor) -> None:
    """It is waited for until the moment to which it was put off."""
    call = reactor.callLater(1, reactor.stop)
    reactor.timeout()
    call.reset(5)
    assert 4 < (reactor.timeout() or 0) <= 5
    call.reset(0)
    run(reactor)


def test_nothing_to_wait_for() -> None:
    """With no call at all, there is no end to waiting."""
    reactor = FrameReactor()
    assert reactor.timeout() is None
    reactor.removeAll()
    reactor._poller.close()


def test_a_reading_that_fails_ends_nothing(
    reactor: FrameReactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The descriptor is let go, the failure is logged, and the others are read."""
    lost: list[object] = []

    def fail(_: bytes) -> None:
        raise OSError(os.strerror(5))

    broken = Reader(reactor, fail)
    monkeypatch.setattr(broken, "connectionLost", lost.append)
    broken.far.send(b"ouch")
    reactor.callLater(0.01, reactor.stop)
    run(reactor)
    assert lost
    assert broken not in reactor.getReaders()
