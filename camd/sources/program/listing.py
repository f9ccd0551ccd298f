"""The cameras of a Raspberry Pi, as its own program lists them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from camd.sources.program.command import Find

HELLO = ("rpicam-hello", "libcamera-hello")
"""What lists a Raspberry Pi's cameras: today's name, and that of Raspberry Pi OS 11."""

TIMEOUT = 10.0
"""Seconds that the listing may take; it takes one."""

# "0 : imx219 [3280x2464 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx219@10)"
_CAMERA = re.compile(r"\s*(\d+) : (\S+) \[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class PiCamera:
    """A camera module.

    :ivar source: what camd.yaml calls it.
    :ivar sensor: its model, such as ``imx219``.
    :ivar size: the sensor's size and kind, as the program writes it.
    :ivar modes: lines on its modes, as the program writes them.
    """

    source: str
    sensor: str
    size: str
    modes: tuple[str, ...]

    def in_words(self) -> Iterator[str]:
        """Yield the lines that describe it, with a piece of camd.yaml at the end."""
        yield f"{self.source}  {self.sensor}  ({self.size})"
        yield "  modes"
        yield from (f"    {mode}" for mode in self.modes)
        yield "  in camd.yaml"
        yield "    cameras:"
        yield f"      {self.sensor.lower().replace('_', '-')}:"
        yield f"        source: {self.source}"


def run(command: list[str]) -> str:
    """Return what a command writes to both outputs; nothing if it does not end."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def pi_cameras(
    find: Find = shutil.which, run: Callable[[list[str]], str] = run
) -> tuple[PiCamera, ...]:
    """Return the camera modules of this machine; none where it is no Raspberry Pi."""
    program = next((name for name in HELLO if find(name)), None)
    found: list[tuple[re.Match[str], list[str]]] = []
    if program is not None:
        for line in run([program, "--list-cameras"]).splitlines():
            if camera := _CAMERA.match(line):
                found.append((camera, []))
            elif found and line.strip():
                found[-1][1].append(line.strip().removeprefix("Modes: "))
    return tuple(
        PiCamera(f"rpicam:{camera[1]}", camera[2], camera[3], tuple(modes))
        for camera, modes in found
    )
