"""The client at the other end: its address, behind proxies that are trusted.

A proxy names the client that it asks for, in ``X-Forwarded-For``, in ``Forwarded`` (RFC
7239) or in ``CF-Connecting-IP``. Anybody can do so; only ``trusted_proxies`` are
believed. The same holds for what they say of the client's TLS, which ends at a proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from twisted.web.http import Request

Address = IPv4Address | IPv6Address

_FORWARDED_FOR = re.compile(r'(?:^|[;,])\s*for\s*=\s*("[^"]*"|[^;,\s]*)', re.IGNORECASE)
"""The ``for`` of each element of a ``Forwarded`` header, quotes and all."""

_FORWARDED_PROTO = re.compile(
    r'(?:^|[;,])\s*proto\s*=\s*"?(\w+)', re.IGNORECASE | re.ASCII
)
"""The first ``proto`` of a ``Forwarded`` header: of the hop that the client made."""

MOST_HOPS = 32
"""Addresses that are looked at, from the nearest: a longer chain is an attack."""

LONGEST_ADDRESS = 64
"""Characters of an address: 45 of IPv6 (``INET6_ADDRSTRLEN``), and a zone's name. What
clients write is remembered, so it must have an end."""


class Proxies:
    """The proxies that are believed about their clients.

    :param trusted: addresses and networks, such as ``127.0.0.1`` and ``10.0.0.0/8``;
        ``unix`` stands for all that comes through a UNIX socket.
    """

    def __init__(self, trusted: Sequence[str]) -> None:
        self._unix = "unix" in trusted
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(entry) for entry in trusted if entry != "unix"
        ]

    def client(self, request: Request) -> str:
        """Return the client's address, in its usual form.

        It is empty for a UNIX socket where no proxy names a client.
        """
        peer = _peer(request)
        nearest = peer
        if self._trusts(peer):
            for hop in _hops(request):
                nearest = hop
                if not self._trusts(hop):
                    break
        return nearest

    def secured(self, request: Request) -> bool:
        """Return whether the client speaks TLS, with camd or with a trusted proxy."""
        if request.isSecure() or not self._trusts(_peer(request)):
            return bool(request.isSecure())
        # Of several, the first is the client's own hop. A client that forges it
        # deceives camd about its own cookie, and about nothing else.
        said = _line(request, b"X-Forwarded-Proto")
        if said is not None:
            return said.partition(",")[0].strip().lower() == "https"
        found = _FORWARDED_PROTO.search(_line(request, b"Forwarded") or "")
        return found is not None and found[1].lower() == "https"

    def _trusts(self, host: str) -> bool:
        if not host:
            return self._unix
        address = _address(host)
        return address is not None and any(address in net for net in self._networks)


NO_PROXIES = Proxies(())
"""No proxy is believed: the client is at the other end of the connection."""


@lru_cache(4096)
def network_of(address: str) -> str:
    """Return what one customer has: the /64 of IPv6 (RFC 6177), or the address."""
    parsed = _address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return address


def _peer(request: Request) -> str:
    # Behind the PROXY protocol this is whatever text a proxy has sent.
    return str(_address(getattr(request.getClientAddress(), "host", "")) or "")


def _line(request: Request, name: bytes) -> str | None:
    """Return a header as one line, however many it came in; None if it is missing."""
    lines = request.requestHeaders.getRawHeaders(name)
    return b",".join(lines).decode("latin-1") if lines else None


def _hops(request: Request) -> Iterator[str]:
    """Yield the addresses that the proxies named, the nearest first.

    The first kind of header that is there decides, so that a client cannot add another
    kind behind the back of a proxy that sets only this one. A hop that is no address
    ends the chain: what stands behind it was not said by a known proxy.
    """
    for name in (b"X-Forwarded-For", b"Forwarded", b"CF-Connecting-IP"):
        line = _line(request, name)
        if line is None:
            continue
        said = _FORWARDED_FOR.findall(line) if name == b"Forwarded" else line.split(",")
        for text in said[::-1][:MOST_HOPS]:
            host = text.strip().strip('"')
            # As in [2001:db8::1]:80 and 192.0.2.1:80.
            if host.startswith("["):
                host = host[1:].partition("]")[0]
            elif host.count(":") == 1:
                host = host.partition(":")[0]
            address = _address(host)
            if address is None:
                return
            yield str(address)
        return


def _address(text: str) -> Address | None:
    """Return an address; None where the text is none, or too long for one."""
    return _parsed(text) if len(text) <= LONGEST_ADDRESS else None


@lru_cache(4096)
def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
