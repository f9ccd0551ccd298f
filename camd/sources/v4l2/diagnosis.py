"""Why a camera does not open.

OpenCV says only that it does not; here the system is asked, afterwards.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from camd.sources import in_words
from camd.sources.v4l2.device import Device, OpenDevice, opened

Connect: TypeAlias = Callable[[tuple[str, int], float], socket.socket]
"""Connects to host and port within so many seconds, as ``socket.create_connection``."""

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""Where a camera listens when its address does not say."""

_PATIENCE = 2.0
"""Seconds to wait for an address that FFmpeg has already waited for."""

_SYSTEM_REASONS = {
    errno.ENOENT: "no such device",
    errno.ENODEV: "no such device",
    errno.ENXIO: "no such device",
    errno.EACCES: "permission denied: add the user that runs camd to the group video",
    errno.EPERM: "permission denied: add the user that runs camd to the group video",
    # A device can be opened while another program streams from it; but a webcam that
    # has to wake up for that, and loses its address, is busy meanwhile (measured).
    errno.EBUSY: "busy: it is not ready yet, or another program keeps it for itself",
    errno.EISDIR: "not a camera but a folder",
}


def why_no_device(
    path: str, folder: Path = Path("/dev"), open_device: OpenDevice = opened
) -> str:
    """Return why a V4L2 device does not open, and which others there are.

    :param folder: where device nodes stand.
    """
    try:
        with open_device(path) as device:
            reason = _why_not(device)
    except OSError as error:
        reason = system_reason(error)
    return f"{reason}; {_others(path, folder)}"


def system_reason(error: OSError) -> str:
    """Return in words why the system does not open a device, or lost it."""
    return _SYSTEM_REASONS.get(error.errno or 0) or in_words(error)


def why_no_answer(url: str, connect: Connect = socket.create_connection) -> str:
    """Return why an address gives no video. Blocks for name look-up and up to 2 s."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "this is not an address"
    if host is None or port is None:
        return "FFmpeg cannot open it"
    try:
        connect((host, port), _PATIENCE).close()
    except socket.gaierror:
        return f"there is no host of the name {host}"
    except TimeoutError:
        return f"{host} does not answer on port {port}"
    except OSError as error:
        return f"{host} port {port}: {in_words(error)}"
    return f"{host} answers, but gives no video; are path, user and password right?"


def _why_not(device: Device) -> str:
    try:
        about = device.about()
    except OSError as error:
        # What is no V4L2 device does not know the question.
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            return "not a camera"
        raise
    if not about.captures:
        return "it is no camera's picture device; try the one before or after it"
    if device.is_busy():
        return "busy: another program is using it"
    return "it did not open, though no other program has it"


def _others(path: str, folder: Path) -> str:
    found = sorted(folder.glob("video[0-9]*"), key=lambda path: (len(path.name), path))
    # Behind a name such as /dev/v4l/by-id/... stands one of them.
    others = [one for one in found if one != Path(path).resolve()]
    if not others:
        return f"there is no other {folder}/video*"
    return "there are " + ", ".join(map(str, others))
