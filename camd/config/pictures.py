"""Whether a file can be shown while a camera gives no picture."""

from __future__ import annotations

from pathlib import Path

from camd.config.checks import PICTURE_CHOICES
from camd.formats.jpeg import Damaged, measure

PICTURE_MOST = 4 * 1024 * 1024
"""Bytes that the file may have: it is sent to every viewer once a second."""


def picture_fault(picture: str) -> str | None:
    """What is wrong with an ``offline_picture``, in words; None if nothing is.

    A file is read, and must be a whole JPEG: anything else would blank browsers.
    """
    if picture in PICTURE_CHOICES:
        return None
    try:
        with Path(picture).open("rb") as file:
            content = file.read(PICTURE_MOST + 1)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if len(content) > PICTURE_MOST:
        return f"has more than {PICTURE_MOST // 1024**2} MB"
    try:
        measure(content)
    except Damaged as fault:
        return f"is no whole JPEG ({fault})"
    return None
