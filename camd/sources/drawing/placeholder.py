"""Pictures with words on them, for when there is no picture to show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from camd.sources import Image
from camd.sources.drawing.text import stamp, stencil

# No camera, covered or blinded, gives so even a grey.
_PAPER = (86, 72, 62)
_INK = (244, 240, 236)

_SMALLEST = 6
"""Pixels that a capital letter has at least, to be read at all."""


def draw(lines: Sequence[str], width: int, height: int) -> Image:
    """Draw lines of ASCII text, one below the other, in an otherwise empty picture.

    :param width: in pixels, as the height; the letters are made to fit.
    """
    picture = np.full((height, width, 3), _PAPER, np.uint8)
    longest = max(1, *map(len, lines))
    # Letters are a bit narrower than high; a tenth of the width is left free.
    tall = max(_SMALLEST, min(height // 14, int(0.9 * width / longest)))
    # A line is twice as high as a capital letter.
    top = max(0, (height - 2 * tall * len(lines)) // 2)
    for line in lines:
        letters = stencil(line, tall)
        stamp(picture, letters, max(0, (width - letters.shape[1]) // 2), top, _INK)
        top += 2 * tall
    return picture
