"""What a new value of each key needs: the table is complete, and documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from camd.config.changes import NEEDS, Needs, needed
from camd.config.settings import CAMERA_KEYS, KEYS, CameraSettings

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"

ROBOT = CameraSettings(name="robot")


def test_the_table_has_every_key() -> None:
    """Each setting stands in the table, and nothing else does."""
    assert set(NEEDS) == {*KEYS, *CAMERA_KEYS}


@pytest.mark.parametrize(
    ("changed", "needs"),
    [
        ({}, None),
        ({"stream_timeout": 7}, Needs.VIEWER),
        ({"stream_timeout": 7, "stream_fps": 7}, Needs.LOOP),
        ({"source": "/dev/video0", "stream_fps": 7}, Needs.CAMERA),
    ],
)
def test_the_most_counts(changed: dict[str, object], needs: Needs | None) -> None:
    """Of several changes the one that needs the most decides."""
    assert needed(ROBOT, ROBOT.model_copy(update=changed)) is needs


def test_the_documentation_has_the_table() -> None:
    """docs/operations.md names, beside each need, the keys that have it."""
    section = OPERATIONS.read_text().partition("## Changing settings")[2]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section.partition("##")[0], re.M)
    documented = {need: set(re.findall(r"`(\w+)`", keys)) for need, keys in rows}
    for need in Needs:
        expected = {key for key, needs in NEEDS.items() if needs is need}
        assert documented[need.name.lower()] == expected


def test_the_quality_of_a_program() -> None:
    """A program was given its quality when it was started."""
    pi = ROBOT.model_copy(update={"source": "rpicam"})
    changed = pi.model_copy(update={"jpeg_quality": 33})
    assert needed(pi, changed) is Needs.CAMERA
