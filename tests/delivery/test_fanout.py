"""The newest frame reaches every viewer: the fast directly, the slow by offer."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs

from camd.delivery.fanout import FanOut
from camd.delivery.rung import ROUND
from camd.delivery.viewer import StreamLimits, Viewer
from camd.formats.multipart import Form
from camd.formats.rendition import Rendition
from camd.frame import WIRES, Frame, MultipartWire, Wire
from camd.stats import CameraStats, Sent
from tests.fakes import (
    CLIENT,
    PLAIN,
    FakeOutlet,
    FakeReactor,
    FakeScaler,
    failures,
    frame,
    uncollected,
)

CROWD = 2 * ROUND + 50
"""Viewers for three rounds."""

OTHER = WIRES[Form.EARLY, False]


class LoggingOutlet(FakeOutlet):
    """Writes down the number of each frame it is sent, into a log that many share."""

    def __init__(self, name: str, log: list[tuple[str, int]]) -> None:
        super().__init__()
        self.name = name
        self._log = log

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Write it down, and send."""
        self._log.append((self.name, number_of(block)))
        return super().send(block, sent)

    def _send_directly(self, block: bytes) -> int:
        self._log.append((self.name, number_of(block)))
        return super()._send_directly(block)


class FailingOutlet(FakeOutlet):
    """Fails at every block; if stubborn, at being cut off as well."""

    def __init__(self, stubborn: bool = False) -> None:
        super().__init__()
        self.tried = 0
        self._stubborn = stubborn

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Count the try, and fail."""
        self.tried += 1
        raise RuntimeError("bad outlet")

    def abort(self) -> None:
        """Count it, and fail if stubborn."""
        super().abort()
        if self._stubborn:
            raise RuntimeError("will not go")


class FanOutHarness:
    """A fan-out with viewers that have had their opening.

    :ivar log: who was sent which frame, in order; of those that have a name.
    """

    def __init__(self, *wires: Wire, max_age: float = 0) -> None:
        self.reactor = FakeReactor()
        self.stats = CameraStats()
        self.lateness = self.stats.lateness
        self.scaler = FakeScaler()
        self.fanout = FanOut(self.reactor, self.stats, self.scaler)
        self.log: list[tuple[str, int]] = []
        self.outlets: list[FakeOutlet] = []
        self.viewers: list[Viewer] = []
        self.number = 0
        for wire in wires:
            self.add(FakeOutlet(wire), max_age)

    def add(
        self,
        outlet: FakeOutlet,
        max_age: float = 0,
        rendition: Rendition | None = None,
        fps: float = 0,
    ) -> Viewer:
        """Let one more viewer in."""
        viewer = Viewer(
            CLIENT,
            outlet,
            self.reactor.seconds,
            StreamLimits(2, 30, max_age),
            rendition,
            fps,
        )
        self.fanout.subscribe(viewer)
        viewer.open(self.fanout.newest_for(viewer))
        outlet.drain()
        self.outlets.append(outlet)
        self.viewers.append(viewer)
        return viewer

    def add_named(self, name: str) -> Viewer:
        """Let one in whose frames are logged, from the next one on."""
        viewer = Viewer(
            CLIENT,
            LoggingOutlet(name, self.log),
            self.reactor.seconds,
            StreamLimits(2, 30),
        )
        self.fanout.subscribe(viewer)
        viewer.open(lambda: None)
        outlet = viewer._outlet
        assert isinstance(outlet, FakeOutlet)
        outlet.drain()
        return viewer

    def add_crowd(self, count: int = CROWD) -> list[Viewer]:
        """Let many in, named by the order of their coming."""
        return [self.add_named(str(index)) for index in range(count)]

    def publish(self, count: int = 1, captured: float = 0) -> Frame:
        """Publish frames, numbered from 1, to one round of viewers; return the last."""
        for _ in range(count):
            self.number += 1
            last = frame(self.number, captured)
            self.fanout.publish(last)
        return last

    def finish_rounds(self) -> None:
        """Let all rounds end."""
        while self.reactor.getDelayedCalls():
            self.reactor.turn()

    def numbers(self, name: str) -> list[int]:
        """Which frames the viewer of this name was sent."""
        return [number for other, number in self.log if other == name]


def number_of(block: bytes) -> int:
    """The number of the frame that a block in the plain form is of."""
    return int(block.split(b"X-Frame: ")[1].split()[0])


def numbers(outlet: FakeOutlet) -> list[int]:
    """Which frames an outlet was sent, in order."""
    return [number_of(block) for block in outlet.sent]


# Rounds


def test_begins_empty() -> None:
    """It begins with neither frame nor viewer."""
    fanout = FanOutHarness().fanout
    assert fanout.newest is None
    assert len(fanout) == 0


def test_newest_replaces() -> None:
    """It holds the last frame published and no other."""
    harness = FanOutHarness()
    harness.publish()
    last = harness.publish()
    assert harness.fanout.newest is last


def test_a_viewer_is_sent_frames_from_the_next_one_on() -> None:
    """Subscribing by itself sends nothing."""
    harness = FanOutHarness()
    harness.publish()
    harness.add_named("a")
    assert harness.numbers("a") == []
    harness.publish()
    assert harness.numbers("a") == [2]


def test_unsubscribe() -> None:
    """A viewer that has left is sent nothing more; leaving again does no harm."""
    harness = FanOutHarness()
    viewer = harness.add_named("a")
    harness.fanout.unsubscribe(viewer)
    harness.fanout.unsubscribe(viewer)
    harness.publish()
    assert harness.numbers("a") == []
    assert len(harness.fanout) == 0


def test_sent_in_order_of_coming() -> None:
    """Those that came first are sent a frame first."""
    harness = FanOutHarness()
    harness.add_crowd(10)
    harness.publish()
    assert harness.log == [(str(index), 1) for index in range(10)]


def test_the_time_is_that_of_the_round() -> None:
    """A viewer's silence begins with the round that sent to it."""
    harness = FanOutHarness(PLAIN)
    harness.reactor.advance(12.5)
    harness.publish()
    assert harness.viewers[0].silent_for(13) == 0.5


def test_a_round_at_a_time() -> None:
    """Between two rounds the reactor gets a turn, until all have had the frame."""
    harness = FanOutHarness()
    harness.add_crowd()
    harness.publish()
    counts = [len(harness.log)]
    while harness.reactor.getDelayedCalls():
        harness.reactor.turn()
        counts.append(len(harness.log))
    assert counts == [ROUND, 2 * ROUND, CROWD]
    assert harness.log == [(str(index), 1) for index in range(CROWD)]


def test_a_full_round_needs_no_other() -> None:
    """A crowd that one round holds is sent to at once, and no call is left."""
    harness = FanOutHarness()
    harness.add_crowd(ROUND)
    harness.publish()
    assert len(harness.log) == ROUND
    assert harness.reactor.getDelayedCalls() == []


def test_what_waits_has_its_turn_between_rounds() -> None:
    """A call that was due before the second round is made before it."""
    harness = FanOutHarness()
    harness.add_crowd()
    harness.reactor.callLater(0, lambda: harness.log.append(("a request", 0)))
    harness.publish()
    harness.finish_rounds()
    assert harness.log.index(("a request", 0)) == ROUND


def test_a_new_frame_reaches_late_ones_first() -> None:
    """Those the last frame did not reach come first with the next, and get no old."""
    harness = FanOutHarness()
    harness.add_crowd()
    harness.publish(2)
    harness.finish_rounds()
    late = [str(index) for index in range(ROUND, CROWD)]
    early = [str(index) for index in range(ROUND)]
    assert [name for name, number in harness.log if number == 2] == late + early
    assert [name for name, number in harness.log if number == 1] == early


def test_frames_faster_than_rounds_leave_nobody_out() -> None:
    """When each frame comes amid the rounds of the last, all get their share."""
    harness = FanOutHarness()
    harness.add_crowd()
    for _ in range(30):
        harness.publish()
        harness.reactor.turn()
    shares = Counter(name for name, _ in harness.log).values()
    assert len(shares) == CROWD
    assert min(shares) >= max(shares) - 1


def test_only_one_round_is_ever_due() -> None:
    """Frames that come amid the rounds start no second chain of rounds."""
    harness = FanOutHarness()
    harness.add_crowd()
    harness.publish(9)
    assert len(harness.reactor.getDelayedCalls()) == 1


def test_only_one_round_is_due_though_all_that_waited_have_left() -> None:
    """A round that has become needless does not come beside the next frame's."""
    harness = FanOutHarness()
    viewers = harness.add_crowd()
    harness.publish()
    for viewer in viewers[ROUND:]:
        harness.fanout.unsubscribe(viewer)
    harness.add_crowd(ROUND)
    harness.publish()
    assert len(harness.reactor.getDelayedCalls()) == 1


def test_a_viewer_that_left_between_rounds_is_sent_nothing() -> None:
    """A viewer that goes before its turn is passed over, and no other."""
    harness = FanOutHarness()
    viewers = harness.add_crowd()
    harness.publish()
    harness.fanout.unsubscribe(viewers[-1])
    harness.finish_rounds()
    assert harness.numbers(str(CROWD - 1)) == []
    assert harness.numbers(str(CROWD - 2)) == [1]


def test_a_viewer_that_came_between_rounds_waits_for_the_next_frame() -> None:
    """It has been sent the newest frame as it came."""
    harness = FanOutHarness()
    harness.add_crowd()
    harness.publish()
    harness.add_named("late")
    harness.finish_rounds()
    assert harness.numbers("late") == []
    harness.publish()
    harness.finish_rounds()
    assert harness.numbers("late") == [2]


def test_a_frame_fetched_between_rounds_is_sent_once() -> None:
    """A viewer that got ready, and fetched the frame, is not sent it in its turn."""
    harness = FanOutHarness()
    harness.add_crowd(ROUND)
    outlet = FakeOutlet()
    viewer = Viewer(CLIENT, outlet, harness.reactor.seconds, StreamLimits(2, 30))
    viewer.open(lambda: harness.fanout.newest)
    harness.fanout.subscribe(viewer)
    block = harness.publish().block(PLAIN)
    outlet.drain()
    harness.finish_rounds()
    assert outlet.sent == [block]
    assert viewer.sent == Sent(frames=1, bytes=len(block))


def test_forgotten_between_rounds() -> None:
    """When all leave amid the rounds and the frame is forgotten, the next is sent."""
    harness = FanOutHarness()
    for viewer in harness.add_crowd():
        if len(harness.fanout) == CROWD:
            harness.publish()
        harness.fanout.unsubscribe(viewer)
    harness.fanout.newest = None
    harness.finish_rounds()
    harness.add_named("next")
    harness.publish()
    harness.finish_rounds()
    assert harness.numbers("next") == [2]


def test_a_viewer_that_left_is_let_go_even_if_no_round_ends() -> None:
    """With frames faster than rounds, those that left are not held for ever."""
    harness = FanOutHarness()
    harness.add_crowd()
    for number in range(1, 21):
        brief = KnownViewer(
            CLIENT, FakeOutlet(), harness.reactor.seconds, StreamLimits(2, 30)
        )
        harness.fanout.subscribe(brief)
        harness.publish()
        harness.reactor.turn()
        harness.fanout.unsubscribe(brief)
        if number == 1:
            gone = weakref.ref(brief)
        del brief
    assert gone() is None


def test_newcomers_come_in_order() -> None:
    """Those that came amid the rounds are sent to in the order of their coming."""
    harness = FanOutHarness()
    harness.add_crowd()
    harness.publish()
    names = [f"new {number}" for number in range(20)]
    for name in names:
        harness.add_named(name)
    harness.publish()
    harness.finish_rounds()
    assert [name for name, _ in harness.log if name.startswith("new")] == names


def test_places_in_a_batch_are_used_again() -> None:
    """As many as left a full round fit into it again."""
    harness = FanOutHarness()
    viewers = harness.add_crowd(ROUND)
    for viewer in viewers[:50]:
        harness.fanout.unsubscribe(viewer)
    harness.add_crowd(50)
    harness.publish()
    assert len(harness.log) == ROUND


def test_finished_streams_are_sent_no_more() -> None:
    """Each is ended with the reason, and no frame follows."""
    harness = FanOutHarness(PLAIN, PLAIN, PLAIN)
    harness.fanout.finish_streams("camera offline")
    harness.publish()
    assert [viewer.reason for viewer in harness.viewers] == ["camera offline"] * 3
    assert [outlet.finished for outlet in harness.outlets] == [1] * 3
    assert [outlet.sent for outlet in harness.outlets] == [[]] * 3
    assert not harness.fanout


# Lateness


def test_lateness_is_that_of_the_last_viewer() -> None:
    """A frame's age is counted once, when the last round has ended."""
    harness = FanOutHarness()
    harness.add_crowd()
    harness.publish(captured=-0.5)
    assert harness.lateness.upto()[-1] == 0
    harness.reactor.advance(0.75)
    harness.finish_rounds()
    assert harness.lateness.upto()[-1] == 1
    assert harness.lateness.sum == 1.25


def test_a_placeholder_has_no_lateness() -> None:
    """It says nothing of the way from the camera."""
    harness = FanOutHarness(PLAIN)
    harness.fanout.publish(frame(0))
    assert harness.lateness.upto()[-1] == 0


def test_a_frame_that_was_replaced_has_no_lateness() -> None:
    """Where a newer frame came amid the rounds, only that one is counted."""
    harness = FanOutHarness()
    harness.add_crowd()
    harness.publish(captured=-9)
    harness.publish(captured=0)
    harness.finish_rounds()
    assert harness.lateness.upto()[-1] == 1
    assert harness.lateness.sum == 0


def test_no_lateness_without_viewers() -> None:
    """A frame that nobody was sent is late for nobody."""
    harness = FanOutHarness()
    harness.publish(captured=-9)
    assert harness.lateness.upto()[-1] == 0


# Trouble


@pytest.mark.parametrize("stubborn", [False, True])
def test_trouble_stays_with_one(stubborn: bool) -> None:
    """A viewer that fails is logged and cut off; those behind it notice nothing."""
    harness = FanOutHarness()
    bad = FailingOutlet(stubborn)
    harness.add(bad)
    harness.add_named("good")
    with capturedLogs() as events:
        harness.publish(2)
    assert harness.numbers("good") == [1, 2]
    assert bad.tried == 1
    # Cut, so that the client comes again: a picture that stands still is worse.
    assert (harness.viewers[0].reason, bad.aborted) == ("failed", 1)
    assert failures(events) == ["bad outlet"]


def test_trouble_does_not_end_the_rounds() -> None:
    """A viewer that fails last in its round keeps no later round from coming."""
    harness = FanOutHarness()
    harness.add_crowd(ROUND - 1)
    harness.add(FailingOutlet())
    harness.add_named("last")
    with capturedLogs():
        harness.publish()
        harness.finish_rounds()
    assert harness.numbers("last") == [1]


@dataclass(frozen=True, eq=False)
class FailingWire(Wire):
    """A wire on which one frame cannot be built."""

    bad: int

    def build(self, frame: Frame) -> bytes:
        """Fail for that one."""
        if frame.number == self.bad:
            raise ValueError("cannot be built")
        return PLAIN.build(frame)


@pytest.mark.parametrize("bad", [1, 2])
def test_a_frame_that_cannot_be_built_stops_no_later_one(bad: int) -> None:
    """Viewers of more than one round skip that frame, stay, and get the next."""
    wire = FailingWire(bad)
    harness = FanOutHarness(*[wire] * CROWD)
    with capturedLogs() as events:
        for _ in range(3):
            harness.publish()
            harness.finish_rounds()
    good = [number for number in (1, 2, 3) if number != bad]
    assert [numbers(outlet) for outlet in harness.outlets] == [good] * CROWD
    assert {viewer.reason for viewer in harness.viewers} == {None}
    assert set(failures(events)) == {"cannot be built"}


def test_a_frame_that_cannot_be_built_for_one_wire_reaches_the_others() -> None:
    """Viewers on other wires get it, also in later rounds."""
    harness = FanOutHarness(FailingWire(1), *[PLAIN] * ROUND)
    with capturedLogs():
        harness.publish()
        harness.finish_rounds()
    assert [len(outlet.sent) for outlet in harness.outlets] == [0] + [1] * ROUND


def test_a_departure_while_others_are_offered_the_frame() -> None:
    """It is no trouble, and the viewer that left is sent nothing."""
    harness = FanOutHarness()

    class PushyOutlet(FakeOutlet):
        def send(self, block: bytes, sent: int = 0) -> bool:
            harness.fanout.unsubscribe(gone)
            return super().send(block, sent)

    harness.add(PushyOutlet())
    gone = harness.add_named("gone")
    with capturedLogs() as events:
        harness.publish()
    assert harness.numbers("gone") == []
    assert events == []


# The fast and the slow


@dataclass(frozen=True, eq=False)
class CountingWire(MultipartWire):
    """A wire that notes the number of each frame it builds."""

    built: list[int] = field(default_factory=list)

    def build(self, frame: Frame) -> bytes:
        """Note it, and build."""
        self.built.append(frame.number)
        return super().build(frame)


def test_built_once_for_a_thousand_viewers() -> None:
    """All viewers of a wire are sent one object, which was built one single time."""
    wire = CountingWire(Form.PLAIN, True)
    harness = FanOutHarness(*[wire] * 1000)
    one = harness.publish()
    harness.finish_rounds()
    assert wire.built == [one.number]
    assert {id(block) for outlet in harness.outlets for block in outlet.sent} == {
        id(one.block(wire))
    }
    assert all(len(outlet.sent) == 1 for outlet in harness.outlets)


def test_the_first_frame_is_offered_and_the_others_sent_directly() -> None:
    """A viewer that took all of a frame is sent the next ones without being asked."""
    harness = FanOutHarness(PLAIN)
    harness.publish(5)
    assert numbers(harness.outlets[0]) == [1, 2, 3, 4, 5]
    assert harness.outlets[0].sent_directly == 4


def test_each_wire_has_its_own_batch() -> None:
    """Side by side, each viewer is sent what its own client can read."""
    harness = FanOutHarness(PLAIN, OTHER, PLAIN, OTHER)
    last = harness.publish(3)
    sent = [outlet.sent[-1] for outlet in harness.outlets]
    assert sent == [last.block(outlet.wire) for outlet in harness.outlets]
    assert [outlet.sent_directly for outlet in harness.outlets] == [2] * 4


def test_counts_are_those_of_each() -> None:
    """One that came later has what it was sent itself, not what its batch has sent."""
    harness = FanOutHarness(PLAIN)
    harness.publish(3)
    harness.add(FakeOutlet())
    harness.publish(2)
    assert [viewer.sent.frames for viewer in harness.viewers] == [5, 3]
    assert [viewer.sent.bytes for viewer in harness.viewers] == [
        sum(map(len, outlet.sent)) for outlet in harness.outlets
    ]


def test_counts_stay_when_it_leaves() -> None:
    """What its batch has counted for it goes along."""
    harness = FanOutHarness(PLAIN, PLAIN)
    harness.publish(4)
    harness.fanout.unsubscribe(harness.viewers[0])
    harness.publish(2)
    assert [viewer.sent.frames for viewer in harness.viewers] == [4, 6]


def test_last_and_silence_follow_the_batch() -> None:
    """A heartbeat repeats what the batch sent, and only when that is long ago."""
    harness = FanOutHarness(PLAIN)
    harness.publish()
    harness.reactor.advance(4)
    last = harness.publish()
    harness.reactor.advance(3)
    viewer = harness.viewers[0]
    assert (viewer.last, viewer.silent_for(7)) == (last, 3)
    harness.fanout.unsubscribe(viewer)
    assert (viewer.last, viewer.silent_for(7)) == (last, 3)


def test_who_falls_behind_after_a_minute_has_kept_up_until_then() -> None:
    """Nobody polls a fast viewer; its rate and its time-out go on from there."""
    harness = FanOutHarness(PLAIN)
    (viewer,), (outlet,) = harness.viewers, harness.outlets
    for _ in range(600):
        harness.publish()
        harness.reactor.advance(0.1)
    assert viewer.is_fast
    assert viewer.fps(harness.reactor.seconds()) == pytest.approx(10, abs=0.5)
    outlet.full = True
    harness.publish()
    now = harness.reactor.seconds()
    viewer.poll(now)
    assert not viewer.is_fast
    assert viewer.fps(now) == pytest.approx(10, abs=0.5)
    viewer.poll(now + 29)
    assert viewer.reason is None
    viewer.poll(now + 30)
    assert viewer.reason == "stalled"


def test_a_fast_viewer_that_is_sent_nothing_more_has_no_rate() -> None:
    """Its rate falls to nothing once it is polled again, whatever it was before."""
    harness = FanOutHarness(PLAIN)
    (viewer,) = harness.viewers
    for _ in range(600):
        harness.publish()
        harness.reactor.advance(0.1)
    began = harness.reactor.seconds()
    rates = []
    for turn in range(8):
        viewer.poll(began + turn / 2)
        rates.append(viewer.fps(began + turn / 2))
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(10, abs=0.5)
    assert rates[-1] == 0


def test_the_rest_of_half_a_frame_follows() -> None:
    """What the kernel did not take is sent when there is room, and then the newest."""
    harness = FanOutHarness(PLAIN, PLAIN)
    harness.publish(2)
    slow, quick = harness.outlets
    slow.full = True
    harness.publish(3)
    assert numbers(slow) == [1, 2, 3]
    assert numbers(quick) == [1, 2, 3, 4, 5]
    slow.drain(full=False)
    assert numbers(slow) == [1, 2, 3, 5]
    assert harness.viewers[0].sent == Sent(
        frames=4, skipped=1, bytes=sum(map(len, slow.sent))
    )


def test_a_viewer_that_has_caught_up_is_fast_again() -> None:
    """One slow moment costs no viewer its place for ever."""
    harness = FanOutHarness(PLAIN)
    outlet = harness.outlets[0]
    harness.publish(2)
    outlet.full = True
    harness.publish()
    outlet.drain(full=False)
    before = outlet.sent_directly
    harness.publish(3)
    assert numbers(outlet) == [1, 2, 3, 4, 5, 6]
    assert outlet.sent_directly == before + 2


def test_a_frame_that_found_no_room_is_replaced() -> None:
    """A frame of which nothing left is not begun: once there is room the newest is."""
    harness = FanOutHarness(PLAIN)
    harness.publish(2)
    harness.outlets[0].shut = True
    harness.publish(3)
    harness.outlets[0].shut = False
    assert numbers(harness.outlets[0]) == [1, 2]
    harness.outlets[0].drain()
    assert numbers(harness.outlets[0]) == [1, 2, 5]
    assert harness.viewers[0].sent.skipped == 2


def test_a_frame_too_old_is_sent_to_nobody() -> None:
    """It counts as skipped for each, and the next one goes as usual."""
    harness = FanOutHarness(PLAIN, PLAIN, max_age=1)
    harness.reactor.advance(10)
    harness.publish(2, captured=10)
    harness.publish(captured=8)
    harness.publish(captured=9.5)
    assert [numbers(outlet) for outlet in harness.outlets] == [[1, 2, 4]] * 2
    assert [viewer.sent.skipped for viewer in harness.viewers] == [1, 1]


def test_a_viewer_that_was_sent_nothing_is_not_fast_yet() -> None:
    """A newcomer that no frame has reached has not seen what the others have."""
    harness = FanOutHarness(PLAIN, max_age=1)
    harness.publish(2)
    harness.fanout.newest = None
    late = harness.add(FakeOutlet(), max_age=1)
    harness.reactor.advance(10)
    harness.publish(captured=1)
    assert late.last is None
    last = harness.publish(captured=10)
    assert late.last is last
    assert late.sent == Sent(1, 1, 0, len(last.block(PLAIN)))


def test_after_a_heartbeat_it_is_offered_frames() -> None:
    """A heartbeat that fills the socket must not have a frame sent into its midst."""
    harness = FanOutHarness(PLAIN)
    harness.publish(2)
    outlet, viewer = harness.outlets[0], harness.viewers[0]
    outlet.full = True
    assert viewer.repeat(5.0)
    harness.publish()
    outlet.drain(full=False)
    assert numbers(outlet) == [1, 2, 2, 3]
    assert (viewer.sent.frames, viewer.sent.heartbeats) == (3, 1)


@pytest.mark.parametrize("end", [Viewer.finish_stream, Viewer.abort])
@pytest.mark.parametrize("busy", [False, True])
def test_nothing_is_sent_behind_the_end(
    end: Callable[[Viewer, str], None], busy: bool
) -> None:
    """A viewer that was ended gets no more, though it has yet to unsubscribe."""
    harness = FanOutHarness(PLAIN, PLAIN)
    harness.publish(2)
    outlet = harness.outlets[0]
    outlet.busy = busy
    end(harness.viewers[0], "shutdown")
    outlet.busy = False
    harness.publish(2)
    assert numbers(outlet) == [1, 2]
    assert numbers(harness.outlets[1]) == [1, 2, 3, 4]
    assert [viewer.sent.frames for viewer in harness.viewers] == [2, 4]


class KnownViewer(Viewer):
    """A viewer of which can be told whether anybody still holds it."""

    __slots__ = ("__weakref__",)


def test_a_viewer_that_left_is_let_go() -> None:
    """The fan-out holds no viewer that has left, nor does the viewer hold it."""
    harness = FanOutHarness()
    with uncollected():
        outlet = FakeOutlet()
        viewer = KnownViewer(CLIENT, outlet, lambda: 0.0, StreamLimits(2, 30))
        harness.fanout.subscribe(viewer)
        viewer.open(lambda: None)
        outlet.drain()
        harness.publish(3)
        assert outlet.sent_directly == 2
        harness.fanout.unsubscribe(viewer)
        outlet._ready = lambda: None  # As real outlets do when the connection is gone.
        gone = weakref.ref(viewer)
        del viewer
        assert gone() is None


BEHAVIOURS = st.lists(
    st.sampled_from(["quick", "full", "shut", "doubtful", "drain", "heartbeat"])
)


@given(st.lists(BEHAVIOURS, min_size=1, max_size=4), st.integers(1, 4))
def test_whatever_sockets_do_each_viewer_gets_the_newest(
    behaviours: list[list[str]], every: int
) -> None:
    """Frames come in order, none twice, all counted, and the newest last."""
    harness = FanOutHarness(*[PLAIN, OTHER, PLAIN, PLAIN][: len(behaviours)])
    for turn in range(max(map(len, behaviours))):
        for outlet, viewer, kinds in zip(
            harness.outlets, harness.viewers, behaviours, strict=True
        ):
            kind = kinds[turn] if turn < len(kinds) else "quick"
            if kind == "drain" and outlet.busy:
                outlet.drain(full=False)
            elif kind == "heartbeat" and viewer.last is not None:
                viewer.repeat(0)
            elif not outlet.busy:
                outlet.full, outlet.shut = kind == "full", kind == "shut"
                outlet.doubtful = kind == "doubtful"
        if turn % every == 0:
            harness.publish()
        for viewer in harness.viewers:
            viewer.poll(harness.reactor.seconds())
    for outlet in harness.outlets:
        outlet.doubtful = outlet.shut = False
        outlet.drain(full=False)
    last = harness.publish()
    for outlet, viewer in zip(harness.outlets, harness.viewers, strict=True):
        sent = viewer.sent
        assert outlet.sent[-1] == last.block(outlet.wire)
        assert viewer.last is last
        assert sent.frames + sent.heartbeats == len(outlet.sent)
        assert sent.bytes == sum(map(len, outlet.sent))
        assert sent.frames + sent.skipped == last.number
        assert len(set(outlet.sent)) == sent.frames
        if outlet.wire is PLAIN:
            assert numbers(outlet) == sorted(numbers(outlet))
