"""What comes behind the headers of a camera's answer is read within limits."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from camd.formats.multipart import Parser
from camd.sources import RawFrame, SourceError
from camd.sources.http import body as body_module
from camd.sources.http.body import LARGEST, SILENCE, Single, Stream
from camd.sources.http.slot import Slot
from tests.fakes_http import part


class Rig:
    """
    A stream whose bytes the test sends.

    :ivar hung_up: how often the stream asked for the connection to be cut.
    """

    def __init__(self, boundary: bytes = b"b", limit: int = 10_000) -> None:
        self.clock = Clock()
        self.slot = Slot(self.clock.seconds)
        self.hung_up = 0
        parser = Parser(boundary, limit)
        self.stream = Stream(parser, self.slot, self.clock, self._hang_up, "cam")
        self.stream.makeConnection(StringTransport())

    def _hang_up(self) -> None:
        self.hung_up += 1

    def send(self, data: bytes) -> None:
        """Let the camera send bytes."""
        self.stream.dataReceived(data)

    def picture(self) -> RawFrame:
        """The picture in the slot; never waits for one."""
        self.slot.fail(SourceError("there is none"))
        return self.slot.peek()

    def trouble(self) -> str:
        """Why no more pictures come."""
        self.slot.fail(SourceError("there is no reason"))
        with pytest.raises(SourceError) as caught:
            for _ in range(2):  # One picture may still be there.
                self.slot.take()
        return str(caught.value)


def test_a_picture_is_stamped_with_its_last_byte() -> None:
    """The time is that at which a picture is complete."""
    rig = Rig()
    whole = part(b"jpeg")
    rig.send(whole[:-4])
    rig.clock.advance(3)
    rig.send(whole[-4:])
    assert rig.picture() == RawFrame(b"jpeg", 3)


def test_only_the_newest() -> None:
    """Of several pictures in one read the last is kept."""
    rig = Rig()
    rig.send(part(b"one") + part(b"two") + part(b"three"))
    assert rig.picture().content == b"three"


@pytest.mark.parametrize(
    "other",
    [part(b"", "image/jpeg"), part(b"Motion: 1", "text/plain"), part(b"{}", "a/json")],
)
def test_what_is_no_picture_is_left_out(other: bytes) -> None:
    """Signs of life and data between pictures take no picture's place."""
    rig = Rig()
    rig.send(part(b"jpeg") + other)
    assert rig.picture().content == b"jpeg"


def test_a_picture_without_a_type() -> None:
    """A part that names no type is a picture."""
    rig = Rig()
    rig.send(b"--b\r\n\r\njpeg\r\n--b\r\n")
    assert rig.picture().content == b"jpeg"


def test_silence() -> None:
    """A camera that sends nothing for long is hung up on, with the reason."""
    rig = Rig()
    rig.clock.advance(SILENCE - 0.1)
    assert not rig.hung_up
    rig.clock.advance(0.1)
    assert rig.hung_up
    assert rig.trouble() == "cam: nothing came for 10 s"


def test_progress_is_no_silence() -> None:
    """A slow camera is kept for as long as any byte comes."""
    rig = Rig()
    for byte in part(b"jpeg"):
        rig.clock.advance(SILENCE * 0.9)
        rig.send(bytes([byte]))
    assert not rig.hung_up
    assert rig.picture().content == b"jpeg"


def test_a_picture_that_is_too_large() -> None:
    """A part over the limit ends the stream; ahead of it all is well."""
    rig = Rig(limit=10)
    rig.send(part(b"jpeg"))
    assert not rig.hung_up
    rig.send(part(b"x" * 11))
    assert rig.hung_up
    assert "limit is 10" in rig.trouble()


def test_the_end_of_the_stream() -> None:
    """A closing boundary line ends it, and the last picture is still there."""
    rig = Rig()
    rig.send(part(b"jpeg") + b"--b--\r\n")
    assert rig.hung_up
    assert rig.picture().content == b"jpeg"
    assert rig.trouble() == "cam: it ended the stream"


def test_a_lost_connection() -> None:
    """Who waits is told, and no time-out is left behind."""
    rig = Rig()
    rig.stream.connectionLost(Failure(ConnectionLost()))
    assert rig.trouble() == "cam: it hung up"
    assert rig.clock.getDelayedCalls() == []


class Collected:
    """A body that is collected, and what came of it."""

    def __init__(self) -> None:
        self.hung_up = 0
        self.results: list[Any] = []
        self.single = Single(self._hang_up, "cam")
        self.single.body.addBoth(self.results.append)
        self.single.makeConnection(StringTransport())

    def _hang_up(self) -> None:
        self.hung_up += 1

    @property
    def trouble(self) -> str:
        """Why there is none."""
        (failure,) = self.results
        assert failure.check(SourceError)
        return str(failure.value)


@pytest.mark.parametrize("reason", [ResponseDone(), PotentialDataLoss()])
def test_a_whole_body(reason: Exception) -> None:
    """A body ends where its length says, or where the connection ends."""
    collected = Collected()
    collected.single.dataReceived(b"jp")
    collected.single.dataReceived(b"eg")
    assert collected.results == []
    collected.single.connectionLost(Failure(reason))
    assert collected.results == [b"jpeg"]


def test_a_cut_body() -> None:
    """A picture that breaks off is none."""
    collected = Collected()
    collected.single.dataReceived(b"jp")
    collected.single.connectionLost(Failure(ConnectionLost()))
    assert collected.trouble == "cam: it hung up in the middle of a picture"


def test_a_body_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the limit is not kept: camd hangs up, and says why once."""
    assert LARGEST == 16 * 1024 * 1024
    monkeypatch.setattr(body_module, "LARGEST", 5)
    collected = Collected()
    collected.single.dataReceived(b"12345")
    assert not collected.hung_up
    collected.single.dataReceived(b"6")
    assert collected.hung_up == 1
    collected.single.connectionLost(Failure(ConnectionLost()))
    assert collected.trouble == "cam: a picture of more than 5 bytes"


def test_a_body_that_is_given_up() -> None:
    """A time-out hangs up."""
    collected = Collected()
    collected.single.body.cancel()
    assert collected.hung_up == 1
    collected.single.connectionLost(Failure(ConnectionLost()))
    assert len(collected.results) == 1
