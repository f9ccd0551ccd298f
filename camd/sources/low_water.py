"""When the kernel wakes camd up for what a connection has received."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from twisted.internet.tcp import Connection

MOST = 128 * 1024
"""Bytes that are waited for at the most before some are read: the kernel is to hold no
more, and makes room for twice as many."""


class LowWater:
    """How many bytes of a picture must have come until a connection is read.

    Over a network of 100 Mbit/s a picture of 40 KB comes in 28 packets, each of which
    would wake the process.

    :param transport: of the connection. Only plain TCP is set: what TLS holds of a
        record is not in the socket any more.
    """

    __slots__ = ("_least", "_socket")

    def __init__(self, transport: Any) -> None:
        is_plain = isinstance(transport, Connection) and not transport.TLS
        self._socket: socket.socket | None = transport.getHandle() if is_plain else None
        self._least = 1

    def set(self, missing: int) -> None:
        """Be woken up when so many bytes have come, or when no more come.

        :param missing: bytes that are sure to come, as others have said how many they
            are; 0 where nobody has.
        """
        least = max(1, min(missing, MOST))
        if least == self._least or self._socket is None:
            return
        self._least = least
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)
