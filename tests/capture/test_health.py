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


class HealthHarness:
    """The health of a camera, without the camera."""

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
        self.health.seen(replace(GIVEN), self.clock.seconds())

    def silence(self, seconds: float = TIMEOUT + 0.1) -> None:
        """Let no picture come for so long."""
        self.clock.advance(seconds)
        self.health.check_stall(INTERVAL, str)


HAPPENINGS = {
    "a picture": HealthHarness.see,
    "a failure": HealthHarness.fail,
    "silence": HealthHarness.silence,
    "released": lambda harness: harness.health.released(),
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
def harness() -> HealthHarness:
    """The health of a camera that was not tried yet."""
    return HealthHarness()


@pytest.mark.parametrize(
    ("begin", "happening", "end"),
    [
        (begin, happening, end)
        for begin, row in TABLE.items()
        for happening, end in zip(HAPPENINGS, row, strict=True)
    ],
)
def test_transitions(
    harness: HealthHarness, begin: State, happening: str, end: State
) -> None:
    """Whatever happens in whatever state leads where the table says."""
    for way in WAYS[begin]:
        HAPPENINGS[way](harness)
    assert harness.state is begin
    HAPPENINGS[happening](harness)
    assert harness.state is end


def test_lost_since_the_last_picture(harness: HealthHarness) -> None:
    """What is lost counts from the last good picture, not from when it was noticed."""
    harness.clock.advance(5)
    harness.see()
    assert harness.health.lost_at is None
    harness.silence()
    assert (harness.state, harness.health.lost_at) == (State.STALLED, 5)


def test_lost_through_stalled_and_offline(harness: HealthHarness) -> None:
    """The first loss counts, however often the camera fails after it."""
    harness.see()
    harness.silence()
    harness.fail("no picture came within 5 s")
    harness.clock.advance(7)
    harness.fail()
    assert (harness.state, harness.health.lost_at) == (State.OFFLINE, 0)


@pytest.mark.parametrize("happening", ["a picture", "released"])
def test_lost_no_more(harness: HealthHarness, happening: str) -> None:
    """A picture ends it, and so does a release while it was only silent."""
    harness.see()
    harness.silence()
    HAPPENINGS[happening](harness)
    assert harness.health.lost_at is None


def test_never_seen(harness: HealthHarness) -> None:
    """A camera that never opened is lost since it was first waited for."""
    harness.clock.advance(3)
    harness.health.wait()
    harness.clock.advance(1)
    harness.fail()
    assert harness.health.lost_at == 3


def test_a_pause_is_no_silence(harness: HealthHarness) -> None:
    """What nobody waited for was not missing."""
    harness.see()
    harness.clock.advance(60)
    harness.health.wait()
    harness.silence(TIMEOUT - 0.1)
    assert harness.state is State.LIVE


def test_delays_grow(harness: HealthHarness) -> None:
    """After each failure it may be tried again a bit later than after the last."""
    delays = []
    for _ in range(4):
        harness.fail()
        delays.append(harness.health.retry_in)
        harness.clock.advance(harness.health.retry_in)
        assert harness.health.retry_in == 0
    assert delays == [1, 2, 4, 8]


def test_a_missing_device_is_looked_for(harness: HealthHarness) -> None:
    """As long as it is not there, it is looked for twice a second."""
    harness.is_missing = True
    for _ in range(20):
        harness.fail()
        assert (harness.health.missing, harness.health.retry_in) == (True, LOOK_AGAIN)
        harness.clock.advance(LOOK_AGAIN)
    harness.is_missing = False
    harness.fail("permission denied")
    assert (harness.health.missing, harness.health.retry_in) == (False, 1)


def test_reasons_are_said_once(harness: HealthHarness) -> None:
    """Each reason of an outage is one line, however often it comes; then it is over."""
    with capturedLogs() as events:
        for reason in ["unplugged", "no such device", "no such device", "unplugged"]:
            harness.fail(reason)
        harness.see()
        harness.fail("unplugged")
    assert said(events) == [
        "Camera robot is offline: unplugged; trying again in 1.0 s",
        "Camera robot is offline: no such device; trying again in 2.0 s",
        "Camera robot is live: 32x24 at 30 fps, YUYV",
        "Camera robot is offline: unplugged; trying again in 1.0 s",
    ]


def test_reasons_without_end(harness: HealthHarness) -> None:
    """A camera that always has another reason does not fill the log."""
    with capturedLogs() as events:
        for number in range(100):
            harness.fail(f"error {number}")
    assert len(events) == REASONS_MOST


def test_reopened(harness: HealthHarness) -> None:
    """It is told when the camera was opened again, but not the first time."""
    mode, now = replace(GIVEN), harness.clock.seconds()
    assert not harness.health.seen(mode, now)
    assert not harness.health.seen(mode, now)
    assert harness.health.seen(replace(GIVEN), now)


@pytest.mark.parametrize(("gaps", "patience"), [([3, 3], 6), ([0.1, 30], TIMEOUT)])
def test_slow_cameras_are_given_two_of_their_intervals(
    harness: HealthHarness, gaps: list[float], patience: float
) -> None:
    """What a camera does twice is its pace; one gap is none."""
    harness.see()
    for gap in gaps:
        harness.clock.advance(gap)
        harness.see()
    assert harness.health.patience == patience


def test_who_comes_is_no_interval(harness: HealthHarness) -> None:
    """What lies between a first viewer and the next picture is no pace of a camera."""
    for _ in range(3):
        harness.see()
        harness.clock.advance(30)
    harness.health.wait()
    harness.clock.advance(1)
    harness.see()
    assert harness.health.patience == 60


def test_the_pace_that_another_camd_knows(harness: HealthHarness) -> None:
    """Its word holds until the way to it is lost."""
    harness.health.told_patience = 60
    harness.clock.advance(60)
    harness.health.seen(replace(GIVEN), captured=30)
    assert (harness.state, harness.health.patience) == (State.LIVE, 60)
    harness.fail()
    assert harness.health.patience == TIMEOUT


def test_what_a_camera_is_asked_for_is_its_pace() -> None:
    """A camera that is asked for a picture every five seconds is given ten."""
    clock = Clock()
    health = Health("robot", TIMEOUT, clock, Backoff(lambda: 0), asked_fps=0.2)
    assert health.patience == 10


def test_an_old_picture_is_no_sign_of_life(harness: HealthHarness) -> None:
    """A picture that is old when it comes leaves its camera stalled since then."""
    harness.clock.advance(60)
    with capturedLogs() as events:
        harness.health.seen(replace(GIVEN), captured=35)
    assert (harness.state, harness.health.lost_at) == (State.STALLED, 35)
    assert said(events) == ["Camera robot is stalled: its picture is 25.0 s old"]


def test_the_moment_of_a_stall_is_told_ahead(harness: HealthHarness) -> None:
    """The next check can be made at that moment."""
    harness.see()
    harness.clock.advance(0.5)
    assert harness.health.check_stall(INTERVAL, str) == TIMEOUT - 0.5
