"""JPEG files on the disk: which there are, whether one has changed, and what is in it.

Whatever else has such a name (a FIFO, a folder, a link to nothing, a gigabyte) is no
picture, and must neither hold the camera's thread nor fill the memory.
"""

from __future__ import annotations

import os
import re
import stat
from typing import NamedTuple

from camd.formats.jpeg import MAX_BYTES, Damaged, Whole
from camd.formats.scan import complete
from camd.sources import in_words

NAME = re.compile(r".+\.jpe?g", re.IGNORECASE | re.DOTALL)
"""What the files shown are called."""


class Version(NamedTuple):
    """What differs when a file was written or replaced."""

    inode: int
    size: int
    modified: int
    """In nanoseconds since 1970."""


# Paths are text here: a folder is looked through once a second, and Path objects took
# ten calls for each file.
def list_pictures(path: str) -> dict[str, Version]:
    """Return the JPEG files of a folder, in order of name; or the one file.

    :return: by path.
    :raises OSError: when there is no such folder, or no such regular file.
    """
    status = os.stat(path)
    if not stat.S_ISDIR(status.st_mode):
        return {path: _version(status)}
    found: dict[str, Version] = {}
    with os.scandir(path) as entries:
        for entry in entries:
            if NAME.fullmatch(entry.name):
                try:
                    found[entry.path] = _version(entry.stat())
                except OSError:  # No regular file, a link to nothing, or just deleted.
                    continue
    return dict(sorted(found.items()))


def read_picture(path: str, max_pixels: int) -> tuple[Whole, Version]:
    """Return the picture in a file, and which version of the file that is.

    :raises Damaged: when it is not whole (yet), too large, or being written.
    :raises OSError: when it cannot be read, or is no regular file.
    """
    # Without O_NONBLOCK a FIFO would hold the thread until somebody writes into it.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with open(os.open(path, flags), "rb", buffering=0) as file:
        version = _version(os.fstat(file.fileno()))
        if version.size > MAX_BYTES:
            raise Damaged(f"{version.size} bytes; the most is {MAX_BYTES}")
        content = file.read(MAX_BYTES + 1) or b""
        if _version(os.fstat(file.fileno())) != version or len(content) != version.size:
            raise Damaged("it is being written")
    return complete(content, max_pixels), version


def words(error: Exception) -> str:
    """Return the reason of a Damaged or an OSError as a line shows it."""
    return in_words(error) if isinstance(error, OSError) else str(error)


def _version(status: os.stat_result) -> Version:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "not a regular file")
    return Version(status.st_ino, status.st_size, status.st_mtime_ns)
