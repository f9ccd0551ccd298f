"""The webcams of the guest, and what they can be told to do."""

from __future__ import annotations

import json
import subprocess
from typing import Any

FAULTS = frozenset({"drop", "truncate", "garbage", "nodht", "pad"})
"""What it can be told to do to its pictures, with 0 for no more."""


class Webcam:
    """One webcam.

    :ivar number: from 0.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._faults: set[str] = set()

    @property
    def device(self) -> str:
        """Its device; every second one is a webcam's metadata."""
        return f"/dev/video{2 * self.number}"

    def tell(self, *words: str | int) -> dict[str, Any]:
        """Tell it what to do: ``drop 3``, ``nodht 1``, ``stat`` and so on.

        :return: how it is afterwards.
        """
        self._faults |= FAULTS.intersection(map(str, words))
        command = ["vcamctl", str(self.number), *map(str, words)]
        said = subprocess.run(command, check=True, capture_output=True).stdout
        state: dict[str, Any] = json.loads(said)
        assert "error" not in state, state
        return state

    def behave(self) -> None:
        """Have it send good pictures again."""
        for fault in list(self._faults):
            self.tell(fault, 0)
        self._faults.clear()
