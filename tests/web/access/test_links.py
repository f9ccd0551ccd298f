"""Signed links: what they open, for how long, and what ends them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.web.http import Request

from camd.rights import TO_SEE, TO_SIGN, Principal, Right
from camd.web.access.access import Access
from camd.web.access.keys import MADE, Keys
from camd.web.access.links import LONGEST, Links, duration, link_path
from camd.web.access.session import Sessions
from tests.web.access.proofs import NOW, Wall, asking

# The machine may be busy with other tests; how long one example takes says nothing.
unhurried = settings(deadline=None)

Rights = dict[str, frozenset[Right]]

KEYS = {"phone": "a-long-random-text", "hall": "another"}
STREAM = "/api/robot/stream"
SIGNING_KEY = b"a signing key"


@pytest.fixture
def wall() -> Wall:
    """A wall clock."""
    return Wall()


@pytest.fixture
def links(wall: Wall) -> Links:
    """Links of two keys."""
    return Links(Keys(KEYS, signing_key=SIGNING_KEY), wall)


def opened_by(links: Links, request: Request, path: str = STREAM) -> Principal | None:
    """Whom a link stands for now."""
    link = links.link_of(request, path.encode())
    return links.holder(link, path.encode()) if link else None


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
    principal = opened_by(links, following(link))
    assert principal is not None
    assert (principal.name, principal.rights) == ("phone", TO_SEE)


def test_a_link_of_the_made_key(wall: Wall) -> None:
    """The name of the key that was made at start stands in an address as it must."""
    links = Links(Keys({MADE: "a-key-made-at-start"}), wall)
    link = links.sign(MADE, STREAM, 60)
    assert f"{STREAM}?key=made%20at%20start&" in link
    assert opened_by(links, following(link, key=MADE)) is not None


@pytest.mark.parametrize(
    "path", ["/api/robot/snapshot", "/api/door/stream", "/", "/api/robot/stream/", ""]
)
def test_a_link_opens_nothing_else(links: Links, path: str) -> None:
    """Another path is another link."""
    link = links.sign("phone", STREAM, 60)
    assert opened_by(links, following(link), path) is None


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
    assert opened_by(links, following(link, **changed)) is None


def test_a_link_expires(links: Links, wall: Wall) -> None:
    """It opens until the second that it names."""
    link = links.sign("phone", STREAM, 60)
    wall.now += 59
    assert opened_by(links, following(link)) is not None
    wall.now += 1
    assert opened_by(links, following(link)) is None


@pytest.mark.parametrize(
    ("keys", "rights", "signing_key"),
    [
        ({"hall": "another"}, {}, SIGNING_KEY),
        ({"phone": "changed"}, {}, SIGNING_KEY),
        (KEYS, {"phone": frozenset({Right.VIEW})}, SIGNING_KEY),
        (KEYS, {}, b"another signing key"),
    ],
)
def test_what_ends_a_link(
    wall: Wall, links: Links, keys: dict[str, str], rights: Rights, signing_key: bytes
) -> None:
    """Without its key, or the key's right to sign, a link opens nothing."""
    link = links.sign("phone", STREAM, 60)
    later = Links(Keys(keys, rights, signing_key), wall)
    assert opened_by(later, following(link)) is None


@pytest.mark.parametrize(
    ("path", "seconds"),
    [
        ("/", 60),
        ("/api/cameras", 60),
        ("/api/robot/stream/stats", 60),
        ("/metrics", 60),
        (STREAM, LONGEST + 1),
        (STREAM, 40 * 365 * 24 * 3600),
    ],
)
def test_what_no_link_opens(links: Links, path: str, seconds: int) -> None:
    """What may be linked and for how long is looked at when a link is used, too."""
    request = following(links.sign("phone", path, seconds))
    assert links.link_of(request, path.encode()) is not None
    assert opened_by(links, request, path) is None


def test_a_link_of_a_key_that_may_only_sign(wall: Wall) -> None:
    """It opens its stream, though the key itself does not."""
    keys = Keys(KEYS, {"phone": TO_SIGN}, SIGNING_KEY)
    links = Links(keys, wall)
    principal = opened_by(links, following(links.sign("phone", STREAM, 60)))
    assert principal is not None
    assert principal.rights == TO_SEE
    assert keys.still_holds(principal)


@pytest.mark.parametrize("expires", ["9" * 5000, "1e9", "\u0661", "-1", "0x10"])
def test_an_expiry_that_is_no_time(links: Links, expires: str) -> None:
    """It is a forged link like any other."""
    request = following(links.sign("phone", STREAM, 60))
    assert request.args is not None
    request.args[b"expires"] = [expires.encode()]
    assert links.link_of(request, STREAM.encode()) is None


@pytest.mark.parametrize(("method", "opens"), [("HEAD", True), ("POST", False)])
def test_methods(links: Links, method: str, opens: bool) -> None:
    """A link is for GET, and for HEAD, which shows less of the same."""
    request = following(links.sign("phone", STREAM, 60))
    request.method = method.encode()
    assert (opened_by(links, request) is not None) == opens


def test_a_session_is_no_link(links: Links, wall: Wall) -> None:
    """What the page's cookie is sealed with does not seal a link."""
    keys = Keys(KEYS, signing_key=SIGNING_KEY)
    sessions = Sessions(keys, wall)
    times, _, seal = sessions.value(sessions.begin("phone")).rpartition(b".")
    for expires in (times, times.partition(b".")[2]):
        request = asking(key=[b"phone"], expires=[expires], signature=[seal])
        request.method = b"GET"
        assert links.link_of(request, STREAM.encode()) is None


@pytest.mark.parametrize(("seconds", "wrong"), [(60, 0), (-1, 0), (None, 1)])
def test_what_counts_as_a_guess(wall: Wall, seconds: int | None, wrong: int) -> None:
    """A forged link does; one that has expired was good once."""
    access = Access(Keys(KEYS), wall)
    link = access.links.sign("phone", STREAM, seconds or 0)
    changed = {"signature": "0" * 64} if seconds is None else {}
    found = access.examine(following(link, **changed), STREAM.encode())
    assert found.wrong == wrong


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("robot/stream", "/api/robot/stream"),
        ("/api/robot/stream", "/api/robot/stream"),
        ("api/door-2/snapshot", "/api/door-2/snapshot"),
        ("robot/live", "/api/robot/live"),
        ("robot/frame", "/api/robot/frame"),
        ("door-2/embed", "/embed/door-2"),
    ],
)
def test_paths(text: str, path: str) -> None:
    """A path can be said short or long."""
    name = "door-2" if "door" in path else "robot"
    assert link_path(text) == (path, name)


@pytest.mark.parametrize(
    "text", ["", "robot", "robot/stats", "robot/stream?x", "a/b/stream", "../stream"]
)
def test_no_paths(text: str) -> None:
    """Only what shows pictures of one camera has links."""
    with pytest.raises(ValueError, match="NAME/stream"):
        link_path(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("30d", LONGEST)],
)
def test_durations(text: str, seconds: int) -> None:
    """A time has a unit, or is in seconds."""
    assert duration(text) == seconds


@unhurried
@given(st.text(max_size=12))
def test_durations_are_bounded(text: str) -> None:
    """Whatever is said, a link holds for a second to thirty days, or is refused."""
    try:
        assert 0 < duration(text) <= LONGEST
    except ValueError as error:
        assert "expected a time" in str(error)
