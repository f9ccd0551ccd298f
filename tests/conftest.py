"""What holds for every test: it changes nothing of the process that it runs in."""

from __future__ import annotations

import gc
import resource
import signal
from collections.abc import Iterator

import pytest


def process_state() -> tuple[object, ...]:
    """Return what a test could change for all tests behind it."""
    return (
        gc.isenabled(),
        gc.get_threshold(),
        gc.get_freeze_count(),
        resource.getrlimit(resource.RLIMIT_NOFILE),
        signal.getsignal(signal.SIGHUP),
    )


@pytest.fixture(autouse=True)
def process_untouched() -> Iterator[None]:
    """Fail a test that leaves the garbage collector or a limit other than it was."""
    before = process_state()
    yield
    assert process_state() == before
