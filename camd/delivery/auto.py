"""Which rendition of a camera fits a viewer's link: large where it can be, never late.

It goes down at once and up with care. What decides is the bandwidth: after a step down
pictures are fresh again, and one that looks at their age alone goes up and down for
ever. But a small picture that passes at once says little of a larger one, so a step up
is a try. One that fails is not repeated for a minute: on a link that gets better and
worse all the time there are two changes a minute, and not more.

Nothing here does I/O or knows a clock.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_LATENESS = 1.0
"""Seconds; a picture that is older on the screen is late."""

SHARE, FULL = 0.8, 0.95
"""Share of the bandwidth that a rendition may take for a step up to it, and to stay or
to be fallen to: links vary, and others need some."""

LASTS = 1.0
"""Seconds that a rendition must be too large to be left: one picture may have been held
up."""

LATE = 3
"""Late acknowledgements in a row that are no accident."""

ROOM_FOR = (10.0, 60.0, 120.0)
"""Seconds of room for the next larger rendition until it is tried: when no try has
failed since the last one that held, when one has, when more have."""

ROOM_NEXT = 3.0
"""The first of these behind a step up: a link that has got better is used in 20 s."""

HOLDS = 30.0
"""Seconds that a step up must hold; one that is undone before that has failed."""


class _Room:
    """Room for the next larger rendition, by one estimate of the bandwidth.

    :ivar lacked_at: when there was none, the last time.
    :ivar failed: tries for which it was the reason, and which failed, since one held.
    :ivar failed_to: the rendition of the last one.
    """

    def __init__(self, now: float) -> None:
        self.lacked_at = now
        self.failed = self.failed_to = 0

    def wait(self, *, went_up: bool) -> float:
        """Return the seconds that there must be room until the next try."""
        if went_up and not self.failed:
            return ROOM_NEXT
        return ROOM_FOR[min(self.failed, len(ROOM_FOR) - 1)]


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
        # By the bandwidth, and by the one at best.
        self._rooms = _Room(now), _Room(now)
        # The last step up, as long as it may fail: when, and what saw room for it.
        self._went_up: tuple[float, list[_Room]] | None = None
        self._fits_since = self._chose_at = now
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

        What was sent while nobody asked is taken to have fitted.

        :param sizes: bytes of a picture in each, the largest first; not empty.
        :param bandwidth: bytes a second that this viewer can have.
        :param at_best: the same, if all the time that is not known to be the link's
            were the viewer's own.
        :param round_trip: seconds.
        :param late: acknowledgements in a row that came late.
        """
        self.number = min(self.number, len(sizes) - 1)
        size = sizes[self.number]
        if size * self.fps <= FULL * bandwidth or now - self._chose_at > LASTS:
            self._fits_since = now
        self._chose_at = now
        too_large = now - self._fits_since > LASTS
        takes = size / bandwidth + round_trip
        is_late = late >= LATE and now - self._went_down_at > LASTS
        if is_late or too_large or takes > self._max_lateness:
            self._go_down(sizes, bandwidth, now)
            return self.number
        if self._went_up is not None and now - self._went_up[0] > HOLDS:
            for room in self._went_up[1]:
                room.failed = 0
            self._went_up = None
        if self.number:
            next_size = sizes[self.number - 1]
            seen = []
            for room, has in zip(self._rooms, (bandwidth, at_best), strict=True):
                if next_size * self.fps <= SHARE * has:
                    seen.append(room)
                else:
                    room.lacked_at = now
            went_up = self._went_up is not None
            if any(now - r.lacked_at > r.wait(went_up=went_up) for r in seen):
                self.number -= 1
                self._went_up = now, seen
                for room in self._rooms:
                    if self.number < room.failed_to:
                        room.failed = 0  # The one that failed has fitted.
                self._begin(now)
        return self.number

    def _go_down(self, sizes: Sequence[int], bandwidth: float, now: float) -> None:
        """Take the largest that fits; one smaller at least, if there is one."""
        smallest = len(sizes) - 1
        below = min(smallest, self.number + 1)
        most = FULL * bandwidth / self.fps
        if self._went_up is not None:
            for room in self._went_up[1]:
                room.failed += 1
                room.failed_to = self.number
            self._went_up = None
        fit = [number for number, size in enumerate(sizes) if size <= most]
        self.number = max(below, min(fit, default=smallest))
        self._went_down_at = now
        self._begin(now)

    def _begin(self, now: float) -> None:
        """Judge another rendition from now on."""
        self._fits_since = now
        for room in self._rooms:
            room.lacked_at = now
