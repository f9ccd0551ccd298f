"""A source that pushes, on a clock: its pace, its states, and what may go wrong."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from camd.capture.backoff import Backoff
from camd.capture.capture import LINK_SILENT, Capture, LinkState
from camd.capture.health import Health, State
from camd.capture.pull import PullIntake
from camd.capture.push import GIVE_UP, TRIES, HandedOver, PushIntake, Redraw
from camd.capture.reader import BadPicture, Reader
from camd.capture.worker import ReaderThread, Worker
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import Frame, Stamp
from camd.sources import CameraMode, Receiver, Refused, Source, SourceError
from camd.stats import CameraStats
from tests.fakes import results
from tests.fakes_camera import (
    EPOCH,
    GIVEN,
    FakeEncoder,
    FakePushSource,
    FakeSource,
    FakeThread,
    said,
    tiny_jpeg,
)
from tests.jpegs import encode

FPS = 16
INTERVAL = 1 / FPS
STEP = 1 / 64
OTHER = tiny_jpeg(200)


class PushHarness:
    """A capture of a source that pushes, which probes twice a second when idle.

    :ivar pulled: the source that is pulled when this one falls back.
    :ivar placeholders: what another camd showed in place of pictures.
    """

    def __init__(
        self, *, idle_fps: float = 2, is_redrawn: bool = False, timeout: float = 2
    ) -> None:
        self.clock = Clock()
        self.source = FakePushSource(self.clock)
        self.frames: list[Frame] = []
        self.placeholders: list[Frame] = []
        self.times: list[float] = []
        self.stats = CameraStats()
        self.trouble: Exception | None = None
        self.thread = FakeThread(self.clock)
        self.pulled = FakeSource(self.clock)
        self.health = Health("robot", timeout, self.clock, Backoff(lambda: 0))
        redraw = None
        if is_redrawn:
            handed = HandedOver()
            redraw = Redraw(handed, self.worker(lambda: handed))
        self.capture = Capture(
            "robot",
            lambda capture: PushIntake(
                capture, self.source, FPS, self.new_pull, self.clock, redraw
            ),
            self.health,
            self.publish,
            show_placeholder=self.placeholders.append,
            fps=FPS,
            idle_fps=idle_fps,
            stats=self.stats,
            clock=self.clock,
            wall=lambda: EPOCH + self.clock.seconds(),
        )

    def worker(self, new_source: Callable[[], Source]) -> Worker:
        """Return a worker that reads this source."""

        def new_reader() -> ReaderThread:
            reader = Reader(new_source(), FakeEncoder(), self.clock.seconds)
            return ReaderThread(reader, self.thread)

        return Worker("robot", new_reader, self.stats, self.clock)

    def new_pull(
        self, capture: Capture, new_source: Callable[[], Source], failed: Any
    ) -> PullIntake:
        """Return what pulls a source."""
        return PullIntake(capture, self.worker(new_source), FPS, self.clock, failed)

    def publish(self, frame: Frame) -> None:
        """Take a frame, unless there is trouble."""
        if self.trouble is not None:
            raise self.trouble
        self.frames.append(frame)
        self.times.append(self.clock.seconds())

    @property
    def receiver(self) -> Receiver:
        """Who takes the pictures of the source, which is started."""
        assert self.source.receiver is not None
        return self.source.receiver

    @property
    def state(self) -> State:
        """What the capture says of the camera."""
        return self.capture.state

    def run(self, seconds: float, fps: float = 0) -> None:
        """Let the time pass in small steps; the camera pushes pictures meanwhile."""
        sent = 0
        for step in range(round(seconds / STEP)):
            if fps and step * STEP * fps >= sent:
                sent += 1
                self.source.send()
            self.clock.advance(STEP)

    def go(self) -> PushHarness:
        """Start, and have somebody watch."""
        self.capture.start()
        self.capture.wake()
        return self

    def fall_back(self) -> None:
        """Let the source find what has to be pulled."""
        assert self.source.receiver is not None
        self.source.receiver.fall_back(lambda: self.pulled)


# ---- Pace


def test_a_picture_is_published_as_it_arrives() -> None:
    """It becomes a frame in the same turn, with the time at which it was taken."""
    harness = PushHarness().go()
    harness.clock.advance(1)
    harness.source.send(age=0.25)
    (frame,) = harness.frames
    assert frame.jpeg is tiny_jpeg()
    assert (frame.number, frame.captured) == (1, 0.75)
    assert frame.timestamp == EPOCH + 0.75
    assert (frame.size.width, frame.size.height) == (32, 24)
    assert harness.capture.passed_through


@pytest.mark.parametrize("fps", [8, 15, 16])
def test_no_picture_of_a_camera_at_the_streams_pace_is_dropped(fps: int) -> None:
    """A camera that is no faster than the stream has all its pictures shown."""
    harness = PushHarness().go()
    harness.run(10, fps)
    assert len(harness.frames) == 10 * fps


def test_pictures_that_come_early_and_late() -> None:
    """A camera is not as regular as a clock; none of its pictures is dropped."""
    harness = PushHarness().go()
    for number in range(100):
        harness.clock.advance(INTERVAL * (0.2 if number % 2 else 1.8))
        harness.source.send()
    assert len(harness.frames) == 100


@pytest.mark.parametrize("fps", [20, 32, 64])
def test_what_exceeds_the_rate_is_dropped(fps: int) -> None:
    """A faster camera's pictures go out at stream_fps; the others are not checked."""
    harness = PushHarness().go()
    harness.run(1, fps)
    harness.frames.clear()
    harness.run(10, fps)
    assert len(harness.frames) == pytest.approx(10 * FPS, abs=2)
    assert harness.stats.captured == harness.stats.published


def test_what_is_dropped_is_not_checked() -> None:
    """A bad picture that exceeds the rate is nobody's trouble."""
    harness = PushHarness().go()
    for _ in range(2):
        harness.source.send()
    harness.source.send(b"garbage")
    harness.source.send()
    assert harness.stats.failed == 0


def test_the_last_picture_ahead_of_a_silence_is_shown() -> None:
    """A picture that exceeded the rate is shown when nothing follows it."""
    harness = PushHarness().go()
    for _ in range(2):
        harness.source.send()
    harness.source.send(OTHER)
    harness.clock.advance(INTERVAL)
    assert harness.frames[-1].jpeg is OTHER
    assert harness.frames[-1].captured == 0
    harness.run(2)
    assert len(harness.frames) == 3


def test_no_timer_for_a_picture() -> None:
    """A camera at the stream's pace leaves one call: the check for silence."""
    harness = PushHarness().go()
    harness.run(1, FPS)
    assert len(harness.clock.getDelayedCalls()) == 1


# ---- Nobody watches


def test_idle_probes() -> None:
    """While nobody watches, pictures are counted now and then, and not looked into."""
    harness = PushHarness()
    harness.capture.start()
    harness.source.send()
    harness.source.send(b"whatever it is, nobody looks into it")
    harness.run(4, 16)
    assert (harness.frames, harness.state) == ([], State.LIVE)
    assert harness.stats.captured == pytest.approx(4 * 2, abs=2)
    assert harness.source.rates == [2]


def test_wake_shows_the_newest_at_once() -> None:
    """A viewer does not wait for a slow camera: its last picture is shown, as old."""
    harness = PushHarness()
    harness.capture.start()
    for _ in range(3):
        harness.source.send(OTHER)
    harness.clock.advance(0.2)
    harness.capture.wake()
    assert [frame.captured for frame in harness.frames] == [0]
    assert harness.source.rates == [2, FPS]


@pytest.mark.parametrize("is_redrawn", [False, True])
def test_the_last_picture_of_a_slow_camera(is_redrawn: bool) -> None:
    """What came while nobody watched becomes a frame once, with its own time."""
    harness = PushHarness(is_redrawn=is_redrawn)
    harness.capture.start()
    for _ in range(3):
        harness.source.send(OTHER)
        harness.run(30)
    harness.capture.wake()
    harness.run(0.25)
    assert harness.frames == []
    captured = harness.stats.captured
    for _ in range(2):
        harness.capture.show_last()
        harness.run(0.25)
    first, again = harness.frames
    assert first is again
    assert (first.captured, first.timestamp) == (60, EPOCH + 60)
    assert harness.stats.captured == captured
    harness.source.send()
    harness.run(0.25)
    assert [frame.number for frame in harness.frames] == [1, 1, 2]


def test_the_last_picture_of_a_camera_that_is_silent() -> None:
    """It is not shown: the camera is in trouble."""
    harness = PushHarness()
    harness.capture.start()
    harness.source.send(OTHER)
    harness.run(5)
    harness.capture.wake()
    harness.capture.show_last()
    assert (harness.frames, harness.state) == ([], State.STALLED)


def test_the_last_picture_when_the_daemon_stood_still() -> None:
    """The camera is not to blame for the silence, and yet the picture is too old."""
    harness = PushHarness()
    harness.capture.start()
    harness.source.send()
    harness.clock.advance(30)
    assert harness.state is State.LIVE
    harness.capture.wake()
    harness.capture.show_last()
    assert harness.frames == []


def test_a_last_picture_that_is_damaged() -> None:
    """It is left out, and the next one is shown."""
    harness = PushHarness()
    harness.capture.start()
    for _ in range(3):
        harness.source.send(OTHER)
        harness.run(30)
    harness.source.send(b"junk")
    harness.run(1)
    harness.capture.wake()
    harness.capture.show_last()
    assert harness.frames == []
    harness.source.send()
    assert [frame.number for frame in harness.frames] == [1]


def test_wake_shows_no_picture_of_a_silent_camera() -> None:
    """What was old when the silence was noticed is not taken for new."""
    harness = PushHarness()
    harness.capture.start()
    for _ in range(3):
        harness.source.send(OTHER)
    harness.run(5)
    assert harness.state is State.STALLED
    captured = harness.stats.captured
    harness.capture.wake()
    assert (harness.frames, harness.stats.captured) == ([], captured)


def test_rest() -> None:
    """When the last one leaves, frames end and probes go on."""
    harness = PushHarness().go()
    harness.run(1, FPS)
    harness.capture.rest()
    published = len(harness.frames)
    harness.run(2, FPS)
    assert len(harness.frames) == published
    assert harness.source.rates[-1] == 2
    assert harness.state is State.LIVE


def test_released_when_nobody_watches() -> None:
    """With idle_fps 0 the camera is released 10 s after the last one has gone."""
    harness = PushHarness(idle_fps=0).go()
    harness.run(1, FPS)
    harness.capture.rest()
    harness.run(9.9, FPS)
    assert harness.source.calls == ["start"]
    harness.run(0.2, FPS)
    assert harness.source.calls == ["start", "stop"]
    assert harness.state is State.IDLE
    harness.run(60)
    assert harness.source.calls == ["start", "stop"]


def test_kept_when_somebody_comes_back() -> None:
    """A pause of less than 10 s without a viewer does not close the camera."""
    harness = PushHarness(idle_fps=0).go()
    for _ in range(5):
        harness.run(6, FPS)
        harness.capture.rest()
        harness.run(6, FPS)
        harness.capture.wake()
    assert harness.source.calls == ["start"]


def test_started_with_nobody_watching() -> None:
    """With idle_fps 0 the camera is started once, to see that it works; no more."""
    harness = PushHarness(idle_fps=0)
    harness.capture.start()
    harness.run(20, 1)
    assert harness.source.calls == ["start", "stop"]
    assert harness.state is State.IDLE


def test_wake_starts_again() -> None:
    """A camera that was released is started for the next viewer, at once."""
    harness = PushHarness(idle_fps=0)
    harness.capture.start()
    harness.run(20, 1)
    harness.capture.wake()
    assert harness.source.calls == ["start", "stop", "start"]
    harness.source.send()
    assert (len(harness.frames), harness.state) == (1, State.LIVE)
    assert harness.stats.reopens == 1


def test_an_offline_camera_is_not_tried_for_nobody() -> None:
    """With idle_fps 0 a camera that failed is left alone until somebody comes."""
    harness = PushHarness(idle_fps=0)
    harness.capture.start()
    harness.source.fails = "refused"
    harness.run(1, 1)
    assert harness.source.receiver is not None
    harness.source.receiver.failed(SourceError("it hung up"))
    calls = list(harness.source.calls)
    harness.run(60)
    assert harness.source.calls == calls
    harness.capture.wake()
    assert harness.source.calls == [*calls, "start", "stop"]


# ---- States


def test_live() -> None:
    """With the first whole picture the camera is live, and its size is logged."""
    harness = PushHarness().go()
    with capturedLogs() as events:
        harness.source.send()
    assert harness.capture.mode == CameraMode(32, 24, None, "MJPG")
    assert said(events) == ["Camera robot is live: 32x24, MJPG"]


def test_stalled_and_back() -> None:
    """Without a picture for camera_timeout it is stalled; the source is kept."""
    harness = PushHarness().go()
    harness.run(1, FPS)
    harness.run(2.1)
    assert harness.state is State.STALLED
    assert harness.stats.last_error == "silent for 2 s"
    assert harness.source.calls == ["start"]
    harness.source.send()
    assert (harness.state, harness.stats.last_error) == (State.LIVE, None)


def test_given_up() -> None:
    """A source that is silent for 10 s is stopped, with its reason, and tried again."""
    harness = PushHarness().go()
    harness.run(1, FPS)
    harness.run(GIVE_UP - 0.1)
    assert harness.source.calls == ["start"]
    harness.run(0.9)
    assert harness.source.calls == ["start", "stop"]
    assert harness.state is State.OFFLINE
    assert harness.stats.last_error == "silent for 10 s"
    harness.run(1)
    assert harness.source.calls == ["start", "stop", "start"]


def test_a_patient_setting_reaches_the_deadline() -> None:
    """Where a camera may be silent for long, it is given up after twice that."""
    harness = PushHarness(timeout=30).go()
    harness.run(60)
    assert harness.source.calls == ["start"]
    harness.run(1)
    assert harness.source.calls == ["start", "stop"]


def test_bad_pictures_are_no_silence() -> None:
    """A camera all of whose pictures are bad is stalled; the source is kept."""
    harness = PushHarness().go()
    harness.run(1, FPS)
    for _ in range(60):
        harness.source.send(b"garbage")
        harness.run(1)
    assert harness.state is State.STALLED
    assert harness.stats.last_error == "no SOI at the start"
    assert harness.source.calls == ["start"]


def test_one_that_is_heard() -> None:
    """A source that is well and has no picture is stalled, and never given up."""
    harness = PushHarness().go()
    harness.run(1, FPS)
    for _ in range(12):
        harness.receiver.heard()
        harness.run(5)
    assert (harness.state, harness.source.calls) == (State.STALLED, ["start"])


def test_offline_and_back() -> None:
    """A source that fails is stopped, started again after a second, and live."""
    harness = PushHarness().go()
    harness.run(1, FPS)
    assert harness.source.receiver is not None
    harness.source.receiver.failed(SourceError("it hung up"))
    assert harness.state is State.OFFLINE
    harness.run(0.9)
    assert harness.source.calls == ["start", "stop"]
    harness.run(0.2)
    harness.source.send()
    assert (harness.state, harness.stats.reopens) == (State.LIVE, 1)
    assert (harness.stats.failed, harness.stats.last_error) == (1, None)


def test_offline_from_the_start() -> None:
    """A source that fails at once is tried again with growing delays, logged once."""
    harness = PushHarness()
    harness.source.fails = "refused"
    with capturedLogs() as events:
        harness.go().run(110)
    assert len(said(events)) == 1
    # At 0, 1, 3, 7, 15, 31, 61 and 91 s.
    assert harness.source.calls.count("start") == 8


def test_one_at_a_time() -> None:
    """A source is not started again before it has stopped."""
    harness = PushHarness().go()
    stopping = harness.source.stopping = Deferred()
    assert harness.source.receiver is not None
    harness.source.receiver.failed(SourceError("it hung up"))
    harness.run(5)
    assert harness.source.calls == ["start", "stop"]
    stopping.callback(None)
    assert harness.source.calls == ["start", "stop", "start"]


def test_time_that_nobody_ran_does_not_count() -> None:
    """No camera is to blame for the silence of a daemon that was stopped."""
    harness = PushHarness().go()
    harness.run(1, FPS)
    with capturedLogs() as events:
        harness.clock.advance(60)
        harness.run(1, FPS)
    assert (harness.state, list(events)) == (State.LIVE, [])
    assert harness.source.calls == ["start"]


# ---- Pictures that are no good


def test_a_bad_picture() -> None:
    """It is counted, logged once and left out, and another may stand in for it."""
    harness = PushHarness().go()
    harness.run(1, FPS)
    with capturedLogs() as events:
        harness.source.send(b"garbage")
        harness.source.send(b"garbage")
        harness.source.send()
    assert said(events) == ["Camera robot: dropped a bad picture: no SOI at the start"]
    assert harness.state is State.LIVE
    assert harness.frames[-1].number == len(harness.frames)


def test_a_stream_that_begins_damaged() -> None:
    """The first whole picture tells the size."""
    harness = PushHarness().go()
    harness.source.send(tiny_jpeg()[:50])
    assert harness.state is State.STARTING
    harness.source.send()
    assert harness.state is State.LIVE


def test_nothing_but_damage_from_the_start() -> None:
    """A source none of whose first pictures is whole does not open, and says why."""
    harness = PushHarness().go()
    for _ in range(TRIES):
        harness.source.send(b"garbage")
        harness.clock.advance(INTERVAL)
    assert harness.state is State.OFFLINE
    assert harness.stats.last_error == (
        "none of its first 10 pictures is whole: no SOI at the start"
    )


def test_a_publisher_that_fails() -> None:
    """The source outlives an exception out of the fan-out, and each one is logged."""
    harness = PushHarness().go()
    harness.trouble = RuntimeError("cache")
    with capturedLogs() as events:
        harness.run(1, FPS)
    assert len([event for event in events if "log_failure" in event]) == FPS
    harness.trouble = None
    harness.run(1, FPS)
    assert len(harness.frames) == FPS


# ---- Snapshots


def test_a_snapshot_while_nobody_watches() -> None:
    """The next picture is published for it, and the camera is asked for it now."""
    harness = PushHarness()
    harness.capture.start()
    harness.source.send()
    asked = results(harness.capture.snapshot())
    harness.clock.advance(STEP)
    harness.source.send()
    assert asked == harness.frames
    assert len(asked) == 1
    assert harness.source.rates == [2, FPS, 2]
    harness.run(1, FPS)
    assert len(harness.frames) == 1


def test_a_snapshot_of_a_released_camera() -> None:
    """It is started for the snapshot, and released again."""
    harness = PushHarness(idle_fps=0)
    harness.capture.start()
    harness.run(20, 1)
    asked = results(harness.capture.snapshot())
    harness.source.send()
    assert asked == harness.frames
    harness.run(11, 1)
    assert harness.source.calls == ["start", "stop"] * 2
    assert harness.state is State.IDLE


def test_a_snapshot_during_back_off() -> None:
    """While a camera waits to be tried again, it fails at once, with the reason."""
    harness = PushHarness()
    harness.source.fails = "refused"
    harness.capture.start()
    (problem,) = results(harness.capture.snapshot())
    assert str(problem) == "refused"


def test_a_snapshot_that_is_no_good() -> None:
    """Who asked is told that the picture was bad, or that the source failed."""
    harness = PushHarness()
    harness.capture.start()
    harness.source.send()
    asked = results(harness.capture.snapshot())
    harness.source.send(b"garbage")
    assert isinstance(asked[0], BadPicture)
    asked = results(harness.capture.snapshot())
    assert harness.source.receiver is not None
    harness.source.receiver.failed(SourceError("it hung up"))
    assert isinstance(asked[0], SourceError)


# ---- What has to be pulled


def test_falls_back() -> None:
    """What a source cannot push is pulled in a thread, once the source has stopped."""
    harness = PushHarness().go()
    harness.fall_back()
    assert harness.source.calls == ["start", "stop"]
    harness.run(1)
    assert len(harness.frames) == FPS + 1
    assert harness.capture.mode == GIVEN


def test_what_is_pulled_and_fails() -> None:
    """It is asked again from the start, as another kind of answer may come."""
    harness = PushHarness().go()
    harness.fall_back()
    harness.pulled.reads.append(SourceError("it ended"))
    harness.run(1)
    assert harness.state is State.OFFLINE
    assert harness.source.calls == ["start", "stop"]
    harness.run(1)
    assert harness.source.calls == ["start", "stop", "start"]
    harness.fall_back()
    harness.run(1)
    assert harness.state is State.LIVE
    assert harness.thread.stops == 0


def test_what_is_pulled_rests_and_is_released() -> None:
    """It goes by the same pace and the same release as any other that is pulled."""
    harness = PushHarness(idle_fps=0).go()
    harness.fall_back()
    harness.run(1)
    harness.capture.rest()
    harness.run(11)
    assert (harness.state, harness.pulled.is_open) == (State.IDLE, False)
    harness.capture.wake()
    assert harness.state is State.LIVE


def test_what_cannot_be_pulled() -> None:
    """Where OpenCV is missing, that is the reason."""

    def missing() -> Source:
        raise SourceError("OpenCV cannot be used")

    harness = PushHarness().go()
    assert harness.source.receiver is not None
    harness.source.receiver.fall_back(missing)
    assert harness.stats.last_error == "OpenCV cannot be used"
    assert harness.state is State.OFFLINE


# ---- What is redrawn


def test_redrawn_in_the_thread() -> None:
    """Where settings have pictures redrawn, the camera's thread does it."""
    harness = PushHarness(is_redrawn=True).go()
    harness.source.send()
    assert [frame.jpeg for frame in harness.frames] == [tiny_jpeg()]
    assert harness.capture.mode == CameraMode(32, 24, None, "MJPG")


def test_the_newest_is_redrawn_next() -> None:
    """While one is redrawn, only the newest of those that come waits."""
    harness = PushHarness(is_redrawn=True).go()
    harness.thread.takes = None
    for jpeg in (tiny_jpeg(1), tiny_jpeg(2), tiny_jpeg(3)):
        harness.source.send(jpeg)
        harness.clock.advance(INTERVAL)
    assert len(harness.thread.queue) == 1
    harness.thread.finish()
    harness.thread.finish()
    assert [frame.jpeg for frame in harness.frames] == [tiny_jpeg(1), tiny_jpeg(3)]


def test_a_picture_that_cannot_be_redrawn() -> None:
    """It is left out like any other bad one."""
    harness = PushHarness(is_redrawn=True).go()
    harness.source.send()
    harness.clock.advance(INTERVAL)
    harness.source.send(b"garbage")
    assert (harness.stats.failed, harness.state) == (1, State.LIVE)


# ---- The end


@pytest.mark.parametrize("is_redrawn", [False, True])
def test_stop(is_redrawn: bool) -> None:
    """The source is stopped, nothing more is taken of it, and no call is left."""
    harness = PushHarness(is_redrawn=is_redrawn).go()
    for _ in range(4):
        harness.source.send()
    receiver = harness.source.receiver
    assert receiver is not None
    frames = list(harness.frames)
    stopped: list[None] = []
    harness.capture.stop().addCallback(stopped.append)
    assert (stopped, harness.source.calls) == ([None], ["start", "stop"])
    receiver.picture(tiny_jpeg(), 0)
    receiver.failed(SourceError("it hung up"))
    assert (harness.frames, harness.stats.failed) == (frames, 0)
    assert harness.clock.getDelayedCalls() == []


def test_a_capture_that_has_stopped_leaves_nothing_behind() -> None:
    """It is freed at once, and the last picture with it."""
    harness = PushHarness().go()
    harness.source.send()
    harness.capture.stop()
    left = weakref.ref(harness.capture)
    gc.disable()
    try:
        del harness.capture
        assert left() is None
    finally:
        gc.enable()


def test_told_of_a_new_mode_each_time_it_is_started() -> None:
    """A camera that comes back with another size says so."""
    harness = PushHarness().go()
    harness.source.send()
    first = harness.capture.mode
    assert harness.source.receiver is not None
    harness.source.receiver.failed(SourceError("it hung up"))
    harness.run(1.1)
    harness.source.send()
    assert harness.capture.mode is not first
    assert harness.capture.mode == replace(GIVEN, fps=None, format="MJPG")


# ---- Pictures of another camd


def taken(harness: PushHarness, number: int, age: float = 0) -> Stamp:
    """What a camd whose clock is an hour ahead calls a picture."""
    return Stamp(number, EPOCH + 3600 + harness.clock.seconds() - age)


def test_stamps_are_passed_on() -> None:
    """A picture of another camd keeps its number and its time, and is as old here."""
    harness = PushHarness().go()
    harness.run(1)
    stamp = taken(harness, 4711, age=0.5)
    harness.source.send(age=0.5, stamp=stamp)
    (frame,) = harness.frames
    assert (frame.number, frame.timestamp) == stamp
    assert harness.clock.seconds() - frame.captured == 0.5
    assert harness.stats.published == 1


@pytest.mark.parametrize("is_redrawn", [False, True])
def test_its_repeats_are_no_new_pictures(is_redrawn: bool) -> None:
    """What another camd sends twice is published once, on the next connection too."""
    harness = PushHarness(is_redrawn=is_redrawn).go()
    stamp = taken(harness, 7)
    for _ in range(3):
        harness.run(1)
        harness.source.send(stamp=stamp)
    harness.receiver.failed(SourceError("it hung up"))
    harness.run(2)
    harness.source.send(stamp=stamp)
    assert [(frame.number, frame.timestamp) for frame in harness.frames] == [stamp]


def test_its_repeats_are_signs_of_life() -> None:
    """A camd that only repeats is stalled, and never given up."""
    harness = PushHarness().go()
    stamp = taken(harness, 7)
    for _ in range(12):
        harness.source.send(stamp=stamp)
        harness.run(5)
    assert (harness.state, harness.source.calls) == (State.STALLED, ["start"])


def test_it_begins_again() -> None:
    """When its numbers begin again, its pictures go on."""
    harness = PushHarness().go()
    for number in (900, 901, 1, 2):
        harness.source.send(stamp=taken(harness, number))
        harness.run(INTERVAL)
    assert [frame.number for frame in harness.frames] == [900, 901, 1, 2]


def test_the_time_there() -> None:
    """Who is behind this one is told the time that its pictures are dated by."""
    harness = PushHarness().go()
    assert harness.capture.origin_time() is None
    harness.source.send(age=0.25, stamp=taken(harness, 1, age=0.25))
    harness.run(10)
    assert harness.capture.origin_time() == EPOCH + 3600 + 10


@pytest.mark.parametrize("state", ["offline", "stalled", "starting"])
def test_its_states_are_told(state: str) -> None:
    """Trouble there is trouble here at once, with its reason, until a picture comes."""
    harness = PushHarness().go()
    harness.run(1, FPS)
    harness.receiver.upstream(state, "no such device")
    assert harness.state.value == state
    text = f"the origin's camera is {state}: no such device"
    if state != "starting":
        assert harness.stats.last_error == text
    harness.receiver.upstream("live", None)
    assert harness.state.value == state
    harness.source.send(stamp=taken(harness, 1))
    assert (harness.state, harness.stats.last_error) == (State.LIVE, None)


def test_an_unknown_state() -> None:
    """A state that only a later camd knows is no good one."""
    harness = PushHarness().go()
    harness.receiver.upstream("on fire", None)
    assert harness.state is State.STALLED


def test_reasons_from_far_away() -> None:
    """Where several camds stand in a row, the reason stays as it was told first."""
    harness = PushHarness().go()
    why = "the origin's camera is offline: no such device"
    harness.receiver.upstream("offline", why)
    assert harness.stats.last_error == why


def test_an_old_picture_of_an_offline_camera() -> None:
    """The last picture of a camera that is offline there makes it nothing else here."""
    harness = PushHarness().go()
    harness.receiver.upstream("offline", "no such device")
    harness.source.send(age=20, stamp=taken(harness, 7, age=20))
    harness.run(5)
    assert harness.state is State.OFFLINE
    assert [frame.number for frame in harness.frames] == [7]


def test_a_fresh_picture_of_a_camera_that_died_just_now() -> None:
    """When no other one comes, the camera is what it is there."""
    harness = PushHarness().go()
    harness.receiver.upstream("offline", "no such device")
    harness.source.send(age=1, stamp=taken(harness, 7, age=1))
    harness.run(3)
    assert harness.state is State.OFFLINE


def test_trouble_of_the_link() -> None:
    """What fails between two camds is told apart from what fails there."""
    harness = PushHarness().go()
    harness.receiver.upstream("live", None)
    assert harness.capture.link is LinkState.UP
    harness.run(LINK_SILENT)
    assert harness.capture.link is LinkState.STALLED
    harness.receiver.heard()
    assert harness.capture.link is LinkState.UP
    harness.receiver.failed(SourceError("it hung up"))
    assert harness.capture.link is LinkState.OFFLINE
    assert harness.capture.origin is None
    assert harness.stats.last_error == "it hung up"


def test_a_camera_of_ones_own_has_no_link() -> None:
    """Nothing is told of links where there is none."""
    harness = PushHarness().go()
    harness.source.send()
    harness.receiver.failed(SourceError("it hung up"))
    assert harness.capture.link is None


def test_snapshots_of_a_camera_that_is_offline_there() -> None:
    """There is none, and nobody waits for it."""
    harness = PushHarness()
    harness.capture.start()
    harness.receiver.upstream("offline", "no such device")
    refused: list[str] = []
    asked = harness.capture.snapshot()
    asked.addErrback(lambda failure: refused.append(failure.getErrorMessage()))
    assert refused == ["the origin's camera is offline: no such device"]


def test_its_placeholders_are_placeholders() -> None:
    """What it shows in place of a picture keeps its time and its state."""
    harness = PushHarness().go()
    harness.receiver.upstream("offline", None)
    harness.receiver.placeholder(OTHER, EPOCH - 30)
    (shown,) = harness.placeholders
    assert (shown.jpeg, shown.number, shown.state) == (OTHER, 0, "offline")
    assert shown.timestamp == EPOCH - 30
    assert (harness.frames, harness.stats.captured) == ([], 0)


def test_a_placeholder_ahead_of_its_reason() -> None:
    """One that comes while the camera counts as live is left out, and so is garbage."""
    harness = PushHarness().go()
    harness.receiver.upstream("live", None)
    harness.receiver.placeholder(OTHER, EPOCH)
    harness.receiver.upstream("offline", None)
    harness.receiver.placeholder(b"garbage", EPOCH)
    assert harness.placeholders == []


def test_one_that_refuses() -> None:
    """What only people can change is tried no more often than each half a minute."""
    harness = PushHarness().go()
    harness.receiver.failed(Refused("it refuses this key"))
    harness.run(29.5)
    assert harness.source.calls.count("start") == 1
    harness.run(1)
    assert harness.source.calls.count("start") == 2


# ---- Renditions that another camd has made

HALF = Rendition.parse("1/2@65")
SMALL = encode(16, 12)


class Relayed(PushHarness):
    """A capture of another camd's camera, whose viewers want what the test says."""

    def send(self, number: int, rendition: Rendition | None = None) -> None:
        """Push a picture of this number, in a rendition or in full."""
        jpeg = tiny_jpeg() if rendition is None else SMALL
        self.receiver.opened("MJPG", None, Size(32, 24))
        now = self.clock.seconds()
        stamp = Stamp(number, 1000 + number)
        self.receiver.picture(jpeg, now, stamp, rendition=rendition)


def relayed() -> Relayed:
    """One that somebody watches, whose source has begun."""
    harness = Relayed()
    harness.go()
    return harness


def test_a_picture_in_two_renditions() -> None:
    """Both are published, under one number, and count as one."""
    harness = relayed()
    for number in range(1, 17):
        harness.send(number)
        harness.send(number, HALF)
        harness.clock.advance(INTERVAL)
    assert [(f.number, f.rendition) for f in harness.frames] == [
        (number, rendition) for number in range(1, 17) for rendition in (None, HALF)
    ]
    assert harness.frames[1].size == Size(16, 12)
    assert (harness.stats.captured, harness.stats.published) == (16, 16)


def test_a_rendition_that_is_behind() -> None:
    """It counts no picture again, and a camera that began again counts."""
    harness = relayed()
    for number in (5, 6, 7):
        harness.send(number)
        harness.clock.advance(INTERVAL)
    harness.send(6, HALF)
    assert harness.stats.captured == 3
    harness.clock.advance(2)
    harness.send(1, HALF)
    assert harness.stats.captured == 4


def test_the_mode_is_the_full_pictures() -> None:
    """Though none of these has come."""
    harness = relayed()
    harness.send(1, HALF)
    mode = harness.capture.mode
    assert mode is not None
    assert (mode.width, mode.height) == (32, 24)


@pytest.mark.parametrize("size", [Size(0, 0), Size(65535, 65535)])
def test_a_size_that_no_picture_may_have(size: Size) -> None:
    """It is not believed: placeholders are drawn as large as the mode says."""
    harness = relayed()
    harness.receiver.opened("MJPG", None, size)
    now, stamp = harness.clock.seconds(), Stamp(1, 1001)
    harness.receiver.picture(SMALL, now, stamp, rendition=HALF)
    mode = harness.capture.mode
    assert mode is not None
    assert (mode.width, mode.height) == (16, 12)


def test_each_rendition_has_its_own_rate() -> None:
    """What comes twice as fast as the stream is taken half of the time, of each."""
    harness = relayed()
    for number in range(1, 65):
        harness.send(number)
        harness.send(number, HALF)
        harness.clock.advance(INTERVAL / 2)
    small = [frame for frame in harness.frames if frame.rendition]
    assert len(small) == pytest.approx(32, abs=2)
    assert len(harness.frames) - len(small) == pytest.approx(32, abs=2)


def test_a_snapshot_is_a_full_picture() -> None:
    """Beside smaller ones it is waited for, and asked for."""
    harness = relayed()
    harness.send(1, HALF)
    got: list[Frame] = []
    harness.capture.snapshot().addCallback(got.append)
    assert None in harness.receiver.wanted()
    harness.clock.advance(INTERVAL)
    harness.send(2, HALF)
    assert got == []
    harness.clock.advance(INTERVAL)
    harness.send(3)
    assert [frame.number for frame in got] == [3]


def test_nothing_is_wanted_at_rest() -> None:
    """A small one is a sign of life then, and no frame."""
    harness = relayed()
    assert list(harness.receiver.wanted()) == [None]
    harness.capture.rest()
    assert list(harness.receiver.wanted()) == []
    harness.clock.advance(1)
    harness.send(1, HALF)
    assert harness.frames == []
    assert harness.stats.captured == 1
