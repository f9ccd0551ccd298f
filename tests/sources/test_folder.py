"""A folder's JPEGs come in order of name, byte for byte, over and over."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from camd.formats.jpeg import MAX_BYTES, Damaged
from camd.sources import CameraMode, SourceError
from camd.sources.due import Due
from camd.sources.folder import Folder
from tests.fake_camera import FakeTime

WRITTEN = 1_700_000_000
"""Unix seconds when the fake clock shows 0."""


def jpeg(shade: int, width: int = 64, height: int = 48) -> bytes:
    """A JPEG of one grey."""
    picture = np.full((height, width, 3), shade, np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def folder(path: Path, time: FakeTime, cached: int = 1 << 20) -> Folder:
    """Ten files per second out of that folder, at a wall clock like the files'."""
    return Folder(
        path,
        10,
        clock=time.clock,
        sleep=time.sleep,
        wall=lambda: WRITTEN + time.now,
        cached=cached,
    )


def write(path: Path, content: bytes, moment: float) -> None:
    """Replace a file, as written at this moment of the fake clock."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.utime(new, (WRITTEN + moment, WRITTEN + moment))
    new.rename(path)


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
    """A damaged file is passed over for the size, and told of when it is its turn."""
    (three / "0.jpg").write_bytes(b"rubbish")
    source = folder(three, time)
    assert source.open().resolution == "64x48"
    with pytest.raises(Damaged, match=r"0\.jpg: no SOI at the start"):
        source.read()
    assert source.read().content == jpeg(10)


def test_padded_first_tells(tmp_path: Path, time: FakeTime) -> None:
    """Zeros behind the end, as some cameras write them, do no harm."""
    (tmp_path / "a.jpg").write_bytes(jpeg(1) + bytes(10))
    assert folder(tmp_path, time).open().resolution == "64x48"


def test_a_film_is_read_once(three: Path, time: FakeTime) -> None:
    """What fits into memory is not read again."""
    source = folder(three, time)
    source.open()
    first = [source.read().content for _ in range(3)]
    again = [source.read().content for _ in range(3)]
    assert all(one is other for one, other in zip(first, again, strict=True))


def test_a_large_film_is_not_kept(three: Path, time: FakeTime) -> None:
    """What does not fit into memory is read when it is due."""
    source = folder(three, time, cached=10)
    source.open()
    first = [source.read().content for _ in range(3)]
    again = [source.read().content for _ in range(3)]
    assert first == again
    assert all(one is not other for one, other in zip(first, again, strict=True))


def test_a_deleted_file_is_not_shown(three: Path, time: FakeTime) -> None:
    """A film goes on without the files that were deleted, until none is left."""
    source = folder(three, time)
    source.open()
    source.read()
    (three / "a.jpg").unlink()
    assert {source.read().content for _ in range(4)} == {jpeg(20), jpeg(30)}
    (three / "b.JPG").unlink()
    (three / "c.jpeg").unlink()
    with pytest.raises(SourceError, match="no JPEG in it any more"):
        source.read()


# What comes into a folder


def test_what_comes_is_shown_at_once(three: Path, time: FakeTime) -> None:
    """A new file is the next picture, as old as it is; the film is over then."""
    source = folder(three, time)
    source.open()
    source.read()
    moment = time.now - 0.25
    write(three / "new.jpg", jpeg(99), moment)
    shot = source.read()
    assert (shot.content, shot.captured) == (jpeg(99), pytest.approx(moment))
    with pytest.raises(SourceError, match="nothing new came for 1"):
        source.read()


def test_only_the_newest_of_several(three: Path, time: FakeTime) -> None:
    """Of files that came together the newest is shown, whatever they are called."""
    source = folder(three, time)
    source.open()
    write(three / "a.jpg", jpeg(99), time.now)
    write(three / "z.jpg", jpeg(98), time.now - 1)
    assert source.read().content == jpeg(99)
    with pytest.raises(SourceError, match="nothing new"):
        source.read()


def test_the_newest_when_one_is_due(three: Path, time: FakeTime) -> None:
    """Of files that come faster than the stream, the newest is shown at its pace."""
    source, due = folder(three, time), Due(5)
    source.open()
    write(three / "new.jpg", jpeg(99), time.now)
    due.took(source.read(due).captured)
    write(three / "new.jpg", jpeg(98), time.now + 0.1)
    write(three / "newer.jpg", jpeg(97), time.now + 0.15)
    began = time.now
    assert source.read(due).content == jpeg(97)
    assert time.now == pytest.approx(began + 0.2)


def test_a_folder_that_was_fed_is_no_film_again(three: Path, time: FakeTime) -> None:
    """Opened again after a silence, it waits for what is new, and shows that."""
    source = folder(three, time)
    source.open()
    write(three / "new.jpg", jpeg(99), time.now)
    source.read()
    source.close()
    source.open()
    with pytest.raises(SourceError, match="nothing new"):
        source.read()
    write(three / "newer.jpg", jpeg(98), time.now)
    source.open()
    assert source.read().content == jpeg(98)


def test_a_file_written_in_place(three: Path, time: FakeTime) -> None:
    """A file that is written over counts as new, though its folder did not change."""
    source = folder(three, time)
    source.open()
    (three / "b.JPG").write_bytes(jpeg(99))
    time.now += 1
    assert source.read().content == jpeg(99)


def test_a_file_in_the_making(three: Path, time: FakeTime) -> None:
    """A file that is half written is shown once it is whole."""
    source = folder(three, time)
    source.open()
    (three / "d.jpg").write_bytes(jpeg(99)[:-20])
    assert source.read().content == jpeg(10)
    (three / "d.jpg").write_bytes(jpeg(99))
    time.now += 1
    assert source.read().content == jpeg(99)


def test_a_file_that_stays_half(three: Path, time: FakeTime) -> None:
    """A file that is never finished is damaged, and the film goes on."""
    source = folder(three, time)
    source.open()
    (three / "d.jpg").write_bytes(jpeg(99)[:-20])
    assert source.read().content == jpeg(10)
    with pytest.raises(Damaged, match=r"d\.jpg: no EOI"):
        for _ in range(5):
            source.read()
    assert source.read().content in {jpeg(10), jpeg(20), jpeg(30)}


# One file


def test_one_file_is_a_camera(three: Path, time: FakeTime) -> None:
    """One file is shown as old as it is, and again whenever it was replaced."""
    path = three / "c.jpeg"
    write(path, jpeg(30), time.now - 60)
    source = folder(path, time)
    source.open()
    shot = source.read()
    assert (shot.content, time.now - shot.captured) == (jpeg(30), pytest.approx(60))
    write(path, jpeg(31), time.now)
    assert source.read().content == jpeg(31)


def test_one_file_that_is_not_written_any_more(three: Path, time: FakeTime) -> None:
    """Where nothing new comes a read fails, and says for how long."""
    path = three / "c.jpeg"
    write(path, jpeg(30), time.now - 60)
    source = folder(path, time)
    source.open()
    source.read()
    with pytest.raises(SourceError, match="nothing new came for 70 s"):
        source.read()


def test_a_probe_takes_no_picture_away(three: Path, time: FakeTime) -> None:
    """Read again after a rest, the newest picture is there again while it is young."""
    path = three / "c.jpeg"
    write(path, jpeg(30), time.now)
    source = folder(path, time)
    source.open()
    probed = source.read()
    time.now += 1
    assert source.read() is probed
    with pytest.raises(SourceError, match="nothing new"):
        source.read()


def test_one_file_that_is_deleted(three: Path, time: FakeTime) -> None:
    """A file that is gone is an error that names it, until it is there again."""
    path = three / "c.jpeg"
    source = folder(path, time)
    source.open()
    source.read()
    path.unlink()
    with pytest.raises(SourceError, match=r"c\.jpeg: no such file"):
        source.read()
    with pytest.raises(SourceError, match=r"c\.jpeg: no such file"):
        source.open()
    write(path, jpeg(31), time.now)
    source.open()
    assert source.read().content == jpeg(31)


# What is no picture


def test_only_regular_files(three: Path, time: FakeTime) -> None:
    """FIFOs, folders and links to nothing are passed over, and hold nobody up."""
    os.mkfifo(three / "0.jpg")
    (three / "1.jpg").mkdir()
    (three / "2.jpg").symlink_to(three / "nothing")
    (three / "3.jpg").symlink_to(three / "a.jpg")
    source = folder(three, time)
    source.open()
    assert [source.read().content for _ in range(2)] == [jpeg(10)] * 2


def test_a_fifo_is_no_picture(tmp_path: Path, time: FakeTime) -> None:
    """A FIFO by the name of a JPEG is refused in words."""
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(SourceError, match=r"a\.jpg: not a regular file"):
        folder(tmp_path / "a.jpg", time).open()


def test_a_gigabyte_is_not_read(three: Path, time: FakeTime) -> None:
    """A file that is larger than any picture costs nothing but its line."""
    with (three / "0.jpg").open("wb") as file:
        file.truncate(1 << 30)
    source = folder(three, time)
    tracemalloc.start()
    try:
        source.open()
        with pytest.raises(Damaged, match=r"0\.jpg: 1073741824 bytes; the most is"):
            source.read()
        assert tracemalloc.get_traced_memory()[1] < 2 * MAX_BYTES
    finally:
        tracemalloc.stop()


def test_empty_folder(tmp_path: Path, time: FakeTime) -> None:
    """A folder with no JPEG in it is an error that says what was looked for."""
    with pytest.raises(SourceError, match=r"no JPEG \(\*\.jpg, \*\.jpeg\)"):
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
