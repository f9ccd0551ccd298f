"""One event is one line, as text or as JSON, whatever is in it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import LogEvent, LogLevel, capturedLogs
from twisted.python.failure import Failure

from camd.logs.lines import (
    CUT,
    FORMS,
    LONGEST,
    LONGEST_TRACEBACK,
    Form,
    json_line,
    level_of,
    one_line,
    text_line,
)
from tests.fakes_camera import FakeDaemon

WALL = 1_800_000_000.25
"""2027-01-15T08:00:00.250Z."""

HOSTILE = [
    "a\nb",
    "a\r\n2027-01-15T08:00:00+0000 [camd#info] forged",
    "\x1b[2J\x1b]0;title\x07",
    "left\u202eright\u2066",
    "zero\u200bwidth\ufeff",
    "\x85\u2028\u2029\x0b\x0c\x1c",
    "\x00\x7f\x9b31m",
    "lone \udcff surrogate",
    '"}\n{"level": "critical"',
]


def event(message: str = "words", **fields: object) -> LogEvent:
    """An event as Twisted's Logger makes it."""
    return {
        "log_time": WALL,
        "log_level": LogLevel.info,
        "log_namespace": "camd.test",
        "log_format": "{text}",
        "text": message,
        **fields,
    }


def failed(message: str, **fields: object) -> LogEvent:
    """An event with a failure whose exception says this."""
    try:
        raise ValueError(message)
    except ValueError:
        return event(log_failure=Failure(), **fields)


def masked(text: str) -> str:
    """A mask that knows one secret."""
    return text.replace("s3cret", "***")


# ---- Text


def test_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time with its zone, namespace, level and message stand in one line."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    line = text_line(event(), str)
    monkeypatch.undo()
    time.tzset()
    assert line == "2027-01-15T17:00:00+0900 [camd.test#info] words"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_one_line(text: str) -> None:
    """What is not printable stands there as an escape."""
    line = text_line(event(text), str)
    assert line.isprintable()
    assert line.splitlines() == [line]


def test_the_text_of_a_failure() -> None:
    """Each line of a traceback begins with a tab, even where it was made up."""
    line = text_line(failed("bad\n2027 [camd#info] forged\x1b[31m"), str)
    first, *rest = line.split("\n")
    assert first.endswith("[camd.test#info] words")
    assert rest[0] == "\tTraceback (most recent call last):"
    assert all(piece.startswith("\t") for piece in rest)
    assert all(piece[1:].isprintable() for piece in rest)
    assert any("ValueError: bad" in piece for piece in rest)


def test_printable_text_is_kept() -> None:
    """Other languages are no reason for escapes."""
    assert one_line("Tür größer 門 é") == "Tür größer 門 é"


def test_escapes() -> None:
    """An escape tells which character was there."""
    assert one_line("\x1b\n\u202e") == r"\x1b\n\u202e"


# ---- JSON


def test_json() -> None:
    """The event's own simple fields follow the four that are always there."""
    line = json_line(
        event(camera="robot", frames=3, age=0.5, ok=True, reason=None, other=object()),
        str,
    )
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "info",
        "namespace": "camd.test",
        "message": "words",
        "text": "words",
        "camera": "robot",
        "frames": 3,
        "age": 0.5,
        "ok": True,
        "reason": None,
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_json_stays_one_object(text: str) -> None:
    """It is ASCII in one line, and no terminal is moved by what is read out of it."""
    line = json_line(event(text), str)
    assert line.isascii()
    assert line.isprintable()
    told = json.loads(line)
    assert told["message"].isprintable()
    assert told["level"] == "info"


def test_fields_cannot_pass_for_camds() -> None:
    """A field named like one of those that are always there does not replace it."""
    forged = {"level": "forged", "message": "forged", "time": 0, "namespace": "x"}
    line = json_line({**event(), **forged}, str)
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("info", "words")
    assert told["time"].startswith("2027")
    assert told["namespace"] == "camd.test"


def test_numbers_that_json_has_not() -> None:
    """They stand there as text, so that every parser takes the line."""
    line = json_line(event(age=float("nan"), rate=float("inf")), str)
    told = json.loads(line, parse_constant=pytest.fail)
    assert (told["age"], told["rate"]) == ("nan", "inf")


def test_the_json_of_a_failure() -> None:
    """A traceback is a field, with real line ends in it."""
    line = json_line(failed("bad\x1b"), str)
    told = json.loads(line)
    assert told["traceback"].startswith("Traceback (most recent call last):\n")
    assert told["traceback"].endswith(r"ValueError: bad\x1b")


# ---- Both


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_secrets_are_masked(form: Form) -> None:
    """In the message, in the fields and in the traceback."""
    line = form(failed("has s3cret in it", text="s3cret", address="/s3cret"), masked)
    assert "s3cret" not in line
    assert "has *** in it" in line


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_lines_end(form: Form) -> None:
    """Long ones are cut: the message, each field and the traceback."""
    line = form(failed("x" * 100_000, text="y" * 100_000, more="z" * 100_000), str)
    assert len(line) < 3 * LONGEST + LONGEST_TRACEBACK + 1000
    assert CUT in (json.loads(line)["message"] if form is json_line else line)


def test_a_secret_at_the_cut() -> None:
    """The mask comes first: no half of a secret is left where a text is cut."""
    line = text_line(event("y" * (LONGEST - 3) + "s3cret"), masked)
    assert "s3c" not in line


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"log_format": "{missing}", "log_time": WALL},
        {"log_format": b"\xff", "log_time": WALL},
        {"log_format": "{x!z}", "x": 1, "log_level": LogLevel.error},
    ],
)
def test_odd_events(form: Form, odd: LogEvent) -> None:
    """Whatever is logged makes a line, and fails for nobody."""
    assert len(form(odd, str).split("\n")) == 1


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_text_is_one_line(message: str, field: object) -> None:
    """There is no text that breaks a line, in either form."""
    told = event(message, field=field)
    assert text_line(told, str).isprintable()
    assert json.loads(json_line(told, str))["level"] == "info"


# ---- What the documentation says of the fields

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def told() -> list[dict[str, object]]:
    """The JSON lines of a house where somebody watches and leaves, and one is lost."""
    with capturedLogs() as events:
        house = FakeDaemon()
        stream = house.ask("/api/robot/stream", "User-Agent: VLC/3.0.24")
        house.environment.run(1)
        house.environment.threads[0].takes = None
        house.environment.run(5)
        stream.lose()
        house.ask("/api/cameras")
        house.ask("/nothing", key=None)
    return [json.loads(json_line(event, str)) for event in events]


def test_a_stream_has_a_line_when_it_ends(told: list[dict[str, object]]) -> None:
    """It tells whose stream of which camera that was, how long, and why it ended."""
    (line,) = (line for line in told if "duration" in line)
    assert (line["camera"], line["address"]) == ("robot", "192.168.1.1")
    assert (line["frames"], line["reason"]) == (17, "closed by the client")


def test_refusals_are_apart(told: list[dict[str, object]]) -> None:
    """What was answered and what was refused are told by namespaces of their own."""
    answers = {line["namespace"]: line["status"] for line in told if "status" in line}
    assert answers == {"camd.access": 200, "camd.refused": 401}


def test_the_documentation_names_the_fields(told: list[dict[str, object]]) -> None:
    """Every field of these lines stands in the table, each behind its namespace."""
    text = "\n".join(path.read_text() for path in sorted(DOCS.glob("operations*.md")))
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    for line in told:
        for field in line:
            assert any(f"`{field}`" in row.split(" | ")[0] for row in rows), field


@pytest.mark.parametrize(
    ("namespace", "level", "seen"),
    [
        ("log_legacy", LogLevel.info, LogLevel.debug),
        ("twisted.scripts._twistd_unix.UnixAppLogger", LogLevel.info, LogLevel.debug),
        ("twisted.internet.tcp.Port", LogLevel.warn, LogLevel.warn),
        ("twisted.web.http", LogLevel.critical, LogLevel.critical),
        ("camd.cameras", LogLevel.info, LogLevel.info),
    ],
)
def test_what_twisted_says_of_itself(
    namespace: str, level: LogLevel, seen: LogLevel
) -> None:
    """Its own doings are for those who debug; what goes wrong there is for all."""
    assert level_of({"log_namespace": namespace, "log_level": level}) == seen


def test_connections_not_accepted_are_warned_of() -> None:
    """That no file is left for a connection is said, though Twisted calls it info."""
    event = {
        "log_namespace": "twisted.internet.tcp.Port",
        "log_level": LogLevel.info,
        "log_format": "EMFILE encountered; releasing reserved file descriptor.",
    }
    assert level_of(event) == LogLevel.warn
