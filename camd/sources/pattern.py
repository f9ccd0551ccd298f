"""The test picture as a source: for trying camd out without a camera."""

from __future__ import annotations

import time

from camd.sources import CameraMode, Clock, RawFrame, Sleep
from camd.sources.drawing.card import Card
from camd.sources.due import ANY, Due
from camd.sources.pace import Pace


class Pattern:
    """A test card that moves and shows its number and the time of day.

    :param name: the camera's name, which the card shows.
    :param wall: seconds since 1970, for the time of day on the card.
    """

    def __init__(
        self,
        name: str,
        width: int,
        height: int,
        fps: float,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
        wall: Clock = time.time,
    ) -> None:
        self._mode = CameraMode(width, height, fps, "BGR")
        self._fps = fps
        self._clock = clock
        self._sleep = sleep
        self._wall = wall
        self._card = Card(name, self._mode)
        self._pace = Pace(fps, clock, sleep)

    def open(self) -> CameraMode:
        """Start again at picture number 0. Never fails."""
        self._pace = Pace(self._fps, self._clock, self._sleep)
        return self._mode

    def read(self, due: Due = ANY) -> RawFrame:
        """Wait for the next picture to fall due, and draw it."""
        index, moment = self._pace.wait(due)
        age = self._clock() - moment
        return RawFrame(self._card.draw(index, self._wall() - age), moment)

    def close(self) -> None:
        """Do nothing: nothing is held."""
