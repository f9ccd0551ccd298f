"""A line of text in a band at the foot of a picture, legible on whatever is there."""

from __future__ import annotations

from camd.config.overlay import overlay_text
from camd.sources import Image
from camd.sources.drawing.text import Stencil, stamp, stencil

_INK = (255, 255, 255)

_SHADE = 76
"""What is left of the picture under the band, of 256: even white becomes so dark
that white letters stand out by 8 to 1; WCAG 2.1 asks for 4.5 to 1."""

_PART, _LEAST = 30, 8
"""Height of a capital letter as part of the picture's, and in pixels at least."""


class Overlay:
    """Writes the same pattern into each picture; letters of one text are drawn once.

    :param pattern: as the settings have it, checked.
    :param camera: the camera's name.
    """

    def __init__(self, pattern: str, camera: str) -> None:
        self._pattern = pattern
        self._camera = camera
        self._key: tuple[str, int, int] | None = None
        self._letters: Stencil | None = None

    def write(self, picture: Image, moment: float) -> None:
        """Write into this very picture.

        :param moment: when it was taken, in seconds since 1970.
        """
        text = overlay_text(self._pattern, self._camera, moment)
        letters = self._drawn(text, *picture.shape[:2])
        margin = letters.shape[0] // 4
        height, width = letters.shape[0], letters.shape[1] + 2 * margin
        band = picture[-height:, :width]
        band[:] = band.astype("u2") * _SHADE >> 8
        stamp(picture, letters, margin, max(0, picture.shape[0] - height), _INK)

    def _drawn(self, text: str, height: int, width: int) -> Stencil:
        key = text, height, width
        if self._letters is None or key != self._key:
            self._key, self._letters = key, _fitting(text, height, width)
        return self._letters


def _fitting(text: str, height: int, width: int) -> Stencil:
    """Draw the letters so large that the whole text fits into the width."""
    tall = max(_LEAST, height // _PART)
    letters = stencil(text, tall)
    # Their width goes by their height, but for what is lost to whole pixels.
    tall = min(tall, tall * width // (letters.shape[1] + tall) + 1)
    while letters.shape[1] + tall > width and tall > 1:
        tall -= 1
        letters = stencil(text, tall)
    return letters
