"""Pictures are taken out of what another camd sends, however it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.formats.jpeg import MAX_BYTES
from camd.sources.relay.frames import Frames, TooLarge

WHOLE, TEXT, PING, PIECE = 0x82, 0x81, 0x89, 0x02

contents = st.binary(max_size=300) | st.integers(65_535, 65_536).map(bytes)


def frame(kind: int, content: bytes) -> bytes:
    """A frame as a server sends it (RFC 6455 5.2)."""
    size = len(content)
    if size < 126:
        return bytes([kind, size]) + content
    if size < 1 << 16:
        return bytes([kind, 126]) + size.to_bytes(2, "big") + content
    return bytes([kind, 127]) + size.to_bytes(8, "big") + content


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from([WHOLE, TEXT, PING, PIECE]), contents), max_size=6
    ),
    st.sampled_from([3, 100, 1448, 65_536]),
)
def test_pictures_come_whole(sent: list[tuple[int, bytes]], step: int) -> None:
    """All pictures come in order, and all else is left as it was."""
    frames, came, rest = Frames(), list[bytearray](), b""
    data = b"".join(frame(kind, content) for kind, content in sent)
    step = max(step, len(data) // 1000)
    for at in range(0, len(data), step):
        pictures, behind = frames.split(data[at : at + step])
        came += pictures
        rest += behind
    assert came == [content for kind, content in sent if kind == WHOLE]
    others = [frame(kind, content) for kind, content in sent if kind != WHOLE]
    assert rest == b"".join(others)
    assert frames.missing == 0


def test_what_is_missing() -> None:
    """It is known as soon as the head of a picture is there."""
    frames = Frames()
    data = frame(WHOLE, bytes(40_000))
    frames.split(data[:3])
    assert frames.missing == 0
    frames.split(data[3:1000])
    assert frames.missing == len(data) - 1000


def test_a_picture_that_is_too_large() -> None:
    """It is refused by its head."""
    head = frame(WHOLE, b"")[:1] + bytes([127]) + (MAX_BYTES + 1).to_bytes(8, "big")
    with pytest.raises(TooLarge):
        Frames().split(head)
