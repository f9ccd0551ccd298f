"""What viewers see while a camera gives no pictures, on a clock."""

from __future__ import annotations

import time
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.logger import capturedLogs

from camd.capture.health import State
from camd.capture.worker import STUCK
from camd.delivery.viewer import Viewer
from camd.sources import SourceError
from tests.fakes import failures
from tests.fakes_camera import EPOCH, FPS, PLACEHOLDER, CameraHarness, tiny_jpeg

DEVICE = "/dev/video7"


def numbers(harness: CameraHarness, viewer: Viewer) -> list[int]:
    """The numbers of the frames that this viewer was sent; 0 is a placeholder."""
    blocks = harness.sent(viewer)
    return [int(block.partition(b"X-Frame: ")[2].split()[0]) for block in blocks]


def unplug(harness: CameraHarness) -> None:
    """Let the next read fail, and all tries to open it after that."""
    harness.source.reads.append(SourceError("it gives no pictures"))
    harness.source.opens.extend([SourceError("no such device")] * 1000)


def plug(harness: CameraHarness) -> None:
    """Let it be opened again."""
    harness.source.opens.clear()
    harness.environment.there = True


def moment(seconds: float) -> str:
    """The time of day at so many seconds of the clock, as people write it."""
    return time.strftime("%H:%M:%S", time.localtime(EPOCH + seconds))


# ---- A camera that is lost


@pytest.mark.parametrize("kind", ["stalled", "offline"])
def test_held_first_then_a_placeholder(kind: str) -> None:
    """The last picture is held for offline_after; then there is one a second."""
    harness = CameraHarness(heartbeat_interval=2)
    viewer = harness.visit()
    harness.environment.run(1)
    if kind == "offline":
        unplug(harness)
    else:
        harness.thread.takes = None
    harness.environment.run(9.9)
    assert harness.camera.state is State(kind)
    last = harness.camera.stats.published
    held = numbers(harness, viewer)[last:]
    assert held
    assert set(held) == {last}
    assert harness.environment.placeholders == []
    harness.environment.run(1)
    assert numbers(harness, viewer)[-1] == 0
    harness.environment.run(10)
    assert viewer.sent.frames == last + 11
    assert len(harness.environment.placeholders) == 11


def test_it_counts_from_the_last_picture() -> None:
    """A camera that stalls first and fails later is lost since the stall."""
    harness = CameraHarness(offline_after=10)
    viewer = harness.visit()
    harness.environment.run(1)
    harness.thread.takes = None
    harness.environment.run(6)
    unplug(harness)
    harness.thread.finish()
    harness.thread.takes = 0
    harness.environment.run(3.9)
    assert 0 not in numbers(harness, viewer)
    harness.environment.run(1.1)
    assert 0 in numbers(harness, viewer)


def test_pictures_come_back() -> None:
    """The first true picture is shown at once, and no placeholder after it."""
    harness = CameraHarness(offline_after=1)
    viewer = harness.visit()
    harness.environment.run(1)
    unplug(harness)
    harness.environment.run(5)
    assert numbers(harness, viewer)[-1] == 0
    first = harness.camera.stats.published + 1
    plug(harness)
    harness.environment.run(4)
    shown = numbers(harness, viewer)
    assert set(shown[shown.index(first) :]) == set(range(first, shown[-1] + 1))
    drawn = len(harness.environment.placeholders)
    harness.environment.run(5)
    assert len(harness.environment.placeholders) == drawn


def test_what_it_says() -> None:
    """Name, since when, why and when it is tried again, in the pictures' own size."""
    harness = CameraHarness(source="rtsp://me:secret@host/", offline_after=3)
    harness.visit()
    harness.environment.run(2)
    unplug(harness)
    harness.environment.run(4)
    harness.environment.placeholders.clear()
    harness.environment.run(4)
    since = f"no signal since {moment(2)}"
    assert harness.environment.placeholders[:3] == [
        ("robot", since, f"not available; trying again in {seconds} s")
        for seconds in (3, 2, 1)
    ]
    assert set(harness.environment.sizes) == {(32, 24)}


@pytest.mark.parametrize(("seen", "word"), [(True, "unplugged"), (False, "not there")])
def test_a_device_that_is_missing(seen: bool, word: str) -> None:
    """It says whether it was there before."""
    harness = CameraHarness(0 if seen else None, source=DEVICE, offline_after=0)
    harness.visit()
    harness.environment.there = False
    unplug(harness)
    harness.thread.takes = 0.25
    if not seen:
        harness.thread.finish()
    harness.environment.run(3)
    assert harness.environment.placeholders[-1][-1].startswith(f"{word}; trying again")


def test_lost_yesterday() -> None:
    """The date is told when the hour alone would mislead."""
    harness = CameraHarness()
    harness.environment.run(1)
    unplug(harness)
    harness.environment.run(1)
    harness.environment.clock.advance(25 * 3600)
    harness.visit()
    harness.environment.run(1)
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime(EPOCH + 1))
    assert harness.environment.placeholders[-1][1] == f"no signal since {date}"


def test_no_client_takes_it_for_a_live_one() -> None:
    """Its headers have number 0, the camera's state, and the last picture's time."""
    harness = CameraHarness(offline_after=1)
    viewer = harness.visit()
    harness.environment.run(1)
    unplug(harness)
    harness.environment.run(5)
    block = harness.sent(viewer)[-1]
    assert b"\r\nX-Frame: 0\r\nX-Camera-State: offline\r\n\r\n" in block
    assert b"\r\nX-Timestamp: %.6f\r\n" % (EPOCH + 1) in block
    assert PLACEHOLDER in block
    assert b"X-Camera-State" not in harness.sent(viewer)[0]


def test_drawn_once_for_all_and_for_nobody() -> None:
    """It is drawn once a second for all viewers together, and not for none."""
    harness = CameraHarness(offline_after=1)
    viewers = [harness.visit() for _ in range(3)]
    harness.environment.run(1)
    unplug(harness)
    harness.environment.run(5)
    drawn = len(harness.environment.placeholders)
    assert drawn == 5
    assert len({harness.sent(viewer)[-1] for viewer in viewers}) == 1
    for viewer in viewers:
        harness.camera.remove_viewer(viewer)
    harness.environment.run(10)
    assert len(harness.environment.placeholders) == drawn


def test_comings_and_goings_draw_no_more() -> None:
    """Who comes within a second is shown the one that was drawn last, at once."""
    harness = CameraHarness()
    unplug(harness)
    harness.environment.run(2)
    for _ in range(20):
        viewer = harness.visit()
        assert numbers(harness, viewer) == [0]
        harness.camera.remove_viewer(viewer)
    assert len(harness.environment.placeholders) == 1


def test_a_true_picture_while_it_is_drawn() -> None:
    """A placeholder that is late is not shown behind a picture."""
    harness = CameraHarness(offline_after=1)
    late: Deferred[bytes] = Deferred()
    harness.environment.draw = lambda: late
    viewer = harness.visit()
    harness.environment.run(1)
    unplug(harness)
    harness.environment.run(5)
    assert len(harness.environment.placeholders) == 1
    plug(harness)
    harness.environment.run(8)
    assert harness.camera.state is State.LIVE
    late.callback(PLACEHOLDER)
    harness.environment.run(1)
    assert 0 not in numbers(harness, viewer)


@pytest.mark.parametrize("drawn", [None, b"no JPEG at all"])
def test_it_cannot_be_drawn(drawn: bytes | None) -> None:
    """That is said once; the last picture stays, and the viewers do."""
    harness = CameraHarness(offline_after=1)
    viewer = harness.visit()
    harness.environment.run(1)
    harness.environment.draw = lambda: _promise(drawn)
    unplug(harness)
    with capturedLogs() as events:
        harness.environment.run(10)
    assert len(failures(events)) == 1
    assert 0 not in numbers(harness, viewer)
    harness.environment.draw = None
    harness.environment.run(1)
    assert 0 in numbers(harness, viewer)
    assert harness.outlets[viewer].aborted == 0


def _promise(drawn: bytes | None) -> Deferred[bytes]:
    if drawn is None:
        return fail(RuntimeError("no ink"))
    promise: Deferred[bytes] = Deferred()
    promise.callback(drawn)
    return promise


# ---- A camera that was never seen, or not for those who come


def test_who_comes_to_a_lost_camera() -> None:
    """There is no last picture to hold; a placeholder comes at once."""
    harness = CameraHarness()
    unplug(harness)
    harness.environment.run(3)
    viewer = harness.visit()
    assert numbers(harness, viewer) == [0]
    assert viewer.sent.frames == 1


def test_waiting_for_a_first_picture() -> None:
    """After heartbeat_interval something must be sent, and it says that it waits."""
    harness = CameraHarness(takes=None, heartbeat_interval=5, camera_timeout=60)
    viewer = harness.visit()
    harness.environment.run(4.9)
    assert harness.sent(viewer) == []
    harness.environment.run(1)
    assert set(numbers(harness, viewer)) == {0}
    words = ("robot", f"waiting for a picture since {moment(0)}", "")
    assert harness.environment.placeholders[0] == words
    assert harness.environment.sizes[0] == (640, 480)


@pytest.mark.parametrize(
    ("rotate", "size"), [(0, (640, 480)), (90, (480, 640)), (180, (640, 480))]
)
def test_waiting_for_a_turned_picture(rotate: int, size: tuple[int, int]) -> None:
    """What is shown ahead of the first picture is as wide and high as pictures are."""
    harness = CameraHarness(takes=None, heartbeat_interval=1, rotate=rotate)
    harness.visit()
    harness.environment.run(2)
    assert harness.environment.sizes[0] == size


def test_the_first_picture_after_the_wait() -> None:
    """When the camera comes at last, its frame is sent at once."""
    harness = CameraHarness(takes=None)
    viewer = harness.visit()
    harness.environment.run(6)
    harness.thread.finish()
    harness.thread.finish()
    assert numbers(harness, viewer)[-1] == 1


# ---- Other choices


def test_hold_for_ever() -> None:
    """The last picture is repeated, and nothing else is ever shown."""
    harness = CameraHarness(offline_picture="hold", offline_after=1)
    viewer = harness.visit()
    harness.environment.run(1)
    unplug(harness)
    harness.environment.run(600)
    assert set(numbers(harness, viewer)[FPS:]) == {harness.camera.stats.published}
    assert harness.outlets[viewer].aborted == harness.outlets[viewer].finished == 0


def test_close() -> None:
    """Streams end after offline_after, each behind a whole part."""
    harness = CameraHarness(offline_picture="close", offline_after=3)
    one, busy = harness.visit(), harness.visit()
    harness.environment.run(1)
    harness.outlets[busy].busy = True
    unplug(harness)
    harness.environment.run(2.9)
    assert not harness.camera.closed
    assert harness.outlets[one].finished == 0
    harness.environment.run(2)
    assert harness.camera.closed
    assert (one.reason, harness.outlets[one].finished) == ("camera offline", 1)
    assert harness.outlets[busy].finished == 0
    harness.outlets[busy].drain()
    assert harness.outlets[busy].finished == 1
    assert harness.environment.placeholders == []


def test_closed_no_more() -> None:
    """When pictures come back, streams can be had again."""
    harness = CameraHarness(offline_picture="close", offline_after=1)
    harness.environment.run(1)
    unplug(harness)
    harness.environment.run(5)
    assert harness.camera.closed
    plug(harness)
    harness.environment.run(30)
    assert not harness.camera.closed
    assert numbers(harness, harness.visit()) == [1]


# ---- A thread that is stuck


def test_a_stuck_thread_and_its_viewers() -> None:
    """A new thread brings pictures; what the old one brings late is not published."""
    harness = CameraHarness()
    viewer = harness.visit()
    harness.environment.run(1)
    harness.thread.takes = None
    harness.environment.run(STUCK + 3)
    assert harness.camera.stats.threads_left_behind == 1
    assert harness.camera.state is State.LIVE
    assert len(harness.environment.threads) == 2
    shown = numbers(harness, viewer)
    harness.source.always = tiny_jpeg(77)
    harness.thread.finish()
    harness.thread.finish()
    assert numbers(harness, viewer) == shown
    assert (harness.source.is_open, harness.thread.stops) == (False, 1)
    assert harness.outlets[viewer].aborted == 0


def test_a_stuck_thread_does_not_keep_the_end() -> None:
    """The end takes the current source along and waits for no other."""
    harness = CameraHarness()
    harness.visit()
    harness.environment.run(1)
    harness.thread.takes = None
    harness.environment.run(STUCK + 3)
    stopped: list[Any] = harness.stop()
    for viewer in list(harness.camera.viewers):
        harness.camera.remove_viewer(viewer)
    assert len(stopped) == 1
    assert not harness.environment.sources[1].is_open


# ---- Asked for by itself


def test_who_asks_no_more() -> None:
    """Who goes away while it is drawn is forgotten; the next one is still served."""
    harness = CameraHarness()
    late: Deferred[bytes] = Deferred()
    harness.environment.draw = lambda: late
    offline = harness.camera.pipeline.offline
    gone, here = offline.picture(), offline.picture()
    gone.addErrback(lambda _: None)
    gone.cancel()
    got: list[Any] = []
    here.addCallback(got.append)
    late.callback(PLACEHOLDER)
    assert [frame.jpeg for frame in got] == [PLACEHOLDER]
    assert len(harness.environment.placeholders) == 1
