"""What is taken out of every line, by its value or by its looks."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camd.config.settings import Settings
from camd.logs.secrets import Secrets, secrets_of

KEY = "Correct-Horse+Battery/99"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"GET /{KEY} HTTP/1.1", "GET /*** HTTP/1.1"),
        (f"x{KEY}y", "x***y"),
        ("/Correct-Horse%2BBattery%2F99/", "/***/"),
        (f"{KEY}{KEY}", "******"),
        (repr(KEY.encode()), "b'***'"),
    ],
)
def test_a_known_secret(text: str, masked: str) -> None:
    """It is found as it is and as it stands in an address, wherever it stands."""
    assert Secrets([KEY]).mask(text) == masked


@pytest.mark.parametrize("user", ["", "a", "me", "anyone", "someone-else"])
def test_a_secret_in_base64(user: str) -> None:
    """It is found as HTTP Basic carries it, behind whatever user name."""
    basic = b64encode(f"{user}:{KEY}".encode()).decode()
    masked = Secrets([KEY]).mask(f"GET /{basic} HTTP")
    assert basic not in masked
    assert len(masked) < len(f"GET /{b64encode(user.encode()).decode()} HTTP") + 16


def test_the_longest_secret_first() -> None:
    """One that begins like another leaves nothing of it."""
    secrets = Secrets(["abcdefgh", "abcdefghijkl"])
    assert secrets.mask("abcdefghijkl abcdefgh") == "*** ***"


def test_a_short_secret() -> None:
    """One that is a common word is masked as a word, and takes no others apart."""
    secrets = Secrets(["live"])
    assert secrets.mask("/live, deliver live!") == "/***, deliver ***!"


def test_a_secret_that_is_told_of_later() -> None:
    """The key that is made at start is hidden like those of the settings."""
    secrets = Secrets(["first-secret"])
    secrets.hide(["second-secret", ""])
    assert secrets.mask("first-secret second-secret") == "*** ***"


def test_no_secrets() -> None:
    """With none, nothing is masked but what looks like one."""
    assert Secrets().mask("all is well") == "all is well"


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8))
def test_any_key(key: str) -> None:
    """There is no key that can stand in the settings and in a line."""
    assert key not in Secrets([key]).mask(f"a {key} b {key}").replace("***", "")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("/x?api_key=abc&a=1", "/x?api_key=***&a=1"),
        ("/x?api_key%3Dabc HTTP", "/x?api_key%3D*** HTTP"),
        ("?expires=9&signature=f00&x", "?expires=9&signature=***&x"),
        ("password=a&Token=b&SECRET=c", "password=***&Token=***&SECRET=***"),
        ("camd_session=123.abc; other", "camd_session=***; other"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("Authorization: Basic YTpi", "Authorization: ***"),
        ("{'authorization': 'Bearer abcd'}", "{'authorization': '***'}"),
        ("(b'Authorization', [b'Bearer abcd'])", "(b'Authorization', [b'***'])"),
        ("X-API-Key: abc", "X-API-Key: ***"),
        ("with Bearer abcdef there", "with Bearer *** there"),
        ("Cookie: a=b", "Cookie: ***"),
        ("Cf-Access-Jwt-Assertion: eyJx", "Cf-Access-Jwt-Assertion: ***"),
        ("got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln.", "got ***."),
        ("rtsp://me:pw@h/x and more", "rtsp://me:***@h/x and more"),
        ("rtsp://:p@w@h/x", "rtsp://:***@h/x"),
        ("no rtsp://h/x?u=a&p=b here", "no rtsp://h/x?*** here"),
        ("http://h/x#abc, not", "http://h/x#*** not"),
        ("see http://a:b@c and http://d:e@f", "see http://a:***@c and http://d:***@f"),
    ],
)
def test_what_looks_like_a_secret(text: str, masked: str) -> None:
    """Keys, signatures, cookies, tokens and passwords that camd does not know, too."""
    assert Secrets().mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Camera robot is live: 640x480 at 30 fps, YUYV",
        "Client 1 connected to robot from ::1 (curl/8). Total active clients: 1",
        "Open http://127.0.0.1:8001/cam/",
        "listen: 'ssl:443:privateKey=/etc/x.pem:certKey=/etc/y.pem'",
        "rtsp://192.0.2.1:554/stream1: 192.0.2.1 does not answer on port 554",
        '192.0.2.1 "GET /api/keys HTTP/1.1" 404 29 "Mozilla/5.0 (X11; rv:1)"',
        "a cookie, a token and a key: words",
        "mail me@example.org",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    """What holds no secret is logged as it is."""
    assert Secrets(["a-real-secret"]).mask(text) == text


@settings(deadline=None)
@given(st.text())
def test_masking_twice(text: str) -> None:
    """What is masked stays as it is."""
    secrets = Secrets(["hunter2", KEY])
    assert secrets.mask(secrets.mask(text)) == secrets.mask(text)


def test_the_secrets_of_the_settings() -> None:
    """They are the keys, and the passwords in the cameras' sources."""
    told = Settings.model_validate(
        {
            "api_keys": {"phone": "key-one-of-sixteen", "hall": "key-two-of-sixteen"},
            "cameras": {
                "robot": {"name": "robot", "source": "pattern"},
                "door": {"name": "door", "source": "rtsp://viewer:hun@ter2@h/x"},
                "gate": {"name": "gate", "source": "http://h/?user=a&pwd=opensesame"},
            },
        }
    )
    assert sorted(secrets_of(told)) == [
        "hun%40ter2",
        "key-one-of-sixteen",
        "key-two-of-sixteen",
        "opensesame",
    ]
