"""What is told of a camera: which events, in which order, and what if that fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from camd.capture.health import State
from camd.hooks.hook import BACKLOG, TIMEOUT, Hook, HookError
from camd.stats import CameraStats
from tests.fakes import failures
from tests.fakes_camera import EPOCH, said


class Told:
    """A hook, and what it has told.

    :ivar events: what was told, in order, each as its body.
    :ivar under_way: what comes of the calls.
    :ivar cancelled: calls that were given up.
    """

    def __init__(self, target: str = "https://hooks.example/") -> None:
        self.clock = Clock()
        self.stats = CameraStats()
        self.events: list[dict[str, Any]] = []
        self.under_way: list[Deferred[None]] = []
        self.cancelled = 0
        self.hook = Hook(
            "robot",
            target,
            self.call,
            self.stats,
            self.clock,
            lambda: EPOCH + self.clock.seconds(),
        )

    def call(
        self, target: str, body: bytes, event: str, secret: bytes | None
    ) -> Deferred[None]:
        """Note the event, which the test tells the end of."""
        self.events.append(json.loads(body))
        assert self.events[-1]["event"] == event

        def cancel(_: object) -> None:
            self.cancelled += 1

        self.under_way.append(Deferred(cancel))
        return self.under_way[-1]

    def end(self, trouble: Exception | None = None) -> None:
        """End the call that is under way."""
        if trouble is None:
            self.under_way[-1].callback(None)
        else:
            self.under_way[-1].errback(trouble)
        self.clock.advance(0)

    @property
    def names(self) -> list[str]:
        """The names of what was told."""
        return [event["event"] for event in self.events]


def test_a_state() -> None:
    """It is told with the moment and the reason."""
    told = Told()
    told.clock.advance(5)
    told.hook.changed(State.STALLED, "no picture for 2.0 s")
    assert told.events == [
        {
            "event": "stalled",
            "camera": "robot",
            "time": EPOCH + 5,
            "why": "no picture for 2.0 s",
        }
    ]


def test_states_that_matter() -> None:
    """Idle is none, nor is a camera that is opened again and live as before."""
    told = Told()
    for state in (State.IDLE, State.LIVE, State.STARTING, State.LIVE, State.OFFLINE):
        told.hook.changed(state, "")
        if told.under_way and not told.under_way[-1].called:
            told.end()
    assert told.names == ["live", "offline"]


def test_viewers() -> None:
    """The first and the last are told, and no others."""
    told = Told()
    for before, now in ((0, 1), (1, 2), (2, 1), (1, 0)):
        told.hook.viewers(before, now)
    told.end()
    assert told.names == ["first_viewer", "last_viewer"]
    assert [event["viewers"] for event in told.events] == [1, 0]


def test_nobody_to_tell() -> None:
    """Without a target nothing is called; it may come later."""
    told = Told("")
    told.hook.viewers(0, 1)
    assert told.events == []
    told.hook.target = "true"
    told.hook.viewers(1, 0)
    assert told.names == ["last_viewer"]


def test_one_at_a_time() -> None:
    """The next waits for the end of the one before."""
    told = Told()
    told.hook.viewers(0, 1)
    told.hook.viewers(1, 0)
    assert told.names == ["first_viewer"]
    told.end()
    assert told.names == ["first_viewer", "last_viewer"]


def test_too_many() -> None:
    """The oldest of those that wait is dropped, and that is counted."""
    told = Told()
    for _ in range(2 + BACKLOG // 2):
        told.hook.viewers(0, 1)
        told.hook.viewers(1, 0)
    assert told.stats.hooks_dropped == 3
    while not told.under_way[-1].called:
        told.end()
    assert len(told.events) == 1 + BACKLOG
    assert told.names[-1] == "last_viewer"
    assert told.stats.hooks_called == 1 + BACKLOG


def test_one_that_hangs() -> None:
    """It is given up, and the next one is told."""
    told = Told()
    told.hook.viewers(0, 1)
    told.hook.viewers(1, 0)
    with capturedLogs() as events:
        told.clock.advance(TIMEOUT)
        told.clock.advance(0)
    assert said(events) == ["Camera robot: on_event failed: it took more than 10 s"]
    assert (told.cancelled, told.names[-1]) == (1, "last_viewer")


def test_failures() -> None:
    """The same one is logged once until it works again; all are counted."""
    told = Told()
    with capturedLogs() as events:
        for trouble in ("no", "no", None, "no", "nobody"):
            told.hook.viewers(0, 1)
            told.end(HookError(trouble) if trouble else None)
    assert said(events) == [
        "Camera robot: on_event failed: no",
        "Camera robot: on_event failed: no",
        "Camera robot: on_event failed: nobody",
    ]
    assert (told.stats.hooks_called, told.stats.hooks_failed) == (5, 4)


def test_what_nobody_foresaw() -> None:
    """It is logged whole, and the next one is told."""
    told = Told()
    with capturedLogs() as events:
        told.hook.viewers(0, 1)
        told.end(RuntimeError("odd"))
        told.hook.viewers(1, 0)
    assert failures(events) == ["odd"]
    assert told.names[-1] == "last_viewer"


def test_the_end() -> None:
    """What is under way is given up without a word, and nothing follows."""
    told = Told()
    told.hook.viewers(0, 1)
    told.hook.viewers(1, 0)
    with capturedLogs() as events:
        told.hook.stop()
        told.clock.advance(0)
        told.hook.viewers(0, 1)
    assert (said(events), told.names) == ([], ["first_viewer"])
    assert not told.clock.getDelayedCalls()


@pytest.mark.parametrize("target", ["", "true"])
def test_no_target_any_more(target: str) -> None:
    """What waits is told to the new one, or to nobody."""
    told = Told()
    told.hook.viewers(0, 1)
    told.hook.viewers(1, 0)
    told.hook.target = target
    told.end()
    assert len(told.events) == (2 if target else 1)
