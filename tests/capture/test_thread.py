"""A camera's thread takes one piece of work after the other and never holds up."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import inf
from queue import SimpleQueue
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from camd.capture.thread import CameraThread, EventCalls, Series
from camd.sources.due import Due
from tests.fakes import failures

PATIENCE = 10
"""Seconds until a test gives up on a thread; none takes a hundredth of it."""


class FakeReactor:
    """Keeps what threads ask of it until the test lets it happen."""

    def __init__(self) -> None:
        self.asked: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(
        self, what: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """Keep the call."""
        self.asked.put(lambda: what(*args, **kwargs))

    def turn(self) -> None:
        """Make one call, when it comes."""
        self.asked.get(timeout=PATIENCE)()


@pytest.fixture
def reactor() -> FakeReactor:
    """A reactor that does nothing by itself."""
    return FakeReactor()


@pytest.fixture
def thread(reactor: FakeReactor) -> Iterator[CameraThread]:
    """A thread that is stopped behind the test."""
    thread = CameraThread(reactor, "camera robot")
    yield thread
    thread.stop()


def came_of(promise: Deferred[Any]) -> list[Any]:
    """A list that holds the result once it is there."""
    results: list[Any] = []
    promise.addBoth(results.append)
    return results


def test_result_comes_in_the_reactor(
    reactor: FakeReactor, thread: CameraThread
) -> None:
    """The promise is kept in the reactor's turn, not in the camera's thread."""
    result = came_of(thread(lambda: 6 * 7))
    call = reactor.asked.get(timeout=PATIENCE)
    assert result == []
    call()
    assert result == [42]


def test_exception_comes_in_the_reactor(
    reactor: FakeReactor, thread: CameraThread
) -> None:
    """What the work raises fails the promise, and the next work is done."""
    result = came_of(thread(lambda: 1 // 0))
    reactor.turn()
    assert result[0].check(ZeroDivisionError)
    result = came_of(thread(lambda: "fine"))
    reactor.turn()
    assert result == ["fine"]


def test_one_after_the_other(reactor: FakeReactor, thread: CameraThread) -> None:
    """Work is done in the order it was given, by one and the same thread."""
    hold = threading.Event()
    done: list[tuple[int, int]] = []

    def note(number: int) -> None:
        if number == 0:
            hold.wait(PATIENCE)
        done.append((number, threading.get_ident()))

    for number in range(50):
        thread(partial(note, number))
    hold.set()
    for _ in range(50):
        reactor.turn()
    assert [number for number, _ in done] == list(range(50))
    assert len({ident for _, ident in done}) == 1
    assert done[0][1] != threading.get_ident()


def test_is_a_daemon_and_named(reactor: FakeReactor, thread: CameraThread) -> None:
    """It does not keep Python alive, and says in a debugger whose it is."""
    result = came_of(thread(threading.current_thread))
    reactor.turn()
    assert result[0].daemon
    assert "camera robot" in result[0].name


def test_between_two_pieces_of_work(reactor: FakeReactor) -> None:
    """Between them a thread does what it was told to, as long as there is something."""
    left = [True, True, True, False]
    stopped = threading.Event()

    def between() -> bool:
        if not left[1:]:
            stopped.set()
        return left.pop(0) if left else False

    thread = CameraThread(reactor, "camera robot", between)
    assert stopped.wait(PATIENCE)
    result = came_of(thread(lambda: len(left)))
    reactor.turn()
    assert result == [0]
    thread.stop()


def test_work_ends_what_is_between(reactor: FakeReactor) -> None:
    """Work that comes meanwhile is done as soon as that returns."""
    started, go_on = threading.Event(), threading.Event()

    def between() -> bool:
        started.set()
        go_on.wait(PATIENCE)
        return True

    thread = CameraThread(reactor, "camera robot", between)
    assert started.wait(PATIENCE)
    result = came_of(thread(lambda: "done"))
    thread.stop()
    go_on.set()
    reactor.turn()
    assert result == ["done"]


@dataclass(frozen=True)
class Shot:
    """A picture.

    :ivar captured: when it was taken.
    """

    captured: float


def test_a_series_tells_each_picture(
    reactor: FakeReactor, thread: CameraThread
) -> None:
    """One after the other, until it is to end; of the next one nothing is told."""
    told: list[Shot] = []
    shots: SimpleQueue[Shot] = SimpleQueue()
    series = Series(lambda due: shots.get(timeout=PATIENCE), told.append, Due(1))
    last = came_of(thread.repeat(series))
    for number in range(3):
        shots.put(Shot(number))
        reactor.turn()
    assert (told, last) == ([Shot(0), Shot(1), Shot(2)], [])
    series.end()
    shots.put(Shot(3))
    reactor.turn()
    assert (told, last) == ([Shot(0), Shot(1), Shot(2)], [None])


def test_a_series_takes_the_pictures_that_are_due(
    reactor: FakeReactor, thread: CameraThread
) -> None:
    """Whoever takes them is told when the next one is, and that the last one is now."""
    asked: list[float] = []
    shots: SimpleQueue[Shot] = SimpleQueue()

    def take(due: Due) -> Shot:
        asked.append(due.at)
        shot = shots.get(timeout=PATIENCE)
        asked.append(due.at)
        return shot

    series = Series(take, lambda shot: None, Due(2))
    thread.repeat(series)
    for moment in (7.0, 7.75):
        shots.put(Shot(moment))
        reactor.turn()
    series.end()
    shots.put(Shot(7.8))
    reactor.turn()
    assert asked == [-inf, -inf, 7.5, 7.5, 8.0, -inf]


def test_a_series_keeps_the_newest_for_a_busy_reactor(
    reactor: FakeReactor, thread: CameraThread
) -> None:
    """A picture that nobody had yet is replaced, so that none is told late."""
    told: list[Shot] = []
    left = [Shot(0), Shot(1), Shot(2)]

    def take(due: Due) -> Shot:
        series.is_ending = not left[1:]
        return left.pop(0)

    series = Series(take, told.append, Due(1))
    last = came_of(thread.repeat(series))
    after = came_of(thread(lambda: "after"))
    calls = [reactor.asked.get(timeout=PATIENCE) for _ in range(4)]
    for call in calls:
        call()
    assert (told, last, after) == ([Shot(1)], [None], ["after"])


def test_a_series_ends_with_what_fails(
    reactor: FakeReactor, thread: CameraThread
) -> None:
    """An exception fails the promise of its end, behind the pictures before it."""
    told: list[Shot] = []
    left = [1, 0]
    series = Series(lambda due: Shot(1 / left.pop(0)), told.append, Due(1))
    last = came_of(thread.repeat(series))
    reactor.turn()
    reactor.turn()
    assert told == [Shot(1.0)]
    assert last[0].check(ZeroDivisionError)


def test_stopping_does_not_wait(reactor: FakeReactor) -> None:
    """While the camera hangs, stop returns; what was under way comes to its end."""
    thread = CameraThread(reactor, "hung")
    started, hold = threading.Event(), threading.Event()

    def hang() -> bool:
        started.set()
        return hold.wait(PATIENCE)

    result = came_of(thread(hang))
    assert started.wait(PATIENCE)
    thread.stop()
    assert not hold.is_set()
    hold.set()
    reactor.turn()
    assert result == [True]


def test_what_was_given_before_the_stop_is_done(reactor: FakeReactor) -> None:
    """The release that a camera is given last is not lost behind a slow read."""
    thread = CameraThread(reactor, "slow")
    hold = threading.Event()
    read = came_of(thread(lambda: hold.wait(PATIENCE)))
    released = came_of(thread(lambda: "released"))
    thread.stop()
    hold.set()
    reactor.turn()
    reactor.turn()
    assert (read, released) == ([True], ["released"])


def test_the_thread_ends(reactor: FakeReactor) -> None:
    """Stopped, an idle thread is gone."""
    thread = CameraThread(reactor, "short")
    result = came_of(thread(threading.current_thread))
    reactor.turn()
    thread.stop()
    result[0].join(PATIENCE)
    assert not result[0].is_alive()


def test_a_reactor_that_ends_does_not_wait(reactor: FakeReactor) -> None:
    """Nobody joins the thread at the end; stopping it is no waiting either."""
    thread = CameraThread(reactor, "hung")
    started, hold = threading.Event(), threading.Event()

    def hang() -> bool:
        started.set()
        return hold.wait(PATIENCE)

    thread(hang)
    assert started.wait(PATIENCE)
    thread.stop()
    hung = [one.daemon for one in threading.enumerate() if one.name == "hung"]
    hold.set()
    assert hung == [True]


# ---- The way back by an eventfd


class ReaderReactor:
    """A reactor that has one reader, and calls it when the test says so."""

    def __init__(self) -> None:
        self.readers: list[IReadDescriptor] = []

    def addReader(self, reader: IReadDescriptor) -> None:
        """Keep it."""
        self.readers.append(reader)

    def turn(self) -> bool:
        """Have the reader read if it is ready within a moment; return whether."""
        (reader,) = self.readers
        ready, _, _ = select.select([reader], [], [], PATIENCE)
        reader.doRead()
        return bool(ready)

    def is_idle(self) -> bool:
        """Return whether nothing is to be read now."""
        return not select.select(self.readers, [], [], 0)[0]


@pytest.fixture
def watching() -> ReaderReactor:
    """A reactor that watches one reader."""
    return ReaderReactor()


@pytest.fixture
def calls(watching: ReaderReactor) -> EventCalls:
    """Calls from threads, which come up when that reactor turns."""
    return EventCalls(watching)  # type: ignore[arg-type]


def test_event_brings_the_result(watching: ReaderReactor, calls: EventCalls) -> None:
    """The promise is kept in the reactor's turn, with what the work returned."""
    thread = CameraThread(calls, "robot")
    result = came_of(thread(lambda: 6 * 7))
    assert watching.turn()
    assert result == [42]
    assert watching.is_idle()
    thread.stop()


def test_one_event_for_many_threads(watching: ReaderReactor, calls: EventCalls) -> None:
    """What has come by then is all done in one turn, in the order of its coming."""
    done: list[int] = []
    threads = [
        threading.Thread(target=calls.callFromThread, args=(done.append, number))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
        thread.join()
    watching.turn()
    assert done == list(range(20))
    assert watching.is_idle()


def test_a_call_that_fails_is_logged(
    watching: ReaderReactor, calls: EventCalls
) -> None:
    """The calls behind it are made, and the reactor hears of no exception."""
    done: list[str] = []
    calls.callFromThread(lambda: 1 // 0)
    calls.callFromThread(done.append, "next")
    with capturedLogs() as events:
        watching.turn()
    assert done == ["next"]
    assert failures(events) == ["integer division or modulo by zero"]


def test_a_call_that_asks_for_another(
    watching: ReaderReactor, calls: EventCalls
) -> None:
    """That one waits for the next turn: others have theirs in between."""
    done: list[str] = []
    calls.callFromThread(calls.callFromThread, done.append, "later")
    watching.turn()
    assert done == []
    watching.turn()
    assert done == ["later"]


def test_a_thread_that_comes_back_after_the_end(calls: EventCalls) -> None:
    """The reactor has ended; what the thread brings is left, and does no harm."""
    calls.connectionLost(Failure(ConnectionError()))
    calls.callFromThread(lambda: None)
    assert calls.fileno() >= 0
