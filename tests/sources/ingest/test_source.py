"""A camera that is pushed to: who counts, how old its pictures are, and the limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from camd.formats.multipart import Part
from camd.frame import Stamp
from camd.rights import Principal, Right
from camd.sources import Receiver, Source, SourceError
from camd.sources.ingest.source import MOST, SAID, Ingest, Pusher
from tests.fakes_camera import EPOCH, said, tiny_jpeg

ROBOT = Principal("robot", frozenset({Right.PUSH}), b"robot")


class FakeReceiver(Receiver):
    """Keeps what it is told.

    :ivar pictures: each with the time at which it was taken.
    :ivar stamps: what another camd calls them.
    :ivar told: everything else, in order.
    """

    def __init__(self) -> None:
        self.pictures: list[tuple[bytes, float]] = []
        self.stamps: list[Stamp | None] = []
        self.told: list[str] = []

    def opened(self, format: str, fps: float | None = None) -> None:
        """Keep it."""
        self.told.append(f"opened {format}")

    def picture(self, jpeg: bytes, captured: float, stamp: Stamp | None = None) -> None:
        """Keep it."""
        self.pictures.append((jpeg, captured))
        self.stamps.append(stamp)

    def heard(self) -> None:
        """Keep it."""
        self.told.append("heard")

    def upstream(self, state: str, why: str | None) -> None:
        """Keep it."""
        self.told.append(f"upstream is {state}")

    def placeholder(self, jpeg: bytes, timestamp: float) -> None:
        """Keep it."""
        self.told.append(f"placeholder of {timestamp - EPOCH:g}")

    def waits(self, reason: str) -> None:
        """Keep it."""
        self.told.append(f"waits: {reason}")

    def failed(self, error: SourceError) -> None:
        """Keep it."""
        self.told.append(f"failed: {error}")

    def fall_back(self, new_source: Callable[[], Source]) -> None:
        """Fail: nothing is ever pulled."""
        raise AssertionError


class Pushed:
    """A camera at 10 fps that is pushed to.

    :ivar cut: who was hung up on, and how.
    """

    def __init__(self, is_started: bool = True) -> None:
        self.clock = Clock()
        self.receiver = FakeReceiver()
        self.ingest = self.new()
        self.cut: list[str] = []
        if is_started:
            self.ingest.start(self.receiver, 10)

    def new(self) -> Ingest:
        """Another one like it."""
        return Ingest("arm", 10, self.clock, lambda: EPOCH + self.clock.seconds())

    def pusher(self, who: str = "one", principal: Principal = ROBOT) -> Pusher:
        """Let somebody in."""

        def cut(status: bytes, reason: str) -> None:
            self.cut.append(f"{who}: {status.decode()}: {reason}")

        pusher = Pusher(who, principal, cut, self.clock.seconds())
        self.ingest.enter(pusher)
        return pusher

    def send(
        self, pusher: Pusher, *jpegs: bytes, stays: bool = True, **headers: str
    ) -> None:
        """Push these pictures; a good one if there are none."""
        fields = {
            name.replace("_", "-").encode(): value.encode()
            for name, value in headers.items()
        }
        parts = [Part(fields, jpeg) for jpeg in jpegs or (tiny_jpeg(),)]
        self.ingest.take(pusher, parts, stays=stays)

    def post(self, who: str = "one") -> None:
        """Push one picture, and leave."""
        pusher = self.pusher(who)
        self.send(pusher, stays=False)
        self.ingest.leave(pusher)


@pytest.fixture
def pushed() -> Iterator[Pushed]:
    """A camera that is started, and nothing raised into its log."""
    with capturedLogs() as events:
        yield Pushed()
    assert not [event for event in events if "log_failure" in event]


NOBODY = "waits: nobody pushes; send JPEGs by POST to /api/arm/push"


def test_nobody_pushes(pushed: Pushed) -> None:
    """The address to push to is in the reason."""
    assert pushed.receiver.told == [NOBODY]


def test_somebody_pushes(pushed: Pushed) -> None:
    """The newest of the pictures that come together is handed on."""
    one = pushed.pusher()
    pushed.send(one, b"1", b"2")
    pushed.clock.advance(1)
    pushed.send(one, b"3")
    assert pushed.receiver.told[1:] == ["opened MJPG"]
    assert pushed.receiver.pictures == [(b"2", 0), (b"3", 1)]
    assert one.pictures == 3


def test_a_pusher_leaves(pushed: Pushed) -> None:
    """The camera waits for the next one, and the log says how it went."""
    one = pushed.pusher()
    pushed.send(one, b"1", b"2")
    pushed.clock.advance(4)
    with capturedLogs() as events:
        pushed.ingest.leave(one, "connection lost")
        pushed.ingest.leave(one, "again")
    assert pushed.receiver.told[2:] == [NOBODY]
    assert said(events) == [
        "Camera arm: one stopped pushing after 4.0 s, 2 pictures: connection lost"
    ]


def test_a_pusher_without_a_picture(pushed: Pushed) -> None:
    """It takes over from nobody, and nobody notes that it leaves."""
    one, two = pushed.pusher(), pushed.pusher("two")
    pushed.send(one)
    pushed.ingest.leave(two, "connection lost")
    assert (pushed.cut, len(pushed.receiver.told)) == ([], 2)


def test_the_newest_pusher_counts(pushed: Pushed) -> None:
    """The one before is hung up on, and its later pictures would take over again."""
    one, two = pushed.pusher(), pushed.pusher("two")
    pushed.send(one)
    pushed.send(two, b"2")
    assert pushed.cut == ["one: 409 Conflict: somebody else pushes to this camera now"]
    pushed.ingest.leave(one, "connection lost")
    pushed.send(two, b"3")
    assert [jpeg for jpeg, _ in pushed.receiver.pictures][1:] == [b"2", b"3"]


def test_two_that_take_turns(pushed: Pushed) -> None:
    """It is said once of each pair, and of so many pairs."""
    with capturedLogs() as events:
        for _ in range(5):
            for who in ("one", "two"):
                pushed.send(pushed.pusher(who))
    lines = [line for line in said(events) if "takes over" in line]
    assert lines == [
        "Camera arm: two takes over from one",
        "Camera arm: one takes over from two",
    ]
    with capturedLogs() as events:
        for number in range(2 * SAID):
            pushed.send(pushed.pusher(f"{number}"))
    assert sum("takes over" in line for line in said(events)) == SAID - 2


def test_pictures_one_by_one(pushed: Pushed) -> None:
    """Each is a request of its own; the log has one line for all."""
    with capturedLogs() as events:
        for _ in range(5):
            pushed.post()
    assert said(events) == ["Camera arm: one pushes single pictures"]
    assert len(pushed.receiver.pictures) == 5
    assert pushed.cut == []
    assert str(pushed.ingest.why_silent(3)).startswith(
        "no picture for 3.0 s; nobody pushes"
    )


def test_one_picture_in_chunks(pushed: Pushed) -> None:
    """Its end is no news: the next one may come the same way."""
    one = pushed.pusher()
    pushed.send(one)
    with capturedLogs() as events:
        pushed.ingest.leave(one)
    assert (said(events), pushed.receiver.told[2:]) == ([], [])


def test_a_picture_takes_over_from_a_stream(pushed: Pushed) -> None:
    """Then there is no stream any more."""
    pushed.send(pushed.pusher())
    pushed.post("two")
    assert len(pushed.cut) == 1


def test_a_silent_stream(pushed: Pushed) -> None:
    """It is named."""
    pushed.send(pushed.pusher())
    assert str(pushed.ingest.why_silent(3)) == "no picture for 3.0 s; one is connected"


def test_it_is_stopped(pushed: Pushed) -> None:
    """Those that push are told, and what comes meanwhile is kept for the next start."""
    one = pushed.pusher()
    pushed.send(one)
    assert pushed.ingest.stop().called
    assert pushed.cut == ["one: 408 Request Timeout: no good picture came; push again"]
    pushed.clock.advance(1)
    pushed.send(pushed.pusher("two"), b"2")
    pushed.clock.advance(1)
    pushed.ingest.start(pushed.receiver, 10)
    assert pushed.receiver.pictures[1:] == [(b"2", 1)]
    assert pushed.receiver.told[2:] == []


def test_another_source_takes_its_place(pushed: Pushed) -> None:
    """Who pushes notices nothing of a reload."""
    one = pushed.pusher()
    pushed.send(one)
    former, pushed.ingest = pushed.ingest, pushed.new()
    pushed.ingest.adopt(former)
    former.stop()
    receiver = FakeReceiver()
    pushed.ingest.start(receiver, 10)
    pushed.send(one, b"2")
    assert (pushed.cut, receiver.told) == ([], [])
    assert receiver.pictures == [(b"2", 0)]


def test_some_are_hung_up_on(pushed: Pushed) -> None:
    """Those whose key is gone, for one."""
    pushed.send(pushed.pusher())
    pushed.pusher("two", Principal("guest", frozenset()))
    pushed.ingest.cut_all(b"401 Unauthorized", "gone", lambda who: who is ROBOT)
    assert pushed.cut == ["one: 401 Unauthorized: gone"]
    assert pushed.receiver.told[-1] == NOBODY


# ---- When a picture was taken


@pytest.mark.parametrize(
    ("timestamp", "age"),
    [
        (f"{EPOCH + 8:.6f}", 2),
        (f"{EPOCH + 12}", 0),
        ("0", EPOCH + 10),
        ("nan", 0),
        ("-inf", 0),
        ("inf", 0),
        ("1e400", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_its_sender_says_when_it_was_taken(
    pushed: Pushed, timestamp: str, age: float
) -> None:
    """It is never younger than that, and never taken in the future."""
    pushed.clock.advance(10)
    pushed.send(pushed.pusher(), x_timestamp=timestamp)
    assert pushed.receiver.pictures[0][1] == pytest.approx(10 - age)


def test_another_camd_pushes(pushed: Pushed) -> None:
    """Its pictures keep their number and time."""
    pushed.clock.advance(10)
    pushed.send(pushed.pusher(), x_frame="7", x_timestamp=f"{EPOCH + 9}")
    assert pushed.receiver.pictures[0][1] == 9
    assert pushed.receiver.stamps == [(7, EPOCH + 9)]


def test_another_camd_without_a_picture(pushed: Pushed) -> None:
    """Its placeholders are not shown as pictures, until there are some again."""
    one = pushed.pusher()
    pushed.send(one, x_frame="0", x_timestamp=f"{EPOCH}", x_camera_state="offline")
    pushed.send(one, x_frame="0", x_timestamp=f"{EPOCH}", x_camera_state="offline")
    assert pushed.receiver.pictures == []
    assert pushed.receiver.told[2:] == [
        "upstream is offline",
        "placeholder of 0",
        "placeholder of 0",
    ]
    pushed.send(one)
    assert pushed.receiver.told[5:] == ["upstream is live"]


# ---- Limits


def test_too_many_at_once(pushed: Pushed) -> None:
    """Each may hold a picture in memory."""
    pushers = [pushed.pusher() for _ in range(MOST)]
    assert pushed.ingest.refusal() == "8 pushes to this camera are under way already"
    pushed.ingest.leave(pushers[0])
    assert pushed.ingest.refusal() is None


def test_too_many_a_second(pushed: Pushed) -> None:
    """Twice the camera's rate, and no more."""
    begun = 0
    for _ in range(400):
        begun += pushed.ingest.refusal() is None
        pushed.clock.advance(1 / 40)
    assert 200 <= begun <= 221
    assert pushed.ingest.refusal() is None
    while (refusal := pushed.ingest.refusal()) is None:
        pass
    assert refusal == "more than 20 pictures a second; push them in one stream"
