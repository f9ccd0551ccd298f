"""Who is at the other end, and who is believed about it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.web.http_headers import Headers

from camd.web.client import MOST_HOPS, NO_PROXIES, Proxies

# The machine may be busy with other tests; how long one example takes says nothing.
unhurried = settings(deadline=None)

PROXY = "10.0.0.1"
CLIENT = "192.0.2.7"


def request(peer: str | None, **headers: str) -> Any:
    """A request from this address (None: a UNIX socket), with these headers."""
    address = IPv4Address("TCP", peer, 1) if peer else UNIXAddress("/run/camd")
    raw = Headers()
    for name, value in headers.items():
        raw.addRawHeader(name.replace("_", "-"), value)
    return SimpleNamespace(
        getClientAddress=lambda: address,
        requestHeaders=raw,
        isSecure=lambda: False,
    )


def test_nobody_is_believed_by_default() -> None:
    """A client that names another address is taken for itself."""
    assert NO_PROXIES.client(request(CLIENT, X_Forwarded_For="1.2.3.4")) == CLIENT
    assert NO_PROXIES.client(request(None, X_Forwarded_For="1.2.3.4")) == ""


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({}, PROXY),
        ({"X_Forwarded_For": CLIENT}, CLIENT),
        ({"X_Forwarded_For": f"6.6.6.6, {CLIENT}"}, CLIENT),
        ({"X_Forwarded_For": f"6.6.6.6, {CLIENT}, 10.9.9.9"}, CLIENT),
        ({"X_Forwarded_For": f"{CLIENT}:4711"}, CLIENT),
        ({"X_Forwarded_For": "2001:db8::1"}, "2001:db8::1"),
        ({"X_Forwarded_For": "[2001:db8::1]:80"}, "2001:db8::1"),
        ({"X_Forwarded_For": f"::ffff:{CLIENT}"}, CLIENT),
        ({"X_Forwarded_For": "unknown"}, PROXY),
        ({"X_Forwarded_For": f"{CLIENT}, garbage"}, PROXY),
        ({"X_Forwarded_For": "10.1.1.1"}, "10.1.1.1"),
        ({"Forwarded": f"for={CLIENT};proto=https"}, CLIENT),
        ({"Forwarded": f'for=6.6.6.6, For="{CLIENT}:80"'}, CLIENT),
        ({"Forwarded": 'proto=http; for="[2001:db8::1]:80"'}, "2001:db8::1"),
        ({"Forwarded": "for=_hidden"}, PROXY),
        ({"CF_Connecting_IP": CLIENT}, CLIENT),
    ],
)
def test_a_trusted_proxy_is_believed(headers: dict[str, str], client: str) -> None:
    """The nearest address that no trusted proxy has is the client's."""
    assert Proxies(["10.0.0.0/8"]).client(request(PROXY, **headers)) == client


def test_the_kind_that_proxies_set_goes_before_what_a_client_slips_in() -> None:
    """A client's own headers of other kinds change nothing."""
    headers = {"Forwarded": "for=6.6.6.6", "CF_Connecting_IP": "6.6.6.6"}
    asked = request(PROXY, X_Forwarded_For=CLIENT, **headers)
    assert Proxies([PROXY]).client(asked) == CLIENT


def test_a_unix_socket_can_be_trusted() -> None:
    """Its other end has no address, and is named "unix"."""
    asked = request(None, X_Forwarded_For=CLIENT)
    assert Proxies(["unix"]).client(asked) == CLIENT
    assert Proxies([PROXY]).client(asked) == ""


def test_an_endless_chain_is_cut() -> None:
    """No more hops are looked at than a chain may have."""
    chain = ", ".join([CLIENT, *["10.0.0.2"] * MOST_HOPS])
    assert Proxies(["10.0.0.0/8"]).client(request(PROXY, X_Forwarded_For=chain)) == (
        "10.0.0.2"
    )


@pytest.mark.parametrize(("zone", "is_one"), [("eth0", True), ("x" * 60, False)])
def test_what_is_too_long_for_an_address(zone: str, is_one: bool) -> None:
    """It is none: addresses are remembered, and so have an end."""
    said = f"fe80::1%{zone}"
    client = Proxies(["10.0.0.0/8"]).client(request(PROXY, X_Forwarded_For=said))
    assert client == (said if is_one else PROXY)


@pytest.mark.parametrize(
    ("headers", "secured"),
    [
        ({}, False),
        ({"X_Forwarded_Proto": "https"}, True),
        ({"X_Forwarded_Proto": "HTTPS, http"}, True),
        ({"X_Forwarded_Proto": "http, https"}, False),
        ({"X_Forwarded_Proto": "http", "Forwarded": "proto=https"}, False),
        ({"X_Forwarded_Proto": ""}, False),
        ({"Forwarded": f"for={CLIENT};proto=https"}, True),
        ({"Forwarded": f'for={CLIENT}; Proto="https", for=10.1.1.1;proto=http'}, True),
        ({"Forwarded": f"for={CLIENT};proto=http, proto=https"}, False),
        ({"Forwarded": f"for={CLIENT};xproto=https"}, False),
        ({"Forwarded": f"for={CLIENT};proto=https2"}, False),
    ],
)
def test_tls_that_ends_at_a_proxy(headers: dict[str, str], secured: bool) -> None:
    """A trusted proxy is believed about the scheme of the client's own hop."""
    asked = request(PROXY, **headers)
    assert Proxies([PROXY]).secured(asked) is secured
    assert Proxies([CLIENT]).secured(asked) is False


def test_tls_that_ends_here() -> None:
    """A client on TLS is secured, whatever it says itself."""
    asked = request(CLIENT, X_Forwarded_Proto="http")
    asked.isSecure = lambda: True
    assert NO_PROXIES.secured(asked) is True


@unhurried
@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n")))
def test_hostile_headers(value: str) -> None:
    """Whatever is said, the answer is an address, and nothing is raised."""
    proxies = Proxies(["10.0.0.0/8"])
    for name in ("X_Forwarded_For", "Forwarded", "CF_Connecting_IP"):
        client = proxies.client(request(PROXY, **{name: value}))
        assert client
        assert set(client) <= set("0123456789abcdef.:%")
