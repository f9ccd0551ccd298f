"""What is pushed, cut into pictures."""

from __future__ import annotations

import tracemalloc

import pytest

from camd.formats.multipart import Form, block, opening
from camd.sources.ingest.body import BadBody, Body, TooLarge
from tests.fakes_camera import tiny_jpeg

ONE, TWO = tiny_jpeg(1), tiny_jpeg(2)
LIMIT = 100_000


def body(kind: bytes = b"", length: int | None = None, limit: int = LIMIT) -> Body:
    """A body that begins."""
    return Body({b"content-type": kind, b"x-timestamp": b"5"}, length, limit)


def pushed(body: Body, data: bytes, size: int = 1) -> list[bytes]:
    """The pictures in these bytes, which come in pieces of a size."""
    found = []
    for at in range(0, len(data), size):
        found += [part.body for part in body.receive(data[at : at + size])]
    return found + [part.body for part in body.finish()]


PARTS = (
    opening(Form.PLAIN) + block(Form.PLAIN, ONE, 1, 1) + block(Form.PLAIN, TWO, 2, 2)
)
FORM_DATA = (
    b'--xyz\r\nContent-Disposition: form-data; name="x"; filename="x.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n" + ONE + b"\r\n--xyz--\r\n"
)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    "kind",
    [
        b"multipart/x-mixed-replace; boundary=frame",
        b"multipart/mixed;boundary=frame",
        b"",
        b"video/x-motion-jpeg",
    ],
)
def test_a_stream_of_parts(kind: bytes, size: int) -> None:
    """It is read whatever it is called, and however it is split."""
    assert pushed(body(kind), PARTS, size) == [ONE, TWO]


def test_a_stream_with_another_boundary() -> None:
    """The stream is believed, not its label."""
    assert pushed(body(b"multipart/mixed; boundary=other"), PARTS) == [ONE, TWO]


@pytest.mark.parametrize("size", [1, 10_000])
@pytest.mark.parametrize("kind", [b"", b"image/jpeg", b"application/octet-stream"])
def test_jpegs_back_to_back(kind: bytes, size: int) -> None:
    """Each is handed out with its last byte."""
    assert pushed(body(kind), ONE + TWO, size) == [ONE, TWO]


def test_one_jpeg_in_chunks() -> None:
    """It does not wait for the end of the body."""
    assert [part.body for part in body().receive(ONE)] == [ONE]


def test_one_jpeg() -> None:
    """One of known length is complete with the body, and has the body's headers."""
    one = body(b"image/jpeg", len(ONE))
    assert not one.receive(ONE[:1])
    assert not one.receive(ONE[1:])
    (part,) = one.finish()
    assert (part.body, part.headers[b"x-timestamp"]) == (ONE, b"5")


def test_one_jpeg_with_another_one_behind_it() -> None:
    """Phones put a second, smaller picture behind the first; it is not shown."""
    both = ONE + TWO
    assert pushed(body(b"image/jpeg", len(both)), both) == [both]


def test_a_form() -> None:
    """A browser's form, and curl -F, send a part as well."""
    kind = b"multipart/form-data; boundary=xyz"
    assert pushed(body(kind, len(FORM_DATA)), FORM_DATA) == [ONE]


def test_one_jpeg_in_very_many_pieces() -> None:
    """However small they are, no more is kept than the picture."""
    padded = ONE + bytes(50_000)
    one = body(b"image/jpeg", len(padded))
    tracemalloc.start()
    try:
        for at in range(0, len(padded), 2):
            one.receive(padded[at : at + 2])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(padded)


def test_a_damaged_jpeg() -> None:
    """Its sender hears of it."""
    damaged = body(length=100)
    damaged.receive(ONE[:100])
    with pytest.raises(BadBody, match="this is no whole JPEG"):
        damaged.finish()


@pytest.mark.parametrize("data", [b"\x89PNG\r\n", b"GIF89a", b"<html>", b'{"a": 1}'])
def test_no_jpeg(data: bytes) -> None:
    """What begins as something else is refused at once."""
    with pytest.raises(BadBody, match="expected a JPEG, or a multipart stream"):
        pushed(body(), data, len(data))


@pytest.mark.parametrize("data", [b"", b"x", b"\xff"])
def test_next_to_nothing(data: bytes) -> None:
    """There is no picture in it."""
    assert pushed(body(length=len(data)), data) == []


def test_a_part_too_large() -> None:
    """It is told from a stream that cannot be read."""
    with pytest.raises(TooLarge, match="limit is 200"):
        pushed(body(limit=200), PARTS, 100)


def test_a_picture_too_large_among_others() -> None:
    """The same back to back."""
    with pytest.raises(TooLarge, match="a picture of more than 200 bytes"):
        pushed(body(limit=200), ONE + TWO, 100)


def test_a_stream_that_never_begins() -> None:
    """A boundary must come some time."""
    with pytest.raises(BadBody, match="no boundary line") as caught:
        pushed(body(b"multipart/mixed; boundary=b", limit=1000), b"x" * 2000, 100)
    assert not isinstance(caught.value, TooLarge)


def test_parts_that_are_no_pictures() -> None:
    """They are left out."""
    text = b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n"
    stream = text + b"Content-Type: image/jpeg\r\n\r\n" + ONE + b"\r\n--b\r\n"
    assert pushed(body(b"multipart/mixed; boundary=b"), stream, 100) == [ONE]
