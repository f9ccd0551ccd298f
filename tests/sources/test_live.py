"""Devices and addresses are opened as they need it, and let go."""

from __future__ import annotations

from typing import Any

import cv2
import pytest

from camd.config.settings import CameraFormat
from camd.sources import RawFrame, SourceError
from camd.sources.live import Live, OpenedCapture, address, device
from camd.sources.opencv import given_by
from tests.fake_camera import FakeCapture, FakeOpener, FakeTime, LiveCapture

MJPG = cv2.VideoWriter.fourcc(*"MJPG")


@pytest.fixture
def time() -> FakeTime:
    """A clock that stands still."""
    return FakeTime()


def ended(time: FakeTime, fps: float = 30) -> FakeCapture:
    """A camera that opens and then gives nothing, so that no thread lives on."""
    capture = FakeCapture(time, fps)
    capture.plugged = False
    return capture


def line(capture: FakeCapture, **more: Any) -> OpenedCapture:
    """A connection to this camera."""
    return OpenedCapture(capture, given_by(capture), **more)


def webcam(time: FakeTime, jpeg: bytes = b"") -> FakeCapture:
    """A camera that gives its own JPEGs."""
    capture = FakeCapture(time)
    capture.told[cv2.CAP_PROP_FOURCC] = MJPG
    capture.buffer = jpeg
    return capture


def wishing(
    time: FakeTime,
    opener: FakeOpener,
    wanted: CameraFormat = "auto",
    has: tuple[str, ...] = ("YUYV", "MJPG"),
    is_redrawn: bool = False,
) -> Live:
    """A device that has these formats, and of which 64x48 at 24.6 fps is asked."""
    return device(
        "0",
        64,
        48,
        24.6,
        wanted,
        clock=time.clock,
        is_redrawn=is_redrawn,
        opener=opener,
        why=lambda path: f"no {path}",
        codes=lambda path: has,
    )


SIZE = {cv2.CAP_PROP_FRAME_WIDTH: 64, cv2.CAP_PROP_FRAME_HEIGHT: 48}
PIXELS = {**SIZE, cv2.CAP_PROP_FPS: 25}
AS_IT_IS = {cv2.CAP_PROP_FOURCC: MJPG, cv2.CAP_PROP_CONVERT_RGB: 0}


def refusing(time: FakeTime) -> FakeCapture:
    """A camera that does not open."""
    capture = FakeCapture(time)
    capture.opened = False
    return capture


def test_reopening_lets_go_first(time: FakeTime) -> None:
    """The old capture is released before a new one is made, or the name is taken."""
    capture = ended(time)
    released: list[int] = []

    def connect() -> OpenedCapture:
        released.append(capture.released)
        return line(capture)

    source = Live("cam", connect, time.clock)
    source.open()
    source.open()
    assert released == [0, 1]


def test_closed(time: FakeTime) -> None:
    """Closed twice is released once, and a closed camera gives nothing."""
    capture = FakeCapture(time)
    source = Live("cam", lambda: line(capture), time.clock)
    source.open()
    source.close()
    source.close()
    assert capture.released == 1
    with pytest.raises(SourceError, match="cam is not open"):
        source.read()


def stamped(time: FakeTime, stamped: bool) -> RawFrame:
    """A picture that came a second after the opening began; the driver says half."""
    capture = LiveCapture(time, waiting=1)
    capture.told[cv2.CAP_PROP_POS_MSEC] = 1000 * (time.now + 0.5)

    def connect() -> OpenedCapture:
        time.sleep(1)
        return line(capture, is_device=stamped)

    source = Live("cam", connect, time.clock)
    source.open()
    shot = source.read()
    capture.unplug()
    source.close()
    return shot


def test_picture(time: FakeTime) -> None:
    """An open camera gives pictures, stamped when they came."""
    shot = stamped(time, False)
    assert not isinstance(shot.content, bytes)
    assert shot.content.shape == (48, 64, 3)
    assert shot.captured == 1001


def test_driver_stamps(time: FakeTime) -> None:
    """A camera whose driver can be asked tells when the picture was taken."""
    assert stamped(time, True).captured == 1000.5


def test_device_is_asked_in_one_list(time: FakeTime) -> None:
    """Format, size, rate and "as it is" stand in the parameters."""
    opener = FakeOpener(webcam(time))
    source = wishing(time, opener)
    source.open()
    source.close()
    assert opener.calls == [("/dev/video0", cv2.CAP_V4L2, {**PIXELS, **AS_IT_IS})]


@pytest.mark.parametrize("wanted", ["auto", "mjpeg"])
@pytest.mark.parametrize("code", ["MJPG", "JPEG"])
def test_jpegs_as_they_are(time: FakeTime, wanted: CameraFormat, code: str) -> None:
    """The JPEGs of a camera that has them are handed on to the byte."""
    capture = webcam(time, b"as it came\0")
    number = capture.told[cv2.CAP_PROP_FOURCC] = cv2.VideoWriter.fourcc(*code)
    opener = FakeOpener(capture)
    source = wishing(time, opener, wanted, ("YUYV", code))
    mode = source.open()
    shot = source.read()
    source.close()
    assert shot.content == b"as it came\0"
    assert (mode.format, mode.steady) == (code, True)
    assert opener.calls[0][2][cv2.CAP_PROP_FOURCC] == number


@pytest.mark.parametrize(
    ("is_redrawn", "has", "is_taken"),
    [(False, ("MJPG",), True), (True, ("MJPG",), False), (False, ("YUYV",), False)],
)
def test_who_takes_its_pictures(
    time: FakeTime, is_redrawn: bool, has: tuple[str, ...], is_taken: bool
) -> None:
    """JPEGs that are passed on are taken by who reads them, all else by a thread."""
    capture = webcam(time, b"jpeg") if "MJPG" in has else FakeCapture(time)
    source = wishing(time, FakeOpener(capture), has=has, is_redrawn=is_redrawn)
    assert not source.pump()
    source.open()
    assert source.pump() is is_taken
    source.close()
    assert not source.pump()


def test_the_better_jpegs(time: FakeTime) -> None:
    """Of two formats that are JPEGs, the usual one is asked for."""
    opener = FakeOpener(webcam(time))
    source = wishing(time, opener, has=("JPEG", "MJPG"))
    source.open()
    source.close()
    assert opener.calls[0][2][cv2.CAP_PROP_FOURCC] == MJPG


def test_without_jpegs(time: FakeTime) -> None:
    """A camera without JPEGs is not asked for them, but converted."""
    opener = FakeOpener(FakeCapture(time))
    source = wishing(time, opener, has=("YUYV",))
    source.open()
    shot = source.read()
    source.close()
    assert not isinstance(shot.content, bytes)
    assert shot.content.shape == (48, 64, 3)
    assert [call[2] for call in opener.calls] == [PIXELS]


@pytest.mark.parametrize("wanted", ["auto", "mjpeg"])
def test_not_ready_for_jpegs(time: FakeTime, wanted: CameraFormat) -> None:
    """A camera that has JPEGs and does not open is tried again, not had as pixels."""
    opener = FakeOpener(refusing(time))
    source = wishing(time, opener, wanted)
    with pytest.raises(SourceError, match=r"^/dev/video0: no /dev/video0$"):
        source.open()
    assert all(call[2].items() >= AS_IT_IS.items() for call in opener.calls)
    opener.captures = [webcam(time, b"as it came")]
    source.open()
    assert source.read().content == b"as it came"
    source.close()


@pytest.mark.parametrize("wanted", ["auto", "mjpeg"])
def test_other_than_jpegs(time: FakeTime, wanted: CameraFormat) -> None:
    """A camera that has JPEGs and gives pixels for once is let go, and tried again."""
    capture = FakeCapture(time)
    source = wishing(time, FakeOpener(capture), wanted)
    words = "^/dev/video0: it gave YUYV, though it has MJPG$"
    with pytest.raises(SourceError, match=words):
        source.open()
    assert capture.released == 1


def test_jpegs_or_nothing(time: FakeTime) -> None:
    """A camera that must give JPEGs, and has none, says what it has."""
    opener = FakeOpener(FakeCapture(time))
    source = wishing(time, opener, "mjpeg", ("YUYV", "NV12"))
    words = "^/dev/video0: it gives no MJPEG; it has YUYV, NV12$"
    with pytest.raises(SourceError, match=words):
        source.open()
    assert opener.calls == []


def test_jpegs_of_what_has_no_formats(time: FakeTime) -> None:
    """What tells no formats is not said to lack JPEGs: the reason is asked."""
    source = wishing(time, FakeOpener(FakeCapture(time)), "mjpeg", ())
    with pytest.raises(SourceError, match=r"^/dev/video0: no /dev/video0$"):
        source.open()


def test_formats_that_cannot_be_asked(time: FakeTime) -> None:
    """A device that is not there says why, and OpenCV is not asked."""

    def codes(path: str) -> tuple[str, ...]:
        raise FileNotFoundError(path)

    opener = FakeOpener(FakeCapture(time))
    source = device(
        *("/dev/cam", 64, 48, 30),
        clock=time.clock,
        opener=opener,
        why=lambda path: "gone",
        codes=codes,
    )
    with pytest.raises(SourceError, match=r"^/dev/cam: gone$"):
        source.open()
    assert opener.calls == []


def test_no_jpegs_wanted(time: FakeTime) -> None:
    """With raw, a camera of JPEGs gives pixels, and no format is asked for."""
    capture = FakeCapture(time)
    capture.told[cv2.CAP_PROP_FOURCC] = MJPG
    opener = FakeOpener(capture)
    source = wishing(time, opener, "raw")
    source.open()
    shot = source.read()
    source.close()
    assert not isinstance(shot.content, bytes)
    assert [call[2] for call in opener.calls] == [PIXELS]


def test_device_by_number(time: FakeTime) -> None:
    """A number is that of the device node."""
    asked: list[str] = []

    def codes(path: str) -> tuple[str, ...]:
        asked.append(path)
        return ("YUYV",)

    opener = FakeOpener(ended(time))
    device("2", 640, 480, 30, clock=time.clock, opener=opener, codes=codes).open()
    assert [*asked, opener.calls[0][0]] == ["/dev/video2"] * 2


def test_device_tells_what_it_gives(time: FakeTime) -> None:
    """What the camera gives is read back, and what it was asked for stands beside."""
    mode = wishing(time, FakeOpener(ended(time, fps=12.5)), "raw").open()
    assert (mode.resolution, mode.fps, mode.format) == ("64x48", 12.5, "YUYV")
    assert str(mode) == "64x48 at 12.5 fps, YUYV (asked for 64x48 at 25 fps)"


@pytest.mark.parametrize(
    ("fps", "asked"), [(25, None), (24.97, None), (0, None), (30, "64x48 at 25 fps")]
)
def test_another_rate(time: FakeTime, fps: float, asked: str | None) -> None:
    """Another rate than the one asked for is told, one that is not known is not."""
    assert wishing(time, FakeOpener(ended(time, fps)), "raw").open().asked == asked


@pytest.mark.parametrize(("wanted", "beside"), [("auto", AS_IT_IS), ("raw", {})])
def test_device_that_takes_no_wishes(
    time: FakeTime, wanted: CameraFormat, beside: dict[int, int]
) -> None:
    """A device that refuses the rate is asked without; one that refuses all, as it is.

    What its pictures are to be is no wish, and stays.
    """
    picky, willing = refusing(time), webcam(time)
    opener = FakeOpener(picky, picky, willing)
    source = wishing(time, opener, wanted)
    source.open()
    source.close()
    wishes = (PIXELS, SIZE, {})
    assert [call[2] for call in opener.calls] == [{**w, **beside} for w in wishes]
    assert picky.released == 2


@pytest.mark.parametrize("wanted", ["auto", "mjpeg", "raw"])
def test_device_that_does_not_open(time: FakeTime, wanted: CameraFormat) -> None:
    """The error names the device and the reason, and nothing is left open."""
    capture = refusing(time)
    opener = FakeOpener(capture)
    source = wishing(time, opener, wanted)
    with pytest.raises(SourceError, match=r"^/dev/video0: no /dev/video0$"):
        source.open()
    assert capture.released == len(opener.calls) > 0


def test_address_is_not_waited_for_too_long(time: FakeTime) -> None:
    """FFmpeg is told how long it may take to connect and to read."""
    opener = FakeOpener(ended(time))
    address("rtsp://cam/1", clock=time.clock, opener=opener).open()
    limits = {
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: 5000,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC: 5000,
    }
    assert opener.calls == [("rtsp://cam/1", cv2.CAP_FFMPEG, limits)]


def test_a_scheme_in_capitals(time: FakeTime) -> None:
    """FFmpeg is given the scheme in lower case, and all else as it was written."""
    opener = FakeOpener(ended(time))
    address("RTSP://Cam/One", clock=time.clock, opener=opener).open()
    assert opener.calls[0][0] == "rtsp://Cam/One"


@pytest.mark.parametrize("moment", ["open", "read"])
def test_address_hides_its_password(time: FakeTime, moment: str) -> None:
    """No error shows the login or the path that stand in an address."""
    capture = FakeCapture(time)
    capture.opened = moment != "open"
    capture.plugged = False
    source = address(
        "rtsp://me:hush@cam/1",
        clock=time.clock,
        opener=FakeOpener(capture),
        why=lambda _: "silence",
    )
    with pytest.raises(SourceError) as caught:
        source.open()
        source.read()
    assert str(caught.value).startswith("rtsp://cam: ")
