"""Cloudflare Access: people whom Cloudflare has asked who they are.

In front of an application Access puts a signed header on every request, a JSON Web
Token (RFC 7519) that names the person. It is checked against the team's public keys,
which Cloudflare publishes and changes every six weeks; both as its documentation says.
Whoever reaches camd around Cloudflare has no such header, and needs a key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.client import Agent, readBody
from twisted.web.http import Request

from camd.periodic import PeriodicCall
from camd.rights import TO_SEE_OR_COUNT, Principal
from camd.web.answers import printable

HEADER = b"Cf-Access-Jwt-Assertion"

LONGEST = 8192
"""Bytes of a token: Cloudflare's have about a thousand."""

REFRESH = 3600
"""Seconds until the team's keys are fetched again; old ones hold for a week more."""

RETRY = 30
"""Seconds until they are fetched again after that failed."""

TIME_OUT = 10
"""Seconds that Cloudflare may take to answer."""

LEEWAY = 30
"""Seconds by which the clocks of two machines may differ."""

Fetch = Callable[[bytes], Deferred[bytes]]
"""Fetches an address, and returns what stands there."""


def fetcher(reactor: Any) -> Fetch:
    """Make what fetches an address over HTTPS, with the system's authorities."""
    agent = Agent(reactor, connectTimeout=TIME_OUT)

    async def fetch(address: bytes) -> bytes:
        response = await agent.request(b"GET", address)
        if response.code != 200:
            raise OSError(f"{address.decode()} answers {response.code}")
        content: bytes = await readBody(response)
        return content

    def fetched(address: bytes) -> Deferred[bytes]:
        found = Deferred.fromCoroutine(fetch(address))
        return found.addTimeout(TIME_OUT, reactor)

    return fetched


class CloudflareAccess(Service):
    """Believes what one team's Access signed for one application.

    :ivar proof: of all whom it vouches for; another team or application has another.

    :param team_domain: such as ``example.cloudflareaccess.com``.
    :param audience: the application's "AUD tag".
    :param wall: returns Unix seconds, by which tokens expire.
    """

    _log = Logger()

    def __init__(
        self,
        team_domain: str,
        audience: str,
        fetch: Fetch,
        clock: IReactorTime,
        wall: Callable[[], float],
    ) -> None:
        self._issuer = f"https://{team_domain}"
        self.proof = f"{team_domain} {audience}".encode()
        self._audience = audience
        self._fetch = fetch
        self._clock = clock
        self._wall = wall
        self._known: Mapping[str, jwt.PyJWK] = {}
        self._due = 0.0
        self._failing = False
        self._refreshes = PeriodicCall(self._refresh, clock)

    def startService(self) -> None:
        """Begin to fetch the team's keys."""
        super().startService()
        self._due = self._clock.seconds()
        self._refreshes.start(RETRY)

    def stopService(self) -> None:
        """Fetch no more."""
        super().stopService()
        self._refreshes.end()

    def _refresh(self) -> None:
        if self._clock.seconds() >= self._due:
            self._due = self._clock.seconds() + REFRESH
            fetched = self._fetch(f"{self._issuer}/cdn-cgi/access/certs".encode())
            fetched.addCallback(self._learn)
            fetched.addErrback(self._not_learned)

    def _learn(self, content: bytes) -> None:
        found = jwt.PyJWKSet.from_dict(json.loads(content)).keys
        self._known = {key.key_id: key for key in found if key.key_id}
        self._failing = False
        self._log.info(
            "Cloudflare Access: {count} keys of {team}",
            count=len(self._known),
            team=self._issuer,
        )

    def _not_learned(self, failure: Any) -> None:
        # The keys that are known still hold.
        self._due = self._clock.seconds() + RETRY
        if not self._failing:
            self._failing = True
            self._log.warn(
                "Cloudflare Access: the keys of {team} cannot be fetched: {reason}",
                team=self._issuer,
                reason=failure.getErrorMessage(),
            )

    def has_proof(self, request: Request) -> bool:
        """Return whether a request has a token that can be checked by now."""
        return bool(self._known) and request.requestHeaders.hasHeader(HEADER)

    def principal(self, request: Request) -> Principal | None:
        """Return the person for whom Cloudflare vouches; None for nobody."""
        token = request.getHeader(HEADER)
        if token is None or len(token) > LONGEST:
            return None
        try:
            claims = self._claims(token)
        except (jwt.PyJWTError, KeyError):
            return None
        if not self._holds(claims):
            return None
        # A person's address, or a service's name.
        said = claims.get("email") or claims.get("common_name") or claims.get("sub")
        name = printable(str(said).encode())
        return Principal(name, TO_SEE_OR_COUNT, self.proof)

    def _claims(self, token: bytes) -> dict[str, Any]:
        key_id = jwt.get_unverified_header(token).get("kid")
        claims: dict[str, Any] = jwt.decode(
            token,
            self._known[str(key_id)],
            # Named, so that no token can choose a weaker one.
            algorithms=["RS256"],
            audience=self._audience,
            issuer=self._issuer,
            # Checked in _holds, by the daemon's clock.
            options={
                "require": ["exp", "iss", "aud"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        return claims

    def _holds(self, claims: Mapping[str, Any]) -> bool:
        expires, begins = claims["exp"], claims.get("nbf", 0)
        if not (isinstance(expires, int | float) and isinstance(begins, int | float)):
            return False
        now = self._wall()
        return now < expires + LEEWAY and begins - LEEWAY <= now
