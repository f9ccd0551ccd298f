"""A reader that is stuck is left behind, and another one takes over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from camd.capture.reader import CheckedJpeg, Probe, Reader
from camd.capture.worker import LEFT_MOST, STUCK, ReaderThread, Worker
from camd.sources import SourceError
from camd.stats import CameraStats
from tests.fakes_camera import FakeEncoder, FakeSource, FakeThread, said


class WorkerHarness:
    """A worker whose threads do nothing until they are told to."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.stats = CameraStats()
        self.threads: list[FakeThread] = []
        self.sources: list[FakeSource] = []
        self.worker = Worker("robot", self.new_reader, self.stats, self.clock)

    def new_reader(self) -> ReaderThread:
        """Return a reader of a new source in a new thread."""
        self.threads.append(FakeThread(self.clock, takes=None))
        self.sources.append(FakeSource(self.clock))
        reader = Reader(self.sources[-1], FakeEncoder(), self.clock.seconds)
        return ReaderThread(reader, self.threads[-1])

    def run(self, work: Callable[[Reader], Any] = Reader.probe) -> list[Any]:
        """Begin a job; the list holds what came of it, once something has."""
        came: list[Any] = []

        def done(outcome: Any) -> None:
            is_failure = isinstance(outcome, Failure)
            came.append(outcome.value if is_failure else outcome)

        self.worker.run(work, done)
        return came

    def follow(self) -> tuple[list[Any], list[Any]]:
        """Begin a series; the lists hold what was told, and what came of its end."""
        told: list[Any] = []
        came: list[Any] = []
        self.worker.follow(Reader.take, 15, told.append, came.append)
        return told, came

    def wait(self, seconds: float) -> None:
        """Let the time pass, and check."""
        self.clock.advance(seconds)
        self.worker.check(self.clock.seconds())

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
def harness() -> WorkerHarness:
    """Readers at the start."""
    return WorkerHarness()


def test_what_comes_of_a_job(harness: WorkerHarness) -> None:
    """It is done by the reader in its thread, and the result is handed on."""
    came = harness.run()
    assert came == []
    harness.threads[0].finish()
    assert [type(one) for one in came] == [Probe]


def test_a_job_that_fails(harness: WorkerHarness) -> None:
    """What it raises is handed on as it is, and the reader stays at work."""
    harness.sources[0].opens.append(SourceError("no such device"))
    came = harness.run()
    harness.threads[0].finish()
    assert [str(one) for one in came] == ["no such device"]
    again = harness.run()
    harness.threads[0].finish()
    assert (len(again), len(harness.threads)) == (1, 1)


def test_almost_stuck(harness: WorkerHarness) -> None:
    """A job that is through within 30 s is none that is stuck."""
    came = harness.run()
    harness.wait(STUCK - 0.1)
    harness.threads[0].finish()
    harness.wait(STUCK)
    assert [type(one) for one in came] == [Probe]
    assert (len(harness.threads), harness.stats.threads_left_behind) == (1, 0)


def test_left_behind(harness: WorkerHarness) -> None:
    """After 30 s the job fails; it is counted, and said once."""
    with capturedLogs() as events:
        came = harness.get_stuck()
        harness.wait(STUCK)
    (problem,) = came
    assert isinstance(problem, SourceError)
    assert str(problem) == "stuck for 30 s"
    assert harness.stats.threads_left_behind == 1
    assert said(events) == [
        "Camera robot: a thread is stuck for 30 s and is left behind; another one "
        "takes over (1 stuck)"
    ]


def test_another_takes_over(harness: WorkerHarness) -> None:
    """The next job is done by a reader with a source and a thread of its own."""
    harness.get_stuck()
    came = harness.run()
    harness.threads[1].finish()
    assert [type(one) for one in came] == [Probe]
    assert [source.calls for source in harness.sources] == [[], ["open", "read"]]


def test_one_that_comes_back(harness: WorkerHarness) -> None:
    """What it brings is not handed on; it lets the camera go, and its thread ends."""
    came = harness.get_stuck()
    again = harness.run()
    with capturedLogs() as events:
        harness.threads[0].finish()
        harness.threads[0].finish()
    assert (len(came), again) == (1, [])
    assert harness.sources[0].calls == ["open", "read", "close"]
    assert (harness.threads[0].stops, len(harness.threads[0].queue)) == (1, 0)
    assert said(events) == [
        "Camera robot: a thread that was left behind has returned and ended (0 stuck)"
    ]


def test_no_more_than_four(harness: WorkerHarness) -> None:
    """A fifth that is stuck is waited for, and that is said once."""
    for _ in range(LEFT_MOST):
        harness.get_stuck()
    with capturedLogs() as events:
        came = harness.get_stuck()
        harness.wait(10 * STUCK)
    assert (came, len(harness.threads)) == ([], LEFT_MOST + 1)
    assert harness.stats.threads_left_behind == LEFT_MOST
    assert said(events) == [
        "Camera robot: 4 threads are stuck; waiting for one to return"
    ]
    harness.threads[-1].finish()
    assert [type(one) for one in came] == [Probe]


def test_one_of_four_comes_back(harness: WorkerHarness) -> None:
    """Then the fifth can be left behind, too."""
    for _ in range(LEFT_MOST):
        harness.get_stuck()
    came = harness.get_stuck()
    harness.threads[2].finish()
    harness.threads[2].finish()
    harness.wait(0)
    assert [str(one) for one in came] == ["stuck for 30 s"]
    assert harness.stats.threads_left_behind == LEFT_MOST + 1


def test_what_comes_of_a_series(harness: WorkerHarness) -> None:
    """Each picture is told until it is to end; then only that it has ended."""
    told, came = harness.follow()
    harness.threads[0].finish()
    harness.threads[0].finish()
    assert ([type(one) for one in told], came) == ([CheckedJpeg] * 2, [])
    harness.worker.end_series()
    harness.threads[0].finish()
    assert (len(told), came) == (2, [None])


def test_a_series_that_goes_on_is_not_stuck(harness: WorkerHarness) -> None:
    """What counts is the time since its last result, not since it began."""
    told, came = harness.follow()
    for _ in range(3):
        harness.wait(STUCK - 1)
        harness.threads[0].finish()
        harness.wait(0)
    assert (len(told), came, len(harness.threads)) == (3, [], 1)
    harness.wait(STUCK)
    assert [str(one.value) for one in came] == ["stuck for 30 s"]


def test_a_series_that_comes_back(harness: WorkerHarness) -> None:
    """Left behind, it ends with its next result, which is not handed on."""
    told, came = harness.follow()
    harness.wait(STUCK)
    harness.threads[0].finish()
    harness.threads[0].finish()
    assert (told, len(came)) == ([], 1)
    assert harness.sources[0].calls == ["open", "read", "close"]


def test_stopping_ends_a_series(harness: WorkerHarness) -> None:
    """The source is released behind the result that comes next."""
    told, came = harness.follow()
    stopped = results(harness.worker.stop())
    harness.threads[0].finish()
    harness.threads[0].finish()
    assert (told, len(came), stopped) == ([], 1, [None])
    assert harness.sources[0].calls == ["open", "read", "close"]


def test_stop(harness: WorkerHarness) -> None:
    """The source is released, then the thread ends."""
    stopped = results(harness.worker.stop())
    assert stopped == []
    harness.threads[0].finish()
    assert (stopped, harness.sources[0].calls) == ([None], ["close"])
    assert harness.threads[0].stops == 1


def test_time_that_nobody_ran_does_not_count(harness: WorkerHarness) -> None:
    """A job that was under way while the daemon was stopped is not stuck for that."""
    harness.run()
    harness.clock.advance(60)
    harness.worker.forgive(60)
    harness.wait(STUCK - 1)
    assert harness.stats.threads_left_behind == 0
    harness.wait(1)
    assert harness.stats.threads_left_behind == 1
