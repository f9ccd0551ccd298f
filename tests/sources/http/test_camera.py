"""A camera that is asked over HTTP gives its own bytes, however it sends them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from camd.formats.multipart import Form, block, opening
from camd.sources import CameraMode, RawFrame, Source, SourceError
from camd.sources.http.camera import HttpCamera
from tests.fakes_camera import tiny_jpeg
from tests.fakes_http import Web, answer, part, picture_answer, stream_answer

JPEG, OTHER = tiny_jpeg(100), tiny_jpeg(200)
MJPEG = "multipart/x-mixed-replace; boundary=frame"


class Otherwise:
    """The source for what is not JPEG."""

    def open(self) -> CameraMode:
        return CameraMode(1, 2, 3, "h264")

    def read(self) -> RawFrame:
        return RawFrame(b"from OpenCV", 4)

    def close(self) -> None:
        pass


class Rig:
    """
    A camera on a fake web.

    :ivar slept: what it slept, in seconds.
    :ivar others: how often another source was made.
    """

    def __init__(self, *answers: bytes | Exception, fps: float = 10) -> None:
        self.web = Web(*answers)
        self.slept: list[float] = []
        self.others = 0
        self.camera = HttpCamera(
            "http://me:hunter2@cam/x",
            fps,
            verify_tls=True,
            reactor=self.web,
            clock=self.web.seconds,
            sleep=self._sleep,
            otherwise=self._otherwise,
            find=self._find,
        )

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.web.advance(seconds)

    def _otherwise(self) -> Source:
        assert all(wire.cut for wire in self.web.wires)
        self.others += 1
        return Otherwise()

    def _find(self, host: str, port: int) -> Sequence[str]:
        return ["192.0.2.1"]

    def trouble(self) -> str:
        """Why it does not open."""
        with pytest.raises(SourceError) as caught:
            self.camera.open()
        assert "hunter2" not in str(caught.value)
        assert str(caught.value).startswith("http://me:***@cam/x: ")
        return str(caught.value).partition("x: ")[2]


def test_stream() -> None:
    """Its parts are handed out byte for byte, with the time at which they came."""
    rig = Rig(stream_answer(JPEG))
    assert rig.camera.open() == CameraMode(32, 24, None, "MJPG")
    assert rig.camera.read() == RawFrame(JPEG, 0)
    rig.web.advance(1)
    rig.web.wire.send(part(OTHER))
    assert rig.camera.read() == RawFrame(OTHER, 1)


def body(boundary: str, *, length: bool = True, end: str = "\r\n") -> bytes:
    """Two parts as a camera writes them."""
    size = f"Content-Length: {len(JPEG)}{end}" if length else ""
    head = f"{boundary}{end}Content-Type: image/jpeg{end}{size}{end}".encode()
    return 2 * (head + JPEG + end.encode()) + f"{boundary}{end}".encode()


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        (MJPEG, body("--frame")),
        (MJPEG, body("--frame", length=False)),
        (MJPEG, body("--frame", end="\n")),
        (MJPEG, body("--frame", length=False, end="\n")),
        ("multipart/x-mixed-replace;boundary=--frame", body("--frame")),
        ("multipart/x-mixed-replace;boundary=--frame", body("----frame")),
        ('multipart/x-mixed-replace; boundary="a b"', body("--a b")),
        ("Multipart/X-Mixed-Replace; charset=x; Boundary=frame", body("--frame")),
        (MJPEG, b"\r\nHello, here are pictures.\r\n" + body("--frame")),
        # As ESP32 cameras send it: the boundary's line end comes ahead of it.
        (
            "multipart/x-mixed-replace;boundary=123456789000000000000987654321",
            b"\r\n" + body("--123456789000000000000987654321"),
        ),
        # As motion: a length with blanks in front.
        (
            "multipart/x-mixed-replace; boundary=BoundaryString",
            body("--BoundaryString").replace(b"Length: ", b"Length:     "),
        ),
        # As camd itself, and as µStreamer: the next boundary behind each picture.
        (MJPEG, opening(Form.PLAIN) + block(Form.PLAIN, JPEG, 1.5, 1)),
        (MJPEG, opening(Form.EARLY) + block(Form.EARLY, JPEG, 1.5, 1)),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_sloppy_cameras(kind: str, sent: bytes, size: int) -> None:
    """What cameras get wrong, and what they may leave out, costs no picture."""
    rig = Rig(answer(f"Content-Type: {kind}", body=sent, version="1.0"))
    rig.web.most = size
    assert rig.camera.open().resolution == "32x24"
    assert rig.camera.read().content == JPEG


def test_chunks() -> None:
    """HTTP's own framing is not taken for the pictures'."""
    sent = body("--frame")
    chunks = b"%x\r\n%b\r\n" % (len(sent), sent)
    headers = (f"Content-Type: {MJPEG}", "Transfer-Encoding: chunked")
    rig = Rig(answer(*headers, body=chunks))
    rig.camera.open()
    assert rig.camera.read().content == JPEG


def test_a_stream_that_begins_damaged() -> None:
    """The first whole picture tells the size."""
    rig = Rig(stream_answer(JPEG[:50], JPEG))
    assert rig.camera.open().resolution == "32x24"


def test_the_end_of_a_stream() -> None:
    """A camera that hangs up gives no more pictures, until it is opened again."""
    rig = Rig(stream_answer(JPEG))
    rig.camera.open()
    rig.camera.read()
    rig.web.wire.end()
    with pytest.raises(SourceError, match="it hung up"):
        rig.camera.read()
    rig.camera.open()
    assert rig.camera.read().content == JPEG
    assert len(rig.web.wires) == 2


def test_closing_hangs_up() -> None:
    """The connection is cut at once, and nothing is left to be done."""
    rig = Rig(stream_answer(JPEG))
    rig.camera.open()
    rig.camera.close()
    assert rig.web.wire.cut
    assert rig.web.getDelayedCalls() == []
    with pytest.raises(SourceError, match=r"http://me:\*\*\*@cam/x is not open"):
        rig.camera.read()


def test_opening_again_closes_first() -> None:
    """A camera that has room for one is not asked twice at once."""
    rig = Rig(stream_answer(JPEG))
    rig.camera.open()
    rig.camera.open()
    assert [wire.cut for wire in rig.web.wires] == [True, False]


def test_polls() -> None:
    """One picture after the other is asked for, over one connection."""
    rig = Rig(picture_answer(JPEG), picture_answer(OTHER), fps=4)
    assert rig.camera.open() == CameraMode(32, 24, None, "JPEG")
    assert rig.camera.read() == RawFrame(JPEG, 0)
    assert len(rig.web.requests) == 1
    assert rig.camera.read() == RawFrame(OTHER, 0.25)
    assert rig.camera.read() == RawFrame(OTHER, 0.5)
    assert len(rig.web.requests) == 3
    assert len(rig.web.wires) == 1


def test_polls_no_sooner_than_asked() -> None:
    """The rate has a limit, and a reader that is slower does not wait."""
    rig = Rig(picture_answer(JPEG), fps=4)
    rig.camera.open()
    rig.camera.read()
    rig.web.advance(0.1)
    rig.camera.read()
    rig.web.advance(7)
    rig.camera.read()
    assert rig.slept == pytest.approx([0.15, 0])


def test_polls_of_a_camera_that_hangs_up() -> None:
    """A camera that keeps no connection is connected to anew."""
    once = answer("Content-Type: image/jpeg; x=y", "Connection: close", body=JPEG)
    rig = Rig(once)
    rig.web.asked = lambda wire: (wire.send(once), wire.end())  # type: ignore[assignment, func-returns-value, method-assign]
    rig.camera.open()
    assert [rig.camera.read().content for _ in range(3)] == [JPEG] * 3
    assert len(rig.web.wires) == 3


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (answer("Content-Type: text/plain", body=b"busy"), "it sends no picture any m"),
        (answer(code=500), "it answers 500 Internal Server Error"),
    ],
)
def test_polls_that_end(second: bytes, reason: str) -> None:
    """A camera that has no picture any more says why."""
    rig = Rig(picture_answer(JPEG), second)
    rig.camera.open()
    rig.camera.read()
    with pytest.raises(SourceError, match=reason):
        rig.camera.read()


def test_a_poll_that_is_no_picture() -> None:
    """What is called a JPEG and is none does not open."""
    rig = Rig(picture_answer(b"<html>"))
    assert rig.trouble() == "what it sends is no whole JPEG: no SOI at the start"
    assert rig.web.wire.cut


def test_half_a_picture() -> None:
    """A picture that does not go on is not waited for without end."""
    headers = ("Content-Type: image/jpeg", "Content-Length: 1000")
    rig = Rig(answer(*headers, body=JPEG[:100]))
    rig.web.takes = 10
    assert rig.trouble() == "no whole picture came within 10 s"
    assert rig.web.wire.cut


@pytest.mark.parametrize(
    "kind",
    [
        "Content-Type: video/mp4",
        "Content-Type: multipart/x-mixed-replace",
        "X-Nothing: 1",
    ],
)
def test_what_is_not_jpeg(kind: str) -> None:
    """It is left to another source, once the connection is free."""
    rig = Rig(answer(kind, body=b"bytes"))
    assert rig.camera.open().format == "h264"
    assert rig.camera.read().content == b"from OpenCV"
    assert rig.others == 1


def test_a_web_page() -> None:
    """A wrong path is said so, and no other source is bothered with it."""
    rig = Rig(answer("Content-Type: text/html; charset=utf-8", body=b"<html>"))
    assert rig.trouble() == "it sends a web page, no pictures; is the path right?"
    assert rig.others == 0


def test_login() -> None:
    """The user of the address is proved to the camera."""
    rig = Rig(
        answer('WWW-Authenticate: Basic realm="a"', code=401), stream_answer(JPEG)
    )
    rig.camera.open()
    plain, proved = rig.web.requests
    assert "Authorization" not in plain
    assert "Authorization: Basic bWU6aHVudGVyMg==" in proved


def test_a_wrong_password() -> None:
    """The reason names the camera, and no password."""
    rig = Rig(answer('WWW-Authenticate: Digest realm="a", nonce="b"', code=401))
    assert rig.trouble() == "it refuses this user and password"


def test_no_address() -> None:
    """An address that is none is said so at the first try."""
    rig = Rig()
    rig.camera = _camera("http://cam:port/", rig)
    with pytest.raises(SourceError, match="http://cam:port/: this is not an address"):
        rig.camera.open()


def _camera(address: str, rig: Rig) -> HttpCamera:
    time: dict[str, Any] = {"clock": rig.web.seconds, "sleep": rig.slept.append}
    return HttpCamera(
        *(address, 1),
        verify_tls=True,
        reactor=rig.web,
        otherwise=Otherwise,
        **time,
    )
