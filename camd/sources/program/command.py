"""The words of a camera's command: the user's own, or those of a Raspberry Pi's."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from camd.sources import SourceError

if TYPE_CHECKING:
    from camd.config.settings import CameraSettings

RPICAM = ("rpicam-vid", "libcamera-vid")
"""What films on a Raspberry Pi: today's name, and that of Raspberry Pi OS 11."""

Find = Callable[[str], str | None]
"""Returns the path of a program; None where there is none, as :func:`shutil.which`."""


def exec_words(camera: CameraSettings) -> list[str]:
    """Return the words of an ``exec:`` source, with the camera's keys filled in.

    They are split as a shell would split them, and no shell sees them: what is filled
    in stays within its word.
    """
    values = {
        "{width}": f"{camera.camera_width}",
        "{height}": f"{camera.camera_height}",
        "{fps}": f"{camera.camera_fps:g}",
        "{quality}": f"{camera.jpeg_quality}",
    }
    words = shlex.split(camera.source.partition(":")[2])
    for name, value in values.items():
        words = [word.replace(name, value) for word in words]
    return words


def rpicam_words(camera: CameraSettings, find: Find = shutil.which) -> list[str]:
    """Return the command for a Raspberry Pi's camera.

    ``camera_controls`` are the program's own options: ``brightness: 0.2`` is
    ``--brightness 0.2``, and ``vflip: true`` is ``--vflip``.

    :raises SourceError: when there is no such program.
    """
    program = next((name for name in RPICAM if find(name)), None)
    if program is None:
        raise SourceError(
            f"{camera.source}: there is no {RPICAM[0]} here; on Raspberry Pi OS: "
            "apt install rpicam-apps-lite"
        )
    number = camera.source.partition(":")[2] or "0"
    return [
        program,
        *("--camera", number),
        *("--timeout", "0"),
        "--nopreview",
        *("--codec", "mjpeg"),
        *("--width", f"{camera.camera_width}"),
        *("--height", f"{camera.camera_height}"),
        *("--framerate", f"{camera.camera_fps:g}"),
        *("--quality", f"{camera.jpeg_quality}"),
        "--flush",
        *_options(camera.camera_controls),
        *("--output", "-"),
    ]


def _options(controls: Mapping[str, object]) -> Sequence[str]:
    options: list[str] = []
    for name, value in controls.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            options.append(option)
        elif value is not False:
            options += [option, f"{value}"]
    return options
