"""The machine that the figures came from."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def cpu_model(cpuinfo: str) -> str:
    """The first processor's name in the text of ``/proc/cpuinfo``, or "unknown"."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return "unknown"


def version_of(*names: str) -> str:
    """The version of the first of these distributions that is installed."""
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "none"


def describe(now: datetime) -> dict[str, object]:
    """The machine, the software and the date, as they stand in the report."""
    return {
        "date": now.isoformat(timespec="seconds"),
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "twisted": version_of("Twisted"),
        "opencv": version_of("opencv-python", "opencv-python-headless"),
        "load_average": os.getloadavg()[0],
    }


def line(machine: dict[str, object]) -> str:
    """The description on one line."""
    return ", ".join(f"{key} {value}" for key, value in machine.items())
