"""JPEGs back to back, as programs write them to their standard output."""

from __future__ import annotations

from camd.formats.jpeg import ALONE, FILL, MAX_BYTES, SCAN_END

MAX_FLOOD = 64 * 1024 * 1024
"""Bytes without a single picture after which a stream is none."""

_START = b"\xff\xd8\xff"
_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA


class NoPictures(ValueError):
    """A stream in which no JPEG comes; the text says so."""


class Splitter:
    """Cuts a stream of bytes into JPEGs, however it was split on the way.

    A picture goes from its SOI to its own EOI: segments are passed over by their
    lengths, so that a thumbnail within one is no picture. What stands between pictures
    (padding, garbage, the headers of a multipart stream) is left out. So is a picture
    whose segments do not add up, to the next SOI. One that ends in the SOI of the next
    is handed out as it is: it was cut, or lacks EOI.

    Every search goes on where the last one stopped. No more is kept than
    :data:`MAX_BYTES` and the bytes of one call.

    :ivar is_too_long: whether a picture was left out for its length.
    """

    def __init__(self, limit: int = MAX_BYTES, flood: int = MAX_FLOOD) -> None:
        self.is_too_long = False
        self._limit = limit
        self._flood = flood
        self._buffer = bytearray()
        # Where to read on: in a segment or a scan of the picture that begins at 0, or
        # for the start of the next one.
        self._at = 0
        self._in_picture = self._in_scan = self._has_scan = False
        self._barren = 0

    def receive(self, data: bytes) -> list[bytes]:
        """Take the next bytes, and return the pictures that ended in them, in order.

        :raises NoPictures: when there was none in :data:`MAX_FLOOD` bytes.
        """
        self._buffer += data
        self._barren += len(data)
        pictures: list[bytes] = []
        while self._step(pictures):
            pass
        if pictures:
            self._barren = 0
        elif self._barren > self._flood:
            self._buffer.clear()
            raise NoPictures(f"no JPEG in {self._flood} bytes")
        return pictures

    def _step(self, pictures: list[bytes]) -> bool:
        """Go on by a segment, a scan or a gap; return False when that takes more."""
        if self._at > self._limit:
            self.is_too_long = True
            self._resume(self._at)
        if not self._in_picture:
            start = self._buffer.find(_START)
            # The first bytes of a start may stand at the end.
            gap = start if start >= 0 else max(0, len(self._buffer) - len(_START) + 1)
            del self._buffer[:gap]
            self._in_picture = start >= 0
            self._at = 2 if self._in_picture else 0
            return self._in_picture
        return (
            self._pass_scan(pictures) if self._in_scan else self._pass_segment(pictures)
        )

    def _pass_segment(self, pictures: list[bytes]) -> bool:
        buffer, at = self._buffer, self._at
        fill = FILL.match(buffer, at)
        at = self._at = fill.end() - 1 if fill else at
        if len(buffer) < at + 2:
            return False
        marker = buffer[at + 1]
        if marker in (_SOI, _EOI) and fill:
            self._end(pictures, at, marker)
        elif marker in ALONE and fill:
            self._at = at + 2
        elif not fill or marker < 0xC0:
            self._resume(at)
        elif len(buffer) < at + 4:
            return False
        else:
            size = buffer[at + 2] << 8 | buffer[at + 3]
            if len(buffer) < at + 2 + size:
                return False
            self._at = at + 2 + size
            self._in_scan = marker == _SOS
            self._has_scan = self._has_scan or self._in_scan
        return True

    def _pass_scan(self, pictures: list[bytes]) -> bool:
        found = SCAN_END.search(self._buffer, self._at)
        if found is None:
            # A marker may have begun.
            self._at = max(self._at, len(self._buffer) - 1)
            return False
        at = found.start()
        marker = self._buffer[at + 1]
        if marker in (_SOI, _EOI):
            self._end(pictures, at, marker)
        elif marker < 0xC0:
            self._resume(at)
        else:
            # Tables or a comment; then another scan, or EOI.
            self._at, self._in_scan = at, False
        return True

    def _end(self, pictures: list[bytes], at: int, marker: int) -> None:
        """Hand the picture out that ends here, if it has a scan."""
        end = at + 2 if marker == _EOI else at
        if self._has_scan:
            pictures.append(bytes(self._buffer[:end]))
        self._resume(end)

    def _resume(self, at: int) -> None:
        """Look for the next picture from there on."""
        del self._buffer[:at]
        self._at = 0
        self._in_picture = self._in_scan = self._has_scan = False
