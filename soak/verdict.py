"""What must hold at the end of a soak, and for what reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from e2e.rude import HUNG_UP
from soak.process import course
from soak.report import part
from soak.rude import RUDE

if TYPE_CHECKING:
    from soak.process import Sample
    from soak.soaked import Soaked

GROWTH = 8.0
"""Megabytes by which the last third's median may lie above the second's. One picture of
20 KB kept for each viewer makes 70 in a third of ten minutes. What is no leak made 3
to 6 (measured): addresses of wrong keys, up to 10,000; TLS connections that were cut,
until they are collected; freed memory, which the C library keeps up to 16 MB of. What
a reload leaves is too little to be seen here; tests/test_reload.py looks at that."""

POOL = 10
"""Threads of Twisted's own pool, which draws placeholders. They are made when they are
wanted, and stay."""

OLD = 5.0
"""Seconds after which a picture is no new one any more, whatever this machine does
besides; a good one is there within some 20 ms."""

EXPECTED = {
    RUDE: {HUNG_UP},
    "wrong keys": {"401"},
    "wrong keys of one": {"401", "429"},
    "/api/robot/snapshot": {"200", "503"},
}
"""The answers that are right for each address; for all others only 200 is."""


def problems(soaked: Soaked) -> Iterator[str]:
    """Say what was not as it must be, one line each."""
    yield from _held(soaked)
    yield from _logged(soaked)
    yield from (f"a viewer was cut off: {cut}" for cut in soaked.crowd["cut"])
    late = part(soaked.crowd["late"], 1)
    for seen, age in (("by its number", soaked.oldest), ("by its time", late)):
        if age > OLD:
            yield f"a picture was {age:.1f} s old when it came as new ({seen})"
    for path, codes in soaked.crowd["answers"].items():
        if wrong := set(codes) - EXPECTED.get(path, {"200"}):
            yield f"{path} was answered {', '.join(sorted(wrong))}"


def _held(soaked: Soaked) -> Iterator[str]:
    _, second, last = course([sample.rss for sample in soaked.during]).thirds
    if last > second + GROWTH:
        yield f"memory grows: {second:.1f} MB, then {last:.1f} MB"
    before, after = soaked.before, soaked.after
    if not as_before(before, after):
        yield (
            f"{after.files} open files and {after.threads} threads at the end; "
            f"{before.files} and {before.threads} at the start"
        )


def as_before(before: Sample, after: Sample) -> bool:
    """Whether no file and no thread is left over, but for the pool's."""
    return after.files <= before.files and after.threads <= before.threads + POOL


def _logged(soaked: Soaked) -> Iterator[str]:
    for word in ("Traceback", "Unhandled"):
        for line in re.findall(f".*{word}.*", soaked.log)[:3]:
            yield f"the log has: {line}"
    if any(secret in soaked.log for secret in soaked.secrets):
        yield "the log has a key"
    read = len(re.findall("Reload: (?:the settings are|nothing has)", soaked.log))
    if read != soaked.reloads:
        yield f"told {soaked.reloads} times to read its settings, it did {read} times"
