"""The capture loop on a clock: its pace, its states, and whatever may go wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from camd.capture.backoff import Backoff
from camd.capture.health import Health, State
from camd.capture.loop import CaptureLoop
from camd.capture.reader import BadPicture, Reader
from camd.capture.worker import ReaderThread, Worker
from camd.frame import Frame
from camd.sources import CameraMode, SourceError
from camd.stats import CameraStats
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


class Rig:
    """A capture with all that it touches, which looks twice a second when idle."""

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
        self.capture = CaptureLoop(
            "robot",
            Worker("robot", self.post, self.stats, self.clock),
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

    def post(self) -> ReaderThread:
        """Give the reader and its thread."""
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

    def go(self) -> Rig:
        """Start, and have somebody watch."""
        self.capture.start()
        self.capture.wake()
        return self


def results(asked: Deferred[Frame]) -> list[object]:
    """What came of it so far: nothing, a frame, or an exception."""
    got: list[object] = []
    asked.addCallbacks(got.append, lambda failure: got.append(failure.value))
    return got


# ---- Pace


def test_a_frame_at_each_tick():
    """A fast source gives stream_fps frames a second, the first one at once."""
    rig = Rig().go()
    rig.run(2)
    assert rig.times == [n * INTERVAL for n in range(2 * FPS + 1)]


def test_what_a_frame_tells():
    """Frames are counted from 1 and carry when they were taken, on both clocks."""
    rig = Rig(takes=STEP).go()
    rig.run(1)
    first, second = rig.frames[:2]
    assert (first.number, second.number) == (1, 2)
    assert first.jpeg is tiny_jpeg()
    assert (first.size.width, first.size.height) == (32, 24)
    assert first.captured == rig.times[0]
    assert first.timestamp == EPOCH + first.captured


def test_an_older_picture_keeps_its_time():
    """A picture that was taken before it was read is as old as the source says."""
    rig = Rig(takes=None)
    rig.clock.advance(1)
    rig.capture.wake()
    read, done = rig.thread.queue.popleft()
    picture = read()
    rig.clock.advance(3)
    done.callback(picture)
    assert rig.frames[0].captured == 1
    assert rig.frames[0].timestamp == EPOCH + 1


def test_no_overlap():
    """However long a job takes, there is never a second one beside it."""
    rig = Rig(takes=None).go()
    rig.run(1)
    assert len(rig.thread.queue) == 1


def test_a_hair_slower_than_the_stream():
    """A source whose frames take a little more than the interval keeps its own rate."""
    rig = Rig(takes=INTERVAL + STEP)
    rig.capture.wake()
    rig.run(10)
    assert len(rig.frames) == 10 / (INTERVAL + STEP)


def test_a_late_job_is_followed_at_once():
    """The job that a tick could not begin begins when the one under way is through."""
    rig = Rig(takes=None)
    rig.capture.wake()
    rig.clock.advance(1.5 * INTERVAL)
    rig.thread.finish()
    assert len(rig.thread.queue) == 1


def test_only_one_job_is_owed():
    """After a long job there is one at once, not one for each tick that was missed."""
    rig = Rig(takes=None)
    rig.capture.wake()
    rig.run(1)
    rig.clock.advance(INTERVAL / 4)
    rig.thread.finish()
    rig.thread.finish()
    assert len(rig.thread.queue) == 0


def test_in_time_nothing_is_owed():
    """A job that is through before the next tick is not followed by another at once."""
    rig = Rig(takes=None)
    rig.capture.wake()
    rig.clock.advance(INTERVAL / 2)
    rig.thread.finish()
    assert len(rig.thread.queue) == 0


@pytest.mark.parametrize(
    ("fps", "waited", "jobs"),
    [
        (FPS, 0.1, 1),
        (FPS, 0.04, 0),
        (FPS / 2, 0.1, 1),
        # Not each of its pictures is wanted, so one has always waited for its tick.
        (2 * FPS, 0.1, 0),
        (None, 0.1, 0),
    ],
)
def test_a_picture_that_waited_for_its_tick(fps, waited, jobs):
    """Of a source as fast as the stream, the next picture is waited for instead."""
    rig = Rig(takes=None)
    rig.source.opens.append(replace(GIVEN, fps=fps))
    rig.capture.wake()
    read, done = rig.thread.queue.popleft()
    picture = read()
    rig.clock.advance(waited * INTERVAL)
    done.callback(picture)
    assert len(rig.thread.queue) == jobs


# ---- Nobody watches


def test_idle_only_looks():
    """While nobody watches, the camera is looked at and nothing is published."""
    rig = Rig()
    rig.source.always = b"whatever it is, nobody looks into it"
    rig.capture.start()
    rig.run(3)
    assert rig.source.calls == ["open"] + ["read"] * 7
    assert (rig.frames, rig.state) == ([], State.LIVE)
    assert (rig.stats.captured, rig.stats.published) == (7, 0)


def test_wake_takes_at_once():
    """Who comes does not wait for the next look."""
    rig = Rig()
    rig.capture.start()
    rig.clock.advance(0.2)
    rig.capture.wake()
    assert rig.times == [0.2]


def test_wake_while_looking():
    """A look that is under way is followed by a frame as soon as it is through."""
    rig = Rig(takes=None)
    rig.capture.start()
    rig.capture.wake()
    rig.thread.finish()
    rig.thread.finish()
    assert len(rig.frames) == 1


def test_wake_again_changes_nothing():
    """The second viewer to come does not disturb the pace."""
    rig = Rig().go()
    rig.clock.advance(INTERVAL / 2)
    rig.capture.wake()
    rig.clock.advance(INTERVAL / 2)
    assert rig.times == [0, INTERVAL]


def test_rest():
    """When the last one leaves, frames end and looks go on."""
    rig = Rig().go()
    rig.run(1)
    rig.capture.rest()
    taken, looked = len(rig.frames), rig.stats.captured
    rig.run(2)
    assert len(rig.frames) == taken
    assert rig.stats.captured == looked + 4


def test_rest_forgets_what_is_owed():
    """A job that was owed to viewers is not done when they have gone."""
    rig = Rig(takes=None)
    rig.capture.wake()
    rig.clock.advance(INTERVAL)
    rig.capture.rest()
    rig.thread.finish()
    assert len(rig.thread.queue) == 0


def test_released_when_nobody_watches():
    """With idle_fps 0 the camera is released 10 s after the last one has gone."""
    rig = Rig(idle_fps=0).go()
    rig.run(1)
    rig.capture.rest()
    rig.run(9.9)
    assert rig.source.is_open
    rig.run(0.2)
    assert (rig.source.is_open, rig.state) == (False, State.IDLE)


def test_kept_when_somebody_comes_back():
    """A pause of less than 10 s without a viewer does not close the camera."""
    rig = Rig(idle_fps=0).go()
    for _ in range(5):
        rig.run(6)
        rig.capture.rest()
        rig.run(6)
        rig.capture.wake()
    assert rig.source.calls.count("open") == 1


def test_started_with_nobody_watching():
    """With idle_fps 0 the camera is opened once, to see that it works, and released."""
    rig = Rig(idle_fps=0)
    rig.capture.start()
    assert rig.state is State.LIVE
    rig.run(40)
    assert rig.source.calls[:3] == ["open", "read", "close"]
    assert rig.source.calls.count("open") == 1
    assert rig.state is State.IDLE


def test_wake_opens_again():
    """A camera that was released is opened for the next viewer, at once."""
    rig = Rig(idle_fps=0)
    rig.capture.start()
    rig.run(30)
    rig.capture.wake()
    assert (len(rig.frames), rig.state) == (1, State.LIVE)
    assert rig.stats.reopens == 1


# ---- States


def test_starting():
    """A camera that has not answered yet is starting."""
    rig = Rig(takes=None).go()
    rig.run(1)
    assert rig.state is State.STARTING


def test_starting_to_live():
    """With the first picture the camera is live, and said what it gives."""
    rig = Rig()
    with capturedLogs() as events:
        rig.go().run(1)
    assert rig.state is State.LIVE
    assert said(events) == ["Camera robot is live: 32x24 at 30 fps, YUYV"]
    assert rig.capture.mode == CameraMode(32, 24, 30, "YUYV")


def test_never_answered():
    """A camera that hangs when it is opened is stalled after camera_timeout."""
    rig = Rig(takes=None).go()
    rig.run(2)
    assert rig.state is State.STARTING
    rig.run(0.1)
    assert rig.state is State.STALLED


def test_a_read_that_hangs():
    """Without a picture for camera_timeout the camera is stalled, and said so once."""
    rig = Rig().go()
    rig.run(1)
    rig.thread.takes = None
    with capturedLogs() as events:
        rig.run(30)
    assert rig.state is State.STALLED
    (line,) = said(events)
    assert line.startswith("Camera robot is stalled: no picture for 2.")
    assert events[0]["log_level"] is LogLevel.warn


def test_stalled_to_live():
    """When the read comes back after all, the camera is live again, and said once."""
    rig = Rig().go()
    rig.run(1)
    rig.thread.takes = None
    rig.run(5)
    rig.thread.takes = 0
    with capturedLogs() as events:
        rig.thread.finish()
        rig.run(2)
    assert rig.state is State.LIVE
    assert len(events) == 1


def test_slow_cameras_are_not_stalled():
    """A camera that says 0.4 fps is given 5 s, though camera_timeout is 2 s."""
    rig = Rig(takes=2.5)
    rig.source.opens.append(CameraMode(32, 24, 0.4, "YUYV"))
    rig.go()
    rig.run(3)
    with capturedLogs() as events:
        rig.run(20)
    assert (rig.state, list(events)) == (State.LIVE, [])


def test_offline_and_back():
    """A source that fails is closed, offline, opened again after a second, and live."""
    rig = Rig().go()
    rig.run(1)
    rig.source.reads.append(SourceError("unplugged"))
    with capturedLogs() as events:
        rig.run(INTERVAL)
        assert rig.state is State.OFFLINE
        assert not rig.source.is_open
        rig.run(1)
    assert rig.state is State.LIVE
    assert said(events) == [
        "Camera robot is offline: unplugged; trying again in 1.0 s",
        "Camera robot is live: 32x24 at 30 fps, YUYV",
    ]
    assert (rig.stats.failed, rig.stats.reopens) == (1, 1)


def test_offline_from_the_start():
    """A source that does not open is tried again with growing delays, said once."""
    rig = Rig()
    rig.source.opens.extend([SourceError("no such device")] * 1000)
    with capturedLogs() as events:
        rig.go().run(110)
    assert len(said(events)) == 1
    # At 0, 1, 3, 7, 15, 31, 61 and 91 s.
    assert rig.source.calls == ["open"] * 8
    assert (rig.stats.failed, rig.stats.last_error) == (8, "no such device")


def test_a_late_failure_is_not_followed_at_once():
    """The job that was owed while a read failed waits for the next try, too."""
    rig = Rig(takes=1.5 * INTERVAL)
    rig.source.opens.append(SourceError("no such device"))
    rig.capture.wake()
    rig.run(1)
    assert rig.source.calls == ["open"]
    rig.run(1)
    assert rig.state is State.LIVE


def test_delays_vary():
    """By chance a delay is up to a quarter shorter."""
    rig = Rig(random=1)
    rig.source.opens.extend([SourceError("no such device")] * 1000)
    rig.go().run(0.74)
    assert rig.source.calls == ["open"]
    rig.run(0.05)
    assert rig.source.calls == ["open"] * 2


def test_success_resets_the_delay():
    """After it has worked, a camera that fails is tried again after a second."""
    rig = Rig()
    rig.source.opens.extend([SourceError("no such device")] * 4)
    rig.go().run(16)
    assert (rig.state, rig.stats.last_error) == (State.LIVE, None)
    rig.source.reads.append(SourceError("unplugged"))
    rig.run(INTERVAL)
    tries = rig.source.calls.count("open")
    rig.run(1)
    assert rig.source.calls.count("open") == tries + 1


def test_stalled_to_offline():
    """A read that hangs and then fails leads from stalled to offline."""
    rig = Rig().go()
    rig.run(1)
    rig.thread.takes = None
    rig.run(3)
    rig.source.reads.append(SourceError("no picture came"))
    rig.thread.finish()
    assert rig.state is State.OFFLINE


def test_offline_is_not_stalled():
    """While a camera is tried again, it stays offline, however long that takes."""
    rig = Rig()
    rig.source.opens.extend([SourceError("no such device")] * 1000)
    rig.go().run(50)
    assert rig.state is State.OFFLINE


# ---- Pictures that are no good


def test_a_bad_picture():
    """It is counted and left out, the next one stands in; the camera stays open."""
    rig = Rig().go()
    rig.run(1)
    rig.source.reads.append(b"garbage")
    published = len(rig.frames)
    rig.run(INTERVAL)
    assert (rig.stats.failed, rig.state) == (1, State.LIVE)
    assert len(rig.frames) == published + 1
    assert rig.frames[-1].number == published + 1
    assert rig.source.calls.count("open") == 1


def test_bad_pictures_keep_to_the_pace():
    """Of a run of bad pictures one is made up for, and the others wait for ticks."""
    rig = Rig().go()
    rig.run(1)
    rig.source.reads.extend([b"garbage"] * 100)
    rig.run(1)
    assert rig.stats.failed == FPS + 1


def test_a_bad_picture_for_a_snapshot_has_no_successor():
    """While nobody watches, nothing is read in the place of a bad picture."""
    rig = Rig()
    rig.capture.start()
    reads = rig.source.calls.count("read")
    rig.source.reads.append(b"garbage")
    (trouble,) = results(rig.capture.snapshot())
    assert isinstance(trouble, BadPicture)
    assert rig.source.calls.count("read") == reads + 1


def test_bad_pictures_are_said_once():
    """A run of bad pictures is one line; the next run is another."""
    rig = Rig().go()
    rig.run(1)
    with capturedLogs() as events:
        rig.source.reads.extend([b"garbage"] * 10)
        rig.run(1)
        rig.source.reads.extend([b"garbage"] * 10)
        rig.run(1)
    assert rig.stats.failed == 20
    lines = said(events)
    assert len(lines) == 2
    assert lines[0] == (
        "Camera robot: a picture is no good and was left out: no SOI at the start"
    )


def test_nothing_but_bad_pictures():
    """A camera that gives no picture fit to show is stalled after camera_timeout."""
    rig = Rig().go()
    rig.run(1)
    rig.source.always = b"garbage"
    rig.run(3)
    assert rig.state is State.STALLED
    assert rig.source.calls.count("open") == 1


# ---- The unforeseen


def test_an_unforeseen_exception():
    """It is counted, logged with its traceback, and the source is tried again."""
    rig = Rig().go()
    rig.run(1)
    rig.source.reads.append(ZeroDivisionError("in the driver"))
    with capturedLogs() as events:
        rig.run(2)
    failures = [event["log_failure"] for event in events if "log_failure" in event]
    assert [failure.type for failure in failures] == [ZeroDivisionError]
    assert (rig.stats.failed, rig.state) == (1, State.LIVE)
    assert rig.source.calls[-1] == "read"


def test_a_publisher_that_fails():
    """The loop outlives an exception out of the cache, and says each one."""
    rig = Rig().go()
    rig.trouble = RuntimeError("cache")
    with capturedLogs() as events:
        rig.run(1)
    assert len(events) == FPS
    rig.trouble = None
    published = len(rig.frames)
    rig.run(1)
    assert len(rig.frames) == published + FPS


# ---- Snapshots


def test_a_snapshot_while_nobody_watches():
    """One frame is taken for it, at once, and then the camera is only looked at."""
    rig = Rig()
    rig.capture.start()
    rig.clock.advance(0.1)
    (frame,) = results(rig.capture.snapshot())
    assert [frame] == rig.frames
    assert rig.times == [0.1]
    rig.run(3)
    assert len(rig.frames) == 1


def test_snapshots_asked_together():
    """All who ask while one is being taken get that one."""
    rig = Rig(takes=None)
    rig.capture.start()
    rig.thread.finish()
    asked = [results(rig.capture.snapshot()) for _ in range(3)]
    assert len(rig.thread.queue) == 1
    rig.thread.finish()
    assert asked == [rig.frames] * 3
    assert len(rig.thread.queue) == 0


def test_a_snapshot_while_looking():
    """A look is no picture; the snapshot is taken when it is through."""
    rig = Rig(takes=None)
    rig.capture.start()
    asked = results(rig.capture.snapshot())
    rig.thread.finish()
    assert asked == []
    rig.thread.finish()
    assert asked == rig.frames


def test_a_snapshot_of_a_released_camera():
    """It is opened for the snapshot, and released again."""
    rig = Rig(idle_fps=0)
    rig.capture.start()
    rig.run(30)
    asked = results(rig.capture.snapshot())
    assert asked == rig.frames
    assert rig.state is State.LIVE
    rig.run(11)
    assert (rig.source.is_open, rig.state) == (False, State.IDLE)


def test_a_snapshot_during_back_off():
    """While a camera waits to be tried again, it fails at once, with the reason."""
    rig = Rig()
    rig.source.opens.append(SourceError("no such device"))
    rig.capture.start()
    (problem,) = results(rig.capture.snapshot())
    assert isinstance(problem, SourceError)
    assert str(problem) == "no such device"
    assert rig.source.calls == ["open"]


@pytest.mark.parametrize("content", [SourceError("unplugged"), ValueError("odd")])
def test_a_snapshot_of_a_source_that_fails(content):
    """Who asked is told, whatever went wrong."""
    rig = Rig()
    rig.capture.start()
    rig.source.reads.append(content)
    assert results(rig.capture.snapshot()) == [content]


def test_a_snapshot_that_is_no_good():
    """Who asked is told that the picture was bad."""
    rig = Rig()
    rig.capture.start()
    rig.source.reads.append(b"garbage")
    (problem,) = results(rig.capture.snapshot())
    assert isinstance(problem, BadPicture)


def test_a_snapshot_that_cannot_be_published():
    """Who asked is told; the camera is not read again and again for it."""
    rig = Rig()
    rig.capture.start()
    rig.trouble = RuntimeError("cache")
    with capturedLogs():
        asked = results(rig.capture.snapshot())
    assert asked == [rig.trouble]
    assert rig.source.calls.count("read") == 2


def test_a_snapshot_nobody_waits_for():
    """One that was cancelled while the camera hung is not taken afterwards."""
    rig = Rig(takes=None)
    rig.capture.start()
    asked = rig.capture.snapshot()
    results(asked)
    asked.cancel()
    rig.thread.finish()
    assert len(rig.thread.queue) == 0


# ---- The end


def test_stop():
    """The source is released, nothing more is asked of it, and no call is left."""
    rig = Rig().go()
    rig.run(1)
    stopped = results(rig.capture.stop())
    assert stopped == [None]
    assert not rig.source.is_open
    assert rig.clock.getDelayedCalls() == []


def test_stop_in_the_middle_of_a_job():
    """A frame that comes after the end is not published, and the source is closed."""
    rig = Rig(takes=None)
    rig.capture.wake()
    stopped = results(rig.capture.stop())
    rig.thread.finish()
    assert (stopped, rig.frames) == ([], [])
    rig.thread.finish()
    assert (stopped, rig.source.is_open) == ([None], False)
    assert len(rig.thread.queue) == 0


def test_a_failure_after_the_end():
    """A read that fails because of the end is no news."""
    rig = Rig(takes=None).go()
    rig.source.opens.append(SourceError("closed"))
    rig.capture.stop()
    with capturedLogs() as events:
        rig.thread.finish()
    assert list(events) == []
