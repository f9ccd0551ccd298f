"""What camd asks of the kernel for a viewer's TCP connection.

Newest wins only while camd can still choose: what the kernel holds unsent cannot be
taken back. Nothing here fails: without an option, pictures on slow links are older.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable

Send = Callable[[bytes], int]
"""A socket's own ``send``: returns how many bytes the kernel has taken."""

LOWAT = 16 * 1024
"""Bytes that the kernel may hold unsent before the socket counts as full.

With this bound (``TCP_NOTSENT_LOWAT``, tcp(7)) the picture at a viewer on a 3 Mbit/s
link is 0.4 s old instead of 1.7 s (measured).
"""

_BYTES_ACKED = struct.Struct("=120xQ")
"""Where ``tcpi_bytes_acked`` stands in ``struct tcp_info`` (linux/tcp.h, since 4.1)."""

_ROOM = struct.Struct("=144xI80xI")
"""Where ``tcpi_notsent_bytes`` and ``tcpi_snd_wnd`` stand in it (since Linux 5.4)."""

_INTERNET = (socket.AF_INET, socket.AF_INET6)


def tune(connection: socket.socket, congestion: str = "") -> None:
    """Keep the kernel from holding a second frame behind the one under way.

    :param connection: any socket; one that is not TCP is left alone.
    :param congestion: the congestion control to use; empty for the system's.
    """
    if connection.family in _INTERNET:
        _set(connection, getattr(socket, "TCP_NOTSENT_LOWAT", None), LOWAT)
        if congestion:
            option = getattr(socket, "TCP_CONGESTION", None)
            _set(connection, option, congestion.encode())


def _set(connection: socket.socket, option: int | None, value: int | bytes) -> None:
    if option is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


def has_congestion(name: str) -> bool:
    """Return whether the kernel has this congestion control and lets camd use it."""
    option = getattr(socket, "TCP_CONGESTION", None)
    if option is None:
        return False
    with socket.socket() as scratch:
        try:
            scratch.setsockopt(socket.IPPROTO_TCP, option, name.encode())
        except OSError:
            return False
    return True


def bytes_acked(connection: socket.socket) -> int | None:
    """Return the bytes that a TCP peer has acknowledged; None where it is unknown."""
    values = _info(connection, _BYTES_ACKED)
    return values[0] if values else None


def bytes_queued(connection: socket.socket) -> int:
    """Return how much the kernel still holds for the peer; 0 for a closed socket.

    For TCP the bytes that are not acknowledged (``SIOCOUTQ``, tcp(7)). For a UNIX
    socket some number that is 0 when the peer has read all.
    """
    held = bytearray(4)
    with contextlib.suppress(OSError, ValueError):
        fcntl.ioctl(connection, termios.TIOCOUTQ, held)
    return int.from_bytes(held, sys.byteorder)


def window(connection: socket.socket) -> int | None:
    """Return the bytes that a TCP peer has room for; None where it is unknown.

    0 while the kernel still holds some that have not left.
    """
    values = _info(connection, _ROOM)
    if values is None:
        return None
    unsent, room = values
    return 0 if unsent else room


def _info(connection: socket.socket, place: struct.Struct) -> tuple[int, ...] | None:
    option = getattr(socket, "TCP_INFO", None)
    if connection.family not in _INTERNET or option is None:
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, option, place.size)
    except OSError:
        return None
    return place.unpack(info) if len(info) == place.size else None
