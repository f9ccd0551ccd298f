"""Keys: the ways one may come, and the cookie that stands for one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.web.http import Request
from twisted.web.test.requesthelper import DummyChannel

from camd.web.access.keys import COOKIE, SESSION, Keys, offered_keys

NOW = 1_800_000_000.0
KEYS = {"phone": "a-long-random-text", "hallway": "another:one=="}


class Wall:
    """A wall clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    """A wall clock."""
    return Wall()


@pytest.fixture
def keys(wall: Wall) -> Keys:
    """Two keys."""
    return Keys(KEYS, wall)


def asking(
    *headers: tuple[str, str], cookie: bytes | None = None, **args: list[bytes]
) -> Request:
    """A request that comes with these."""
    request = Request(DummyChannel(), False)
    for name, value in headers:
        request.requestHeaders.addRawHeader(name, value)
    if cookie is not None:
        request.received_cookies[COOKIE] = cookie
    request.args = {name.encode(): values for name, values in args.items()}
    return request


def basic(text: str | bytes) -> tuple[str, str]:
    """The header of HTTP Basic for user:password."""
    raw = text.encode() if isinstance(text, str) else text
    return ("Authorization", "Basic " + base64.b64encode(raw).decode())


WAYS = {
    "header": lambda key: asking(("X-API-Key", key)),
    "bearer": lambda key: asking(("Authorization", f"Bearer {key}")),
    "bearer in capitals": lambda key: asking(("Authorization", f"BEARER  {key} ")),
    "basic": lambda key: asking(basic(f"anybody:{key}")),
    "basic without a name": lambda key: asking(basic(f":{key}")),
    "query": lambda key: asking(api_key=[key.encode()]),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@every_way
@pytest.mark.parametrize("name", KEYS)
def test_a_key_opens(keys, way, name):
    """However a key comes, it opens, and its name is known."""
    assert keys.owner(way(KEYS[name])) == name


@every_way
@pytest.mark.parametrize(
    "wrong",
    ["", "wrong", "a-long-random-tex", "a-long-random-text2", "A-LONG-RANDOM-TEXT"],
)
def test_a_wrong_key_does_not(keys, way, wrong):
    """However a wrong key comes, and be it nearly right, it opens nothing."""
    assert keys.owner(way(wrong)) is None


def test_nothing_offered(keys):
    """Without a key nothing opens."""
    assert keys.owner(asking()) is None


def test_no_arguments_at_all(keys):
    """A request that was never parsed for arguments opens nothing, without a fuss."""
    request = asking()
    request.args = None
    assert keys.owner(request) is None


@pytest.mark.parametrize(
    "value",
    [
        "a-long-random-text",
        "Digest a-long-random-text",
        "Basic",
        "Basic a-long-random-text",
        "Basic ????",
        "Basic !" + base64.b64encode(b"me:a-long-random-text").decode(),
        "Basic " + base64.b64encode(b"a-long-random-text").decode(),
        "Bearer",
    ],
)
def test_other_authorizations(keys, value):
    """What is no Bearer and no Basic, or not rightly so, opens nothing."""
    assert keys.owner(asking(("Authorization", value))) is None


def test_a_colon_in_a_key(keys):
    """Only the first colon of Basic ends the name; the others are the password's."""
    assert list(offered_keys(asking(basic("me:a:b::")))) == [b"a:b::"]


def test_one_right_key_is_enough(keys):
    """A wrong key in one place does not take the right of one in another."""
    request = asking(("X-API-Key", "wrong"), api_key=[b"a-long-random-text"])
    assert keys.owner(request) == "phone"


def test_no_key_is_set():
    """Where there are no keys, none opens: not even an empty one."""
    keys = Keys({}, lambda: NOW)
    assert keys.owner(asking(("X-API-Key", ""), api_key=[b""])) is None


# ---- The cookie


@pytest.mark.parametrize("name", KEYS)
def test_a_session(keys, name):
    """The cookie that was made for a key stands for it."""
    assert keys.owner(asking(cookie=keys.session(name))) == name


def test_a_session_expires(keys, wall):
    """It holds for its time and not a second longer."""
    cookie = keys.session("phone")
    wall.now = NOW + SESSION - 1
    assert keys.owner(asking(cookie=cookie)) == "phone"
    wall.now = NOW + SESSION
    assert keys.owner(asking(cookie=cookie)) is None


def test_a_session_outlives_a_restart(keys, wall):
    """A new daemon with the same key knows the cookie of the one before."""
    cookie = keys.session("phone")
    assert Keys(KEYS, wall).owner(asking(cookie=cookie)) == "phone"


def test_a_session_dies_with_its_key(keys, wall):
    """A key that is taken away or changed takes its cookies along."""
    cookie = keys.session("phone")
    without = Keys({"hallway": KEYS["hallway"]}, wall)
    changed = Keys({**KEYS, "phone": "a-new-text"}, wall)
    assert without.owner(asking(cookie=cookie)) is None
    assert changed.owner(asking(cookie=cookie)) is None


def test_a_session_tells_no_key(keys):
    """A cookie holds nothing of the key, and fits in a header as it is."""
    cookie = keys.session("phone")
    assert KEYS["phone"].encode() not in cookie
    assert cookie.replace(b".", b"").isalnum()


def test_a_longer_life_is_not_had_by_asking(keys, wall):
    """The time in the cookie is sealed."""
    expires, _, seal = keys.session("phone").partition(b".")
    later = b"%d.%b" % (int(expires) + 1, seal)
    padded = b"0%b.%b" % (expires, seal)
    assert keys.owner(asking(cookie=later)) is None
    assert keys.owner(asking(cookie=padded)) is None


FUTURE = b"%d" % (NOW + 1000)
REAL = Keys(KEYS, lambda: NOW).session("phone")


@given(st.binary() | st.builds(lambda seal: FUTURE + b"." + seal, st.binary()))
@example(b"")
@example(b".")
@example(FUTURE)
@example(FUTURE + b".")
@example(b"9" * 5000 + b".00")
@example("١٢٣٤.00".encode())
@example(b"-1." + REAL[-64:])
@example(b"1e99." + REAL[-64:])
def test_no_cookie_can_be_made_up(cookie):
    """Whatever bytes come as a cookie, nothing opens and nothing breaks."""
    assert Keys(KEYS, lambda: NOW).owner(asking(cookie=cookie)) is None


@given(st.integers(0, len(REAL) - 1), st.integers(1, 255))
def test_no_cookie_can_be_changed(place, change):
    """A cookie with any one byte changed opens nothing."""
    forged = bytearray(REAL)
    forged[place] ^= change
    assert Keys(KEYS, lambda: NOW).owner(asking(cookie=bytes(forged))) is None


@given(st.binary(max_size=100))
def test_any_authorization(value):
    """Whatever bytes come as credentials, nothing opens and nothing breaks."""
    keys = Keys(KEYS, lambda: NOW)
    text = value.decode("latin-1").replace("\r", "").replace("\n", "")
    for scheme in ("", "Basic ", "Bearer "):
        assert keys.owner(asking(("Authorization", scheme + text))) is None
    assert keys.owner(asking(basic(value))) is None
