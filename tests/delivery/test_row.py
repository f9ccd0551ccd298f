"""Those who keep up are sent a frame in one loop; who does not decides for itself."""

from __future__ import annotations

import math
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from camd.delivery.fanout import ROUND, FanOut
from camd.delivery.row import Row
from camd.delivery.viewer import ClientInfo, Viewer
from camd.formats.multipart import Form
from camd.frame import WIRES, Frame, Wire
from camd.stats import LATENESS_BOUNDS, Histogram, Sent
from tests.fakes import NOBODY, PLAIN, FakeOutlet, Watcher, frame, uncollected

GUEST = ClientInfo(3, "127.0.0.1", "curl", 1e9, NOBODY)
OTHER = WIRES[Form.EARLY, False]


class Room:
    """A cache with viewers, each of whom has had its opening."""

    def __init__(self, *wires: Wire, max_age: float = 0) -> None:
        self.clock = Clock()
        self.cache = FanOut(self.clock, Histogram(LATENESS_BOUNDS))
        self.outlets: list[FakeOutlet] = []
        self.viewers: list[Viewer] = []
        self.number = 0
        for wire in wires:
            self.come(wire, max_age)

    def come(self, wire: Wire = PLAIN, max_age: float = 0) -> Viewer:
        """Let one more in; give it."""
        outlet = FakeOutlet(wire)
        viewer = Viewer(GUEST, outlet, self.clock.seconds, 2, 30, max_age)
        self.cache.join(viewer)
        viewer.open(lambda: self.cache.newest)
        outlet.drain()
        self.outlets.append(outlet)
        self.viewers.append(viewer)
        return viewer

    def publish(self, count: int = 1, captured: float = 0) -> Frame:
        """Publish frames, numbered from 1; give the last one."""
        for _ in range(count):
            self.number += 1
            last = frame(self.number, captured)
            self.cache.publish(last)
            self.clock.advance(0)
        return last


def numbers(outlet: FakeOutlet) -> list[int]:
    """Which frames an outlet was sent, in order."""
    return [int(block.split(b"X-Frame: ")[1].split()[0]) for block in outlet.sent]


def test_the_first_frame_is_shown_the_others_are_handed_over() -> None:
    """Who took all of a frame is sent the next ones without being looked at."""
    room = Room(PLAIN)
    room.publish(5)
    assert numbers(room.outlets[0]) == [1, 2, 3, 4, 5]
    assert room.outlets[0].handed == 4


def test_all_are_handed_the_same_object() -> None:
    """No viewer costs a copy."""
    room = Room(PLAIN, PLAIN, PLAIN)
    block = room.publish(2).blocks[PLAIN]
    assert all(outlet.sent[-1] is block for outlet in room.outlets)


def test_each_wire_has_its_own_row() -> None:
    """Side by side, each viewer is sent what its own client can read."""
    room = Room(PLAIN, OTHER, PLAIN, OTHER)
    last = room.publish(3)
    sent = [outlet.sent[-1] for outlet in room.outlets]
    assert sent == [last.blocks[outlet.wire] for outlet in room.outlets]
    assert [outlet.handed for outlet in room.outlets] == [2] * 4


def test_counts_are_those_of_each() -> None:
    """One who came later has what it was sent itself, not what the row has sent."""
    room = Room(PLAIN)
    room.publish(3)
    room.come()
    room.publish(2)
    assert [viewer.sent.frames for viewer in room.viewers] == [5, 3]
    assert [viewer.sent.bytes for viewer in room.viewers] == [
        sum(map(len, outlet.sent)) for outlet in room.outlets
    ]


def test_counts_stay_when_it_leaves() -> None:
    """What the row has counted goes along."""
    room = Room(PLAIN, PLAIN)
    room.publish(4)
    room.cache.leave(room.viewers[0])
    room.publish(2)
    assert [viewer.sent.frames for viewer in room.viewers] == [4, 6]


def test_last_and_silence_follow_the_row() -> None:
    """A heartbeat repeats what the row sent, and only when that is long ago."""
    room = Room(PLAIN)
    room.publish(1)
    room.clock.advance(4)
    last = room.publish(1)
    room.clock.advance(3)
    viewer = room.viewers[0]
    assert viewer.last is last
    assert viewer.silent_for(room.clock.seconds()) == 3
    room.cache.leave(viewer)
    assert viewer.last is last
    assert viewer.silent_for(room.clock.seconds()) == 3


def test_half_a_frame_is_gone_on_with() -> None:
    """What the kernel did not take waits at the outlet; the next frame waits behind."""
    room = Room(PLAIN, PLAIN)
    room.publish(2)
    slow, quick = room.outlets
    slow.full = True
    room.publish(3)
    assert numbers(slow) == [1, 2, 3]
    assert numbers(quick) == [1, 2, 3, 4, 5]
    slow.drain(full=False)
    assert numbers(slow) == [1, 2, 3, 5]
    assert room.viewers[0].sent == Sent(
        frames=4, skipped=1, bytes=sum(map(len, slow.sent))
    )


def test_who_has_caught_up_keeps_up_again() -> None:
    """One slow moment costs nobody its place for ever."""
    room = Room(PLAIN)
    room.publish(2)
    room.outlets[0].full = True
    room.publish(1)
    room.outlets[0].drain(full=False)
    handed = room.outlets[0].handed
    room.publish(3)
    assert numbers(room.outlets[0]) == [1, 2, 3, 4, 5, 6]
    assert room.outlets[0].handed == handed + 2


def test_refused_it_waits() -> None:
    """A frame of which nothing left is not begun: once there is room the newest is."""
    room = Room(PLAIN)
    room.publish(2)
    room.outlets[0].shut = True
    room.publish(3)
    room.outlets[0].shut = False
    assert numbers(room.outlets[0]) == [1, 2]
    room.outlets[0].drain()
    assert numbers(room.outlets[0]) == [1, 2, 5]
    assert room.viewers[0].sent.skipped == 2


def test_a_frame_too_old_is_sent_to_nobody() -> None:
    """It counts as skipped for each, and the next one goes as usual."""
    room = Room(PLAIN, PLAIN, max_age=1)
    room.clock.advance(10)
    room.publish(2, captured=10)
    room.publish(1, captured=8)
    room.publish(1, captured=9.5)
    assert [numbers(outlet) for outlet in room.outlets] == [[1, 2, 4]] * 2
    assert [viewer.sent.skipped for viewer in room.viewers] == [1, 1]


def test_who_was_shown_nothing_does_not_fall_in() -> None:
    """A newcomer whom no frame has reached yet has not seen what the others have."""
    room = Room(PLAIN, max_age=1)
    room.publish(2)
    room.cache.forget()
    late = room.come(max_age=1)
    room.clock.advance(10)
    room.publish(1, captured=1)
    assert late.last is None
    last = room.publish(1, captured=10)
    assert late.last is last
    assert late.sent == Sent(1, 1, 0, len(last.blocks[PLAIN]))


def test_after_a_heartbeat_it_is_looked_at() -> None:
    """A heartbeat that fills the socket must not have a frame sent into its midst."""
    room = Room(PLAIN)
    last = room.publish(2)
    room.outlets[0].full = True
    assert room.viewers[0].repeat(last, 5.0)
    room.publish(1)
    room.outlets[0].drain(full=False)
    assert numbers(room.outlets[0]) == [1, 2, 2, 3]
    assert (room.viewers[0].sent.frames, room.viewers[0].sent.heartbeats) == (3, 1)


@pytest.mark.parametrize("how", ["end", "leave"])
def test_nothing_is_sent_behind_the_end(how: str) -> None:
    """Who was sent away gets no more, though the cache still knows of it."""
    room = Room(PLAIN)
    room.publish(2)
    getattr(room.viewers[0], how)("shutdown")
    room.outlets[0].busy = True
    room.publish(2)
    assert numbers(room.outlets[0]) == [1, 2]


def test_room_in_a_row_is_used_again() -> None:
    """Those who come take the places of those who went."""
    watchers = [Watcher(str(number)) for number in range(ROUND + 1)]
    row = Row((PLAIN, math.inf))
    for watcher in watchers[:ROUND]:
        row.join(watcher)
    assert not row.has_room(watchers[-1].lane, ROUND)
    row.leave(watchers[3])
    assert row.has_room(watchers[-1].lane, ROUND)
    assert not row.has_room((OTHER, math.inf), ROUND)


def test_who_leaves_while_others_are_shown_the_frame() -> None:
    """A departure in the midst is no trouble, and the one who left is shown nothing."""
    row, gone = Row((PLAIN, math.inf)), Watcher("gone")

    class Pushy(Watcher):
        def show(self, frame: Frame, now: float, taken: int = 0) -> None:
            row.leave(gone)

    for watcher in (Pushy(), gone):
        row.join(watcher)
    with capturedLogs() as events:
        assert row.tell(frame(), 0) == []
    assert gone.numbers == []
    assert events == []


class Known(Viewer):
    """A viewer of whom can be told whether anybody still holds it."""

    __slots__ = ("__weakref__",)


def test_a_viewer_that_left_is_let_go() -> None:
    """A row holds nobody who has left, and nobody who has left holds a row."""
    cache = FanOut(Clock(), Histogram(LATENESS_BOUNDS))
    with uncollected():
        outlet = FakeOutlet()
        viewer = Known(GUEST, outlet, lambda: 0.0, 2, 30)
        cache.join(viewer)
        viewer.open(lambda: None)
        outlet.drain()
        for number in range(1, 4):
            cache.publish(frame(number))
        assert outlet.handed == 2
        cache.leave(viewer)
        outlet._ready = lambda: None  # As real outlets do when the connection is gone.
        gone = weakref.ref(viewer)
        del viewer
        assert gone() is None


MOODS = st.lists(
    st.sampled_from(["quick", "full", "shut", "doubtful", "drain", "beat"])
)


@given(st.lists(MOODS, min_size=1, max_size=4), st.integers(1, 4))
def test_whatever_they_take_each_sees_the_newest(
    moods: list[list[str]], every: int
) -> None:
    """However sockets behave, frames come in order, none twice, all counted."""
    room = Room(*[PLAIN, OTHER, PLAIN, PLAIN][: len(moods)])
    for turn in range(max(map(len, moods))):
        for outlet, viewer, mood in zip(room.outlets, room.viewers, moods, strict=True):
            _behave(outlet, viewer, mood[turn] if turn < len(mood) else "quick")
        if turn % every == 0:
            room.publish()
        for viewer in room.viewers:
            viewer.check(room.clock.seconds())
    for outlet in room.outlets:
        outlet.doubtful = outlet.shut = False
        outlet.drain(full=False)
    last = room.publish()
    for outlet, viewer in zip(room.outlets, room.viewers, strict=True):
        _judge(outlet, viewer, last)


def _behave(outlet: FakeOutlet, viewer: Viewer, mood: str) -> None:
    if mood == "drain" and outlet.busy:
        outlet.drain(full=False)
    elif mood == "beat" and viewer.last is not None:
        viewer.repeat(viewer.last, 0)
    elif not outlet.busy:
        outlet.full, outlet.shut = mood == "full", mood == "shut"
        outlet.doubtful = mood == "doubtful"


def _judge(outlet: FakeOutlet, viewer: Viewer, last: Frame) -> None:
    sent = viewer.sent
    assert outlet.sent[-1] == last.blocks[outlet.wire]
    assert viewer.last is last
    assert sent.frames + sent.heartbeats == len(outlet.sent)
    assert sent.bytes == sum(map(len, outlet.sent))
    assert sent.frames + sent.skipped == last.number
    assert len(set(outlet.sent)) == sent.frames
    if outlet.wire is PLAIN:
        assert numbers(outlet) == sorted(numbers(outlet))
