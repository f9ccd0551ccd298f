"""Addresses are taken apart as people write them."""

from __future__ import annotations

import pytest

from camd.sources.http.url import Login, Url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://cam", ("http", "cam", 80, "/")),
        ("https://cam", ("https", "cam", 443, "/")),
        ("HTTP://Cam:8080/?action=stream", ("http", "cam", 8080, "/?action=stream")),
        ("http://[::1]:81/a", ("http", "::1", 81, "/a")),
        ("http://cam/a b?c=ü#here", ("http", "cam", 80, "/a%20b?c=%C3%BC")),
        ("http://cam/a%20b", ("http", "cam", 80, "/a%20b")),
        ('http://cam/a"b\\', ("http", "cam", 80, "/a%22b%5C")),
        ("http://küche.example/", ("http", "xn--kche-0ra.example", 80, "/")),
        ("http://cam?x=1", ("http", "cam", 80, "/?x=1")),
    ],
)
def test_parts(text: str, expected: tuple[str, str, int, str]) -> None:
    """Scheme, host, port, and what is asked for, fit to be sent."""
    url = Url.parse(text)
    assert (url.scheme, url.host, url.port, url.target) == expected
    assert url.login is None


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("http://me:secret@cam/", Login("me", "secret")),
        ("http://me:a%40b%3A%2F@cam/", Login("me", "a@b:/")),
        ("http://me:a@b@cam/", Login("me", "a@b")),
        ("http://me@cam/", Login("me", "")),
        ("http://:secret@cam/", Login("", "secret")),
    ],
)
def test_login(text: str, login: Login) -> None:
    """User and password are what the person typed, before it was made an address."""
    url = Url.parse(text)
    assert (url.login, url.host) == (login, "cam")


@pytest.mark.parametrize(
    "text",
    [
        "cam",
        "rtsp://cam/",
        "http://",
        "http://cam:port/",
        "http://cam:99999/",
        "http://[::1/",
        "http://me:a%0D%0Ab@cam/",
        "http://me:with/slash@cam/",
        "http://" + "a" * 70 + ".example/",
    ],
)
def test_no_address(text: str) -> None:
    """What is no http address is told apart before anything is sent."""
    with pytest.raises(ValueError):
        Url.parse(text)


def test_secrets_are_not_shown() -> None:
    """Neither the repr nor the bare address holds the password."""
    url = Url.parse("http://me:hunter2@cam/x")
    assert "hunter2" not in repr(url) + url.bare
    assert url.bare == "http://cam:80/x"
    assert Url.parse("http://[::1]/").bare == "http://[::1]:80/"


@pytest.mark.parametrize(
    ("location", "bare"),
    [
        ("/live", "http://cam:80/live"),
        ("live?x=1", "http://cam:80/a/live?x=1"),
        ("//other/live", "http://other:80/live"),
        ("https://cam/", "https://cam:443/"),
    ],
)
def test_joined(location: str, bare: str) -> None:
    """A redirect leads on from where it stands."""
    assert Url.parse("http://me:x@cam/a/b").joined(location).bare == bare


def test_a_redirect_brings_no_login() -> None:
    """A password that a camera puts into its redirect is nobody's."""
    assert Url.parse("http://cam/").joined("http://a:b@cam/").login is None


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "rtsp://cam/", "mailto:a@b"]
)
def test_joined_to_nothing(location: str) -> None:
    """A redirect leads to http or nowhere."""
    with pytest.raises(ValueError, match="not an http address"):
        Url.parse("http://cam/").joined(location)


def test_origin() -> None:
    """Scheme, host and port make an origin; the default port is a port like others."""
    one = Url.parse("http://cam/a")
    assert one.origin == Url.parse("http://CAM:80/b").origin
    for other in ("https://cam/a", "http://cam:81/a", "http://cam2/a"):
        assert Url.parse(other).origin != one.origin
