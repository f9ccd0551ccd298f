"""Programs that are wrong about the time of day."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def clock_set(folder: Path, seconds: float) -> Iterator[None]:
    """Have programs that are started meanwhile be wrong about the time of day.

    :param folder: for the module that does it; must not exist yet.
    """
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        f"import time\ntold = time.time\ntime.time = lambda: told() + {seconds}\n"
    )
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
