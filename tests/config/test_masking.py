"""Tests of what is hidden in addresses."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.config.masking import mask_url

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
        ("http://h/?user=me&pwd=x&a=b", "http://h/?user=me&pwd=***&a=b"),
        ("http://h/?API_KEY=x", "http://h/?API_KEY=***"),
        ("http://h/?access_token=x&Auth=y", "http://h/?access_token=***&Auth=***"),
        ("http://u:p@h/?password=x", "http://u:***@h/?password=***"),
        ("rtsp://h/user=me&password=x&channel=1", "rtsp://h/user=me&password=***&channel=1"),
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
        "rtsp://user@host/stream",
        "http://host:8080/?action=stream",
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
