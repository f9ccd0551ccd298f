"""One event as one line, as text or as JSON, whatever is in it.

Much of what is logged was said by somebody else: a client's name for itself, a path,
a camera's error. None of it can begin a line of its own, move a terminal's cursor or
turn the text around: what is not printable stands there as an escape.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TypeAlias

from twisted.logger import LogEvent, LogLevel, formatEvent, formatTime

Mask: TypeAlias = Callable[[str], str]
"""Takes the secrets out of a text."""

LONGEST = 4000
"""Characters of one message or field; a longer one is cut."""

LONGEST_TRACEBACK = 20_000
"""Characters of one traceback; a longer one is cut."""

CUT = "..."
"""What stands at the end of a text that was cut."""

_INTERNAL = ("twisted.", "log_legacy")
"""How the namespaces of Twisted's own lines begin."""

_NOT_ACCEPTED = ("EMFILE", "Could not accept")
"""How Twisted's lines begin that tell why connections are not accepted."""

_OWN = ("time", "level", "namespace", "message", "traceback")
_LEGACY = ("system", "format", "isError", "failure")
"""What twisted.python.log adds to its events."""

_TAKEN = frozenset((*_OWN, *_LEGACY))


def text_line(event: LogEvent, mask: Mask) -> str:
    """Return an event as text: ``2026-01-31T12:00:00+0100 [camd.tap#info] words``.

    A traceback follows on lines that each begin with a tab; nothing else makes more
    than one line.
    """
    at = formatTime(event.get("log_time"))
    place = f"{event.get('log_namespace', '-')}#{level_of(event).name}"
    message = clean(formatEvent(event), mask)
    traceback = _traceback(event, mask).replace("\n", "\n\t")
    return f"{at} [{one_line(place)}] {message}" + (traceback and f"\n\t{traceback}")


def json_line(event: LogEvent, mask: Mask) -> str:
    """Return an event as one JSON object, in ASCII.

    It holds ``time`` (ISO 8601, UTC), ``level``, ``namespace`` and ``message``, then
    those of the event's own fields that are a text, a number, true, false or null, and
    ``traceback`` if there is one.
    """
    seconds = event.get("log_time", 0.0)
    at = datetime.fromtimestamp(seconds, timezone.utc)
    told: dict[str, object] = {
        "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": level_of(event).name,
        "namespace": str(event.get("log_namespace", "-")),
        "message": clean(formatEvent(event), mask),
    }
    told.update(_fields(event, mask))
    if traceback := _traceback(event, mask):
        told["traceback"] = traceback
    return json.dumps(told)


Form: TypeAlias = Callable[[LogEvent, Mask], str]

FORMS: Mapping[str, Form] = MappingProxyType({"text": text_line, "json": json_line})
"""What ``log_format`` may be."""


def level_of(event: LogEvent) -> LogLevel:
    """Return an event's level; one without a level is there to be read.

    Twisted's own lines are for debugging, but for those about connections that it could
    not accept: these are for operators.
    """
    level: LogLevel = event.get("log_level") or LogLevel.info
    form = str(event.get("log_format", ""))
    if level == LogLevel.info and form.startswith(_NOT_ACCEPTED):
        level = LogLevel.warn
    is_internal = level == LogLevel.info and str(
        event.get("log_namespace", "")
    ).startswith(_INTERNAL)
    return LogLevel.debug if is_internal else level


def clean(text: str, mask: Mask) -> str:
    """Make a text fit for a line: without secrets, printable, and not endless."""
    shown = one_line(mask(text))
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + CUT


def one_line(text: str) -> str:
    r"""Replace what is not printable with escapes such as ``\x1b`` and ``\u202e``.

    That is by Unicode: line ends, controls, marks that turn text around, and lone
    surrogates.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def _fields(event: LogEvent, mask: Mask) -> dict[str, object]:
    return {
        name: _value(value, mask)
        for name, value in event.items()
        if name not in _TAKEN
        and not name.startswith("log_")
        and isinstance(value, str | int | float | None)
    }


def _value(value: str | float | None, mask: Mask) -> object:
    if isinstance(value, str):
        return clean(value, mask)
    # JSON has no such numbers.
    is_odd = isinstance(value, float) and not math.isfinite(value)
    return str(value) if is_odd else value


def _traceback(event: LogEvent, mask: Mask) -> str:
    """Return the traceback, each of its lines printable; empty where there is none."""
    failure = event.get("log_failure")
    if failure is None:
        return ""
    try:
        told = failure.getTraceback()
    except Exception as error:
        told = f"no traceback: {type(error).__name__}"
    lines = map(one_line, mask(told.rstrip()).split("\n"))
    text = "\n".join(lines)
    return text if len(text) <= LONGEST_TRACEBACK else text[:LONGEST_TRACEBACK] + CUT
