"""Runs the tests of each folder in a guest that has the cameras for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

GUESTS = {
    "uvc": ("--driver", "uvc", "--cams", "2"),
    "vivid": ("--driver", "vivid"),
}
"""Folder -> what its guest is started with."""

DEFAULT = "../shared/vcam/vcam"
"""Where vcam is looked for, from the checkout."""

LONGEST = 1800
"""Seconds that a guest may take; to unplug a webcam a hundred times takes 300."""

NOTHING = 5
"""pytest's exit status when no test was selected."""


def find_vcam(environ: Mapping[str, str]) -> Path | None:
    """Return the program that starts guests; None where there is none."""
    path = ROOT / environ.get("CAMD_VCAM", DEFAULT)
    return path if path.is_file() else None


def run(vcam: Path, folder: str, words: list[str]) -> int:
    """Run one folder's tests.

    :param words: for pytest.
    :return: its exit status, 0 also when nothing was selected.
    """
    print(f"e2e-cameras: {folder}: {' '.join(GUESTS[folder])}", flush=True)
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
    command = [
        str(vcam),
        "run",
        *("--timeout", str(LONGEST)),
        *GUESTS[folder],
        "--",
        *pytest,
        f"e2e_cameras/{folder}",
    ]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environ = {**os.environ, "PYTHONPATH": path}
    status = subprocess.run([*command, *words], cwd=ROOT, env=environ).returncode
    return 0 if status == NOTHING else status


def main(words: list[str]) -> int:
    """Run all folders' tests, or those of the folder named first.

    :return: the worst exit status.
    """
    vcam = find_vcam(os.environ)
    if vcam is None:
        print(f"e2e-cameras: skipped: no {DEFAULT} here, and CAMD_VCAM names none")
        return 0
    # Says "up to date" at once when the guest is there.
    built = subprocess.run([str(vcam), "setup", "--vm", "uml"]).returncode
    if built:
        return built
    folders = [words.pop(0)] if words and words[0] in GUESTS else list(GUESTS)
    return max(run(vcam, folder, words) for folder in folders)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
