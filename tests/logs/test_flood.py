"""No flood of lines: some at once, then one a second, and the rest counted."""

from __future__ import annotations

import gc
import weakref

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, formatEvent

from camd.logs.flood import BURST, MOST_KINDS, Flood

WALL = 1.8e9


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves."""
    return Clock()


@pytest.fixture
def flood(clock: Clock) -> Flood:
    """With nothing said yet."""
    return Flood(clock.seconds)


def event(
    namespace: str = "camd.cameras.camera", form: str = "Client {n}", **more: object
) -> LogEvent:
    """An event."""
    return {
        "log_namespace": namespace,
        "log_format": form,
        "log_level": LogLevel.info,
        "log_time": WALL,
        **more,
    }


def let_through(flood: Flood, count: int, **fields: str) -> int:
    """How many of so many lines are written."""
    return sum(flood.admits(event(n=n, **fields)) for n in range(count))


def test_some_at_once(flood: Flood) -> None:
    """A page with its cameras can open, and each viewer has its line."""
    assert let_through(flood, BURST) == BURST
    assert flood.held(WALL) == []


def test_then_one_a_second(flood: Flood, clock: Clock) -> None:
    """However many come, one a second is written after the first ones."""
    written = 0
    for _ in range(600):
        written += let_through(flood, 7)
        clock.advance(1 / 16)
    assert written == pytest.approx(BURST + 600 / 16, abs=1)


def test_slow_lines_are_never_held(flood: Flood, clock: Clock) -> None:
    """One a second may go on for ever."""
    for _ in range(5 * BURST):
        assert flood.admits(event())
        clock.advance(1)


@pytest.mark.parametrize(
    "namespace",
    [
        "camd.refused",
        "twisted.internet.tcp.Port",
        "twisted.protocols._sni",
        "twisted.web.http.HTTPChannel",
    ],
)
def test_what_anybody_can_bring_about(
    flood: Flood, clock: Clock, namespace: str
) -> None:
    """It comes once a second from the first line on."""
    written = []
    for _ in range(64):
        written.append(let_through(flood, 10, namespace=namespace))
        clock.advance(1 / 16)
    assert written == [1, *[0] * 15] * 4


def test_after_the_flood(flood: Flood, clock: Clock) -> None:
    """When it has ended, as many may come at once as before."""
    let_through(flood, 1000)
    clock.advance(BURST)
    assert let_through(flood, 1000) == BURST


def test_kinds_are_apart(flood: Flood) -> None:
    """A flood of one kind holds nothing of another back."""
    let_through(flood, 1000)
    assert flood.admits(event(form="Camera is gone"))
    assert flood.admits(event(namespace="camd.capture.loop"))


def test_what_was_held_back_is_told(flood: Flood, clock: Clock) -> None:
    """One line for each kind says how many, once."""
    let_through(flood, BURST + 30)
    let_through(flood, 5, namespace="camd.refused", form="Refused {n}")
    clock.advance(4)
    lines = flood.held(WALL)
    assert [formatEvent(line) for line in lines] == [
        "Held back 30 lines of this kind in 4 s: Client <n>",
        "Held back 4 lines of this kind in 4 s: Refused <n>",
    ]
    assert [line["held"] for line in lines] == [30, 4]
    assert {line["log_time"] for line in lines} == {WALL}
    assert {line["log_level"] for line in lines} == {LogLevel.info}
    assert flood.held(WALL) == []


def test_one_line_was_held_back(flood: Flood) -> None:
    """It is told in the singular, by the names of what would be filled in."""
    let_through(flood, 2, namespace="camd.refused", form='{client} "{path!r}" {n:.1f}')
    (line,) = flood.held(WALL)
    said = 'Held back 1 line of this kind in 0 s: <client> "<path>" <n>'
    assert formatEvent(line) == said


def test_it_keeps_no_events(flood: Flood) -> None:
    """What was held back is let go of, and with it requests and tracebacks."""

    class Request:
        pass

    request = Request()
    gone = weakref.ref(request)
    let_through(flood, BURST)
    assert not flood.admits(event(request=request))
    del request
    gc.collect()
    assert gone() is None


def test_kinds_have_an_end(flood: Flood) -> None:
    """Formats that are made up do not fill the memory, and do not get through."""
    written = sum(flood.admits(event(form=f"made up {n}")) for n in range(5000))
    assert written == MOST_KINDS + BURST
    assert len(flood.held(WALL)) == 1
