"""Streams are kept alive while the camera is silent, and dead ones are let go."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from camd.delivery.heartbeat import GRACE, Heartbeat
from camd.delivery.viewer import StreamLimits, Viewer
from camd.frame import Frame
from camd.periodic import SLICE
from tests.fakes import CLIENT, PLAIN, FakeOutlet, failures, frame

FPS = 10
OVERDUE = 0.15
"""Seconds after which a frame is overdue at :data:`FPS`."""


class HeartbeatHarness:
    """A heartbeat on a clock by hand, and those it cares for."""

    def __init__(self, interval: float = 5, fps: float = FPS) -> None:
        self.clock = Clock()
        self.newest: Frame | None = None
        self.placeholder: Frame | None = None
        self.heartbeat = Heartbeat(self.clock, interval, fps)
        self.heartbeat.start()

    def admit(
        self, outlet: FakeOutlet | None = None, fps: float = 0
    ) -> tuple[Viewer, FakeOutlet]:
        """Let a viewer in, whose opening leaves at once."""
        outlet = outlet or FakeOutlet()
        viewer = Viewer(
            CLIENT,
            outlet,
            self.clock.seconds,
            StreamLimits(2, 30),
            fps=fps,
        )
        self.heartbeat.add(viewer)
        viewer.open(lambda: self.newest or self.placeholder)
        outlet.drain()
        return viewer, outlet

    def publish(self, number: int) -> None:
        """Show a frame to all, as the camera's feed does."""
        self.newest = frame(number, self.clock.seconds())
        for viewer in self.heartbeat.viewers:
            viewer.offer(self.newest, self.clock.seconds())
        self.heartbeat.published()

    def let_pass(self, seconds: float) -> None:
        """Let the time go on in small steps, as timers see it."""
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)


@pytest.fixture
def harness() -> HeartbeatHarness:
    """A heartbeat with an interval of 5 s, at 10 frames a second."""
    return HeartbeatHarness()


def test_no_heartbeat_while_frames_come(harness: HeartbeatHarness) -> None:
    """A camera that keeps its time needs no heartbeat."""
    viewer, _ = harness.admit()
    for number in range(1, 101):
        harness.publish(number)
        harness.let_pass(0.1)
    assert (viewer.sent.frames, viewer.sent.heartbeats) == (100, 0)


class SlowOutlet(FakeOutlet):
    """One that takes its time for the fourth block, in which a frame comes."""

    def __init__(self, harness: HeartbeatHarness) -> None:
        super().__init__()
        self._harness = harness

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Keep the block, and let the time go on."""
        is_taken = super().send(block, sent)
        if len(self.sent) == 4:
            self._harness.publish(4)
            self._harness.clock.rightNow += 2 * OVERDUE
        return is_taken


def test_overdue_amid_a_sweep(harness: HeartbeatHarness) -> None:
    """A frame that comes while the last one is repeated to many is repeated too."""
    viewer, _ = harness.admit()
    for _ in range(SLICE):
        harness.admit()
    harness.admit(SlowOutlet(harness))
    for _ in range(SLICE):
        harness.admit()
    for number in range(1, 4):
        harness.publish(number)
        harness.let_pass(1 / FPS)
    harness.let_pass(1)
    assert (viewer.sent.frames, viewer.sent.heartbeats) == (4, 2)


def test_overdue_is_repeated_once(harness: HeartbeatHarness) -> None:
    """When the next frame is overdue the last is repeated, and then not again."""
    viewer, outlet = harness.admit()
    harness.publish(1)
    harness.let_pass(OVERDUE - 0.01)
    assert viewer.sent.heartbeats == 0
    harness.let_pass(0.02)
    assert viewer.sent.heartbeats == 1
    harness.let_pass(4.5)
    assert viewer.sent.heartbeats == 1
    assert outlet.sent[0] is outlet.sent[1]


def test_overdue_is_repeated_for_each_frame(harness: HeartbeatHarness) -> None:
    """A camera slower than it should be has each of its frames repeated once."""
    viewer, _ = harness.admit()
    for number in range(1, 11):
        harness.publish(number)
        harness.let_pass(0.4)
    assert (viewer.sent.frames, viewer.sent.heartbeats) == (10, 10)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_last_of_many_is_repeated(harness: HeartbeatHarness, count: int) -> None:
    """The time begins again with each frame: the last of a run is the one repeated."""
    viewer, outlet = harness.admit()
    for number in range(1, count + 1):
        harness.let_pass(0.1)
        harness.publish(number)
    harness.let_pass(OVERDUE - 0.01)
    assert viewer.sent.heartbeats == 0
    harness.let_pass(GRACE + 0.02)
    assert viewer.sent.heartbeats == 1
    assert outlet.sent[-1] is outlet.sent[-2]


@pytest.mark.parametrize(
    ("fps", "overdue"),
    [(240, 0.1), (30, 0.1), (15, 0.1), (5, 0.3), (3, 0.25), (0.5, 0.25)],
)
def test_overdue_after_one_and_a_half_intervals(fps: float, overdue: float) -> None:
    """It is 1.5 frame intervals, 0.1 s at the least; where frames are rare, 0.25 s."""
    harness = HeartbeatHarness(fps=fps)
    viewer, _ = harness.admit()
    harness.publish(1)
    harness.clock.advance(overdue * 0.99)
    assert viewer.sent.heartbeats == 0
    harness.clock.advance(overdue * 0.02)
    assert viewer.sent.heartbeats == 1


def test_overdue_follows_the_camera(harness: HeartbeatHarness) -> None:
    """A camera slower than the stream may be is not taken for late at each frame."""
    viewer, _ = harness.admit()
    for number in range(1, 11):
        harness.publish(number)
        harness.let_pass(0.2)
    # Only the first, when nothing was known of its pace yet.
    assert viewer.sent.heartbeats == 1
    harness.let_pass(0.2 + GRACE)
    assert viewer.sent.heartbeats == 2


def test_pace_is_learnt_again_after_a_silence(harness: HeartbeatHarness) -> None:
    """A camera that comes back is soon held to its pace again."""
    viewer, _ = harness.admit()
    harness.publish(1)
    harness.let_pass(3)
    for number in (2, 3):
        harness.publish(number)
        harness.let_pass(0.1)
    before = viewer.sent.heartbeats
    harness.let_pass(0.06)
    assert viewer.sent.heartbeats == before + 1


@pytest.mark.parametrize(("fps", "heartbeats"), [(0, 0), (5, 0), (1, 1), (0.1, 1)])
def test_each_frame_of_few_is_repeated(
    harness: HeartbeatHarness, fps: float, heartbeats: int
) -> None:
    """A viewer that wants few frames gets each twice, as others would show it late."""
    viewer, _ = harness.admit(fps=fps)
    harness.let_pass(1)
    harness.publish(1)
    last = viewer.last
    for _ in range(15):
        # The camera goes on, with frames that this viewer is not due.
        harness.let_pass(0.1)
        harness.heartbeat.published()
    assert viewer.last is last
    assert viewer.sent.heartbeats == heartbeats


def test_heartbeats_are_logged_together(harness: HeartbeatHarness) -> None:
    """However many viewers are sent one, it is one line, for debugging."""
    for _ in range(5):
        harness.admit()
    with capturedLogs() as events:
        harness.publish(1)
        harness.let_pass(1)
    assert [(e["log_level"].name, e["viewers"]) for e in events] == [("debug", 5)]


def test_heartbeat_after_each_interval(harness: HeartbeatHarness) -> None:
    """In a long silence the frame is repeated every interval, the same bytes."""
    viewer, outlet = harness.admit()
    harness.publish(1)
    harness.let_pass(1)
    for heartbeats in range(2, 6):
        harness.let_pass(5.6)
        assert viewer.sent.heartbeats == heartbeats
    assert len({id(block) for block in outlet.sent}) == 1


def test_interval_is_kept_within_a_tenth(harness: HeartbeatHarness) -> None:
    """No silence is longer than the interval and one look at the viewers."""
    _, outlet = harness.admit()
    harness.publish(1)
    last, count, longest = 0.0, 1, 0.0
    for _ in range(6000):
        harness.clock.advance(0.01)
        longest = max(longest, harness.clock.seconds() - last)
        if len(outlet.sent) > count:
            last, count = harness.clock.seconds(), len(outlet.sent)
    assert 5 <= longest <= 5.51


def test_interval_of_nothing_means_never() -> None:
    """With 0 there is no heartbeat in a silence; the overdue repeat stays."""
    harness = HeartbeatHarness(interval=0)
    viewer, _ = harness.admit()
    harness.publish(1)
    harness.let_pass(100)
    assert viewer.sent.heartbeats == 1


def test_a_viewer_that_comes_in_silence_gets_a_repeat(
    harness: HeartbeatHarness,
) -> None:
    """A viewer that comes amid a silence has the frame repeated to it alone."""
    first, _ = harness.admit()
    harness.publish(1)
    harness.let_pass(1)
    second, outlet = harness.admit()
    harness.let_pass(1)
    assert (first.sent.heartbeats, second.sent.heartbeats) == (1, 1)
    assert outlet.sent[0] is outlet.sent[1]


@pytest.mark.parametrize("later", [0.01, 0.05, 0.1, 0.14, 0.16])
def test_a_viewer_that_comes_around_the_last_frame_gets_one_repeat(
    harness: HeartbeatHarness, later: float
) -> None:
    """However soon it comes after the last frame, it is repeated once."""
    harness.admit()
    harness.publish(1)
    harness.let_pass(later)
    viewer, _ = harness.admit()
    harness.let_pass(1)
    assert viewer.sent.heartbeats == 1


def test_placeholder_before_the_first_frame(harness: HeartbeatHarness) -> None:
    """A viewer that has waited an interval is shown the placeholder, until a frame."""
    viewer, outlet = harness.admit()
    harness.placeholder = frame(0)
    harness.let_pass(4.9)
    assert outlet.sent == []
    harness.let_pass(0.7)
    assert outlet.sent == [harness.placeholder.block(PLAIN)]
    harness.publish(1)
    assert outlet.sent[-1] is viewer.last.block(PLAIN)  # type: ignore[union-attr]
    assert (viewer.sent.frames, viewer.sent.heartbeats) == (1, 1)


def test_nothing_without_any_frame(harness: HeartbeatHarness) -> None:
    """With neither frame nor placeholder a viewer waits, and nothing is sent."""
    viewer, outlet = harness.admit()
    harness.let_pass(20)
    assert outlet.sent == []
    assert outlet.aborted == 0
    assert viewer.sent.heartbeats == 0


def test_not_while_busy(harness: HeartbeatHarness) -> None:
    """To a viewer with a frame under way no heartbeat is sent."""
    viewer, _ = harness.admit(FakeOutlet(full=True))
    harness.publish(1)
    harness.let_pass(20)
    assert viewer.sent.heartbeats == 0


def test_stalled_viewer_is_cut_off(harness: HeartbeatHarness) -> None:
    """A viewer without progress is aborted after the time-out, and no other."""
    stalled, bad = harness.admit(FakeOutlet(full=True))
    _, good = harness.admit()
    harness.publish(1)
    harness.let_pass(29.4)
    assert bad.aborted == 0
    harness.let_pass(1.2)
    assert bad.aborted > 0
    assert stalled.reason == "stalled"
    assert good.aborted == 0


def test_stalled_viewer_is_cut_off_without_heartbeats() -> None:
    """Progress is watched too when there are no heartbeats."""
    harness = HeartbeatHarness(interval=0)
    _, outlet = harness.admit(FakeOutlet(full=True))
    harness.publish(1)
    harness.let_pass(32)
    assert outlet.aborted > 0


def test_a_viewer_that_left_is_not_cared_for(harness: HeartbeatHarness) -> None:
    """After leaving nothing is sent, looked at, or due; leaving again is no harm."""
    harness.publish(1)
    viewer, outlet = harness.admit()
    harness.heartbeat.remove(viewer)
    harness.heartbeat.remove(viewer)
    harness.let_pass(40)
    assert len(outlet.sent) == 1
    assert outlet.aborted == 0


class Broken(FakeOutlet):
    """Fails at what it is told to fail at."""

    fails = False

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Fail, or send."""
        if self.fails:
            raise RuntimeError("broken outlet")
        return super().send(block)


def test_trouble_in_a_look_stays_with_one(harness: HeartbeatHarness) -> None:
    """A viewer that fails in the loop is logged and cut; the loop goes on."""
    harness.publish(1)
    harness.let_pass(1)
    outlet = Broken()
    viewer, _ = harness.admit(outlet)
    good, _ = harness.admit()
    harness.let_pass(1)
    outlet.fails = True
    with capturedLogs() as events:
        harness.let_pass(11)
    assert failures(events) == ["broken outlet"]
    assert (viewer.reason, outlet.aborted) == ("failed", 1)
    assert good.sent.heartbeats == 3


def test_trouble_when_overdue_stays_with_one(harness: HeartbeatHarness) -> None:
    """A viewer that fails when the frame is overdue keeps it from no other."""
    outlet = Broken()
    viewer, _ = harness.admit(outlet)
    good, _ = harness.admit()
    harness.publish(1)
    outlet.fails = True
    with capturedLogs() as events:
        harness.let_pass(1)
    assert failures(events) == ["broken outlet"]
    assert (viewer.reason, outlet.aborted) == ("failed", 1)
    assert good.sent.heartbeats == 1


def test_loop_survives_a_viewer_that_cannot_even_be_cut(
    harness: HeartbeatHarness,
) -> None:
    """An exception while cutting a viewer does not end the loop either."""

    class Stubborn(FakeOutlet):
        def abort(self) -> None:
            raise RuntimeError("cannot be cut")

    harness.admit(Stubborn(full=True))
    good, _ = harness.admit()
    harness.publish(1)
    with capturedLogs() as events:
        harness.let_pass(40)
    assert failures(events) == ["cannot be cut"]
    assert good.sent.heartbeats == 8


def test_stop_leaves_nothing_behind(harness: HeartbeatHarness) -> None:
    """After stop no call is due, whoever is there and whatever was pending."""
    harness.admit()
    harness.publish(1)
    harness.heartbeat.stop()
    assert harness.clock.getDelayedCalls() == []
    harness.heartbeat.stop()


def test_stop_before_any_frame() -> None:
    """A heartbeat that never started can be stopped."""
    clock = Clock()
    Heartbeat(clock, 5, 10).stop()
    assert clock.getDelayedCalls() == []
