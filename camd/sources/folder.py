"""A folder of JPEG files as a source: nothing is decoded, nothing encoded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from camd.formats.jpeg import Damaged, Size, whole
from camd.sources import CameraMode, Clock, RawFrame, Sleep, SourceError
from camd.sources.pace import Pace

#: How the names of the files shown end, whatever the case.
SUFFIXES = frozenset({".jpg", ".jpeg"})

#: Bytes of files kept in memory; more than that, and each is read when it is due.
CACHED = 64 * 1024 * 1024


class Folder:
    """
    The JPEG files of a folder in order of name, over and over, as they are.

    Which files there are is looked up when it is opened. One that is damaged is
    handed on like the others: the reader of a source looks at every JPEG anyhow.

    :param path: the folder, or one JPEG file.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        *,
        clock: Clock,
        sleep: Sleep,
        cached: int = CACHED,
    ) -> None:
        self._path = path
        self._fps = fps
        self._clock = clock
        self._sleep = sleep
        self._cached = cached
        self._files: list[Path] = []
        self._contents: dict[Path, bytes] = {}
        self._keep = False
        self._pace = Pace(fps, clock, sleep)

    def open(self) -> CameraMode:
        """
        List the files; the first whole one tells the size.

        :raises SourceError: when there is no folder, or no JPEG in it.
        """
        self.close()
        try:
            files = _jpeg_files(self._path)
            self._keep = sum(f.stat().st_size for f in files) <= self._cached
            size = _first_size(self._path, map(self._content, files))
        except OSError as error:
            raise SourceError(_reason(self._path, error)) from error
        self._files = files
        self._pace = Pace(self._fps, self._clock, self._sleep)
        return CameraMode(size.width, size.height, self._fps, "JPEG")

    def read(self) -> RawFrame:
        """
        Wait for the next file to fall due.

        :raises SourceError: when it cannot be read any more, or nothing is open.
        """
        if not self._files:
            raise SourceError(f"{self._path} is not open")
        index, due = self._pace.wait()
        path = self._files[index % len(self._files)]
        try:
            return RawFrame(self._content(path), due)
        except OSError as error:
            raise SourceError(_reason(path, error)) from error

    def close(self) -> None:
        """Forget the files."""
        self._files = []
        self._contents = {}

    def _content(self, path: Path) -> bytes:
        content = self._contents.get(path)
        if content is None:
            content = path.read_bytes()
            if self._keep:
                self._contents[path] = content
        return content


def _jpeg_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES)


def _first_size(path: Path, contents: Iterable[bytes]) -> Size:
    for content in contents:
        try:
            return whole(content).size
        except Damaged:
            continue
    raise SourceError(f"{path}: there is no whole JPEG (*.jpg, *.jpeg) in it")


def _reason(path: Path, error: OSError) -> str:
    return f"{path}: {(error.strerror or str(error)).lower()}"
