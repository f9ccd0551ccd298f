"""What the tests share: daemons, and webcams that are well behaved again afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from e2e.conftest import Start, start
from e2e_cameras.webcam import Webcam

__all__ = ["Start", "start"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip everything where there is no guest around."""
    if "VCAM" not in os.environ:
        reason = "needs the cameras of a guest: make e2e-cameras"
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def webcam() -> Iterator[Webcam]:
    """The first webcam."""
    webcam = Webcam(0)
    yield webcam
    webcam.behave()
