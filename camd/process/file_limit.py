"""How many files this process may have open: each viewer is one."""

from __future__ import annotations

import resource


def raise_limit() -> tuple[int, int]:
    """
    Raise the soft limit on open files to the hard one: any process may, setrlimit(2).

    :return: the limit before and the limit now; the same where nothing could be gained.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError):
        return soft, soft
    return soft, hard


def safe_connections(limit: int) -> int:
    """
    Give how many connections leave enough files for all else.

    :param limit: how many files may be open.
    """
    return limit * 4 // 5
