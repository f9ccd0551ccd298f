"""What SECURITY.md promises is held by tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROMISES = [
    line.split("|")[1:-1]
    for line in (ROOT / "SECURITY.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and line.count("|") == 4 and "`" in line.split("|")[-2]
]


def test_there_are_promises() -> None:
    """The table is found."""
    assert len(PROMISES) > 15


@pytest.mark.parametrize("promise", PROMISES, ids=lambda cells: cells[0].strip()[:40])
def test_each_promise_names_its_tests(promise: list[str]) -> None:
    """Each file is there, and has tests in it."""
    _, _, held_by = promise
    files = re.findall(r"`((?:tests|e2e)/[a-z_/]+\.py)`", held_by)
    assert files
    for name in files:
        assert "def test_" in (ROOT / name).read_text("utf-8"), name
