"""``/embed/NAME`` and ``/api/qr``: a camera for other people's pages."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from camd.web.qr import LONGEST
from tests.fakes_camera import KEY, FakeDaemon, HttpConnection


def signed(daemon: FakeDaemon, seconds: float = 900) -> str:
    """Return a link to the page of robot."""
    return daemon.access.links.sign("owner", "/embed/robot", seconds)


def post(daemon: FakeDaemon, target: str, body: str) -> HttpConnection:
    """Send a body, and return the connection with the answer."""
    line = daemon.connect()
    line.ask(target, f"X-API-Key: {KEY}", f"Content-Length: {len(body)}", method="POST")
    line.channel.dataReceived(body.encode())
    return line


def ways(html: bytes) -> dict[str, str]:
    """Return what opens each of the ways in which a picture may come."""
    found = re.findall(r'data-(live|frame|stream)="([^"]*)"', html.decode())
    return {way: unescape(query) for way, query in found}


def test_a_link_opens_the_page_and_what_it_shows() -> None:
    """Without a key, it has its own links for the picture, and may be framed by all."""
    daemon = FakeDaemon(title="Meine Küche")
    page = daemon.ask(signed(daemon), key=None)
    assert page.status == 200
    assert page.headers["content-security-policy"].endswith("frame-ancestors *")
    assert "Meine Küche" in page.body.decode()
    stream = daemon.ask(f"/api/robot/stream?{ways(page.body)['stream']}", key=None)
    assert stream.status == 200


def test_its_links_end_with_it() -> None:
    """What the page shows is open as long as the link, and not longer."""
    daemon = FakeDaemon()
    queries = ways(daemon.ask(signed(daemon, 60), key=None).body)
    daemon.environment.clock.advance(61)
    assert daemon.ask(signed(daemon, -1), key=None).status == 401
    for way, query in queries.items():
        assert daemon.ask(f"/api/robot/{way}?{query}", key=None).status == 401


def test_a_link_opens_nothing_else() -> None:
    """Neither another camera's page nor the wall."""
    daemon = FakeDaemon("robot", "door")
    query = signed(daemon).partition("?")[2]
    for path in ("/embed/door", "/", "/api/cameras", "/api/robot/stream"):
        assert daemon.ask(f"{path}?{query}", key=None).status == 401


def test_with_a_key() -> None:
    """People with a key may look at it too, in frames of the sites that are named."""
    page = FakeDaemon().ask("/embed/robot")
    assert page.status == 200
    assert page.headers["content-security-policy"].endswith("frame-ancestors 'self'")
    assert set(ways(page.body).values()) == {""}
    assert FakeDaemon().ask("/embed/nobody").status == 404


def test_a_hostile_title_is_text() -> None:
    """A title with markup in it makes no element."""
    html = FakeDaemon(title="\"'><script>x</script>").ask("/embed/robot").body
    assert b"<script>x" not in html


def test_a_link_as_a_picture() -> None:
    """The QR code is an SVG that scales, without scripts and styles."""
    line = post(FakeDaemon(), "/api/qr", '{"text": "https://robot.example/embed/x"}')
    svg = line.json["svg"]
    assert line.status == 200
    assert re.match(r'<svg [^>]*viewBox="0 0 \d+ \d+"', svg)
    assert re.findall("script|style=|href", svg) == []


def test_a_link_for_a_phone() -> None:
    """Black on white with a margin of four squares, whatever is behind (ISO 18004)."""
    line = post(FakeDaemon(), "/api/qr", '{"text": "https://robot.example/embed/x"}')
    svg = line.json["svg"]
    found = re.search(r'viewBox="0 0 (\d+) \1"', svg)
    assert found is not None
    assert f'<path fill="#fff" d="M0 0h{found[1]}v{found[1]}h-{found[1]}z"/>' in svg
    assert 'stroke="#000" d="M4 4.5h7' in svg


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        '{"text": 5}',
        '{"text": ""}',
        json.dumps({"text": "x" * (LONGEST + 1)}),
        "[" * 5000,
    ],
)
def test_no_text(body: str) -> None:
    """What is no text of a sane length is refused in words."""
    line = post(FakeDaemon(), "/api/qr", body)
    assert line.status == 400
    assert line.json["error"].startswith("expected")
