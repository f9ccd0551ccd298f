"""Addresses of another camd's cameras are taken apart as people write them."""

from __future__ import annotations

import pytest

from camd.sources.relay.address import Origin, parse


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "key", "name"),
    [
        ("camd+http://K@h/robot", "h", 80, "/api/live", "K", "robot"),
        ("camd+https://K@h/robot", "h", 443, "/api/live", "K", "robot"),
        ("camd+http://any:K@h:8001/robot", "h", 8001, "/api/live", "K", "robot"),
        ("camd+http://h:8001/a/b/robot", "h", 8001, "/a/b/api/live", "", "robot"),
        ("camd+http://a%2Fb%40c@[::1]:1/x", "::1", 1, "/api/live", "a/b@c", "x"),
    ],
)
def test_its_parts(
    text: str, host: str, port: int, target: str, key: str, name: str
) -> None:
    """Host, port, what is asked for, the key, and the camera's name there."""
    origin, camera = parse(text, verify_tls=True)
    url = origin.url
    assert (url.host, url.port, url.target) == (host, port, target)
    assert (origin.key, camera) == (key, name)
    assert url.login is None


@pytest.mark.parametrize(
    "text",
    [
        "http://h/robot",
        "camd+http://h",
        "camd+http://h/",
        "camd+http://h/robot?width=3",
        "camd+http://k%C3%A9y@h/robot",
        "camd+http://k%0Ay@h/robot",
    ],
)
def test_what_is_no_such_address(text: str) -> None:
    """Nothing is asked for by half an address, or by a key that no header can hold."""
    with pytest.raises(ValueError, match=r"address|key|user"):
        parse(text, verify_tls=True)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("camd+http://K@h/x", "h"),
        ("camd+http://K@h:8001/x", "h:8001"),
        ("camd+https://K@h:443/x", "h"),
        ("camd+http://K@[::1]:8001/x", "[::1]:8001"),
    ],
)
def test_the_host_header(text: str, host: str) -> None:
    """A usual port is left out, and IPv6 has brackets."""
    assert parse(text, verify_tls=True)[0].host == host


def test_no_key_is_shown() -> None:
    """The one who prints it for a log sees where it leads, and no key."""
    origin, _ = parse("camd+http://hunter2hunter2@h/robot", verify_tls=True)
    assert isinstance(origin, Origin)
    assert "hunter2" not in repr(origin)
