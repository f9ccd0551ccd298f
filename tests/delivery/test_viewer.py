"""A viewer is sent the newest frame it can take, and is let go if it takes none."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from twisted.internet.task import Clock

from camd.delivery.viewer import StreamLimits, Viewer
from camd.formats.multipart import Form
from camd.frame import WIRES, Frame, Wire
from camd.stats import Sent
from tests.fakes import CLIENT, PLAIN, FakeOutlet, Tracked, frame, tracked

TIMEOUT = 30


@pytest.fixture
def clock() -> Clock:
    """The reactor's clock."""
    return Clock()


def viewer_of(
    outlet: FakeOutlet, clock: Clock, size: int = 2, max_age: float = 0
) -> Viewer:
    """A viewer that has come in before the first frame, with its opening sent."""
    viewer = Viewer(CLIENT, outlet, clock.seconds, StreamLimits(size, TIMEOUT, max_age))
    viewer.open(lambda: None)
    outlet.drain()
    return viewer


def blocks(*frames: Frame) -> list[bytes]:
    """What stands on the wire for these frames."""
    return [one.block(PLAIN) for one in frames]


def frames(count: int) -> list[Frame]:
    """Frames numbered from 1."""
    return [frame(number) for number in range(1, count + 1)]


def test_waits_for_the_opening(clock: Clock) -> None:
    """Until the headers have left nothing is sent; then the cached frame, at once."""
    outlet, one = FakeOutlet(), frame()
    viewer = Viewer(CLIENT, outlet, clock.seconds, StreamLimits(2, TIMEOUT))
    viewer.open(lambda: one)
    assert outlet.sent == []
    outlet.drain()
    assert outlet.sent == blocks(one)
    assert viewer.last is one


def test_first_frame_without_waiting(clock: Clock) -> None:
    """An outlet that took the opening at once is sent the cached frame at once."""

    class Quick(FakeOutlet):
        def open(self, ready: Callable[[], None]) -> None:
            self.busy = False

    outlet, one = Quick(), frame()
    Viewer(CLIENT, outlet, clock.seconds, StreamLimits(2, TIMEOUT)).open(lambda: one)
    assert outlet.sent == blocks(one)


def test_first_frame_is_the_newest_when_ready(clock: Clock) -> None:
    """What counts is the newest frame when the opening has left, not before."""
    outlet = FakeOutlet()
    viewer = Viewer(CLIENT, outlet, clock.seconds, StreamLimits(2, TIMEOUT))
    newest = [frame(1)]
    viewer.open(lambda: newest[0])
    newest[0] = frame(2)
    outlet.drain()
    assert outlet.sent == blocks(newest[0])


def test_first_frame_of_another_feed(clock: Clock) -> None:
    """Who has seen nothing yet begins with what the feed has that took over."""
    outlet, one = FakeOutlet(), frame(2)
    viewer = Viewer(CLIENT, outlet, clock.seconds, StreamLimits(2, TIMEOUT))
    viewer.open(lambda: frame(1))
    viewer.switch_to(lambda: one)
    outlet.drain()
    assert outlet.sent == blocks(one)


def test_waits_for_the_first_frame(clock: Clock) -> None:
    """Without a frame nothing is sent, and the first that comes is."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock)
    assert outlet.sent == []
    assert viewer.last is None
    one = frame()
    viewer.offer(one, 0)
    assert outlet.sent == blocks(one)


def test_nothing_overtakes_a_frame_that_waits(clock: Clock) -> None:
    """There is no short way past it, whatever the outlet says by now."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock)
    assert viewer.direct_send() is not None
    outlet.doubtful = True
    viewer.offer(frame(), 0)
    outlet.doubtful = False
    assert viewer.direct_send() is None
    viewer.poll(0)
    assert viewer.direct_send() is not None


def test_frame_during_the_opening_is_sent_once(clock: Clock) -> None:
    """A frame that came while the headers left is not fetched from the cache too."""
    outlet, one = FakeOutlet(), frame()
    viewer = Viewer(CLIENT, outlet, clock.seconds, StreamLimits(2, TIMEOUT))
    viewer.open(lambda: one)
    viewer.offer(one, 0)
    outlet.drain()
    assert outlet.sent == blocks(one)
    assert viewer.sent.skipped == 0


def test_cached_frame_only_in_the_beginning(clock: Clock) -> None:
    """An outlet that is ready again is not sent the frame it has had."""
    outlet, one = FakeOutlet(full=True), frame()
    viewer = Viewer(CLIENT, outlet, clock.seconds, StreamLimits(2, TIMEOUT))
    viewer.open(lambda: one)
    outlet.drain()
    outlet.drain()
    assert outlet.sent == blocks(one)


@pytest.mark.parametrize("wire", WIRES.values())
def test_sends_the_shared_object(clock: Clock, wire: Wire) -> None:
    """On each wire, what reaches the outlet is the frame's own block, not a copy."""
    outlet, one = FakeOutlet(wire), frame()
    viewer_of(outlet, clock).offer(one, 0)
    assert outlet.sent[0] is one.block(wire)


def test_idle_viewer_is_sent_every_frame(clock: Clock) -> None:
    """Who takes all is sent all, and nothing is skipped."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock)
    all_frames = frames(10)
    for one in all_frames:
        viewer.offer(one, 0)
    assert outlet.sent == blocks(*all_frames)
    assert viewer.sent == Sent(frames=10, bytes=sum(map(len, outlet.sent)))


@pytest.mark.parametrize(("size", "then"), [(1, []), (2, [9]), (3, [9]), (8, [9])])
def test_what_waits_for_a_busy_outlet(clock: Clock, size: int, then: list[int]) -> None:
    """Of nine frames the first is under way; of the others only the newest waits."""
    outlet = FakeOutlet(full=True)
    viewer = viewer_of(outlet, clock, size)
    shown = frames(9)
    for one in shown:
        viewer.offer(one, 0)
    assert outlet.sent == blocks(shown[0])
    outlet.drain(full=False)
    assert outlet.sent[1:] == blocks(*(shown[number - 1] for number in then))
    assert viewer.sent.skipped == 8 - len(then)
    assert viewer.sent.frames == 1 + len(then)


@pytest.mark.parametrize(("size", "sent", "skipped"), [(1, [], 3), (2, [3], 2)])
def test_frame_that_was_not_begun(
    clock: Clock, size: int, sent: list[int], skipped: int
) -> None:
    """Of what an outlet takes nothing of, only what may wait waits."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock, size)
    viewer.offer(frame(0), 0)
    outlet.shut = True
    for number in range(1, 4):
        viewer.offer(frame(number), 0)
    assert viewer.last is not None
    assert viewer.last.number == 0
    outlet.shut = False
    outlet.drain()
    assert outlet.sent[1:] == blocks(*map(frame, sent))
    assert viewer.sent.frames == 1 + len(sent)
    assert viewer.sent.skipped == skipped


def test_heartbeat_of_which_nothing_left(clock: Clock) -> None:
    """A repeat that the outlet takes nothing of does not count, nor end the silence."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock)
    outlet.shut = True
    viewer.switch_to(frame)
    assert not viewer.repeat(5)
    assert viewer.sent == Sent()
    assert viewer.silent_for(6) == 6


@pytest.mark.parametrize("size", [1, 2, 3])
def test_memory_of_a_stalled_viewer(clock: Clock, size: int) -> None:
    """Of 1,000 frames the one under way is held, and the newest where it may wait."""
    outlet = FakeOutlet(full=True)
    viewer = viewer_of(outlet, clock, size)
    alive: weakref.WeakSet[Tracked] = weakref.WeakSet()
    for number in range(1, 1001):
        one = tracked(number)
        alive.add(one)
        viewer.offer(one, 0)
        del one
    assert len(alive) == min(size, 2)
    assert viewer.sent.skipped == 1000 - min(size, 2)


def test_age_when_it_comes(clock: Clock) -> None:
    """A frame older than max_age is counted as skipped; one just as old is sent."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock, max_age=2)
    viewer.offer(frame(1, captured=0), 2.01)
    assert outlet.sent == []
    assert viewer.sent == Sent(skipped=1)
    assert viewer.last is None
    viewer.offer(frame(2, captured=1), 3)
    assert viewer.sent.frames == 1


def test_age_when_its_turn_comes(clock: Clock) -> None:
    """A frame that has waited too long is not sent, and the outlet stays free."""
    outlet = FakeOutlet(full=True)
    viewer = viewer_of(outlet, clock, max_age=2)
    viewer.offer(frame(1), 0)
    viewer.offer(frame(2), 0)
    clock.advance(2.5)
    outlet.drain()
    assert len(outlet.sent) == 1
    assert viewer.sent.skipped == 1
    viewer.offer(frame(3, captured=2.5), 2.5)
    assert len(outlet.sent) == 2


def test_newest_wins_over_one_too_old(clock: Clock) -> None:
    """A frame that has grown too old as it waited is replaced by the next one."""
    outlet = FakeOutlet(full=True)
    viewer = viewer_of(outlet, clock, 8, max_age=2)
    young = frame(3, captured=2)
    for one in (frame(1), frame(2), young):
        viewer.offer(one, 0)
    clock.advance(3)
    outlet.drain()
    assert outlet.sent[-1] is young.block(PLAIN)
    assert viewer.sent.skipped == 1


def test_cached_frame_may_be_too_old(clock: Clock) -> None:
    """A newcomer is not sent a cached frame that is too old either."""
    outlet = FakeOutlet()
    clock.advance(10)
    viewer = Viewer(CLIENT, outlet, clock.seconds, StreamLimits(2, TIMEOUT, 2))
    viewer.open(lambda: frame(1))
    outlet.drain()
    assert outlet.sent == []


def test_any_age_by_default(clock: Clock) -> None:
    """With max_age 0 a frame is never too old."""
    outlet = FakeOutlet()
    viewer_of(outlet, clock).offer(frame(1), 1e6)
    assert len(outlet.sent) == 1


def test_heartbeat_is_the_same_bytes(clock: Clock) -> None:
    """A repeat sends the very block again; it is counted as a heartbeat alone."""
    outlet, one = FakeOutlet(), frame()
    viewer = viewer_of(outlet, clock)
    viewer.offer(one, 0)
    assert viewer.repeat(1)
    assert outlet.sent[0] is outlet.sent[1]
    size = len(one.block(PLAIN))
    assert viewer.sent == Sent(frames=1, heartbeats=1, bytes=2 * size)


def test_no_heartbeat_while_busy(clock: Clock) -> None:
    """With something under way a repeat is not sent, not counted, and never waits."""
    outlet, one = FakeOutlet(full=True), frame()
    viewer = viewer_of(outlet, clock)
    viewer.offer(one, 0)
    assert not viewer.repeat(1)
    outlet.drain()
    assert outlet.sent == blocks(one)
    assert viewer.sent.heartbeats == 0


def test_end_while_idle(clock: Clock) -> None:
    """With nothing under way the stream ends at once."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock)
    viewer.finish_stream("camera offline")
    assert (outlet.finished, outlet.aborted, viewer.reason) == (1, 0, "camera offline")


def test_end_while_busy(clock: Clock) -> None:
    """What is under way leaves first; what waits behind it does not."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock)
    outlet.full = True
    viewer.offer(frame(1), 0)
    viewer.offer(frame(2), 0)
    viewer.finish_stream("camera offline")
    assert outlet.finished == 0
    outlet.drain()
    assert (outlet.finished, len(outlet.sent)) == (1, 1)


def test_placeholder_is_not_the_last_frame(clock: Clock) -> None:
    """A repeat of what was never sent as a frame leaves the viewer without a frame."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock)
    viewer.switch_to(lambda: frame(0))
    assert viewer.repeat(1)
    assert viewer.last is None
    assert viewer.sent.frames == 0


def test_silence(clock: Clock) -> None:
    """Silence begins with its coming, and anew with each frame and heartbeat."""
    clock.advance(100)
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock)
    assert viewer.silent_for(103) == 3
    viewer.offer(frame(), 104)
    assert viewer.silent_for(105) == 1
    viewer.repeat(106)
    assert viewer.silent_for(106) == 0


def test_frame_that_waits_does_not_break_the_silence(clock: Clock) -> None:
    """Only what is really sent counts as sent."""
    viewer = viewer_of(FakeOutlet(full=True), clock)
    viewer.offer(frame(1), 0)
    viewer.offer(frame(2), 5)
    assert viewer.silent_for(6) == 6


def test_let_go_without_progress(clock: Clock) -> None:
    """Busy for the time-out without a byte taken: aborted, and not a moment before."""
    outlet = FakeOutlet(full=True)
    viewer = viewer_of(outlet, clock)
    viewer.offer(frame(), 0)
    viewer.poll(0)
    viewer.poll(TIMEOUT - 0.01)
    assert outlet.aborted == 0
    viewer.poll(TIMEOUT)
    assert outlet.aborted == 1
    assert viewer.reason == "stalled"


def test_let_go_when_even_the_headers_do_not_leave(clock: Clock) -> None:
    """A client that never reads anything at all is aborted too."""
    outlet = FakeOutlet()
    viewer = Viewer(CLIENT, outlet, clock.seconds, StreamLimits(2, TIMEOUT))
    viewer.open(lambda: None)
    viewer.poll(TIMEOUT)
    assert viewer.reason == "stalled"


def test_kept_with_a_little_progress(clock: Clock) -> None:
    """One byte taken now and then is progress, for however long a frame takes."""
    outlet = FakeOutlet(full=True)
    viewer = viewer_of(outlet, clock)
    viewer.offer(frame(), 0)
    for second in range(10_000):
        outlet.taken = second // (TIMEOUT - 1)
        viewer.poll(second)
    assert outlet.aborted == 0


def test_let_go_when_progress_ends(clock: Clock) -> None:
    """The time counts from the last byte that was taken."""
    outlet = FakeOutlet(full=True)
    viewer = viewer_of(outlet, clock)
    viewer.offer(frame(), 0)
    outlet.taken = 1
    viewer.poll(25)
    viewer.poll(25 + TIMEOUT - 1)
    assert outlet.aborted == 0
    viewer.poll(25 + TIMEOUT)
    assert outlet.aborted == 1


def test_idle_viewer_is_kept(clock: Clock) -> None:
    """While nothing is under way no progress is expected, and none is missed later."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock)
    viewer.poll(10 * TIMEOUT)
    outlet.full = True
    viewer.offer(frame(), 10 * TIMEOUT)
    viewer.poll(11 * TIMEOUT - 1)
    assert outlet.aborted == 0


def test_first_reason_stays(clock: Clock) -> None:
    """Why it was let go is what was said first, and it can be said twice."""
    outlet = FakeOutlet()
    viewer = viewer_of(outlet, clock)
    assert viewer.reason is None
    viewer.abort("stalled")
    viewer.abort("shutdown")
    assert viewer.reason == "stalled"


def test_rate_of_frames(clock: Clock) -> None:
    """The rate is of frames alone, and falls to nothing when none come."""
    viewer = viewer_of(FakeOutlet(), clock)
    for second in range(1, 11):
        for number in range(5):
            viewer.offer(frame(10 * second + number), second)
        viewer.repeat(second)
        viewer.poll(second)
    assert viewer.fps(10) == 5
    for second in range(11, 15):
        viewer.poll(second)
    assert viewer.fps(14) == 0


class AnyOrder(RuleBasedStateMachine):
    """Frames, partial sends, drains and heartbeats in any order."""

    @initialize(size=st.integers(1, 4), form=st.sampled_from(Form))
    def come(self, size: int, form: Form) -> None:
        """A viewer comes, its opening still under way."""
        self.size = size
        self.clock = Clock()
        self.outlet = FakeOutlet(WIRES[form, True])
        self.newest: Tracked | None = None
        self.published = 0
        self.heartbeats = 0
        self.numbers: dict[bytes, int] = {}
        self.alive: weakref.WeakSet[Tracked] = weakref.WeakSet()
        self.viewer = Viewer(
            CLIENT, self.outlet, self.clock.seconds, StreamLimits(size, TIMEOUT)
        )
        self.viewer.open(lambda: self.newest)

    @rule()
    def publish(self) -> None:
        """A frame is published; only the cache keeps it."""
        self.published += 1
        self.newest = tracked(self.published)
        self.alive.add(self.newest)
        self.numbers[self.newest.block(self.outlet.wire)] = self.published
        self.viewer.offer(self.newest, self.clock.seconds())

    @rule(full=st.booleans())
    def drain(self, full: bool) -> None:
        """What was under way leaves; what follows goes whole, or only in part."""
        self.outlet.drain(full)

    @rule(full=st.booleans(), shut=st.booleans())
    def fill(self, full: bool, shut: bool) -> None:
        """From now on the kernel takes blocks whole, only in part, or not at all."""
        self.outlet.full = full
        self.outlet.shut = shut

    @precondition(lambda self: self.viewer.last is not None)
    @rule()
    def beat(self) -> None:
        """A heartbeat falls due."""
        assert self.viewer.last is not None
        could = not self.outlet.busy and not self.outlet.shut
        sent = self.viewer.repeat(self.clock.seconds())
        assert sent is could
        if sent:
            self.heartbeats += 1

    def sent(self) -> list[int]:
        """The numbers of what was sent."""
        return [self.numbers[block] for block in self.outlet.sent]

    @invariant()
    def numbers_rise(self) -> None:
        """No frame is sent behind a newer one, and twice only as a heartbeat."""
        sent = self.sent()
        assert sent == sorted(sent)
        assert len(sent) == len(set(sent)) + self.heartbeats

    @invariant()
    def holds_no_more_than_it_may(self) -> None:
        """It holds what is under way and what waits; the cache holds the newest."""
        assert len(self.alive) <= min(self.size, 2) + 1

    @invariant()
    def counts_are_true(self) -> None:
        """Frames, heartbeats and bytes are those that were sent."""
        sent = self.viewer.sent
        assert sent.frames + sent.heartbeats == len(self.outlet.sent)
        assert sent.heartbeats == self.heartbeats
        assert sent.bytes == sum(map(len, self.outlet.sent))
        # Where none may wait, the first may be skipped, more than once, and then be
        # fetched after all.
        if self.size > 1:
            assert sent.frames + sent.skipped <= self.published

    def teardown(self) -> None:
        """After the last drain the newest frame is the last one sent."""
        if not hasattr(self, "viewer"):
            return
        self.outlet.shut = False
        for _ in range(self.size + 1):
            self.outlet.drain()
        if self.published and self.size > 1:
            assert self.sent()[-1] == self.published


AnyOrder.TestCase.settings = settings(deadline=None, max_examples=60)
test_any_order = AnyOrder.TestCase


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_client_that_never_has_room_is_let_go(clock: Clock, size: int) -> None:
    """It has stalled, whether or not a frame may wait for it."""
    outlet = FakeOutlet()
    viewer = Viewer(CLIENT, outlet, clock.seconds, StreamLimits(size, TIMEOUT))
    viewer.open(lambda: frame(1))
    outlet.drain()
    outlet.doubtful = True
    for second in range(TIMEOUT + 2):
        viewer.offer(frame(second + 2), clock.seconds())
        viewer.poll(clock.seconds())
        clock.advance(1)
    assert viewer.reason == "stalled"


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_client_that_has_room_again_is_kept(clock: Clock, size: int) -> None:
    """When a frame has been begun, its time runs anew."""
    outlet = FakeOutlet()
    viewer = Viewer(CLIENT, outlet, clock.seconds, StreamLimits(size, TIMEOUT))
    viewer.open(lambda: frame(1))
    outlet.drain()
    for second in range(3 * TIMEOUT):
        outlet.doubtful = second % TIMEOUT != 0
        viewer.offer(frame(second + 2), clock.seconds())
        viewer.poll(clock.seconds())
        clock.advance(1)
    assert viewer.reason is None
