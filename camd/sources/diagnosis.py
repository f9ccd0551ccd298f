"""
Why a camera does not open. OpenCV says only that it does not; what the system says is
asked for here, afterwards.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from camd.sources.v4l2 import OpenDevice, opened

#: Opens a path with flags, as `os.open` does.
OpenFile: TypeAlias = Callable[[str, int], int]

#: Connects to host and port within so many seconds, as `socket.create_connection`.
Connect: TypeAlias = Callable[[tuple[str, int], float], socket.socket]

#: VIDIOC_QUERYCAP, its answer's size, and where in it the device's capabilities stand:
#: include/uapi/linux/videodev2.h of the kernel.
_QUERYCAP = 0x80685600
_QUERYCAP_SIZE = 104
_DEVICE_CAPS = 88

#: V4L2_CAP_VIDEO_CAPTURE and V4L2_CAP_VIDEO_CAPTURE_MPLANE, from the same file.
_CAPTURE = 0x1 | 0x1000

#: Where a camera listens when its address does not say.
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}

#: Seconds to wait for an address that FFmpeg has already waited for.
_PATIENCE = 2.0

_SYSTEM_REASONS = {
    errno.ENOENT: "no such device",
    errno.ENODEV: "no such device",
    errno.ENXIO: "no such device",
    errno.EACCES: "permission denied: add the user who runs camd to the group video",
    errno.EPERM: "permission denied: add the user who runs camd to the group video",
    errno.EBUSY: "busy: another program is using it",
    errno.EISDIR: "not a camera but a folder",
}


def why_no_device(
    path: str, folder: Path = Path("/dev"), open_file: OpenFile = os.open
) -> str:
    """
    Tell why a V4L2 device does not open, and which others there are.

    :param folder: where device nodes stand.
    """
    try:
        reason = _ask_device(path, open_file)
    except OSError as error:
        reason = _SYSTEM_REASONS.get(error.errno or 0) or _in_words(error)
    return f"{reason}; {_others(path, folder)}"


def formats_of(path: str, open_device: OpenDevice = opened) -> str:
    """Tell which formats a V4L2 device has: "it has YUYV, NV12"."""
    try:
        with open_device(path) as device:
            codes = [given.code for given in device.formats()]
    except OSError as error:
        return _in_words(error)
    return f"it has {', '.join(codes)}" if codes else "it tells no formats"


def why_no_answer(url: str, connect: Connect = socket.create_connection) -> str:
    """Tell why an address gives no video. Blocks for 2 s at most, and name look-up."""
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
        return f"{host} port {port}: {_in_words(error)}"
    return f"{host} answers, but gives no video; are path, user and password right?"


def _ask_device(path: str, open_file: OpenFile) -> str:
    # Without O_NONBLOCK some drivers wait here.
    descriptor = open_file(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        return _ask_capabilities(descriptor)
    finally:
        os.close(descriptor)


def _ask_capabilities(descriptor: int) -> str:
    answer = bytearray(_QUERYCAP_SIZE)
    try:
        fcntl.ioctl(descriptor, _QUERYCAP, answer)
    except OSError as error:
        # What is no V4L2 device does not know the question.
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            return "not a camera"
        raise
    field = answer[_DEVICE_CAPS : _DEVICE_CAPS + 4]
    capabilities = int.from_bytes(field, sys.byteorder)
    if not capabilities & _CAPTURE:
        return "it is no camera's picture device; try the one before or after it"
    return "busy: another program is using it (or it has no format that OpenCV knows)"


def _others(path: str, folder: Path) -> str:
    found = sorted(folder.glob("video[0-9]*"), key=lambda path: (len(path.name), path))
    # Behind a name such as /dev/v4l/by-id/... stands one of them.
    others = [one for one in found if one != Path(path).resolve()]
    if not others:
        return f"there is no other {folder}/video*"
    return "there are " + ", ".join(map(str, others))


def _in_words(error: OSError) -> str:
    return (error.strerror or str(error) or type(error).__name__).lower()
