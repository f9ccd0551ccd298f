"""Whatever one client sends, the viewers beside it lose no frame."""

from __future__ import annotations

import json
import struct
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs

from tests.fakes_camera import FakeDaemon
from tests.fakes_live import FakeLiveClient

numbers = st.one_of(st.integers(-2, 70_000), st.integers(-(2**70), 2**70), st.floats())

names = st.sampled_from(["robot", "door", "", "\0", "x" * 300])

wishes = st.dictionaries(
    st.sampled_from(["width", "quality", "fps", "auto", "weight", "x"]),
    st.one_of(numbers, st.booleans(), st.none(), st.text(max_size=5)),
    max_size=4,
)

messages = st.one_of(
    st.fixed_dictionaries({"watch": st.dictionaries(names, wishes, max_size=3)}),
    st.fixed_dictionaries(
        {"ack": st.lists(st.lists(numbers, max_size=3), max_size=5)},
    ),
    st.fixed_dictionaries({"clock": numbers}),
    st.dictionaries(st.sampled_from(["watch", "ack", "clock", "x"]), st.none()),
).map(lambda message: json.dumps(message).encode())
"""Text that is, or nearly is, what clients say; acks are of what was never sent."""

payloads = st.one_of(
    messages,
    st.sampled_from([b"", b"{", b"[" * 4000, b"\xff\xfe", b" " * 5000, b"\x03\xe8"]),
    st.binary(max_size=200),
)


def frame(
    opcode: int, first: int, payload: bytes, *, masked: bool, claimed: int | None
) -> bytes:
    """Lay out one frame, right or wrong.

    :param first: the four bits ahead of the opcode: FIN and three that are reserved.
    :param claimed: the length that it says it has; None for the true one.
    """
    length = len(payload) if claimed is None else claimed
    mask = 0x80 if masked else 0
    if length < 126:
        head = bytes([first << 4 | opcode, mask | length])
    elif length < 1 << 16:
        head = struct.pack("!BBH", first << 4 | opcode, mask | 126, length)
    else:
        head = struct.pack("!BBQ", first << 4 | opcode, mask | 127, length)
    return head + (b"\0\0\0\0" if masked else b"") + payload


frames = st.builds(
    frame,
    st.sampled_from([1, 1, 1, 0, 2, 8, 9, 10, 3, 15]),
    st.sampled_from([8, 8, 8, 0, 0, 9, 12, 15]),
    payloads,
    masked=st.sampled_from([True, True, True, False]),
    claimed=st.sampled_from([None] * 5 + [0, 125, 126, 65_536, 2**63 - 1, 2**64 - 1]),
)
"""Most of them well formed, so that what comes behind is looked at, too."""

floods = st.tuples(frames, st.integers(1, 300)).map(lambda of: of[0] * of[1])

pieces = st.one_of(frames, floods, st.binary(max_size=100))
"""What is sent in one go: frames, one frame many times, or what is none."""


# On a busy machine the attacks take long to make up.
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    attack=st.lists(pieces, min_size=1, max_size=12),
    cut=st.integers(1, 5000),
    path=st.sampled_from(["/api/live", "/api/robot/live"]),
)
def test_nobody_beside_it_notices(attack: list[bytes], cut: int, path: str) -> None:
    """All frames reach a live viewer and a stream, and nothing fails."""
    daemon = FakeDaemon("robot", "door")
    beside = FakeLiveClient(daemon)
    beside.say(watch={"robot": {}})
    stream = daemon.ask("/api/robot/stream")
    beside.advance(3, acks=True)
    hostile = FakeLiveClient(daemon, path)
    events: list[Any]
    with capturedLogs() as events:
        for piece in attack:
            for start in range(0, len(piece), cut):
                if not hostile.line.transport.disconnecting:
                    hostile.send_raw(piece[start : start + cut])
            beside.advance(0.25, acks=True)
        hostile.lose()
        beside.advance(0.25, acks=True)
    assert not [event for event in events if "log_failure" in event]
    seen = [picture.frame for picture in beside.pictures if picture.frame]
    assert seen == list(range(1, seen[-1] + 1))
    assert stream.raw.count(b"X-Frame: ") >= seen[-1]
    assert len(daemon.live.sessions) == 1
    assert len(daemon.camera.viewers) == 2
