"""Rude clients among the crowd: see :mod:`e2e.rude`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable

from e2e.rude import Rude

RUDE = "rude clients"
"""Where the figures have what became of them."""

ADDRESS = "127.0.0.5"
"""Where they come from."""


def rudely(rude: Rude, answers: dict[str, Counter[str]]) -> list[Awaitable[None]]:
    """Return clients of each kind, which come back as soon as they are hung up on.

    :param answers: gets what became of each, by :data:`RUDE`.
    """
    outcomes = answers[RUDE] = Counter()

    async def come_back(kind: str) -> None:
        while True:
            try:
                outcomes[await rude.kinds[kind]()] += 1
            except OSError:
                # There may be no room just now.
                await asyncio.sleep(1)

    return [come_back(kind) for kind in rude.kinds]
