"""JPEG files as a source: nothing is decoded, nothing encoded.

A folder is a film, shown over and over, until something new comes into it; from then on
it is a camera, and only what is new is shown. A single file is one from the start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from camd.formats.jpeg import MAX_PIXELS, Damaged, Whole
from camd.sources import CameraMode, Clock, RawFrame, Sleep, SourceError
from camd.sources.due import ANY, Due
from camd.sources.files import Version, list_pictures, read_picture, words
from camd.sources.incoming import IncomingFiles
from camd.sources.pace import SLICE, Pace

CACHED = 64 * 1024 * 1024
"""Bytes of a film's pictures kept in memory; where they are more, each is read when it
is due."""

SILENCE = 10.0
"""Seconds without anything new after which a read fails. The camera counts as stalled
long before (``camera_timeout``)."""

RESTED = 0.5
"""Seconds between two reads from which on the newest picture is returned again: what
was read before was for a probe, and nobody has seen it."""


class Folder:
    """The JPEG files of a folder in order of name, or what comes into it.

    A film's pictures count as taken when they fell due, new ones when their file was
    written.

    :ivar path: the folder, or one JPEG file.

    :param fps: the film's rate, and how often a second to look for something new.
    :param timeout: seconds for which the newest picture may be returned again.
    :param wall: returns Unix seconds.
    :param cached: see :data:`CACHED`.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        *,
        clock: Clock,
        sleep: Sleep,
        wall: Clock = time.time,
        timeout: float = 2.0,
        max_pixels: int = MAX_PIXELS,
        cached: int = CACHED,
    ) -> None:
        self.path = path
        self._fps = fps
        self._clock = clock
        self._sleep = sleep
        self._wall = wall
        self._timeout = timeout
        self._max_pixels = max_pixels
        self._cached = cached
        self._is_open = False
        self._contents: dict[str, tuple[Version, Whole]] = {}
        self._pace = Pace(fps, clock, sleep)
        # These outlive closing: a folder that was fed is a camera for good.
        self._incoming: IncomingFiles | None = None
        self._is_fed = False
        self._newest: RawFrame | None = None
        self._read_at = clock()

    def open(self) -> CameraMode:
        """List the files; the first whole one tells the size.

        :raises SourceError: when there is no folder, or no JPEG in it.
        """
        self.close()
        try:
            place = str(self.path)
            files = list_pictures(place)
            if self._incoming is None:
                self._incoming = IncomingFiles(
                    self.path, self._max_pixels, clock=self._clock, wall=self._wall
                )
                if place in files:
                    self._is_fed = True
                    self._incoming.expect(place)
        except OSError as error:
            raise SourceError(f"{self.path}: {words(error)}") from error
        self._pace = Pace(self._fps, self._clock, self._sleep)
        problem = "there is no JPEG (*.jpg, *.jpeg) in it"
        for path in files:
            try:
                size = read_picture(path, self._max_pixels)[0].size
            except (Damaged, OSError) as error:
                problem = f"no whole JPEG: {os.path.basename(path)}: {words(error)}"
                continue
            self._is_open = True
            return CameraMode(size.width, size.height, self._fps, "JPEG")
        raise SourceError(f"{self.path}: {problem}")

    def film(self) -> Sequence[Whole]:
        """Open, and return all pictures of a film that can be kept in memory.

        :return: none where it is something else: it was fed, is a single file, has more
            bytes than are kept, or has pictures that are not whole.
        :raises SourceError: as :meth:`open`.
        """
        self.open()
        incoming = self._incoming
        if self._is_fed or incoming is None:
            return ()
        if sum(each.size for each in incoming.files.values()) > self._cached:
            return ()
        try:
            return [read_picture(p, self._max_pixels)[0] for p in incoming.paths]
        except (Damaged, OSError):
            return ()

    def is_unchanged(self) -> bool:
        """Whether the files are those that they were when it was opened first."""
        try:
            return self._incoming is not None and not self._incoming.has_changed()
        except OSError:
            return False

    def read(self, due: Due = ANY) -> RawFrame:
        """Wait for the film's next picture to fall due, or for a new one.

        :raises SourceError: when the files are gone, nothing new comes, or nothing is
            open.
        :raises Damaged: when the one that is due, or new, is not whole.
        """
        if self._incoming is None or not self._is_open:
            raise SourceError(f"{self.path} is not open")
        try:
            if self._is_fed:
                return self._wait_for_new(self._incoming, due)
            index, moment = self._pace.wait(due)
            new = self._incoming.poll()
            if new is None:
                picture = self._film_picture(self._incoming, index)
                return RawFrame(picture.jpeg, moment, size=picture.size)
        except OSError as error:
            raise SourceError(f"{self.path}: {words(error)}") from error
        self._is_fed = True
        self._contents.clear()
        self._newest, self._read_at = new, self._clock()
        return new

    def close(self) -> None:
        """Forget the film's pictures."""
        self._is_open = False
        self._contents.clear()

    def _film_picture(self, incoming: IncomingFiles, index: int) -> Whole:
        paths = incoming.paths
        if not paths:
            raise SourceError(f"{self.path}: there is no JPEG in it any more")
        path = paths[index % len(paths)]
        known = self._contents.get(path)
        if known is not None and known[0] == incoming.files[path]:
            return known[1]
        try:
            picture, version = read_picture(path, self._max_pixels)
        except (Damaged, OSError) as error:
            raise Damaged(f"{os.path.basename(path)}: {words(error)}") from error
        if sum(each.size for each in incoming.files.values()) <= self._cached:
            self._contents[path] = version, picture
        return picture

    def _wait_for_new(self, incoming: IncomingFiles, due: Due) -> RawFrame:
        began, newest = self._clock(), self._newest
        has_rested = began - self._read_at > RESTED
        while began < due.at:
            self._sleep(min(due.at - began, SLICE))
            began = self._clock()
        while (new := incoming.poll()) is None:
            now = self._clock()
            if newest is not None:
                age = now - newest.captured
                if has_rested and age <= self._timeout:
                    break
                if now - began > SILENCE:
                    raise SourceError(f"{self.path}: nothing new came for {age:.0f} s")
            elif now - began > SILENCE:
                raise SourceError(f"{self.path}: no whole JPEG came")
            self._sleep(min(max(0.5 / self._fps, 0.01), 0.1))
        self._newest, self._read_at = new or newest, self._clock()
        assert self._newest is not None
        return self._newest
