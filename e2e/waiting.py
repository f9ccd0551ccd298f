"""Waiting for something to come true, for as long as needed and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds until a wait is broken off. Nothing promises them: what camd promises, a test
says in seconds of its own. Firefox takes up to 52 until its first picture where twenty
other programs want the same two cores (measured)."""


def until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """Call ``look`` until it returns something true, and return that.

    :param what: what is waited for, for the error.
    :raises AssertionError: when it does not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)
    return seen
