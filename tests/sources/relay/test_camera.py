"""A camera of another camd: what it is asked, what it is believed, how it ends."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    TextMessage,
)

from camd.formats.jpeg import MAX_BYTES, Size
from camd.formats.rendition import Rendition
from camd.frame import Stamp
from camd.sources import Refused, patience
from camd.sources.relay.camera import RelayedCamera
from camd.sources.relay.client import BURST, LONGEST, SMALLEST
from camd.sources.relay.connection import (
    ANSWER,
    REFUSED_FOR,
    SHARED_MOST,
    SILENCE,
)
from tests.fakes_camera import EPOCH, tiny_jpeg
from tests.fakes_relay import (
    ADDRESS,
    HOST,
    KEY,
    FakeOrigin,
    RelayHarness,
    RelayReceiver,
    entry,
    picture,
)

THERE = EPOCH + 3600
"""The Unix time there when the reactor's clock shows 0."""


def ready(fps: float = 15) -> RelayHarness:
    """A camera whose camd has told its time, at once."""
    harness = RelayHarness(fps=fps)
    harness.wire.answer_clock(THERE)
    return harness


# ---- What is asked for


def test_the_request() -> None:
    """The upgrade of the live channel, with the key in a header and nowhere else."""
    asked = RelayHarness().wire.asked
    assert asked is not None
    assert (asked.host, asked.target) == (f"{HOST}:8001", "/api/live")
    assert (b"x-api-key", KEY.encode()) in [
        (name.lower(), value) for name, value in asked.extra_headers
    ]


def test_a_base_path() -> None:
    """What stands ahead of the name is the base_path there."""
    harness = RelayHarness(f"camd+http://any:{KEY}@{HOST}/cams/front/robot")
    asked = harness.wire.asked
    assert asked is not None
    assert asked.target == "/cams/front/api/live"


def test_all_that_there_is() -> None:
    """Who wants as many pictures as there are asks for no rate."""
    assert RelayHarness(fps=30).wire.told("watch") == [{"robot": {}}]


def test_a_camera_at_rest() -> None:
    """An edge that only probes asks for no more than that."""
    harness = RelayHarness(fps=15)
    harness.camera.set_rate(1)
    harness.origin.turn()
    assert harness.wire.told("watch")[-1] == {"robot": {"fps": 1}}
    harness.camera.set_rate(0.01)
    harness.origin.turn()
    assert harness.wire.told("watch")[-1] == {"robot": {"fps": 0.1}}


HALF, QUARTER = Rendition.parse("1/2@65"), Rendition.parse("1/4@35")
NAMED = [
    {"rendition": 0, "width": 640, "height": 480},
    {"rendition": 1, "name": "1/2@65", "width": 320, "height": 240},
    {"rendition": 2, "name": "1/4@35", "width": 160, "height": 120},
]


def with_renditions(**more: Any) -> RelayHarness:
    """A camera of a camd that makes two renditions."""
    usual = {"width": 640, "height": 480, "renditions": NAMED}
    return RelayHarness(origin=FakeOrigin(entry(**{**usual, **more})))


@pytest.mark.parametrize(
    ("wants", "wish"),
    [
        ({None}, {}),
        ({HALF}, {"width": 320, "quality": 65}),
        ({QUARTER}, {"width": 160, "quality": 35}),
        # One comes over a connection, and the rest is made of it.
        ({HALF, QUARTER}, {}),
        ({HALF, None}, {}),
        # The other camd does not make that.
        ({Rendition.parse("1/3@65")}, {}),
        # At rest the smallest will do.
        ((), {"width": 160, "quality": 35}),
    ],
)
def test_what_viewers_want(wants: set[Rendition | None], wish: dict[str, int]) -> None:
    """A smaller one is asked for where all want that."""
    harness = with_renditions()
    harness.receiver.wants = wants
    harness.camera.set_rate(15)
    harness.origin.turn()
    assert harness.wire.told("watch")[-1] == {"robot": wish}


@pytest.mark.parametrize("state", ["offline", "stalled", "starting"])
def test_a_placeholder_is_wanted_in_full(state: str) -> None:
    """Smaller ones are made of it here."""
    harness = with_renditions()
    harness.receiver.wants = {HALF}
    harness.camera.set_rate(15)
    harness.origin.turn()
    told = entry(state=state, width=640, height=480, renditions=NAMED)
    harness.wire.say(camera=told)
    harness.origin.turn()
    assert harness.wire.told("watch")[-1] == {"robot": {}}


def test_two_of_one_camera_that_want_different_ones() -> None:
    """Both get the full picture."""
    origin = FakeOrigin(entry(width=640, height=480, renditions=NAMED))
    harness = RelayHarness(ADDRESS, ADDRESS, origin=origin)
    harness.receivers[0].wants = {HALF}
    harness.receivers[1].wants = {QUARTER}
    harness.camera.set_rate(15)
    harness.origin.turn()
    assert harness.wire.told("watch")[-1] == {"robot": {}}


@pytest.mark.parametrize("width", [None, 0, 0.5, -1])
def test_a_camera_of_unknown_size(width: float | None) -> None:
    """A width of nothing is not asked for: the other camd would hang up."""
    harness = with_renditions(width=width)
    harness.receiver.wants = {HALF}
    harness.camera.set_rate(15)
    harness.origin.turn()
    assert harness.wire.told("watch")[-1] == {"robot": {}}


def test_a_number_that_is_too_large() -> None:
    """JSON has it, and no rendition does: the others stay."""
    harness = with_renditions()
    many = [{"rendition": math.inf, "name": "1/3@50"}, *NAMED]
    told = {"camera": entry(width=640, height=480, renditions=many)}
    harness.wire.send(TextMessage(json.dumps(told).replace("Infinity", "1e999")))
    harness.receiver.wants = {HALF}
    harness.camera.set_rate(15)
    harness.origin.turn()
    assert harness.wire.told("watch")[-1] == {"robot": {"width": 320, "quality": 65}}


@pytest.mark.parametrize("names", [[], None, 5, [1, {}], [{"rendition": "x"}], NAMED])
def test_renditions_that_have_no_names(names: object) -> None:
    """An older camd, or none at all: the full picture is asked for."""
    unnamed = (
        [{k: v for k, v in each.items() if k != "name"} for each in NAMED]
        if names is NAMED
        else names
    )
    harness = with_renditions(renditions=unnamed)
    harness.receiver.wants = {HALF}
    harness.camera.set_rate(15)
    harness.origin.turn()
    assert harness.wire.told("watch")[-1] == {"robot": {}}


def test_a_smaller_picture_says_what_it_is() -> None:
    """By its number there; the size of the full one is told with the first."""
    harness = with_renditions()
    harness.wire.show(1, THERE)
    harness.wire.show(2, THERE, rendition=1)
    harness.wire.show(3, THERE, rendition=2)
    harness.wire.show(4, THERE, rendition=7)
    harness.wire.show(5, THERE)
    assert harness.receiver.numbers == [1, 2, 3, 5]
    assert harness.receiver.renditions == [None, HALF, QUARTER, None]
    assert harness.receiver.sizes == [None, Size(640, 480)]


def test_viewers_that_move() -> None:
    """What they want by now is asked for with the next picture."""
    harness = with_renditions()
    harness.wire.show(1, THERE)
    harness.receiver.wants = {HALF}
    harness.wire.show(2, THERE)
    harness.origin.turn()
    harness.wire.show(3, THERE)
    harness.origin.turn()
    wishes = harness.wire.told("watch")
    assert wishes == [{"robot": {}}, {"robot": {"width": 320, "quality": 65}}]


def test_viewers_of_a_still_picture_that_move() -> None:
    """They need not wait for the next one: the time is asked for more often."""
    harness = with_renditions()
    harness.receiver.wants = {HALF}
    harness.wire.show(1, THERE)
    harness.origin.turn()
    harness.wire.answer_clock(THERE)
    harness.receiver.wants = {HALF, None}
    harness.origin.turn(2)
    harness.wire.answer_clock(THERE)
    harness.origin.turn()
    assert harness.wire.told("watch")[-1] == {"robot": {}}


def test_the_time_is_told_ahead_of_pictures() -> None:
    """The first question for it goes out with the first wish."""
    (first,) = RelayHarness().wire.texts
    assert first.keys() == {"clock", "watch"}


def test_the_time_is_asked_for_again() -> None:
    """Each five seconds while pictures come, each second in silence."""
    harness = ready()
    for second in range(30):
        for tenth in range(10):
            harness.wire.show(second * 10 + tenth + 1, THERE + second + tenth / 10)
            harness.origin.advance(0.1)
    assert len(harness.wire.told("clock")) == pytest.approx(6, abs=1)
    asked = len(harness.wire.told("clock"))
    harness.origin.turn(3)
    assert len(harness.wire.told("clock")) - asked == pytest.approx(3, abs=1)


# ---- Pictures


def test_a_picture() -> None:
    """It has the number and the time that it has there, and its age."""
    harness = ready()
    harness.origin.turn(2)
    harness.wire.show(4711, THERE + 1.5)
    ((jpeg, captured, stamp),) = harness.receiver.pictures
    assert (jpeg, stamp) == (tiny_jpeg(), Stamp(4711, THERE + 1.5))
    assert captured == pytest.approx(1.5, abs=0.002)
    assert harness.receiver.opened_as == ["MJPG"]


def test_the_clock_of_a_camera_that_is_another_camds() -> None:
    """Behind several camds, the clock of the first one counts."""
    harness = RelayHarness()
    harness.wire.answer_clock(EPOCH, times={"robot": THERE})
    harness.origin.turn(1)
    harness.wire.show(1, THERE + 0.5)
    assert harness.receiver.pictures[0][1] == pytest.approx(0.5, abs=0.001)


def test_an_origin_that_does_not_tell_its_time() -> None:
    """Then this machine's own counts."""
    harness = RelayHarness()
    harness.origin.turn(1)
    harness.wire.show(1, EPOCH + 0.25)
    assert harness.receiver.pictures[0][1] == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize(
    "answer",
    [
        {"clock": -1, "time": THERE},
        {"clock": None, "time": THERE},
        {"clock": [], "time": THERE},
        {"time": "noon"},
        {"time": True},
        {"time": -5},
        {"time": THERE, "times": {"robot": "noon"}},
    ],
)
def test_times_that_are_none(answer: dict[str, object]) -> None:
    """What was not asked for, or is no time, is not believed."""
    harness = RelayHarness()
    harness.wire.say(**{"clock": harness.wire.told("clock")[-1], **answer})
    harness.wire.show(1, EPOCH)
    assert harness.receiver.pictures[0][1] == 0


def test_what_is_to_be_acknowledged() -> None:
    """A picture is acknowledged when it has been published, if it asks for that."""
    harness = ready()
    harness.wire.show(1, THERE, asks=True)
    harness.origin.turn(1)
    harness.wire.show(2, THERE)
    harness.origin.turn(1)
    assert harness.wire.told("ack") == [[[1, 1]]]
    assert len(harness.wire.pongs) == 1


def test_the_newest_wins() -> None:
    """Of pictures that come together the newest is taken, and acknowledged for all."""
    harness = ready()
    harness.wire.send_raw(picture(1, THERE, asks=True) + picture(2, THERE + 0.1))
    assert harness.receiver.numbers == [2]
    assert harness.wire.told("ack") == [[[1, 2]]]


def test_many_acknowledgements() -> None:
    """A hundred a second fit fifty messages: more than a hundred end a connection."""
    harness = ready()
    for number in range(100):
        harness.wire.show(number + 1, THERE, asks=True)
        harness.origin.advance(0.01)
    acks = harness.wire.told("ack")
    assert len(acks) <= 51
    assert acks[-1][0][1] >= 98


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_pieces(most: int) -> None:
    """However a message comes in pieces, it is the same."""
    harness = ready()
    data = picture(5, THERE, asks=True)
    for at in range(0, len(data), most):
        harness.wire.send_raw(data[at : at + most])
    assert harness.receiver.pictures[0][0] == tiny_jpeg()


def test_a_fragmented_message() -> None:
    """Messages of several frames are read (RFC 6455 5.4)."""
    harness = ready()
    message = picture(5, THERE)
    header = 4 if len(message) > 130 else 2
    body = message[header:]
    harness.wire.send(BytesMessage(body[:10], message_finished=False))
    harness.wire.send(BytesMessage(body[10:]))
    assert harness.receiver.pictures[0][0] == tiny_jpeg()


def test_placeholders() -> None:
    """They are told apart from pictures, with their time."""
    harness = ready()
    harness.wire.show(0, THERE - 30)
    assert harness.receiver.pictures == []
    assert harness.receiver.placeholders == [(tiny_jpeg(), THERE - 30)]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x01\x18",
        b"\x02" + bytes(100),
        b"\x01\x02" + bytes(100),
        # A time that is none.
        b"\x01\x18\x00\x00\x00\x01" + bytes(6) + b"\0\0\0\1" + b"\x7f\xf8" + bytes(6),
    ],
)
def test_messages_that_are_no_pictures(message: bytes) -> None:
    """Those of a later version, and nonsense, are left out."""
    harness = ready()
    harness.wire.send(BytesMessage(message))
    assert harness.receiver.pictures == []
    assert harness.receiver.errors == []


def test_pictures_of_others() -> None:
    """A camera that nobody asked for is shown by nobody."""
    harness = ready()
    harness.wire.show(1, THERE, camera=9)
    assert harness.receiver.pictures == []


# ---- What is said of the camera


def test_its_states() -> None:
    """The first thing that is told, and each change, with the reason."""
    harness = RelayHarness(
        origin=FakeOrigin(entry(state="offline", why="no such device"))
    )
    assert harness.receiver.states == [("offline", "no such device")]
    harness.wire.say(camera=entry())
    harness.wire.say(camera=entry("door", 2, state="stalled"))
    assert harness.receiver.states[1:] == [("live", None)]


@pytest.mark.parametrize(
    ("told", "believed"),
    [(60, 60.0), (None, 0.0), ("long", 0.0), (-1, 0.0), (9e10, patience.MOST)],
)
def test_its_pace(told: object, believed: float) -> None:
    """For how long no picture is normal is told ahead of the state."""
    harness = RelayHarness(origin=FakeOrigin({**entry(), "patience": told}))
    assert harness.receiver.patiences == [believed]


def test_words_that_are_none() -> None:
    """What another camd writes cannot break a line of the log, nor fill it."""
    harness = RelayHarness(
        origin=FakeOrigin(entry(state=["live"] * 99, why="a\nb" + "x" * 9999))
    )
    ((state, why),) = harness.receiver.states
    assert len(state) <= 20
    assert why is not None
    assert why.startswith("a?b")
    assert len(why) <= 300


@pytest.mark.parametrize(
    "cameras",
    [
        [None, 3, "robot", {}, {"name": 3, "number": 1}, {"name": "robot"}],
        [{"name": "robot", "number": True}],
        [{"name": "robot", "number": 1.5}],
    ],
)
def test_entries_that_are_none(cameras: list[object]) -> None:
    """Of such a list no camera is known."""
    origin = FakeOrigin()
    origin.greeting = {"live": 1, "cameras": cameras}
    assert RelayHarness(origin=origin).why == "it has no camera robot"


def test_no_such_camera() -> None:
    """The reason says which there are; it is not asked for again soon."""
    harness = RelayHarness(origin=FakeOrigin(entry("door"), entry("arm", 2)))
    assert harness.why == "it has no camera robot; it has arm, door"
    assert isinstance(harness.receiver.errors[0], Refused)


def test_a_camera_that_is_gone() -> None:
    """It is told when the list changes, and the connection ends."""
    harness = ready()
    harness.wire.say(cameras=[entry("door", 2)])
    assert harness.why == "it has no camera robot; it has door"
    assert harness.wire.cut


def test_no_room() -> None:
    """A camera that takes no more viewers there is tried again."""
    harness = RelayHarness()
    harness.wire.say(watch={"robot": {"refused": "this camera has 5 viewers"}})
    assert harness.why == "it refuses: this camera has 5 viewers"
    assert not isinstance(harness.receiver.errors[0], Refused)


def test_a_camera_whose_streams_end_when_it_is_offline() -> None:
    """That it shows nothing then is no trouble of the link."""
    harness = RelayHarness(origin=FakeOrigin(entry(state="offline")))
    harness.wire.say(watch={"robot": {"refused": "the camera is offline"}})
    assert harness.receiver.errors == []


# ---- Several cameras


def test_they_share_a_connection() -> None:
    """Cameras of the same camd, behind the same key, need one."""
    origin = FakeOrigin(entry(), entry("door", 2))
    other = ADDRESS.replace("/robot", "/door")
    harness = RelayHarness(ADDRESS, other, ADDRESS, origin=origin, fps=5)
    assert len(origin.wires) == 1
    assert harness.wire.told("watch") == [{"robot": {"fps": 5}, "door": {"fps": 5}}]
    harness.wire.answer_clock(THERE)
    harness.wire.show(7, THERE, camera=2)
    harness.wire.show(8, THERE, camera=1)
    assert [receiver.numbers for receiver in harness.receivers] == [[8], [7], [8]]


@pytest.mark.parametrize("number", [8, 0])
def test_who_comes_later_has_the_last_picture(number: int) -> None:
    """As old as it is: the other camd does not send one again that stands still."""
    harness = RelayHarness()
    harness.wire.answer_clock(THERE)
    harness.wire.show(7, THERE - 1)
    harness.wire.show(number, THERE)
    harness.origin.turn(3)
    camera = RelayedCamera(ADDRESS, verify_tls=True, origins=harness.origins)
    later = RelayReceiver(camera)
    camera.start(later, 15)
    assert later.states == [("live", None)]
    assert later.numbers == ([8] if number else [])
    assert len(later.placeholders) == (not number)
    if number:
        assert harness.origin.seconds() - later.pictures[0][1] >= 3


def test_nothing_of_before_for_who_comes_first() -> None:
    """The other camd sends what is new since somebody was there."""
    origin = FakeOrigin(entry(), entry("door", 2))
    other = ADDRESS.replace("/robot", "/door")
    harness = RelayHarness(ADDRESS, other, origin=origin)
    harness.wire.answer_clock(THERE)
    harness.wire.show(7, THERE)
    harness.camera.stop()
    again = RelayReceiver(harness.camera)
    harness.camera.start(again, 15)
    assert again.numbers == []
    harness.wire.say(camera=entry(state="offline"))
    harness.wire.show(8, THERE)
    later = RelayedCamera(ADDRESS, verify_tls=True, origins=harness.origins)
    late = RelayReceiver(later)
    later.start(late, 15)
    assert (late.states, late.numbers) == ([("offline", None)], [])


def test_another_key_is_another_connection() -> None:
    """What one key may see is not shown by another's."""
    harness = RelayHarness(ADDRESS, ADDRESS.replace(KEY, "another-key-1234567"))
    assert len(harness.origin.wires) == 2


def test_as_many_as_a_message_has_room_for() -> None:
    """The longest names of all who share a connection fit 4,096 bytes."""
    names = [f"{number:064d}" for number in range(SHARED_MOST + 1)]
    origin = FakeOrigin(*(entry(name, at) for at, name in enumerate(names)))
    addresses = [ADDRESS.replace("robot", name) for name in names]
    harness = RelayHarness(*addresses, origin=origin, fps=7.123)
    assert len(origin.wires) == 2
    for wire in origin.wires:
        assert all(len(json.dumps(text)) <= 4096 for text in wire.texts)
    assert harness.receiver.errors == []


def test_one_leaves() -> None:
    """The others go on; with the last one the connection ends."""
    origin = FakeOrigin(entry(), entry("door", 2))
    harness = RelayHarness(ADDRESS, ADDRESS.replace("/robot", "/door"), origin=origin)
    harness.cameras[0].stop()
    origin.turn()
    assert harness.wire.told("watch")[-1] == {"door": {}}
    assert not harness.wire.cut
    harness.cameras[1].stop()
    assert harness.wire.cut
    origin.turn()
    assert origin.getDelayedCalls() == []


def test_all_are_told_of_the_end() -> None:
    """Each with its own address, and the next try is one for all."""
    origin = FakeOrigin(entry(), entry("door", 2))
    harness = RelayHarness(ADDRESS, ADDRESS.replace("/robot", "/door"), origin=origin)
    harness.wire.hang_up()
    assert [str(r.errors[0]) for r in harness.receivers] == [
        f"camd+http://***@{HOST}:8001/robot: it hung up",
        f"camd+http://***@{HOST}:8001/door: it hung up",
    ]
    harness.start()
    assert len(origin.wires) == 1
    origin.turn(1)
    assert len(origin.wires) == 2
    assert origin.wire.told("watch") == [{"robot": {}, "door": {}}]


# ---- How it ends


@pytest.mark.parametrize(
    ("status", "reason", "is_refusal"),
    [
        (200, "no camd is there: it answers 200", True),
        (301, "it redirects (301); give the address where that leads to", True),
        (401, "it refuses this key", True),
        (403, "this key may not see pictures there", True),
        (404, "no camd is at this address (404 Not Found)", True),
        (429, "it was asked with too many wrong keys from here", False),
        (502, "it is not there behind its proxy (502 Bad Gateway)", False),
        (503, "it has no room for another viewer, or is not up yet", False),
    ],
)
def test_refusals(status: int, reason: str, is_refusal: bool) -> None:
    """Each status has its own words; what only people can mend is not tried soon."""
    origin = FakeOrigin()
    origin.refuses_with = status
    harness = RelayHarness(origin=origin)
    assert harness.why == reason
    assert isinstance(harness.receiver.errors[0], Refused) is is_refusal
    harness.start()
    origin.turn(REFUSED_FOR - 1)
    assert len(origin.wires) == (1 if is_refusal else 2)


def test_no_key() -> None:
    """Where one is needed, that is what is said."""
    origin = FakeOrigin()
    origin.refuses_with = 401
    harness = RelayHarness(f"camd+http://{HOST}/robot", origin=origin)
    assert harness.why == "it asks for a key"


def test_nothing_listens() -> None:
    """The host and port are named."""
    origin = FakeOrigin()
    origin.listens = False
    assert RelayHarness(origin=origin).why == f"nothing listens on {HOST} port 8001"


@pytest.mark.parametrize(
    ("version", "told"), [(2, "version 2"), (None, "no version"), ("x" * 99, "version")]
)
def test_another_version(version: object, told: str) -> None:
    """A channel that this camd cannot read is not read."""
    origin = FakeOrigin()
    origin.greeting = {"live": version, "cameras": [entry()]}
    assert RelayHarness(origin=origin).why.startswith(f"its live channel has {told}")


@pytest.mark.parametrize("is_silent_from_the_start", [True, False])
def test_silence(is_silent_from_the_start: bool) -> None:
    """An origin that is not heard is given up: this is a trouble of the link."""
    origin = FakeOrigin()
    if is_silent_from_the_start:
        origin.greeting = None
    harness = RelayHarness(origin=origin)
    origin.turn(2)
    silent = str(harness.camera.why_silent(2))
    limit = ANSWER if is_silent_from_the_start else SILENCE
    origin.turn(limit)
    if is_silent_from_the_start:
        assert f"{HOST} port 8001 has not answered yet" in silent
        assert harness.why == f"{HOST} port 8001 gives no answer within {ANSWER:.0f} s"
    else:
        assert "nothing was heard from there for 2.0 s" in silent
        assert harness.why == f"nothing was heard for {SILENCE:.0f} s"
    assert harness.wire.cut


def test_a_silent_camera_of_a_camd_that_is_well() -> None:
    """It is not given up, and the camera there is to blame."""
    harness = ready()
    for _ in range(20):
        harness.origin.turn(1)
        harness.wire.answer_clock(THERE)
    assert harness.receiver.errors == []
    assert harness.receiver.heards >= 20
    assert "the origin says that its camera is live" in str(
        harness.camera.why_silent(3)
    )


def test_it_says_goodbye() -> None:
    """The code and the reason are told, fit for a line."""
    harness = ready()
    harness.wire.send(CloseConnection(1001, "shut\ndown"))
    assert harness.why == "it ended the connection (1001: shut\\ndown)"


@pytest.mark.parametrize("text", ["{", "[]", '{"a": NaN}', "[" * 5000, "1" * 5000])
def test_texts_that_are_none(text: str) -> None:
    """What is no JSON object ends the connection."""
    harness = ready()
    harness.wire.send(TextMessage(text))
    assert harness.why == "it says what is no JSON object"


@pytest.mark.parametrize(
    "data", [b"\xc1\x00", b"\x81\x85abcd", b"\x88\x01x", b"\x83\x01x", b"\x81\x01\xff"]
)
def test_frames_that_are_none(data: bytes) -> None:
    """What breaks RFC 6455 ends the connection."""
    harness = ready()
    harness.wire.send_raw(data)
    assert harness.wire.cut


@pytest.mark.parametrize(
    "messages",
    [
        [BytesMessage(bytes(MAX_BYTES // 4), message_finished=False)] * 5,
        [TextMessage(" " * (LONGEST // 4), message_finished=False)] * 5,
        [TextMessage("{}")] * (BURST // SMALLEST + 1),
        [TextMessage('{"a": 1' + " " * (LONGEST - 10) + "}")] * 6,
        [Ping(b"x")] * (4 * BURST // SMALLEST + 1),
        [BytesMessage(b"x")] * (4 * BURST // SMALLEST + 1),
        [Pong(b"x")] * (4 * BURST // SMALLEST + 1),
        [TextMessage("x", message_finished=False)] * (4 * BURST // SMALLEST + 1),
        [BytesMessage(b"x", message_finished=False)] * (4 * BURST // SMALLEST + 1),
    ],
    ids=[
        "picture",
        "text",
        "texts",
        "long texts",
        "pings",
        "pictures",
        "pongs",
        "pieces of a text",
        "pieces of a picture",
    ],
)
def test_floods(messages: list[Event]) -> None:
    """Nothing is read without an end, and nothing is kept."""
    harness = ready()
    for message in messages:
        harness.wire.send(message)
    assert harness.wire.cut
    assert len(harness.receiver.errors) == 1


def test_it_takes_nothing() -> None:
    """What is said to an origin that does not read is not kept without an end."""
    harness = ready()
    producer = harness.wire.producer
    assert producer is not None
    producer.pauseProducing()
    assert harness.why == "it takes nothing"


def test_stopped_while_it_connects() -> None:
    """Nothing is left of it."""
    origin = FakeOrigin()
    origin.greeting = None
    harness = RelayHarness(origin=origin)
    harness.camera.stop()
    origin.turn()
    assert harness.wire.cut
    assert origin.getDelayedCalls() == []
    assert harness.receiver.errors == []
