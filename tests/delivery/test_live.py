"""One connection of the live channel: paced, or in the fast batch, and back."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from camd.delivery.fanout import FanOut
from camd.delivery.live import (
    ASKS_EACH,
    IN_TIME,
    LiveCamera,
    LiveConnection,
    LiveOutlet,
)
from camd.delivery.viewer import ClientInfo, StreamLimits, Viewer
from camd.formats import live
from camd.formats.jpeg import Size
from camd.formats.live import PictureKey
from camd.frame import Frame
from camd.stats import CameraStats
from tests.fakes import NOBODY, FakeOutlet, FakeScaler

JPEG = bytes(1000)
EVERY = 1 / 16


class LiveViewer:
    """A viewer of one camera, on a connection of its own.

    :ivar out: the connection's way out.
    :ivar ages: what it has reported.
    :ivar lag: seconds by which the daemon itself is late.
    :ivar looks: how often it was looked for what has not come.
    :ivar looks_again: whether each look wants another one.

    :param beside: another one of the same camera.
    """

    def __init__(self, beside: LiveViewer | None = None) -> None:
        self.clock = beside.clock if beside else Clock()
        self.out = FakeOutlet()
        self.ages: list[float] = []
        self.finished: list[LiveOutlet] = []
        self.lag = 0.0
        self.looks = 0
        self.looks_again = False
        self.deadlines: dict[LiveConnection, float] = {}
        self.connection = LiveConnection(
            self.out,
            self.clock,
            1.0,
            self.finished.append,
            lambda _: self.lag,
            self.deadlines,
        )
        self.camera = beside.camera if beside else LiveCamera(1, self.clock.seconds)
        self.outlet = LiveOutlet(
            self.connection, "robot", self.camera, 0, self.ages.append
        )
        self.connection.add(self.outlet, 1)
        self.connection.open()
        self.out.drain()
        own = FanOut(self.clock, CameraStats(), FakeScaler())
        self.fan_out = beside.fan_out if beside else own
        info = ClientInfo(1, "", "", 0.0, NOBODY)
        self.viewer = Viewer(info, self.outlet, self.clock.seconds, StreamLimits(2, 30))
        self.outlet.viewer = self.viewer
        self.fan_out.subscribe(self.viewer)
        self.viewer.open(self.fan_out.newest_for(self.viewer))
        self.number = 0

    def publish(self, *, acks: bool = True, after: float = 0.01) -> None:
        """Publish one frame; answer its PING and acknowledge it, some time later."""
        self.number += 1
        is_asked = not self.viewer.is_fast or self.number % ASKS_EACH == 0
        now = self.clock.seconds()
        self.fan_out.publish(Frame(JPEG, self.number, now, now, Size(8, 8)))
        self.clock.advance(after)
        if acks:
            self.answer_ping()
            self.clock.advance(after)
            if is_asked:
                self.acknowledge()
        if self.deadlines[self.connection] <= self.clock.seconds():
            self.looks += 1
            self.connection.check(self.clock.seconds(), 5)
            if self.looks_again:
                self.connection.look_again()
        self.clock.advance(max(0.0, EVERY - 2 * after))

    def answer_ping(self) -> None:
        """Answer the PING ahead of the newest picture."""
        key = PictureKey(1, self.number)
        self.connection.pong(live.picture(b"", key, 0, 0, Size(1, 1), asks=True)[2:10])

    def acknowledge(self) -> None:
        """Acknowledge the newest picture."""
        self.connection.acked(PictureKey(1, self.number))


def fast() -> LiveViewer:
    """One that has kept up long enough."""
    viewer = LiveViewer()
    for _ in range(IN_TIME + 4):
        viewer.publish()
    assert viewer.viewer.is_fast
    return viewer


def test_who_keeps_up_is_sent_to_by_its_batch() -> None:
    """And is asked to acknowledge each fourth picture only."""
    viewer = fast()
    before = len(viewer.out.sent)
    for _ in range(8):
        viewer.publish()
    blocks = [block for block in viewer.out.sent[before:] if len(block) > 100]
    assert viewer.out.sent_directly >= 8
    # Without a PING ahead: the header is behind the four bytes of a frame's own.
    asked = [block for block in blocks if block[6] & live.ACKNOWLEDGE]
    assert [block[0] for block in blocks] == [0x82] * 8
    assert len(asked) == 2


def test_one_that_is_paced_slows_nobody_beside_it() -> None:
    """It is asked to acknowledge each picture; the others are not late for that."""
    viewer = fast()
    other = LiveViewer(viewer)
    for _ in range(IN_TIME - 4):
        viewer.publish()
        other.number = viewer.number
        other.answer_ping()
        other.acknowledge()
        assert viewer.viewer.is_fast
        assert not other.viewer.is_fast


def test_ages_are_reported_in_the_batch() -> None:
    """With each acknowledgement."""
    viewer = fast()
    before = len(viewer.ages)
    for _ in range(8):
        viewer.publish()
    assert len(viewer.ages) == before + 2
    assert 0.01 < viewer.ages[-1] < 0.05


def test_late_acknowledgements_end_it() -> None:
    """Nobody stands in the fast batch while its acknowledgements do not come."""
    viewer = fast()
    for _ in range(2 * ASKS_EACH):
        viewer.publish(acks=False)
    assert not viewer.viewer.is_fast
    before = len(viewer.out.sent)
    for _ in range(5):
        viewer.publish(acks=False)
    # Not one picture more, only the probe.
    assert [block for block in viewer.out.sent[before:] if len(block) > 100] == []


@pytest.mark.parametrize("lag", [0.0, 0.2])
def test_a_daemon_that_is_late_itself_blames_no_viewer(lag: float) -> None:
    """What has come by then it may not have read yet."""
    viewer = fast()
    viewer.lag = lag
    for _ in range(ASKS_EACH):
        viewer.publish(after=0.1)
    assert viewer.viewer.is_fast == bool(lag)


def test_nothing_is_looked_for_before_it_can_be_missing() -> None:
    """Until the next acknowledgement is due; at once where pictures are paced."""
    viewer = fast()
    for _ in range(2 * ASKS_EACH):
        viewer.publish()
    assert viewer.deadlines[viewer.connection] > viewer.clock.seconds()
    viewer.connection.pace()
    assert viewer.deadlines[viewer.connection] < viewer.clock.seconds()


@pytest.mark.parametrize("after", [0.01, 0.03])
def test_who_acknowledges_in_time_is_not_looked_at(after: float) -> None:
    """Be it at once, or later than anybody may be without being known for it."""
    viewer = LiveViewer()
    for _ in range(IN_TIME + 2 * ASKS_EACH):
        viewer.publish(after=after)
    looks = viewer.looks
    for _ in range(4 * ASKS_EACH):
        viewer.publish(after=after)
    assert viewer.viewer.is_fast
    assert viewer.looks == looks


def test_who_might_have_a_larger_rendition_is_looked_at_each_time() -> None:
    """Whatever it acknowledges in the meantime."""
    viewer = fast()
    viewer.looks_again = True
    viewer.connection.look_again()
    looks = viewer.looks
    for _ in range(4 * ASKS_EACH):
        viewer.publish()
    assert viewer.viewer.is_fast
    assert viewer.looks == looks + 4 * ASKS_EACH


def test_a_connection_that_is_gone_is_not_looked_at() -> None:
    """Not even if somebody still paces it."""
    viewer = fast()
    viewer.connection.close()
    viewer.connection.pace()
    assert viewer.deadlines == {}


def test_a_client_that_sees_nothing_more_ends_it() -> None:
    """It says so by the last picture that it has, long before one that is asked for."""
    viewer = fast()
    viewer.publish(acks=False)
    seen = viewer.number
    viewer.connection.acked(PictureKey(1, seen))
    assert viewer.viewer.is_fast  # Nothing is on its way.
    viewer.publish(acks=False)
    viewer.connection.acked(PictureKey(1, seen))
    assert not viewer.viewer.is_fast
    viewer.clock.advance(0)
    assert viewer.out.sent[-1][0] == 0x89  # A probe behind what is on its way.


def test_a_picture_that_does_not_ask_stands_for_the_one_before_that_does() -> None:
    """A browser may have drawn it in place of that one."""
    viewer = fast()
    while viewer.number % ASKS_EACH != ASKS_EACH - 1:
        viewer.publish()
    before = len(viewer.ages)
    viewer.publish(acks=False)
    assert len(viewer.ages) == before
    viewer.connection.acked(PictureKey(1, viewer.number + 1))
    assert len(viewer.ages) == before + 1
    assert viewer.viewer.is_fast


def test_a_full_socket_ends_it() -> None:
    """What was begun is sent to its end, then pictures are paced."""
    viewer = fast()
    viewer.out.full = True
    viewer.publish(acks=False)
    assert not viewer.viewer.is_fast


def test_one_late_camera_slows_all_of_its_connection() -> None:
    """They share the link; another rendition is paced at first, too."""
    viewer = fast()
    viewer.connection.pace()
    assert not viewer.viewer.is_fast
    assert viewer.connection.direct_send() is None


def test_small_messages_wait_behind_a_picture() -> None:
    """Nothing gets into the midst of one."""
    viewer = LiveViewer()
    viewer.out.full = True
    viewer.publish(acks=False)
    before = list(viewer.out.sent)
    viewer.connection.send_control(live.text("{}"))
    assert viewer.out.sent == before
    viewer.out.full = False
    viewer.out.drain()
    assert viewer.out.sent[-1].endswith(live.text("{}"))


def test_a_client_that_takes_no_messages_is_cut_off() -> None:
    """They do not pile up."""
    viewer = LiveViewer()
    viewer.out.full = True
    viewer.publish(acks=False)
    for _ in range(100):
        viewer.connection.send_control(live.text("{}"))
    assert viewer.out.aborted


def test_nothing_is_left_behind() -> None:
    """When a connection is gone no call is."""
    viewer = fast()
    viewer.connection.pace()
    viewer.fan_out.unsubscribe(viewer.viewer)
    viewer.connection.remove(viewer.outlet)
    viewer.connection.close()
    assert viewer.clock.getDelayedCalls() == []
