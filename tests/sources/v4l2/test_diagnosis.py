"""A camera that does not open says why, in words that help."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from camd.sources.v4l2.device import OpenDevice, opened
from camd.sources.v4l2.diagnosis import why_no_answer, why_no_device
from tests.fake_v4l2 import FakeDriver


def refusing(code: int) -> OpenDevice:
    """Fails to open any device so."""

    def open_file(path: str, flags: int) -> int:
        raise OSError(code, os.strerror(code), path)

    return partial(opened, open_file=open_file)


def connecting(outcome: Exception | None) -> object:
    """A ``create_connection`` that fails so, or gives a socket."""

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        if outcome is not None:
            raise outcome
        return socket.socket()

    return connect


def test_missing_device_lists_the_others(tmp_path: Path) -> None:
    """For want of the device, those that are there are named, in order of number."""
    for number in (10, 0, 2):
        (tmp_path / f"video{number}").touch()
    reason = why_no_device(str(tmp_path / "video7"), tmp_path)
    there = ", ".join(f"{tmp_path}/video{n}" for n in (0, 2, 10))
    assert reason == f"no such device; there are {there}"


def test_no_device_at_all(tmp_path: Path) -> None:
    """A machine without cameras says so."""
    reason = why_no_device(str(tmp_path / "video0"), tmp_path)
    assert reason == f"no such device; there is no other {tmp_path}/video*"


def test_others_beside_one_that_is_there(tmp_path: Path) -> None:
    """Whatever is wrong with a device, the others are named, and it is not."""
    for number in (0, 1):
        (tmp_path / f"video{number}").touch()
    name = tmp_path / "usb-cam"
    name.symlink_to("video0")
    reason = why_no_device(str(name), tmp_path, refusing(errno.EBUSY))
    there = f"there are {tmp_path}/video1"
    words = "busy: it is not ready yet, or another program keeps it for itself"
    assert reason == f"{words}; {there}"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EACCES, "group video"),
        (errno.EBUSY, "not ready yet"),
        (errno.EISDIR, "a folder"),
        (errno.EIO, "input/output error"),
    ],
)
def test_system_reasons(tmp_path: Path, code: int, words: str) -> None:
    """What the system answers is put into words."""
    assert words in why_no_device("/dev/video0", tmp_path, refusing(code))


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_other_devices(path: str, tmp_path: Path) -> None:
    """A device that knows nothing of video is no camera."""
    assert why_no_device(path, tmp_path).startswith("not a camera; ")


def test_plain_file(tmp_path: Path) -> None:
    """A file is no camera."""
    (tmp_path / "video0").touch()
    reason = why_no_device(str(tmp_path / "video0"), tmp_path)
    assert reason == f"not a camera; there is no other {tmp_path}/video*"


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (FakeDriver(caps=0x00A00000), "it is no camera's picture device; try the one"),
        (FakeDriver(held=True), "busy: another program is using it; "),
        (FakeDriver(), "it did not open, though no other program has it; "),
    ],
)
def test_cameras(driver: FakeDriver, reason: str, tmp_path: Path) -> None:
    """Of a camera it is told whether another program has it, and that only if so."""
    assert why_no_device("/dev/video0", tmp_path, driver.opened).startswith(reason)


def test_gone_meanwhile(tmp_path: Path) -> None:
    """A camera that is unplugged when it is asked is no such device any more."""
    driver = FakeDriver()
    device = driver.device()
    driver.gone = True
    reason = why_no_device("cam", tmp_path, lambda path: nullcontext(device))
    assert reason.startswith("no such device; ")


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (socket.gaierror(-2, "?"), "there is no host of the name cam"),
        (TimeoutError(), "cam does not answer on port 554"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (OSError(113, "No route to host"), "no route to host"),
        (None, "cam answers, but gives no video"),
    ],
)
def test_network_reasons(outcome: Exception | None, reason: str) -> None:
    """What the network answers is put into words, with no password."""
    told = why_no_answer("rtsp://me:hush@cam/1", connecting(outcome))
    assert reason in told
    assert "hush" not in told


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://cam/", 80),
        ("https://cam/", 443),
        ("rtsp://cam/", 554),
        ("rtsps://cam/", 322),
        ("http://cam:8080/", 8080),
    ],
)
def test_port(url: str, port: int) -> None:
    """The port asked is the address's own, or its kind's."""
    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        return socket.socket()

    why_no_answer(url, connect)
    assert asked == [("cam", port)]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://cam:port/", "not an address"),
        ("http://[::1/", "not an address"),
        ("http:///path", "cannot open"),
        ("gopher://cam/", "cannot open"),
    ],
)
def test_bad_address(url: str, reason: str) -> None:
    """An address that leads nowhere is not connected to."""
    assert reason in why_no_answer(url, connecting(AssertionError("connected")))
