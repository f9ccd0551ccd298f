"""Numbered pictures as large in bytes as real ones, and back to their first size.

VLC shows nothing until it has buffered 15 KiB, and plain black and white squares take
less than 2.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from e2e.camera import COLUMNS, ROWS, SQUARE, draw
from e2e.video import Pixels

WIDTH, HEIGHT = COLUMNS * SQUARE, ROWS * SQUARE
"""Pixels of a numbered picture, before it is made larger."""

BYTES = WIDTH * HEIGHT * 3
"""Bytes of such a picture: blue, green and red of each pixel."""

GRAIN = 30
"""Steps of 256 by which the grain may darken white and lighten black."""


def grainy(number: int, scale: int) -> Pixels:
    """Draw a number with grain on it: some 25 KB as camd encodes it at scale 2.

    :param scale: how many times larger than :data:`WIDTH` and :data:`HEIGHT`.
    """
    squares = np.kron(draw(number), np.ones((scale, scale, 1), np.uint8))
    grain = _grain(scale)
    return np.where(squares > 127, 255 - grain, grain)


@cache
def _grain(scale: int) -> Pixels:
    shape = HEIGHT * scale, WIDTH * scale, 1
    return np.random.default_rng(0).integers(0, GRAIN, shape, np.uint8)


def shrunk(picture: Pixels) -> Pixels:
    """Bring a picture of any size to :data:`WIDTH` and :data:`HEIGHT`."""
    size = (WIDTH, HEIGHT)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
