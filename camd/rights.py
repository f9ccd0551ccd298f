"""What a key may be used for, and who sent a request."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Right(enum.Enum):
    """One thing that a key may open."""

    VIEW = "view"
    """Pictures: the page, streams, snapshots, and the stats but for who watches."""
    STATS = "stats"
    """Numbers: the stats with who watches, readiness, metrics."""
    CONTROL = "control"
    """Setting a camera's controls, such as its brightness."""
    SIGN = "sign"
    """Making links that open a stream for a while."""
    PUSH = "push"
    """Sending the pictures of a camera."""


EVERY_RIGHT = frozenset(Right)
"""What a key may be used for where nothing is said."""

NO_RIGHT: frozenset[Right] = frozenset()
"""What no key opens."""

TO_SEE = frozenset({Right.VIEW})
TO_COUNT = frozenset({Right.STATS})
TO_CONTROL = frozenset({Right.CONTROL})
TO_SIGN = frozenset({Right.SIGN})
TO_PUSH = frozenset({Right.PUSH})
TO_SEE_OR_COUNT = TO_SEE | TO_COUNT


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sent a request, as far as a key, a link or a proof of identity tells.

    :ivar name: of the key, or of the person; for logs.
    :ivar rights: what is open to them.
    :ivar proof: changes when what let them in does; empty for nobody in particular.
    :ivar by: the right of the key by which they are let in.
    """

    name: str
    rights: frozenset[Right]
    proof: bytes = b""
    by: Right = Right.VIEW


ITSELF = Principal("camd", EVERY_RIGHT)
"""Camd itself, which needs no key to publish its pictures."""


def rights_of(names: Iterable[str]) -> frozenset[Right]:
    """Return the rights of these names.

    :raises ValueError: for a name that is none.
    """
    return frozenset(map(Right, names))
