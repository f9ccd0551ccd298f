"""Pictures as they come into a folder or are written over a file."""

from __future__ import annotations

import os
from pathlib import Path

from camd.formats.jpeg import Damaged
from camd.sources import Clock, RawFrame
from camd.sources.files import Version, list_pictures, read_picture, words

UNFINISHED = 0.5
"""Seconds for which a file that is not whole may be in the making. One that does not
change for longer is damaged."""

RESCAN = 1.0
"""Seconds until a folder is looked through again though its own time of change says
that nothing came: that stays when files are written in place."""


class IncomingFiles:
    """Watches for JPEG files that are new or were written again.

    :ivar files: the files that there are, in order of name.
    :ivar paths: the same, as a list.
    """

    def __init__(
        self, path: Path, max_pixels: int, *, clock: Clock, wall: Clock
    ) -> None:
        """Begin with what there is, which is not new.

        :param path: a folder, or one file.
        :param wall: returns Unix seconds, by which files are dated.
        :raises OSError: when there is no such folder or regular file.
        """
        self._path = str(path)
        self._max_pixels = max_pixels
        self._clock = clock
        self._wall = wall
        self._pending: dict[str, float] = {}
        self.files: dict[str, Version] = {}
        self.paths: list[str] = []
        self._scan(path.stat().st_mtime_ns)
        self._pending.clear()

    def expect(self, path: str) -> None:
        """Take this file for a new one."""
        self._pending[path] = self._clock()

    def poll(self) -> RawFrame | None:
        """Return the newest picture that came since the last call.

        It is as old as its file. Older ones that came as well are left out.

        :return: None when nothing new is whole.
        :raises Damaged: when something new is not whole, and does not change any more.
        :raises OSError: when the folder or the file is gone.
        """
        self._look()
        if not self._pending:
            return None
        newest = sorted(self._pending, key=self._age)
        for path in newest:
            try:
                picture, version = read_picture(path, self._max_pixels)
            except (Damaged, OSError) as error:
                if self._clock() - self._pending[path] < UNFINISHED:
                    continue
                del self._pending[path]
                name = os.path.basename(path)
                raise Damaged(f"{name}: {words(error)}") from error
            self.files[path] = version
            age = self._age(path)
            for other in newest:
                if self._age(other) >= age:
                    del self._pending[other]
            captured = self._clock() - age
            return RawFrame(picture.jpeg, captured, size=picture.size)
        return None

    def has_changed(self) -> bool:
        """Whether any file is new, was written again, or is gone, since the last call.

        :raises OSError: when the folder or the file is gone.
        """
        return self._look() or bool(self._pending)

    def _look(self) -> bool:
        """Look through the folder, if it is time; return whether it has changed."""
        modified = os.stat(self._path).st_mtime_ns
        if modified == self._modified and self._clock() - self._scanned < RESCAN:
            return False
        return self._scan(modified)

    def _age(self, path: str) -> float:
        """Return the seconds since a file was written."""
        return max(0.0, self._wall() - self.files[path].modified / 1e9)

    def _scan(self, modified: int) -> bool:
        self._modified = modified
        self._scanned = self._clock()
        found = list_pictures(self._path)
        if found == self.files:
            return False
        for path, version in found.items():
            if self.files.get(path) != version:
                self._pending[path] = self._scanned
        for path in self._pending.keys() - found.keys():
            del self._pending[path]
        self.files, self.paths = found, [*found]
        return True
