"""The short form of ``make fleet``: origins, Redis, edges, a balancer, and trouble."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fleet.__main__ import measured, parsed
from fleet.network import why_no_network

SHORT = ["--viewers=60", "--times=1", "--away=6", "--watch=5", "--cameras=32"]


@pytest.mark.alone
def test_a_fleet_lives_through_trouble(tmp_path: Path) -> None:
    """Each trouble once: viewers are back in time, and none saw what was not so.

    What a picture costs is printed, and not asserted: machines differ in that.
    """
    missing = why_no_network()
    if missing is not None:
        pytest.skip(missing)
    assert shutil.which("redis-server"), "redis-server is missing"
    rows = list(measured(parsed(SHORT), tmp_path))
    for row in rows:
        print(f"{row.what}: {row.seen}")
    missed = [row for row in rows if not row.met and not row.is_cost]
    assert missed == []
    assert len(rows) == 13
