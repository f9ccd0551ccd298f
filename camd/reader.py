"""The half of capture that may block: open, read, encode, check, close.

All of it runs in the camera's own thread, one call at a time, and never elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from camd import jpeg
from camd.jpeg import Damaged, Size
from camd.sources import EncodeError, Encoder, Given, Shot, Source


@dataclass(frozen=True, slots=True)
class Glimpse:
    """
    What a look at the source tells.

    :ivar captured: when its newest picture was taken, on the source's clock (seconds).
    :ivar given: what the source really gives, read back when it was opened.
    """

    captured: float
    given: Given


class BadPicture(Exception):
    """A picture that cannot be shown; the next one may be good."""


@dataclass(frozen=True, slots=True)
class Picture(Glimpse):
    """
    One picture, ready to become a frame.

    :ivar jpeg: a whole JPEG, checked.
    :ivar size: its width and height in pixels.
    :ivar passed_through: whether the JPEG is the camera's own.
    :ivar encoding: seconds that it took to encode; None for the camera's own JPEG.
    """

    jpeg: bytes
    size: Size
    passed_through: bool
    encoding: float | None


class Reader:
    """
    Reads one source, opening it when it is closed.

    :param clock: gives seconds; called in the camera's thread.
    """

    def __init__(
        self, source: Source, encoder: Encoder, clock: Callable[[], float]
    ) -> None:
        self._source = source
        self._encoder = encoder
        self._clock = clock
        self._given: Given | None = None
        self._last: Size | None = None

    def take(self) -> Picture:
        """
        Bring the newest picture. Blocks until there is one.

        :raises SourceError: the source does not open or does not deliver; it is closed
            by then and is opened again at the next call.
        :raises BadPicture: this one is no good.
        """
        shot, given = self._read()
        try:
            return self._picture(shot, given)
        except (Damaged, EncodeError) as problem:
            raise BadPicture(str(problem)) from problem

    def look(self) -> Glimpse:
        """
        Read like :meth:`take`, and encode nothing: to see that the camera is well.

        :raises SourceError: as :meth:`take`.
        :raises BadPicture: as :meth:`take`, of a source that decodes.
        """
        shot, given = self._read()
        return Glimpse(shot.captured, given)

    def _read(self) -> tuple[Shot, Given]:
        if self._given is None:
            self._given = self._source.open()
        try:
            return self._source.read(), self._given
        except Damaged as problem:
            raise BadPicture(str(problem)) from problem
        except BaseException:
            self.close()
            raise

    def _picture(self, shot: Shot, given: Given) -> Picture:
        content = shot.content
        if isinstance(content, bytes):
            whole = jpeg.whole(content)
            self._check_size(whole.size, given)
            return Picture(shot.captured, given, whole.jpeg, whole.size, True, None)
        began = self._clock()
        data = self._encoder.encode(content)
        took = self._clock() - began
        return Picture(shot.captured, given, data, jpeg.measure(data), False, took)

    def _check_size(self, size: Size, given: Given) -> None:
        """
        See that a camera's picture has the camera's size.

        One that says otherwise has a damaged header. But when the next one says the
        same, it is the camera that told us wrong.

        :raises Damaged: when it has another one, for the first time.
        """
        known = (Size(given.width, given.height), self._last)
        self._last = size
        if given.steady and size not in known:
            raise Damaged(f"size is {size}, where the camera gives {given.resolution}")

    def close(self) -> None:
        """Release the source, so that it can be opened anew."""
        self._given = None
        self._source.close()
