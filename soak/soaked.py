"""All that is known of one soak."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soak.process import Sample


@dataclass(frozen=True, slots=True)
class Soaked:
    """All that is known of one soak.

    :ivar before: what the daemon held when the first viewer was gone again.
    :ivar during: what it held, each second.
    :ivar after: what it held when all had left, and some time had passed.
    :ivar crowd: what the viewers saw, as :class:`soak.crowd.Figures` has it.
    :ivar oldest: seconds that the oldest picture had that was shown as a new one, by
        the number that stands in it.
    :ivar reloads: how often the daemon was told to read its settings.
    :ivar log: all that it logged.
    :ivar secrets: what must not stand there.
    """

    before: Sample
    during: Sequence[Sample]
    after: Sample
    crowd: Mapping[str, Any]
    oldest: float
    reloads: int
    log: str
    secrets: Collection[str]
