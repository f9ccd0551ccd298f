"""The camera of an edge, behind a whole origin, on a clock."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from twisted.logger import capturedLogs

from camd.capture.capture import LinkState
from camd.capture.health import State
from camd.delivery.viewer import Viewer
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import Frame
from camd.sources import SourceError
from camd.sources.redis.entries import want_key
from tests.fake_redis import EPOCH, FakeNetwork
from tests.fakes_camera import said
from tests.fakes_fleet import Edge, Origin

HALF, SMALLEST = "1/2@65", "1/4@35"

each_rung = pytest.mark.parametrize("rung", [None, HALF])
"""For viewers of the full picture, and for those of a smaller one."""


class Chain:
    """A camera, its origin, the server and an edge."""

    def __init__(self, **settings: Any) -> None:
        self.network = FakeNetwork()
        self.origin = Origin(self.network)
        self.edge = Edge(self.network, **settings)
        self.origin.publisher.startService()

    def shown(self) -> Frame:
        """The newest frame at the edge."""
        frame = self.edge.camera.newest
        assert frame is not None
        return frame

    def source_frame(self) -> Frame:
        """The newest frame at the origin."""
        frame = self.origin.camera.newest
        assert frame is not None
        return frame

    def frames(self, seconds: float) -> int:
        """Let pictures come for so long; return how many the edge had."""
        before = self.edge.camera.stats.captured
        self.origin.run(seconds)
        return self.edge.camera.stats.captured - before


@pytest.fixture
def chain() -> Chain:
    """One that has run for a while, with nobody watching."""
    chain = Chain()
    chain.origin.run(3)
    return chain


def test_a_picture_stays_what_it_is(chain: Chain) -> None:
    """Number, time and bytes at the edge are those of the origin."""
    chain.edge.visit()
    chain.origin.run(2)
    shown, original = chain.shown(), chain.source_frame()
    assert (shown.number, shown.timestamp) == (original.number, original.timestamp)
    assert shown.jpeg == original.jpeg


def test_every_picture_comes_while_somebody_watches(chain: Chain) -> None:
    """At rest it is one a second; with a viewer it is all there are."""
    assert chain.frames(4) == pytest.approx(4, abs=1)
    chain.edge.visit()
    chain.origin.run(0.5)
    assert chain.frames(4) == pytest.approx(64, abs=1)


def test_nobody_watches_any_more(chain: Chain) -> None:
    """Three seconds after the last viewer the origin sends no more than at rest."""
    viewer, _ = chain.edge.visit()
    chain.origin.run(1)
    assert len(chain.origin.camera.viewers) == 1
    chain.edge.camera.remove_viewer(viewer)
    chain.origin.run(5)
    assert len(chain.origin.camera.viewers) == 0
    assert not chain.network.redis.entry(want_key("front"))


def test_at_rest_nothing_is_read_with_an_idle_rate_of_zero() -> None:
    """The camera is released, and there is no connection."""
    chain = Chain(idle_fps=0)
    chain.origin.run(15)
    assert chain.edge.camera.state is State.IDLE
    reads = chain.network.redis.count(b"XREAD")
    chain.edge.visit()
    chain.origin.run(1)
    assert chain.edge.camera.state is State.LIVE
    assert chain.network.redis.count(b"XREAD") > reads


@pytest.mark.parametrize("round_trip", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("ahead", [-5e8, EPOCH, EPOCH + 1e7])
def test_a_picture_is_never_younger_than_it_is(round_trip: float, ahead: float) -> None:
    """Its age is right to half a round trip on each way, and never too small."""
    chain = Chain()
    chain.network.round_trip = round_trip
    chain.network.redis.ahead = ahead
    chain.origin.run(3)
    chain.edge.visit()
    chain.origin.run(3)
    shown, newest = chain.shown(), chain.source_frame()
    truly_taken = newest.captured - (newest.number - shown.number) / 16
    # The test's clock goes by steps of 1/128 s, of which there are four on the way.
    earliest = truly_taken - round_trip - 1 / 32 - 1e-3
    assert earliest <= shown.captured <= truly_taken + 1e-9


@each_rung
def test_redis_clock_is_set(chain: Chain, rung: str | None) -> None:
    """Set back or forth, it makes pictures at most older, and for a second or two."""
    chain.edge.visit(rung)
    chain.origin.run(1)
    for ahead in (EPOCH - 3600, EPOCH + 3600):
        chain.network.redis.ahead = ahead
        for _ in range(40):
            chain.origin.run(1 / 16)
            now = chain.network.seconds()
            assert chain.shown().captured <= now
        chain.origin.run(3)
        assert chain.network.seconds() - chain.shown().captured < 0.2


def test_a_narrow_uplink_shows_fewer_pictures_and_none_that_is_old() -> None:
    """Over 3 Mbit/s a picture of 40 KB takes 0.11 s, and none waits for another."""
    chain = Chain()
    chain.origin.run(2)
    chain.edge.visit()
    chain.network.round_trip = 0.02
    up, *_ = chain.network.wires
    up.bytes_per_second = 3e6 / 8
    chain.origin.run(3, size=40_000)
    came = chain.edge.camera.stats.captured
    ages = []
    for _ in range(64):
        chain.origin.run(1 / 16, size=40_000)
        captured = chain.edge.camera.captured
        assert captured is not None
        ages.append(chain.network.seconds() - captured)
    assert (chain.edge.camera.stats.captured - came) / 4 == pytest.approx(8, abs=1.5)
    assert max(ages) < 0.35


# ---- Renditions


def key(rung: str) -> bytes:
    """The key of the origin's pictures in a rung."""
    return b"camd:{front}:" + rung.encode()


def put(chain: Chain, rung: str, seconds: float) -> int:
    """Let pictures come for so long; return how many were put into a rung."""
    redis = chain.network.redis
    before = len(redis.said)
    chain.origin.run(seconds)
    return sum(words[:2] == [b"XADD", key(rung)] for words in redis.said[before:])


def last(viewer: Viewer) -> Frame:
    """What a viewer was sent last."""
    assert viewer.last is not None
    return viewer.last


def test_who_wants_less_gets_what_the_origin_makes(chain: Chain) -> None:
    """No full picture goes over any link, and the edge makes nothing."""
    viewer, _ = chain.edge.visit(HALF)
    assert put(chain, "full", 2) == 0
    assert put(chain, HALF, 2) == pytest.approx(32, abs=1)
    shown, original = last(viewer), chain.source_frame()
    assert (shown.number, shown.timestamp) == (original.number, original.timestamp)
    assert shown.size == Size(16, 12)
    assert str(shown.rendition) == HALF
    assert chain.edge.environment.scaled == []
    assert chain.edge.camera.picture_size == Size(32, 24)


def test_a_narrow_uplink_carries_all_small_pictures() -> None:
    """Over 0.5 Mbit/s, where a full one of 40 KB would take 0.7 s."""
    chain = Chain()
    chain.origin.run(2)
    viewer, _ = chain.edge.visit(HALF)
    chain.network.round_trip = 0.02
    up, *_ = chain.network.wires
    up.bytes_per_second = 480e3 / 8
    chain.origin.run(3, size=40_000)
    ages = []
    for _ in range(64):
        chain.origin.run(1 / 16, size=40_000)
        ages.append(chain.network.seconds() - last(viewer).captured)
    assert chain.frames(2) == pytest.approx(32, abs=1)
    assert max(ages) < 0.2


def test_a_picture_counts_once(chain: Chain) -> None:
    """Be it read in full, as two renditions, or as all three of them."""
    chain.edge.visit(HALF)
    chain.edge.visit(SMALLEST)
    chain.origin.run(1)
    assert chain.frames(2) == pytest.approx(32, abs=1)
    chain.edge.visit()
    chain.origin.run(1)
    assert chain.frames(2) == pytest.approx(32, abs=1)
    rate = chain.edge.camera.stats.rate
    assert rate.per_second(chain.network.seconds()) == pytest.approx(16, abs=0.5)


def test_each_viewer_gets_what_it_wants(chain: Chain) -> None:
    """One in full beside one in half of the size."""
    small, _ = chain.edge.visit(HALF)
    full, _ = chain.edge.visit()
    chain.origin.run(2)
    assert last(small).size == Size(16, 12)
    assert last(full).size == Size(32, 24)
    assert last(small).timestamp == last(full).timestamp
    # The first one was there in full before.
    assert chain.edge.environment.scaled in ([], [[HALF]])


def test_two_edges_want_different_renditions(chain: Chain) -> None:
    """Each has its own, and neither is without for a moment."""
    other = Edge(chain.network)
    half, _ = chain.edge.visit(HALF)
    smallest, _ = other.visit(SMALLEST)
    chain.origin.run(1)
    assert put(chain, HALF, 4) == pytest.approx(64, abs=1)
    assert put(chain, SMALLEST, 4) == pytest.approx(64, abs=1)
    assert last(half).number == last(smallest).number
    assert chain.edge.environment.scaled == other.environment.scaled == []


def test_what_the_origin_does_not_make_is_made_here() -> None:
    """Of the full picture, for an edge with other settings."""
    chain = Chain(renditions=["1/3@50", HALF])
    chain.origin.run(2)
    third, _ = chain.edge.visit("1/3@50")
    half, _ = chain.edge.visit(HALF)
    chain.origin.run(1)
    chain.edge.environment.scaled.clear()
    assert put(chain, "full", 1) == pytest.approx(16, abs=1)
    assert (last(third).size, last(half).size) == (Size(11, 8), Size(16, 12))
    assert chain.edge.environment.scaled == [["1/3@50"]] * 16


def test_an_edge_without_the_right_to_ask() -> None:
    """It makes renditions itself, and says so once."""
    chain = Chain()
    chain.network.redis.refuses_hget = True
    with capturedLogs() as events:
        viewer, _ = chain.edge.visit(HALF)
        chain.origin.run(4)
    assert last(viewer).size == Size(16, 12)
    assert put(chain, HALF, 1) == 0
    (line,) = [line for line in said(events) if "HGET" in line]
    assert "refuses HGET, so that renditions are made here: NOPERM" in line


def test_at_rest_without_the_right_to_ask() -> None:
    """Where both have the same settings, the edge knows where to look."""
    chain = Chain()
    chain.network.redis.refuses_hget = True
    chain.origin.run(3)
    for _ in range(8):
        chain.origin.run(1)
        assert chain.edge.camera.state is State.LIVE


def test_the_origin_stops_making_renditions(chain: Chain) -> None:
    """Its settings change: pictures go on, from the full one."""
    viewer, _ = chain.edge.visit(HALF)
    chain.origin.run(2)
    settings = chain.origin.camera.settings.model_copy(update={"renditions": []})
    chain.origin.camera.apply(settings, 1)
    chain.origin.run(3)
    assert chain.edge.environment.scaled
    assert last(viewer).size == Size(16, 12)
    assert last(viewer).number >= chain.source_frame().number - 1


def test_a_reload_of_an_edge_with_small_viewers(chain: Chain) -> None:
    """The last picture holds until the source, opened again, brings another."""
    viewer, _ = chain.edge.visit(HALF)
    chain.origin.run(2)
    shown = last(viewer)
    chain.network.redis.frozen = True
    camera = chain.edge.camera
    camera.apply(camera.settings.model_copy(update={"max_pixels": 1_000_000}), 1)
    assert camera.newest is not None
    assert camera.newest.number == shown.number
    chain.origin.run(camera.settings.offline_after / 2)
    assert not last(viewer).is_placeholder


@pytest.mark.parametrize("round_trip", [0.0, 1 / 32])
def test_a_viewer_moves_from_one_to_the_other(round_trip: float) -> None:
    """Down, further down and up again: numbers go on, and two are missed at most."""
    chain = Chain()
    chain.network.round_trip = round_trip
    chain.origin.run(3)
    viewer, _ = chain.edge.visit()
    chain.origin.run(1)
    frames = [last(viewer)]
    for rung in (HALF, SMALLEST, HALF, None):
        moved = None if rung is None else Rendition.parse(rung)
        chain.edge.camera.move(viewer, moved)
        for _ in range(16):
            chain.origin.run(1 / 16)
            if last(viewer) is not frames[-1]:
                frames.append(last(viewer))
        assert last(viewer).rendition == moved
    steps = [b.number - a.number for a, b in pairwise(frames)]
    assert min(steps) >= 0
    assert max(steps) <= 3
    assert sum(step == 0 for step in steps) <= 4


@pytest.mark.parametrize(("first", "other"), [(None, HALF), (HALF, None)])
def test_a_still_picture_for_who_comes_back(
    first: str | None, other: str | None
) -> None:
    """The edge has had it in this rendition before, and shows it again."""
    chain = Chain(camera_timeout=60)
    patient = {"camera_timeout": 60.0}
    settings = chain.origin.camera.settings.model_copy(update=patient)
    chain.origin.camera.apply(settings, 1)
    left, _ = chain.edge.visit(first)
    chain.origin.run(2)
    stays, _ = chain.edge.visit(other)
    chain.network.run(1)
    chain.edge.camera.remove_viewer(left)
    chain.network.run(5)
    back, _ = chain.edge.visit(first)
    chain.network.run(1)
    assert last(back).number == last(stays).number


class SlowChain(Chain):
    """A camera that gives a picture every 30 s, seen three times while nobody watches.

    The last one is 8 s old at the end.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for wait in (30, 30, 8):
            self.next_picture()
            self.network.run(wait, 1 / 16)
        self.taken = self.network.seconds() - 8

    def next_picture(self) -> None:
        """Let the camera give a picture."""
        self.origin.source.send()

    def check(self, edge: Edge, viewer: Viewer) -> None:
        """Check that a viewer has the last picture, which is as old as it is."""
        frame = last(viewer)
        assert not frame.is_placeholder
        # The test's clock goes by steps, of which there are some on the way.
        assert self.taken - 0.5 <= frame.captured <= self.taken
        assert frame.timestamp == self.source_frame().timestamp
        assert edge.camera.state is State.LIVE


@each_rung
@pytest.mark.parametrize("is_new", [False, True])
def test_a_still_picture_for_who_comes_first(rung: str | None, is_new: bool) -> None:
    """A slow camera shows its last picture at once, with its own age, and stays live.

    So does an edge that has only just begun, and one that has read it already.
    """
    chain = SlowChain()
    edge = Edge(chain.network) if is_new else chain.edge
    if is_new:
        chain.network.run(2, 1 / 16)
    viewer, _ = edge.visit(rung)
    chain.network.run(1, 1 / 64)
    chain.check(edge, viewer)
    number = last(viewer).number
    for _ in range(19):
        chain.network.run(1, 1 / 16)
        chain.check(edge, viewer)
    chain.next_picture()
    chain.network.run(1, 1 / 64)
    assert last(viewer).number == number + 1


@pytest.mark.parametrize("rung", [None, HALF, SMALLEST])
@pytest.mark.parametrize("others", [None, HALF, SMALLEST])
def test_a_still_picture_beside_other_viewers(
    rung: str | None, others: str | None
) -> None:
    """Who comes later has it as well, at the same edge and at another one."""
    chain = SlowChain()
    one, _ = chain.edge.visit(others)
    chain.network.run(5, 1 / 16)
    newcomer, _ = chain.edge.visit(rung)
    other = Edge(chain.network)
    elsewhere, _ = other.visit(rung)
    chain.network.run(2, 1 / 64)
    chain.check(chain.edge, one)
    chain.check(chain.edge, newcomer)
    chain.check(other, elsewhere)
    assert last(newcomer).number == last(elsewhere).number == last(one).number


def test_a_still_picture_goes_out_again_once(chain: Chain) -> None:
    """The origin sends it to who lacks it, and not again and again."""
    chain = SlowChain()
    chain.edge.visit()
    chain.network.run(5, 1 / 16)
    Edge(chain.network).visit()
    chain.network.run(2, 1 / 16)
    redis = chain.network.redis
    before = len(redis.said)
    chain.network.run(10, 1 / 16)
    jpegs = [
        words
        for words in redis.said[before:]
        if words[:2] == [b"XADD", key("full")] and words[-1]
    ]
    assert jpegs == []


@pytest.mark.parametrize("rung", [None, HALF])
def test_a_snapshot_of_a_still_picture(rung: str | None) -> None:
    """It is the last picture, at an edge that is at rest and at the origin."""
    chain = SlowChain()
    rendition = None if rung is None else Rendition.parse(rung)
    for camera in (chain.edge.camera, chain.origin.camera):
        frames: list[Frame] = []
        camera.snapshot(rendition=rendition).addCallback(frames.append)
        chain.network.run(1, 1 / 64)
        (frame,) = frames
        assert chain.taken - 0.5 <= frame.captured <= chain.taken
        assert camera.state is State.LIVE


def test_at_rest_an_edge_stays_live_beside_others_that_watch(chain: Chain) -> None:
    """It sees the camera well, be it by the small picture or by what they want."""
    other = Edge(chain.network)
    viewer, _ = other.visit()
    for tick in range(64):
        if tick == 32:
            other.camera.remove_viewer(viewer)
        chain.origin.run(1 / 4)
        assert chain.edge.camera.state is State.LIVE
        assert chain.edge.camera.now() - (chain.edge.camera.captured or 0) < 2


def test_no_old_picture_for_who_comes_later(chain: Chain) -> None:
    """What was shown to the last viewer of a rung does not wait for the next one."""
    viewer, _ = chain.edge.visit()
    chain.origin.run(1)
    chain.edge.camera.remove_viewer(viewer)
    chain.origin.run(6)
    other = Edge(chain.network)
    viewer, _ = other.visit()
    ages = []
    for _ in range(32):
        chain.origin.run(1 / 32, fps=32)
        if viewer.last is not None:
            ages.append(chain.network.seconds() - viewer.last.captured)
    assert len(ages) > 16
    assert max(ages) < 0.2


@each_rung
@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("round_trip", [0.0, 0.1])
def test_no_old_picture_of_a_rung_that_was_not_sent(
    chain: Chain, rung: str | None, is_new: bool, round_trip: float
) -> None:
    """The one for rest stands there for some seconds when others have viewers."""
    chain.network.round_trip = round_trip
    chain.edge.visit(rung)
    chain.origin.run(7)
    edge = Edge(chain.network) if is_new else chain.edge
    viewer, _ = edge.visit(SMALLEST)
    ages = []
    for _ in range(64):
        chain.origin.run(1 / 32, fps=32)
        if viewer.last is not None:
            ages.append(chain.network.seconds() - viewer.last.captured)
    assert len(ages) > 16
    assert max(ages) < 1


def test_a_snapshot_of_what_viewers_have(chain: Chain) -> None:
    """Who asks for it small beside viewers of that costs no full picture."""
    chain.edge.visit(HALF)
    chain.origin.run(1)
    frames: list[Frame] = []
    half = Rendition.parse(HALF)
    chain.edge.camera.snapshot(rendition=half).addCallback(frames.append)
    assert [frame.rendition for frame in frames] == [half]
    assert put(chain, "full", 1) == 0
    chain.edge.camera.snapshot().addCallback(frames.append)
    chain.origin.run(0.5)
    assert [frame.size for frame in frames] == [Size(16, 12), Size(32, 24)]
    assert chain.edge.camera.now() - frames[1].captured < 1


def test_a_small_viewers_placeholder_is_the_origins(chain: Chain) -> None:
    """It is held back and shown as in full, and a new picture takes its place."""
    viewer, _ = chain.edge.visit(HALF)
    chain.origin.run(1)
    chain.network.run(8)
    assert not last(viewer).is_placeholder
    chain.network.run(17)
    shown, original = last(viewer), chain.source_frame()
    assert shown.is_placeholder
    assert shown.timestamp == pytest.approx(original.timestamp, abs=1.5)
    assert (shown.size, shown.state) == (Size(16, 12), "offline")
    chain.origin.run(1)
    assert not last(viewer).is_placeholder
    assert chain.edge.camera.state is State.LIVE


# ---- Trouble


@each_rung
def test_the_cameras_state_is_the_origins(chain: Chain, rung: str | None) -> None:
    """A camera that is offline at the origin is so at the edge, with the reason."""
    chain.edge.visit(rung)
    chain.origin.run(1)
    receiver = chain.origin.source.receiver
    assert receiver is not None
    chain.origin.source.fails = "unplugged"
    receiver.failed(SourceError("unplugged"))
    chain.network.run(0.5)
    assert chain.edge.camera.state is State.OFFLINE
    assert chain.edge.camera.link is LinkState.UP
    origin = chain.edge.camera.origin
    assert origin is not None
    assert (origin.state, origin.why) == (State.OFFLINE, "unplugged")


@pytest.mark.parametrize(
    ("seen", "wanted"), [(None, ""), (HALF, ""), (None, SMALLEST), (None, HALF)]
)
def test_no_old_word_of_another_rung(
    chain: Chain, seen: str | None, wanted: str | None
) -> None:
    """A rung that was not sent lately holds what was said of an outage that is over."""
    viewer, _ = chain.edge.visit(seen)
    chain.origin.run(1)
    receiver = chain.origin.source.receiver
    assert receiver is not None
    receiver.failed(SourceError("unplugged"))
    chain.network.run(3.5)
    chain.origin.run(2)
    assert chain.edge.camera.state is State.LIVE
    with capturedLogs() as events:
        if wanted:
            chain.edge.visit(wanted)
        else:
            chain.edge.camera.remove_viewer(viewer)
        chain.origin.run(8)
    assert not [line for line in said(events) if "is offline" in line]


def test_the_placeholder_is_the_origins(chain: Chain) -> None:
    """What viewers see in place of a picture has the origin's time and state."""
    chain.edge.visit()
    chain.origin.run(1)
    chain.network.run(25)
    shown, original = chain.shown(), chain.source_frame()
    assert original.is_placeholder
    assert shown.is_placeholder
    assert shown.timestamp == pytest.approx(original.timestamp, abs=1.5)
    assert shown.state == original.state == "offline"


@each_rung
def test_redis_is_away(chain: Chain, rung: str | None) -> None:
    """Viewers stay, the camera is stalled, not offline, and the link is told apart."""
    viewer, outlet = chain.edge.visit(rung)
    chain.origin.run(1)
    with capturedLogs() as events:
        chain.network.lose()
        chain.origin.run(1)
        assert chain.edge.camera.state is State.LIVE
        assert chain.edge.camera.link is LinkState.OFFLINE
        chain.origin.run(5)
        assert chain.edge.camera.state is State.STALLED
        assert not chain.shown().is_placeholder
        chain.origin.run(25)
    assert chain.shown().is_placeholder
    assert viewer in chain.edge.camera.viewers
    reason = "redis://10.0.0.1:6379/0: nothing listens there"
    assert chain.edge.camera.stats.last_error == reason
    lines = [line for line in said(events) if "stalled" in line and reason in line]
    assert len(lines) == 1
    chain.network.redis.forget()
    chain.network.server = chain.network.redis
    chain.origin.run(2)
    assert chain.edge.camera.state is State.LIVE
    assert chain.edge.camera.link is LinkState.UP
    assert not chain.shown().is_placeholder
    assert outlet.aborted == outlet.finished == 0


@each_rung
def test_the_origin_is_away(chain: Chain, rung: str | None) -> None:
    """Its cameras are stalled, the link to the server is well, and it comes back."""
    chain.edge.visit(rung)
    chain.origin.run(1)
    chain.origin.publisher._link.stop()
    chain.origin.publisher._wants.stop()
    chain.network.run(30)
    assert chain.edge.camera.state is State.STALLED
    assert chain.edge.camera.link in (None, LinkState.UP)
    assert chain.shown().is_placeholder
    again = Origin(chain.network)
    again.publisher.startService()
    again.run(2)
    assert chain.edge.camera.state is State.LIVE
    assert chain.shown().number < 64


@each_rung
def test_an_origin_that_is_stopped_says_so(chain: Chain, rung: str | None) -> None:
    """At the end its cameras are offline at once."""
    chain.edge.visit(rung)
    chain.origin.run(1)
    chain.origin.publisher.stopService()
    chain.network.run(0.25)
    assert chain.edge.camera.state is State.OFFLINE
    assert "its camd was stopped" in str(chain.edge.camera.stats.last_error)


def test_what_is_no_entry(chain: Chain) -> None:
    """What another program writes there is refused with a reason."""
    chain.edge.visit()
    chain.origin.run(1)
    words = [b"XADD", b"camd:{front}:full", b"MAXLEN", b"1", b"*", b"hello", b"world"]
    chain.network.redis.added(words)
    chain.network.run(0.1)
    assert chain.edge.camera.state is State.OFFLINE
    error = "redis://10.0.0.1:6379/0: its entry is not as a camd writes it"
    assert chain.edge.camera.stats.last_error == error


def test_the_connections_end(chain: Chain) -> None:
    """A camera that is stopped leaves no connection behind."""
    before = len(chain.network.redis.sessions)
    chain.edge.camera.stopService()
    chain.network.run(0.1)
    assert len(chain.network.redis.sessions) == before - 1
