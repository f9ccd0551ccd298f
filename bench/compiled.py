"""The C programs of the benchmark, compiled when they are older than their source."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE / "build"


def program(name: str) -> Path:
    """The compiled ``NAME.c``; headers count as its source too.

    :raises subprocess.CalledProcessError: when the compiler refuses it.
    """
    BUILD.mkdir(exist_ok=True)
    source, result = HERE / f"{name}.c", BUILD / name
    newest = max(path.stat().st_mtime for path in [source, *HERE.glob("*.h")])
    if not result.exists() or result.stat().st_mtime < newest:
        command = ["cc", "-O2", "-Wall", "-o", str(result), str(source)]
        subprocess.run(command, check=True)
    return result
