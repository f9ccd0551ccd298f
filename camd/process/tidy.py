"""Collect reference cycles while few are watching.

The garbage collector runs so seldom (:mod:`camd.process.garbage`) that old objects are
as good as never looked at. camd leaves no reference cycles, but what it stands on does:
a TLS connection that was cut (Twisted's ``_flushReceiveBIO`` keeps its own failure),
with all of OpenSSL's buffers, and a camera's HTTP connection that has ended.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from twisted.application.internet import TimerService
from twisted.internet.interfaces import IReactorTime

EVERY = 300.0
"""Seconds between two collections. A TLS connection that was cut holds 13 to 60 KB
(measured)."""

FEW = 500
"""Viewers among whom one takes much less than a frame's time: it is 1.4 ms among 200,
10 ms among 500, 77 ms among 2,000 (measured)."""

PUT_OFF = 11
"""Times in a row that one is put off where there are more; then it is once an hour."""


class Tidy(TimerService):
    """
    Goes through all objects, seldom, and more seldom where many watch.

    :param active: tells how many viewers there are.
    :param collect: collects the garbage.
    """

    def __init__(
        self,
        active: Callable[[], int],
        clock: IReactorTime,
        collect: Callable[[], object] = gc.collect,
    ) -> None:
        super().__init__(EVERY, self._look)
        self.clock = clock
        self._active = active
        self._collect = collect
        self._put_off = 0

    def _look(self) -> None:
        if self._active() > FEW and self._put_off < PUT_OFF:
            self._put_off += 1
        else:
            self._put_off = 0
            self._collect()
