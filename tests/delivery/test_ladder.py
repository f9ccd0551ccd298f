"""Smaller renditions are made once, late, on demand, and viewers share them."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from camd.delivery.rung import ROUND
from camd.delivery.viewer import Viewer
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import Frame
from tests.delivery.test_fanout import FailingOutlet, FanOutHarness, numbers
from tests.fakes import PLAIN, FakeOutlet, failures

HALF, QUARTER = Rendition.parse("1/2@60"), Rendition.parse("1/4@50")


class LadderHarness(FanOutHarness):
    """A fan-out with viewers of several renditions and rates."""

    def __init__(self, *renditions: Rendition | None, fps: float = 0) -> None:
        super().__init__()
        for rendition in renditions:
            self.add(FakeOutlet(), rendition=rendition, fps=fps)

    def run(self, count: int, rate: float = 15) -> None:
        """Publish so many frames at a rate, as the capture does."""
        for _ in range(count):
            self.reactor.advance(1 / rate)
            self.stats.rate.tick(self.reactor.seconds())
            self.publish(captured=self.reactor.seconds())
            self.finish_rounds()

    def outlet(self, viewer: Viewer) -> FakeOutlet:
        """The outlet of a viewer."""
        return self.outlets[self.viewers.index(viewer)]

    def made(self) -> list[list[str]]:
        """Which renditions were made, each time that something was."""
        return [[str(r) for r in renditions] for _, renditions in self.scaler.asked]


def test_nobody_wants_less_nothing_is_made() -> None:
    """Viewers of the full picture cost no encoding."""
    harness = LadderHarness(None, None)
    harness.run(3)
    assert harness.scaler.asked == []


def test_each_viewer_gets_its_rendition() -> None:
    """Each gets the frame it wants, under the number and time of the full one."""
    harness = LadderHarness(None, HALF, QUARTER, HALF)
    frame = harness.publish(captured=2)
    full, half, quarter, other_half = (outlet.sent for outlet in harness.outlets)
    assert full == [frame.block(PLAIN)]
    assert half == other_half
    assert b"1/2@60:" in half[0]
    assert b"1/4@50:" in quarter[0]
    assert numbers(harness.outlets[1]) == numbers(harness.outlets[2]) == [1]
    last = harness.viewers[2].last
    assert last is not None
    assert (last.captured, last.timestamp, last.size) == (
        2,
        frame.timestamp,
        Size(16, 12),
    )


def test_made_once_for_all_viewers() -> None:
    """One decode and one encode for each rung, however many watch; one bytes object."""
    harness = LadderHarness(*[HALF, QUARTER] * 150)
    harness.publish()
    harness.finish_rounds()
    assert harness.made() == [["1/2@60", "1/4@50"]]
    assert len({id(block) for outlet in harness.outlets for block in outlet.sent}) == 2


def test_made_when_the_full_picture_has_gone_out() -> None:
    """The pool is asked when the last viewer of the full picture has been sent it."""
    harness = LadderHarness(*[None] * (ROUND + 1), HALF)
    harness.publish()
    assert harness.scaler.asked == []
    harness.finish_rounds()
    assert len(harness.scaler.asked) == 1


def test_full_pictures_faster_than_their_rounds_starve_no_rung() -> None:
    """A frame that is replaced amid its rounds is scaled all the same."""
    harness = LadderHarness(*[None] * (2 * ROUND + 1), HALF)
    harness.publish(5)
    assert len(harness.scaler.asked) == 4


def test_late_ones_are_skipped() -> None:
    """While one is being made the newest frame waits, and no other; it is counted."""
    harness = LadderHarness(HALF)
    harness.scaler.slow = True
    harness.publish(4)
    assert len(harness.scaler.asked) == 1
    harness.scaler.finish()
    harness.scaler.finish()
    assert numbers(harness.outlets[0]) == [1, 4]
    counts = harness.stats.renditions["1/2@60"]
    assert (counts.made, counts.skipped) == (2, 2)


def test_nothing_is_made_for_viewers_that_have_left() -> None:
    """When the last one of a rung has gone, that rung costs nothing any more."""
    harness = LadderHarness(HALF, QUARTER)
    harness.publish()
    harness.fanout.unsubscribe(harness.viewers[0])
    harness.publish()
    assert harness.made() == [["1/2@60", "1/4@50"], ["1/4@50"]]


def test_the_last_viewer_leaves_while_its_frame_is_made() -> None:
    """What comes of it reaches nobody, and the next frame is made as usual."""
    harness = LadderHarness(HALF, QUARTER)
    harness.scaler.slow = True
    harness.publish()
    harness.fanout.unsubscribe(harness.viewers[0])
    harness.scaler.finish()
    assert harness.outlets[0].sent == []
    harness.publish()
    assert harness.made()[1:] == [["1/4@50"]]


def test_a_viewer_that_failed_unsubscribes_last() -> None:
    """It left its rung as it failed; a rung that was made since then stays."""
    harness = LadderHarness(HALF)
    bad = harness.add(FailingOutlet(), rendition=HALF)
    with capturedLogs():
        harness.publish()
    harness.fanout.unsubscribe(harness.viewers[0])
    harness.add(FakeOutlet(), rendition=HALF)
    harness.fanout.unsubscribe(bad)
    harness.publish()
    assert numbers(harness.outlets[-1]) == [1, 2]
    harness.fanout.unsubscribe(harness.viewers[-1])
    assert len(harness.fanout) == 0


def test_a_newcomer_gets_the_newest_frame_scaled() -> None:
    """It does not wait for the next picture."""
    harness = LadderHarness(None)
    harness.publish(3)
    late = harness.add(FakeOutlet(), rendition=HALF)
    assert numbers(harness.outlet(late)) == [3]


def test_a_second_newcomer_costs_nothing() -> None:
    """The frame is there already, and the first viewer is not sent it twice."""
    harness = LadderHarness(HALF)
    harness.publish()
    late = harness.add(FakeOutlet(), rendition=HALF)
    assert numbers(harness.outlet(late)) == [1]
    assert [numbers(outlet) for outlet in harness.outlets] == [[1], [1]]
    assert len(harness.scaler.asked) == 1


def test_a_newcomer_while_the_frame_is_made() -> None:
    """It waits with the others, and none is sent it twice."""
    harness = LadderHarness(HALF)
    harness.scaler.slow = True
    harness.publish()
    harness.add(FakeOutlet(), rendition=HALF)
    harness.scaler.finish()
    assert [numbers(outlet) for outlet in harness.outlets] == [[1], [1]]
    assert len(harness.scaler.asked) == 1


def test_no_stream_begins_with_an_old_frame() -> None:
    """A rung for viewers of few frames gets a new one for a viewer of all."""
    harness = LadderHarness(HALF, fps=0.1)
    harness.run(40)
    late = harness.add(FakeOutlet(), rendition=HALF)
    assert numbers(harness.outlet(late)) == [40]


def test_a_picture_that_cannot_be_scaled_goes_out_whole() -> None:
    """Better large than frozen; it is logged once, and again after it has worked."""
    harness = LadderHarness(HALF)
    harness.scaler.trouble = ValueError("no JPEG")
    with capturedLogs() as events:
        frame = harness.publish(2)
        harness.scaler.trouble = None
        harness.publish()
        harness.scaler.trouble = ValueError("no JPEG again")
        harness.publish()
    assert numbers(harness.outlets[0]) == [1, 2, 3, 4]
    assert harness.outlets[0].sent[1] == frame.block(PLAIN)
    assert failures(events) == ["no JPEG", "no JPEG again"]


def test_forgotten_with_the_full_picture() -> None:
    """What is too old to begin a stream with is so in every rendition."""
    harness = LadderHarness(HALF)
    harness.publish()
    harness.fanout.newest = None
    late = harness.add(FakeOutlet(), rendition=HALF)
    assert harness.outlet(late).sent == []


def test_moved_to_another_rendition() -> None:
    """A viewer that is moved gets the frames of its new rung, and keeps its counts."""
    harness = LadderHarness(HALF)
    viewer, outlet = harness.viewers[0], harness.outlets[0]
    harness.publish(2)
    harness.fanout.move(viewer, QUARTER)
    harness.publish(2)
    harness.fanout.move(viewer, None)
    harness.publish()
    # The newest one also in the new rendition: it may be a while until the next.
    assert numbers(outlet) == [1, 2, 2, 3, 4, 4, 5]
    assert [block.count(b"1/4@50:") for block in outlet.sent] == [0, 0, 1, 1, 1, 0, 0]
    assert viewer.sent.frames == 7
    assert len(harness.fanout) == 1


# Rates


@pytest.mark.parametrize(
    ("rate", "fps", "stride"),
    [
        (15, 0, 1),
        (15, 15, 1),
        (15, 30, 1),
        (15, 7.5, 2),
        (15, 5, 3),
        (15, 1, 15),
        (15, 10, 2),
    ],
)
def test_each_kth_frame(rate: float, fps: float, stride: int) -> None:
    """Of the camera's frames each k-th goes out, by number."""
    harness = LadderHarness(None, None, fps=fps)
    harness.run(31, rate)  # Until the rate is known.
    for outlet in harness.outlets:
        outlet.sent.clear()
    harness.run(4 * stride, rate)
    sent = numbers(harness.outlets[0])
    assert [number % stride for number in sent] == [0] * 4
    assert sent == numbers(harness.outlets[1])


def test_a_rate_that_wavers_changes_nothing() -> None:
    """At 15.5 frames a second, 5 are each third frame, not each fourth."""
    harness = LadderHarness(None, fps=5)
    harness.run(35, 15.5)
    harness.outlets[0].sent.clear()
    harness.run(12, 15.5)
    assert len(harness.outlets[0].sent) == 4


def test_a_rendition_is_made_no_oftener_than_it_is_wanted() -> None:
    """Frames that no viewer of the rung is due are not scaled."""
    harness = LadderHarness(None, HALF, fps=5)
    harness.run(31)
    harness.scaler.asked.clear()
    harness.run(15)
    assert len(harness.scaler.asked) == 5


def test_a_newcomer_does_not_wait_for_its_turn() -> None:
    """However few frames it wants, the first comes at once."""
    harness = LadderHarness(None, fps=1)
    harness.run(31)
    harness.fanout.newest = None
    late = harness.add(FakeOutlet(), fps=1)
    harness.run(1)
    assert len(harness.outlet(late).sent) == 1


def test_a_placeholder_is_sent_at_every_rate() -> None:
    """It has no number, and comes once a second."""
    harness = LadderHarness(None, fps=0.1)
    harness.run(31)
    harness.outlets[0].sent.clear()
    harness.number = -1
    harness.publish()
    assert numbers(harness.outlets[0]) == [0]


# Single frames


def rendered(
    harness: LadderHarness, frame: Frame
) -> tuple[Deferred[Frame], list[Frame]]:
    """Ask for the half of a frame; what has come of it stands in the list."""
    got: list[Frame] = []
    asked = harness.fanout.render(frame, HALF)
    asked.addCallback(got.append)
    return asked, got


def test_a_single_frame_is_made_once_for_all_that_ask() -> None:
    """Snapshots cost one encode for a frame, whether it is done or under way."""
    harness = LadderHarness()
    frame = harness.publish()
    harness.scaler.slow = True
    _, first = rendered(harness, frame)
    _, second = rendered(harness, frame)
    assert first == second == []
    harness.scaler.finish()
    _, third = rendered(harness, frame)
    assert first == second == third
    assert first[0].jpeg == b"1/2@60:" + frame.jpeg
    assert len(harness.scaler.asked) == 1


def test_a_single_frame_that_viewers_have_costs_nothing() -> None:
    """The stream's frame is the snapshot's."""
    harness = LadderHarness(HALF)
    _, got = rendered(harness, harness.publish())
    assert got == [harness.viewers[0].last]
    assert len(harness.scaler.asked) == 1


def test_a_single_frame_that_cannot_be_made() -> None:
    """All that asked get the full picture, and the reason is logged once."""
    harness = LadderHarness()
    frame = harness.publish()
    harness.scaler.trouble = ValueError("no JPEG")
    with capturedLogs() as events:
        got = [rendered(harness, frame)[1] for _ in range(2)]
    assert got == [[frame], [frame]]
    assert failures(events) == ["no JPEG"]


def test_a_request_that_is_cancelled() -> None:
    """The others get their frame."""
    harness = LadderHarness()
    harness.scaler.slow = True
    frame = harness.publish()
    asked, _ = rendered(harness, frame)
    _, other = rendered(harness, frame)
    asked.addErrback(lambda failure: None)
    asked.cancel()
    harness.scaler.finish()
    assert len(other) == 1


# ---- Renditions that come made


def fed(number: int, captured: float, rendition: Rendition = HALF) -> Frame:
    """A frame that another camd has scaled."""
    size = Size(16, 12)
    return Frame(b"made", number, captured, 1000 + number, size, rendition=rendition)


def test_what_comes_made_is_not_made_here() -> None:
    """It goes to those that want it, and other renditions are scaled as ever."""
    harness = LadderHarness(HALF, QUARTER, None)
    harness.fanout.feed(fed(1, 1), HALF)
    harness.publish(captured=1)
    assert harness.made() == [["1/4@50"]]
    assert harness.outlets[0].sent == [fed(1, 1).block(PLAIN)]
    assert harness.fanout.size_of(HALF) == len(b"made")


def test_what_has_stopped_to_come_is_made_here() -> None:
    """With the third full picture behind which there was none."""
    harness = LadderHarness(HALF)
    harness.fanout.feed(fed(1, 1), HALF)
    harness.publish(2, captured=1.5)
    assert harness.made() == []
    harness.publish(captured=1.6)
    assert harness.made() == [["1/2@60"]]


def test_what_comes_seldom_is_not_made_here() -> None:
    """Of a camera with a frame in two seconds, each comes made behind the full one."""
    harness = LadderHarness(HALF)
    for number in range(1, 9):
        harness.run(1, rate=1 / 2)
        now = harness.reactor.seconds()
        harness.fanout.feed(fed(number, now), HALF)
    assert len(harness.made()) == 1
    assert numbers(harness.outlets[0]) == [1, *range(1, 9)]


def test_placeholders_are_always_made_here() -> None:
    """Who draws them is not who makes the renditions."""
    harness = LadderHarness(HALF)
    harness.fanout.feed(fed(1, 1), HALF)
    harness.fanout.publish(Frame(b"none", 0, 1.5, 1001, Size(64, 48), "offline"))
    assert harness.made() == [["1/2@60"]]
    harness.fanout.feed(fed(2, 1.4), HALF)
    last = harness.viewers[0].last
    assert last is not None
    assert last.number == 2


def test_no_viewer_goes_back() -> None:
    """What was begun to be scaled before one came made is late, and not sent."""
    harness = LadderHarness(HALF)
    harness.scaler.slow = True
    harness.publish(captured=1)
    harness.fanout.feed(fed(1, 1.001), HALF)
    harness.fanout.feed(fed(2, 1.1), HALF)
    harness.scaler.finish()
    harness.fanout.feed(fed(1, 1.001), HALF)
    assert len(harness.outlets[0].sent) == 2


def test_who_moves_beside_others_has_their_picture() -> None:
    """A still picture that others of the rendition were sent is sent to it, too."""
    harness = LadderHarness(None, HALF)
    harness.publish()
    harness.fanout.move(harness.viewers[0], HALF)
    assert numbers(harness.outlets[0]) == [1, 1]
    assert harness.outlets[0].sent[1] is harness.outlets[1].sent[0]


def test_who_moves_before_its_first_picture_is_made() -> None:
    """It is sent the full one that there is, which may be a still one."""
    harness = LadderHarness(HALF)
    harness.scaler.slow = True
    harness.publish()
    harness.fanout.move(harness.viewers[0], None)
    harness.scaler.finish()
    assert numbers(harness.outlets[0]) == [1]


def test_a_still_picture_is_scaled_although_others_came_made() -> None:
    """Who comes then does not wait for the next one."""
    harness = LadderHarness(HALF)
    harness.fanout.feed(fed(1, 1.0), HALF)
    harness.publish(captured=1.0)
    harness.fanout.unsubscribe(harness.viewers[0])
    harness.reactor.advance(10)
    harness.add(FakeOutlet(), rendition=HALF)
    assert numbers(harness.outlets[1]) == [1]


def test_a_picture_that_nobody_wants_any_more_is_forgotten() -> None:
    """With the next frame; what is known of its size stays."""
    harness = LadderHarness(None, HALF)
    harness.fanout.feed(fed(1, 1.0), QUARTER)
    harness.publish(captured=1.0)
    harness.fanout.unsubscribe(harness.viewers[1])
    harness.publish(captured=2.0)
    assert harness.fanout._ladder._made == {}
    assert harness.fanout.size_of(HALF) is not None
    assert harness.fanout.size_of(QUARTER) is not None


def test_who_moves_waits_for_one_that_is_new() -> None:
    """Where the other rendition is behind by some frames."""
    harness = LadderHarness(None)
    viewer, outlet = harness.viewers[0], harness.outlets[0]
    for number in range(1, 5):
        harness.publish(captured=number / 10)
    harness.scaler.slow = True
    harness.fanout.move(viewer, HALF)
    harness.add(FakeOutlet(), rendition=HALF)
    for number in range(1, 7):
        harness.fanout.feed(fed(number, number / 10), HALF)
        harness.finish_rounds()
    assert numbers(outlet) == [1, 2, 3, 4, 4, 5, 6]
    assert numbers(harness.outlets[1]) == [1, 2, 3, 4, 5, 6]


def test_a_full_picture_that_nobody_wants_is_none_to_begin_with() -> None:
    """It is from when somebody did."""
    harness = LadderHarness(HALF)
    full = harness.publish(captured=1)
    assert harness.fanout.latest is full
    newer = fed(2, 2)
    harness.fanout.feed(newer, HALF)
    assert harness.fanout.newest is None
    assert harness.fanout.latest is harness.fanout.newest_as(HALF) is newer
    assert harness.fanout.size_of(None) == len(full.jpeg)


def test_what_is_wanted() -> None:
    """The renditions of those that are there."""
    harness = LadderHarness(HALF, QUARTER, None)
    assert set(harness.fanout.wanted) == {None, HALF, QUARTER}
    for viewer in harness.viewers[1:]:
        harness.fanout.unsubscribe(viewer)
    assert set(harness.fanout.wanted) == {HALF}
