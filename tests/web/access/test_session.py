"""The page's session: what a cookie stands for, how long, and what ends it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from camd.web.access.access import Access
from camd.web.access.keys import Keys
from camd.web.access.session import LONGEST, RENEWAL, SESSION, Session, Sessions
from tests.web.access.proofs import KEYS, NOW, Wall, asking

# The machine may be busy with other tests; how long one example takes says nothing.
unhurried = settings(deadline=None)

SIGNING_KEY = b"a signing key"


@pytest.fixture
def wall() -> Wall:
    """A wall clock."""
    return Wall()


@pytest.fixture
def sessions(wall: Wall) -> Sessions:
    """The sessions of two keys."""
    return Sessions(Keys(KEYS, signing_key=SIGNING_KEY), wall)


def cookie_of(name: str = "phone", signing_key: bytes = SIGNING_KEY) -> bytes:
    """A cookie that was made now."""
    sessions = Sessions(Keys(KEYS, signing_key=signing_key), Wall())
    return sessions.value(sessions.begin(name))


def owner(sessions: Sessions, cookie: bytes) -> str | None:
    """The name of the key that a cookie stands for now."""
    session = sessions.read(cookie)
    principal = sessions.holder(session) if session else None
    return principal.name if principal else None


@pytest.mark.parametrize("name", KEYS)
def test_a_session(sessions: Sessions, name: str) -> None:
    """The cookie that was made for a key stands for it."""
    assert owner(sessions, sessions.value(sessions.begin(name))) == name


def test_a_session_expires(sessions: Sessions, wall: Wall) -> None:
    """It holds for its time and not a second longer."""
    wall.now = NOW + SESSION - 1
    assert owner(sessions, cookie_of()) == "phone"
    wall.now = NOW + SESSION
    assert owner(sessions, cookie_of()) is None


@pytest.mark.parametrize(
    ("keys", "signing_key"),
    [
        ({"hallway": KEYS["hallway"]}, SIGNING_KEY),
        ({**KEYS, "phone": "a-new-text"}, SIGNING_KEY),
        (KEYS, b"another signing key"),
    ],
)
def test_what_ends_a_session(keys: dict[str, str], signing_key: bytes) -> None:
    """Its key is gone or changed, or the signing key is another one."""
    later = Sessions(Keys(keys, signing_key=signing_key), Wall())
    assert owner(later, cookie_of()) is None


def test_a_session_tells_no_key() -> None:
    """A cookie holds nothing of the key, and fits in a header as it is."""
    assert KEYS["phone"].encode() not in cookie_of()
    assert cookie_of().replace(b".", b"").isalnum()


def test_a_session_that_is_fresh_is_left_alone(sessions: Sessions, wall: Wall) -> None:
    """Not every answer carries a cookie."""
    session = sessions.begin("phone")
    wall.now += RENEWAL - 1
    assert sessions.renewed(session) is None


def test_a_session_is_renewed_in_use(sessions: Sessions, wall: Wall) -> None:
    """A day later it is good for a week again."""
    session = sessions.begin("phone")
    wall.now += RENEWAL
    renewed = sessions.renewed(session)
    assert renewed == Session("phone", int(NOW), int(NOW) + RENEWAL + SESSION)
    assert owner(sessions, sessions.value(renewed)) == "phone"


def test_renewal_has_an_end(sessions: Sessions, wall: Wall) -> None:
    """Used every hour, a session ends a month after the key was shown."""
    session = sessions.begin("phone")
    while sessions.holder(session):
        wall.now += 3600
        session = sessions.renewed(session) or session
    assert wall.now == NOW + LONGEST


def test_renewal_belongs_to_its_key(sessions: Sessions, wall: Wall) -> None:
    """A session of another key begins anew; this one's stays what it was."""
    wall.now += SESSION - 1
    renewed = sessions.renewed(Session("phone", int(NOW), int(NOW) + SESSION))
    assert renewed is not None
    assert (renewed.name, renewed.began) == ("phone", int(NOW))


def test_a_longer_life_is_not_had_by_asking(sessions: Sessions) -> None:
    """The times in the cookie are sealed."""
    began, expires, seal = cookie_of().split(b".")
    for changed in (
        b"%b.%d.%b" % (began, int(expires) + 1, seal),
        b"%d.%b.%b" % (int(began) + 1, expires, seal),
        b"0%b.%b.%b" % (began, expires, seal),
        b"%b.0%b.%b" % (began, expires, seal),
    ):
        assert sessions.read(changed) is None


REAL = cookie_of()
TIMES = REAL.rpartition(b".")[0]


@unhurried
@given(st.binary() | st.builds(lambda seal: TIMES + b"." + seal, st.binary()))
@example(b"")
@example(b".")
@example(b"..")
@example(TIMES)
@example(TIMES + b".")
@example(b"9" * 5000 + b".00")
@example("١٢٣٤.00".encode())
@example(b"-1.-1." + REAL[-64:])
def test_no_cookie_can_be_made_up(cookie: bytes) -> None:
    """Whatever bytes come as a cookie, nothing opens and nothing breaks."""
    access = Access(Keys(KEYS, signing_key=SIGNING_KEY), Wall())
    assert access.examine(asking(cookie=cookie), b"/").principal is None


@unhurried
@given(st.integers(0, len(REAL) - 1), st.integers(1, 255))
def test_no_cookie_can_be_changed(place: int, change: int) -> None:
    """A cookie with any one byte changed opens nothing."""
    forged = bytearray(REAL)
    forged[place] ^= change
    sessions = Sessions(Keys(KEYS, signing_key=SIGNING_KEY), Wall())
    assert sessions.read(bytes(forged)) is None
