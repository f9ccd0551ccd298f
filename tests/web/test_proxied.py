"""The site behind proxies and in other people's pages: aliases, base path, CORS."""

from __future__ import annotations

import pytest

from camd.web.client import Proxies
from tests.fakes_camera import KEY, FakeDaemon

MINE = "https://mine.example"


@pytest.mark.parametrize("target", ["/?action=snapshot", "/snapshot"])
def test_aliases_of_the_snapshot(target: str) -> None:
    """The addresses of mjpg-streamer and µStreamer show the first camera."""
    line = FakeDaemon("door", "garden").ask(target)
    assert (line.status, line.headers["content-type"]) == (200, "image/jpeg")


@pytest.mark.parametrize("target", ["/?action=stream", "/stream"])
def test_aliases_of_the_stream(target: str) -> None:
    """So do those of the stream."""
    daemon = FakeDaemon("door", "garden")
    line = daemon.ask(target)
    assert line.headers["content-type"].startswith("multipart/x-mixed-replace")
    assert (len(daemon.camera.viewers), daemon.viewer_count.active) == (1, 1)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/?action=stream_0", "door"),
        ("/?action=stream_1", "garden"),
        ("/api/garden/stream.mjpg", "garden"),
        ("//api/garden/stream/", "garden"),
        ("/stream.mjpg", "door"),
        ("/stream/", "door"),
    ],
)
def test_other_addresses_of_a_stream(target: str, name: str) -> None:
    """What programs and people make of an address opens what they meant."""
    daemon = FakeDaemon("door", "garden")
    line = daemon.ask(target)
    assert line.headers["content-type"].startswith("multipart/x-mixed-replace")
    assert [n for n, camera in daemon.cameras.items() if camera.viewers] == [name]
    assert daemon.ask(target, key=None).status == 401


@pytest.mark.parametrize(
    "target", ["/api/door/snapshot.jpg", "/snapshot.jpg", "/?action=snapshot_0"]
)
def test_other_addresses_of_a_snapshot(target: str) -> None:
    """The same holds for one picture."""
    line = FakeDaemon("door").ask(target)
    assert (line.status, line.headers["content-type"]) == (200, "image/jpeg")


def test_a_link_with_an_ending() -> None:
    """A link is good for the address that a program insists on, too."""
    daemon = FakeDaemon()
    link = daemon.access.links.sign("owner", "/api/robot/snapshot", 60)
    assert (
        daemon.ask(link.replace("snapshot?", "snapshot.jpg?"), key=None).status == 200
    )


def test_an_action_of_a_camera_that_is_not_there() -> None:
    """There is the page, as for any other action."""
    assert "text/html" in FakeDaemon().ask("/?action=stream_1").headers["content-type"]


@pytest.mark.parametrize("target", ["/?action=stream", "/stream", "/snapshot"])
def test_aliases_ask_for_a_key(target: str) -> None:
    """They are no way around it."""
    assert FakeDaemon().ask(target, key=None).status == 401


def test_an_unknown_action_is_the_page() -> None:
    """What is no alias changes nothing."""
    assert "text/html" in FakeDaemon().ask("/?action=dance").headers["content-type"]


@pytest.mark.parametrize("target", ["/cam/api/robot/snapshot", "/api/robot/snapshot"])
def test_base_path(target: str) -> None:
    """A path that a proxy left in front is left out, and may be missing."""
    assert FakeDaemon(base="/cam").ask(target).status == 200


@pytest.mark.parametrize("target", ["/healthz", "/cam/healthz"])
def test_health_below_a_base_path(target: str) -> None:
    """It is open by both of its names."""
    assert FakeDaemon(base="/cam").ask(target, key=None).status == 200


def test_a_base_path_opens_nothing() -> None:
    """What is below it asks for a key as ever, and another path is no base."""
    daemon = FakeDaemon(base="/cam")
    assert daemon.ask("/cam/api/robot/snapshot", key=None).status == 401
    assert daemon.ask("/camera/api/robot/snapshot").status == 404


@pytest.mark.parametrize("target", ["/cam", "/cam/"])
def test_page_below_a_base_path(target: str) -> None:
    """Its pictures, its cookie and its redirect carry the path."""
    daemon = FakeDaemon(base="/cam")
    line = daemon.ask(target)
    assert b'"/cam/api/robot/stream"' in line.raw
    assert "Path=/cam" in line.headers["set-cookie"]
    redirect = daemon.ask(f"{target}?api_key={KEY}", key=None)
    assert redirect.headers["location"] == "/cam/"


def test_addresses_below_a_base_path() -> None:
    """The list of cameras tells addresses that work through the proxy."""
    (camera,) = FakeDaemon(base="/cam").ask("/api/cameras").json["cameras"]
    assert camera["stream"] == "/cam/api/robot/stream"


def test_no_origin_is_allowed_by_default() -> None:
    """A page of another site may show pictures, and read nothing."""
    line = FakeDaemon().ask("/api/cameras", f"Origin: {MINE}")
    assert line.status == 200
    assert "access-control-allow-origin" not in line.headers
    assert "vary" not in line.headers


@pytest.mark.parametrize(
    ("allowed", "origin", "shown"),
    [
        ([MINE], MINE, MINE),
        ([MINE, "http://a.example"], "http://a.example", "http://a.example"),
        (["*"], MINE, "*"),
        ([MINE], "https://evil.example", None),
        ([MINE], "https://mine.example.evil.example", None),
        ([MINE], "null", None),
    ],
)
def test_allowed_origins(allowed: list[str], origin: str, shown: str | None) -> None:
    """Those of the list may read, and the answer says so to them only."""
    line = FakeDaemon(origins=allowed).ask("/api/cameras", f"Origin: {origin}")
    assert line.headers.get("access-control-allow-origin") == shown
    assert line.headers.get("vary") == (None if allowed == ["*"] else "Origin")


def test_preflight() -> None:
    """A browser's question is answered without a key; the request itself is not."""
    daemon = FakeDaemon(origins=[MINE])
    headers = (f"Origin: {MINE}", "Access-Control-Request-Method: GET")
    line = daemon.ask("/api/cameras", *headers, method="OPTIONS", key=None)
    assert line.status == 204
    assert "X-API-Key" in line.headers["access-control-allow-headers"]
    assert line.headers["access-control-allow-methods"] == "GET, HEAD"
    asked = daemon.ask("/api/cameras", f"Origin: {MINE}", key=None)
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (401, MINE)


def test_preflight_of_others() -> None:
    """A page that may not read learns nothing of what is there."""
    headers = ("Origin: https://evil.example", "Access-Control-Request-Method: GET")
    line = FakeDaemon(origins=[MINE]).ask("/x", *headers, method="OPTIONS", key=None)
    assert line.status == 204
    assert not [name for name in line.headers if name.startswith("access-control")]


def test_options() -> None:
    """With a key, OPTIONS tells the methods."""
    line = FakeDaemon().ask("/api/robot/stream", method="OPTIONS")
    assert (line.status, line.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


def test_the_client_behind_a_proxy_is_named() -> None:
    """The stats tell the real client's address where its proxy is trusted."""
    daemon = FakeDaemon(proxies=Proxies(["0.0.0.0/0"]))
    daemon.ask("/api/robot/stream", "X-Forwarded-For: 6.6.6.6, 192.0.2.7")
    (viewer,) = daemon.camera.viewers
    # Everybody is trusted here, so that the chain is followed to its end.
    assert viewer.client_info.address == "6.6.6.6"


def test_a_range_is_ignored() -> None:
    """Players ask for "bytes=0-" of what has no end."""
    line = FakeDaemon().ask("/api/robot/stream", "Range: bytes=0-")
    assert line.status == 200
