"""The cameras of this machine, with all that they say of themselves. No OpenCV."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from camd.sources import in_words
from camd.sources.v4l2.controls import ControlValue, control_values
from camd.sources.v4l2.device import (
    About,
    Device,
    Format,
    OpenDevice,
    links,
    opened,
)

_NOTHING_THERE = frozenset({errno.ENOTTY, errno.EINVAL, errno.ENODEV, errno.ENXIO})
"""What a node says that is no V4L2 device, or whose camera has just gone."""

_DENIED = frozenset({errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class CameraDevice:
    """One camera of this machine.

    :ivar path: its node, such as /dev/video0; the number may be another tomorrow.
    :ivar links: paths that stay; those by the camera's own name come first.
    """

    path: Path
    links: tuple[Path, ...]
    about: About
    formats: tuple[Format, ...]
    controls: tuple[ControlValue, ...]

    @property
    def lasting_path(self) -> Path:
        """The path to write into settings."""
        return self.links[0] if self.links else self.path


@dataclass(frozen=True, slots=True)
class Census:
    """The cameras that were found, and what is wrong with others: a line each.

    :ivar problems: empty when all is well; there may be no camera at all.
    """

    cameras: tuple[CameraDevice, ...]
    problems: tuple[str, ...]


def census(folder: Path = Path("/dev"), open_device: OpenDevice = opened) -> Census:
    """Ask every video device of this machine. It may be in use meanwhile.

    :param folder: where device nodes stand.
    """
    cameras: list[CameraDevice] = []
    problems: list[str] = []
    for path in _nodes(folder):
        try:
            with open_device(str(path)) as device:
                cameras.extend(_ask(device, path, folder))
        except OSError as error:
            if error.errno not in _NOTHING_THERE:
                problems.append(f"{path}: {_reason(error)}")
    return Census(tuple(cameras), tuple(problems))


def _nodes(folder: Path) -> list[Path]:
    nodes = folder.glob("video[0-9]*")
    return sorted(nodes, key=lambda path: (len(path.name), path))


def _ask(device: Device, path: Path, folder: Path) -> Iterator[CameraDevice]:
    about = device.about()
    if about.captures:
        formats, controls = tuple(device.formats()), control_values(device)
        yield CameraDevice(path, links(path, folder), about, formats, controls)


def _reason(error: OSError) -> str:
    if error.errno in _DENIED:
        return "permission denied: add yourself to the group video"
    return in_words(error)
