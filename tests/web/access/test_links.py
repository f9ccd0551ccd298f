"""Signed links: what they open, for how long, and what ends them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.web.http import Request

from camd.rights import TO_SEE, Right
from camd.web.access.keys import MADE, Keys
from camd.web.access.links import LONGEST, Links, duration, link_path
from tests.web.access.test_keys import NOW, Wall, asking

KEYS = {"phone": "a-long-random-text", "hall": "another"}
STREAM = "/api/robot/stream"


@pytest.fixture
def wall() -> Wall:
    """A wall clock."""
    return Wall()


@pytest.fixture
def links(wall: Wall) -> Links:
    """Links of two keys."""
    return Links(Keys(KEYS, wall), wall)


def following(link: str, **changed: str) -> Request:
    """A request that follows a link, with some of its arguments changed."""
    pairs = dict(pair.split("=") for pair in link.partition("?")[2].split("&"))
    args = {**pairs, **changed}
    request = asking(**{name: [value.encode()] for name, value in args.items()})
    request.method = b"GET"
    return request


def test_a_link_opens_its_path(links: Links) -> None:
    """It stands for the key that signed it, to see and nothing else."""
    link = links.sign("phone", STREAM, 60)
    assert link.startswith(f"{STREAM}?key=phone&expires={int(NOW) + 60}&signature=")
    principal = links.principal(following(link), STREAM.encode())
    assert principal is not None
    assert (principal.name, principal.rights) == ("phone", TO_SEE)


def test_a_link_of_the_made_key(wall: Wall) -> None:
    """The name of the key that was made at start stands in an address as it must."""
    links = Links(Keys({MADE: "a-key-made-at-start"}, wall), wall)
    link = links.sign(MADE, STREAM, 60)
    assert f"{STREAM}?key=made%20at%20start&" in link
    assert links.principal(following(link, key=MADE), STREAM.encode()) is not None


@pytest.mark.parametrize(
    "path", ["/api/robot/snapshot", "/api/door/stream", "/", "/api/robot/stream/", ""]
)
def test_a_link_opens_nothing_else(links: Links, path: str) -> None:
    """Another path is another link."""
    link = links.sign("phone", STREAM, 60)
    assert links.principal(following(link), path.encode()) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "hall"},
        {"key": "nobody"},
        {"key": "ph\xf6ne"},
        {"key": ""},
        {"expires": str(int(NOW) + 61)},
        {"expires": "never"},
        {"expires": ""},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "\xff"},
    ],
)
def test_a_changed_link_opens_nothing(links: Links, changed: dict[str, str]) -> None:
    """All that a link says is sealed."""
    link = links.sign("phone", STREAM, 60)
    assert links.principal(following(link, **changed), STREAM.encode()) is None


def test_a_link_expires(links: Links, wall: Wall) -> None:
    """It opens until the second that it names."""
    link = links.sign("phone", STREAM, 60)
    wall.now += 59
    assert links.principal(following(link), STREAM.encode()) is not None
    wall.now += 1
    assert links.principal(following(link), STREAM.encode()) is None


@pytest.mark.parametrize(
    ("keys", "rights"),
    [
        ({"hall": "another"}, {}),
        ({"phone": "changed"}, {}),
        (KEYS, {"phone": frozenset({Right.VIEW})}),
    ],
)
def test_what_ends_a_link(links: Links, wall: Wall, keys, rights) -> None:
    """Without its key, or the key's right to sign, a link opens nothing."""
    link = links.sign("phone", STREAM, 60)
    later = Links(Keys(keys, wall, rights), wall)
    assert later.principal(following(link), STREAM.encode()) is None


@pytest.mark.parametrize(("method", "opens"), [("HEAD", True), ("POST", False)])
def test_methods(links: Links, method: str, opens: bool) -> None:
    """A link is for GET, and for HEAD, which shows less of the same."""
    request = following(links.sign("phone", STREAM, 60))
    request.method = method.encode()
    assert (links.principal(request, STREAM.encode()) is not None) == opens


def test_a_session_is_no_link(links: Links, wall: Wall) -> None:
    """What the page's cookie is sealed with does not seal a link."""
    expires, _, seal = Keys(KEYS, wall).session("phone").decode().partition(".")
    request = asking(
        key=[b"phone"], expires=[expires.encode()], signature=[seal.encode()]
    )
    assert links.principal(request, STREAM.encode()) is None


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("robot/stream", "/api/robot/stream"),
        ("/api/robot/stream", "/api/robot/stream"),
        ("api/door-2/snapshot", "/api/door-2/snapshot"),
    ],
)
def test_paths(text: str, path: str) -> None:
    """A path can be said short or long."""
    assert link_path(text) == (path, path.split("/")[2])


@pytest.mark.parametrize(
    "text", ["", "robot", "robot/stats", "robot/stream?x", "a/b/stream", "../stream"]
)
def test_no_paths(text: str) -> None:
    """Only streams and snapshots have links."""
    with pytest.raises(ValueError, match="NAME/stream"):
        link_path(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("30d", LONGEST)],
)
def test_durations(text: str, seconds: int) -> None:
    """A time has a unit, or is in seconds."""
    assert duration(text) == seconds


@given(st.text(max_size=12))
def test_durations_are_bounded(text: str) -> None:
    """Whatever is said, a link holds for a second to thirty days, or is refused."""
    try:
        assert 0 < duration(text) <= LONGEST
    except ValueError as error:
        assert "expected a time" in str(error)
