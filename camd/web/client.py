"""Who is at the other end: the client's address, behind proxies that are trusted.

A proxy says for whom it asks, in ``X-Forwarded-For``, in ``Forwarded`` (RFC 7239) or in
``CF-Connecting-IP``. Anybody can say so; it is believed of ``trusted_proxies`` only.
The same holds for what they say of the client's TLS, which ends at a proxy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
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


class Proxies:
    """
    The proxies that are believed when they say for whom they ask.

    :param trusted: addresses and networks, such as ``127.0.0.1`` and ``10.0.0.0/8``;
        ``unix`` stands for whoever comes through a UNIX socket.
    """

    def __init__(self, trusted: Sequence[str]) -> None:
        self._unix = "unix" in trusted
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(entry) for entry in trusted if entry != "unix"
        ]

    def client(self, request: Request) -> str:
        """
        Give the client's address, in its usual form.

        Empty for a UNIX socket with nobody named, and where there is no address.
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
        """Tell whether the client speaks TLS, with camd or with a trusted proxy."""
        if request.isSecure():
            return True
        return self._trusts(_peer(request)) and _scheme(request) == "https"

    def _trusts(self, host: str) -> bool:
        if not host:
            return self._unix
        address = _address(host)
        return address is not None and any(address in net for net in self._networks)


NO_PROXIES = Proxies(())
"""Nobody is believed: the client is whoever has the connection."""


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


def _scheme(request: Request) -> str:
    """
    Give the scheme that the proxies say the client uses; empty if they say none.

    Of several the client's own hop comes first. A client that slips that in makes
    believe about its own cookie, and nothing else.
    """
    said = _line(request, b"X-Forwarded-Proto")
    if said is not None:
        return said.partition(",")[0].strip().lower()
    found = _FORWARDED_PROTO.search(_line(request, b"Forwarded") or "")
    return found[1].lower() if found else ""


def _line(request: Request, name: bytes) -> str | None:
    """Give a header as one line, however many it came in; None for none."""
    lines = request.requestHeaders.getRawHeaders(name)
    return b",".join(lines).decode("latin-1") if lines else None


def _hops(request: Request) -> Iterator[str]:
    """
    Give the addresses that the proxies named, the nearest first.

    The first kind of header that is there decides, so that a client cannot slip
    another one past a proxy that sets only this. A hop that is no address ends the
    chain: what stands behind it was not said by a proxy that is known.
    """
    for name, read in _HEADERS:
        line = _line(request, name)
        if line is not None:
            said = read(line)
            for text in said[::-1][:MOST_HOPS]:
                address = _address(_without_port(text))
                if address is None:
                    return
                yield str(address)
            return


def _listed(line: str) -> list[str]:
    return line.split(",")


def _forwarded(line: str) -> list[str]:
    return [said.strip('"') for said in _FORWARDED_FOR.findall(line)]


_HEADERS: tuple[tuple[bytes, Callable[[str], list[str]]], ...] = (
    (b"X-Forwarded-For", _listed),
    (b"Forwarded", _forwarded),
    (b"CF-Connecting-IP", _listed),
)


def _without_port(text: str) -> str:
    """Take ``[2001:db8::1]:80`` and ``192.0.2.1:80`` apart; give the address."""
    text = text.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
