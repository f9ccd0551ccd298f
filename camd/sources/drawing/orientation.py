"""Pictures turned and mirrored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from camd.sources import CameraMode, Image

if TYPE_CHECKING:
    from camd.config.settings import Flip, Rotation

_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

_FLIPS = {"horizontal": 1, "vertical": 0, "both": -1}
"""How OpenCV counts: around the vertical axis, the horizontal one, both."""


def oriented(picture: Image, rotate: Rotation, flip: Flip) -> Image:
    """Turn a picture, and then mirror it.

    :param rotate: degrees, clockwise.
    :param flip: ``horizontal`` swaps left and right, ``vertical`` top and bottom.
    :return: the very same picture when there is nothing to do.
    """
    if rotate:
        picture = np.asarray(cv2.rotate(picture, _TURNS[rotate]), np.uint8)
    if flip != "none":
        picture = np.asarray(cv2.flip(picture, _FLIPS[flip]), np.uint8)
    return picture


def oriented_size(mode: CameraMode, rotate: Rotation) -> CameraMode:
    """Return the mode of turned pictures: a quarter turn swaps width and height."""
    if rotate in (90, 270):
        return replace(mode, width=mode.height, height=mode.width)
    return mode
