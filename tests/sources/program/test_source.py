"""A program as a camera: what it writes, how it ends, and how it is ended."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from camd.frame import Stamp
from camd.sources import Source, SourceError
from camd.sources.program.process import GUARD, PATIENCE
from camd.sources.program.source import Program
from tests.fakes_camera import tiny_jpeg
from tests.fakes_process import ProcessReactor


class FakeReceiver:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def opened(self, format: str, fps: float | None = None) -> None:
        self.told.append(("opened", format))

    def picture(self, jpeg: bytes, captured: float, stamp: Stamp | None = None) -> None:
        self.told.append(("picture", jpeg, captured))

    def heard(self) -> None:
        raise AssertionError

    def upstream(self, state: str, why: str | None) -> None:
        raise AssertionError(state)

    def placeholder(self, jpeg: bytes, timestamp: float) -> None:
        raise AssertionError

    def failed(self, error: SourceError) -> None:
        self.told.append(("failed", str(error)))

    def fall_back(self, new_source: Callable[[], Source]) -> None:
        raise AssertionError("a program is pushed, or nothing is")


class ProgramHarness:
    """A program that was started, and what receives its pictures."""

    def __init__(self) -> None:
        self.reactor = ProcessReactor()
        self.receiver = FakeReceiver()
        self.program = Program("exec:film", lambda: ["film", "--fast"], self.reactor)
        self.program.start(self.receiver, 15)


@pytest.fixture
def harness() -> ProgramHarness:
    """A program that was started."""
    return ProgramHarness()


def test_it_is_started_by_its_guard(harness: ProgramHarness) -> None:
    """The guard runs the words of the command, by this Python, and nothing else."""
    _, executable, words = harness.reactor.spawned[0]
    assert executable == sys.executable
    assert words == [sys.executable, "-I", "-S", str(GUARD), "film", "--fast"]
    assert GUARD.is_file()


def test_pictures(harness: ProgramHarness) -> None:
    """Its JPEGs are handed on as they are, stamped as they come; the newest of many."""
    first, second, third = tiny_jpeg(), tiny_jpeg(100), tiny_jpeg(200)
    harness.reactor.protocol.outReceived(first + second[:50])
    harness.reactor.advance(2)
    harness.reactor.protocol.outReceived(second[50:] + third)
    assert harness.receiver.told == [
        ("opened", "MJPG"),
        ("picture", first, 0),
        ("picture", third, 2),
    ]


def test_multipart(harness: ProgramHarness) -> None:
    """A multipart stream is read as well."""
    part = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + tiny_jpeg() + b"\r\n"
    harness.reactor.protocol.outReceived(part)
    assert ("picture", tiny_jpeg(), 0) in harness.receiver.told


@pytest.mark.parametrize(
    ("status", "words", "reason"),
    [
        (0, b"", "it ended with status 0"),
        (1, b"", "it ended with status 1"),
        (1, b"one\ntwo: no camera\n", "it ended with status 1: two: no camera"),
        (1, b"frame= 1\rframe= 2\r", "it ended with status 1: frame= 2"),
        (1, b"no end of line", "it ended with status 1: no end of line"),
        (1, b"\x1b[31m\xff\n\n", "it ended with status 1: [31m\ufffd"),
        (137, b"", "it was ended by signal 9"),
        (127, b"film: no such file or directory\n", "film: no such file or directory"),
        (
            1,
            b"rtsp://me:hidden@cam/ no\n",
            "it ended with status 1: rtsp://cam no",
        ),
    ],
)
def test_its_end(
    harness: ProgramHarness, status: int, words: bytes, reason: str
) -> None:
    """When it ends, its status and its last line are the reason."""
    harness.reactor.protocol.errReceived(words)
    harness.reactor.end(status)
    assert harness.receiver.told == [("failed", f"exec:film: {reason}")]


def test_many_words(harness: ProgramHarness) -> None:
    """Of what it says on standard error little is kept."""
    for _ in range(1000):
        harness.reactor.protocol.errReceived(b"x" * 1000 + b"\n" * 5 + b"y" * 1000)
    harness.reactor.end(1)
    ((_, reason),) = harness.receiver.told
    assert len(reason) < 400


def test_a_flood(harness: ProgramHarness) -> None:
    """What sends anything but pictures fails, and says so."""
    block = bytes(1 << 20)
    for _ in range(65):
        harness.reactor.protocol.outReceived(block)
    assert harness.receiver.told == [
        ("failed", "exec:film: it sends no pictures: no JPEG in 67108864 bytes")
    ]


def test_silence(harness: ProgramHarness) -> None:
    """When it is silent, its last line may say why."""
    assert str(harness.program.why_silent(10)) == "exec:film: no picture for 10.0 s"
    harness.reactor.protocol.errReceived(b"waiting for the camera\n")
    assert str(harness.program.why_silent(10)) == (
        "exec:film: no picture for 10.0 s: waiting for the camera"
    )


def test_stop(harness: ProgramHarness) -> None:
    """It is asked to end, and can be started again when it has."""
    stopped = harness.program.stop()
    again = harness.program.stop()
    assert harness.reactor.process.calls == ["closeStdin"]
    assert again.called
    assert not stopped.called
    harness.reactor.end(143)
    assert stopped.called
    harness.reactor.advance(PATIENCE)
    assert harness.reactor.process.calls == ["closeStdin"]
    assert harness.receiver.told == []


def test_nothing_is_told_after_stop(harness: ProgramHarness) -> None:
    """What still comes when it is ended goes nowhere."""
    harness.program.stop()
    harness.reactor.protocol.outReceived(tiny_jpeg())
    assert harness.receiver.told == []


def test_a_guard_that_does_not_end(harness: ProgramHarness) -> None:
    """A guard that hangs is killed."""
    harness.program.stop()
    harness.reactor.advance(PATIENCE)
    assert harness.reactor.process.calls == ["closeStdin", "KILL", "loseConnection"]


def test_stop_after_its_end(harness: ProgramHarness) -> None:
    """One that has ended needs no waiting for."""
    harness.reactor.end(1)
    assert harness.program.stop().called
    assert harness.reactor.process.calls == []


def test_no_command(harness: ProgramHarness) -> None:
    """Where no command can be made, that is the reason."""

    def no_command() -> list[str]:
        raise SourceError("there is no such program")

    Program("rpicam", no_command, harness.reactor).start(harness.receiver, 15)
    assert harness.receiver.told == [("failed", "there is no such program")]


def test_no_memory(harness: ProgramHarness) -> None:
    """Where no process can be started, that is the reason."""
    harness.reactor.trouble = OSError(12, "Cannot allocate memory")
    harness.program.start(harness.receiver, 15)
    assert harness.receiver.told == [("failed", "exec:film: cannot allocate memory")]
