"""Pictures with words on them, for when there is no picture to show."""

from __future__ import annotations

import numpy as np

from camd.sources import Image
from camd.sources.lettering import stamp, stencil

_PAPER = (44, 33, 26)
_INK = (244, 240, 236)


def draw(text: str, width: int, height: int) -> Image:
    """
    Draw one line of ASCII text in the middle of an otherwise empty picture.

    :param width: in pixels, as the height; the letters are made to fit.
    """
    picture = np.full((height, width, 3), _PAPER, np.uint8)
    # Letters are a bit narrower than high; a tenth of the width is left free.
    tall = max(6, min(height // 14, int(0.9 * width / max(len(text), 1))))
    letters = stencil(text, tall)
    left = max(0, (width - letters.shape[1]) // 2)
    stamp(picture, letters, left, (height - letters.shape[0]) // 2, _INK)
    return picture
