"""What stands behind the head of a camera's answer is read within limits."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from camd.formats.jpeg import MAX_BYTES
from camd.formats.multipart import Part
from camd.sources.http import body as body_module
from camd.sources.http.body import BLANKS, Body, Content, content_of
from tests.fakes_http import part

MULTIPART = b"multipart/x-mixed-replace; boundary=b"
JPEG = b"\xff\xd8jpeg"


class FakeConsumer:
    """Keeps what a body turns out to hold; ``told`` has it in words."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.told: list[str] = []
        self.picture: bytes | None = None

    def got_parts(self, parts: Sequence[Part]) -> None:
        """Keep their bodies."""
        self.parts += [part.body for part in parts]

    def got_picture(self, picture: bytes) -> None:
        """Keep it."""
        assert self.picture is None
        self.picture = picture

    def got_other(self, content: Content) -> None:
        """Keep what it is."""
        self.told.append(content.value)

    def broke_off(self, reason: str) -> None:
        """Keep the reason."""
        self.told.append(reason)


class BodyHarness:
    """A body whose bytes the test sends."""

    def __init__(self, kind: bytes = MULTIPART) -> None:
        self.consumer = FakeConsumer()
        self.body = Body(kind, self.consumer)
        self.body.makeConnection(StringTransport())

    def end(self, reason: Exception | None = None) -> None:
        """Let the body end, as it should by default."""
        self.body.connectionLost(Failure(reason or ResponseDone()))


@pytest.mark.parametrize(
    ("kind", "first", "content"),
    [
        (MULTIPART, b"--b\r\n", Content.PARTS),
        (MULTIPART, b"\r\n\r\n--b\r\n", Content.PARTS),
        (MULTIPART, b"Hello, here are pictures.", Content.PARTS),
        # A snapshot that calls itself a stream (node-onvif#33).
        (MULTIPART, JPEG, Content.PICTURE),
        # A snapshot without any label (OctoPrint#3207).
        (b"", JPEG, Content.PICTURE),
        (b"text/html", JPEG, Content.PICTURE),
        (b"application/octet-stream", JPEG, Content.PICTURE),
        (b"", b"--b\r\n", Content.PARTS),
        (b"image/jpeg", b"--b\r\n", Content.PARTS),
        (b"image/jpeg", JPEG, Content.PICTURE),
        (b"Image/JPG ; x=y", b"<html>", Content.PICTURE),
        (b"text/html; charset=utf-8", b"<html>", Content.PAGE),
        (b"video/mp4", b"\0\0\0 ftyp", Content.OTHER),
        # Bare JPEGs without end, which FFmpeg takes apart.
        (b"video/x-motion-jpeg", JPEG, Content.OTHER),
        (b"", b"anything", Content.OTHER),
        (MULTIPART, b"", None),
        (MULTIPART, b"\r\n\r\n\xff", None),
        (MULTIPART, b"\r\n" * BLANKS, Content.PARTS),
    ],
)
def test_the_first_bytes_decide(
    kind: bytes, first: bytes, content: Content | None
) -> None:
    """The bytes are believed first, then the label."""
    assert content_of(kind, first) is content


def test_parts() -> None:
    """Parts are handed out as they become whole, however they are split."""
    harness = BodyHarness()
    sent = part(b"one") + part(b"two") + b"--b\r\n"
    for byte in sent:
        harness.body.dataReceived(bytes([byte]))
    assert harness.consumer.parts == [b"one", b"two"]


def test_a_picture_in_very_many_pieces() -> None:
    """However small they are, no more is kept than the picture."""
    harness, padded = BodyHarness(b"image/jpeg"), JPEG + bytes(50_000)
    tracemalloc.start()
    try:
        for at in range(0, len(padded), 2):
            harness.body.dataReceived(padded[at : at + 2])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * len(padded)
    harness.end()
    assert harness.consumer.picture == padded


def test_a_part_that_is_too_large() -> None:
    """A part over the limit ends the stream; ahead of it all is well."""
    harness = BodyHarness()
    harness.body.dataReceived(part(b"jpeg") + b"--b\r\n\r\n")
    block = b"x" * 1024 * 1024
    for _ in range(18):
        harness.body.dataReceived(block)
    assert harness.consumer.parts == [b"jpeg"]
    (reason,) = harness.consumer.told
    assert reason.startswith("its stream cannot be read: a part ")


def test_the_end_of_the_stream() -> None:
    """A closing boundary line ends it, behind the last picture."""
    harness = BodyHarness()
    harness.body.dataReceived(part(b"jpeg") + b"--b--\r\n")
    assert harness.consumer.parts == [b"jpeg"]
    assert harness.consumer.told == ["it ended the stream"]
    harness.end()
    assert len(harness.consumer.told) == 1


@pytest.mark.parametrize("sent", [b"", b"\r\n", part(b"jpeg")])
def test_a_lost_connection(sent: bytes) -> None:
    """A stream that ends without saying so has been hung up on."""
    harness = BodyHarness()
    harness.body.dataReceived(sent)
    harness.end(ConnectionLost())
    assert harness.consumer.told == ["it hung up"]


@pytest.mark.parametrize("reason", [ResponseDone(), PotentialDataLoss()])
def test_a_whole_picture(reason: Exception) -> None:
    """A picture ends where its length says, or where the connection ends."""
    harness = BodyHarness(b"image/jpeg")
    for byte in JPEG:
        harness.body.dataReceived(bytes([byte]))
    assert harness.consumer.picture is None
    harness.end(reason)
    assert harness.consumer.picture == JPEG


def test_an_empty_picture() -> None:
    """A picture of nothing is handed out; it is not whole, which others see."""
    harness = BodyHarness(b"image/jpeg")
    harness.end()
    assert harness.consumer.picture == b""


def test_a_cut_picture() -> None:
    """A picture that breaks off is none."""
    harness = BodyHarness(b"image/jpeg")
    harness.body.dataReceived(JPEG)
    harness.end(ConnectionLost())
    assert harness.consumer.told == ["it hung up in the middle of a picture"]
    assert harness.consumer.picture is None


def test_a_picture_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the limit is not kept, and that is said once."""
    assert MAX_BYTES == 16 * 1024 * 1024
    monkeypatch.setattr(body_module, "MAX_BYTES", 6)
    harness = BodyHarness(b"image/jpeg")
    harness.body.dataReceived(JPEG)
    assert not harness.consumer.told
    harness.body.dataReceived(b"7")
    assert harness.consumer.told == ["a picture of more than 6 bytes"]
    harness.end(ConnectionLost())
    assert len(harness.consumer.told) == 1


def test_nobody_is_told_any_more() -> None:
    """What comes when camd has hung up is not read."""
    harness = BodyHarness()
    harness.body.dataReceived(b"--b\r\n")
    harness.body.consumer = None
    harness.body.dataReceived(part(b"jpeg"))
    harness.end(ConnectionLost())
    assert (harness.consumer.parts, harness.consumer.told) == ([], [])
