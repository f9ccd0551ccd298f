"""The live channel over HTTP: who is let in, what is shown, how it ends."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from typing import Any

import pytest
from twisted.logger import capturedLogs
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from camd.cameras.camera import Camera
from camd.delivery.pacing import UnderWay
from camd.formats.live import ACKNOWLEDGE, PLACEHOLDER, REPEAT
from camd.frame import Frame, Stamp
from camd.rights import TO_COUNT
from camd.web.access.keys import Keys
from camd.web.limits import ViewerLimits
from camd.web.live.messages import LONGEST
from tests.fakes_camera import (
    EPOCH,
    KEY,
    FakeDaemon,
    FakePushSource,
    said,
    tiny_jpeg,
)
from tests.fakes_live import FakeLiveClient

LIVE = "/api/live"


# ---- Ahead of the upgrade


def test_a_key_is_needed() -> None:
    """As for everything else."""
    assert FakeLiveClient(FakeDaemon(), key="wrong").refused_with == 401


def test_the_key_must_be_for_pictures() -> None:
    """One for numbers opens nothing here."""
    daemon = FakeDaemon()
    keys = Keys({"monitor": KEY}, {"monitor": TO_COUNT})
    daemon.access.change(keys, None)
    assert FakeLiveClient(daemon).refused_with == 403


def test_what_is_no_websocket_is_told_so() -> None:
    """With the header that RFC 9110 15.5.22 wants."""
    line = FakeDaemon().ask(LIVE)
    assert line.status == 426
    assert line.headers["upgrade"] == "websocket"


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_other_methods(method: str) -> None:
    """They begin nothing."""
    assert FakeDaemon().ask(LIVE, method=method).status in (405, 426)


def test_an_unknown_camera() -> None:
    """There is nothing at its address."""
    assert FakeLiveClient(FakeDaemon(), "/api/door/live").refused_with == 404


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://camd", True),
        ("https://camd", True),
        ("https://camd:444", False),
        ("https://evil.example", False),
        ("http://camd.evil.example", False),
        ("http://camd@evil.example", False),
        ("http://camd:81", False),
        ("http://[", False),
        ("null", False),
        ("", False),
        ("https://friend.example", True),
    ],
)
def test_pages_of_other_sites(origin: str, allowed: bool) -> None:
    """A browser lets them connect, cookie and all, so camd must not."""
    daemon = FakeDaemon(origins=["https://friend.example"])
    client = FakeLiveClient(daemon, LIVE, ("Origin", origin))
    assert client.is_open == allowed
    assert client.refused_with == (None if allowed else 403)


def test_no_room_for_anybody() -> None:
    """Told ahead of the upgrade, with the time after which to come again."""
    daemon = FakeDaemon(limits=ViewerLimits(1, 0))
    daemon.ask("/api/robot/stream")
    client = FakeLiveClient(daemon)
    assert client.refused_with == 503
    assert b"Retry-After" in client.line.head


def test_no_camera_is_asked_once_there_is_room() -> None:
    """To ask each counts all viewers, and there may be hundreds of cameras."""
    daemon, asked = FakeDaemon("a", "b", "c"), []

    def refusal(camera: Camera, address: str) -> str | None:
        asked.append(camera.settings.name)
        return "full" if camera.settings.name == "a" else None

    daemon.live.refusal = refusal
    assert FakeLiveClient(daemon).is_open
    assert asked == ["a", "b"]


# ---- What is shown


def test_it_begins_with_the_cameras() -> None:
    """Names, numbers, states, and nothing is watched yet."""
    client = FakeLiveClient(FakeDaemon("robot", "door"))
    first = client.texts[0]
    assert first["live"] == 1
    assert [(c["name"], c["number"]) for c in first["cameras"]] == [
        ("robot", 1),
        ("door", 2),
    ]
    assert client.pictures == []


def test_a_picture() -> None:
    """Its header says all of it, and the JPEG is the camera's own."""
    client = FakeLiveClient(FakeDaemon())
    client.say(watch={"robot": {}})
    client.advance(0.1)
    picture = client.pictures[0]
    assert picture.jpeg == tiny_jpeg()
    assert (picture.camera, picture.rendition, picture.frame) == (1, 0, 1)
    assert (picture.width, picture.height) == (32, 24)
    assert picture.flags == ACKNOWLEDGE
    assert picture.captured == pytest.approx(EPOCH, abs=1)


def test_one_camera_is_watched_at_once() -> None:
    """At its own address, and no other can be."""
    client = FakeLiveClient(FakeDaemon("robot", "door"), "/api/door/live")
    client.say(watch={"door": {}, "robot": {}})
    client.advance(0.1)
    assert {picture.camera for picture in client.pictures} == {
        client.texts[0]["cameras"][0]["number"]
    }
    assert client.told("error") == ["no such camera: robot"]


def test_the_next_waits_for_the_first_acknowledgement() -> None:
    """Nothing is known of the link yet."""
    client = FakeLiveClient(FakeDaemon())
    client.say(watch={"robot": {}})
    client.advance(0.3)
    assert len(client.pictures) == 1
    client.ack(client.pictures[0])
    assert len(client.pictures) == 2


def test_all_pictures_come_while_they_are_acknowledged() -> None:
    """As many as the camera gives."""
    client = FakeLiveClient(FakeDaemon())
    client.say(watch={"robot": {}})
    client.advance(3, acks=True)
    assert len(client.pictures) >= 3 * 16 - 3


def test_two_cameras_on_one_connection() -> None:
    """Each with its own pictures; one that is dropped has none any more."""
    client = FakeLiveClient(FakeDaemon("robot", "door"))
    client.say(watch={"robot": {}, "door": {}})
    client.advance(1, acks=True)
    assert {picture.camera for picture in client.pictures} == {1, 2}
    client.say(watch={"door": {}})
    before = len(client.pictures)
    client.advance(1, acks=True)
    assert {picture.camera for picture in client.pictures[before:]} == {2}


def test_a_placeholder_has_a_flag() -> None:
    """And no number."""
    daemon = FakeDaemon(takes=None)
    client = FakeLiveClient(daemon)
    client.say(watch={"robot": {}})
    client.advance(4, acks=True)
    assert client.pictures[0].flags & PLACEHOLDER
    assert client.pictures[0].frame == 0


def test_the_clock_comes_back() -> None:
    """With camd's time."""
    client = FakeLiveClient(FakeDaemon())
    client.say(clock=12.5)
    answer = client.texts[-1]
    assert answer["clock"] == 12.5
    assert answer["time"] == client.daemon.environment.wall()


def test_rates_are_reported() -> None:
    """Every two seconds, with the age on the screen."""
    client = FakeLiveClient(FakeDaemon())
    client.say(watch={"robot": {}})
    client.advance(4.5, acks=True)
    rates = client.told("rates")
    assert len(rates) == 2
    assert rates[-1]["cameras"]["robot"]["fps"] == pytest.approx(16, rel=0.1)
    assert rates[-1]["cameras"]["robot"]["frame_age"] < 0.2


def test_a_pause_of_the_daemon_is_no_viewers_fault() -> None:
    """It reads what has come before it looks at its clock again."""
    daemon = FakeDaemon()
    FakeLiveClient(daemon).advance(1)
    now = daemon.environment.clock.seconds()
    assert daemon.live.lag(now) == pytest.approx(0, abs=0.05)
    assert daemon.live.lag(now + 0.4) == pytest.approx(0.3, abs=0.1)


def test_ages_are_counted() -> None:
    """For the metrics, and for the viewer's entry in the stats."""
    client = FakeLiveClient(FakeDaemon())
    client.say(watch={"robot": {}})
    client.advance(1, acks=True)
    assert client.daemon.camera.stats.viewer_age.upto()[-1] >= 10
    stats = client.daemon.ask("/api/robot/stream/stats").json
    assert stats["clients"][0]["screen_age"] < 0.2


def test_a_change_of_state_is_told() -> None:
    """At once, and why."""
    daemon = FakeDaemon()
    client = FakeLiveClient(daemon)
    client.say(watch={"robot": {}})
    client.advance(1, acks=True)
    daemon.environment.threads[0].takes = None
    client.advance(4, acks=True)
    assert "stalled" in [camera["state"] for camera in client.told("camera")]


def test_each_change_of_an_entry_is_told_once() -> None:
    """Whatever it is: the entry is made then, and not at other times."""
    daemon = FakeDaemon()
    client = FakeLiveClient(daemon)
    client.say(watch={"robot": {}})
    client.advance(1, acks=True)
    made: list[Camera] = []
    make = daemon.live.entry
    daemon.live.entry = lambda camera: made.append(camera) or make(camera)  # type: ignore
    client.advance(1, acks=True)
    assert (made, client.told("camera")) == ([], [])
    camera = daemon.camera
    camera.pipeline.capture.health.told_patience = 59.5
    client.advance(0.2, acks=True)
    settings = camera.settings.model_copy(update={"title": "Arm", "stream_fps": 8.0})
    camera.apply(settings, 1)
    client.advance(1, acks=True)
    patience, title = client.told("camera")
    assert patience["patience"] == 60
    assert (title["title"], title["fps"]) == ("Arm", 8)
    assert len(made) == 2


def test_one_viewer_too_many_is_told_so() -> None:
    """Of that camera; and has it when there is room."""
    daemon = FakeDaemon(max_viewers_per_camera=1)
    stream = daemon.ask("/api/robot/stream")
    client = FakeLiveClient(FakeDaemon("a", "b", max_viewers_per_camera=1))
    other = FakeLiveClient(client.daemon, "/api/a/live")
    client.say(watch={"a": {}, "b": {}})
    given = client.told("watch")[-1]
    assert given["a"] == {
        "refused": "this camera has 1 viewers already; try again later"
    }
    assert given["b"]["rendition"] == 0
    other.lose()
    client.advance(2.5, acks=True)
    assert client.told("watch")[-1]["a"]["rendition"] == 0
    assert stream.status == 200


def test_a_slow_client_is_sent_no_more() -> None:
    """What never acknowledges has a picture now and then, and is cut off in the end."""
    client = FakeLiveClient(FakeDaemon(stream_timeout=20))
    client.say(watch={"robot": {}})
    client.advance(15)
    assert len(client.pictures) < 8
    client.advance(10)
    assert client.line.transport.disconnected or client.line.transport.aborting


# ---- How it ends


BAD: list[tuple[Any, int, str]] = [
    ("{", 1007, "not a JSON object"),
    ("[1]", 1007, "not a JSON object"),
    ("[" * 4000, 1007, "not a JSON object"),
    ('{"clock": NaN}', 1007, "not a JSON object"),
    ('{"clock": true}', 1007, "bad clock: True is no number"),
    ('{"steer": 1}', 1007, "bad key: 'steer'"),
    ('{"ack": 1}', 1007, "bad ack: expected a list of pairs [camera, frame]"),
    (
        '{"ack": [[1]]}',
        1007,
        "bad ack: [1] is neither [camera, frame] nor [camera, frame, ms]",
    ),
    ('{"ack": [[1, -1]]}', 1007, "bad ack: [1, -1] are no whole numbers from 0"),
    ('{"ack": [[1, 2, -3]]}', 1007, "bad ack: -3 is no number of ms from 0"),
    ('{"ack": [[1, 2, true]]}', 1007, "bad ack: True is no number of ms from 0"),
    ('{"ack": [[1, 2, NaN]]}', 1007, "not a JSON object"),
    ('{"watch": []}', 1007, "bad watch: expected an object of cameras"),
    ('{"watch": {"robot": 1}}', 1007, "bad watch: 'robot': expected an object"),
    (
        '{"watch": {"robot": {"width": 0}}}',
        1007,
        "bad watch: 'robot': width: 0 is not a whole number from 1 to 65535",
    ),
    ('{"watch": {"robot": {"x": 0}}}', 1007, "bad watch: 'robot': bad key: 'x'"),
    (" " * (LONGEST + 1), 1009, "more than 16384 bytes"),
    (" " * 100_000, 1009, "more than 16384 bytes"),
    (b"binary", 1003, "not a text message"),
]


@pytest.mark.parametrize(("message", "code", "reason"), BAD)
def test_what_makes_no_sense(message: Any, code: int, reason: str) -> None:
    """It is told so, and the connection is closed."""
    client = FakeLiveClient(FakeDaemon())
    text = isinstance(message, str)
    client.send(TextMessage(message) if text else BytesMessage(message))
    client.read()
    assert client.closed == (code, reason)


def test_a_message_in_many_pieces_has_an_end() -> None:
    """Nothing is kept of one that goes on and on."""
    client = FakeLiveClient(FakeDaemon())
    for _ in range(4 * LONGEST // 1000):
        client.send(TextMessage(" " * 1000, message_finished=False))
    client.read()
    assert client.closed == (1009, "more than 16384 bytes")


@pytest.mark.parametrize("event", [TextMessage("{}"), Ping(b"x"), Pong(b"x")])
def test_too_many_messages(event: Any) -> None:
    """Of whatever kind, but for answers to camd's own PINGs."""
    client = FakeLiveClient(FakeDaemon())
    for _ in range(1000):
        client.send(event)
    client.read()
    assert client.closed == (1008, "too many messages")


def test_a_thousand_watches() -> None:
    """The camera is left as it was before."""
    client = FakeLiveClient(FakeDaemon())
    for number in range(1000):
        client.send(
            TextMessage(json.dumps({"watch": {"robot": {}} if number % 2 else {}}))
        )
    client.read()
    assert client.closed == (1008, "too many messages")
    client.lose()
    assert client.daemon.camera.viewers == {}


def test_a_frame_without_a_mask() -> None:
    """RFC 6455 5.1: the connection must be closed."""
    client = FakeLiveClient(FakeDaemon())
    client.send_raw(b"\x81\x02{}")
    client.read()
    assert client.closed is not None
    assert client.closed[0] == 1002


def test_acknowledgements_of_what_was_never_sent() -> None:
    """They do nothing."""
    client = FakeLiveClient(FakeDaemon())
    client.say(watch={"robot": {}})
    client.advance(0.1)
    client.say(ack=[[1, 99], [7, 1], [65536, 2**40], [1, 0]])
    assert client.closed is None
    assert len(client.pictures) == 1
    assert client.daemon.camera.stats.viewer_age.upto()[-1] == 0


def test_a_client_that_says_goodbye() -> None:
    """It is answered, and the connection is closed."""
    client = FakeLiveClient(FakeDaemon())
    client.say(watch={"robot": {}})
    client.send(CloseConnection(1000))
    client.read()
    assert client.closed == (1000, "")
    assert client.line.transport.disconnecting


def test_a_client_that_agrees_to_the_close() -> None:
    """The connection ends at once, whatever it has said before that."""
    client = FakeLiveClient(FakeDaemon())
    client.send(TextMessage("?"))
    client.read()
    client.send_raw(b"\x81\x80\0\0\0\0" * 3 + b"\x88")
    assert not client.line.transport.disconnecting
    client.send_raw(b"\x80\0\0\0\0")
    assert client.line.transport.disconnecting


def test_a_message_in_empty_pieces_has_an_end() -> None:
    """Nor is one kept that goes on and on and gets no longer."""
    client = FakeLiveClient(FakeDaemon())
    client.send(TextMessage("", message_finished=False))
    client.send_raw(b"\x00\x80\0\0\0\0" * (LONGEST + 1))
    client.read()
    assert client.closed == (1009, "more than 16384 bytes")


def test_a_lost_connection_makes_room() -> None:
    """For viewers, and for connections."""
    daemon = FakeDaemon()
    client = FakeLiveClient(daemon)
    client.say(watch={"robot": {}})
    client.lose()
    assert daemon.camera.viewers == {}
    assert not daemon.site.connections._open


def test_the_daemons_end() -> None:
    """It is told, so that a page comes again soon."""
    client = FakeLiveClient(FakeDaemon())
    client.say(watch={"robot": {}})
    client.advance(1, acks=True)
    client.daemon.camera.stopService()
    client.read()
    assert client.closed == (1001, "shutdown")


def test_the_access_line() -> None:
    """One at the end, without the query, in which a key may be."""
    daemon = FakeDaemon()
    with capturedLogs() as events:
        client = FakeLiveClient(daemon, f"{LIVE}?api_key={KEY}")
        client.say(watch={"robot": {}})
        client.lose()
    lines = [line for line in said(events) if "GET" in line]
    assert len(lines) == 1
    assert f"GET {LIVE} HTTP/1.1" in lines[0]
    assert KEY not in lines[0]


def test_a_heartbeat() -> None:
    """A PING in silence, so that no proxy gives the connection up."""
    client = FakeLiveClient(FakeDaemon(heartbeat_interval=5))
    before = len(client.events)
    client.advance(6)
    assert [e for e in client.events[before:] if isinstance(e, Ping)]


# ---- Pictures sent before, and smaller ones


def test_a_picture_that_comes_again_is_marked() -> None:
    """As after a pause: it is the one from before, and not a new one."""
    daemon = FakeDaemon()
    daemon.ask("/api/robot/stream")  # With nobody there, a new picture would be taken.
    client = FakeLiveClient(daemon)
    client.say(watch={"robot": {}})
    client.advance(3, acks=True)
    daemon.environment.threads[0].takes = None
    client.advance(0.3, acks=True)
    assert not any(picture.flags & REPEAT for picture in client.pictures)
    before = client.pictures
    client.say(watch={})
    client.say(watch={"robot": {}})
    client.advance(0.3)
    (again,) = client.pictures[len(before) :]
    assert again == before[-1]._replace(flags=ACKNOWLEDGE | REPEAT)


def test_the_same_picture_in_another_size_is_no_repeat() -> None:
    """It shows something that was not on the screen before."""
    client = FakeLiveClient(FakeDaemon(renditions=("1/2@60",)))
    client.say(watch={"robot": {}})
    client.advance(1, acks=True)
    client.daemon.environment.threads[0].takes = None
    client.advance(0.3, acks=True)
    client.say(watch={"robot": {"width": 16}})
    client.advance(0.3, acks=True)
    assert [picture.rendition for picture in client.pictures[-2:]] == [0, 1]
    assert client.pictures[-1].frame == client.pictures[-2].frame
    assert client.pictures[-1].flags == ACKNOWLEDGE


@pytest.mark.parametrize(("wish", "number"), [("on", 1), ("off", 0)])
def test_auto_to_save_data(wish: str, number: int) -> None:
    """Not the full size for who says that data costs."""
    daemon = FakeDaemon(renditions=("1/2@60",))
    daemon.environment.scaler.cuts = True
    client = FakeLiveClient(daemon, LIVE, ("Save-Data", wish))
    client.say(watch={"robot": {"auto": True}})
    client.advance(2, acks=True)
    assert {picture.rendition for picture in client.pictures} == {number}


def test_a_page_that_begins_slowly_has_the_full_size() -> None:
    """The first pictures are drawn late, as by any page; the link is not to blame."""
    names = [f"camera-{number}" for number in range(8)]
    daemon = FakeDaemon(*names, renditions=("1/2@60",))
    daemon.environment.scaler.cuts = True
    client = FakeLiveClient(daemon)
    client.say(watch={name: {"auto": True} for name in names})
    client.advance(0.3)
    client.advance(7, acks=True)
    assert {picture.rendition for picture in client.pictures} == {0}


def test_a_client_that_acknowledges_late_leaves_nothing_behind() -> None:
    """However long it goes on, there are no more frames, nor more that wait."""
    client = FakeLiveClient(FakeDaemon("robot", "door"))
    client.say(watch={"robot": {}, "door": {}})
    kept = []
    for _ in range(2):
        for _ in range(4):
            client.advance(1)
            client.ack_fresh()
        gc.collect()
        kept.append(sum(type(each) in (Frame, UnderWay) for each in gc.get_objects()))
    assert len(client.pictures) > 4
    assert kept[1] <= kept[0]


# ---- Whether a smaller rendition is what helps


def auto_client(*names: str, **others: Any) -> FakeLiveClient:
    """One that lets camd choose between the full size and half of it.

    :param names: the cameras.
    :param others: further cameras, and what is wanted of them.
    """
    daemon = FakeDaemon(*names, *others, renditions=("1/2@60",))
    daemon.environment.scaler.cuts = True
    client = FakeLiveClient(daemon)
    client.say(watch={name: {"auto": True} for name in names} | others)
    return client


def test_a_link_that_is_slow_at_once_has_no_time_to_settle() -> None:
    """A page that has just been opened is slow, but not that slow."""
    client = auto_client("robot")
    client.draw(3, each=0.5)
    assert client.draw(1.5, each=0.5) == {1}


def test_what_is_drawn_at_once_is_not_too_large() -> None:
    """What takes 25 ms may be the page's alone: smaller pictures are no help."""
    client = auto_client(*(f"camera-{number}" for number in range(8)))
    assert client.draw(12, each=0.025) == {0}


def test_what_gets_through_in_time_is_no_estimate() -> None:
    """A camera may have more than its share where the others leave it."""
    client = auto_client("robot", door={"fps": 1}, lift={"fps": 1})
    assert client.draw(12, each=0.07) == {0}


def honest(had: float) -> float:
    """What a client says that says what is."""
    return had


def liar(had: float) -> float:
    """What one says that wants the link to look fast."""
    return 1e300


def test_a_slow_client_that_says_so_keeps_the_full_size() -> None:
    """Smaller pictures are no help to what it needs for each; it has fewer."""
    client = auto_client("robot")
    assert client.draw(20, each=0.5, tells=honest) == {0}


@pytest.mark.parametrize("tells", [honest, liar])
def test_a_claim_makes_no_picture_younger(tells: Callable[[float], float]) -> None:
    """Nor does it bring more pictures than are drawn, or slow anybody beside it."""
    daemon = FakeDaemon()
    beside, client = FakeLiveClient(daemon), FakeLiveClient(daemon)
    beside.say(watch={"robot": {}})
    beside.advance(3, acks=True)
    client.say(watch={"robot": {}})
    [_, slow] = daemon.camera.viewers
    client.draw(6, each=0.5, tells=tells)
    beside.read()
    assert slow.screen_age is not None
    assert slow.screen_age >= 0.5
    assert len(client.pictures) <= 6 / 0.5 + 2


# ---- Pictures of another camd


def test_the_clock_of_its_pictures() -> None:
    """Cameras whose pictures another camd has dated tell the time there."""
    daemon = FakeDaemon("robot", "door")
    clock = daemon.environment.clock
    source = daemon.environment.push_source = FakePushSource(clock)
    settings = daemon.camera.settings.model_copy(update={"source": "http://192.0.2.1/"})
    daemon.camera.apply(settings, 2)
    client = FakeLiveClient(daemon)
    client.say(clock=1)
    assert "times" not in client.texts[-1]
    client.say(watch={"robot": {}})
    client.advance(1)
    stamp = Stamp(4711, EPOCH + 3600 + clock.seconds())
    source.send(stamp=stamp)
    client.advance(0.5)
    client.say(clock=2)
    assert client.told("times") == [{"robot": stamp.timestamp + 0.5}]
    assert (client.pictures[-1].frame, client.pictures[-1].captured) == stamp
    client.say(watch={"door": {}}, clock=3)
    assert client.told("times") == [{"robot": stamp.timestamp + 0.5}]
