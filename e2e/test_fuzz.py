"""A minute of hostile input, while somebody watches who must not notice."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from typing import Any

from e2e.client import ask, stats, watching
from e2e.conftest import Start
from e2e.dawdlers import COUNT, dawdling
from e2e.fuzz import PROXY
from e2e.waiting import until

REQUEST_TIME = 30
"""Seconds that a request has to be complete."""

SECONDS = float(os.environ.get("CAMD_FUZZ_SECONDS", "60"))
"""How long it goes on. Half an hour finds more: CAMD_FUZZ_SECONDS=1800."""


def attack(port: int, key: str, seed: int) -> dict[str, Any]:
    """Run the attacks in a process of their own, so that the watcher has its time."""
    arguments = [str(port), key, str(SECONDS), str(seed)]
    done = subprocess.run(
        [sys.executable, "-m", "e2e.fuzz", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def test_hostile_input_disturbs_nobody(start: Start) -> None:
    """A stream that ran throughout has lost no frame, and nothing got through."""
    seed = random.randrange(2**32)
    print("seed", seed)
    settings = {"max_viewers": 20, "trusted_proxies": [PROXY]}
    daemon = start({"robot": {"source": "pattern"}}, **settings)
    with watching(daemon) as (watcher,), dawdling(daemon) as dawdlers:
        outcome = attack(daemon.port, daemon.key, seed)
        until(lambda: len(dawdlers.closed) == COUNT, "all who dawdle are gone")
        numbers = [seen.number for seen in watcher.frames()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), seed
        assert watcher.trouble is None, seed
        assert len(numbers) > 5 * SECONDS, seed
        (mine,) = (c for c in stats(daemon)["clients"] if c["user_agent"] == "e2e")
        assert mine["skipped"] == 0, seed
    assert min(dawdlers.closed) >= REQUEST_TIME - 1
    print(json.dumps(outcome))
    assert sum(outcome["made"].values()) > 5 * SECONDS
    assert set(outcome["codes"]) >= {"200", "400", "401", "404", "405"}
    assert not [code for code in outcome["codes"] if code == "500"], seed
    assert outcome["strange"] == [], seed
    until(lambda: stats(daemon)["active_clients"] == 0, "nobody watches")
    assert ask(daemon, "/healthz", headers={}).status == 200
    # What a terminal would obey, and what would be a second line, is in no line.
    assert not re.search(r"[^\n\x20-\x7e]", daemon.log), seed
    assert not re.search(r"(?m)^X-Injected", daemon.log), seed
