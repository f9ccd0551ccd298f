"""A slow link inside of this machine: a network namespace behind a token bucket."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# A /30 of their own, unlikely to be anybody else's.
NEAR, FAR, BITS = "10.213.77.1", "10.213.77.2", "30"


@dataclass(frozen=True, slots=True)
class Link:
    """The near end's address, and the command that runs a program at the far end."""

    host: str
    enter: tuple[str, ...]


def why_no_link() -> str | None:
    """One line on what is missing for a link, None when it can be made."""
    if os.geteuid():
        return "needs root, for a network namespace"
    missing = [tool for tool in ("ip", "tc") if not shutil.which(tool)]
    return f"needs {' and '.join(missing)} (iproute2)" if missing else None


def run(*lines: str) -> None:
    """
    Runs commands one after another.

    :raises subprocess.CalledProcessError: at the first that fails.
    """
    for line in lines:
        command = line.split()
        subprocess.run(command, check=True, capture_output=True, text=True)


@contextmanager
def slow_link(rate: str) -> Iterator[Link]:
    """
    A link that carries this much towards its far end, and anything back.

    :param rate: as tc(8) has it: ``3mbit``.
    :raises subprocess.CalledProcessError: where the kernel lacks a part of it.
    """
    space = f"camd{os.getpid()}"
    near, far = f"cn{os.getpid()}", f"cf{os.getpid()}"
    run(f"ip netns add {space}")
    try:
        run(
            f"ip link add {near} type veth peer name {far} netns {space}",
            f"ip addr add {NEAR}/{BITS} dev {near}",
            f"ip link set {near} up",
            f"ip -n {space} addr add {FAR}/{BITS} dev {far}",
            f"ip -n {space} link set {far} up",
            # The queue of a home router; what is older than it is the server's doing.
            f"tc qdisc add dev {near} root tbf rate {rate} burst 16kb latency 200ms",
        )
        yield Link(NEAR, ("ip", "netns", "exec", space))
    finally:
        # Deleting the namespace is not enough: sockets that still say goodbye keep
        # it, and with it both ends of the pair, for some time.
        subprocess.run(["ip", "link", "del", near], check=False, capture_output=True)
        run(f"ip netns del {space}")
