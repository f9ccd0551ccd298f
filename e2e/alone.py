"""Tests that need the machine for themselves, while others run beside each other."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER = Path(tempfile.gettempdir())


@contextmanager
def turn(alone: bool) -> Iterator[None]:
    """
    Wait until a test may run, and hold its place until it has ended.

    Tests run beside each other. One that is alone waits until those under way have
    ended, and all others wait for it, whichever process they run in.

    :param alone: whether nothing else may run meanwhile.
    """
    with _lock("running") as running:
        # While one waits in here no other test begins; else there would always be one.
        with _lock("next") as following:
            fcntl.flock(following, fcntl.LOCK_EX)
            fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@contextmanager
def _lock(name: str) -> Iterator[int]:
    """Open a file that can be locked, which closing it undoes."""
    path = _FOLDER / f"camd-e2e-{os.getuid()}-{name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
