"""Keep Python's garbage collector and C's allocator out of the way of frames."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime

from camd.periodic import PeriodicCall

YOUNG = 20_000
"""New objects until the collector looks at the young ones: those of some 100 viewers,
which takes 1 ms (measured)."""

OLD = 1000
"""Collections of the middle generation until the collector looks at all objects."""

KEEP = 16 * 1024 * 1024
"""Bytes of freed memory that are kept: room for some frames, raw and encoded. Also the
least that is asked of the kernel by itself, and always given back: a raw picture of
2560x1440 has 11 million."""

COLLECT_EVERY = 300.0
"""Seconds between two full collections. A TLS connection that was cut holds 13 to 60 KB
(measured)."""

FEW_VIEWERS = 500
"""Viewers up to which a full collection takes much less than a frame's time: 1.4 ms
with 200 of them, 10 ms with 500, 77 ms with 2,000 (measured)."""

POSTPONED_MOST = 11
"""Times in a row that a full collection is postponed while there are more viewers: then
there is one an hour."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
"""The names of those settings for mallopt(3)."""


def tune_memory() -> None:
    """Collect garbage less often, and give memory back to the kernel less eagerly.

    Both are for good, and for the whole process: call it once, at its start.
    """
    # Left to itself, the collector looks at all objects again and again, and thousands
    # of viewers are a million of them: at 3,000 viewers its pauses were up to 240 ms,
    # three frames long, and took 6 % of all CPU (measured).
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, OLD)
    # The C library gives the memory of each frame back to the kernel, only to get it
    # again, page by page and cleared, for the next one: 13 % of the CPU of a daemon
    # with one viewer (measured).
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        # What was only needed to start is given back before.
        libc.malloc_trim(0)
        libc.mallopt(_M_TRIM_THRESHOLD, KEEP)
        # Once the other one is set, this stays at 128 KB unless it is set as well; each
        # raw picture was new memory then: 30 % of the CPU of a camera that is drawn or
        # decoded (measured).
        libc.mallopt(_M_MMAP_THRESHOLD, KEEP)


class GarbageCollection(Service):
    """Collect reference cycles from time to time, less often with many viewers.

    By itself the collector looks at old objects too seldom to matter. camd leaves no
    reference cycles, but the libraries below it do: a TLS connection that was cut
    (Twisted's ``_flushReceiveBIO`` keeps its own failure), with all of OpenSSL's
    buffers, and a camera's HTTP connection that has ended.

    :param viewers: returns how many viewers there are.
    :param collect: collects the garbage.
    """

    def __init__(
        self,
        viewers: Callable[[], int],
        clock: IReactorTime,
        collect: Callable[[], object] = gc.collect,
    ) -> None:
        self._calls = PeriodicCall(self._collect_or_postpone, clock)
        self._viewers = viewers
        self._collect = collect
        self._postponed = 0

    def startService(self) -> None:
        """Collect, and begin to do so again and again."""
        super().startService()
        self._calls.start(COLLECT_EVERY)

    def stopService(self) -> None:
        """Collect no more."""
        super().stopService()
        self._calls.end()

    def _collect_or_postpone(self) -> None:
        if self._viewers() > FEW_VIEWERS and self._postponed < POSTPONED_MOST:
            self._postponed += 1
        else:
            self._postponed = 0
            self._collect()
