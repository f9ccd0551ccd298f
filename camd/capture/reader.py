"""The half of capture that may block: open, read, encode, check, close.

All of it runs in the camera's own thread, one call at a time, and never elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from camd.formats import jpeg
from camd.formats.jpeg import Damaged, Size, Unended
from camd.formats.rendition import Rendition
from camd.formats.scan import is_complete
from camd.frame import Stamp
from camd.sources import (
    CameraMode,
    EncodeError,
    Encoder,
    Image,
    PumpedSource,
    RawFrame,
    Source,
    SourceError,
)
from camd.sources.due import ANY, Due


@dataclass(slots=True)
class Probe:
    """A sign that the source is well: a picture has come.

    :ivar captured: when its newest picture was taken, on the source's clock (seconds).
    :ivar mode: what the source really gives, a new object each time it is opened.
    :ivar stamp: what another camd calls that picture; None for a camera of this one.
    :ivar rendition: what another camd has made of it; None for the full picture.
    """

    captured: float
    mode: CameraMode
    stamp: Stamp | None = field(default=None, kw_only=True)
    rendition: Rendition | None = field(default=None, kw_only=True)


class BadPicture(Exception):
    """A picture that cannot be shown; the next one may be good."""


@dataclass(slots=True)
class CheckedJpeg(Probe):
    """One picture, ready to become a frame.

    :ivar jpeg: a whole JPEG, checked.
    :ivar size: its width and height in pixels.
    :ivar passed_through: whether the JPEG is the camera's own.
    :ivar encoding: seconds that it took to encode; None for the camera's own JPEG.
    :ivar was_probed: whether it has been counted: it came while nobody wanted it.
    """

    jpeg: bytes
    size: Size
    passed_through: bool
    encoding: float | None
    was_probed: bool = field(default=False, kw_only=True)


class Reader:
    """Reads one source, opening it when it is closed.

    :param clock: returns seconds; called in the camera's thread.
    :param max_pixels: the most that a picture may have. Without a bound, a few bytes
        from the network make camd draw gigabytes.
    """

    def __init__(
        self,
        source: Source,
        encoder: Encoder,
        clock: Callable[[], float],
        max_pixels: int = jpeg.MAX_PIXELS,
    ) -> None:
        self._source = source
        self._pumped = source if isinstance(source, PumpedSource) else None
        self._encoder = encoder
        self._clock = clock
        self._max_pixels = max_pixels
        self._mode: CameraMode | None = None
        self._last: Size | None = None
        self._known: jpeg.Head | None = None
        self._leaves_out_ends = False

    def take(self, due: Due = ANY) -> CheckedJpeg:
        """Return the picture that is due. Blocks until there is one.

        :raises SourceError: the source does not open or does not deliver; it is closed
            by then and is opened again at the next call.
        :raises BadPicture: this one is no good.
        """
        # A camera with one viewer pays 10 µs for each call here, as they have left the
        # processor's caches since the last picture (measured): so there are few.
        try:
            mode = self._mode or self._open()
            raw = self._source.read(due)
            content, size, known = raw.content, raw.size, self._known
            if not isinstance(content, bytes):
                return self._encoded(content, raw, mode)
            if size is None:
                # Nearly every picture is as the last one, and whole.
                if known and jpeg.is_as_known(content, known, self._max_pixels):
                    self._leaves_out_ends = False
                    size = known.size
                else:
                    content, size = self._whole(content)
            if size is not self._last:
                self._check_size(size, mode)
            return CheckedJpeg(
                raw.captured, mode, content, size, True, None, stamp=raw.stamp
            )
        except (Damaged, EncodeError) as problem:
            raise BadPicture(str(problem)) from problem
        except BaseException:
            self._close_if_open()
            raise

    def probe(self) -> Probe:
        """Read like :meth:`take`, and encode nothing: to see that the camera is well.

        :raises SourceError: as :meth:`take`.
        :raises BadPicture: as :meth:`take`, of a source that decodes.
        """
        try:
            mode = self._mode or self._open()
            raw = self._source.read()
        except Damaged as problem:
            raise BadPicture(str(problem)) from problem
        except BaseException:
            self._close_if_open()
            raise
        return Probe(raw.captured, mode, stamp=raw.stamp)

    def pump(self) -> bool:
        """Take a picture as it comes, and keep it until one is wanted.

        :return: False where there is nothing to take.
        """
        is_open = self._mode is not None
        return is_open and self._pumped is not None and self._pumped.pump()

    def _open(self) -> CameraMode:
        mode = self._source.open()
        if mode.width * mode.height > self._max_pixels:
            self._source.close()
            raise SourceError(
                f"its pictures are {mode.resolution}, more than max_pixels "
                f"({self._max_pixels})"
            )
        self._mode = mode
        return mode

    def _close_if_open(self) -> None:
        if self._mode is not None:
            self.close()

    def _encoded(self, pixels: Image, raw: RawFrame, mode: CameraMode) -> CheckedJpeg:
        began = self._clock()
        data = self._encoder.encode(pixels)
        took = self._clock() - began
        size = jpeg.measure(data)
        return CheckedJpeg(raw.captured, mode, data, size, False, took, stamp=raw.stamp)

    def _whole(self, content: bytes) -> tuple[bytes, Size]:
        """Return a camera's JPEG as it can be sent, and its size.

        Some cameras never write EOI. What they send is looked into once, as that takes
        tens of milliseconds, and believed from then on until it has EOI.

        :raises Damaged: when it is not whole.
        """
        try:
            whole = jpeg.whole(content, self._max_pixels, known=self._known)
        except Unended as unended:
            if not (self._leaves_out_ends or is_complete(unended.closed.jpeg)):
                raise
            self._leaves_out_ends = True
            return unended.closed.jpeg, unended.closed.size
        self._leaves_out_ends = False
        self._known = whole.head
        return whole.jpeg, whole.size

    def _check_size(self, size: Size, mode: CameraMode) -> None:
        """Check that a camera's picture has the camera's size.

        One that says otherwise has a damaged header. But when the next one says the
        same, it is the camera that told us wrong.

        :raises Damaged: when it has another one, for the first time.
        """
        known = (Size(mode.width, mode.height), self._last)
        self._last = size
        if mode.steady and size not in known:
            raise Damaged(f"size is {size}, where the camera gives {mode.resolution}")

    def close(self) -> None:
        """Release the source, so that it can be opened again."""
        self._mode = None
        self._source.close()
