"""Keys: the ways one may come, and what is sealed in their names."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.web.http import Request

from camd.config.settings import Settings
from camd.rights import TO_COUNT, Principal, Right
from camd.web.access.access import Access
from camd.web.access.keys import Keys, keys_of, offered_keys
from tests.web.access.proofs import KEYS, Wall, asking, basic

# The machine may be busy with other tests; how long one example takes says nothing.
unhurried = settings(deadline=None)


@pytest.fixture
def keys() -> Keys:
    """Two keys."""
    return Keys(KEYS)


def owner(keys: Keys, request: Request) -> str | None:
    """The name of the key that came with a request."""
    principal = Access(keys, Wall()).examine(request, b"/").principal
    return None if principal is None else principal.name


Way = Callable[[str], Request]

WAYS: dict[str, Way] = {
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
def test_a_key_opens(keys: Keys, way: Way, name: str) -> None:
    """However a key comes, it opens, and its name is known."""
    assert owner(keys, way(KEYS[name])) == name


@every_way
@pytest.mark.parametrize(
    "wrong",
    ["", "wrong", "a-long-random-tex", "a-long-random-text2", "A-LONG-RANDOM-TEXT"],
)
def test_a_wrong_key_does_not(keys: Keys, way: Way, wrong: str) -> None:
    """However a wrong key comes, and be it nearly right, it opens nothing."""
    assert owner(keys, way(wrong)) is None


@pytest.mark.parametrize("password", ["", "x"])
def test_a_key_as_the_user_name(keys: Keys, password: str) -> None:
    """``curl -u KEY:`` opens, and so does what insists on a password."""
    assert owner(keys, asking(basic(f"a-long-random-text:{password}"))) == "phone"


def test_nothing_offered(keys: Keys) -> None:
    """Without a key nothing opens."""
    assert owner(keys, asking()) is None


def test_no_arguments_at_all(keys: Keys) -> None:
    """A request that was never parsed for arguments opens nothing."""
    request = asking()
    request.args = None
    assert owner(keys, request) is None


@pytest.mark.parametrize(
    "value",
    [
        "a-long-random-text",
        "Digest a-long-random-text",
        "Basic",
        "Basic a-long-random-text",
        "Basic ????",
        "Basic !" + base64.b64encode(b"me:a-long-random-text").decode(),
        "Bearer",
    ],
)
def test_other_authorizations(keys: Keys, value: str) -> None:
    """What is no Bearer and no Basic, or not rightly so, opens nothing."""
    assert owner(keys, asking(("Authorization", value))) is None


def test_a_colon_in_a_key() -> None:
    """Only the first colon of Basic ends the name; the others are the password's."""
    offered = [texts for texts in offered_keys(asking(basic("me:a:b::"))) if any(texts)]
    assert offered == [(b"a:b::", b"me")]


def test_one_right_key_is_enough(keys: Keys) -> None:
    """A wrong key in one place does not take the right of one in another."""
    request = asking(("X-API-Key", "wrong"), api_key=[b"a-long-random-text"])
    assert owner(keys, request) == "phone"


def test_no_key_is_set() -> None:
    """Where there are no keys, none opens: not even an empty one."""
    assert owner(Keys({}), asking(("X-API-Key", ""), api_key=[b""])) is None


@unhurried
@given(st.binary(max_size=100))
def test_any_authorization(value: bytes) -> None:
    """Whatever bytes come as credentials, nothing opens and nothing breaks."""
    keys = Keys(KEYS)
    text = value.decode("latin-1").replace("\r", "").replace("\n", "")
    for scheme in ("", "Basic ", "Bearer "):
        assert owner(keys, asking(("Authorization", scheme + text))) is None
    assert owner(keys, asking(basic(value))) is None


# ---- What is sealed


SHARED = b"a signing key of some machines"


def seal(keys: dict[str, str], signing_key: bytes | None, name: str = "phone") -> bytes:
    """What a daemon with these keys seals."""
    return Keys(keys, signing_key=signing_key).seal(name, b"a message")


def test_what_seals_alike() -> None:
    """The same signing key seals alike, be it on another machine or after a restart."""
    assert seal(KEYS, SHARED) == seal(KEYS, SHARED)


@pytest.mark.parametrize(
    ("keys", "signing_key", "name"),
    [
        (KEYS, b"another signing key", "phone"),
        (KEYS, None, "phone"),
        ({"phone": "another-long-text"}, SHARED, "phone"),
        ({"phone": KEYS["phone"], "x": KEYS["phone"]}, SHARED, "x"),
    ],
)
def test_what_seals_otherwise(
    keys: dict[str, str], signing_key: bytes | None, name: str
) -> None:
    """Another signing key does, another key, and the key by another name."""
    assert seal(keys, signing_key, name) != seal(KEYS, SHARED)


def test_a_seal_tells_nothing_of_the_key() -> None:
    """Knowing a seal, nobody can try API keys on it: the signing key is in it."""
    assert seal(KEYS, None) != seal(KEYS, None)


@pytest.mark.parametrize(
    ("given", "signing_key"),
    [(None, SHARED), ("a-text-of-thirty-two-characters!", None)],
)
def test_where_the_signing_key_comes_from(
    given: str | None, signing_key: bytes
) -> None:
    """The settings have it, or the daemon makes one of its own."""
    settings = Settings.model_validate(
        {"api_keys": {"phone": KEYS["phone"]}, "signing_key": given}
    )
    expected = given.encode() if given else signing_key
    made = keys_of(settings, None, SHARED).seal("phone", b"a message")
    assert made == seal({"phone": KEYS["phone"]}, expected)


# ---- Who still holds


def test_who_still_holds(keys: Keys) -> None:
    """The holder of a key holds it until it is gone, changed, or for something else."""
    principal = keys.named("phone")
    assert isinstance(principal, Principal)
    assert keys.still_holds(principal)
    assert not Keys({"hallway": "another:one=="}).still_holds(principal)
    assert not Keys({"phone": "changed"}).still_holds(principal)
    assert not Keys(KEYS, {"phone": TO_COUNT}).still_holds(principal)


def test_who_still_holds_by_a_link() -> None:
    """A link needs its key's right to sign, and not the one to view."""
    keys = Keys(KEYS, {"phone": frozenset({Right.SIGN})}, SHARED)
    principal = Principal(
        "phone", frozenset({Right.VIEW}), keys.sealed_proof("phone"), Right.SIGN
    )
    assert keys.still_holds(principal)
    only_view = {"phone": frozenset({Right.VIEW})}
    assert not Keys(KEYS, only_view, SHARED).still_holds(principal)
    assert not Keys(KEYS, signing_key=b"another").still_holds(principal)
