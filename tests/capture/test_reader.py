"""Reading one source: opened when it is closed, checked before it is handed on."""

from __future__ import annotations

import numpy as np
import pytest
from twisted.internet.task import Clock

from camd.capture.reader import BadPicture, Probe, Reader
from camd.formats.jpeg import Size
from camd.sources import CameraMode, EncodeError, RawFrame, SourceError
from camd.sources.due import Due
from tests.fakes_camera import GIVEN, FakeEncoder, FakeSource, tiny_jpeg
from tests.jpegs import without_tables

PIXELS = np.zeros((24, 32, 3), np.uint8)


@pytest.fixture
def source() -> FakeSource:
    """A source whose clock stands at 7."""
    clock = Clock()
    clock.advance(7)
    return FakeSource(clock)


@pytest.fixture
def encoder() -> FakeEncoder:
    """An encoder that counts."""
    return FakeEncoder()


@pytest.fixture
def reader(source: FakeSource, encoder: FakeEncoder) -> Reader:
    """A reader of both."""
    return Reader(source, encoder, Clock().seconds)


def test_opens_once(reader, source):
    """The source is opened at the first read and stays open."""
    reader.take()
    reader.probe()
    reader.take()
    assert source.calls == ["open", "read", "read", "read"]


def test_a_jpeg_is_passed_on_as_it_is(reader, encoder):
    """A camera's own JPEG is neither encoded nor copied."""
    picture = reader.take()
    assert picture.jpeg is tiny_jpeg()
    assert (picture.passed_through, encoder.encoded) == (True, 0)


def test_a_jpeg_that_its_source_has_checked_is_not_checked_again(
    reader: Reader, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that checks its pictures says so by their size."""
    size = Size(GIVEN.width, GIVEN.height)
    shot = RawFrame(b"whatever it is, nobody looks into it", 0, size=size)
    monkeypatch.setattr(source, "read", lambda due: shot)
    picture = reader.take()
    assert (picture.jpeg, picture.size) == (shot.content, size)


def test_pixels_are_encoded(reader, source, encoder):
    """A picture in pixels becomes a JPEG."""
    source.always = PIXELS
    picture = reader.take()
    assert picture.jpeg is tiny_jpeg(200)
    assert (picture.passed_through, encoder.encoded) == (False, 1)


def test_encoding_is_timed(source):
    """What the encoder takes is told; reading, and the camera's own JPEGs, are not."""
    clock = Clock()

    class Slow(FakeEncoder):
        def encode(self, picture):
            clock.advance(0.25)
            return super().encode(picture)

    reader = Reader(source, Slow(), clock.seconds)
    own = reader.take()
    source.always = PIXELS
    assert (own.encoding, reader.take().encoding) == (None, 0.25)


def test_what_is_told_of_a_picture(reader):
    """Its size is read out of it; its time is when the source took it."""
    picture = reader.take()
    assert (picture.size, picture.captured) == (Size(32, 24), 7)
    assert picture.mode == GIVEN


def test_padding_is_cut(reader, source):
    """The zeros that some cameras put behind a picture do not make it a bad one."""
    source.always = tiny_jpeg() + bytes(100)
    assert reader.take().jpeg == tiny_jpeg()


def test_missing_tables_are_put_in(reader, source):
    """A picture that leaves the standard Huffman tables out goes out with them."""
    source.always = without_tables(tiny_jpeg())
    jpeg = reader.take().jpeg
    assert b"\xff\xc4" in jpeg
    assert len(jpeg) > len(source.always)


def test_a_steady_camera(reader, source):
    """A camera's picture that says another size than the camera has is damaged."""
    source.opens.append(CameraMode(640, 480, 30, "MJPG", steady=True))
    words = "size is 32x24, where the camera gives 640x480"
    with pytest.raises(BadPicture, match=words):
        reader.take()
    assert source.is_open


def test_a_camera_that_told_us_wrong(reader, source):
    """When all pictures are of that other size, it is the camera's true size."""
    source.opens.append(CameraMode(640, 480, 30, "MJPG", steady=True))
    with pytest.raises(BadPicture):
        reader.take()
    assert [reader.take().size for _ in range(3)] == [Size(32, 24)] * 3


def test_sizes_of_all_kinds(reader, source):
    """Where pictures may be of any size, as in a folder, each is taken."""
    source.opens.append(CameraMode(640, 480, 30, "JPEG"))
    assert reader.take().size == Size(32, 24)


def test_a_look_encodes_nothing(reader, source, encoder):
    """To see that the camera is well takes a read and no more, whatever it brings."""
    source.reads.extend([PIXELS, b"no JPEG at all"])
    assert [reader.probe(), reader.probe()] == [Probe(7, GIVEN)] * 2
    assert encoder.encoded == 0


@pytest.mark.parametrize(
    "content", [b"", b"garbage", tiny_jpeg()[:100], tiny_jpeg()[:-3]]
)
def test_a_damaged_picture(reader, source, content):
    """What is no whole JPEG never leaves the reader, and the source stays open."""
    source.reads.append(content)
    with pytest.raises(BadPicture):
        reader.take()
    assert source.is_open
    assert reader.take().jpeg is tiny_jpeg()


def test_a_camera_that_writes_no_end(reader: Reader, source: FakeSource) -> None:
    """Pictures that lack nothing but EOI go out with it."""
    source.always = tiny_jpeg()[:-2]
    assert [reader.take().jpeg for _ in range(2)] == [tiny_jpeg()] * 2


def test_no_end_where_there_was_one(reader: Reader, source: FakeSource) -> None:
    """One without EOI is cut, if it has not all of its codes."""
    source.reads.extend([tiny_jpeg()[:-2], tiny_jpeg(), tiny_jpeg()[:-3]])
    reader.take()
    reader.take()
    with pytest.raises(BadPicture, match="no EOI"):
        reader.take()


def test_a_picture_that_claims_too_many_pixels(
    source: FakeSource, encoder: FakeEncoder
) -> None:
    """A picture beyond the bound is a bad one, with its size."""
    reader = Reader(source, encoder, Clock().seconds, max_pixels=32 * 24 - 1)
    source.opens.append(CameraMode(1, 1, None, "MJPG"))
    with pytest.raises(BadPicture, match="size is 32x24, more than max_pixels"):
        reader.take()


def test_a_camera_that_claims_too_many_pixels(
    source: FakeSource, encoder: FakeEncoder
) -> None:
    """A camera whose pictures are beyond the bound is closed; nothing is that large."""
    reader = Reader(source, encoder, Clock().seconds, max_pixels=1_000_000)
    source.opens.append(CameraMode(20000, 20000, None, "MJPG"))
    with pytest.raises(SourceError, match="its pictures are 20000x20000, more than"):
        reader.probe()
    assert source.calls == ["open", "close"]


def test_a_picture_that_does_not_encode(reader, source, encoder):
    """It is a bad picture, with the encoder's reason."""
    source.always = PIXELS
    encoder.trouble = EncodeError("too odd")
    with pytest.raises(BadPicture, match="too odd"):
        reader.take()
    assert source.is_open


@pytest.mark.parametrize("trouble", [SourceError("gone"), RuntimeError("driver")])
@pytest.mark.parametrize("way", ["take", "probe"])
def test_a_failed_read_closes_the_source(reader, source, way, trouble):
    """Whatever goes wrong in a read, the source is closed, and opened for the next."""
    source.reads.append(trouble)
    with pytest.raises(type(trouble), match=str(trouble)):
        getattr(reader, way)()
    assert source.calls == ["open", "read", "close"]
    assert getattr(reader, way)().captured == 7
    assert source.calls[3:] == ["open", "read"]


def test_a_source_that_does_not_open(reader, source):
    """It is not read, and is opened again at the next call."""
    source.opens.append(SourceError("no such device"))
    with pytest.raises(SourceError, match="no such device"):
        reader.take()
    assert source.calls == ["open"]
    reader.take()
    assert source.calls == ["open", "open", "read"]


def test_reopened_tells_its_mode_again(reader, source):
    """After a close the source is opened, and what it gives then is what is told."""
    reader.probe()
    reader.close()
    source.opens.append(CameraMode(64, 48, None, "MJPG"))
    assert reader.probe().mode == CameraMode(64, 48, None, "MJPG")


class Pumped(FakeSource):
    """A camera whose pictures are to be taken as they come."""

    def pump(self) -> bool:
        """Take one."""
        self.calls.append("pump")
        return True


def test_pictures_are_taken_as_they_come(encoder: FakeEncoder) -> None:
    """As long as the camera is open, what must be taken between two reads is."""
    source = Pumped(Clock())
    reader = Reader(source, encoder, Clock().seconds)
    assert not reader.pump()
    reader.take()
    assert reader.pump()
    reader.close()
    assert not reader.pump()
    assert source.calls == ["open", "read", "pump", "close"]


def test_nothing_is_taken_of_others(reader: Reader) -> None:
    """A source that keeps nothing unread is left alone between two reads."""
    reader.take()
    assert not reader.pump()


def test_the_picture_that_is_due(
    reader: Reader, source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source is told which picture is wanted."""
    asked: list[Due] = []
    read = source.read
    monkeypatch.setattr(source, "read", lambda due: (asked.append(due), read(due))[1])
    due = Due(15)
    reader.take(due)
    assert asked == [due]
