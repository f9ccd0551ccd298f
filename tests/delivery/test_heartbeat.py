"""Streams are kept alive while the camera is silent, and dead ones are let go."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from camd.delivery.heartbeat import GRACE, Heartbeat
from camd.delivery.viewer import ClientInfo, StreamLimits, Viewer
from camd.frame import Frame
from tests.fakes import NOBODY, PLAIN, FakeOutlet, failures, frame

FPS = 10
OVERDUE = 0.15
"""Seconds after which a frame is overdue at :data:`FPS`."""


class Room:
    """A heartbeat on a clock by hand, and those it cares for."""

    def __init__(self, interval: float = 5, fps: float = FPS) -> None:
        self.clock = Clock()
        self.newest: Frame | None = None
        self.placeholder: Frame | None = None
        self.heartbeat = Heartbeat(self.clock, interval, fps)
        self.heartbeat.start()

    def admit(self, outlet: FakeOutlet | None = None) -> tuple[Viewer, FakeOutlet]:
        """Let a viewer in, whose opening leaves at once."""
        outlet = outlet or FakeOutlet()
        viewer = Viewer(
            ClientInfo(1, "", "", 0, NOBODY),
            outlet,
            self.clock.seconds,
            StreamLimits(2, 30),
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
def room() -> Room:
    """A room with an interval of 5 s, at 10 frames a second."""
    return Room()


def test_no_heartbeat_while_frames_come(room: Room) -> None:
    """A camera that keeps its time needs no heartbeat."""
    viewer, _ = room.admit()
    for number in range(1, 101):
        room.publish(number)
        room.let_pass(0.1)
    assert (viewer.sent.frames, viewer.sent.heartbeats) == (100, 0)


def test_overdue_is_repeated_once(room: Room) -> None:
    """When the next frame is overdue the last is repeated, and then not again."""
    viewer, outlet = room.admit()
    room.publish(1)
    room.let_pass(OVERDUE - 0.01)
    assert viewer.sent.heartbeats == 0
    room.let_pass(0.02)
    assert viewer.sent.heartbeats == 1
    room.let_pass(4.5)
    assert viewer.sent.heartbeats == 1
    assert outlet.sent[0] is outlet.sent[1]


def test_overdue_is_repeated_for_each_frame(room: Room) -> None:
    """A camera slower than it should be has each of its frames repeated once."""
    viewer, _ = room.admit()
    for number in range(1, 11):
        room.publish(number)
        room.let_pass(0.4)
    assert (viewer.sent.frames, viewer.sent.heartbeats) == (10, 10)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_last_of_many_is_repeated(room: Room, count: int) -> None:
    """The time runs anew with each frame: the last of a run is the one repeated."""
    viewer, outlet = room.admit()
    for number in range(1, count + 1):
        room.let_pass(0.1)
        room.publish(number)
    room.let_pass(OVERDUE - 0.01)
    assert viewer.sent.heartbeats == 0
    room.let_pass(GRACE + 0.02)
    assert viewer.sent.heartbeats == 1
    assert outlet.sent[-1] is outlet.sent[-2]


@pytest.mark.parametrize(
    ("fps", "overdue"),
    [(240, 0.1), (30, 0.1), (15, 0.1), (5, 0.3), (3, 0.25), (0.5, 0.25)],
)
def test_overdue_after_one_and_a_half_intervals(fps: float, overdue: float) -> None:
    """It is 1.5 frame intervals, 0.1 s at the least; where frames are rare, 0.25 s."""
    room = Room(fps=fps)
    viewer, _ = room.admit()
    room.publish(1)
    room.clock.advance(overdue * 0.99)
    assert viewer.sent.heartbeats == 0
    room.clock.advance(overdue * 0.02)
    assert viewer.sent.heartbeats == 1


def test_overdue_follows_the_camera(room: Room) -> None:
    """A camera slower than the stream may be is not taken for late at each frame."""
    viewer, _ = room.admit()
    for number in range(1, 11):
        room.publish(number)
        room.let_pass(0.2)
    # Only the first, when nothing was known of its pace yet.
    assert viewer.sent.heartbeats == 1
    room.let_pass(0.2 + GRACE)
    assert viewer.sent.heartbeats == 2


def test_pace_is_learnt_anew_after_a_silence(room: Room) -> None:
    """A camera that comes back is soon held to its pace again."""
    viewer, _ = room.admit()
    room.publish(1)
    room.let_pass(3)
    for number in (2, 3):
        room.publish(number)
        room.let_pass(0.1)
    before = viewer.sent.heartbeats
    room.let_pass(0.06)
    assert viewer.sent.heartbeats == before + 1


def test_heartbeats_are_logged_together(room: Room) -> None:
    """However many viewers are sent one, it is one line, for debugging."""
    for _ in range(5):
        room.admit()
    with capturedLogs() as events:
        room.publish(1)
        room.let_pass(1)
    assert [(e["log_level"].name, e["viewers"]) for e in events] == [("debug", 5)]


def test_heartbeat_after_each_interval(room: Room) -> None:
    """In a long silence the frame is repeated every interval, the same bytes."""
    viewer, outlet = room.admit()
    room.publish(1)
    room.let_pass(1)
    for heartbeats in range(2, 6):
        room.let_pass(5.6)
        assert viewer.sent.heartbeats == heartbeats
    assert len({id(block) for block in outlet.sent}) == 1


def test_interval_is_kept_within_a_tenth(room: Room) -> None:
    """No silence is longer than the interval and one look at the viewers."""
    _, outlet = room.admit()
    room.publish(1)
    last, count, longest = 0.0, 1, 0.0
    for _ in range(6000):
        room.clock.advance(0.01)
        longest = max(longest, room.clock.seconds() - last)
        if len(outlet.sent) > count:
            last, count = room.clock.seconds(), len(outlet.sent)
    assert 5 <= longest <= 5.51


def test_interval_of_nothing_means_never() -> None:
    """With 0 there is no heartbeat in a silence; the overdue repeat stays."""
    room = Room(interval=0)
    viewer, _ = room.admit()
    room.publish(1)
    room.let_pass(100)
    assert viewer.sent.heartbeats == 1


def test_who_joins_in_silence_gets_a_repeat(room: Room) -> None:
    """Who comes in the midst of silence has the frame repeated to it alone."""
    first, _ = room.admit()
    room.publish(1)
    room.let_pass(1)
    second, outlet = room.admit()
    room.let_pass(1)
    assert (first.sent.heartbeats, second.sent.heartbeats) == (1, 1)
    assert outlet.sent[0] is outlet.sent[1]


@pytest.mark.parametrize("later", [0.01, 0.05, 0.1, 0.14, 0.16])
def test_who_joins_around_the_last_frame_gets_one_repeat(
    room: Room, later: float
) -> None:
    """However soon it comes after the last frame, it is repeated once."""
    room.admit()
    room.publish(1)
    room.let_pass(later)
    viewer, _ = room.admit()
    room.let_pass(1)
    assert viewer.sent.heartbeats == 1


def test_placeholder_before_the_first_frame(room: Room) -> None:
    """A viewer that has waited an interval is shown the placeholder, until a frame."""
    viewer, outlet = room.admit()
    room.placeholder = frame(0)
    room.let_pass(4.9)
    assert outlet.sent == []
    room.let_pass(0.7)
    assert outlet.sent == [room.placeholder.block(PLAIN)]
    room.publish(1)
    assert outlet.sent[-1] is viewer.last.block(PLAIN)  # type: ignore[union-attr]
    assert (viewer.sent.frames, viewer.sent.heartbeats) == (1, 1)


def test_nothing_without_any_frame(room: Room) -> None:
    """With neither frame nor placeholder a viewer waits, and nothing is sent."""
    viewer, outlet = room.admit()
    room.let_pass(20)
    assert outlet.sent == []
    assert outlet.aborted == 0
    assert viewer.sent.heartbeats == 0


def test_not_while_busy(room: Room) -> None:
    """To a viewer with a frame under way no heartbeat is sent."""
    viewer, _ = room.admit(FakeOutlet(full=True))
    room.publish(1)
    room.let_pass(20)
    assert viewer.sent.heartbeats == 0


def test_stalled_viewer_is_let_go(room: Room) -> None:
    """A viewer without progress is aborted after the time-out, and no other."""
    stalled, bad = room.admit(FakeOutlet(full=True))
    _, good = room.admit()
    room.publish(1)
    room.let_pass(29.4)
    assert bad.aborted == 0
    room.let_pass(1.2)
    assert bad.aborted > 0
    assert stalled.reason == "stalled"
    assert good.aborted == 0


def test_stalled_viewer_is_let_go_without_heartbeats() -> None:
    """Progress is watched too when there are no heartbeats."""
    room = Room(interval=0)
    _, outlet = room.admit(FakeOutlet(full=True))
    room.publish(1)
    room.let_pass(32)
    assert outlet.aborted > 0


def test_who_left_is_not_cared_for(room: Room) -> None:
    """After leaving nothing is sent, looked at, or due; leaving again is no harm."""
    room.publish(1)
    viewer, outlet = room.admit()
    room.heartbeat.remove(viewer)
    room.heartbeat.remove(viewer)
    room.let_pass(40)
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


def test_trouble_in_a_look_stays_with_one(room: Room) -> None:
    """A viewer that fails in the loop is logged and cut; the loop goes on."""
    room.publish(1)
    room.let_pass(1)
    outlet = Broken()
    viewer, _ = room.admit(outlet)
    good, _ = room.admit()
    room.let_pass(1)
    outlet.fails = True
    with capturedLogs() as events:
        room.let_pass(11)
    assert failures(events) == ["broken outlet"]
    assert (viewer.reason, outlet.aborted) == ("failed", 1)
    assert good.sent.heartbeats == 3


def test_trouble_when_overdue_stays_with_one(room: Room) -> None:
    """A viewer that fails when the frame is overdue keeps it from no other."""
    outlet = Broken()
    viewer, _ = room.admit(outlet)
    good, _ = room.admit()
    room.publish(1)
    outlet.fails = True
    with capturedLogs() as events:
        room.let_pass(1)
    assert failures(events) == ["broken outlet"]
    assert (viewer.reason, outlet.aborted) == ("failed", 1)
    assert good.sent.heartbeats == 1


def test_loop_survives_a_viewer_that_cannot_even_be_cut(room: Room) -> None:
    """An exception while cutting a viewer does not end the loop either."""

    class Stubborn(FakeOutlet):
        def abort(self) -> None:
            raise RuntimeError("cannot be cut")

    room.admit(Stubborn(full=True))
    good, _ = room.admit()
    room.publish(1)
    with capturedLogs() as events:
        room.let_pass(40)
    assert failures(events) == ["cannot be cut"]
    assert good.sent.heartbeats == 8


def test_stop_leaves_nothing_behind(room: Room) -> None:
    """After stop no call is due, whoever is there and whatever was pending."""
    room.admit()
    room.publish(1)
    room.heartbeat.stop()
    assert room.clock.getDelayedCalls() == []
    room.heartbeat.stop()


def test_stop_before_any_frame() -> None:
    """A heartbeat that never started can be stopped."""
    clock = Clock()
    Heartbeat(clock, 5, 10).stop()
    assert clock.getDelayedCalls() == []
