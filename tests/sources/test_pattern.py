"""The test picture moves, tells its number and the time, and fits any size."""

from __future__ import annotations

import numpy as np
import pytest

from camd.sources import CameraMode, Image, RawFrame
from camd.sources.drawing.card import COUNT, Card
from camd.sources.due import Due
from camd.sources.pattern import Pattern
from tests.fake_camera import FakeTime

NOON = 1_800_000_000.25


def card(width: int = 640, height: int = 480, name: str = "robot") -> Card:
    """A card for a camera of 30 pictures per second."""
    return Card(name, CameraMode(width, height, 30, "BGR"))


def pattern(time: FakeTime, fps: float = 10) -> Pattern:
    """A small pattern, opened, on a wall clock that is NOON when ``time`` is 1000."""
    source = Pattern(
        "robot",
        160,
        120,
        fps,
        clock=time.clock,
        sleep=time.sleep,
        wall=lambda: time.now - 1000 + NOON,
    )
    source.open()
    return source


def pixels(shot: RawFrame) -> Image:
    """The picture in a shot that must not be a JPEG."""
    assert not isinstance(shot.content, bytes)
    return shot.content


@pytest.mark.parametrize(
    "size", [(640, 480), (480, 360), (1280, 720), (16, 16), (300, 20), (20, 300)]
)
def test_any_size(size: tuple[int, int]) -> None:
    """The card has exactly the size asked for, be it as odd as it may."""
    picture = card(*size, name="a-name-far-too-long-for-any-card").draw(999_999, NOON)
    assert (picture.shape, picture.dtype) == ((size[1], size[0], 3), np.uint8)


def test_shows_its_number() -> None:
    """Two cards that differ by the number alone differ where the number stands."""
    one, other = (card().draw(n, NOON)[150:300, 40:380] for n in (1111, 1112))
    assert (one != other).any()


def test_number_does_not_disturb_the_rest() -> None:
    """The number changes nothing outside its panel and the block's rail."""
    one, other = (card().draw(n, NOON) for n in (60, 123_456))
    one[150:360, 30:380] = other[150:360, 30:380] = 0
    assert (one[:430] == other[:430]).all()


def test_shows_the_time() -> None:
    """Pictures 30 ms apart show different times."""
    one, other = (card().draw(1, NOON + t)[300:360, 40:380] for t in (0, 0.03))
    assert (one != other).any()


def test_hand_turns() -> None:
    """A second later the hand points elsewhere."""
    one, other = (card().draw(1, NOON + t)[150:360, 400:620] for t in (0, 1))
    assert (one != other).any()


def test_block_swings() -> None:
    """The block on the lower edge moves from one picture to the next."""
    one, other = (card().draw(n, NOON)[430:450] for n in (1, 2))
    assert (one != other).any()


def test_number_starts_again() -> None:
    """Past its last number the card shows 0 again rather than run out of its panel."""
    one, other = (card().draw(n, NOON)[150:300, 40:380] for n in (0, COUNT))
    assert (one == other).all()


def test_names_the_camera() -> None:
    """Two cameras can be told apart."""
    one, other = (card(name=n).draw(1, NOON) for n in ("robot", "door"))
    assert (one != other).any()


def test_pictures_are_the_callers() -> None:
    """Painting over a picture leaves no trace on the next one."""
    cards = card()
    before = cards.draw(1, NOON)
    cards.draw(1, NOON)[:] = 0
    assert (cards.draw(1, NOON) == before).all()


def test_open_tells_what_it_gives() -> None:
    """The pattern gives what it is asked for."""
    assert Pattern("robot", 320, 240, 12.5).open() == CameraMode(320, 240, 12.5, "BGR")


def test_read_brings_the_newest() -> None:
    """A late reader gets the card that is due, stamped with when it fell due."""
    time = FakeTime()
    source = pattern(time)
    source.read()
    time.now += 0.37
    shot = source.read()
    expected = Card("robot", CameraMode(160, 120, 10, "BGR")).draw(3, NOON + 0.3)
    assert shot.captured == pytest.approx(1000.3)
    assert np.abs(pixels(shot).astype(int) - expected).mean() < 0.5


def test_open_starts_again() -> None:
    """Opened again it begins at number 0, at once."""
    time = FakeTime()
    source = pattern(time)
    first = pixels(source.read())
    time.now += 7
    source.close()
    source.open()
    again = source.read()
    assert again.captured == time.now
    assert (pixels(again)[106:114] == first[106:114]).all()


def test_the_picture_that_is_due() -> None:
    """Of a pattern that is faster than the stream none is drawn in vain."""
    time, due = FakeTime(), Due(10)
    source = pattern(time, 30)
    moments = []
    for _ in range(4):
        shot = source.read(due)
        due.took(shot.captured)
        moments.append(shot.captured)
    assert moments == pytest.approx([1000, 1000.1, 1000.2, 1000.3])
