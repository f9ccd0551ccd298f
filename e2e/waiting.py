"""Waiting for something to come true, for as long as needed and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds; far more than anything here takes on an idle machine."""


def until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """
    Call ``look`` until it returns something true, and return that.

    :param what: what is waited for, for the error.
    :raises AssertionError: when it does not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)
    return seen
