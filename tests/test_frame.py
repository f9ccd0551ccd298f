"""A frame is built once for all, and the newest is shown to everybody in turn."""

from __future__ import annotations

import weakref
from collections import Counter
from dataclasses import dataclass, field

import pytest
from twisted.logger import capturedLogs

from camd.delivery.fanout import ROUND, FanOut
from camd.delivery.viewer import ClientInfo, Viewer
from camd.formats import multipart
from camd.formats.multipart import Form
from camd.frame import WIRES, Wire
from camd.stats import LATENESS_BOUNDS, Histogram, Sent
from tests.fakes import (
    NOBODY,
    PLAIN,
    BadWatcher,
    FakeOutlet,
    Turns,
    Watcher,
    failures,
    frame,
)

CROWD = 2 * ROUND + 50
"""Watchers for three rounds."""


@pytest.fixture
def clock() -> Turns:
    """The reactor's clock."""
    return Turns()


@pytest.fixture
def cache(clock: Turns) -> FanOut:
    """A cache with no frame and nobody there."""
    return FanOut(clock, Histogram(LATENESS_BOUNDS))


@pytest.fixture
def lateness(clock: Turns) -> Histogram:
    """A histogram of how late frames are."""
    return Histogram((1.0, 2.0))


def crowd(cache: FanOut, count: int = CROWD) -> list[Watcher]:
    """Watchers with one diary, named by the order of their coming."""
    diary: list[tuple[str, int]] = []
    watchers = [Watcher(str(index), diary) for index in range(count)]
    for watcher in watchers:
        cache.join(watcher)
    return watchers


@dataclass(frozen=True, eq=False)
class CountingWire(Wire):
    """A wire that notes the number of each frame it builds."""

    built: list[int] = field(default_factory=list)

    def build(
        self, jpeg: bytes, timestamp: float, number: int, state: str = ""
    ) -> bytes:
        """Note it, and build."""
        self.built.append(number)
        return super().build(jpeg, timestamp, number, state)


@pytest.mark.parametrize("wire", WIRES.values())
def test_a_block_is_one_object(wire: Wire) -> None:
    """Whoever asks for a frame's block on a wire gets the very same bytes object."""
    one = frame()
    assert one.blocks[wire] is one.blocks[wire]


@pytest.mark.parametrize("form", Form)
def test_a_block_is_the_part_alone_in_http_1_0(form: Form) -> None:
    """Without chunk framing a block is what the wire format says, and no more."""
    one = frame(7, captured=1.5)
    expected = multipart.block(form, one.jpeg, 1e9 + 1.5, 7)
    assert one.blocks[WIRES[form, False]] == expected


@pytest.mark.parametrize("form", Form)
def test_a_block_is_one_chunk_in_http_1_1(form: Form) -> None:
    """With chunk framing, its length in hex stands before it and CRLF behind it."""
    one = frame()
    part = one.blocks[WIRES[form, False]]
    chunk = f"{len(part):x}\r\n".encode() + part + b"\r\n"
    assert one.blocks[WIRES[form, True]] == chunk


def test_four_wires_give_four_blocks() -> None:
    """Each wire has a block of its own, and each is kept beside the others."""
    one = frame()
    blocks = [one.blocks[wire] for wire in WIRES.values()]
    assert len(set(blocks)) == 4
    assert [one.blocks[wire] for wire in WIRES.values()] == blocks


@pytest.mark.parametrize("form", Form)
def test_the_opening_is_never_a_chunk(form: Form) -> None:
    """The opening goes through Twisted, which adds the framing, so it has none."""
    openings = {WIRES[form, chunked].opening() for chunked in (False, True)}
    assert openings == {multipart.opening(form)}


@pytest.mark.parametrize(("number", "placeholder"), [(0, True), (1, False)])
def test_a_placeholder_says_so(number: int, placeholder: bool) -> None:
    """A frame that no camera took is a placeholder, and no other is."""
    assert frame(number).is_placeholder is placeholder


def test_two_frames_share_nothing() -> None:
    """A block belongs to its frame: the next frame's is another."""
    assert frame(1).blocks[PLAIN] != frame(2).blocks[PLAIN]


def test_built_once_for_a_thousand_viewers(clock: Turns, cache: FanOut) -> None:
    """All viewers of a wire are sent one object, which was built one single time."""
    wire = CountingWire(Form.PLAIN, True)
    outlets = [FakeOutlet(wire) for _ in range(1000)]
    for outlet in outlets:
        viewer = Viewer(ClientInfo(1, "", "", 0, NOBODY), outlet, clock.seconds, 2, 30)
        viewer.open(lambda: None)
        outlet.drain()
        cache.join(viewer)
    one = frame()
    cache.publish(one)
    clock.pump([0] * 4)
    assert wire.built == [one.number]
    assert {id(block) for outlet in outlets for block in outlet.sent} == {
        id(one.blocks[wire])
    }
    assert all(len(outlet.sent) == 1 for outlet in outlets)


def test_first_frame_sent_once_to_a_viewer_that_gets_ready_between_rounds(
    clock: Turns, cache: FanOut
) -> None:
    """A viewer that fetched the frame itself is not sent it again in its turn."""
    crowd(cache, ROUND)
    outlet = FakeOutlet()
    viewer = Viewer(ClientInfo(1, "", "", 0, NOBODY), outlet, clock.seconds, 2, 30)
    viewer.open(lambda: cache.newest)
    cache.join(viewer)
    one = frame()
    cache.publish(one)
    outlet.drain()
    clock.advance(0)
    assert outlet.sent == [one.blocks[PLAIN]]
    assert viewer.sent == Sent(frames=1, bytes=len(one.blocks[PLAIN]))


def test_no_frame_before_the_first(cache: FanOut) -> None:
    """The cache begins with neither frame nor watcher."""
    assert cache.newest is None
    assert len(cache) == 0


def test_newest_replaces(cache: FanOut) -> None:
    """The cache holds the last frame published and no other."""
    cache.publish(frame(1))
    two = frame(2)
    cache.publish(two)
    assert cache.newest is two


def test_forget(cache: FanOut) -> None:
    """A frame that was forgotten is nobody's first; the next one is kept again."""
    cache.publish(frame(1))
    cache.forget()
    assert cache.newest is None
    two = frame(2)
    cache.publish(two)
    assert cache.newest is two


def test_joining_shows_nothing(cache: FanOut) -> None:
    """A watcher hears of frames from the next one on."""
    cache.publish(frame(1))
    watcher = Watcher()
    cache.join(watcher)
    assert watcher.numbers == []
    cache.publish(frame(2))
    assert watcher.numbers == [2]


def test_leaving(cache: FanOut) -> None:
    """Who left is shown nothing more; leaving again does no harm."""
    watcher = Watcher()
    cache.join(watcher)
    cache.leave(watcher)
    cache.leave(watcher)
    cache.publish(frame())
    assert watcher.numbers == []
    assert len(cache) == 0


def test_told_in_order_of_coming(cache: FanOut) -> None:
    """Who came first is told first."""
    watchers = crowd(cache, 10)
    cache.publish(frame(1))
    assert watchers[0].diary == [(str(index), 1) for index in range(10)]


def test_told_the_time(clock: Turns, cache: FanOut) -> None:
    """A watcher is told the moment on the reactor's clock."""
    watcher = Watcher()
    cache.join(watcher)
    clock.advance(12.5)
    cache.publish(frame())
    assert watcher.times == [12.5]


def test_a_round_at_a_time(clock: Turns, cache: FanOut) -> None:
    """Between two rounds the reactor gets a turn, until all have been told."""
    diary = crowd(cache)[0].diary
    cache.publish(frame(1))
    told = [len(diary)]
    while clock.getDelayedCalls():
        clock.turn()
        told.append(len(diary))
    assert told == [ROUND, 2 * ROUND, CROWD]
    assert diary == [(str(index), 1) for index in range(CROWD)]


def test_a_full_round_needs_no_other(clock: Turns, cache: FanOut) -> None:
    """A crowd that one round holds is told at once, and no call is left."""
    diary = crowd(cache, ROUND)[0].diary
    cache.publish(frame(1))
    assert len(diary) == ROUND
    assert clock.getDelayedCalls() == []


def test_what_waits_has_its_turn_between_rounds(clock: Turns, cache: FanOut) -> None:
    """A call that was due before the second round is made before it."""
    diary = crowd(cache)[0].diary
    clock.callLater(0, lambda: diary.append(("a request", 0)))
    cache.publish(frame(1))
    clock.pump([0] * 3)
    assert diary.index(("a request", 0)) == ROUND


def test_new_frame_reaches_late_ones_first(clock: Turns, cache: FanOut) -> None:
    """Whom the last frame did not reach comes first with the next, and gets no old."""
    watchers = crowd(cache)
    cache.publish(frame(1))
    cache.publish(frame(2))
    clock.pump([0] * 4)
    late = [str(index) for index in range(ROUND, CROWD)]
    early = [str(index) for index in range(ROUND)]
    told = [name for name, number in watchers[0].diary if number == 2]
    assert told == late + early
    assert [name for name, number in watchers[0].diary if number == 1] == early


def test_frames_faster_than_rounds_leave_nobody_out(
    clock: Turns, cache: FanOut
) -> None:
    """When each frame comes in the midst of the last, all still get their share."""
    watchers = crowd(cache)
    for number in range(1, 31):
        cache.publish(frame(number))
        clock.turn()
    shares = Counter(name for name, _ in watchers[0].diary).values()
    assert len(shares) == CROWD
    assert min(shares) >= max(shares) - 1


def test_only_one_round_is_ever_due(clock: Turns, cache: FanOut) -> None:
    """Frames that come in the midst of a round start no second chain of rounds."""
    crowd(cache)
    for number in range(1, 10):
        cache.publish(frame(number))
    assert len(clock.getDelayedCalls()) == 1


def test_who_left_between_rounds_is_not_told(clock: Turns, cache: FanOut) -> None:
    """A viewer that goes before its turn is not sent to."""
    watchers = crowd(cache)
    cache.publish(frame(1))
    cache.leave(watchers[-1])
    clock.pump([0] * 3)
    assert watchers[-1].numbers == []
    assert watchers[-2].numbers == [1]


def test_who_came_between_rounds_waits_for_the_next(
    clock: Turns, cache: FanOut
) -> None:
    """A viewer that comes in mid-round has had the frame from the cache already."""
    crowd(cache)
    cache.publish(frame(1))
    late = Watcher("late")
    cache.join(late)
    clock.pump([0] * 3)
    assert late.numbers == []
    cache.publish(frame(2))
    clock.pump([0] * 3)
    assert late.numbers == [2]


def test_forgotten_between_rounds(clock: Turns, cache: FanOut) -> None:
    """When all leave in mid-round and the frame is forgotten, the next is shown."""
    watchers = crowd(cache)
    cache.publish(frame(1))
    for watcher in watchers:
        cache.leave(watcher)
    cache.forget()
    clock.pump([0] * 3)
    watcher = Watcher()
    cache.join(watcher)
    cache.publish(frame(2))
    clock.pump([0] * 3)
    assert watcher.numbers == [2]


def test_who_left_is_let_go_even_if_no_round_ends(clock: Turns, cache: FanOut) -> None:
    """With frames faster than rounds, those who left are not held for ever."""
    crowd(cache)
    for number in range(1, 21):
        brief = Watcher("brief")
        cache.join(brief)
        cache.publish(frame(number))
        clock.turn()
        cache.leave(brief)
        if number == 1:
            gone = weakref.ref(brief)
        del brief
    assert gone() is None


def test_newcomers_come_in_order(clock: Turns, cache: FanOut) -> None:
    """Those who came in mid-round are told in the order of their coming."""
    diary = crowd(cache)[0].diary
    cache.publish(frame(1))
    names = [f"new {number}" for number in range(20)]
    for name in names:
        cache.join(Watcher(name, diary))
    cache.publish(frame(2))
    clock.pump([0] * 4)
    assert [name for name, _ in diary if name.startswith("new")] == names


@pytest.mark.parametrize("stubborn", [False, True])
def test_trouble_stays_with_one(cache: FanOut, stubborn: bool) -> None:
    """A watcher that fails is logged and sent away; those behind it notice nothing."""
    bad, good = BadWatcher(stubborn), Watcher("good")
    cache.join(bad)
    cache.join(good)
    with capturedLogs() as events:
        cache.publish(frame(1))
        cache.publish(frame(2))
    assert good.numbers == [1, 2]
    assert bad.numbers == [1]
    # Cut, so that the client comes again: a picture that stands still is worse.
    assert bad.left == ["failed"]
    assert failures(events) == ["bad watcher"]


def test_trouble_does_not_end_the_rounds(clock: Turns, cache: FanOut) -> None:
    """A watcher that fails last in its round keeps no later round from coming."""
    crowd(cache, ROUND - 1)
    cache.join(BadWatcher())
    last = Watcher("last")
    cache.join(last)
    with capturedLogs():
        cache.publish(frame(1))
        clock.advance(0)
    assert last.numbers == [1]


def test_lateness_is_that_of_the_last_viewer(clock: Turns, lateness: Histogram) -> None:
    """A frame's age is counted once, when the last round has been told of it."""
    cache = FanOut(clock, lateness)
    crowd(cache)
    cache.publish(frame(1, captured=-0.5))
    assert lateness.upto()[-1] == 0
    clock.advance(0.75)
    assert lateness.upto() == [0, 1, 1]
    assert lateness.sum == 1.25


def test_a_placeholder_has_no_lateness(clock: Turns, lateness: Histogram) -> None:
    """It says nothing of the way from the camera."""
    cache = FanOut(clock, lateness)
    crowd(cache, 1)
    cache.publish(frame(0))
    assert lateness.upto()[-1] == 0


def test_ended_viewers_are_told_no_more(cache: FanOut) -> None:
    """Sent away, each is told why, and of no frame after that."""
    watchers = crowd(cache, 3)
    cache.end("camera offline")
    cache.publish(frame())
    assert [watcher.left for watcher in watchers] == [["camera offline"]] * 3
    assert [watcher.numbers for watcher in watchers] == [[]] * 3
    assert not cache


def test_a_frame_that_was_replaced_has_no_lateness(
    clock: Turns, lateness: Histogram
) -> None:
    """Where a newer frame came in the midst of the rounds, only that one is counted."""
    cache = FanOut(clock, lateness)
    crowd(cache)
    cache.publish(frame(1, captured=-9))
    cache.publish(frame(2, captured=0))
    while clock.getDelayedCalls():
        clock.advance(0)
    assert lateness.upto() == [1, 1, 1]


def test_lateness_without_viewers(clock: Turns, lateness: Histogram) -> None:
    """A frame that nobody watches is late for nobody."""
    FanOut(clock, lateness).publish(frame(1))
    assert lateness.upto()[-1] == 0
