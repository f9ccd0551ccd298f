"""A video file shows the picture that is due, and starts again without a gap."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from camd.sources import Image, SourceError
from camd.sources.due import Due
from camd.sources.video import LONGEST_SKIP, VideoFile
from tests.fake_camera import FakeCapture, FakeOpener, FakeTime

LENGTH = 7


@pytest.fixture
def time() -> FakeTime:
    """A clock that goes on with the source's sleep."""
    return FakeTime()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Seven pictures at 10 per second, each with a bar further right."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(LENGTH):
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:, number * 8 : number * 8 + 8] = 255
        writer.write(picture)
    writer.release()
    return path


def opened(film: Path, time: FakeTime, opener: FakeOpener | None = None) -> VideoFile:
    """The film, open."""
    chosen = {} if opener is None else {"opener": opener}
    source = VideoFile(film, 30, clock=time.clock, sleep=time.sleep, **chosen)
    source.open()
    return source


def number_in(content: bytes | Image) -> int:
    """Which picture of the film this is, by where the bar stands."""
    assert not isinstance(content, bytes)
    return int(content[24, :, 0].reshape(8, 8).mean(axis=1).argmax())


def test_as_a_plain_decode(film: Path, time: FakeTime) -> None:
    """Every picture is exactly what decoding the file in order gives."""
    source = opened(film, time)
    plain = cv2.VideoCapture(str(film))
    for _ in range(LENGTH):
        assert np.array_equal(source.read().content, plain.read()[1])


def test_starts_again(film: Path, time: FakeTime) -> None:
    """The first picture follows the last one, in the same rhythm."""
    source = opened(film, time)
    shots = [source.read() for _ in range(3 * LENGTH)]
    assert [number_in(s.content) for s in shots] == [*range(LENGTH)] * 3
    assert [s.captured for s in shots] == pytest.approx(
        [1000 + i / 10 for i in range(3 * LENGTH)]
    )


@pytest.mark.parametrize("late", [0.1, 0.25, 0.5, 0.7, 2.9, 12.3])
def test_late_reader_gets_the_due_picture(
    film: Path, time: FakeTime, late: float
) -> None:
    """Pictures that nobody asked for in time are skipped, over the end too."""
    source = opened(film, time)
    source.read()
    time.now += late
    expected = int((time.now - 1000) * 10) % LENGTH
    assert number_in(source.read().content) == expected


def test_own_pace(film: Path, time: FakeTime) -> None:
    """The file's own rate holds, and is told with its size and format."""
    source = VideoFile(film, 30, clock=time.clock, sleep=time.sleep)
    mode = source.open()
    assert (mode.resolution, mode.fps, mode.format) == ("64x48", 10, "MJPG")


@pytest.mark.parametrize("told", [0, -1, float("nan"), 90_000])
def test_file_without_a_pace(film: Path, time: FakeTime, told: float) -> None:
    """A file that tells no rate to be believed is shown at the camera's rate."""
    capture = FakeCapture(time)
    capture.told[cv2.CAP_PROP_FPS] = told
    source = VideoFile(
        film, 30, clock=time.clock, sleep=time.sleep, opener=FakeOpener(capture)
    )
    assert source.open().fps == 30


def test_opens_again_when_seeking_fails(film: Path, time: FakeTime) -> None:
    """Where the start cannot be sought, the file is let go and opened anew."""
    ended, fresh = FakeCapture(time), FakeCapture(time)
    source = opened(film, time, FakeOpener(ended, fresh))
    source.read()
    ended.plugged = False
    source.read()
    assert (ended.released, fresh.number) == (1, 1)


def test_empty_video(film: Path, time: FakeTime) -> None:
    """A video with no picture in it is an error, not an endless loop."""
    capture = FakeCapture(time)
    capture.plugged = False
    with pytest.raises(SourceError, match="no picture in it"):
        opened(film, time, FakeOpener(capture)).read()


def test_slow_decoder_shows_slower(film: Path, time: FakeTime) -> None:
    """Skipping ends after a while: slow decoding makes a slow film, no freeze."""
    capture = FakeCapture(time, fps=1000)
    capture.told[cv2.CAP_PROP_FPS] = 30
    capture.grabbing = 0.1
    source = opened(film, time, FakeOpener(capture))
    source.read()
    time.now += 100
    asked = time.now
    source.read()
    assert time.now - asked == pytest.approx(LONGEST_SKIP, abs=0.11)


def test_missing_file(tmp_path: Path, time: FakeTime) -> None:
    """A file that is not there is an error that names it."""
    with pytest.raises(SourceError, match=r"gone\.mp4: no such file"):
        opened(tmp_path / "gone.mp4", time)


def test_no_video(tmp_path: Path, time: FakeTime) -> None:
    """A file that is no video is an error that names it."""
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(SourceError, match=r"notes\.txt: not a video"):
        opened(tmp_path / "notes.txt", time)


def test_closed(film: Path, time: FakeTime) -> None:
    """Closed twice is closed, and a closed file gives nothing."""
    source = opened(film, time)
    source.close()
    source.close()
    with pytest.raises(SourceError, match="not open"):
        source.read()


def test_the_picture_that_is_due(film: Path, time: FakeTime) -> None:
    """Of a film that is faster than the stream, some are passed over evenly."""
    source, due, found = opened(film, time), Due(5), []
    for _ in range(3):
        shot = source.read(due)
        due.took(shot.captured)
        found.append(number_in(shot.content))
    assert found == [0, 2, 4]
