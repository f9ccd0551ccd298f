"""Frames that are the same, byte for byte: which are left out, and for whom."""

from __future__ import annotations

from typing import Any

import pytest

from camd.capture.health import State
from camd.delivery.identical import Identical
from camd.delivery.viewer import Viewer
from camd.formats.rendition import Rendition
from tests.fakes import NOBODY, FakeOutlet, frame
from tests.fakes_camera import FPS, CameraHarness, tiny_jpeg


@pytest.mark.parametrize("each", [0, 1])
def test_all_are_sent(each: int) -> None:
    """By default, nothing is left out."""
    identical = Identical(each)
    assert not any(identical.may_leave_out(frame(1)) for _ in range(9))


def test_one_of_three_is_sent() -> None:
    """The first, and then each third one."""
    identical = Identical(3)
    left_out = [identical.may_leave_out(frame(1)) for _ in range(8)]
    assert left_out == [False, True, True] * 2 + [False, True]


def test_another_picture_is_sent() -> None:
    """The count begins again with it."""
    identical = Identical(3)
    numbers = [1, 1, 2, 2, 2, 2, 1]
    left_out = [identical.may_leave_out(frame(number)) for number in numbers]
    assert left_out == [False, True, False, True, True, False, False]


def test_the_bytes_are_kept_once() -> None:
    """Frames that are the same share them."""
    identical = Identical(3)
    first, second = frame(1), frame(1)
    identical.may_leave_out(first)
    identical.may_leave_out(second)
    assert second.jpeg is first.jpeg
    assert second.full is first.jpeg


def test_a_placeholder_is_sent() -> None:
    """It is no picture of the camera, and the next one is sent again."""
    identical = Identical(9)
    shown = [frame(1), frame(0), frame(0), frame(1)]
    assert not any(map(identical.may_leave_out, shown))


# ---- In a camera


def still(**settings: Any) -> CameraHarness:
    """A camera whose picture never changes; one frame a second is sent of it."""
    return CameraHarness(drop_identical=FPS, heartbeat_interval=0, **settings)


def visit(
    harness: CameraHarness, rendition: Rendition | None = None, fps: float = 0
) -> Viewer:
    """Let somebody in who wants this."""
    outlet = FakeOutlet()
    camera = harness.camera
    viewer = camera.add_viewer(outlet, "", "", NOBODY, rendition, fps)
    outlet.drain()
    harness.outlets[viewer] = outlet
    return viewer


def test_a_still_camera() -> None:
    """Its viewers get a frame a second, and its state and age are as ever."""
    harness = still()
    viewer = harness.visit()
    harness.environment.run(10)
    camera = harness.camera
    assert 10 <= viewer.sent.frames <= 11
    assert camera.stats.published == camera.stats.identical + viewer.sent.frames
    assert camera.state is State.LIVE
    newest = camera.newest
    assert newest is not None
    assert camera.now() - newest.captured <= 1 / FPS
    assert newest.number == camera.stats.published


def test_the_next_picture_that_is_another() -> None:
    """It is sent at once."""
    harness = still()
    viewer = harness.visit()
    harness.environment.run(1.5)
    harness.source.always = tiny_jpeg(9)
    harness.environment.run(1 / FPS)
    assert viewer.last is not None
    assert viewer.last.jpeg == tiny_jpeg(9)


def test_one_that_comes_amid_the_stillness() -> None:
    """It begins with the newest frame, without waiting for one."""
    harness = still()
    harness.visit()
    harness.environment.run(1.5)
    late = harness.visit()
    assert late.sent.frames == 1
    harness.environment.run(1 / FPS)
    assert late.sent.frames == 1


def test_one_that_has_no_room() -> None:
    """A frame that it missed comes with the next one, however long it is still."""
    harness = still(stream_buffer_size=1)
    viewer, other = harness.visit(), harness.visit()
    outlet = harness.outlets[viewer]
    harness.environment.run(1)
    outlet.full = True
    harness.environment.run(1)
    harness.source.always = tiny_jpeg(9)
    harness.environment.run(2 / FPS)
    assert viewer.last is not None
    assert viewer.last.jpeg != tiny_jpeg(9)
    outlet.drain(full=False)
    harness.environment.run(2 / FPS)
    assert viewer.last.jpeg == tiny_jpeg(9)
    before = other.sent.frames
    harness.environment.run(8 / FPS)
    assert other.sent.frames == before


def test_one_that_wants_few_frames() -> None:
    """It gets the other picture with the first frame that it is due."""
    harness = still()
    viewer = visit(harness, fps=4)
    harness.environment.run(1.5)
    harness.source.always = tiny_jpeg(9)
    harness.environment.run(5 / FPS)
    assert viewer.last is not None
    assert viewer.last.jpeg == tiny_jpeg(9)


def test_a_smaller_picture() -> None:
    """It is not even scaled again."""
    harness = still()
    viewer = visit(harness, Rendition.parse("1/2@65"))
    harness.environment.run(5)
    assert 5 <= viewer.sent.frames <= 6
    assert len(harness.environment.scaler.asked) == viewer.sent.frames


def test_a_move_amid_the_stillness() -> None:
    """What is wanted instead comes with the next frame."""
    harness = still()
    viewer = visit(harness, Rendition.parse("1/2@65"))
    harness.environment.run(1.5)
    harness.camera.move(viewer, None)
    harness.environment.run(1 / FPS)
    assert viewer.last is not None
    assert viewer.last.rendition is None


def test_heartbeats_come_as_ever() -> None:
    """They fill the silence that is left."""
    harness = CameraHarness(drop_identical=1000, heartbeat_interval=1)
    viewer = harness.visit()
    harness.environment.run(10)
    assert viewer.sent.frames == 1
    assert viewer.sent.heartbeats >= 8


def test_it_is_set_while_it_runs() -> None:
    """At a reload, for those that watch already."""
    harness = CameraHarness(heartbeat_interval=0)
    viewer = harness.visit()
    harness.environment.run(1)
    settings = harness.camera.settings.model_copy(update={"drop_identical": FPS})
    harness.camera.apply(settings, 2)
    before = viewer.sent.frames
    harness.environment.run(3)
    assert viewer.sent.frames - before <= 4
