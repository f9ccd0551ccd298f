"""What a key takes, in words, written beside its type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """What a key takes, in words, for error messages: "expected ..."."""

    words: str
