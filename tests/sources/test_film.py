"""A folder's JPEGs are shown out of memory, until they are no film any more."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Semaphore
from typing import Any

import pytest

from camd.formats.jpeg import Size
from camd.frame import Stamp
from camd.sources import Source, SourceError
from camd.sources.film import Film
from camd.sources.folder import Folder
from tests.fakes import FakeReactor
from tests.fakes_camera import tiny_jpeg

SECONDS = 10.0
"""After which a test that waits for a thread fails."""

FPS = 10.0

STEP = 0.1001
"""A little more than an interval, as the clock's sums are rounded."""


class Threads(FakeReactor):
    """A reactor that makes what a thread asks for when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: queue.Queue[Callable[[], object]] = queue.Queue()

    def callFromThread(self, call: Callable[[], object]) -> None:
        """Keep it."""
        self._asked.put(call)

    def heed(self) -> None:
        """Wait for what a thread asks for, and do it."""
        self._asked.get(timeout=SECONDS)()


class Shown:
    """What a film tells its receiver.

    :ivar pictures: the pictures, with the moments when they were taken.
    :ivar sizes: what they measure, as told.
    :ivar sources: what is to be pulled instead.
    :ivar errors: why it failed.
    """

    def __init__(self) -> None:
        self.pictures: list[tuple[bytes, float]] = []
        self.sizes: list[Size | None] = []
        self.sources: list[Source] = []
        self.errors: list[str] = []

    def opened(self, format: str, fps: float | None = None) -> None:
        """Note the rate."""
        assert (format, fps) == ("JPEG", FPS)

    def picture(
        self,
        jpeg: bytes,
        captured: float,
        stamp: Stamp | None = None,
        size: Size | None = None,
    ) -> None:
        """Note it."""
        self.pictures.append((jpeg, round(captured, 3)))
        self.sizes.append(size)

    def fall_back(self, new_source: Callable[[], Source]) -> None:
        """Note what is pulled instead."""
        self.sources.append(new_source())

    def failed(self, error: SourceError) -> None:
        """Note why."""
        self.errors.append(str(error))


class Cinema:
    """A film of a folder, and all around it.

    :ivar shown: what the receiver was told.
    """

    def __init__(self, path: Path, **options: Any) -> None:
        self.reactor = Threads()
        self.shown = Shown()
        self._looks = Semaphore(0)
        folder = Folder(
            path, FPS, clock=self.reactor.seconds, sleep=self._sleep, **options
        )
        self.film = Film("robot", folder, FPS, self.reactor, self._sleep)

    def _sleep(self, _: float) -> None:
        self._looks.acquire()

    def start(self, fps: float = FPS) -> None:
        """Begin, and wait until the pictures have been read."""
        receiver: Any = self.shown
        self.film.start(receiver, fps)
        self.reactor.heed()

    def look(self) -> None:
        """Let the thread look at the folder again."""
        self._looks.release()

    def close(self) -> None:
        """Let the thread end."""
        self.film.stop()
        self.look()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder of three pictures."""
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(tiny_jpeg(number))
    return tmp_path


@pytest.fixture
def cinema(path: Path) -> Iterator[Cinema]:
    """A film of that folder, which was not started."""
    cinema = Cinema(path)
    yield cinema
    cinema.close()


def test_pictures_come_in_order_and_over_again(cinema: Cinema) -> None:
    """Each as of the moment when it fell due, and known to be whole."""
    cinema.start()
    cinema.reactor.pump([STEP] * 4)
    expected = [(tiny_jpeg(n % 3), n / 10) for n in range(5)]
    assert cinema.shown.pictures == expected
    assert set(cinema.shown.sizes) == {Size(32, 24)}


def test_what_was_missed_is_left_out(cinema: Cinema) -> None:
    """After a time without a turn the newest that is due is shown."""
    cinema.start()
    cinema.reactor.advance(0.45)
    assert cinema.shown.pictures[1:] == [(tiny_jpeg(1), 0.4)]
    cinema.reactor.advance(0.05)
    assert cinema.shown.pictures[2:] == [(tiny_jpeg(2), 0.5)]


def test_no_more_pictures_than_are_wanted(cinema: Cinema) -> None:
    """At a third of its rate each third one is shown, and all when they are wanted."""
    cinema.start(FPS / 3)
    cinema.reactor.pump([STEP] * 6)
    assert [moment for _, moment in cinema.shown.pictures] == [0, 0.3, 0.6]
    cinema.film.set_rate(FPS)
    cinema.reactor.pump([STEP] * 2)
    assert [moment for _, moment in cinema.shown.pictures[3:]] == [0.7, 0.8]


def test_a_new_file_makes_it_a_camera(cinema: Cinema, path: Path) -> None:
    """It is pulled from then on, and only what is new is shown."""
    cinema.start()
    new = tiny_jpeg(77)
    (path / "new.jpg").write_bytes(new)
    cinema.look()
    cinema.reactor.heed()
    (source,) = cinema.shown.sources
    source.open()
    assert source.read().content == new


def test_a_file_that_is_gone_makes_it_pulled(cinema: Cinema, path: Path) -> None:
    """Nothing is shown that is not there any more."""
    cinema.start()
    (path / "1.jpg").unlink()
    cinema.look()
    cinema.reactor.heed()
    assert cinema.shown.sources


def test_a_folder_that_is_gone_makes_it_pulled(cinema: Cinema, path: Path) -> None:
    """What reads it then says that it is gone."""
    cinema.start()
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    cinema.look()
    cinema.reactor.heed()
    (source,) = cinema.shown.sources
    with pytest.raises(SourceError):
        source.open()


def test_pictures_that_are_not_all_whole_are_pulled(path: Path) -> None:
    """Those that are damaged are counted, one by one, when they fall due."""
    (path / "1.jpg").write_bytes(tiny_jpeg()[:-40])
    cinema = Cinema(path)
    cinema.start()
    assert cinema.shown.sources
    assert not cinema.shown.pictures


def test_more_bytes_than_are_kept_are_pulled(path: Path) -> None:
    """Each picture is read when it is due then."""
    cinema = Cinema(path, cached=100)
    cinema.start()
    assert cinema.shown.sources


def test_an_empty_folder_fails(tmp_path: Path) -> None:
    """The reason is the folder's."""
    cinema = Cinema(tmp_path)
    cinema.start()
    (error,) = cinema.shown.errors
    assert "there is no JPEG" in error


def test_after_the_end_nothing_comes(cinema: Cinema, path: Path) -> None:
    """Neither a picture, nor what a thread finds that has yet to end."""
    cinema.start()
    (path / "new.jpg").write_bytes(tiny_jpeg(77))
    cinema.film.stop()
    cinema.reactor.advance(1)
    assert len(cinema.shown.pictures) == 1
    assert not cinema.reactor.getDelayedCalls()


def test_it_begins_again(cinema: Cinema) -> None:
    """When it was stopped and is started, with the first picture."""
    cinema.start()
    cinema.reactor.advance(0.1)
    cinema.film.stop()
    cinema.look()
    cinema.start()
    assert cinema.shown.pictures[-1] == (tiny_jpeg(0), 0.1)
