"""How long another camd's camera may go without a picture."""

from __future__ import annotations

import pytest

from camd.sources import patience
from camd.sources.patience import MOST


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (0, 0.0),
        (2, 2.0),
        (0.5, 0.5),
        (7 * 86400, 7 * 86400.0),
        (9e10, MOST),
        (float("inf"), MOST),
        (10**400, MOST),
        (-1, 0.0),
        (float("nan"), 0.0),
        (True, 0.0),
        (None, 0.0),
        ("60", 0.0),
        ([60], 0.0),
    ],
)
def test_what_is_believed(said: object, seconds: float) -> None:
    """Numbers from 0, up to two weeks; all else is as if nothing were said."""
    assert patience.read(said) == seconds
