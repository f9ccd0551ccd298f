"""Smaller renditions of a JPEG, by OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import cv2
import numpy as np

from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.sources import EncodeError

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""Decoding to a part of the size. The JPEG library leaves coefficients out for that, so
that half of it takes 60 % of the time (measured), and looks as good as area scaling."""


def scale(jpeg: bytes, renditions: Sequence[Rendition]) -> list[tuple[bytes, Size]]:
    """Return one smaller JPEG for each rendition, and its size, in the same order.

    The JPEG is decoded once, to the size of the largest rendition or a little more, and
    turned as its Exif data says. It may be called in any thread.

    :raises EncodeError: OpenCV cannot decode it.
    """
    largest = floor(1 / max(rendition.scale for rendition in renditions))
    factor = max(factor for factor in _REDUCED if factor <= largest)
    try:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), _REDUCED[factor])
        if picture is None:
            raise EncodeError("OpenCV cannot decode the picture")
        decoded = Size(picture.shape[1] * factor, picture.shape[0] * factor)
        made = []
        for rendition in renditions:
            size = rendition.size_of(decoded)
            scaled = picture
            if (size.height, size.width) != picture.shape[:2]:
                shape = (size.width, size.height)
                scaled = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA)
            quality = (cv2.IMWRITE_JPEG_QUALITY, rendition.quality)
            made.append((cv2.imencode(".jpg", scaled, quality)[1].tobytes(), size))
    except cv2.error as error:
        raise EncodeError(f"OpenCV: {error.err or error}") from error
    return made
