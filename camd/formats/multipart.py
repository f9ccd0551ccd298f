r"""The wire format: JPEG frames as ``multipart/x-mixed-replace``, written and read.

Nothing here does I/O.

A stream is :func:`opening` once, then one :func:`block` per frame. Each block ends with
the boundary line of the *next* part, because a client shows a part once it knows that
it is over: with the boundary held back until the next frame, Firefox, Go and others are
one frame late (measured).

There are two forms, because no single one serves every client best (measured):

- Chromium and WebKit show a part when the *header block* of the next one is complete,
  so for them it is sent early (:attr:`Form.EARLY`). It cannot hold a length then.
- Everyone else needs ``Content-Length``, or is one frame faster with it
  (:attr:`Form.PLAIN`).

A heartbeat is the block of the last good frame, sent again. Whatever else was tried as
a part (text, nothing, a JPEG of a comment alone) blanks the picture in Chromium and
WebKit for good and ends the stream for OpenCV. The closing line ``--frame--`` is never
sent: a stream has no end.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from camd.formats.jpeg import MAX_BYTES

# No dashes in front (clients disagree on whether those of the boundary line are part of
# it), no quotes, and no parameter behind it, at which VLC gives up (measured).
BOUNDARY = b"frame"
CONTENT_TYPE = b"multipart/x-mixed-replace; boundary=" + BOUNDARY

RESPONSE_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"Content-Type", CONTENT_TYPE),
    # no-store: without it Varnish feeds a second viewer the first one's old frames
    # (measured). no-transform asks proxies not to compress (RFC 9111
    # 5.2.2.6).
    (b"Cache-Control", b"no-store, no-cache, must-revalidate, no-transform"),
    # The same for HTTP/1.0 caches.
    (b"Pragma", b"no-cache"),
    # Without it nginx holds each frame back until the next one (measured).
    (b"X-Accel-Buffering", b"no"),
)
"""The headers of a stream's response. Transfer-Encoding and Connection are left to what
speaks HTTP."""

_LINE = b"--" + BOUNDARY + b"\r\n"
# Spelled exactly so, and always the first header: `image/jpg` or lower case makes
# ffmpeg, VLC and GStreamer show nothing (measured).
_TYPE = b"Content-Type: image/jpeg\r\n"
_EARLY_HEADERS = _TYPE + b"\r\n"
_HEADERS = _TYPE + b"Content-Length: %d\r\nX-Timestamp: %.6f\r\nX-Frame: %d\r\n%b\r\n"
# The CRLF ahead of a boundary line belongs to that line (RFC 2046 5.1.1).
_PLAIN_END = b"\r\n" + _LINE
_EARLY_END = _PLAIN_END + _EARLY_HEADERS


class Form(enum.Enum):
    """The two forms of the stream; the values are what ``?wire=`` takes."""

    PLAIN = "plain"
    """Each frame behind its own headers, with Content-Length, time and number."""

    EARLY = "early"
    """The next part's headers right behind each frame, so without a length."""


def form_for(accept: bytes | None, requested: bytes | None = None) -> Form:
    """Return the form that suits a client.

    An ``<img>`` says first that it takes ``image/...``, and a window opened on the
    stream ``text/html``; that holds for Chromium, Firefox and WebKit and for no other
    client seen (measured; players and ``fetch()`` send ``*/*`` or nothing).

    :param accept: value of the request's Accept header; None where there is none.
    :param requested: value of the query argument ``wire``; it wins if it names a form.
    """
    for form in Form:
        if requested == form.value.encode():
            return form
    first = (accept or b"").lstrip().lower()
    return Form.EARLY if first.startswith((b"image/", b"text/html")) else Form.PLAIN


def opening(form: Form) -> bytes:
    """Return what goes out once, ahead of the first block: the first boundary line.

    In the early form the first part's headers too, for its blocks begin with none.
    """
    return _LINE if form is Form.PLAIN else _LINE + _EARLY_HEADERS


def block(
    form: Form,
    jpeg: bytes,
    timestamp: float,
    number: int,
    state: str = "",
    chunked: bool = False,
) -> bytes:
    """Return one frame, from behind one boundary line to the end of the next.

    :param jpeg: a whole JPEG.
    :param timestamp: when the picture was captured, in Unix seconds. A heartbeat keeps
        the time of its frame, so that a client can tell how old it is.
    :param number: the frame's number; 0 for a placeholder.
    :param state: what the camera does, on a placeholder; empty on its own pictures. All
        three are only in the plain form: in the early one the headers leave before the
        frame is known.
    :param chunked: whether it is one chunk of an HTTP/1.1 body; see :func:`chunk`.
    """
    pieces: tuple[bytes, ...] = jpeg, _EARLY_END
    if form is Form.PLAIN:
        more = b"X-Camera-State: %b\r\n" % state.encode() if state else b""
        pieces = _HEADERS % (len(jpeg), timestamp, number, more), jpeg, _PLAIN_END
    return chunk(*pieces) if chunked else b"".join(pieces)


def chunk(*data: bytes) -> bytes:
    """Return data as one chunk of an HTTP/1.1 body (RFC 9112 7.1), copied once.

    :raises ValueError: for no data, as a chunk of nothing ends the body.
    """
    size = sum(map(len, data))
    if not size:
        raise ValueError("an empty chunk would end the body")
    return b"".join((b"%x\r\n" % size, *data, b"\r\n"))


class MultipartError(ValueError):
    """A stream that cannot be read on; the text says why.

    :ivar is_too_long: whether a part has more bytes than it may have.
    """

    def __init__(self, text: str, is_too_long: bool = False) -> None:
        super().__init__(text)
        self.is_too_long = is_too_long


class Part(NamedTuple):
    """One part of a stream that came in.

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
# A name that a header can have; 60 bytes hold all that were ever registered.
_NAME = rb"[A-Za-z][A-Za-z0-9-]{0,59}[ \t]{0,16}:"
# Some cameras leave out the line end between the boundary and the first header.
_GLUED = rb"(?=[Cc]ontent-[A-Za-z]{1,20}:)"
_LINE_END = rb"(?:(?P<close>--)|[ \t]{0,%d}\r?\n|%b)" % (_PADDING, _GLUED)
_LONGEST_LINE_END = len("Content-") + 20 + len(":")
# The first boundary line of a stream that announced another one, or none: a line that
# begins with two dashes, with headers or an empty line behind it, or glued to them.
_UNANNOUNCED = (
    rb"--(?P<text>-{0,8}[^\r\n:-][^\r\n:]{0,%d}?)(?:[ \t]{0,%d}\r?\n(?=\r?\n|%b)|%b)"
    % (_BOUNDARY_LIMIT - 9, _PADDING, _NAME, _GLUED)
)
# A header block that is whole, and in which every line is a header.
_BLOCK = re.compile(rb"(?:[A-Za-z][A-Za-z0-9_-]*:[^\r\n]*\r\n){1,64}\r\n")
_HEADER = re.compile(
    rb"([A-Za-z][A-Za-z0-9_-]*):[^\S\r\n]*((?:[^\r\n]*\S)?)[^\S\r\n]*\r\n"
)
# Pieces of a body that are kept apart, as each takes memory of its own.
_PIECES = 4096
_PARAMETER = re.compile(
    rb';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"\r\n]*))', re.IGNORECASE
)

PREAMBLE_LIMIT = 64 * 1024
"""Bytes of a stream within which its first boundary line must come. Those that have a
preamble at all say a line or two in it."""


class Parser:
    r"""Reads parts out of a stream of bytes, however these are split.

    Cameras are sloppy, so what can be understood is read: a preamble, bare LF, no line
    end between a body of known length and the boundary, a boundary glued to the first
    header, a header block broken off by another boundary line. Where the stream's first
    boundary line is another one than was announced, the stream is believed. A part with
    Content-Length is handed out with its last byte, one without when the boundary line
    behind it is complete. A length that does not end at a boundary line, or is no
    number, is a lie: from then on lengths are not looked at, and boundaries searched
    for.

    Every search goes on where the last one stopped, less the length of a boundary line,
    so reading takes time in proportion to the bytes. What is kept is never more than
    ``limit``, ``header_limit`` and the bytes of one call.

    :ivar ended: True once the closing line (``--boundary--``) has come. All that
        follows is ignored.
    :ivar missing: bytes that the body under way has yet to get, where it has a length
        that is believed; otherwise 0.
    :ivar remark: how the stream differs from what it announces, in words for the log;
        None as long as it does not.
    """

    def __init__(
        self,
        boundary: bytes | None = None,
        limit: int = MAX_BYTES,
        # What common HTTP servers allow; aiohttp's readers stop at 8190 too (measured).
        header_limit: int = 8 * 1024,
    ) -> None:
        """Begin a stream.

        :param boundary: as the Content-Type names it. Where it begins with two dashes
            the lines may be that text itself (a common mistake) or have two more. None
            to take it from the stream's first boundary line.
        :param limit: the most bytes in a body.
        :param header_limit: the most bytes in a header block.
        :raises MultipartError: if that boundary cannot be used.
        """
        self.ended = False
        self.remark: str | None = None
        self._announced = boundary
        first = _UNANNOUNCED
        if boundary is not None:
            first = rb"(?:%b|%b)" % (_boundary_line(boundary), _UNANNOUNCED)
        self._first = re.compile(rb"\n" + first)
        # Until the first boundary line has come, nothing else is looked for.
        self._boundary = self._line = self._block_end = self._first
        self._longest = _BOUNDARY_LIMIT + 100
        self._limit = limit
        self._header_limit = header_limit
        # The stream's start counts as the start of a line. `_start` is where the
        # preamble, header block or body at hand begins, always behind a line end that
        # is kept; `_scan` is where the search for its end goes on.
        self._buffer = bytearray(b"\n")
        self._start = 1
        self._scan = 0
        # Not bound: a parser that knows itself would stay, with its buffer.
        self._step: Callable[[Parser], bool] = Parser._read_preamble
        self._headers: Mapping[bytes, bytes] | None = None
        # What has come of a body of known length, and how many bytes of it are missing.
        # They stay out of the buffer, which would grow and be copied with each call.
        self._pieces: list[bytes] = []
        self.missing = 0
        self._trusts_lengths = True
        self._parts: list[Part] = []
        # Not the error itself: with its traceback it would keep the parser.
        self._failure: tuple[str, bool] | None = None

    @classmethod
    def from_content_type(cls, content_type: bytes, limit: int = MAX_BYTES) -> Parser:
        """Return a parser for a stream, by the value of its Content-Type.

        Where that names no usable boundary, it is taken from the stream.

        :param limit: the most bytes in a body.
        :raises MultipartError: if that is not multipart.
        """
        if not content_type.strip().lower().startswith(b"multipart/"):
            raise MultipartError(f"not a multipart stream: {content_type!r}")
        found = _PARAMETER.search(content_type)
        if found is None:
            return cls(limit=limit)
        quoted, bare = found.groups()
        try:
            # Blanks need quotes (RFC 2045 5.1), which cameras do not know; in quotes a
            # backslash stands ahead of what is meant as it is (RFC 9110 5.6.4).
            is_bare = quoted is None
            boundary = bare.strip() if is_bare else re.sub(rb"\\(.)", rb"\1", quoted)
            return cls(boundary, limit)
        except MultipartError:
            return cls(limit=limit)

    def receive(self, data: bytes) -> list[Part]:
        """Take the next bytes of the stream.

        :return: the parts that became complete with them, in order.
        :raises MultipartError: when a limit is exceeded. Parts ahead of the trouble are
            returned first: the error then comes with the next call, and again with
            every one after it.
        """
        if len(data) < self.missing:
            self.missing -= len(data)
            self._pieces.append(data)
            if len(self._pieces) > _PIECES:
                self._pieces = [b"".join(self._pieces)]
            return []
        if self.missing:
            data = self._end_body(data)
        if self._failure is None and (data := self._read_plain_parts(data)):
            self._buffer += data
            try:
                while not self.ended and self._step(self):
                    pass
            except MultipartError as error:
                self._failure = str(error), error.is_too_long
            if self.ended or self._failure is not None:
                self._buffer.clear()
            else:
                read = self._start - 1
                del self._buffer[:read]
                self._start -= read
                self._scan -= read
        parts, self._parts = self._parts, []
        if self._failure is not None and not parts:
            raise MultipartError(*self._failure)
        return parts

    def _end_body(self, data: bytes) -> bytes:
        """Hand out a body of known length that is whole now; return what follows it."""
        assert self._headers is not None
        body = b"".join([*self._pieces, data[: self.missing]])
        self._parts.append(Part(self._headers, body))
        # Should its length be a lie, the next part is looked for in it.
        self._pieces = [body]
        self._headers = None
        data, self.missing = data[self.missing :], 0
        return data

    def _read_plain_parts(self, data: bytes) -> bytes:
        """Read parts that are as RFC 2046 has them, with a length; return what is left.

        Nearly every camera sends such parts, often one in each read. What is left goes
        through the buffer and the steps below, which read these parts as well, but take
        twice as many calls and copy the picture once more (measured).
        """
        step, at, size = self._step, 0, len(data)
        if len(self._buffer) != 1:
            return data  # Something is under way that began as nothing of this kind.
        while at < size:
            if step is Parser._read_headers:
                block = _BLOCK.match(data, at)
                if block is None:
                    break
                end = block.end()
                if end - at > self._header_limit:
                    break
                headers = {}
                for name, value in _HEADER.findall(data, at, end):
                    headers[name.lower()] = value
                length = self._length(headers)
                if length is None:
                    break
                at = end
                body = data[at : at + length]
                self._pieces, step = [body], Parser._read_line_behind
                at += length
                if at > size:
                    self._headers, self.missing = headers, at - size
                    break
                self._parts.append(Part(headers, body))
            elif step is not Parser._read_line_behind:
                break
            line = self._line.match(data, at)
            if line is None or line["close"] or data[line.end() - 1] != ord("\n"):
                break
            at = line.end()
            self._pieces, step = [], Parser._read_headers
        self._step = step
        return data[at:]

    def _length(self, headers: Mapping[bytes, bytes]) -> int | None:
        """Return a body's length; None where there is none that can be trusted."""
        digits = headers.get(b"content-length", b"")
        if not digits.isdigit() or len(digits) > _LENGTH_DIGITS:
            return None
        length = int(digits)
        return length if length <= self._limit and self._trusts_lengths else None

    # A step returns False when it needs more bytes.

    def _read_preamble(self) -> bool:
        """Skip what stands ahead of the first boundary line, and learn that line."""
        found = self._search(self._first, "preamble", min(self._limit, PREAMBLE_LIMIT))
        if found is None:
            return False
        boundary, text = self._announced or b"", found["text"]
        if text is not None:
            told = f"says {_shown(boundary)}" if boundary else "names none"
            boundary = text.rstrip(b" \t")
            self.remark = f"its boundary is {_shown(boundary)}, its Content-Type {told}"
        line = _boundary_line(boundary, has_dashes=text is None)
        self._line = re.compile(rb"[ \t\r\n]{0,%d}" % _PADDING + line)
        self._boundary = re.compile(rb"\n" + line)
        self._block_end = re.compile(rb"\n(?:(?P<blank>\r?\n)|" + line + rb")")
        self._longest = len(b"\n----") + len(boundary) + _LONGEST_LINE_END
        self._begin_part(found.end(), text is None and found["close"] is not None)
        return True

    def _read_headers(self) -> bool:
        found = self._search(self._block_end, "header block", self._header_limit)
        if found is None:
            return False
        if found["blank"] is None:
            # The block was never finished and another one begins.
            self._begin_part(found.end(), found["close"] is not None)
            return True
        block = bytes(self._buffer[self._start : found.start()])
        # A line without a colon says nothing that anyone needs.
        pairs = (line.partition(b":") for line in block.splitlines())
        self._headers = {
            name.strip().lower(): value.strip() for name, colon, value in pairs if colon
        }
        self._go_on(Parser._read_to_boundary, found.end())
        length, digits = self._length(self._headers), b"content-length"
        if length is not None:
            self._take_counted_body(length)
        elif digits in self._headers and self._trusts_lengths:
            told = _shown(self._headers[digits])
            self._distrust_lengths(f"Content-Length {told} is no length")
        return True

    def _take_counted_body(self, length: int) -> None:
        """Move the body out of the buffer, as far as it is there."""
        start = self._start
        # A view, as a slice would be one more copy.
        with memoryview(self._buffer) as view:
            piece = bytes(view[start : start + length])
        # Nothing is left ahead of what follows but the start of a line.
        del self._buffer[: start + len(piece)]
        self._buffer[:0] = b"\n"
        self._go_on(Parser._read_line_behind, 1)
        self._pieces, self.missing = [piece], length - len(piece)
        if not self.missing and self._headers is not None:
            self._parts.append(Part(self._headers, piece))
            self._headers = None

    def _read_line_behind(self) -> bool:
        """See that a boundary line follows a body of known length."""
        if len(self._buffer) == self._start:
            return False
        found = self._line.match(self._buffer, self._start)
        if found is not None:
            self._pieces = []
            self._begin_part(found.end(), found["close"] is not None)
            return True
        behind = self._buffer[self._start : self._start + _PADDING + self._longest]
        rest = behind.lstrip(b" \t\r\n")
        may_follow = len(behind) - len(rest) <= _PADDING and len(rest) < self._longest
        if may_follow and rest[:2] == b"--"[: len(rest)]:
            return False
        self._distrust_lengths("its Content-Lengths do not end at boundary lines")
        self._buffer[1:1] = b"".join(self._pieces)
        self._pieces = []
        self._go_on(Parser._read_to_boundary, 1)
        return True

    def _read_to_boundary(self) -> bool:
        """Skip, or take as a body without length, what stands ahead of a boundary."""
        found = self._search(self._boundary, "part", self._limit)
        if found is None:
            return False
        end = max(self._start, found.start())
        if self._buffer[end - 1] == ord("\r"):
            end -= 1
        if self._headers is not None:
            # A view, as a slice would be one more copy.
            with memoryview(self._buffer) as view:
                body = bytes(view[self._start : end])
            self._parts.append(Part(self._headers, body))
        self._begin_part(found.end(), found["close"] is not None)
        return True

    def _distrust_lengths(self, remark: str) -> None:
        self._trusts_lengths = False
        self.remark = remark

    def _begin_part(self, start: int, is_closed: bool) -> None:
        self.ended = is_closed
        self._headers = None
        # A boundary glued to its first header has no line end of its own.
        if self._buffer[start - 1] != ord("\n") and not is_closed:
            self._buffer[start:start] = b"\n"
            start += 1
        self._go_on(Parser._read_headers, start)

    def _go_on(self, step: Callable[[Parser], bool], start: int) -> None:
        self._step = step
        self._start = start
        self._scan = start - 1

    def _search(
        self, end: re.Pattern[bytes], what: str, limit: int
    ) -> re.Match[bytes] | None:
        """Look for the end of what is at hand, in what no search has looked at yet."""
        found = end.search(self._buffer, self._scan)
        if found is None:
            # All but the last bytes is done with: an end may have begun in those.
            unread = len(self._buffer) - self._longest + 1
            self._scan = max(self._scan, unread)
        # The CR that may stand ahead of a boundary is not part of what is counted.
        stop = self._scan - 1 if found is None else found.start()
        if found is not None and what != "header block":
            stop -= self._buffer[stop - 1] == ord("\r")
        if stop - self._start > limit:
            raise _excess(what, stop - self._start, limit)
        return found


def _boundary_line(boundary: bytes, has_dashes: bool = True) -> bytes:
    """Return the expression for a boundary line, without the line end ahead of it.

    :param has_dashes: whether those that it begins with may be those of the line.
    """
    if not boundary.strip(b"- \t") or len(boundary) > _BOUNDARY_LIMIT:
        raise MultipartError(f"no usable boundary: {_shown(boundary)}")
    if re.search(rb"[\r\n]", boundary):
        raise MultipartError(f"a boundary of two lines: {_shown(boundary)}")
    dashes, rest = rb"--", boundary
    if has_dashes and boundary.startswith(b"--"):
        dashes, rest = rb"--(?:--)?", boundary[2:]
    return dashes + re.escape(rest) + _LINE_END


def _shown(text: bytes) -> str:
    """Return bytes from outside as a line of the log can hold them."""
    return repr(text[:40])[1:]


def _excess(what: str, length: int, limit: int) -> MultipartError:
    if what == "preamble":
        return MultipartError(f"no boundary line in the first {limit} bytes")
    text = f"a {what} of {length} bytes or more; limit is {limit}"
    return MultipartError(text, is_too_long=what == "part")
