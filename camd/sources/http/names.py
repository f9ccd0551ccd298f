"""Names of hosts, looked up in threads that nobody waits for.

Twisted looks names up in threads that it joins at the end: a name server that is silent
would hold up the shutdown. So each look-up has a daemon thread of its own here. The
system may take as long as it likes; whoever asks has a time-out.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any, TypeAlias

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, succeed

LookUp: TypeAlias = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host and port, the preferred one first; blocks."""


class UnknownHost(Exception):
    """A name that has no address, or that nobody could be asked about."""


def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system.

    :raises OSError: when there is no such host, or nobody knows.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_number(host: str) -> bool:
    """Whether a host is an IP address, which needs no look-up and has no name."""
    return isIPAddress(host) or isIPv6Address(host)


class Names:
    """The addresses of one camera's hosts, each asked for once.

    Two look-ups of the same name never run at the same time, so a name server that
    never answers costs one thread.
    """

    def __init__(self, reactor: Any, find: LookUp = look_up) -> None:
        self._reactor = reactor
        self._find = find
        self._found: dict[tuple[str, int], Sequence[str]] = {}
        self._waiting: dict[tuple[str, int], list[Deferred[Sequence[str]]]] = {}

    def find(self, host: str, port: int) -> Deferred[Sequence[str]]:
        """Return the host's addresses, or fail with :exc:`UnknownHost`."""
        key = host, port
        if is_number(host):
            return succeed([host])
        if key in self._found:
            return succeed(self._found[key])
        asked: Deferred[Sequence[str]] = Deferred()
        if key in self._waiting:
            self._waiting[key].append(asked)
        else:
            self._waiting[key] = [asked]

            def run() -> None:
                addresses: Sequence[str] = ()
                with suppress(OSError, UnicodeError):
                    addresses = self._find(host, port)
                self._reactor.callFromThread(self._answer, key, addresses)

            Thread(target=run, name=f"name {host}", daemon=True).start()
        return asked

    def forget(self) -> None:
        """Look names up again: a camera may have got another address."""
        self._found.clear()

    def _answer(self, key: tuple[str, int], addresses: Sequence[str]) -> None:
        if addresses:
            self._found[key] = addresses
        for asked in self._waiting.pop(key):
            if addresses:
                asked.callback(addresses)
            else:
                asked.errback(UnknownHost())
