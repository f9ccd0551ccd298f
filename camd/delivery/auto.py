"""Which rendition of a camera fits a viewer's link: large where it can be, never late.

It goes down at once and up with care. What decides is the bandwidth: after a step down
pictures are fresh again, and one that looks at their age alone goes up and down for
ever. Nothing here does I/O or knows a clock.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_LATENESS = 1.0
"""Seconds; a picture that is older on the screen is late."""

SHARE = 0.8
"""Share of the bandwidth that pictures may take: it varies, and others need some."""

FULL = 0.85
"""Share from which on a rendition is too large, if that lasts."""

LASTS = 1.0
"""Seconds that it must last: one picture may have been held up."""

LATE = 3
"""Late acknowledgements in a row that are no accident."""

ROOM_FOR = 10.0
"""Seconds of room for the next larger rendition until it is tried."""

ROOM_MOST = 120.0
"""The same after tries that failed, at the most; each doubles it."""


class AutoRendition:
    """The choice for one viewer.

    :ivar number: of the rendition chosen; the larger ones come first.
    :ivar fps: pictures a second that are to be kept up.

    :param max_lateness: seconds that a picture may take to the screen.
    """

    def __init__(self, fps: float, max_lateness: float, now: float) -> None:
        self.number = 0
        self.fps = fps
        self._max_lateness = max_lateness
        self._wait = ROOM_FOR
        self._went_up_at: float | None = None
        self._fits_since = self._lacks_room_at = now
        self._went_down_at = now - LASTS

    def choose(
        self,
        sizes: Sequence[int],
        bandwidth: float,
        at_best: float,
        round_trip: float,
        late: int,
        now: float,
    ) -> int:
        """Return the rendition to send from now on.

        :param sizes: bytes of a picture in each, the largest first; not empty.
        :param bandwidth: bytes a second that this viewer can have.
        :param at_best: the same, if all the time that is not known to be the link's
            were the viewer's own.
        :param round_trip: seconds.
        :param late: acknowledgements in a row that came late.
        """
        self.number = min(self.number, len(sizes) - 1)
        size = sizes[self.number]
        if size * self.fps <= FULL * bandwidth:
            self._fits_since = now
        too_large = now - self._fits_since > LASTS
        takes = size / bandwidth + round_trip
        is_late = late >= LATE and now - self._went_down_at > LASTS
        if is_late or too_large or takes > self._max_lateness:
            self._go_down(sizes, bandwidth, now)
        elif self.number and sizes[self.number - 1] * self.fps <= SHARE * at_best:
            if now - self._lacks_room_at > self._wait:
                self.number -= 1
                self._went_up_at = self._fits_since = self._lacks_room_at = now
        else:
            self._lacks_room_at = now
        went_up_at = self._went_up_at
        if went_up_at is not None and now - went_up_at > ROOM_FOR:
            self._went_up_at, self._wait = None, ROOM_FOR
        return self.number

    def _go_down(self, sizes: Sequence[int], bandwidth: float, now: float) -> None:
        """Take the largest that fits; one smaller at least, if there is one."""
        if self._went_up_at is not None:
            self._went_up_at = None
            self._wait = min(2 * self._wait, ROOM_MOST)
        most = SHARE * bandwidth / self.fps
        fit = [number for number, size in enumerate(sizes) if size <= most]
        smallest = len(sizes) - 1
        self.number = min(smallest, max(self.number + 1, min(fit, default=smallest)))
        self._fits_since = self._lacks_room_at = self._went_down_at = now
