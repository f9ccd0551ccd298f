"""No flood of lines: of each kind some at once, then one a second, the rest counted.

A kind is what one place in the code says: its namespace and its format. What somebody
without a key can bring about (requests that are refused, and what Twisted says of
connections that misbehave) comes once a second at the most, from the first line on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import LogEvent

from camd.token_bucket import TokenBucket

BURST = 20
"""Lines of a kind that may come at once: a page that is opened, cameras at start."""

PER_SECOND = 1.0
"""Lines of a kind that may come each second after that."""

ANYBODY = (
    "camd.refused",
    "camd.web.",
    "twisted.internet.tcp.",
    "twisted.protocols.",
    "twisted.web.",
)
"""How the namespaces begin of what anybody can bring about; its burst is 1."""

MOST_KINDS = 1000
"""Kinds that are told apart; there are far fewer. All others count as one."""

Kind = tuple[str, str]

_FIELD = re.compile(r"\{(\w*)[^{}]*\}")

_KEPT = ("log_level", "log_namespace", "log_format")


@dataclass(slots=True)
class _Tally:
    """What became of one kind: lines that are still admitted, and lines held back."""

    bucket: TokenBucket
    held: int = 0
    since: float = 0.0
    last: LogEvent | None = None


class Flood:
    """Decides which lines are written.

    :param clock: returns seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tallies: dict[Kind, _Tally] = {}

    def admits(self, event: LogEvent) -> bool:
        """Whether this line is written; if not, it is counted."""
        kind = str(event.get("log_namespace")), str(event.get("log_format"))
        now, burst = self._clock(), 1 if kind[0].startswith(ANYBODY) else BURST
        if kind not in self._tallies and len(self._tallies) >= MOST_KINDS:
            kind = "", ""
        tally = self._tallies.get(kind)
        if tally is None:
            bucket = TokenBucket(PER_SECOND, burst, now)
            tally = self._tallies[kind] = _Tally(bucket)
        if tally.bucket.take(now):
            return True
        if not tally.held:
            tally.since = now
        tally.held += 1
        # Not all of it: that would keep requests, and the frames of tracebacks.
        tally.last = {name: event.get(name) for name in _KEPT}
        return False

    def held(self, wall: float) -> list[LogEvent]:
        """Return a line for each kind of which some were held back, and count again.

        :param wall: the time of these lines, in Unix seconds.
        """
        now, told = self._clock(), []
        for tally in self._tallies.values():
            if tally.last is not None:
                summary = _summary(tally.last, tally.held, now - tally.since)
                told.append({**summary, "log_time": wall})
                tally.held, tally.last = 0, None
        return told


def _summary(last: LogEvent, held: int, seconds: float) -> LogEvent:
    lines = "line" if held == 1 else "lines"
    return {
        **last,
        "log_format": f"Held back {{held}} {lines} of this kind in"
        " {seconds:.0f} s: {kind}",
        "held": held,
        "seconds": round(seconds, 3),
        # What was filled in may be anybody's; the names of the fields are our own.
        "kind": _FIELD.sub(r"<\1>", str(last["log_format"])),
    }
