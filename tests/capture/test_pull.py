"""A source that is pulled, on a clock: its pace, its states, and what may go wrong."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from camd.capture.backoff import Backoff
from camd.capture.capture import Capture
from camd.capture.health import Health, State
from camd.capture.pull import PullIntake
from camd.capture.reader import BadPicture, Reader
from camd.capture.worker import ReaderThread, Worker
from camd.frame import Frame
from camd.periodic import make_early
from camd.sources import CameraMode, SourceError
from camd.stats import CameraStats
from tests.fakes import results
from tests.fakes_camera import (
    EPOCH,
    GIVEN,
    FakeEncoder,
    FakeSource,
    FakeThread,
    said,
    tiny_jpeg,
)

FPS = 16
INTERVAL = 1 / FPS
STEP = 1 / 64


class CaptureHarness:
    """A capture with all that it touches, which probes twice a second when idle."""

    def __init__(
        self,
        *,
        takes: float | None = 0,
        idle_fps: float = 2,
        timeout: float = 2,
        random: float = 0,
    ) -> None:
        self.clock = Clock()
        self.thread = FakeThread(self.clock, takes)
        self.source = FakeSource(self.clock)
        self.frames: list[Frame] = []
        self.times: list[float] = []
        self.stats = CameraStats()
        self.trouble: Exception | None = None
        backoff = Backoff(lambda: random)
        worker = Worker("robot", self.reader_thread, self.stats, self.clock)
        self.capture = Capture(
            "robot",
            lambda capture: PullIntake(capture, worker, FPS, self.clock),
            Health("robot", timeout, self.clock, backoff),
            self.publish,
            fps=FPS,
            idle_fps=idle_fps,
            stats=self.stats,
            clock=self.clock,
            wall=lambda: EPOCH + self.clock.seconds(),
        )

    @property
    def state(self) -> State:
        """What the capture says of the camera."""
        return self.capture.state

    def next_picture(self, count: int, interval: float = INTERVAL) -> None:
        """Let the camera bring so many, each after this time."""
        for _ in range(count):
            self.clock.advance(interval)
            self.thread.finish()

    def reader_thread(self) -> ReaderThread:
        """Return the reader and its thread."""
        return ReaderThread(
            Reader(self.source, FakeEncoder(), self.clock.seconds), self.thread
        )

    def publish(self, frame: Frame) -> None:
        """Take a frame, unless there is trouble."""
        if self.trouble is not None:
            raise self.trouble
        self.frames.append(frame)
        self.times.append(self.clock.seconds())

    def run(self, seconds: float) -> None:
        """Let the time pass in small steps."""
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)

    def go(self) -> CaptureHarness:
        """Start, and have somebody watch."""
        self.capture.start()
        self.capture.wake()
        return self


# ---- Pace


def test_a_frame_at_each_tick() -> None:
    """A fast source gives stream_fps frames a second, the first one at once."""
    harness = CaptureHarness().go()
    harness.run(2)
    assert harness.times == [n * INTERVAL for n in range(2 * FPS + 1)]


def test_what_a_frame_tells() -> None:
    """Frames are counted from 1 and carry when they were taken, on both clocks."""
    harness = CaptureHarness(takes=STEP).go()
    harness.run(1)
    first, second = harness.frames[:2]
    assert (first.number, second.number) == (1, 2)
    assert first.jpeg is tiny_jpeg()
    assert (first.size.width, first.size.height) == (32, 24)
    assert first.captured == harness.times[0]
    assert first.timestamp == EPOCH + first.captured


def test_an_older_picture_keeps_its_time() -> None:
    """A picture that was taken before it was read is as old as the source says."""
    harness = CaptureHarness(takes=None)
    harness.clock.advance(1)
    harness.capture.wake()
    read, done = harness.thread.queue.popleft()
    picture = read()
    harness.clock.advance(3)
    done.callback(picture)
    assert harness.frames[0].captured == 1
    assert harness.frames[0].timestamp == EPOCH + 1


def test_no_overlap() -> None:
    """However long a job takes, there is never a second one beside it."""
    harness = CaptureHarness(takes=None).go()
    harness.run(1)
    assert len(harness.thread.queue) == 1


def test_a_hair_slower_than_the_stream() -> None:
    """A source whose frames take a little more than the interval keeps its own rate."""
    harness = CaptureHarness(takes=INTERVAL + STEP)
    harness.capture.wake()
    harness.run(10)
    assert len(harness.frames) == 10 / (INTERVAL + STEP)


def test_a_stall_is_seen_in_time_after_an_early_check() -> None:
    """A check that another camera's picture has made early puts off no stall."""
    harness = CaptureHarness(takes=None)
    harness.capture.wake()
    harness.clock.advance(1.95)
    harness.thread.finish()
    harness.clock.advance(0.96)
    make_early(harness.clock)
    harness.clock.advance(1.06)
    assert harness.state is State.STALLED


# ---- Picture after picture


def watched() -> CaptureHarness:
    """A camera that has brought its viewers two pictures."""
    harness = CaptureHarness(takes=None)
    harness.capture.wake()
    harness.next_picture(2)
    return harness


def test_picture_after_picture_without_a_job() -> None:
    """A camera that somebody watches is given no job for each of its pictures."""
    harness = watched()
    job = harness.thread.queue[0]
    harness.next_picture(FPS)
    assert (list(harness.thread.queue), len(harness.frames)) == ([job], FPS + 2)


def test_no_timer_for_a_camera_that_is_watched() -> None:
    """While its thread is busy nothing wakes the process, only the check does."""
    harness = watched()
    for _ in range(FPS):
        harness.next_picture(1)
        assert len(harness.clock.getDelayedCalls()) == 1


@pytest.mark.parametrize("fps", [FPS / 2, FPS, 2 * FPS, None])
def test_the_pace_is_the_streams(fps: float | None) -> None:
    """Whatever the camera says of its own."""
    harness = CaptureHarness()
    harness.source.opens.append(replace(GIVEN, fps=fps))
    harness.go().run(2)
    assert harness.times == [n * INTERVAL for n in range(2 * FPS + 1)]


def test_a_rate_that_is_changed() -> None:
    """The new one begins a tick later, and the source stays open."""
    harness = CaptureHarness().go()
    harness.run(1)
    harness.capture.apply(FPS / 4, 2, 2)
    taken = len(harness.frames)
    harness.run(4)
    assert len(harness.frames) == taken + FPS
    assert harness.source.calls.count("open") == 1
    harness.capture.apply(FPS, 2, 2)
    harness.run(2)
    assert harness.times[-FPS:] == [
        harness.times[-1] - (FPS - 1 - n) * INTERVAL for n in range(FPS)
    ]


def test_a_rate_that_is_changed_waits_for_no_slow_picture() -> None:
    """At the old rate the next one may not be due for long."""
    harness = CaptureHarness(takes=None)
    harness.capture.wake()
    harness.capture.apply(0.1, 2, 2)
    harness.next_picture(1)
    harness.run(10)
    harness.next_picture(1)
    harness.capture.apply(FPS, 2, 2)
    (series,) = harness.thread.series
    assert (series.is_ending, series.due.at) == (True, -inf)


def test_rest_ends_the_series() -> None:
    """When the last viewer leaves, looks follow, no more than are wanted."""
    harness = watched()
    harness.capture.rest()
    harness.next_picture(1)
    taken, looked = len(harness.frames), harness.stats.captured
    for _ in range(2 * 64):
        harness.clock.advance(STEP)
        if harness.thread.queue:
            harness.thread.finish()
    assert (len(harness.frames), harness.stats.captured) == (taken, looked + 4)


def test_a_series_that_fails() -> None:
    """The camera is offline, tried again after a second, and then as before."""
    harness = watched()
    harness.source.opens.append(replace(GIVEN, fps=FPS))
    harness.source.reads.append(SourceError("unplugged"))
    harness.next_picture(1)
    assert (harness.state, len(harness.thread.queue)) == (State.OFFLINE, 0)
    harness.run(1)
    harness.next_picture(3)
    assert (harness.state, len(harness.frames)) == (State.LIVE, 5)


def test_a_bad_picture_in_a_series() -> None:
    """It is left out, and the next one stands in for it at once."""
    harness = watched()
    harness.source.reads.append(b"garbage")
    harness.next_picture(1)
    assert (harness.stats.failed, len(harness.thread.queue)) == (1, 1)
    harness.next_picture(3)
    assert (harness.state, len(harness.frames)) == (State.LIVE, 5)


def test_a_snapshot_of_a_series() -> None:
    """It is the picture that comes next."""
    harness = watched()
    asked = results(harness.capture.snapshot())
    harness.next_picture(1)
    assert asked == harness.frames[2:]


def test_a_publisher_that_fails_in_a_series() -> None:
    """Each exception out of it is said, and the pictures go on."""
    harness = watched()
    harness.trouble = RuntimeError("cache")
    with capturedLogs() as events:
        harness.next_picture(FPS)
    assert len(events) == FPS
    harness.trouble = None
    harness.next_picture(1)
    assert len(harness.frames) == 3


def test_the_last_picture_is_not_shown_after_the_stop() -> None:
    """A snapshot may still wait then, but whoever watched does so elsewhere."""
    harness = watched()
    harness.capture.stop()
    harness.capture.show_last()
    assert len(harness.frames) == 2


def test_stop_in_a_series() -> None:
    """The source is released behind the picture under way, of which nothing is told."""
    harness = watched()
    stopped = results(harness.capture.stop())
    harness.next_picture(1)
    assert (stopped, len(harness.frames)) == ([], 2)
    harness.thread.finish()
    assert (stopped, harness.source.is_open) == ([None], False)


def test_a_snapshot_does_not_wait_for_its_turn() -> None:
    """Of a slow stream the next picture that the camera has is taken for it."""
    harness = watched()
    (series,) = harness.thread.series
    assert series.due.at == harness.clock.seconds() + INTERVAL
    results(harness.capture.snapshot())
    assert series.due.at == -inf


# ---- Nobody watches


def test_idle_only_looks() -> None:
    """While nobody watches, the camera is looked at and nothing is published."""
    harness = CaptureHarness()
    harness.source.always = b"whatever it is, nobody looks into it"
    harness.capture.start()
    harness.run(3)
    assert harness.source.calls == ["open"] + ["read"] * 7
    assert (harness.frames, harness.state) == ([], State.LIVE)
    assert (harness.stats.captured, harness.stats.published) == (7, 0)


def test_wake_takes_at_once() -> None:
    """Who comes does not wait for the next look."""
    harness = CaptureHarness()
    harness.capture.start()
    harness.clock.advance(0.2)
    harness.capture.wake()
    assert harness.times == [0.2]


def test_wake_while_looking() -> None:
    """A look that is under way is followed by a frame as soon as it is through."""
    harness = CaptureHarness(takes=None)
    harness.capture.start()
    harness.capture.wake()
    harness.thread.finish()
    harness.thread.finish()
    assert len(harness.frames) == 1


def test_wake_again_changes_nothing() -> None:
    """The second viewer to come does not disturb the pace."""
    harness = CaptureHarness().go()
    harness.clock.advance(INTERVAL / 2)
    harness.capture.wake()
    harness.clock.advance(INTERVAL / 2)
    assert harness.times == [0, INTERVAL]


def test_rest() -> None:
    """When the last one leaves, frames end and looks go on."""
    harness = CaptureHarness().go()
    harness.run(1)
    harness.capture.rest()
    taken, looked = len(harness.frames), harness.stats.captured
    harness.run(2)
    assert len(harness.frames) == taken
    assert harness.stats.captured == looked + 4


def test_rest_forgets_what_is_owed() -> None:
    """A job that was owed to viewers is not done when they have gone."""
    harness = CaptureHarness(takes=None)
    harness.capture.wake()
    harness.clock.advance(INTERVAL)
    harness.capture.rest()
    harness.thread.finish()
    assert len(harness.thread.queue) == 0


def test_released_when_nobody_watches() -> None:
    """With idle_fps 0 the camera is released 10 s after the last one has gone."""
    harness = CaptureHarness(idle_fps=0).go()
    harness.run(1)
    harness.capture.rest()
    harness.run(9.9)
    assert harness.source.is_open
    harness.run(0.2)
    assert (harness.source.is_open, harness.state) == (False, State.IDLE)


def test_kept_when_somebody_comes_back() -> None:
    """A pause of less than 10 s without a viewer does not close the camera."""
    harness = CaptureHarness(idle_fps=0).go()
    for _ in range(5):
        harness.run(6)
        harness.capture.rest()
        harness.run(6)
        harness.capture.wake()
    assert harness.source.calls.count("open") == 1


def test_started_with_nobody_watching() -> None:
    """With idle_fps 0 the camera is opened once, to see that it works, and released."""
    harness = CaptureHarness(idle_fps=0)
    harness.capture.start()
    assert harness.state is State.LIVE
    harness.run(40)
    assert harness.source.calls[:3] == ["open", "read", "close"]
    assert harness.source.calls.count("open") == 1
    assert harness.state is State.IDLE


def test_wake_opens_again() -> None:
    """A camera that was released is opened for the next viewer, at once."""
    harness = CaptureHarness(idle_fps=0)
    harness.capture.start()
    harness.run(30)
    harness.capture.wake()
    assert (len(harness.frames), harness.state) == (1, State.LIVE)
    assert harness.stats.reopens == 1


# ---- States


def test_starting() -> None:
    """A camera that has not answered yet is starting."""
    harness = CaptureHarness(takes=None).go()
    harness.run(1)
    assert harness.state is State.STARTING


def test_starting_to_live() -> None:
    """With the first picture the camera is live, and said what it gives."""
    harness = CaptureHarness()
    with capturedLogs() as events:
        harness.go().run(1)
    assert harness.state is State.LIVE
    assert said(events) == ["Camera robot is live: 32x24 at 30 fps, YUYV"]
    assert harness.capture.mode == CameraMode(32, 24, 30, "YUYV")


def test_never_answered() -> None:
    """A camera that hangs when it is opened is stalled after camera_timeout."""
    harness = CaptureHarness(takes=None).go()
    harness.run(2)
    assert harness.state is State.STARTING
    harness.run(0.1)
    assert harness.state is State.STALLED


def test_a_read_that_hangs() -> None:
    """Without a picture for camera_timeout the camera is stalled, and said so once."""
    harness = CaptureHarness().go()
    harness.run(1)
    harness.thread.takes = None
    with capturedLogs() as events:
        harness.run(30)
    assert harness.state is State.STALLED
    (line,) = said(events)
    assert line.startswith("Camera robot is stalled: no picture for 2.")
    assert events[0]["log_level"] is LogLevel.warn


def test_stalled_to_live() -> None:
    """When the read comes back after all, the camera is live again, and said once."""
    harness = CaptureHarness().go()
    harness.run(1)
    harness.thread.takes = None
    harness.run(5)
    harness.thread.takes = 0
    with capturedLogs() as events:
        harness.thread.finish()
        harness.run(2)
    assert harness.state is State.LIVE
    assert len(events) == 1


def test_slow_cameras_are_not_stalled() -> None:
    """A camera that says 0.4 fps is given 5 s, though camera_timeout is 2 s."""
    harness = CaptureHarness(takes=2.5)
    harness.source.opens.append(CameraMode(32, 24, 0.4, "YUYV"))
    harness.go()
    harness.run(3)
    with capturedLogs() as events:
        harness.run(20)
    assert (harness.state, list(events)) == (State.LIVE, [])


def test_offline_and_back() -> None:
    """A source that fails is closed, offline, opened again after a second, and live."""
    harness = CaptureHarness().go()
    harness.run(1)
    harness.source.reads.append(SourceError("unplugged"))
    with capturedLogs() as events:
        harness.run(INTERVAL)
        assert harness.state is State.OFFLINE
        assert not harness.source.is_open
        harness.run(1)
    assert harness.state is State.LIVE
    assert said(events) == [
        "Camera robot is offline: unplugged; trying again in 1.0 s",
        "Camera robot is live: 32x24 at 30 fps, YUYV",
    ]
    assert (harness.stats.failed, harness.stats.reopens) == (1, 1)


def test_offline_from_the_start() -> None:
    """A source that does not open is tried again with growing delays, said once."""
    harness = CaptureHarness()
    harness.source.opens.extend([SourceError("no such device")] * 1000)
    with capturedLogs() as events:
        harness.go().run(110)
    assert len(said(events)) == 1
    # At 0, 1, 3, 7, 15, 31, 61 and 91 s.
    assert harness.source.calls == ["open"] * 8
    assert (harness.stats.failed, harness.stats.last_error) == (8, "no such device")


def test_a_late_failure_is_not_followed_at_once() -> None:
    """The job that was owed while a read failed waits for the next try, too."""
    harness = CaptureHarness(takes=1.5 * INTERVAL)
    harness.source.opens.append(SourceError("no such device"))
    harness.capture.wake()
    harness.run(1)
    assert harness.source.calls == ["open"]
    harness.run(1)
    assert harness.state is State.LIVE


def test_delays_vary() -> None:
    """By chance a delay is up to a quarter shorter."""
    harness = CaptureHarness(random=1)
    harness.source.opens.extend([SourceError("no such device")] * 1000)
    harness.go().run(0.74)
    assert harness.source.calls == ["open"]
    harness.run(0.05)
    assert harness.source.calls == ["open"] * 2


def test_success_resets_the_delay() -> None:
    """After it has worked, a camera that fails is tried again after a second."""
    harness = CaptureHarness()
    harness.source.opens.extend([SourceError("no such device")] * 4)
    harness.go().run(16)
    assert (harness.state, harness.stats.last_error) == (State.LIVE, None)
    harness.source.reads.append(SourceError("unplugged"))
    harness.run(INTERVAL)
    tries = harness.source.calls.count("open")
    harness.run(1)
    assert harness.source.calls.count("open") == tries + 1


def test_stalled_to_offline() -> None:
    """A read that hangs and then fails leads from stalled to offline."""
    harness = CaptureHarness().go()
    harness.run(1)
    harness.thread.takes = None
    harness.run(3)
    harness.source.reads.append(SourceError("no picture came"))
    harness.thread.finish()
    assert harness.state is State.OFFLINE


def test_offline_is_not_stalled() -> None:
    """While a camera is tried again, it stays offline, however long that takes."""
    harness = CaptureHarness()
    harness.source.opens.extend([SourceError("no such device")] * 1000)
    harness.go().run(50)
    assert harness.state is State.OFFLINE


# ---- Pictures that are no good


def test_a_bad_picture() -> None:
    """It is counted and left out, the next one stands in; the camera stays open."""
    harness = CaptureHarness().go()
    harness.run(1)
    harness.source.reads.append(b"garbage")
    published = len(harness.frames)
    harness.run(INTERVAL)
    assert (harness.stats.failed, harness.state) == (1, State.LIVE)
    assert len(harness.frames) == published + 1
    assert harness.frames[-1].number == published + 1
    assert harness.source.calls.count("open") == 1


def test_bad_pictures_keep_to_the_pace() -> None:
    """Of a run of bad pictures one is made up for, and the others wait for ticks."""
    harness = CaptureHarness().go()
    harness.run(1)
    harness.source.reads.extend([b"garbage"] * 100)
    harness.run(1)
    assert harness.stats.failed == FPS + 1


def test_a_bad_picture_for_a_snapshot_has_no_successor() -> None:
    """While nobody watches, nothing is read in the place of a bad picture."""
    harness = CaptureHarness()
    harness.capture.start()
    reads = harness.source.calls.count("read")
    harness.source.reads.append(b"garbage")
    (trouble,) = results(harness.capture.snapshot())
    assert isinstance(trouble, BadPicture)
    assert harness.source.calls.count("read") == reads + 1


def test_bad_pictures_are_said_once() -> None:
    """A run of bad pictures is one line; the next run is another."""
    harness = CaptureHarness().go()
    harness.run(1)
    with capturedLogs() as events:
        harness.source.reads.extend([b"garbage"] * 10)
        harness.run(1)
        harness.source.reads.extend([b"garbage"] * 10)
        harness.run(1)
    assert harness.stats.failed == 20
    lines = said(events)
    assert len(lines) == 2
    assert lines[0] == ("Camera robot: dropped a bad picture: no SOI at the start")


def test_nothing_but_bad_pictures() -> None:
    """A camera that gives no picture fit to show is stalled after camera_timeout."""
    harness = CaptureHarness().go()
    harness.run(1)
    harness.source.always = b"garbage"
    harness.run(3)
    assert harness.state is State.STALLED
    assert harness.source.calls.count("open") == 1


# ---- The unforeseen


def test_an_unforeseen_exception() -> None:
    """It is counted, logged with its traceback, and the source is tried again."""
    harness = CaptureHarness().go()
    harness.run(1)
    harness.source.reads.append(ZeroDivisionError("in the driver"))
    with capturedLogs() as events:
        harness.run(2)
    failures = [event["log_failure"] for event in events if "log_failure" in event]
    assert [failure.type for failure in failures] == [ZeroDivisionError]
    assert (harness.stats.failed, harness.state) == (1, State.LIVE)
    assert harness.source.calls[-1] == "read"


def test_a_publisher_that_fails() -> None:
    """The loop outlives an exception out of the cache, and says each one."""
    harness = CaptureHarness().go()
    harness.trouble = RuntimeError("cache")
    with capturedLogs() as events:
        harness.run(1)
    assert len(events) == FPS
    harness.trouble = None
    published = len(harness.frames)
    harness.run(1)
    assert len(harness.frames) == published + FPS


# ---- Snapshots


def test_a_snapshot_while_nobody_watches() -> None:
    """One frame is taken for it, at once, and then the camera is only looked at."""
    harness = CaptureHarness()
    harness.capture.start()
    harness.clock.advance(0.1)
    (frame,) = results(harness.capture.snapshot())
    assert [frame] == harness.frames
    assert harness.times == [0.1]
    harness.run(3)
    assert len(harness.frames) == 1


def test_snapshots_asked_together() -> None:
    """All that are asked for while one is being taken are that one."""
    harness = CaptureHarness(takes=None)
    harness.capture.start()
    harness.thread.finish()
    asked = [results(harness.capture.snapshot()) for _ in range(3)]
    assert len(harness.thread.queue) == 1
    harness.thread.finish()
    assert asked == [harness.frames] * 3
    assert len(harness.thread.queue) == 0


def test_a_snapshot_while_looking() -> None:
    """A look is no picture; the snapshot is taken when it is through."""
    harness = CaptureHarness(takes=None)
    harness.capture.start()
    asked = results(harness.capture.snapshot())
    harness.thread.finish()
    assert asked == []
    harness.thread.finish()
    assert asked == harness.frames


def test_a_snapshot_of_a_released_camera() -> None:
    """It is opened for the snapshot, and released again."""
    harness = CaptureHarness(idle_fps=0)
    harness.capture.start()
    harness.run(30)
    asked = results(harness.capture.snapshot())
    assert asked == harness.frames
    assert harness.state is State.LIVE
    harness.run(11)
    assert (harness.source.is_open, harness.state) == (False, State.IDLE)


def test_a_snapshot_during_back_off() -> None:
    """While a camera waits to be tried again, it fails at once, with the reason."""
    harness = CaptureHarness()
    harness.source.opens.append(SourceError("no such device"))
    harness.capture.start()
    (problem,) = results(harness.capture.snapshot())
    assert isinstance(problem, SourceError)
    assert str(problem) == "no such device"
    assert harness.source.calls == ["open"]


@pytest.mark.parametrize("content", [SourceError("unplugged"), ValueError("odd")])
def test_a_snapshot_of_a_source_that_fails(content: Exception) -> None:
    """Who asked is told, whatever went wrong."""
    harness = CaptureHarness()
    harness.capture.start()
    harness.source.reads.append(content)
    assert results(harness.capture.snapshot()) == [content]


def test_a_snapshot_that_is_no_good() -> None:
    """Who asked is told that the picture was bad."""
    harness = CaptureHarness()
    harness.capture.start()
    harness.source.reads.append(b"garbage")
    (problem,) = results(harness.capture.snapshot())
    assert isinstance(problem, BadPicture)


def test_a_snapshot_that_cannot_be_published() -> None:
    """Who asked is told; the camera is not read again and again for it."""
    harness = CaptureHarness()
    harness.capture.start()
    harness.trouble = RuntimeError("cache")
    with capturedLogs():
        asked = results(harness.capture.snapshot())
    assert asked == [harness.trouble]
    assert harness.source.calls.count("read") == 2


def test_a_snapshot_nobody_waits_for() -> None:
    """One that was cancelled while the camera hung is not taken afterwards."""
    harness = CaptureHarness(takes=None)
    harness.capture.start()
    asked = harness.capture.snapshot()
    results(asked)
    asked.cancel()
    harness.thread.finish()
    assert len(harness.thread.queue) == 0


# ---- The end


def test_stop() -> None:
    """The source is released, nothing more is asked of it, and no call is left."""
    harness = CaptureHarness().go()
    harness.run(1)
    stopped = results(harness.capture.stop())
    assert stopped == [None]
    assert not harness.source.is_open
    assert harness.clock.getDelayedCalls() == []


def test_stop_in_the_middle_of_a_job() -> None:
    """A frame that comes after the end is not published, and the source is closed."""
    harness = CaptureHarness(takes=None)
    harness.capture.wake()
    stopped = results(harness.capture.stop())
    harness.thread.finish()
    assert (stopped, harness.frames) == ([], [])
    harness.thread.finish()
    assert (stopped, harness.source.is_open) == ([None], False)
    assert len(harness.thread.queue) == 0


def test_a_failure_after_the_end() -> None:
    """A read that fails because of the end is no news."""
    harness = CaptureHarness(takes=None).go()
    harness.source.opens.append(SourceError("closed"))
    harness.capture.stop()
    with capturedLogs() as events:
        harness.thread.finish()
    assert list(events) == []
