"""Network namespaces on one switch, each as a machine of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

SUBNET = "10.213.78"
"""Addresses unlikely to be anybody else's."""


def why_no_network() -> str | None:
    """Return what is missing for namespaces, in one line; None if nothing is."""
    if os.geteuid():
        return "needs root, for network namespaces"
    missing = [tool for tool in ("ip", "tc") if not shutil.which(tool)]
    if missing:
        return f"needs {' and '.join(missing)} (iproute2)"
    space = f"camd-try{os.getpid()}"
    try:
        run(f"ip netns add {space}")
        run(f"ip netns del {space}")
    except subprocess.CalledProcessError as error:
        return f"no network namespaces: {error.stderr.strip()}"
    return None


def run(*lines: str) -> None:
    """Run commands one after another.

    :raises subprocess.CalledProcessError: at the first that fails.
    """
    for line in lines:
        subprocess.run(line.split(), check=True, capture_output=True, text=True)


class Network:
    """Machines by name, all on one switch.

    :ivar addresses: name -> address.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.addresses = {name: f"{SUBNET}.{n}" for n, name in enumerate(names, 1)}
        self._mark = f"f{os.getpid() % 100000}"
        self._switch = f"{self._mark}-switch"

    def space(self, name: str) -> str:
        """Return the name of a machine's namespace."""
        return f"{self._mark}-{name}"

    def enter(self, name: str) -> list[str]:
        """Return the words that run a command on a machine."""
        return ["ip", "netns", "exec", self.space(name)]

    def build(self) -> None:
        """Make all machines, and join them."""
        run(
            f"ip netns add {self._switch}",
            f"ip -n {self._switch} link add br0 type bridge",
            f"ip -n {self._switch} link set br0 up",
        )
        for name, address in self.addresses.items():
            space, port = self.space(name), self._port(name)
            run(
                f"ip netns add {space}",
                f"ip -n {space} link set lo up",
                f"ip -n {self._switch} link add {port} type veth"
                f" peer name eth0 netns {space}",
                f"ip -n {self._switch} link set {port} master br0 up",
                f"ip -n {space} addr add {address}/24 dev eth0",
                f"ip -n {space} link set eth0 up",
            )

    def _port(self, name: str) -> str:
        return f"p-{name}"

    def remove(self) -> None:
        """Take all machines away."""
        for space in [*map(self.space, self.addresses), self._switch]:
            with suppress(subprocess.CalledProcessError):
                run(f"ip netns del {space}")

    def limit_up(self, name: str, rate: str | None) -> None:
        """Bound what a machine sends; None for no bound.

        :param rate: as tc(8) has it: ``3mbit``.
        """
        self._limit(self.space(name), "eth0", rate)

    def limit_down(self, name: str, rate: str | None) -> None:
        """Bound what a machine is sent."""
        self._limit(self._switch, self._port(name), rate)

    def _limit(self, space: str, device: str, rate: str | None) -> None:
        if rate is None:
            run(f"tc -n {space} qdisc del dev {device} root")
        else:
            # The queue of a 4G modem: a second of it.
            run(
                f"tc -n {space} qdisc add dev {device} root"
                f" tbf rate {rate} burst 16kb latency 1000ms"
            )

    def part(self, one: str, other: str) -> None:
        """Have nothing that one machine sends reach the other."""
        address = self.addresses[other]
        run(f"ip -n {self.space(one)} route add blackhole {address}/32")

    def join(self, one: str, other: str) -> None:
        """Undo :meth:`part`."""
        address = self.addresses[other]
        run(f"ip -n {self.space(one)} route del blackhole {address}/32")


@contextmanager
def machines(*names: str) -> Iterator[Network]:
    """Make machines of these names, and take them away at the end."""
    network = Network(names)
    try:
        network.build()
        yield network
    finally:
        network.remove()
