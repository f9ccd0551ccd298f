"""The text that is written into pictures: what a pattern may hold, and how it reads."""

from __future__ import annotations

import re
import time
from string import Formatter

_DIRECTIVES = frozenset("aAbBcCdDeFGgHIjMmpRSTUuVWwXxYyZz%")
"""Letters of strftime that give printable text, by POSIX."""

_LONGEST = 100
"""Letters in a pattern: more would not be legible in any picture."""


def overlay_fault(pattern: str) -> str | None:
    """Return what is wrong with a pattern, in words that follow it; None if nothing."""
    if len(pattern) > _LONGEST:
        return f"is longer than {_LONGEST} letters"
    if not (pattern.isascii() and pattern.isprintable()):
        return "has letters that are not printable ASCII"
    for letter in re.findall(r"%(.?)", pattern):
        if letter not in _DIRECTIVES:
            return f"has %{letter}, which strftime does not know"
    return _braces_fault(pattern)


def _braces_fault(pattern: str) -> str | None:
    try:
        fields = list(Formatter().parse(pattern))
    except ValueError:
        return "has a brace without its other half; write {{ or }} for one alone"
    for _, name, form, conversion in fields:
        if name is not None and (name, form, conversion) != ("camera", "", None):
            return "has braces with something else than camera between them"
    return None


def overlay_text(pattern: str, camera: str, moment: float) -> str:
    """Return the text as it stands in a picture.

    :param pattern: one in which :func:`overlay_fault` finds nothing.
    :param camera: the camera's name.
    :param moment: when the picture was taken, in seconds since 1970; shown in the
        machine's time zone.
    """
    return time.strftime(pattern, time.localtime(moment)).format(camera=camera)
