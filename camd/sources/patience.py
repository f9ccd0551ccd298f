"""How long another camd says that its camera may go without a picture."""

from __future__ import annotations

MOST = 14 * 86400.0
"""Seconds that are believed at the most: two intervals of a camera that gives a picture
a week. A camera that is silent for longer is stalled, whatever is said of it."""


def read(said: object) -> float:
    """Return the seconds without a picture that are normal for a camera.

    :param said: as another camd wrote it, or whoever did.
    :return: :data:`MOST` for all that is more. 0 for what is no number from 0, and
        where nothing is said: the camera is stalled after ``camera_timeout`` then.
    """
    if isinstance(said, bool) or not isinstance(said, int | float) or not said >= 0:
        return 0.0
    return float(min(said, MOST))
