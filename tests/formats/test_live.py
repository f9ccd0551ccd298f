"""The bytes of the live channel, as docs/live.md has them."""

from __future__ import annotations

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from camd.formats import live
from camd.formats.jpeg import Size
from camd.formats.live import ACKNOWLEDGE, HEADER, PLACEHOLDER, REPEAT, PictureKey

KEY = PictureKey(3, 4711)


def read(data: bytes) -> list[object]:
    """What a client's library makes of it."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    return list(client.events())


@pytest.mark.parametrize("size", [10, 200, 70_000])
def test_a_picture_that_asks(size: int) -> None:
    """A PING with its key, then one message: a header and the JPEG."""
    jpeg = bytes(size)
    block = live.picture(jpeg, KEY, 2, 1.5, Size(640, 480), asks=True)
    ping, *messages = read(block)
    assert isinstance(ping, Ping)
    assert live.answered_key(bytes(ping.payload)) == KEY == live.key_of(block)
    data = b"".join(m.data for m in messages if isinstance(m, BytesMessage))
    assert HEADER.unpack_from(data) == (
        1,
        24,
        ACKNOWLEDGE,
        2,
        3,
        640,
        480,
        0,
        4711,
        1.5,
    )
    assert data[24:] == jpeg


def test_a_placeholder_that_does_not_ask() -> None:
    """No PING, and the other flag."""
    block = live.picture(b"", PictureKey(1, 0), 0, 0.0, Size(1, 1), asks=False)
    (message,) = read(block)
    assert isinstance(message, BytesMessage)
    assert message.data[2] == PLACEHOLDER


def test_frame_numbers_begin_again() -> None:
    """Behind the largest that four bytes hold."""
    key = PictureKey(1, 2**32 + 5)
    block = live.picture(b"", key, 0, 0.0, Size(1, 1), asks=True)
    assert live.key_of(block) == PictureKey(1, 5)


@pytest.mark.parametrize("payload", [b"", b"1", b"123", b"12345", b"123456789"])
def test_answers_to_nothing(payload: bytes) -> None:
    """They name no picture and no probe."""
    assert live.answered_key(payload) is None
    assert live.answered_probe(payload) is None


def test_small_messages() -> None:
    """Each is what a library reads as such."""
    data = live.text("é" * 100) + live.probe(7) + live.close(1001, "x" * 200)
    text, probe, close = read(data)
    assert isinstance(text, TextMessage)
    assert text.data == "é" * 100
    assert isinstance(probe, Ping)
    assert live.answered_probe(bytes(probe.payload)) == 7
    assert isinstance(close, CloseConnection)
    assert (close.code, close.reason) == (1001, "x" * 123)


@pytest.mark.parametrize("length", [10, 1000, 100_000])
def test_a_repeat_differs_by_its_flag_alone(length: int) -> None:
    """In the PING and in the header, whatever the length of the frame's own header."""
    block = live.picture(
        b"j" * length, PictureKey(7, 4711), 2, 12.5, Size(32, 24), asks=True
    )
    again = live.as_repeat(block)
    assert live.content_of(again) == live.content_of(block) == (7, 2, 4711, 12.5)
    differing = [old ^ new for old, new in zip(block, again, strict=True) if old != new]
    assert differing == [REPEAT, REPEAT]
