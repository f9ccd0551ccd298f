"""The table of states in docs/cameras.md, each with what it says and remembers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from camd.capture.backoff import Backoff
from camd.capture.health import LOOK_AGAIN, REASONS_MOST, Health, State
from camd.sources import SourceError
from tests.fakes_camera import GIVEN, said

TIMEOUT = 2
INTERVAL = 1 / 16


class Rig:
    """The supervision of a camera, without the camera."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.is_missing = False
        self.health = Health(
            "robot",
            TIMEOUT,
            self.clock,
            Backoff(lambda: 0),
            is_missing=lambda: self.is_missing,
        )

    @property
    def state(self) -> State:
        """What it says of the camera."""
        return self.health.state

    def fail(self, reason: str = "no such device") -> None:
        """Let a try fail."""
        self.health.failed(Failure(SourceError(reason)))

    def see(self) -> None:
        """Let a picture come from a camera that was opened for it."""
        self.health.seen(replace(GIVEN))

    def silence(self, seconds: float = TIMEOUT + 0.1) -> None:
        """Let no picture come for so long."""
        self.clock.advance(seconds)
        self.health.look(INTERVAL)


HAPPENINGS = {
    "a picture": Rig.see,
    "a failure": Rig.fail,
    "silence": Rig.silence,
    "released": lambda rig: rig.health.released(),
}

WAYS = {
    State.STARTING: (),
    State.LIVE: ("a picture",),
    State.STALLED: ("a picture", "silence"),
    State.OFFLINE: ("a failure",),
    State.IDLE: ("a picture", "released"),
}
"""State -> what leads there from the start."""

STARTING, LIVE, STALLED, OFFLINE, IDLE = State
TABLE = {
    STARTING: (LIVE, OFFLINE, STALLED, IDLE),
    LIVE: (LIVE, OFFLINE, STALLED, IDLE),
    STALLED: (LIVE, OFFLINE, STALLED, IDLE),
    # That it did not open is news until it does, whether anybody watches or not.
    OFFLINE: (LIVE, OFFLINE, OFFLINE, OFFLINE),
    IDLE: (LIVE, OFFLINE, IDLE, IDLE),
}
"""State -> what each of HAPPENINGS makes of it."""


@pytest.fixture
def rig() -> Rig:
    """The supervision of a camera that was not tried yet."""
    return Rig()


@pytest.mark.parametrize(
    ("begin", "happening", "end"),
    [
        (begin, happening, end)
        for begin, row in TABLE.items()
        for happening, end in zip(HAPPENINGS, row, strict=True)
    ],
)
def test_transitions(rig: Rig, begin: State, happening: str, end: State) -> None:
    """Whatever happens in whatever state leads where the table says."""
    for way in WAYS[begin]:
        HAPPENINGS[way](rig)
    assert rig.state is begin
    HAPPENINGS[happening](rig)
    assert rig.state is end


def test_lost_since_the_last_picture(rig: Rig) -> None:
    """What is lost counts from the last good picture, not from when it was noticed."""
    rig.clock.advance(5)
    rig.see()
    assert rig.health.lost_at is None
    rig.silence()
    assert (rig.state, rig.health.lost_at) == (State.STALLED, 5)


def test_lost_through_stalled_and_offline(rig: Rig) -> None:
    """The first loss counts, however often the camera fails after it."""
    rig.see()
    rig.silence()
    rig.fail("no picture came within 5 s")
    rig.clock.advance(7)
    rig.fail()
    assert (rig.state, rig.health.lost_at) == (State.OFFLINE, 0)


@pytest.mark.parametrize("happening", ["a picture", "released"])
def test_lost_no_more(rig: Rig, happening: str) -> None:
    """A picture ends it, and so does a release while it was only silent."""
    rig.see()
    rig.silence()
    HAPPENINGS[happening](rig)
    assert rig.health.lost_at is None


def test_never_seen(rig: Rig) -> None:
    """A camera that never opened is lost since it was first waited for."""
    rig.clock.advance(3)
    rig.health.wait()
    rig.clock.advance(1)
    rig.fail()
    assert rig.health.lost_at == 3


def test_a_pause_is_no_silence(rig: Rig) -> None:
    """What nobody waited for was not missing."""
    rig.see()
    rig.clock.advance(60)
    rig.health.wait()
    rig.silence(TIMEOUT - 0.1)
    assert rig.state is State.LIVE


def test_delays_grow(rig: Rig) -> None:
    """After each failure it may be tried again a bit later than after the last."""
    delays = []
    for _ in range(4):
        rig.fail()
        delays.append(rig.health.retry_in)
        rig.clock.advance(rig.health.retry_in)
        assert rig.health.retry_in == 0
    assert delays == [1, 2, 4, 8]


def test_a_missing_device_is_looked_for(rig: Rig) -> None:
    """As long as it is not there, it is looked for twice a second."""
    rig.is_missing = True
    for _ in range(20):
        rig.fail()
        assert (rig.health.missing, rig.health.retry_in) == (True, LOOK_AGAIN)
        rig.clock.advance(LOOK_AGAIN)
    rig.is_missing = False
    rig.fail("permission denied")
    assert (rig.health.missing, rig.health.retry_in) == (False, 1)


def test_reasons_are_said_once(rig: Rig) -> None:
    """Each reason of an outage is one line, however often it comes; then it is over."""
    with capturedLogs() as events:
        for reason in ["unplugged", "no such device", "no such device", "unplugged"]:
            rig.fail(reason)
        rig.see()
        rig.fail("unplugged")
    assert said(events) == [
        "Camera robot is offline: unplugged; trying again in 1.0 s",
        "Camera robot is offline: no such device; trying again in 2.0 s",
        "Camera robot is live: 32x24 at 30 fps, YUYV",
        "Camera robot is offline: unplugged; trying again in 1.0 s",
    ]


def test_reasons_without_end(rig: Rig) -> None:
    """A camera that always has another reason does not fill the log."""
    with capturedLogs() as events:
        for number in range(100):
            rig.fail(f"error {number}")
    assert len(events) == REASONS_MOST


def test_reopened(rig: Rig) -> None:
    """It is told when the camera was opened anew, but not the first time."""
    mode = replace(GIVEN)
    assert not rig.health.seen(mode)
    assert not rig.health.seen(mode)
    assert rig.health.seen(replace(GIVEN))
