"""A camera that is asked over HTTP gives its own bytes, however it sends them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
from twisted.internet.error import ConnectionRefusedError

from camd.formats.multipart import Form, block, opening
from camd.frame import Stamp
from camd.sources import Source, SourceError
from camd.sources.http.camera import ODD, HttpCamera
from tests.fakes_camera import EPOCH, FakeSource, tiny_jpeg
from tests.fakes_http import FakeWeb, answer, part, picture_answer, stream_answer

JPEG, OTHER = tiny_jpeg(100), tiny_jpeg(200)
MJPEG = "multipart/x-mixed-replace; boundary=frame"
HOST = "192.0.2.1"
ADDRESS = f"http://me:hunter2@{HOST}/x"


class FakeReceiver:
    """Keeps what a source tells.

    :ivar pictures: each with when it was taken, in seconds of the reactor's clock.
    :ivar opened_as: format and rate of each opening.
    :ivar stamps: what another camd calls each.
    :ivar states: what another camd said of its camera.
    :ivar placeholders: what another camd showed in place of pictures, with its time.
    :ivar errors: the reasons of its failures, which stop the source.
    :ivar fallen_back: what makes the source that is to be pulled.
    """

    def __init__(self, stop: Callable[[], object]) -> None:
        self.pictures: list[tuple[bytes, float]] = []
        self.opened_as: list[tuple[str, float | None]] = []
        self.stamps: list[Stamp | None] = []
        self.states: list[str] = []
        self.placeholders: list[tuple[bytes, float]] = []
        self.errors: list[str] = []
        self.fallen_back: Callable[[], Source] | None = None
        self._stop = stop

    def opened(self, format: str, fps: float | None = None) -> None:
        """Keep it."""
        self.opened_as.append((format, fps))

    def picture(self, jpeg: bytes, captured: float, stamp: Stamp | None = None) -> None:
        """Keep it."""
        assert self.opened_as
        self.pictures.append((jpeg, captured))
        self.stamps.append(stamp)

    def heard(self) -> None:
        """Do nothing."""

    def upstream(self, state: str, why: str | None) -> None:
        """Keep the state."""
        self.states.append(state)

    def placeholder(self, jpeg: bytes, timestamp: float) -> None:
        """Keep it."""
        self.placeholders.append((jpeg, timestamp))

    def failed(self, error: SourceError) -> None:
        """Keep the reason, and stop the source."""
        self.errors.append(str(error))
        self._stop()

    def fall_back(self, new_source: Callable[[], Source]) -> None:
        """Keep it, and stop the source."""
        self.fallen_back = new_source
        self._stop()


class CameraHarness:
    """A camera on a fake web.

    :ivar others: the addresses that another source was made for.
    """

    def __init__(
        self,
        *answers: bytes | Exception,
        fps: float = 10,
        address: str = ADDRESS,
        verify_tls: bool = True,
    ) -> None:
        self.web = FakeWeb(*answers)
        self.others: list[str] = []
        self.camera = HttpCamera(
            address,
            fps,
            verify_tls=verify_tls,
            reactor=self.web,
            otherwise=self._otherwise,
            wall=lambda: EPOCH + self.web.seconds(),
        )
        self.receiver = FakeReceiver(self.camera.stop)

    def _otherwise(self, address: str) -> Source:
        assert all(wire.cut for wire in self.web.wires)
        self.others.append(address)
        return FakeSource(self.web)

    def start(self, fps: float = 30) -> CameraHarness:
        """Start the camera, and let the reactor turn."""
        self.camera.start(self.receiver, fps)
        self.turn()
        return self

    def turn(self, seconds: float = 0) -> None:
        """Let the time pass, and whatever is called from there on."""
        self.web.advance(seconds)
        for _ in range(20):
            self.web.advance(0)

    @property
    def contents(self) -> list[bytes]:
        """The pictures without their times."""
        return [jpeg for jpeg, _ in self.receiver.pictures]

    def trouble(self) -> str:
        """Why it does not open."""
        self.start()
        return self.why()

    def why(self) -> str:
        """Why it has failed."""
        (error,) = self.receiver.errors
        assert "hunter2" not in error
        assert error.startswith(f"http://{HOST}: ")
        assert all(wire.cut or wire.ended for wire in self.web.wires)
        return error.removeprefix(f"http://{HOST}: ")


def test_stream() -> None:
    """Its parts are handed out byte for byte, with the time at which they came."""
    harness = CameraHarness(stream_answer(JPEG)).start()
    harness.turn(1)
    harness.web.wire.send(part(OTHER))
    assert harness.receiver.pictures == [(JPEG, 0), (OTHER, 1)]
    assert harness.receiver.opened_as == [("MJPG", None)]


def test_a_picture_is_stamped_with_its_last_byte() -> None:
    """The time is that at which a picture is complete."""
    harness = CameraHarness(stream_answer()).start()
    whole = part(JPEG)
    harness.web.wire.send(whole[:-4])
    harness.turn(3)
    harness.web.wire.send(whole[-4:])
    assert harness.receiver.pictures == [(JPEG, 3)]


def test_only_the_newest() -> None:
    """Of several pictures in one read the last is handed out."""
    harness = CameraHarness(stream_answer()).start()
    harness.web.wire.send(part(b"one") + part(b"two") + part(JPEG))
    assert harness.contents == [JPEG]


@pytest.mark.parametrize(
    "other",
    [part(b"", "image/jpeg"), part(b"Motion: 1", "text/plain"), part(b"{}", "a/json")],
)
def test_what_is_no_picture_is_left_out(other: bytes) -> None:
    """Signs of life and data between pictures take no picture's place."""
    harness = CameraHarness(stream_answer(JPEG)).start()
    for _ in range(2 * ODD):
        harness.web.wire.send(other)
    assert harness.contents == [JPEG]
    assert harness.receiver.errors == []


def test_a_picture_without_a_type() -> None:
    """A part that names no type is a picture."""
    harness = CameraHarness(stream_answer()).start()
    harness.web.wire.send(b"--b\r\n\r\n" + JPEG + b"\r\n--b\r\n")
    assert harness.contents == [JPEG]


@pytest.mark.parametrize(
    ("kind", "times"), [("video/x-h264", 1), ("Audio/PCM", 1), ("text/plain", ODD)]
)
def test_a_stream_of_no_pictures(kind: str, times: int) -> None:
    """It is hung up on at once, with the reason."""
    harness = CameraHarness(stream_answer()).start()
    for _ in range(times - 1):
        harness.web.wire.send(part(b"bytes", kind))
    assert harness.receiver.errors == []
    harness.web.wire.send(part(b"bytes", kind))
    assert harness.why() == f"it sends {kind.lower()}, not JPEG"


def test_why_it_is_silent() -> None:
    """What came instead of pictures is the reason for their lack."""
    harness = CameraHarness(b"", b"").start()
    name = f"http://{HOST}"
    assert str(harness.camera.why_silent(2)) == (
        f"{name}: no picture for 2.0 s; it has not answered yet"
    )
    harness.camera.stop()
    harness.web.answers = [stream_answer()]
    harness.start()
    assert str(harness.camera.why_silent(2)) == (
        f"{name}: no picture for 2.0 s; it answers, but sends no picture"
    )
    harness.web.wire.send(part(b"x", "text/plain"))
    assert str(harness.camera.why_silent(2)) == (
        f"{name}: no picture for 2.0 s; it sends text/plain, not JPEG"
    )
    harness.web.wire.send(part(JPEG))
    assert str(harness.camera.why_silent(2)) == f"{name}: no picture for 2.0 s"


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
    harness = CameraHarness(answer(f"Content-Type: {kind}", body=sent, version="1.0"))
    harness.web.most = size
    assert set(harness.start().contents) == {JPEG}


def test_chunks() -> None:
    """HTTP's own framing is not taken for the pictures'."""
    sent = body("--frame")
    chunks = b"%x\r\n%b\r\n" % (len(sent), sent)
    headers = (f"Content-Type: {MJPEG}", "Transfer-Encoding: chunked")
    harness = CameraHarness(answer(*headers, body=chunks)).start()
    assert harness.contents == [JPEG]


def test_the_end_of_a_stream() -> None:
    """A camera that hangs up gives no more pictures, until it is started again."""
    harness = CameraHarness(stream_answer(JPEG)).start()
    harness.web.wire.end()
    assert harness.receiver.errors[0].endswith("it hung up")
    harness.start()
    assert harness.contents == [JPEG, JPEG]
    assert len(harness.web.wires) == 2


def test_stopping_hangs_up() -> None:
    """The connection is cut at once, nothing is left to be done, nothing told."""
    harness = CameraHarness(stream_answer(JPEG)).start()
    harness.camera.stop()
    assert harness.web.wire.cut
    harness.turn()
    assert harness.web.getDelayedCalls() == []
    assert harness.receiver.errors == []


@pytest.mark.parametrize("answers", [b"", stream_answer(JPEG), picture_answer(JPEG)])
def test_a_camera_that_has_stopped_keeps_nothing(answers: bytes) -> None:
    """Neither the receiver nor the last answer is kept, whatever was under way."""
    harness = CameraHarness(answers).start()
    harness.camera.stop()
    harness.turn()
    left = weakref.ref(harness.receiver)
    gc.disable()
    try:
        del harness.receiver
        assert left() is None
    finally:
        gc.enable()


def test_polls() -> None:
    """One picture after the other is asked for, over one connection."""
    harness = CameraHarness(picture_answer(JPEG), picture_answer(OTHER), fps=4).start()
    assert harness.receiver.pictures == [(JPEG, 0)]
    harness.turn(0.25)
    harness.turn(0.25)
    assert harness.receiver.pictures == [(JPEG, 0), (OTHER, 0.25), (OTHER, 0.5)]
    assert harness.receiver.opened_as == [("JPEG", None)]
    assert len(harness.web.requests) == 3
    assert len(harness.web.wires) == 1


def test_polls_no_sooner_than_wanted() -> None:
    """A camera is asked no more often than its pictures are wanted, nor than it may."""
    harness = CameraHarness(picture_answer(JPEG), fps=4).start(fps=1)
    harness.turn(0.9)
    assert len(harness.web.requests) == 1
    harness.turn(0.1)
    assert len(harness.web.requests) == 2
    harness.camera.set_rate(30)
    for _ in range(4):
        harness.turn(0.125)
    assert len(harness.web.requests) == 4


def test_a_poll_comes_sooner_when_it_is_wanted() -> None:
    """A viewer that comes does not wait for the idle pace."""
    harness = CameraHarness(picture_answer(JPEG), fps=4).start(fps=0.1)
    harness.turn(1)
    harness.camera.set_rate(30)
    harness.turn()
    assert len(harness.web.requests) == 2


def test_polls_of_a_camera_that_hangs_up() -> None:
    """A camera that keeps no connection is connected to again."""
    once = answer("Content-Type: image/jpeg; x=y", "Connection: close", body=JPEG)
    harness = CameraHarness(once)
    harness.web.asked = lambda wire: (wire.send(once), wire.end())  # type: ignore[assignment, func-returns-value, method-assign]
    harness.start()
    for _ in range(2):
        harness.turn(0.1)
    assert harness.contents == [JPEG] * 3
    assert len(harness.web.wires) == 3


def test_slow_polls() -> None:
    """A camera that takes seconds for a picture is as fast as that."""
    harness = CameraHarness(b"").start()
    harness.turn(4)
    harness.web.wire.send(picture_answer(JPEG))
    assert harness.receiver.opened_as == [("JPEG", 0.25)]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (answer("Content-Type: a/b", body=b"busy"), "it sends no picture any more"),
        (answer(code=500), "it answers 500 Internal Server Error"),
        (
            answer("Content-Type: image/jpeg", "Content-Length: 9", body=b"\xff\xd8"),
            "it hung up in the middle of a picture",
        ),
    ],
)
def test_polls_that_end(second: bytes, reason: str) -> None:
    """A camera that has no picture any more says why."""
    harness = CameraHarness(picture_answer(JPEG), second).start()
    harness.turn(0.1)
    if not harness.receiver.errors:
        harness.web.wire.end()
    assert harness.why() == reason


@pytest.mark.parametrize(
    "kind", ["Content-Type: video/mp4", "Content-Type: a/b", "X-Nothing: 1"]
)
def test_what_is_not_jpeg(kind: str) -> None:
    """It is left to another source, once the connection is free."""
    harness = CameraHarness(answer(kind, body=b"bytes")).start()
    assert harness.receiver.fallen_back is not None
    harness.receiver.fallen_back()
    assert harness.others == [ADDRESS]


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("/film.mp4", f"http://me:hunter2@{HOST}:80/film.mp4"),
        ("http://192.0.2.9/film.mp4", "http://192.0.2.9:80/film.mp4"),
    ],
)
def test_what_is_not_jpeg_behind_a_redirect(location: str, address: str) -> None:
    """The other source is led to where it is, with the password only on this host."""
    film = answer("Content-Type: video/mp4", body=b"bytes")
    redirect = answer(f"Location: {location}", code=302)
    harness = CameraHarness(redirect, film).start()
    assert harness.receiver.fallen_back is not None
    harness.receiver.fallen_back()
    assert harness.others == [address]


def test_a_web_page() -> None:
    """A wrong path is said so, and no other source is bothered with it."""
    harness = CameraHarness(answer("Content-Type: text/html", body=b"<html>"))
    assert harness.trouble() == "it sends a web page, no pictures; is the path right?"
    assert harness.receiver.fallen_back is None


def test_login() -> None:
    """The user of the address is proved to the camera."""
    harness = CameraHarness(
        answer('WWW-Authenticate: Basic realm="a"', code=401), stream_answer(JPEG)
    ).start()
    plain, proved = harness.web.requests
    assert "Authorization" not in plain
    assert "Authorization: Basic bWU6aHVudGVyMg==" in proved


def test_a_wrong_password() -> None:
    """The reason names the camera, and no password."""
    harness = CameraHarness(
        answer('WWW-Authenticate: Digest realm="a", nonce="b"', code=401)
    )
    assert harness.trouble() == "it refuses this user and password"


def test_nobody_there() -> None:
    """What a connection failed with is said in words."""
    harness = CameraHarness()
    harness.web.refuses = {HOST: ConnectionRefusedError()}
    assert harness.trouble() == f"nothing listens on {HOST} port 80"


def test_no_address() -> None:
    """An address that is none is said so at the first try."""
    harness = CameraHarness(address="http://cam:port/").start()
    assert harness.receiver.errors == ["http://cam:port: this is not an address"]


@pytest.mark.parametrize(
    "head",
    [
        # A GoAhead camera's date, without its name (home-assistant/core#14960).
        "Tue, 12 Jun 2012 01:56:34 GMT",
        # A stream that ends before it begins (go2rtc#725).
        "Content-Length: -1",
    ],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_heads_that_strict_parsers_refuse(head: str, size: int) -> None:
    """What browsers and FFmpeg read, camd reads."""
    kind = "Content-Type: multipart/x-mixed-replace; boundary=b"
    harness = CameraHarness(answer(head, kind, body=part(JPEG)))
    harness.web.most = size
    assert harness.start().contents == [JPEG]


def test_an_answer_that_announces_another() -> None:
    """What comes ahead of the answer (100 Continue) is not the answer."""
    announced = b"HTTP/1.1 100 Continue\r\n\r\n" + stream_answer(JPEG)
    assert CameraHarness(announced).start().contents == [JPEG]


# ---- Another camd


def camd_part(jpeg: bytes, number: int, taken: float, state: str = "") -> bytes:
    """A part as camd writes it."""
    return block(Form.PLAIN, jpeg, EPOCH + taken, number, state)


def camd_answer(*parts: bytes) -> bytes:
    """The beginning of a camd's stream."""
    body = opening(Form.PLAIN) + b"".join(parts)
    return answer(f"Content-Type: {MJPEG}", body=body)


def test_its_pictures_are_as_old_as_it_says() -> None:
    """A picture that waited there is never taken for a younger one here."""
    harness = CameraHarness(camd_answer())
    harness.web.advance(60)
    harness.start()
    harness.web.wire.send(camd_part(JPEG, 7, taken=35))
    assert harness.receiver.pictures == [(JPEG, 35)]


def test_a_clock_that_is_ahead() -> None:
    """No picture is from the future."""
    harness = CameraHarness(camd_answer(camd_part(JPEG, 7, taken=9))).start()
    assert harness.receiver.pictures == [(JPEG, 0)]


def test_times_of_other_cameras() -> None:
    """Only a camd's times are believed: others have other clocks."""
    sent = part(JPEG).replace(b"\r\n\r\n", b"\r\nX-Timestamp: 12.5\r\n\r\n", 1)
    harness = CameraHarness(stream_answer()).start()
    harness.web.wire.send(sent)
    assert harness.receiver.pictures == [(JPEG, 0)]


def test_what_it_calls_its_pictures() -> None:
    """Each picture is handed over with the number and the time that it has there."""
    harness = CameraHarness(camd_answer(camd_part(JPEG, 7, taken=-2.5))).start()
    assert harness.receiver.stamps == [Stamp(7, EPOCH - 2.5)]
    assert harness.receiver.states == ["live"]


@pytest.mark.parametrize(
    "stamp", ["X-Frame: x", "X-Frame: -1", "X-Frame: 7\r\nX-Timestamp: nan"]
)
def test_what_is_no_number(stamp: str) -> None:
    """A camera that writes something else into such headers is no camd."""
    sent = part(JPEG).replace(b"\r\n\r\n", f"\r\n{stamp}\r\n\r\n".encode(), 1)
    harness = CameraHarness(stream_answer()).start()
    harness.web.wire.send(sent)
    assert (harness.receiver.stamps, harness.receiver.states) == ([None], [])


def test_what_it_shows_in_place_of_a_picture() -> None:
    """A placeholder is no picture; its camera's state is told until there is one."""
    shown = camd_part(JPEG, 0, -3, "offline")
    harness = CameraHarness(camd_answer(shown)).start()
    assert harness.receiver.pictures == []
    assert harness.receiver.placeholders == [(JPEG, EPOCH - 3)]
    harness.web.wire.send(camd_part(OTHER, 8, taken=1))
    assert harness.receiver.states == ["offline", "live"]
    assert harness.contents == [OTHER]


def test_a_clock_that_it_tells() -> None:
    """A camd tells the time that its pictures are dated by, and no clock need be right.

    It told it after the request was sent: a picture may seem older for that, and never
    younger.
    """
    kind = f"Content-Type: {MJPEG}"
    told = answer(kind, f"X-Clock: {EPOCH + 3600:.6f}", body=opening(Form.PLAIN))
    harness = CameraHarness(told)
    harness.web.advance(10)
    harness.start()
    harness.turn(0.5)
    harness.web.wire.send(camd_part(JPEG, 7, taken=3600 - 2))
    harness.web.wire.send(camd_part(OTHER, 8, taken=3600 + 60))
    assert harness.receiver.pictures == [(JPEG, 8), (OTHER, 10.5)]


def snapshot(*headers: str) -> bytes:
    """A snapshot of another camd, taken 2.5 s before its clock told 3600 s."""
    clock = EPOCH + 3600
    return answer(
        "Content-Type: image/jpeg",
        f"Content-Length: {len(JPEG)}",
        f"X-Timestamp: {clock - 2.5:.6f}",
        f"X-Clock: {clock:.6f}",
        *headers,
        body=JPEG,
    )


def test_its_snapshots_are_as_old_as_it_says() -> None:
    """A snapshot tells its number, its time and the clock that this is by."""
    harness = CameraHarness(snapshot("X-Frame: 7", "X-Camera-State: stalled"))
    harness.web.advance(60)
    harness.start()
    assert harness.receiver.pictures == [(JPEG, 57.5)]
    assert harness.receiver.stamps == [Stamp(7, EPOCH + 3600 - 2.5)]
    assert harness.receiver.states == ["stalled"]


def test_a_snapshot_of_its_placeholder() -> None:
    """It is no picture."""
    harness = CameraHarness(snapshot("X-Frame: 0", "X-Camera-State: offline")).start()
    assert harness.receiver.pictures == []
    assert harness.receiver.placeholders == [(JPEG, EPOCH + 3600 - 2.5)]
    assert harness.receiver.states == ["offline"]
