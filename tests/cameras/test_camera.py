"""One camera with its viewers: who shares what, who is shown what, and the end."""

from __future__ import annotations

import math
from typing import Any

import pytest
from twisted.internet.defer import Deferred, TimeoutError
from twisted.logger import LogLevel, capturedLogs

from camd.cameras.camera import DRAIN
from camd.cameras.pipeline import RELEASE
from camd.capture.health import State
from camd.frame import Frame
from camd.periodic import PeriodicCall
from camd.sources import SourceError
from camd.stats import ViewerCount
from tests.fakes_camera import (
    EPOCH,
    FPS,
    CameraHarness,
    FakeEnvironment,
    FakePushSource,
    said,
)


def results(asked: Deferred[Frame]) -> list[Any]:
    """What came of it so far: nothing, a frame, or an exception."""
    got: list[Any] = []
    asked.addCallbacks(got.append, lambda failure: got.append(failure.value))
    return got


# ---- Who shares what


def test_one_capture_for_all() -> None:
    """However many watch, each picture is taken once, and all get the same bytes."""
    harness = CameraHarness()
    viewers = [harness.visit() for _ in range(5)]
    read = harness.source.calls.count("read")
    harness.environment.run(1)
    assert harness.source.calls.count("read") == read + FPS
    assert len(harness.environment.sources) == 1
    first, *others = (harness.sent(viewer) for viewer in viewers)
    assert len(first) >= FPS
    for other in others:
        assert all(a is b for a, b in zip(first, other, strict=True))


def test_who_comes_later_is_shown_the_newest_at_once() -> None:
    """A viewer who joins others gets the frame that they saw last."""
    harness = CameraHarness()
    one = harness.visit()
    harness.environment.run(1)
    other = harness.visit()
    assert harness.sent(other)[0] is harness.sent(one)[-1]
    assert harness.source.calls.count("read") == 2 + FPS


def test_capture_rests_when_the_last_one_has_gone() -> None:
    """Frames are brought in until the last viewer leaves, and then no more."""
    harness = CameraHarness()
    one, other = harness.visit(), harness.visit()
    harness.camera.remove_viewer(one)
    assert harness.camera.pipeline.capture.awake
    harness.camera.remove_viewer(other)
    published = harness.camera.stats.published
    harness.environment.run(3)
    assert harness.camera.stats.published == published


def test_no_old_frame_after_a_rest() -> None:
    """Who comes when nobody watched is not shown what was seen last time."""
    harness = CameraHarness()
    one = harness.visit()
    harness.environment.run(1)
    harness.camera.remove_viewer(one)
    harness.environment.run(1.2)
    harness.thread.takes = None
    late = harness.visit()
    harness.environment.run(1)
    assert harness.sent(late) == []
    harness.thread.finish()
    (block,) = harness.sent(late)
    assert b"X-Frame: %d\r\n" % harness.camera.stats.published in block
    assert block not in harness.sent(one)


def test_what_is_due_soon_is_done_with_a_frame() -> None:
    """So that the process, which sleeps between two, is not woken up for it."""
    harness = CameraHarness()
    harness.visit()
    clock, times = harness.environment.clock, []
    periodic = PeriodicCall(lambda: times.append(clock.seconds()), clock)
    periodic.start(1, now=False)
    harness.environment.run(3)
    periodic.stop()
    assert len(times) == 3
    assert all(0 < math.ceil(moment) - moment <= 1 / FPS for moment in times)


# ---- Each with a feed of its own, for comparison


def test_without_the_cache_each_has_a_source() -> None:
    """With enable_frame_cache: false every viewer opens, reads and encodes alone."""
    harness = CameraHarness(enable_frame_cache=False)
    for _ in range(3):
        harness.visit()
    harness.environment.run(1)
    shared, *own = harness.environment.sources
    assert len(own) == 3
    assert all(source.calls.count("read") > FPS for source in own)
    assert shared.calls.count("read") <= 3


def test_without_the_cache_a_source_goes_with_its_viewer() -> None:
    """The source is closed, its thread ended and its viewer told of nothing more."""
    harness = CameraHarness(enable_frame_cache=False)
    gone, here = harness.visit(), harness.visit()
    harness.environment.run(1)
    harness.camera.remove_viewer(gone)
    sent = len(harness.sent(gone))
    harness.environment.run(1)
    assert [source.is_open for source in harness.environment.sources] == [
        True,
        False,
        True,
    ]
    assert [thread.stops for thread in harness.environment.threads] == [0, 1, 0]
    assert len(harness.sent(gone)) == sent
    assert len(harness.sent(here)) > FPS


def test_without_the_cache_the_end() -> None:
    """At shutdown every source is closed and every thread is told to end once."""
    harness = CameraHarness(enable_frame_cache=False)
    viewers = [harness.visit(), harness.visit()]
    harness.environment.run(1)
    stopped = harness.stop()
    for viewer in viewers:
        harness.camera.remove_viewer(viewer)
    harness.environment.run(1)
    assert len(stopped) == 1
    assert not any(source.is_open for source in harness.environment.sources)
    assert [thread.stops for thread in harness.environment.threads] == [1, 1, 1]


@pytest.mark.parametrize("source", ["0", "/dev/video0", "/dev/v4l/by-id/usb-cam"])
def test_a_device_keeps_its_cache(source: str) -> None:
    """It can be opened once only, so that all share it; the log says so, once."""
    with capturedLogs() as events:
        harness = CameraHarness(enable_frame_cache=False, source=source)
        for _ in range(3):
            harness.visit()
    assert len(harness.environment.sources) == 1
    assert len([line for line in said(events) if "opened once only" in line]) == 1


# ---- Silence


def test_the_last_frame_comes_again_when_the_next_is_overdue() -> None:
    """It is sent once more, soon, for clients that show one only when more comes."""
    harness = CameraHarness()
    viewer = harness.visit()
    harness.environment.run(1)
    harness.thread.takes = None
    harness.environment.run(1)
    *_, last, again = harness.sent(viewer)
    assert again is last
    assert (viewer.sent.frames, viewer.sent.heartbeats) == (FPS + 1, 1)


def test_a_camera_that_hangs() -> None:
    """Its viewers stay and get heartbeats; a camera beside it is not held up."""
    environment = FakeEnvironment()
    bad = CameraHarness(environment=environment, heartbeat_interval=1, offline_after=60)
    good = CameraHarness(environment=environment, name="door", heartbeat_interval=1)
    waiting, watching = bad.visit(), good.visit()
    environment.run(1)
    bad.thread.takes = None
    environment.run(1 / FPS)
    sent, seen = waiting.sent.frames, watching.sent.frames
    environment.run(10)
    assert bad.camera.state is State.STALLED
    assert (waiting.sent.frames, bad.outlets[waiting].aborted) == (sent, 0)
    assert waiting.sent.heartbeats >= 8
    assert watching.sent.frames >= seen + 9 * FPS
    assert good.camera.state is State.LIVE


def test_a_camera_that_fails_keeps_its_viewers() -> None:
    """A viewer stays through an outage and goes on where the camera does."""
    harness = CameraHarness()
    viewer = harness.visit()
    harness.environment.run(1)
    harness.source.reads.append(SourceError("unplugged"))
    harness.source.opens.extend([SourceError("no such device")] * 3)
    harness.environment.run(10)
    assert harness.camera.state is State.OFFLINE
    frames = viewer.sent.frames
    harness.environment.run(10)
    assert harness.camera.state is State.LIVE
    assert viewer.sent.frames > frames
    assert harness.outlets[viewer].aborted == 0


# ---- Counts and log lines


def test_the_line_of_arrival() -> None:
    """The log tells who came, and how many there are."""
    harness = CameraHarness()
    with capturedLogs() as events:
        harness.visit()
        harness.visit("VLC/3.0.24")
    assert said(events)[1] == (
        "Client 2 connected to robot from 192.0.2.7 (VLC/3.0.24). "
        "Total active clients: 2"
    )


def test_the_line_of_departure() -> None:
    """The log tells who left, when, after how many frames, why, and who is left."""
    harness = CameraHarness()
    viewers = [harness.visit() for _ in range(5)]
    harness.environment.run(2)
    viewers[2].reason = "stalled"
    with capturedLogs() as events:
        harness.camera.remove_viewer(viewers[2])
    assert said(events) == [
        "Client 3 disconnected after 2.0 s, 33 frames: stalled. Total active clients: 4"
    ]


def test_a_client_that_closed() -> None:
    """Without another reason it was the client who ended the stream."""
    harness = CameraHarness()
    viewer = harness.visit()
    with capturedLogs() as events:
        harness.camera.remove_viewer(viewer)
    assert said(events) == [
        "Client 1 disconnected after 0.0 s, 1 frames: closed by the client. "
        "Total active clients: 0"
    ]


def test_viewers_are_counted_over_all_cameras() -> None:
    """Numbers and totals are the daemon's, lists of viewers the camera's."""
    environment, viewer_count = FakeEnvironment(), ViewerCount()
    one = CameraHarness(environment=environment, viewer_count=viewer_count)
    other = CameraHarness(
        environment=environment, viewer_count=viewer_count, name="door"
    )
    first, second = one.visit(), other.visit()
    assert (first.client_info.number, second.client_info.number) == (1, 2)
    assert (viewer_count.ever, viewer_count.active) == (2, 2)
    assert list(one.camera.viewers) == [first]
    one.camera.remove_viewer(first)
    assert (viewer_count.ever, viewer_count.active) == (2, 1)
    assert list(one.camera.viewers) == []


def test_what_is_known_of_a_viewer() -> None:
    """Address and user agent are kept, and since when it is there, in Unix time."""
    harness = CameraHarness()
    harness.environment.run(3)
    client_info = harness.visit("Safari").client_info
    assert (client_info.address, client_info.user_agent) == ("192.0.2.7", "Safari")
    assert client_info.since == EPOCH + 3


def test_what_a_viewer_was_sent_is_not_forgotten() -> None:
    """Its figures are added to the camera's when it leaves."""
    harness = CameraHarness()
    viewer = harness.visit()
    harness.environment.run(1)
    harness.camera.remove_viewer(viewer)
    assert harness.camera.stats.departed.frames == viewer.sent.frames == FPS + 1
    assert harness.camera.stats.departed.bytes == sum(map(len, harness.sent(viewer)))


def test_a_congestion_control_that_is_not_there() -> None:
    """It is said once, and the camera works without."""
    with capturedLogs() as events:
        harness = CameraHarness(tcp_congestion="nosuchthing")
    warnings = [e for e in events if e["log_level"] is LogLevel.warn]
    assert said(warnings) == [
        "Camera robot: this kernel has no tcp_congestion nosuchthing; "
        "its own choice is used"
    ]
    assert len(harness.sent(harness.visit())) == 1


@pytest.mark.parametrize(
    ("source", "warnings"),
    [
        ("/dev/video0", []),
        (
            "pattern",
            [
                "Camera robot: camera_controls are for devices of this machine; they "
                "are not used"
            ],
        ),
    ],
)
def test_controls_of_what_has_none(source: str, warnings: list[str]) -> None:
    """That only devices have controls is said once, at the start."""
    with capturedLogs() as events:
        CameraHarness(source=source, camera_controls={"brightness": 1})
    assert said(e for e in events if e["log_level"] is LogLevel.warn) == warnings


# ---- Snapshots


def test_a_snapshot_while_somebody_watches() -> None:
    """It is the newest frame; nothing is taken for it."""
    harness = CameraHarness()
    harness.visit()
    harness.environment.run(1)
    read = harness.source.calls.count("read")
    (frame,) = results(harness.camera.snapshot())
    assert frame is harness.camera.newest
    assert harness.source.calls.count("read") == read


def test_a_snapshot_while_nobody_watches() -> None:
    """It is taken now, however new the last one is."""
    harness = CameraHarness()
    harness.camera.remove_viewer(harness.visit())
    harness.environment.run(0.25)
    (frame,) = results(harness.camera.snapshot())
    assert frame.captured == 0.25


def slow_camera() -> CameraHarness:
    """A camera in the network that gives a picture every 30 s; one came 7 s ago."""
    environment = FakeEnvironment()
    source = environment.push_source = FakePushSource(environment.clock)
    harness = CameraHarness(environment=environment, source="http://camera")
    for seconds in (30, 30, 7):
        source.send()
        environment.run(seconds)
    return harness


def test_the_last_picture_for_who_comes_first() -> None:
    """One that gives few is shown by what it gave, with its number and its age."""
    harness = slow_camera()
    viewer = harness.visit()
    harness.environment.run(1)
    frame = viewer.last
    assert frame is not None
    assert (frame.number, frame.captured, frame.timestamp) == (1, 60, EPOCH + 60)
    harness.camera.remove_viewer(viewer)
    harness.environment.run(10)
    other = harness.visit()
    harness.environment.run(1)
    assert other.last is frame
    assert harness.camera.state is State.LIVE


@pytest.mark.parametrize("was_shown", [False, True])
@pytest.mark.parametrize("since", [0, 3])
def test_no_picture_from_before_the_machine_slept(was_shown: bool, since: int) -> None:
    """It is of hours ago, though the clock that ages are counted by stood still."""
    harness = slow_camera()
    if was_shown:
        viewer = harness.visit()
        harness.environment.run(1)
        harness.camera.remove_viewer(viewer)
    harness.environment.slept = 3600
    harness.environment.run(since)
    viewer = harness.visit()
    snapshot = results(harness.camera.snapshot())
    harness.environment.run(2.1)
    assert viewer.last is None
    assert [type(problem) for problem in snapshot] == [TimeoutError]


def test_who_leaves_before_the_last_picture_is_shown() -> None:
    """It is shown to nobody then, and to who comes after that."""
    harness = slow_camera()
    harness.camera.remove_viewer(harness.visit())
    harness.environment.run(1)
    assert harness.camera.newest is None
    viewer = harness.visit()
    harness.environment.run(1)
    assert viewer.last is not None


def test_a_snapshot_of_a_camera_that_gives_few_pictures() -> None:
    """It is the last one, unless that is too old."""
    harness = slow_camera()
    newest = results(harness.camera.snapshot())
    recent = results(harness.camera.snapshot(max_age=10))
    newer = results(harness.camera.snapshot(max_age=5))
    harness.environment.run(0.25)
    assert [frame.captured for frame in newest + recent] == [60, 60]
    harness.environment.run(2)
    assert [type(problem) for problem in newer] == [TimeoutError]


def test_a_snapshot_of_a_camera_that_hangs() -> None:
    """It is given up after camera_timeout."""
    harness = CameraHarness(takes=None, camera_timeout=2)
    got = results(harness.camera.snapshot())
    harness.environment.run(1.9)
    assert got == []
    harness.environment.run(0.2)
    assert [type(problem) for problem in got] == [TimeoutError]


def test_no_old_snapshot_of_a_camera_that_hangs() -> None:
    """One that was faster is not shown by its last picture, which would look new."""
    harness = CameraHarness(camera_timeout=2)
    viewer = harness.visit()
    harness.environment.run(1)
    harness.thread.takes = None
    harness.camera.remove_viewer(viewer)
    got = results(harness.camera.snapshot())
    harness.environment.run(2.1)
    assert [type(problem) for problem in got] == [TimeoutError]


def test_a_snapshot_before_the_first_frame() -> None:
    """With a viewer waiting for the first frame, the snapshot waits for it, too."""
    harness = CameraHarness(takes=None)
    viewer = harness.visit()
    got = results(harness.camera.snapshot())
    harness.thread.finish()
    harness.thread.finish()
    assert [frame.number for frame in got] == [1]
    assert viewer.sent.frames == 1


# ---- The end


def test_the_end() -> None:
    """Streams end behind their part, the source is closed, the thread ends."""
    harness = CameraHarness()
    viewer = harness.visit()
    harness.environment.run(1)
    stopped = harness.stop()
    assert (viewer.reason, harness.outlets[viewer].finished) == ("shutdown", 1)
    assert (harness.source.is_open, harness.thread.stops) == (False, 1)
    assert stopped == []
    harness.camera.remove_viewer(viewer)
    assert len(stopped) == 1
    assert harness.environment.clock.getDelayedCalls() == []


def test_the_end_of_a_viewer_that_is_not_through() -> None:
    """Who takes longer than drain_seconds for the last part is cut off."""
    harness = CameraHarness()
    viewer = harness.visit()
    harness.environment.run(1)
    harness.outlets[viewer].busy = True
    stopped = harness.stop()
    harness.environment.clock.advance(DRAIN * 0.9)
    assert (stopped, harness.outlets[viewer].aborted) == ([], 0)
    harness.environment.clock.advance(DRAIN * 0.2)
    assert (stopped, harness.outlets[viewer].aborted) == ([], 1)
    harness.camera.remove_viewer(viewer)
    assert len(stopped) == 1
    assert harness.environment.clock.getDelayedCalls() == []


def test_the_end_of_a_viewer_whose_end_is_not_told() -> None:
    """Whatever becomes of its connection, the end is not put off much longer."""
    harness = CameraHarness()
    harness.visit()
    harness.environment.run(1)
    stopped = harness.stop()
    harness.environment.clock.pump([DRAIN, RELEASE])
    assert len(stopped) == 1
    assert harness.environment.clock.getDelayedCalls() == []


@pytest.mark.parametrize("watched", [False, True])
def test_the_end_of_a_camera_that_hangs(watched: bool) -> None:
    """A source that hangs in a read puts the end off by RELEASE and no more."""
    harness = CameraHarness()
    if watched:
        harness.visit()
    harness.environment.run(1)
    harness.thread.takes = None
    harness.environment.run(3)
    stopped = harness.stop()
    for viewer in list(harness.camera.viewers):
        harness.camera.remove_viewer(viewer)
    harness.environment.clock.advance(RELEASE * 0.9)
    assert stopped == []
    harness.environment.clock.advance(RELEASE * 0.2)
    assert len(stopped) == 1
    assert harness.thread.stops == 1


def test_a_read_that_ends_after_the_end() -> None:
    """It changes nothing any more, and nobody is told."""
    harness = CameraHarness()
    harness.environment.run(1)
    harness.thread.takes = None
    harness.environment.run(1)
    harness.stop()
    harness.environment.clock.advance(1)
    with capturedLogs() as events:
        harness.thread.finish()
        harness.thread.finish()
    assert list(events) == []
    assert not harness.source.is_open


def test_a_hook_is_called() -> None:
    """Of the camera's states, and of its first and last viewer."""
    harness = CameraHarness(on_event="notify")
    first, second = harness.visit(), harness.visit()
    harness.environment.run(1)
    harness.source.reads.append(SourceError("gone"))
    harness.environment.run(3)
    harness.camera.remove_viewer(first)
    harness.camera.remove_viewer(second)
    harness.environment.run(1)
    events = [event for _, event, _ in harness.environment.called]
    assert events == ["live", "first_viewer", "offline", "live", "last_viewer"]
    harness.stop()


def test_another_source_is_no_event() -> None:
    """The camera was live all the time."""
    harness = CameraHarness(on_event="notify")
    harness.environment.run(1)
    settings = harness.camera.settings.model_copy(update={"camera_fps": 5})
    harness.camera.apply(settings, 2)
    harness.environment.run(2)
    events = [event for _, event, _ in harness.environment.called]
    assert events == ["live"]
