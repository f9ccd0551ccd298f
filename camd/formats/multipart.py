r"""
The wire format: JPEG frames as `multipart/x-mixed-replace`, written and read, no I/O.

A stream is :func:`opening` once, then one :func:`block` per frame. Each block ends with
the boundary line of the *next* part, because a client shows a part once it knows that
it is over: with the boundary held back until the next frame, Firefox, Go and others are
one frame late (measured).

There are two forms, because no single one serves every client best (measured):

- Chromium and WebKit show a part when the *header block* of the next one is complete,
  so for them it is sent early (:attr:`Form.EARLY`). It cannot hold a length then.
- Everyone else needs `Content-Length`, or is one frame faster with it
  (:attr:`Form.PLAIN`).

A heartbeat is the block of the last good frame, sent again. Whatever else was tried as
a part (text, nothing, a JPEG of a comment alone) blanks the picture in Chromium and
WebKit for good and ends the stream for OpenCV. The closing line `--frame--` is never
sent: a stream has no end.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# No dashes in front (clients disagree on whether those of the boundary line are part of
# it), no quotes, and no parameter behind it, at which VLC gives up (measured).
BOUNDARY = b"frame"
CONTENT_TYPE = b"multipart/x-mixed-replace; boundary=" + BOUNDARY

RESPONSE_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"Content-Type", CONTENT_TYPE),
    # no-store: without it Varnish feeds a second viewer the first one's old frames
    # (measured). no-transform asks whoever is in between not to compress (RFC 9111
    # 5.2.2.6).
    (b"Cache-Control", b"no-store, no-cache, must-revalidate, no-transform"),
    # The same for HTTP/1.0 caches.
    (b"Pragma", b"no-cache"),
    # Without it nginx holds each frame back until the next one (measured).
    (b"X-Accel-Buffering", b"no"),
)
"""
What a stream's response begins with. Transfer-Encoding and Connection are for whoever
speaks HTTP.
"""

_LINE = b"--" + BOUNDARY + b"\r\n"
# Spelled exactly so, and always the first header: `image/jpg` or lower case makes
# ffmpeg, VLC and GStreamer show nothing (measured).
_TYPE = b"Content-Type: image/jpeg\r\n"
_EARLY_HEADERS = _TYPE + b"\r\n"
# The CRLF ahead of a boundary line belongs to that line (RFC 2046 5.1.1).
_PLAIN_END = b"\r\n" + _LINE
_EARLY_END = _PLAIN_END + _EARLY_HEADERS


class Form(enum.Enum):
    """The two forms of the stream; the values are what `?wire=` takes."""

    PLAIN = "plain"
    """Each frame behind its own headers, with Content-Length, time and number."""

    EARLY = "early"
    """The next part's headers right behind each frame, so without a length."""


def form_for(accept: bytes | None, wish: bytes | None = None) -> Form:
    """
    The form that suits who asks.

    An `<img>` says first that it takes `image/...`, and a window opened on the stream
    `text/html`; that holds for Chromium, Firefox and WebKit and for no other client
    seen (measured; players and `fetch()` send `*/*` or nothing).

    :param accept: value of the request's Accept header; None where there is none.
    :param wish: value of the query argument `wire`; it wins if it names a form.
    """
    for form in Form:
        if wish == form.value.encode():
            return form
    first = (accept or b"").lstrip().lower()
    return Form.EARLY if first.startswith((b"image/", b"text/html")) else Form.PLAIN


def opening(form: Form) -> bytes:
    """
    What goes out once, ahead of the first block: the first boundary line.

    In the early form the first part's headers too, for its blocks begin with none.
    """
    return _LINE if form is Form.PLAIN else _LINE + _EARLY_HEADERS


def pieces(
    form: Form, jpeg: bytes, timestamp: float, number: int, state: str = ""
) -> tuple[bytes, ...]:
    """
    One frame, from behind one boundary line to the end of the next, not yet joined.

    :param jpeg: a whole JPEG.
    :param timestamp: when the picture was captured, in Unix seconds. A heartbeat keeps
        the time of its frame, so that a client can tell how old it is.
    :param number: the frame's number; 0 for a placeholder.
    :param state: what the camera does, on a placeholder; empty on its own pictures. All
        three are only in the plain form: in the early one the headers leave before the
        frame is known.
    """
    if form is Form.EARLY:
        return jpeg, _EARLY_END
    headers = b"%bContent-Length: %d\r\nX-Timestamp: %.6f\r\nX-Frame: %d\r\n%b\r\n"
    more = b"X-Camera-State: %b\r\n" % state.encode() if state else b""
    return headers % (_TYPE, len(jpeg), timestamp, number, more), jpeg, _PLAIN_END


def block(
    form: Form, jpeg: bytes, timestamp: float, number: int, state: str = ""
) -> bytes:
    """One frame as one object; see :func:`pieces`."""
    return b"".join(pieces(form, jpeg, timestamp, number, state))


def chunk(*data: bytes) -> bytes:
    """
    Pieces of data as one chunk of an HTTP/1.1 body (RFC 9112 7.1), copied once.

    :raises ValueError: for no data, as a chunk of nothing ends the body.
    """
    size = sum(map(len, data))
    if not size:
        raise ValueError("an empty chunk would end the body")
    return b"".join((b"%x\r\n" % size, *data, b"\r\n"))


class MultipartError(ValueError):
    """A stream that cannot be read on; the text says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """
    One part of a stream that came in.

    :ivar headers: by name, in lower case. Of two with the same name the last counts.
    :ivar body: what the part carries, a JPEG if all is well; nothing has looked at it.
    """

    headers: Mapping[bytes, bytes]
    body: bytes


# RFC 2046 5.1.1 allows any amount of white space behind a boundary; no camera is known
# to send some. A bound keeps what must be looked at twice short.
_PADDING = 16
# A long boundary that nobody sends would only cost time; RFC 2046 allows 70.
_BOUNDARY_LIMIT = 200
# Sixteen digits hold every length; int() would take seconds for a line full of them.
_LENGTH_DIGITS = 16
_PARAMETER = re.compile(
    rb';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))', re.IGNORECASE
)


class Parser:
    r"""
    Reads parts out of a stream of bytes, however these are split.

    Cameras are sloppy, so what can be understood is read: a preamble, bare LF, no line
    end between a body of known length and the boundary, a length that is too short, a
    header block broken off by another boundary line. A part with Content-Length is
    handed out with its last byte, one without when the boundary line behind it is
    complete.

    Every search goes on where the last one stopped, less the length of a boundary line,
    so reading takes time in proportion to the bytes. What is kept is never more than
    `limit`, `header_limit` and the bytes of one call.

    :ivar ended: True once the closing line (`--boundary--`) has come. All that follows
        is ignored.
    """

    def __init__(
        self,
        boundary: bytes,
        # A raw 4:2:0 picture of 3840x2160 has 12.4 MB; no JPEG of it should have more.
        limit: int = 16 * 1024 * 1024,
        # What common HTTP servers allow; aiohttp's readers stop at 8190 too (measured).
        header_limit: int = 8 * 1024,
    ) -> None:
        """
        :param boundary: as the Content-Type names it. Where it begins with two dashes
            the lines may be that text itself (a common mistake) or have two more.
        :param limit: the most bytes in a body, or of anything else ahead of a boundary.
        :param header_limit: the most bytes in a header block.
        :raises MultipartError: if nobody could use that boundary.
        """
        line = _boundary_line(boundary)
        self.ended = False
        self._boundary = re.compile(rb"\n" + line)
        self._block_end = re.compile(rb"\n(?:(?P<blank>\r?\n)|" + line + rb")")
        self._longest = len(b"\n--") + len(boundary) + _PADDING + len(b"\r\n")
        self._limit = limit
        self._header_limit = header_limit
        # The stream's start counts as the start of a line. `_start` is where the
        # preamble, header block or body at hand begins, always behind a line end that
        # is kept; `_scan` is where the search for its end goes on.
        self._buffer = bytearray(b"\n")
        self._start = 1
        self._scan = 0
        # Not bound: a parser that knows itself would stay, with its buffer.
        self._step: Callable[[Parser], bool] = Parser._read_to_boundary
        self._headers: Mapping[bytes, bytes] | None = None
        self._length = 0
        self._parts: list[Part] = []
        self._failure: str | None = None

    @classmethod
    def from_content_type(cls, content_type: bytes) -> Parser:
        """
        A parser for a response, by the value of its Content-Type.

        :raises MultipartError: if that is not multipart or names no usable boundary.
        """
        if not content_type.strip().lower().startswith(b"multipart/"):
            raise MultipartError(f"not a multipart stream: {content_type!r}")
        found = _PARAMETER.search(content_type)
        if found is None:
            raise MultipartError(f"no boundary in {content_type!r}")
        quoted, bare = found.groups()
        return cls(bare if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted))

    def receive(self, data: bytes) -> list[Part]:
        """
        Take the next bytes of the stream.

        :return: the parts that became complete with them, in order.
        :raises MultipartError: when a limit is exceeded or a length is no number. Parts
            ahead of the trouble are returned first: the error then comes with the next
            call, and again with every one after it.
        """
        if self._failure is None:
            self._buffer += data
            self._read()
        parts, self._parts = self._parts, []
        if self._failure is not None and not parts:
            raise MultipartError(self._failure)
        return parts

    def _read(self) -> None:
        """Step through the buffer as far as it goes, then drop what has been read."""
        try:
            while not self.ended and self._step(self):
                pass
        except MultipartError as error:
            self._failure = str(error)
        if self.ended or self._failure is not None:
            self._buffer.clear()
        else:
            self._drop(self._start - 1)

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._start -= count
        self._scan -= count

    def _read_to_boundary(self) -> bool:
        """
        Skip, or take as a body without length, what stands ahead of a boundary line.

        :return: False when more bytes are needed.
        """
        found = self._search(self._boundary, self._limit)
        if found is None:
            return False
        end = max(self._start, found.start())
        if self._buffer[end - 1] == ord("\r"):
            end -= 1
        self._check("part", end - self._start, self._limit)
        if self._headers is not None:
            self._hand_out(self._headers, end)
        self._begin_part(found)
        return True

    def _read_headers(self) -> bool:
        found = self._search(self._block_end, self._header_limit)
        if found is None:
            return False
        self._check("header block", found.start() - self._start, self._header_limit)
        if found["blank"] is None:
            # The block was never finished and another one begins.
            self._begin_part(found)
        else:
            self._begin_body(
                _headers_in(bytes(self._buffer[self._start : found.start()])),
                found.end(),
            )
        return True

    def _read_counted_body(self) -> bool:
        end = self._start + self._length
        if len(self._buffer) < end:
            return False
        if self._headers is not None:
            self._hand_out(self._headers, end)
        self._headers = None
        # The line end that belongs ahead of the boundary may be missing. The last byte
        # of the body, which has been handed out, takes its place.
        self._buffer[end - 1] = ord("\n")
        self._go_on(Parser._read_to_boundary, end)
        return True

    def _begin_part(self, line: re.Match[bytes]) -> None:
        self.ended = line["close"] is not None
        self._go_on(Parser._read_headers, line.end())

    def _begin_body(self, headers: Mapping[bytes, bytes], start: int) -> None:
        self._headers = headers
        length = _length_in(headers)
        if length is None:
            self._go_on(Parser._read_to_boundary, start)
        else:
            self._check("part", length, self._limit)
            self._length = length
            self._go_on(Parser._read_counted_body, start)

    def _go_on(self, step: Callable[[Parser], bool], start: int) -> None:
        self._step = step
        self._start = start
        self._scan = start - 1

    def _hand_out(self, headers: Mapping[bytes, bytes], end: int) -> None:
        self._parts.append(Part(headers, bytes(self._buffer[self._start : end])))

    def _search(self, end: re.Pattern[bytes], limit: int) -> re.Match[bytes] | None:
        """Look for the end of what is at hand, in what no search has looked at yet."""
        found = end.search(self._buffer, self._scan)
        if found is None:
            # All but the last bytes is done with: an end may have begun in those.
            unread = len(self._buffer) - self._longest + 1
            self._scan = max(self._scan, unread)
            # The CR that may stand there is not part of what is counted.
            self._check("part or header block", self._scan - self._start - 1, limit)
        return found

    def _check(self, what: str, length: int, limit: int) -> None:
        if length > limit:
            raise MultipartError(
                f"a {what} of {length} bytes or more; limit is {limit}"
            )


def _boundary_line(boundary: bytes) -> bytes:
    """The regular expression for a boundary line, without the line end ahead of it."""
    if not boundary.strip(b"-") or len(boundary) > _BOUNDARY_LIMIT:
        raise MultipartError(f"no usable boundary: {boundary[:_BOUNDARY_LIMIT]!r}")
    if re.search(rb"[\r\n]", boundary):
        raise MultipartError(f"a boundary of two lines: {boundary!r}")
    dashes, rest = rb"--", boundary
    if boundary.startswith(b"--"):
        dashes, rest = rb"--(?:--)?", boundary[2:]
    end = rb"(?:(?P<close>--)|[ \t]{0,%d}\r?\n)" % _PADDING
    return dashes + re.escape(rest) + end


def _headers_in(lines: bytes) -> dict[bytes, bytes]:
    """Header lines by name. A line without a colon says nothing that anyone needs."""
    pairs = (line.partition(b":") for line in lines.splitlines())
    return {
        name.strip().lower(): value.strip() for name, colon, value in pairs if colon
    }


def _length_in(headers: Mapping[bytes, bytes]) -> int | None:
    """The Content-Length; None where the part names none."""
    digits = headers.get(b"content-length")
    if digits is None:
        return None
    if not digits.isdigit() or len(digits) > _LENGTH_DIGITS:
        raise MultipartError(f"Content-Length is not a length: {digits[:40]!r}")
    return int(digits)
