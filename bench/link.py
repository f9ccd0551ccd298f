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

NET, BITS = "10.213", "30"
"""Networks of four addresses each, unlikely to be anybody else's."""

MOST = 64
"""Links that there may be at once."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link that can be made slower or faster while it is used.

    :ivar host: the near end's address.
    :ivar enter: the command that runs a program at the far end.
    """

    host: str
    enter: tuple[str, ...]
    device: str

    def change(self, rate: str) -> None:
        """Carry this much from now on, as :func:`slow_link` has it.

        :raises subprocess.CalledProcessError: it makes no sense to tc(8).
        """
        run(f"tc qdisc change dev {self.device} root {shaping(rate)}")


def shaping(rate: str) -> str:
    """Return the words of tc(8) for the queue of a home router of this rate.

    What is older than such a queue is the server's doing.
    """
    return f"tbf rate {rate} burst 16kb latency 200ms"


def why_no_link() -> str | None:
    """One line on what is missing for a link, None when it can be made."""
    if os.geteuid():
        return "needs root, for a network namespace"
    missing = [tool for tool in ("ip", "tc") if not shutil.which(tool)]
    return f"needs {' and '.join(missing)} (iproute2)" if missing else None


def run(*lines: str) -> None:
    """Runs commands one after another.

    :raises subprocess.CalledProcessError: at the first that fails.
    """
    for line in lines:
        command = line.split()
        subprocess.run(command, check=True, capture_output=True, text=True)


@contextmanager
def slow_link(rate: str, number: int = 0) -> Iterator[Link]:
    """A link that carries this much towards its far end, and anything back.

    :param rate: as tc(8) has it: ``3mbit``.
    :param number: of the link, where there are several at once; below :data:`MOST`.
    :raises subprocess.CalledProcessError: where the kernel lacks a part of it.
    """
    space, near, far = (f"{c}{os.getpid()}-{number}" for c in ("camd", "cn", "cf"))
    # Others may do the same: what is after the second dot is this process's own.
    own = f"{NET}.{os.getpid() % 256}"
    host, there = (f"{own}.{4 * number + end}" for end in (1, 2))
    run(f"ip netns add {space}")
    try:
        run(
            f"ip link add {near} type veth peer name {far} netns {space}",
            # The kernel would hand the link 64 KB at once; no real one takes that.
            f"ip link set {near} gso_max_segs 1",
            f"ip addr add {host}/{BITS} dev {near}",
            f"ip link set {near} up",
            f"ip -n {space} addr add {there}/{BITS} dev {far}",
            f"ip -n {space} link set {far} up",
            f"tc qdisc add dev {near} root {shaping(rate)}",
        )
        yield Link(host, ("ip", "netns", "exec", space), near)
    finally:
        # Deleting the namespace is not enough: sockets that still say goodbye keep
        # it, and with it both ends of the pair, for some time.
        subprocess.run(["ip", "link", "del", near], check=False, capture_output=True)
        run(f"ip netns del {space}")
