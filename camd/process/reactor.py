"""Twisted's reactor, with a shorter way to what is read and written.

With one camera and one viewer the process sleeps between two frames, and finds nothing
in the processor's caches when it wakes up: each Python call then costs some 3 µs
(measured). Twisted makes 25 of them for each frame: ten to note for its log what is
read, as "system", which camd's log does not show, and the others for a turn of the
reactor, in which there is nothing to do.
"""

from __future__ import annotations

import sys

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor


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
                if selectable is not None:
                    self._doReadOrWrite(selectable, descriptor, event)
            timeout = self.timeout()
            is_done = self._justStopped or not self.running
            if timeout == 0 or self.threadCallQueue or is_done:
                return

    doIteration = doPoll


def install() -> None:
    """Make this the process's reactor, unless somebody has chosen another one."""
    if "twisted.internet.reactor" not in sys.modules:
        installReactor(FrameReactor())
