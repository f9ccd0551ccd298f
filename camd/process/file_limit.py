"""How many files this process may have open: each viewer is one."""

from __future__ import annotations

import resource
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileLimit:
    """The soft limit on open files.

    :ivar before: what it was at the start of the process.
    :ivar now: what it is.
    """

    before: int
    now: int

    @property
    def connections(self) -> int:
        """How many connections leave enough files for everything else."""
        return self.now * 4 // 5


def raise_limit() -> FileLimit:
    """Raise the soft limit on open files to the hard one.

    Any process may, setrlimit(2). Where it is refused, the limit stays as it was.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        return FileLimit(soft, soft)
    return FileLimit(soft, hard)
