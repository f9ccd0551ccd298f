"""Frames of clients: where they end, and what is in the short ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode

from camd.formats.live import PictureKey
from camd.web.live.frames import end_of, short_payload
from camd.web.live.messages import Ack, Said, one_ack, read

opcodes = st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG])

payloads = st.one_of(
    st.binary(max_size=130), st.integers(120, 70_000).map(lambda size: b"x" * size)
)


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """Lay out a frame as clients do, with wsproto."""
    sent = FrameProtocol(client=True, extensions=[])
    if opcode in (Opcode.TEXT, Opcode.BINARY):
        return bytes(sent._serialize_frame(opcode, payload, fin=True))
    return bytes(sent._serialize_frame(opcode, payload[:125]))


@given(opcode=opcodes, payload=payloads, ahead=st.binary(max_size=5))
def test_a_frame_ends_where_it_ends(
    opcode: Opcode, payload: bytes, ahead: bytes
) -> None:
    """Wherever it begins, and no part of it looks like all of it."""
    data = ahead + frame(opcode, payload)
    assert end_of(data + b"more", len(ahead))[0] == len(data)
    for cut in {len(ahead), *range(len(ahead), min(len(data), 140)), len(data) - 1}:
        assert end_of(data[:cut], len(ahead))[0] > cut


@given(payload=st.binary(max_size=125))
def test_a_short_payload(payload: bytes) -> None:
    """Without its mask."""
    data = frame(Opcode.PONG, payload)
    assert short_payload(data) == payload
    assert short_payload(data + b"m") is None
    assert short_payload(data[:-1]) is None
    assert end_of(data, 0)[1] == len(payload)


@pytest.mark.parametrize(
    "data", [b"\x81", b"\x81\x02{}", b"\x81\x02{}????", frame(Opcode.TEXT, b"x" * 126)]
)
def test_what_is_no_short_payload(data: bytes) -> None:
    """Not all there, not masked, or longer."""
    assert short_payload(data) is None


@given(
    st.one_of(
        st.from_regex(
            r'\{"ack": ?\[\[[0-9]{1,12}, ?[0-9]{1,12}(, ?[0-9]{1,8})?\]\]\}',
            fullmatch=True,
        ),
        st.text(max_size=40),
    )
)
def test_an_acknowledgement_alone(text: str) -> None:
    """It is what any reader of JSON makes of it."""
    ack = one_ack(text.encode())
    if ack is not None:
        assert read(text) == Said(None, (ack,), None)


@pytest.mark.parametrize("text", ['{"ack":[[1,4711]]}', '{"ack": [[1, 4711]]}'])
def test_both_ways_to_write_one(text: str) -> None:
    """As browsers do, and as Python does."""
    assert one_ack(text.encode()) == ((1, 4711), 0.0)


@pytest.mark.parametrize(
    ("had", "drawing"), [("0", 0.0), ("23", 0.023), ("23.5", 0.0235), ("1e300", 1000.0)]
)
def test_how_long_a_client_had_a_picture(had: str, drawing: float) -> None:
    """In milliseconds; a whole number has the short way."""
    text = f'{{"ack": [[1, 4711, {had}]]}}'
    ack = Ack(PictureKey(1, 4711), drawing)
    assert read(text).acks == (ack,)
    assert one_ack(text.encode()) == (ack if had.isdecimal() else None)
