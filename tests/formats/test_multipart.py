"""Tests for the wire format, as it is written and as it is read."""

from __future__ import annotations

import itertools
import re
import weakref
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from camd.formats import multipart
from camd.formats.multipart import (
    BOUNDARY,
    CONTENT_TYPE,
    RESPONSE_HEADERS,
    Form,
    MultipartError,
    Parser,
    Part,
    block,
    chunk,
    form_for,
    opening,
)
from tests.fakes import uncollected

# A busy machine is no reason to fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What stands in a body is the trouble of Content-Length; everything here is a JPEG to
# the multipart format.
TRAPS = (
    b"\xff\xd8 a picture \xff\xd9",
    b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\nno part\r\n--frame\r\n",
    b"\n--frame--\r\n",
    b"--frame\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b"-",
)
bodies = st.lists(st.sampled_from(TRAPS) | st.binary(max_size=40), max_size=4).map(
    b"".join
)
# Enough structure that hostile input gets past the preamble.
hostile = st.lists(
    st.sampled_from(
        (
            b"--frame\r\n",
            b"\r\n--frame\r\n",
            b"--frame--",
            b"--frame",
            b"frame",
            b"--",
            b"\r",
            b"\n",
            b"\r\n\r\n",
            b" \t",
            b"Content-Length: 3",
            b"Content-Length: 0\r\n\r\n",
            b"Content-Length: 99\r\n\r\n",
            b"Content-Length: x\r\n\r\n",
            b"Content-Type: image/jpeg\r\n\r\n",
            b"name:",
            b"abcdefghijklmnopqrstuvwxyz",
        )
    )
    | st.binary(max_size=12),
    max_size=30,
).map(b"".join)


def pieces(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    """The same bytes, cut at those places."""
    places = [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(places):
        yield data[start:end]


def read(parser: Parser, stream: Iterator[bytes]) -> tuple[list[Part], bool]:
    """All parts of a stream, and whether the parser gave up in the end."""
    parts: list[Part] = []
    try:
        for piece in stream:
            parts += parser.receive(piece)
        parts += parser.receive(b"")
    except MultipartError:
        return parts, True
    return parts, False


def parts_of(data: bytes, boundary: bytes = b"frame") -> list[tuple[bytes, bytes]]:
    """Type and body of each part that these bytes hold."""
    parts = Parser(boundary).receive(data)
    return [(part.headers.get(b"content-type", b""), part.body) for part in parts]


def bodies_of(data: bytes, boundary: bytes = b"frame") -> list[bytes]:
    """The body of each part that these bytes hold."""
    return [body for _, body in parts_of(data, boundary)]


# Writing


def test_response_headers() -> None:
    """The response says what it is, and asks caches and proxies to stay out of it."""
    assert dict(RESPONSE_HEADERS) == {
        b"Content-Type": b"multipart/x-mixed-replace; boundary=frame",
        b"Cache-Control": b"no-store, no-cache, must-revalidate, no-transform",
        b"Pragma": b"no-cache",
        b"X-Accel-Buffering": b"no",
    }


def test_plain_stream_to_the_byte() -> None:
    """The plain form: a line, then per frame headers, bytes and the next line."""
    stream = opening(Form.PLAIN)
    stream += block(Form.PLAIN, b"\xff\xd8first\xff\xd9", 1700000000.25, 1)
    stream += block(Form.PLAIN, b"\xff\xd8second\xff\xd9", 1700000000.3166667, 2)
    assert stream == (
        b"--frame\r\n"
        b"Content-Type: image/jpeg\r\n"
        b"Content-Length: 9\r\n"
        b"X-Timestamp: 1700000000.250000\r\n"
        b"X-Frame: 1\r\n"
        b"\r\n"
        b"\xff\xd8first\xff\xd9\r\n"
        b"--frame\r\n"
        b"Content-Type: image/jpeg\r\n"
        b"Content-Length: 10\r\n"
        b"X-Timestamp: 1700000000.316667\r\n"
        b"X-Frame: 2\r\n"
        b"\r\n"
        b"\xff\xd8second\xff\xd9\r\n"
        b"--frame\r\n"
    )


def test_a_placeholder_to_the_byte() -> None:
    """In the plain form a placeholder says what the camera does."""
    assert block(Form.PLAIN, b"<jpeg>", 2.5, 0, "offline") == (
        b"Content-Type: image/jpeg\r\n"
        b"Content-Length: 6\r\n"
        b"X-Timestamp: 2.500000\r\n"
        b"X-Frame: 0\r\n"
        b"X-Camera-State: offline\r\n"
        b"\r\n"
        b"<jpeg>\r\n--frame\r\n"
    )
    early = block(Form.EARLY, b"<jpeg>", 2.5, 0, "offline")
    assert early == block(Form.EARLY, b"<jpeg>", 2.5, 0)


def test_early_stream_to_the_byte() -> None:
    """The early form: every frame is followed by the next one's whole header block."""
    stream = opening(Form.EARLY)
    stream += block(Form.EARLY, b"\xff\xd8first\xff\xd9", 1700000000.25, 1)
    stream += block(Form.EARLY, b"\xff\xd8second\xff\xd9", 1700000000.3166667, 2)
    assert stream == (
        b"--frame\r\n"
        b"Content-Type: image/jpeg\r\n"
        b"\r\n"
        b"\xff\xd8first\xff\xd9\r\n"
        b"--frame\r\n"
        b"Content-Type: image/jpeg\r\n"
        b"\r\n"
        b"\xff\xd8second\xff\xd9\r\n"
        b"--frame\r\n"
        b"Content-Type: image/jpeg\r\n"
        b"\r\n"
    )


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Form.PLAIN),
        (b"", Form.PLAIN),
        (b"*/*", Form.PLAIN),
        (b"multipart/x-mixed-replace, image/jpeg", Form.PLAIN),
        (b"application/json, text/html", Form.PLAIN),
        (b"image/avif,image/webp,image/*,*/*;q=0.8", Form.EARLY),
        (b"image/png", Form.EARLY),
        (b"text/html,application/xhtml+xml", Form.EARLY),
        (b" IMAGE/webp", Form.EARLY),
    ],
)
def test_the_form_follows_accept(accept: bytes | None, form: Form) -> None:
    """What browsers ask for first gets the early form, all else the plain one."""
    assert form_for(accept) is form


@pytest.mark.parametrize("accept", [None, b"*/*", b"image/*"])
@pytest.mark.parametrize("form", list(Form))
def test_a_wish_wins(form: Form, accept: bytes | None) -> None:
    """The query argument decides, whatever Accept says."""
    assert form_for(accept, form.value.encode()) is form


@pytest.mark.parametrize("wish", [b"", b"late", b"EARLY", b"\xff"])
def test_a_wish_for_anything_else_is_none(wish: bytes) -> None:
    """A wish that names no form leaves the choice to Accept."""
    assert form_for(b"image/*", wish) is Form.EARLY
    assert form_for(b"*/*", wish) is Form.PLAIN


def test_chunk_to_the_byte() -> None:
    """A chunk is its length in hexadecimal, the data, and a line end behind each."""
    assert (
        chunk(b"twenty-six bytes of a JPEG") == b"1a\r\ntwenty-six bytes of a JPEG\r\n"
    )


def test_no_empty_chunk() -> None:
    """The chunk that would end the body is refused."""
    with pytest.raises(ValueError, match="end the body"):
        chunk(b"")


# Reading what camd writes


@unhurried
@given(st.lists(bodies, max_size=4), st.lists(st.integers(0, 900), max_size=8))
def test_plain_round_trip(frames: list[bytes], cuts: list[int]) -> None:
    """Every frame of a plain stream comes out as it went in, boundary lines and all."""
    stream = opening(Form.PLAIN) + b"".join(
        block(Form.PLAIN, jpeg, number / 15, number)
        for number, jpeg in enumerate(frames)
    )
    parts, failed = read(Parser(BOUNDARY), pieces(stream, cuts))
    assert not failed
    assert [part.body for part in parts] == frames
    assert [part.headers[b"x-frame"] for part in parts] == [
        b"%d" % number for number in range(len(frames))
    ]


@unhurried
@given(
    st.lists(bodies.filter(lambda jpeg: b"--frame" not in jpeg), max_size=4),
    st.lists(st.integers(0, 500), max_size=8),
)
def test_early_round_trip(frames: list[bytes], cuts: list[int]) -> None:
    """Every frame of an early stream comes out, and the block that waits is no part."""
    stream = opening(Form.EARLY) + b"".join(
        block(Form.EARLY, jpeg, 0.0, 0) for jpeg in frames
    )
    parts, failed = read(Parser(BOUNDARY), pieces(stream, cuts))
    assert not failed
    assert [part.body for part in parts] == frames


@pytest.mark.parametrize("form", list(Form))
def test_a_part_is_handed_out_with_its_block(form: Form) -> None:
    """A reader has each frame as soon as its block has come, not with the next one."""
    parser = Parser.from_content_type(CONTENT_TYPE)
    assert parser.receive(opening(form)) == []
    assert [p.body for p in parser.receive(block(form, b"one", 1.0, 1))] == [b"one"]
    assert [p.body for p in parser.receive(block(form, b"two", 2.0, 2))] == [b"two"]


def test_a_counted_part_does_not_wait_for_the_boundary() -> None:
    """With Content-Length the last byte of the body is enough."""
    parser = Parser(b"frame")
    assert parser.receive(b"--frame\r\nContent-Length: 3\r\n\r\non") == []
    assert parser.receive(b"e") == [Part({b"content-length": b"3"}, b"one")]


def test_headers_are_told() -> None:
    """Names are in lower case, values without the space around them."""
    parts = Parser(BOUNDARY).receive(
        opening(Form.PLAIN) + block(Form.PLAIN, b"a", 1.5, 7)
    )
    assert parts[0].headers == {
        b"content-type": b"image/jpeg",
        b"content-length": b"1",
        b"x-timestamp": b"1.500000",
        b"x-frame": b"7",
    }


# Reading what others write


def test_lines_that_are_no_headers_are_passed_over() -> None:
    """A header block keeps what has a name, and of two with one name the last."""
    stream = b"--frame\r\nodd\r\nA: 1\r\n folded\r\na:2\r\nb:\r\n\r\none\r\n--frame\r\n"
    assert Parser(b"frame").receive(stream) == [Part({b"a": b"2", b"b": b""}, b"one")]


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"--frame\r\n\r\none\r\n--frame\r\n", id="no headers"),
        pytest.param(b"\r\n--frame\r\n\r\none\r\n--frame\r\n", id="line end first"),
        pytest.param(
            b"hello\r\n--frames\r\n--frame\r\n\r\none\r\n--frame\r\n", id="preamble"
        ),
        pytest.param(b"--frame\n\none\n--frame\n", id="bare LF"),
        pytest.param(b"--frame \t\r\n\r\none\r\n--frame  \r\n", id="padding"),
        pytest.param(
            b"--frame\r\ncontent-LENGTH:3\r\n\r\none\r\n--frame\r\n", id="spelling"
        ),
        pytest.param(
            b"--frame\nContent-Length: 3\n\none\n--frame\n", id="bare LF, length"
        ),
        pytest.param(
            b"--frame\r\nContent-Length: 3\r\n\r\none--frame\r\n", id="no line end"
        ),
        pytest.param(
            b"--frame\r\nContent-Length: 3\r\n\r\none\r\n\r\n\r\n--frame\r\n",
            id="empty lines",
        ),
        pytest.param(
            b"--frame\r\nContent-Length: 3\r\n\r\none and more\r\n--frame\r\n",
            id="short length",
        ),
        pytest.param(
            b"--frame\r\nContent-Type: image/jpeg\r\n--frame\r\n\r\none\r\n--frame\r\n",
            id="unfinished block",
        ),
        pytest.param(
            b"--frame\r\n--frame\r\n\r\none\r\n--frame\r\n", id="boundary line twice"
        ),
        pytest.param(
            b"--frame\r\nno colon\r\n folded\r\n\r\none\r\n--frame\r\n", id="odd lines"
        ),
        pytest.param(b"--frame\r\n\r\none\r\n--frame--", id="closing line"),
    ],
)
def test_reads_sloppy_streams(stream: bytes) -> None:
    """What can be understood is read, and what follows is too."""
    follows = b"--frame\r\n\r\ntwo\r\n--frame\r\n"
    expected = [b"one"] if stream.endswith(b"--") else [b"one", b"two"]
    second = follows.removeprefix(b"--frame\r\n")
    assert bodies_of(stream + second) == expected


def test_a_length_that_counts_the_line_end_is_taken_at_its_word() -> None:
    """The body is as long as its header says, and the boundary is found behind it."""
    stream = (
        b"--frame\r\nContent-Length: 5\r\n\r\none\r\n--frame\r\n\r\ntwo\r\n--frame\r\n"
    )
    assert bodies_of(stream) == [b"one\r\n", b"two"]


@pytest.mark.parametrize(
    "stream",
    [
        b"--frame\r\nContent-Length: 0\r\n\r\n\r\n--frame\r\n",
        b"--frame\r\nContent-Length: 0\r\n\r\n--frame\r\n",
        b"--frame\r\nA: b\r\n\r\n\r\n--frame\r\n",
        b"--frame\r\nA: b\r\n\r\n--frame\r\n",
        b"--frame\r\n\r\n\r\n--frame\r\n",
        b"--frame\r\n\r\n--frame\r\n",
    ],
)
def test_a_part_may_be_empty(stream: bytes) -> None:
    """A part of nothing is a part."""
    assert bodies_of(stream) == [b""]


def test_a_body_keeps_line_ends_of_its_own() -> None:
    """Only the last line end belongs to the boundary line."""
    assert bodies_of(b"--frame\r\n\r\n\r\none\r\n\r\n--frame\r\n") == [b"\r\none\r\n"]


@pytest.mark.parametrize("text", [b"--framework\r\n", b"--fram\r\n", b"x--frame\r\n"])
def test_what_only_looks_like_a_boundary_is_body(text: bytes) -> None:
    """A boundary line begins a line and has nothing behind the boundary."""
    assert bodies_of(b"--frame\r\n\r\none\r\n" + text + b"\r\n--frame\r\n") == [
        b"one\r\n" + text
    ]


def test_nothing_counts_behind_the_closing_line() -> None:
    """The stream is over with its closing line, and the parser says so."""
    parser = Parser(b"frame")
    parts = parser.receive(b"--frame\r\n\r\none\r\n--frame--\r\n--frame\r\n\r\ntwo")
    assert [part.body for part in parts] == [b"one"]
    assert parser.ended
    assert parser.receive(b"\r\n--frame\r\n\r\nthree\r\n--frame\r\n") == []


def test_a_stream_goes_on_without_a_closing_line() -> None:
    """A boundary line alone ends nothing."""
    parser = Parser(b"frame")
    parser.receive(b"--frame\r\n\r\none\r\n--frame\r\n")
    assert not parser.ended


@pytest.mark.parametrize("dashes", [b"--", b"----"])
def test_a_boundary_with_dashes_is_read_both_ways(dashes: bytes) -> None:
    """With boundary=--frame the lines are found, be two dashes added or not."""
    parser = Parser.from_content_type(b"multipart/x-mixed-replace;boundary=--frame")
    line = dashes + b"frame\r\n"
    parts = parser.receive(line + b"\r\none\r\n" + line + b"\r\ntwo\r\n" + line)
    assert [part.body for part in parts] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/x-mixed-replace; boundary=frame", b"frame"),
        (b"multipart/x-mixed-replace;boundary=frame", b"frame"),
        (b"Multipart/X-Mixed-Replace; BOUNDARY = frame ", b"frame"),
        (b"multipart/x-mixed-replace; charset=utf-8; boundary=a.b+c; x=y", b"a.b+c"),
        (b'multipart/x-mixed-replace; boundary="frame"', b"frame"),
        (b'multipart/x-mixed-replace; boundary="two; words"', b"two; words"),
        (b'multipart/mixed; boundary="a\\"b\\\\c"', b'a"b\\c'),
    ],
)
def test_the_boundary_comes_from_the_content_type(
    content_type: bytes, boundary: bytes
) -> None:
    """The boundary is found, quoted or not, and stands for itself in the stream."""
    parser = Parser.from_content_type(content_type)
    line = b"--" + boundary + b"\r\n"
    assert [part.body for part in parser.receive(line + b"\r\none\r\n" + line)] == [
        b"one"
    ]


@pytest.mark.parametrize(
    "content_type", [b"", b"image/jpeg", b"text/html; boundary=frame", b"multipart"]
)
def test_no_parser_for_what_is_not_multipart(content_type: bytes) -> None:
    """A response that is no stream is refused."""
    with pytest.raises(MultipartError):
        Parser.from_content_type(content_type)


# A boundary that is not what was announced

STREAM = b"%b\r\nContent-Type: image/jpeg\r\n\r\none\r\n%b\r\n\r\ntwo\r\n%b\r\n"


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/x-mixed-replace",
        b"multipart/x-mixed-replace; boundary=",
        b'multipart/x-mixed-replace; boundary=""',
        b'multipart/x-mixed-replace; boundary="frame',
        b"multipart/x-mixed-replace; boundary=--",
        b'multipart/x-mixed-replace; boundary="a\nb"',
        b"multipart/x-mixed-replace; boundary=" + b"a" * 201,
        b"multipart/x-mixed-replace; boundary=another",
        b"multipart/x-mixed-replace; boundary=ano:ther",
    ],
)
@pytest.mark.parametrize(
    "line", [b"--frame", b"----frame", b"--two words", b"--video boundary--", b"--a.b("]
)
def test_the_stream_is_believed(content_type: bytes, line: bytes) -> None:
    """Where no usable boundary is named, or a wrong one, the first line tells it."""
    parser = Parser.from_content_type(content_type)
    stream = STREAM.replace(b"%b", line)
    parts, failed = read(parser, pieces(stream, range(len(stream))))
    assert ([part.body for part in parts], failed) == ([b"one", b"two"], False)
    assert line[2:].decode() in (parser.remark or "")


def test_an_announced_boundary_needs_no_remark() -> None:
    """A stream that is as it was announced gives nothing to say."""
    parser = Parser(b"frame")
    parser.receive(STREAM.replace(b"%b", b"--frame"))
    assert parser.remark is None


@pytest.mark.parametrize("boundary", [b"--video boundary--", b"data-boundary--"])
def test_a_boundary_that_ends_in_dashes_is_no_closing_line(boundary: bytes) -> None:
    """Unquoted blanks and dashes at the end are the boundary's own."""
    content_type = b"multipart/x-mixed-replace;boundary=" + boundary
    parser = Parser.from_content_type(content_type)
    line = b"--" + boundary.removeprefix(b"--")
    parts = parser.receive(STREAM.replace(b"%b", line))
    assert [part.body for part in parts] == [b"one", b"two"]
    assert not parser.ended
    assert parser.remark is None


@pytest.mark.parametrize("boundary", [b"frame", b"--frame", b"another", None])
def test_a_boundary_glued_to_the_first_header(boundary: bytes | None) -> None:
    """No line end is needed between the boundary and a header of the part."""
    part = b"--frameContent-type: image/jpeg\r\nContent-Length: 3\r\n\r\n"
    stream = part + b"one\r\n" + part + b"two" + part
    parts, failed = read(Parser(boundary), pieces(stream, range(len(stream))))
    assert [part.body for part in parts] == [b"one", b"two"]
    assert not failed
    assert parts[0].headers[b"content-type"] == b"image/jpeg"


def test_no_boundary_within_the_preamble() -> None:
    """A stream in which no boundary comes is given up after 64 KiB."""
    for boundary in (b"frame", None):
        parser = Parser(boundary)
        assert parser.receive(b"\n-- no boundary " * 4000) == []
        with pytest.raises(MultipartError, match="no boundary line in the first 65536"):
            parser.receive(b"\n-- no boundary " * 1000)


# Lengths that are wrong


@pytest.mark.parametrize("error", [-2, -1, 5, 20, 40, 60, 10**9, 10**12])
def test_wrong_lengths_lose_no_picture(error: int) -> None:
    """With every length wrong, all pictures but perhaps the first come out whole."""
    frames = [b"<picture %d>" % number for number in range(9)]
    stream = b"".join(
        b"--frame\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(frame) + error, frame)
        for frame in frames
    )
    parser = Parser(b"frame")
    parts, failed = read(parser, pieces(stream, range(len(stream))))
    bodies = [part.body for part in parts]
    assert not failed
    assert bodies[1:] == frames[1 : len(bodies)]
    assert len(bodies) >= 8
    # One that is too long has the picture at its start, from which it can be cut.
    assert bodies[0].startswith(frames[0]) or error < 0
    assert "Content-Length" in (parser.remark or "")


@pytest.mark.parametrize("length", [b"", b"-1", b"1.5", b"three", b"9" * 5000])
def test_a_length_that_is_none(length: bytes) -> None:
    """Behind a Content-Length that is not a number of bytes the boundary counts."""
    part = b"--frame\r\nContent-Length: " + length + b"\r\n\r\none\r\n"
    parser = Parser(b"frame")
    parts = parser.receive(part * 3)
    assert [part.body for part in parts] == [b"one", b"one"]
    assert "is no length" in (parser.remark or "")


# Limits


@pytest.mark.parametrize(
    ("stream", "good"),
    [
        (b"--frame\r\nContent-Length: 50\r\n\r\n" + b"x" * 50, True),
        (
            b"--frame\r\nContent-Length: 51\r\n\r\n" + b"x" * 51 + b"\r\n--frame\r\n",
            False,
        ),
        (b"--frame\r\n\r\n" + b"x" * 50 + b"\r\n--frame\r\n", True),
        (b"--frame\r\n\r\n" + b"x" * 51 + b"\r\n--frame\r\n", False),
        (b"--frame\r\n\r\n" + b"x" * 200, False),
        (b"x" * 50 + b"\r\n--frame\r\n\r\none\r\n--frame\r\n", True),
        (b"x" * 51 + b"\r\n--frame\r\n\r\none\r\n--frame\r\n", False),
        (b"x" * 500, False),
        (b"--frame\r\nX: " + b"x" * 26 + b"\r\n\r\n\r\n--frame\r\n", True),
        (b"--frame\r\nX: " + b"x" * 27 + b"\r\n\r\n\r\n--frame\r\n", False),
        (b"--frame\r\nX: " + b"x" * 200, False),
        (b"--frame\r\n" + b"X: y\r\n" * 50, False),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_limits(stream: bytes, good: bool, size: int) -> None:
    """A body, a preamble or a header block beyond its limit ends it, however split."""
    parser = Parser(b"frame", limit=50, header_limit=30)
    parts, failed = read(parser, pieces(stream, range(size, len(stream), size)))
    assert (len(parts), failed) == ((1, False) if good else (0, True))


@pytest.mark.parametrize("boundary", [b"frame", b"--frame", b"----frame"])
def test_the_longest_boundary_line_behind_the_longest_body(boundary: bytes) -> None:
    """A body of the very limit and all possible padding are read, byte by byte."""
    line = b"--" + boundary + b" " * 16 + b"\r\n"
    stream = line + b"\r\n" + b"x" * 50 + b"\r\n" + line
    parts, failed = read(Parser(boundary, 50), pieces(stream, range(len(stream))))
    assert ([part.body for part in parts], failed) == ([b"x" * 50], False)


def test_more_padding_is_body() -> None:
    """Seventeen spaces behind a boundary make it no boundary line."""
    text = b"one\r\n--frame" + b" " * 17
    assert bodies_of(b"--frame\r\n\r\n" + text + b"\r\n--frame\r\n") == [text]


def test_parts_ahead_of_the_trouble_are_not_lost() -> None:
    """What was read before an error is handed out first; then the error stays."""
    parser = Parser(b"frame", header_limit=30)
    bad = b"--frame\r\n\r\none\r\n--frame\r\nX: " + b"x" * 100
    assert [part.body for part in parser.receive(bad)] == [b"one"]
    for _ in range(2):
        with pytest.raises(MultipartError, match="header block of"):
            parser.receive(b"\r\n\r\ntwo\r\n--frame\r\n" * 50)


@unhurried
@given(st.data(), hostile)
@example(None, b"--frame\r\n\r\none\r--frame\r\n\r\n--frame\r\n")
def test_every_split_gives_the_same_parts(
    data: st.DataObject | None, stream: bytes
) -> None:
    """What comes out hangs on the bytes alone, not on how the network cut them."""
    cuts = range(len(stream)) if data is None else data.draw(_cuts(stream))
    whole = read(Parser(b"frame", 40, 60), iter([stream]))
    assert read(Parser(b"frame", 40, 60), pieces(stream, cuts)) == whole
    single = pieces(stream, range(len(stream)))
    assert read(Parser(b"frame", 40, 60), single) == whole


def _cuts(stream: bytes) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, len(stream)), max_size=10)


@unhurried
@given(hostile | st.binary(), st.sampled_from((b"frame", b"--frame", b".*(", b"\xff")))
def test_hostile_input_gives_parts_or_the_error(stream: bytes, boundary: bytes) -> None:
    """Any bytes under any boundary: parts within the limit, or MultipartError."""
    parts, _ = read(Parser(boundary, 40, 60), iter([stream]))
    assert all(len(part.body) <= 40 for part in parts)


@unhurried
@given(st.binary(max_size=60) | st.from_regex(rb"multipart/.*boundary.*"))
def test_hostile_content_types_give_a_parser_or_the_error(content_type: bytes) -> None:
    """Any Content-Type: a parser that works, or MultipartError."""
    try:
        parser = Parser.from_content_type(content_type)
    except MultipartError:
        return
    assert parser.receive(b"") == []


# Cost


class CountingPattern:
    """A pattern that counts the bytes it was made to search."""

    searched = 0

    def __init__(self, pattern: bytes, flags: int = 0) -> None:
        self.pattern = re.compile(pattern, flags)
        self.match = self.pattern.match

    def search(self, data: bytearray, at: int) -> re.Match[bytes] | None:
        found = self.pattern.search(data, at)
        CountingPattern.searched += (found.end() if found else len(data)) - at
        return found


@pytest.mark.parametrize(
    ("stream", "longest"),
    [
        pytest.param(b"\n--frame" * 8000, 300, id="preamble"),
        pytest.param(b"--frame\r\n\r\n" + b"\n--fram" * 8000, 50, id="body"),
        pytest.param(b"--frame\r\n" + b"X: y\r\n" * 8000, 50, id="headers"),
        pytest.param(b"--frame\r\n\r\n\r\n" * 5000, 50, id="empty parts"),
    ],
)
def test_reading_takes_linear_time(
    stream: bytes, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fed byte by byte, each byte is searched a bounded number of times."""
    counted = SimpleNamespace(
        compile=CountingPattern, escape=re.escape, search=re.search
    )
    monkeypatch.setattr(multipart, "re", counted)
    monkeypatch.setattr(CountingPattern, "searched", 0)
    parser = Parser(b"frame", 1 << 20, 1 << 20)
    for byte in pieces(stream, range(len(stream))):
        parser.receive(byte)
    assert 0 < CountingPattern.searched <= (longest + 2) * len(stream)


def test_what_has_been_read_is_dropped() -> None:
    """A stream without end keeps no more than the part at hand."""
    parser = Parser(b"frame", limit=2000)
    stream = opening(Form.EARLY) + block(Form.EARLY, b"x" * 1000, 0.0, 0) * 50
    most = 0
    for piece in pieces(stream, range(0, len(stream), 700)):
        parser.receive(piece)
        most = max(most, len(parser._buffer))
    assert most < 2000


def test_a_failed_parser_keeps_nothing() -> None:
    """What comes after an error is not stored."""
    parser = Parser(b"frame", limit=100)
    for _ in range(3):
        with pytest.raises(MultipartError):
            parser.receive(b"x" * 1000)
    assert len(parser._buffer) == 0


def test_a_parser_leaves_nothing_behind() -> None:
    """It is freed at once, with what it holds of a part."""
    parser = Parser(BOUNDARY)
    parser.receive(b"--frame\r\nContent-Length: 9\r\n\r\nhalf")
    left = weakref.ref(parser)
    with uncollected():
        del parser
        assert left() is None


@pytest.mark.parametrize("size", [100, 3 * multipart._PIECES])
def test_a_body_that_dribbles(size: int) -> None:
    """A body of known length is put together from however many pieces, and bounded."""
    parser = Parser(b"frame")
    body = bytes(n % 251 for n in range(size))
    parser.receive(b"--frame\r\nContent-Length: %d\r\n\r\n" % size)
    most = 0
    for byte in body[:-1]:
        assert parser.receive(bytes([byte])) == []
        most = max(most, len(parser._pieces))
    (part,) = parser.receive(body[-1:] + b"\r\n--frame\r\n")
    assert part.body == body
    assert most <= multipart._PIECES + 1
