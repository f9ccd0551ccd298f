"""Memory, kept out of the way of frames: Python's collector and C's allocator."""

from __future__ import annotations

import ctypes
import gc

YOUNG = 20_000
"""New objects until the young ones are gone through: some 100 viewers' worth; 1 ms."""

OLD = 1000
"""Rounds among the middle-aged until all objects are gone through."""

KEEP = 16 * 1024 * 1024
"""Bytes of freed memory that are kept: room for some frames, raw and encoded."""

_M_TRIM_THRESHOLD = -1
"""The name of that setting for mallopt(3)."""


def tune_memory() -> None:
    """Collect garbage less often, and give memory back less eagerly."""
    _collect_less()
    _keep_freed_memory()


def _collect_less() -> None:
    # Left to itself it goes through all objects again and again, and thousands of
    # viewers are a million of them: at 3,000 viewers its pauses were up to 240 ms,
    # three frames long, and took 6 % of all CPU (measured).
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, OLD)


def _keep_freed_memory() -> None:
    # The C library gives the memory of each frame back to the kernel, only to be
    # handed it again, page by page and cleared, for the next one: of all the CPU of a
    # daemon with one viewer, 13 % went there (measured).
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEEP)
