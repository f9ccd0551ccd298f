"""Renditions: the smaller kinds of a camera's pictures that camd makes on demand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from operator import attrgetter

from camd.formats.jpeg import Size

_scale_and_quality = attrgetter("scale", "quality")

_TEXT = re.compile(r"(1|([1-9])/([1-9]|1[0-6]))@([1-9][0-9]?|100)")


@dataclass(frozen=True, slots=True)
class Rendition:
    """A part of the camera's size, at a JPEG quality. Written as ``1/2@60``.

    :ivar scale: width and height as a share of the full picture's, above 0 up to 1.
    :ivar quality: 1 to 100, as JPEG libraries count it.
    """

    scale: Fraction
    quality: int

    def __str__(self) -> str:
        return f"{self.scale}@{self.quality}"

    @classmethod
    @lru_cache(maxsize=256)
    def parse(cls, text: str) -> Rendition:
        """Return the rendition that a text such as ``1/2@60`` names.

        Kept, as each viewer asks for those of its camera ten times a second.

        :raises ValueError: it names none.
        """
        found = _TEXT.fullmatch(text)
        if found is None or (scale := Fraction(found[1])) > 1:
            raise ValueError(f"{text!r} is no rendition")
        return cls(scale, int(found[4]))

    def size_of(self, full: Size) -> Size:
        """Return the size of this rendition of a picture, rounded up."""
        part, whole = self.scale.as_integer_ratio()
        return Size(-(-full.width * part // whole), -(-full.height * part // whole))


def smallest(renditions: Iterable[Rendition | None]) -> Rendition | None:
    """Return the one whose pictures have the fewest bytes.

    :param renditions: None among them is the full picture.
    :return: None if there is none but the full picture.
    """
    smaller = [rendition for rendition in renditions if rendition is not None]
    return min(smaller, key=_scale_and_quality, default=None)


def choose(
    renditions: Sequence[Rendition],
    full: Size,
    full_quality: int,
    width: int | None = None,
    quality: int | None = None,
) -> Rendition | None:
    """Return the rendition that suits a viewer best; None for the full picture.

    :param renditions: what there is beside the full picture.
    :param full: the full picture's size.
    :param full_quality: the full picture's quality, as far as that is known.
    :param width: the smallest is chosen that is at least as wide; None for any.
    :param quality: of those left, the nearest is chosen, and the larger of two as near;
        None for the full picture's own.
    """
    if width is None and quality is None:
        return None
    qualities: dict[Rendition | None, int] = {None: full_quality}
    qualities.update((rendition, rendition.quality) for rendition in renditions)
    widths = {r: r.size_of(full).width if r else full.width for r in qualities}
    choices = list(qualities)
    if width is not None:
        wide = min((w for w in widths.values() if w >= width), default=full.width)
        choices = [r for r in choices if widths[r] == wide]
    wanted = full_quality if quality is None else quality
    return min(choices, key=lambda r: (abs(qualities[r] - wanted), -widths[r]))
