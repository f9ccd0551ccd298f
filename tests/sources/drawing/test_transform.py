"""Pictures are turned, mirrored and written on, pixel for pixel."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from camd.capture.reader import BadPicture, Reader
from camd.config.settings import CameraSettings
from camd.formats.jpeg import MAX_PIXELS, Damaged, Size
from camd.sources import CameraMode, RawFrame, SourceError
from camd.sources.drawing.orientation import oriented
from camd.sources.drawing.overlay import Overlay
from camd.sources.drawing.transform import Redrawn, decoded
from camd.sources.due import Due
from camd.sources.factory import make_controls, make_encoder, make_source
from camd.sources.live import Live
from camd.sources.v4l2.controlled import Controlled
from tests.fakes_camera import GIVEN, FakeSource, tiny_jpeg

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
# The corners of the picture, by name, and where each stands after a turn and a flip.
CORNERS = {
    "a": PICTURE[0, 0],
    "b": PICTURE[0, 2],
    "c": PICTURE[1, 0],
    "d": PICTURE[1, 2],
}


def settings(**keys: Any) -> CameraSettings:
    """A camera's settings."""
    return CameraSettings(name="robot", **keys)


def redrawn(reads: list[Any], **keys: Any) -> Redrawn:
    """A camera that gives these, redrawn; its clock shows 7, and the wall's 1000."""
    clock = Clock()
    clock.advance(7)
    source = FakeSource(clock, reads)
    return Redrawn(source, settings(**keys), lambda: 9.5, lambda: 1000.0)


def corners(picture: Any) -> str:
    """The names of the corners of a picture, row by row."""
    found = [picture[0, 0], picture[0, -1], picture[-1, 0], picture[-1, -1]]
    names = [n for f in found for n, c in CORNERS.items() if np.array_equal(f, c)]
    return "".join(names)


@pytest.mark.parametrize(
    ("rotate", "flip", "expected"),
    [
        (0, "none", "abcd"),
        (90, "none", "cadb"),
        (180, "none", "dcba"),
        (270, "none", "bdac"),
        (0, "horizontal", "badc"),
        (0, "vertical", "cdab"),
        (0, "both", "dcba"),
        (90, "horizontal", "acbd"),
        (90, "vertical", "dbca"),
        (270, "both", "cadb"),
        (180, "both", "abcd"),
    ],
)
def test_corners(rotate: Any, flip: Any, expected: str) -> None:
    """Each corner lands where a turn to the right, and then the mirror, bring it."""
    assert corners(oriented(PICTURE, rotate, flip)) == expected


@pytest.mark.parametrize(
    ("rotate", "shape"), [(0, (2, 3)), (180, (2, 3)), (90, (3, 2))]
)
def test_every_pixel(rotate: Any, shape: tuple[int, int]) -> None:
    """No pixel is lost or doubled, and an upright picture has its sides changed."""
    turned = oriented(PICTURE, rotate, "horizontal")
    assert turned.shape[:2] == shape
    assert sorted(turned.ravel()) == sorted(PICTURE.ravel())


def test_nothing_to_do() -> None:
    """What is neither turned nor mirrored is the very same picture."""
    assert oriented(PICTURE, 0, "none") is PICTURE


@pytest.mark.parametrize(
    ("rotate", "size"),
    [(0, (32, 24)), (90, (24, 32)), (180, (32, 24)), (270, (24, 32))],
)
def test_size_that_goes_out(rotate: int, size: tuple[int, int]) -> None:
    """What is given is told with the size that viewers see."""
    mode = redrawn([], rotate=rotate).open()
    assert mode == CameraMode(*size, GIVEN.fps, GIVEN.format)


def test_pixels() -> None:
    """A picture in pixels is turned; when it was taken stays what it was."""
    source = redrawn([PICTURE], rotate=180)
    source.open()
    shot = source.read()
    assert (corners(shot.content), shot.captured) == ("dcba", 7)


def test_jpeg() -> None:
    """A JPEG is decoded and turned."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = (0, 0, 255)
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    source = redrawn([data + b"\0\0"], rotate=90)
    source.open()
    turned = source.read().content
    assert not isinstance(turned, bytes)
    assert turned.shape == (64, 48, 3)
    # Upper left goes to upper right.
    assert turned[16, 36, 2] > 200
    assert turned[16, 12, 2] < 50


def test_overlay_tells_when_the_picture_was_taken() -> None:
    """The text is the wall's time less the picture's age, on the turned picture."""
    source = redrawn(
        [np.zeros((40, 80, 3), np.uint8)], rotate=90, overlay="%S {camera}"
    )
    source.open()
    written = np.zeros((80, 40, 3), np.uint8)
    Overlay("%S {camera}", "robot").write(written, 1000 - 2.5)
    assert np.array_equal(source.read().content, written)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no SOI"),
        (tiny_jpeg()[:-3], "no EOI"),
        (b"\xff\xd8 garbage \xff\xd9", "no frame header|segment|marker"),
    ],
)
def test_damaged(data: bytes, why: str) -> None:
    """A JPEG that is not whole is never decoded to a torn picture."""
    source = redrawn([data], flip="both")
    source.open()
    with pytest.raises(Damaged, match=why):
        source.read()


def test_too_large() -> None:
    """A few bytes that say they are a huge picture take up no memory."""
    header = tiny_jpeg().find(b"\xff\xc0")
    size = (0xFFFF).to_bytes(2, "big") * 2
    # A progressive one, whose scan may be as short as this.
    marker = b"\xff\xc2" + tiny_jpeg()[header + 2 : header + 5]
    data = tiny_jpeg()[:header] + marker + size + tiny_jpeg()[header + 9 :]
    with pytest.raises(Damaged, match="size is 65535x65535, more than max_pixels"):
        decoded(data, MAX_PIXELS)


def test_whole_and_yet_not_to_be_decoded() -> None:
    """What has the outside of a JPEG and no inside is a damaged picture."""
    data = tiny_jpeg()
    tables = data.find(b"\xff\xdb")
    with pytest.raises(Damaged, match="cannot be decoded"):
        # Tables of an unknown kind.
        decoded(data[: tables + 4] + b"\xff" + data[tables + 5 :], MAX_PIXELS)


def test_a_damaged_picture_closes_nothing() -> None:
    """The reader leaves one such picture out, and takes the next."""
    source = redrawn([b"garbage", tiny_jpeg()], rotate=90)
    reader = Reader(source, make_encoder(80), Clock().seconds)
    with pytest.raises(BadPicture, match="no SOI"):
        reader.take()
    picture = reader.take()
    assert (picture.size, picture.passed_through) == (Size(24, 32), False)
    assert source._source.calls == ["open", "read", "read"]  # type: ignore[attr-defined]


def test_a_look_at_a_damaged_picture() -> None:
    """While nobody watches, such a picture is as bad."""
    reader = Reader(redrawn([b"garbage"], rotate=90), make_encoder(80), Clock().seconds)
    with pytest.raises(BadPicture):
        reader.probe()


def test_trouble_goes_through() -> None:
    """A camera that fails does so as ever, and is closed."""
    source = redrawn([SourceError("gone")], rotate=90)
    source.open()
    with pytest.raises(SourceError, match="gone"):
        source.read()
    source.close()
    assert source._source.calls[-1] == "close"  # type: ignore[attr-defined]


def test_the_cost_is_said_once() -> None:
    """That JPEGs are decoded is logged with the first one alone."""
    source = redrawn([], rotate=90)
    with capturedLogs() as events:
        for _ in range(2):
            source.open()
            source.read()
            source.read()
    assert [formatEvent(event) for event in events] == [
        "Camera robot: rotate, flip and overlay need pixels: each JPEG is decoded and "
        "encoded again, which takes milliseconds of CPU where passing it on takes "
        "microseconds"
    ]


def test_pixels_cost_nothing_to_speak_of() -> None:
    """Of a camera that gives pixels nothing is said."""
    source = redrawn([PICTURE], rotate=90)
    with capturedLogs() as events:
        source.open()
        source.read()
    assert events == []


@pytest.mark.parametrize(
    "keys", [{"rotate": 90}, {"flip": "vertical"}, {"overlay": "{camera}"}]
)
def test_any_of_the_three(keys: dict[str, Any]) -> None:
    """Each of the three keys makes the source a redrawn one."""
    assert isinstance(make_source(settings(**keys)), Redrawn)


def test_without_any() -> None:
    """Where none is set, nothing stands between source and viewer."""
    assert isinstance(make_source(settings(source="/dev/video0")), Live)


def test_controls_of_devices_alone() -> None:
    """A device has controls, which are set at each opening; an address has none."""
    device, address = settings(source="0"), settings(source="rtsp://host/")
    controls = make_controls(device)
    assert isinstance(make_source(device, controls=controls), Controlled)
    assert make_controls(address) is None


def test_the_picture_that_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """The camera is told which one is wanted."""
    source, due = redrawn([PICTURE], rotate=90), Due(15)
    asked: list[Due] = []
    read = source._source.read

    def noted(due: Due) -> RawFrame:
        asked.append(due)
        return read(due)

    monkeypatch.setattr(source._source, "read", noted)
    source.read(due)
    assert asked == [due]
