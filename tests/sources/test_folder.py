"""A folder's JPEGs come in order of name, byte for byte, over and over."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from camd.sources import CameraMode, SourceError
from camd.sources.folder import Folder
from tests.fake_camera import FakeTime


def jpeg(shade: int, width: int = 64, height: int = 48) -> bytes:
    """A JPEG of one grey."""
    picture = np.full((height, width, 3), shade, np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def folder(path: Path, time: FakeTime, cached: int = 1 << 20) -> Folder:
    """Ten files per second out of that folder."""
    return Folder(path, 10, clock=time.clock, sleep=time.sleep, cached=cached)


@pytest.fixture
def time() -> FakeTime:
    """A clock that goes on with the source's sleep."""
    return FakeTime()


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three JPEGs, written out of order, among other files."""
    for name, shade in (("b.JPG", 20), ("c.jpeg", 30), ("a.jpg", 10)):
        (tmp_path / name).write_bytes(jpeg(shade))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_in_order_of_name_and_looped(three: Path, time: FakeTime) -> None:
    """The files' own bytes come by name and then from the start."""
    source = folder(three, time)
    source.open()
    shots = [source.read().content for _ in range(5)]
    assert shots == [jpeg(10), jpeg(20), jpeg(30), jpeg(10), jpeg(20)]


def test_at_its_rate(three: Path, time: FakeTime) -> None:
    """One file comes each tenth of a second, stamped with when it fell due."""
    source = folder(three, time)
    source.open()
    assert [source.read().captured for _ in range(3)] == pytest.approx(
        [1000.0, 1000.1, 1000.2]
    )


def test_late_reader_skips(three: Path, time: FakeTime) -> None:
    """After four tenths of a second it is the fifth file's turn."""
    source = folder(three, time)
    source.open()
    time.now += 0.45
    assert source.read().content == jpeg(20)


def test_first_jpeg_tells_the_size(three: Path, time: FakeTime) -> None:
    """Width and height are read from the first JPEG."""
    (three / "0.jpg").write_bytes(jpeg(1, 100, 60))
    assert folder(three, time).open() == CameraMode(100, 60, 10, "JPEG")


def test_damaged_first_does_not_tell(three: Path, time: FakeTime) -> None:
    """A damaged file is passed over for the size, yet handed on like the others."""
    (three / "0.jpg").write_bytes(b"rubbish")
    source = folder(three, time)
    assert source.open().resolution == "64x48"
    assert source.read().content == b"rubbish"


def test_padded_first_tells(tmp_path: Path, time: FakeTime) -> None:
    """Zeros behind the end, as some cameras write them, do no harm."""
    (tmp_path / "a.jpg").write_bytes(jpeg(1) + bytes(10))
    assert folder(tmp_path, time).open().resolution == "64x48"


def test_one_file_is_enough(three: Path, time: FakeTime) -> None:
    """The path of one JPEG is a folder of one."""
    source = folder(three / "c.jpeg", time)
    source.open()
    assert [source.read().content for _ in range(2)] == [jpeg(30)] * 2


def test_small_folder_is_read_once(three: Path, time: FakeTime) -> None:
    """What fits into memory is still shown when the files are gone."""
    source = folder(three, time)
    source.open()
    for _ in range(3):
        source.read()
    for path in three.iterdir():
        path.unlink()
    assert source.read().content == jpeg(10)


def test_large_folder_is_not_kept(three: Path, time: FakeTime) -> None:
    """What does not fit into memory is read anew each time."""
    source = folder(three, time, cached=10)
    source.open()
    for _ in range(3):
        source.read()
    (three / "a.jpg").write_bytes(jpeg(99))
    assert source.read().content == jpeg(99)


def test_vanished_file(three: Path, time: FakeTime) -> None:
    """A file that cannot be read any more is an error that names it."""
    source = folder(three, time, cached=10)
    source.open()
    (three / "a.jpg").unlink()
    with pytest.raises(SourceError, match=r"a\.jpg: no such file"):
        source.read()


def test_opening_looks_again(three: Path, time: FakeTime) -> None:
    """Files that came after it was opened are shown when it is opened again."""
    source = folder(three, time)
    source.open()
    (three / "0.jpg").write_bytes(jpeg(5))
    source.open()
    assert source.read().content == jpeg(5)


def test_empty_folder(tmp_path: Path, time: FakeTime) -> None:
    """A folder with no JPEG in it is an error that says what was looked for."""
    with pytest.raises(SourceError, match=r"no whole JPEG \(\*\.jpg, \*\.jpeg\)"):
        folder(tmp_path, time).open()


def test_missing_folder(tmp_path: Path, time: FakeTime) -> None:
    """A folder that is not there is an error that names it."""
    with pytest.raises(SourceError, match="gone: no such file or directory"):
        folder(tmp_path / "gone", time).open()


def test_closed(three: Path, time: FakeTime) -> None:
    """Closed twice is closed, and a closed folder gives nothing."""
    source = folder(three, time)
    source.open()
    source.close()
    source.close()
    with pytest.raises(SourceError, match="not open"):
        source.read()
