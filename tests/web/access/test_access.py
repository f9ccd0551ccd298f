"""Rights at the door: what each key opens, and what links and signing do there."""

from __future__ import annotations

import json

import pytest

from camd.rights import TO_COUNT, TO_SEE, TO_SIGN, Principal
from camd.web.access.keys import Keys
from tests.fakes_camera import KEY, FakeDaemon, HttpConnection
from tests.fakes_live import FakeLiveClient

KEYS = {"owner": KEY, "wall": "to-see", "meter": "to-count", "signer": "to-sign"}
RIGHTS = {"wall": TO_SEE, "meter": TO_COUNT, "signer": TO_SIGN}

STREAM = "/api/robot/stream"


@pytest.fixture
def daemon() -> FakeDaemon:
    """A daemon with a key for each right."""
    daemon = FakeDaemon()
    daemon.access.change(Keys(KEYS, RIGHTS), None)
    return daemon


OPEN = {
    "wall": {"/", STREAM, "/api/cameras", f"{STREAM}/stats", "/?action=stream"},
    "meter": {"/readyz", "/metrics", "/api/cameras", f"{STREAM}/stats"},
    "signer": set(),
    "owner": {"/", STREAM, "/api/cameras", f"{STREAM}/stats", "/readyz"},
}


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("path", sorted(set().union(*OPEN.values())))
def test_what_a_key_opens(daemon: FakeDaemon, name: str, path: str) -> None:
    """A key opens what it is for, and is told so where it does not."""
    line = daemon.ask(path, key=KEYS[name])
    if path in OPEN[name] or name == "owner":
        assert line.status in (200, 503)
    else:
        assert line.status == 403
        assert "this key is for" in line.json["error"]
        assert daemon.viewer_count.ever == 0


def test_who_may_see_is_not_told_who_else_does(daemon: FakeDaemon) -> None:
    """The stats have the viewers only for keys that may count."""
    daemon.ask(STREAM)
    seen, counted = (
        daemon.ask(f"{STREAM}/stats", key=KEYS[name]).json for name in ("wall", "meter")
    )
    assert "clients" not in seen
    assert [client["key"] for client in counted["clients"]] == ["owner"]
    assert seen["active_clients"] == 1


def sign(daemon: FakeDaemon, body: object, key: str = KEY) -> HttpConnection:
    """Ask for a link."""
    line = daemon.connect()
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = f"X-API-Key: {key}\r\nContent-Length: {len(text)}"
    head = f"POST /api/sign HTTP/1.1\r\nHost: camd\r\n{headers}\r\n\r\n"
    line.channel.dataReceived(head.encode() + text)
    return line


def test_a_link_from_the_daemon(daemon: FakeDaemon) -> None:
    """A key that may sign gets a link, and the link opens the stream without a key."""
    line = sign(daemon, {"path": "robot/stream", "for": "15m"}, KEYS["signer"])
    assert (line.status, line.json["for"]) == (200, 900)
    url = line.json["url"]
    assert daemon.ask(url, key=None).status == 200
    assert daemon.viewer_count.active == 1
    other = url.replace("/stream?", "/snapshot?")
    assert daemon.ask(other, key=None).status == 401


def test_what_a_link_that_opens_nothing_is_told(daemon: FakeDaemon) -> None:
    """Whether it has ended, or is for something else; a forged one is that as well."""
    url = sign(daemon, {"path": "robot/snapshot", "for": "15m"}).json["url"]
    forged = url.replace("signature=", "signature=0")
    other = url.replace("robot", "door")
    for address in (forged, other):
        line = daemon.ask(address, key=None)
        error = "this link does not open this address"
        assert (line.status, line.json) == (401, {"error": error})
    daemon.environment.clock.advance(900)
    line = daemon.ask(url, key=None)
    error = "this link has expired or was taken back"
    assert (line.status, line.json) == (401, {"error": error})
    assert daemon.ask(other, key=None).json != line.json


def test_links_to_the_live_channel_and_to_frames(daemon: FakeDaemon) -> None:
    """Each opens for whoever has the link, and for one camera alone."""
    live = sign(daemon, {"path": "robot/live"}).json["url"]
    client = FakeLiveClient(daemon, live, key=None)
    client.advance(0.2)
    assert client.pictures
    elsewhere = live.replace("/api/robot/live", "/api/live")
    assert FakeLiveClient(daemon, elsewhere, key=None).refused_with == 401
    frame = sign(daemon, {"path": "robot/frame"}).json["url"]
    assert daemon.ask(frame + "&after=0", key=None).status == 200


def test_a_link_behind_a_base_path() -> None:
    """A link has the base path in its address, and opens with it or without."""
    daemon = FakeDaemon(base="/cam")
    url = sign(daemon, {"path": "robot/snapshot"}).json["url"]
    assert url.startswith("/cam/api/robot/snapshot?key=owner&")
    for address in (url, url.removeprefix("/cam")):
        assert daemon.ask(address, key=None).status != 401


@pytest.mark.parametrize("name", ["wall", "meter"])
def test_who_may_not_sign(daemon: FakeDaemon, name: str) -> None:
    """Without the right to sign there is no link."""
    assert sign(daemon, {"path": "robot/stream"}, KEYS[name]).status == 403


def test_a_link_signs_no_link(daemon: FakeDaemon) -> None:
    """A link opens one path to see, and that is not where links are made."""
    url = sign(daemon, {"path": "robot/stream"}).json["url"]
    query = url.partition("?")[2]
    assert daemon.ask(f"/api/sign?{query}", method="POST", key=None).status == 401


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"[" * 3000, "the body is not JSON"),
        ([], 'expected {"path"'),
        ({}, 'expected {"path"'),
        ({"path": "robot/stream", "more": 1}, 'expected {"path"'),
        ({"path": "robot/stats"}, "path: expected NAME/stream"),
        ({"path": 1}, "path: expected NAME/stream"),
        ({"path": "nobody/stream"}, "path: no such camera"),
        ({"path": "robot/stream", "for": "31d"}, "for: expected a time"),
        ({"path": "robot/stream", "for": [1]}, "for: expected a time"),
    ],
)
def test_a_wish_that_cannot_be_met(
    daemon: FakeDaemon, body: object, error: str
) -> None:
    """What is wrong with it is said in one line."""
    line = sign(daemon, body)
    assert line.status == 400
    assert line.json["error"].startswith(error)


def test_links_are_made_by_post(daemon: FakeDaemon) -> None:
    """Another method makes none."""
    line = daemon.ask("/api/sign")
    assert (line.status, line.headers["allow"]) == (405, "POST, OPTIONS")


def test_who_still_lets_in(daemon: FakeDaemon) -> None:
    """A key that is gone, changed, or for something else now, shows no more."""
    principal = daemon.access.keys.named("wall")
    assert isinstance(principal, Principal)
    assert daemon.access.still_lets_in(principal)
    for keys, rights in (
        ({"owner": KEY}, {}),
        ({"wall": "changed"}, {}),
        (KEYS, {"wall": TO_COUNT}),
    ):
        daemon.access.change(Keys(keys, rights), None)
        assert not daemon.access.still_lets_in(principal)
