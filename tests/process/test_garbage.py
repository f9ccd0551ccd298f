"""How memory is kept out of the way of frames."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from camd.process.garbage import OLD, YOUNG, tune_memory
tune_memory()
print(gc.isenabled(), gc.get_threshold() == (YOUNG, 20, OLD), gc.get_freeze_count() > 0)
"""


def test_garbage_is_still_collected_but_seldom() -> None:
    """What was imported is left alone, and the rest is gone through less often."""
    # In a process of its own, as this is for good.
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["True", "True", "True"]
