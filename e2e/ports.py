"""Ports of 127.0.0.1 that a test decides on, so that a server can come back on one."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from itertools import cycle

FIRST = 20_000
"""Linux gives ports from 32768 on to programs that ask for any. One below is taken by
nobody between its choice and its use, nor while the server that had it is down."""

SHARE = 1000
"""How many ports each of the tests' workers has for itself."""

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

_BEGIN = FIRST + _WORKER % 12 * SHARE

# The tests may run twice on a machine, so not all begin with the same one.
_PORTS = cycle(range(_BEGIN + os.getpid() % (SHARE // 2), _BEGIN + SHARE))


def free_port() -> int:
    """Return a port that nobody has, another one each time."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a cycle has no end")


def listening_on(port: int) -> str:
    """Return what ``listen`` in camd.yaml says for a port of 127.0.0.1."""
    return f"tcp:{port}:interface=127.0.0.1"
