"""``/api/session``: a key becomes a cookie, and the cookie goes again."""

from __future__ import annotations

import pytest

from camd.web.access.attempts import TRIES
from camd.web.access.session import SESSION
from tests.fakes_camera import KEY, FakeDaemon

TARGET = "/api/session"


def cookie_of(daemon: FakeDaemon, target: str = TARGET) -> str:
    """Sign in, and return the cookie as a browser sends it."""
    line = daemon.ask(target, "Content-Length: 0", method="POST")
    assert line.status == 200
    return "Cookie: " + line.headers["set-cookie"].partition(";")[0]


def test_a_key_becomes_a_cookie() -> None:
    """The cookie alone opens from then on; no script can read it."""
    daemon = FakeDaemon()
    line = daemon.ask(TARGET, "Content-Length: 0", method="POST")
    cookie, *flags = line.headers["set-cookie"].split("; ")
    assert {flag.lower() for flag in flags} == {"path=/", "httponly", "samesite=lax"}
    assert KEY not in line.headers["set-cookie"]
    assert daemon.ask("/api/cameras", f"Cookie: {cookie}", key=None).status == 200


def test_staying_signed_in() -> None:
    """Who wants to stay has a cookie that outlives the browser."""
    line = FakeDaemon().ask(f"{TARGET}?stay=1", "Content-Length: 0", method="POST")
    assert f"Max-Age={SESSION}" in line.headers["set-cookie"]


def test_a_wrong_key() -> None:
    """It gets no cookie, and too many of them nothing for a while."""
    daemon = FakeDaemon()
    for _ in range(TRIES):
        line = daemon.ask(TARGET, "Content-Length: 0", method="POST", key="wrong-key")
        assert line.status == 401
        assert "set-cookie" not in line.headers
    line = daemon.ask(TARGET, "Content-Length: 0", method="POST", key="wrong-key")
    assert line.status == 429


def test_what_is_allowed() -> None:
    """The page learns which rights the key has, and that it can sign out."""
    daemon = FakeDaemon()
    answer = {
        "name": "owner",
        "rights": ["control", "push", "sign", "stats", "view"],
        "can_sign_out": True,
    }
    assert daemon.ask(TARGET, cookie_of(daemon), key=None).json == answer


def test_signing_out() -> None:
    """The browser forgets its cookie."""
    daemon = FakeDaemon(base="/cams")
    cookie = cookie_of(daemon, "/cams/api/session")
    line = daemon.ask("/cams/api/session", cookie, method="DELETE", key=None)
    assert line.status == 200
    assert line.headers["set-cookie"].startswith("camd_session=;")
    assert "Max-Age=0" in line.headers["set-cookie"]
    assert "Path=/cams" in line.headers["set-cookie"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_other_methods(method: str) -> None:
    """Nothing else means anything there."""
    line = FakeDaemon().ask(TARGET, "Content-Length: 0", method=method)
    assert line.status == 405
    assert line.headers["allow"] == "GET, HEAD, POST, DELETE, OPTIONS"


def test_without_a_key() -> None:
    """Nobody without a key learns anything."""
    for method in ("GET", "POST", "DELETE"):
        line = FakeDaemon().ask(TARGET, "Content-Length: 0", method=method, key=None)
        assert line.status == 401
