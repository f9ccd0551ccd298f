"""Twisted's reactor, with a shorter way to what is read and written.

With one camera and one viewer the process sleeps between two frames, and finds nothing
in the processor's caches when it wakes up: each Python call then costs some 3 µs
(measured). Twisted makes 25 of them for each frame: ten to note for its log what is
read, as "system", which camd's log does not show, and the others for a turn of the
reactor, in which there is nothing to do.
"""

from __future__ import annotations

import sys
from heapq import heappop, heappush
from select import EPOLLIN

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import installReactor
from twisted.python import log
from twisted.python.failure import Failure

LONGEST = 2147483.0
"""Seconds that are waited at the most; more milliseconds than an ``int`` holds are none
that ``epoll_wait`` takes."""


class FrameReactor(EPollReactor):
    """Reads and writes until a call is due, and only then makes a turn."""

    def doPoll(self, timeout: float | None) -> None:
        """Wait for something to read or write, and for more until a call is due.

        :param timeout: seconds until the first call is due; None for no call at all.
        """
        while True:
            wait = -1 if timeout is None else timeout
            events = self._poller.poll(wait, len(self._selectables))
            if not events:
                return
            for descriptor, event in events:
                # One that was read before it may have closed it.
                selectable = self._selectables.get(descriptor)
                if selectable is None:
                    continue
                if event == EPOLLIN:
                    self._read(selectable)
                else:
                    self._doReadOrWrite(selectable, descriptor, event)
            timeout = self.timeout()
            is_done = self._justStopped or not self.running
            if timeout == 0 or self.threadCallQueue or is_done:
                return

    doIteration = doPoll

    def _read(self, selectable: IReadDescriptor) -> None:
        """Read one that has something to read, and nothing else."""
        why: BaseException | Failure | None
        try:
            why = selectable.doRead()
        except BaseException as error:
            log.err()
            why = error
        if why:
            self._disconnectSelectable(selectable, why, True)

    def timeout(self) -> float | None:
        """Return the seconds until the next call is due; None for no call at all.

        A call that was cancelled, or put off, wakes nobody at the moment at which it
        had been due.
        """
        if self._newTimedCalls:
            self._insertNewDelayedCalls()
        calls = self._pendingTimedCalls
        while calls and (calls[0].cancelled or calls[0].delayed_time > 0):
            call = heappop(calls)
            if call.cancelled:
                self._cancellations -= 1
            else:
                call.activate_delay()
                heappush(calls, call)
        if not calls:
            return None
        return min(max(0.0, calls[0].time - self.seconds()), LONGEST)


def install() -> None:
    """Make this the process's reactor, unless somebody has chosen another one."""
    if "twisted.internet.reactor" not in sys.modules:
        installReactor(FrameReactor())
