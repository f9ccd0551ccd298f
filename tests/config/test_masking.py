"""Tests of what is hidden in addresses."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.config.masking import mask_url, origin_of, secrets_in, with_origins

# The machine may be busy with the other tests; how long one example takes says
# nothing.
unhurried = settings(deadline=None)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("rtsp://user:secret@host/x", "rtsp://user:***@host/x"),
        ("rtsp://:secret@host/x", "rtsp://:***@host/x"),
        ("rtsp://me@mail.com:secret@host/x", "rtsp://me@mail.com:***@host/x"),
        ("rtsp://user:a@b/c?d#e@host/x", "rtsp://user:***@host/x"),
        ("http://u:p@[::1]:80/", "http://u:***@[::1]:80/"),
        ("http://h/?user=me&pwd=x&a=b", "http://h/?user=***&pwd=***&a=***"),
        ("http://h/?API_KEY=x", "http://h/?API_KEY=***"),
        ("http://h/?x;y=1#z=2", "http://h/?***;y=***#z=***"),
        ("http://h/?a=b=c&=d", "http://h/?a=***&=***"),
        ("http://u:p@h/?password=x", "http://u:***@h/?password=***"),
        ("rtsp://h/user=me&password=x&channel=1", "rtsp://h/user=***"),
        ("rtsp://h/user=me_password=x_stream=0.sdp", "rtsp://h/user=***"),
        ("rtsp://h/a=b/c/d=e?f", "rtsp://h/a=***/c/d=***?***"),
        ("rtsp://TOKEN@host/stream", "rtsp://***@host/stream"),
        ("camd+http://KEY@host:1/base/robot", "camd+http://***@host:1/base/robot"),
        ("camd+https://any:K%2FY@[::1]/robot", "camd+https://any:***@[::1]/robot"),
        ("http://host:8080/?action=stream", "http://host:8080/?action=***"),
        ("rtsp://admin:my@Secret5/word@host/x", "rtsp://admin:***@host/x"),
        ("http://host/SECRETTOKEN/stream", "http://host/***/stream"),
        ("http://host/a3f9c2e18b7d4410/1.jpg", "http://host/***/1.jpg"),
        ("rtsps://host:7441/AbCdEfGh12345678?x", "rtsps://host:7441/***?***"),
        ("http://host/tok_live_9f8e7d6c5b4a3928", "http://host/***"),
        ("http://host/5f1b0c1e-aaaa-4bbb-8ccc-0123456789ab/x", "http://host/***/x"),
        ("http://host/dGhpc2lzYXRva2VuISE%3D", "http://host/***"),
    ],
)  # fmt: skip
def test_secrets_are_masked(text: str, masked: str) -> None:
    """Passwords and what is named like one give way to three stars."""
    assert mask_url(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "pattern",
        "/dev/video0",
        "/srv/pass=word/a@b",
        "rtsp://host/stream",
        "rtsp://host/Streaming/Channels/101",
        "rtsp://host/h264Preview_01_main",
        "rtsp://host/cam/realmonitor",
        "http://host/axis-cgi/mjpg/video.cgi",
        "http://host/nphMotionJpeg",
        "http://host/api/robot/stream-1280x720",
        "http://[::1]:80/",
        "",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    """What holds no secret is shown as it is."""
    assert mask_url(text) == text


@unhurried
@given(st.text(string.ascii_letters + "@:/?#[]!$+,;%. \n", min_size=1))
def test_no_password_remains(password: str) -> None:
    """Whatever stands in a password, nothing of it is left."""
    assert mask_url(f"rtsp://user:{password}@host/x") == "rtsp://user:***@host/x"


@unhurried
@given(st.text())
def test_masking_twice(text: str) -> None:
    """Text that is masked already stays as it is."""
    assert mask_url(mask_url(text)) == mask_url(text)


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("rtsp://u:p%40ss@host:554/live/TOKEN?x=y", "rtsp://host:554"),
        ("http://[::1]:80/a@b", "http://[::1]:80"),
        ("http://host?x#y", "http://host"),
        ("pattern", "pattern"),
        ("/dev/video0", "/dev/video0"),
    ],
)
def test_origin(source: str, origin: str) -> None:
    """Of an address scheme, host and port are for everybody; the rest is not."""
    assert origin_of(source) == origin


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'rtsp://me:my word@cam:554/TOKEN?x=y' failed", "'rtsp://cam:554' failed"),
        ("from http://a/b to http://c/d: no", "from http://a to http://c no"),
        ("/srv/film.mp4: no such file", "/srv/film.mp4: no such file"),
    ],
)
def test_origins_in_a_text(text: str, shown: str) -> None:
    """Of what a program says of addresses, scheme, host and port are shown."""
    assert with_origins(text) == shown


def test_secrets_of_an_address() -> None:
    """Its password, its token and what its arguments say are looked for in the log."""
    address = (
        "rtsp://me:a%40b@host/x=y?loginpas=abc&p=def&channel=1&n=long-value#token=t"
    )
    assert set(secrets_in(address)) == {"a%40b", "abc", "def", "long-value", "t"}
    assert list(secrets_in("http://LONGTOKEN@host/")) == ["LONGTOKEN"]
    assert list(secrets_in("http://host/live/SECRETTOKEN?")) == ["SECRETTOKEN"]
    assert list(secrets_in("http://admin@host/")) == []
