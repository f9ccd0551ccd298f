"""Cloudflare Access, with real keys and real signatures."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from camd.rights import TO_SEE_OR_COUNT
from camd.web.access.cloudflare import LONGEST, REFRESH, RETRY, CloudflareAccess
from tests.fakes_camera import FakeDaemon, said
from tests.web.access.proofs import NOW, Wall, asking

TEAM = "example.cloudflareaccess.com"
AUDIENCE = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"

OURS, THEIRS = (rsa.generate_private_key(65537, 2048) for _ in range(2))


def published(**keys: rsa.RSAPrivateKey) -> bytes:
    """What stands at the team's address: these keys, by their ids."""
    found = []
    for key_id, key in keys.items():
        told = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        found.append({**told, "kid": key_id, "alg": "RS256", "use": "sig"})
    return json.dumps({"keys": found, "public_certs": []}).encode()


class Team:
    """The team's address, as a stand-in."""

    def __init__(self) -> None:
        self.content: bytes | Exception = published(one=OURS)
        self.asked: list[bytes] = []

    def __call__(self, address: bytes) -> Deferred[bytes]:
        self.asked.append(address)
        bad = isinstance(self.content, Exception)
        return fail(self.content) if bad else succeed(self.content)


@pytest.fixture
def team() -> Team:
    """The team's address."""
    return Team()


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def access(team: Team, clock: Clock) -> CloudflareAccess:
    """What believes the team, and has its keys."""
    access = CloudflareAccess(TEAM, AUDIENCE, team, clock, Wall())
    access.startService()
    return access


CLAIMS: dict[str, Any] = {
    "aud": [AUDIENCE],
    "email": "ada@example.com",
    "exp": NOW + 600,
    "iat": NOW - 60,
    "nbf": NOW - 60,
    "iss": f"https://{TEAM}",
    "sub": "7335d417-61da-459d-899c-0a01c76a2f94",
}


def token(
    key: Any = OURS, key_id: str = "one", algorithm: str = "RS256", **changed: Any
) -> str:
    """A token as Access makes them, with some claims changed, or left out by None."""
    claims = {name: v for name, v in {**CLAIMS, **changed}.items() if v is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": key_id})


def coming(text: str) -> Any:
    """A request with this token."""
    return asking(("Cf-Access-Jwt-Assertion", text))


def test_a_person_is_believed(access: CloudflareAccess, team: Team) -> None:
    """Whom Access vouches for may see and count, by name, and not sign."""
    principal = access.principal(coming(token()))
    assert principal is not None
    assert (principal.name, principal.rights) == ("ada@example.com", TO_SEE_OR_COUNT)
    assert team.asked == [f"https://{TEAM}/cdn-cgi/access/certs".encode()]


def test_a_service_is_believed(access: CloudflareAccess) -> None:
    """A service token has a name in place of an address."""
    principal = access.principal(
        coming(token(email=None, common_name="scraper.access"))
    )
    assert principal is not None
    assert principal.name == "scraper.access"


SYMMETRIC = "what-is-published-is-no-secret-so-it-must-not-sign-anything"

WRONG = {
    "another key": lambda: token(THEIRS),
    "an unknown key": lambda: token(key_id="two"),
    "no id of a key": lambda: jwt.encode(CLAIMS, OURS, "RS256"),
    "another algorithm": lambda: token(OURS, algorithm="RS512"),
    "a shared secret": lambda: token(SYMMETRIC, algorithm="HS256"),
    "no signature": lambda: token(None, algorithm="none"),
    "another application": lambda: token(aud=["other"]),
    "no application": lambda: token(aud=None),
    "another team": lambda: token(iss="https://other.cloudflareaccess.com"),
    "expired": lambda: token(exp=NOW - 60),
    "no end": lambda: token(exp=None),
    "an end that is none": lambda: token(exp="tomorrow"),
    "not yet": lambda: token(nbf=NOW + 60),
    "text": lambda: "anything",
    "nothing": lambda: "",
    "dots": lambda: "..",
    "too long": lambda: token(sub="x" * LONGEST),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_who_is_not_believed(access: CloudflareAccess, make: Any) -> None:
    """Whatever is not quite right opens nothing, and raises nothing."""
    assert access.principal(coming(make())) is None


def test_nobody_comes_with_nothing(access: CloudflareAccess) -> None:
    """Without the header there is nobody to believe."""
    assert access.principal(asking()) is None


def test_names_are_fit_for_a_log(access: CloudflareAccess) -> None:
    """Whatever Access calls somebody, it stands on one line."""
    principal = access.principal(coming(token(email="a\r\nb\x1b[31m")))
    assert principal is not None
    assert principal.name == "a??b?[31m"


def test_keys_change(access: CloudflareAccess, team: Team, clock: Clock) -> None:
    """An hour later the keys are asked for again, and only the new ones hold."""
    team.content = published(two=THEIRS)
    clock.pump([RETRY] * (REFRESH // RETRY))
    assert len(team.asked) == 2
    assert access.principal(coming(token(THEIRS, "two"))) is not None
    assert access.principal(coming(token())) is None


@pytest.mark.parametrize(
    "trouble", [OSError("refused"), b"", b"{}", b"[]", b'{"keys": [{}]}']
)
def test_keys_that_cannot_be_had(
    access: CloudflareAccess, team: Team, clock: Clock, trouble: bytes | Exception
) -> None:
    """The last ones hold on, it is said once, and it is tried again soon."""
    team.content = trouble
    with capturedLogs() as events:
        clock.pump([RETRY] * (REFRESH // RETRY + 2))
    assert access.principal(coming(token())) is not None
    (line,) = said(events)
    assert "the keys of https://example.cloudflareaccess.com cannot be fetched" in line
    assert len(team.asked) == 4


def test_it_stops(access: CloudflareAccess, team: Team, clock: Clock) -> None:
    """A stopped service asks for nothing more."""
    access.stopService()
    clock.pump([RETRY] * (2 * REFRESH // RETRY))
    assert len(team.asked) == 1


def test_at_the_door(team: Team) -> None:
    """A person whom Access vouches for sees the stream without a key."""
    daemon = FakeDaemon()
    wall = daemon.environment.wall
    cloudflare = CloudflareAccess(TEAM, AUDIENCE, team, daemon.environment.clock, wall)
    cloudflare.startService()
    daemon.access.change(daemon.access.keys, cloudflare)
    proof = f"Cf-Access-Jwt-Assertion: {token(exp=wall() + 60, nbf=0)}"
    assert daemon.ask("/api/robot/stream", proof, key=None).status == 200
    assert daemon.ask("/", proof, key=None).status == 200
    assert daemon.ask("/api/sign", proof, key=None, method="POST").status == 403
    (viewer,) = daemon.camera.viewers
    assert daemon.access.still_lets_in(viewer.client_info.principal)
    daemon.access.change(daemon.access.keys, None)
    assert not daemon.access.still_lets_in(viewer.client_info.principal)


@pytest.mark.parametrize(
    ("team_domain", "audience"), [("other.cloudflareaccess.com", AUDIENCE), (TEAM, "x")]
)
def test_another_team_or_application(
    team: Team, team_domain: str, audience: str
) -> None:
    """Whom the one has let in the other has not: their streams end."""
    daemon = FakeDaemon()
    wall, clock = daemon.environment.wall, daemon.environment.clock
    one = CloudflareAccess(TEAM, AUDIENCE, team, clock, wall)
    one.startService()
    daemon.access.change(daemon.access.keys, one)
    proof = f"Cf-Access-Jwt-Assertion: {token(exp=wall() + 60, nbf=0)}"
    daemon.ask("/api/robot/stream", proof, key=None)
    (viewer,) = daemon.camera.viewers
    other = CloudflareAccess(team_domain, audience, team, clock, wall)
    daemon.access.change(daemon.access.keys, other)
    assert not daemon.access.still_lets_in(viewer.client_info.principal)


def test_forged_tokens_count(team: Team) -> None:
    """They are guesses, once there are keys to check them by."""
    daemon = FakeDaemon()
    wall, clock = daemon.environment.wall, daemon.environment.clock
    cloudflare = CloudflareAccess(TEAM, AUDIENCE, team, clock, wall)
    daemon.access.change(daemon.access.keys, cloudflare)
    proof = f"Cf-Access-Jwt-Assertion: {token(THEIRS)}"
    for _ in range(20):
        assert daemon.ask("/", proof, key=None).status == 401
    cloudflare.startService()
    codes = [daemon.ask("/", proof, key=None).status for _ in range(11)]
    assert codes == [401] * 10 + [429]
