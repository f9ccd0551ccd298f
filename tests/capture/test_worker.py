"""A reader that is stuck is left behind, and another one takes over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from camd.capture.reader import Probe, Reader
from camd.capture.worker import LEFT_MOST, STUCK, ReaderThread, Worker
from camd.sources import SourceError
from camd.stats import CameraStats
from tests.fakes_camera import FakeEncoder, FakeSource, FakeThread, said


class Rig:
    """Readers whose threads do nothing until they are told to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.stats = CameraStats()
        self.threads: list[FakeThread] = []
        self.sources: list[FakeSource] = []
        self.readers = Worker("robot", self.new_post, self.stats, self.clock)

    def new_post(self) -> ReaderThread:
        """Give a reader of a new source in a new thread."""
        self.threads.append(FakeThread(self.clock, takes=None))
        self.sources.append(FakeSource(self.clock))
        reader = Reader(self.sources[-1], FakeEncoder(), self.clock.seconds)
        return ReaderThread(reader, self.threads[-1])

    def run(self, what: Callable[[Reader], Any] = Reader.look) -> list[Any]:
        """Begin a job; the list holds what came of it, once something has."""
        return results(self.readers.run(what))

    def wait(self, seconds: float) -> None:
        """Let the time pass, and look."""
        self.clock.advance(seconds)
        self.readers.look()

    def get_stuck(self) -> list[Any]:
        """Begin a job that is left behind."""
        came = self.run()
        self.wait(STUCK)
        return came


def results(asked: Deferred[Any]) -> list[Any]:
    """What came of it so far: nothing, a result, or an exception."""
    got: list[Any] = []
    asked.addCallbacks(got.append, lambda failure: got.append(failure.value))
    return got


@pytest.fixture
def rig() -> Rig:
    """Readers at the start."""
    return Rig()


def test_what_comes_of_a_job(rig: Rig) -> None:
    """It is done by the reader in its thread, and the result is handed on."""
    came = rig.run()
    assert came == []
    rig.threads[0].finish()
    assert [type(one) for one in came] == [Probe]


def test_a_job_that_fails(rig: Rig) -> None:
    """What it raises is handed on as it is, and the reader stays at work."""
    rig.sources[0].opens.append(SourceError("no such device"))
    came = rig.run()
    rig.threads[0].finish()
    assert [str(one) for one in came] == ["no such device"]
    again = rig.run()
    rig.threads[0].finish()
    assert (len(again), len(rig.threads)) == (1, 1)


def test_almost_stuck(rig: Rig) -> None:
    """A job that is through within 30 s is none that is stuck."""
    came = rig.run()
    rig.wait(STUCK - 0.1)
    rig.threads[0].finish()
    rig.wait(STUCK)
    assert [type(one) for one in came] == [Probe]
    assert (len(rig.threads), rig.stats.threads_left_behind) == (1, 0)


def test_left_behind(rig: Rig) -> None:
    """After 30 s the job fails; it is counted, and said once."""
    with capturedLogs() as events:
        came = rig.get_stuck()
        rig.wait(STUCK)
    (problem,) = came
    assert isinstance(problem, SourceError)
    assert str(problem) == "stuck for 30 s"
    assert rig.stats.threads_left_behind == 1
    assert said(events) == [
        "Camera robot: a thread is stuck for 30 s and is left behind; another one "
        "takes over (1 stuck)"
    ]


def test_another_takes_over(rig: Rig) -> None:
    """The next job is done by a reader with a source and a thread of its own."""
    rig.get_stuck()
    came = rig.run()
    rig.threads[1].finish()
    assert [type(one) for one in came] == [Probe]
    assert [source.calls for source in rig.sources] == [[], ["open", "read"]]


def test_one_that_comes_back(rig: Rig) -> None:
    """What it brings is not handed on; it lets the camera go, and its thread ends."""
    came = rig.get_stuck()
    again = rig.run()
    with capturedLogs() as events:
        rig.threads[0].finish()
        rig.threads[0].finish()
    assert (len(came), again) == (1, [])
    assert rig.sources[0].calls == ["open", "read", "close"]
    assert (rig.threads[0].stops, len(rig.threads[0].queue)) == (1, 0)
    assert said(events) == [
        "Camera robot: a thread that was left behind has come back and ended (0 stuck)"
    ]


def test_no_more_than_four(rig: Rig) -> None:
    """A fifth that is stuck is waited for, and that is said once."""
    for _ in range(LEFT_MOST):
        rig.get_stuck()
    with capturedLogs() as events:
        came = rig.get_stuck()
        rig.wait(10 * STUCK)
    assert (came, len(rig.threads)) == ([], LEFT_MOST + 1)
    assert rig.stats.threads_left_behind == LEFT_MOST
    assert said(events) == [
        "Camera robot: 4 threads are stuck already; now it is waited until one comes "
        "back"
    ]
    rig.threads[-1].finish()
    assert [type(one) for one in came] == [Probe]


def test_one_of_four_comes_back(rig: Rig) -> None:
    """Then the fifth can be left behind, too."""
    for _ in range(LEFT_MOST):
        rig.get_stuck()
    came = rig.get_stuck()
    rig.threads[2].finish()
    rig.threads[2].finish()
    rig.wait(0)
    assert [str(one) for one in came] == ["stuck for 30 s"]
    assert rig.stats.threads_left_behind == LEFT_MOST + 1


def test_stop(rig: Rig) -> None:
    """The source is released, then the thread ends."""
    stopped = results(rig.readers.stop())
    assert stopped == []
    rig.threads[0].finish()
    assert (stopped, rig.sources[0].calls) == ([None], ["close"])
    assert rig.threads[0].stops == 1
