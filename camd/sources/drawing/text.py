"""Letters drawn into pictures: smooth at any size, and quick where they change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from camd.sources import Image

Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red, 0 to 255."""

Stencil: TypeAlias = "npt.NDArray[np.uint8]"
"""How much of the ink covers each pixel: uint8, height x width."""

_OVERSIZE = 4
"""Letters are drawn this many times too large and then scaled down: OpenCV's own
edges are rough."""

_FONT = cv2.FONT_HERSHEY_DUPLEX


def stencil(text: str, height: int) -> Stencil:
    """Return one line of ASCII text, with room for letters that reach below the line.

    :param height: of a capital letter, in pixels.
    """
    tall = height * _OVERSIZE
    weight = max(1, tall // 9)
    scale = cv2.getFontScaleFromHeight(_FONT, tall, weight)
    (width, _), _ = cv2.getTextSize(text, _FONT, scale, weight)
    # Half a letter above the capitals and below the line: no font needs more.
    large = np.zeros((2 * tall, max(width, _OVERSIZE)), np.uint8)
    foot = (0, tall + tall // 2)
    cv2.putText(large, text, foot, _FONT, scale, 255, weight, cv2.LINE_AA)
    size = (large.shape[1] // _OVERSIZE, 2 * height)
    return np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.uint8)


def stamp(picture: Image, letters: Stencil, left: int, top: int, ink: Colour) -> None:
    """Lay letters over what is there; what reaches over an edge is cut off."""
    place = picture[top : top + letters.shape[0], left : left + letters.shape[1]]
    cover = letters[: place.shape[0], : place.shape[1], np.newaxis] / 255
    place[:] = (place * (1 - cover) + np.array(ink) * cover).round()


def glyphs(
    letters: str, height: int, widest: int, ink: Colour, paper: Colour
) -> Mapping[str, Image]:
    """Return one tile of pixels for each letter.

    Digits have the same width, so that a number stands still while it counts.

    :param height: of a capital letter, in pixels.
    :param widest: pixels that no letter may exceed; where one would, all are made
        smaller. OpenCV 5 has narrower letters than OpenCV 4.
    """
    stencils = _stencils(letters, height)
    wide = _widest(stencils)
    if wide > widest:
        stencils = _stencils(letters, max(1, height * widest // wide))
    wide = _widest(stencils)
    return {
        letter: _tile(each, wide if letter.isdigit() else each.shape[1], ink, paper)
        for letter, each in stencils.items()
    }


def write(
    picture: Image, text: str, tiles: Mapping[str, Image], left: int, top: int
) -> None:
    """Set tiles side by side; what reaches over an edge is cut off."""
    for letter in text:
        tile = tiles[letter]
        place = picture[top : top + tile.shape[0], left : left + tile.shape[1]]
        place[:] = tile[: place.shape[0], : place.shape[1]]
        left += tile.shape[1]


def _stencils(letters: str, height: int) -> Mapping[str, Stencil]:
    return {letter: stencil(letter, height) for letter in letters}


def _widest(stencils: Mapping[str, Stencil]) -> int:
    return max(int(each.shape[1]) for each in stencils.values())


def _tile(letter: Stencil, width: int, ink: Colour, paper: Colour) -> Image:
    tile = np.full((letter.shape[0], width, 3), paper, np.uint8)
    stamp(tile, letter, (width - letter.shape[1]) // 2, 0, ink)
    return tile
