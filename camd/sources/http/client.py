"""Asking one camera, on the reactor: names, redirects, logins, time-outs.

Twisted's ``Agent`` speaks HTTP.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS, IResponse
from zope.interface import implementer

from camd import __version__
from camd.sources import SourceError
from camd.sources.http.connection import CameraEndpoint, Connection, Receive
from camd.sources.http.endpoint import CONNECT, FirstAddress
from camd.sources.http.errors import why_no_answer, why_not
from camd.sources.http.login import Proof, challenges, is_stale, prove
from camd.sources.http.names import Names
from camd.sources.http.url import Url

ANSWER = 2 * CONNECT
"""Seconds from the start of a request to the end of its answer's head: those to
connect, and as many again. Or ``camera_timeout``, where that is more."""

REDIRECTS = 5
"""Redirects that are followed, one after the other."""

_REDIRECT = frozenset({301, 302, 303, 307, 308})

_AGENT = f"camd/{__version__}".encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """A camera's answer up to the end of its head.

    :ivar url: the address that gave it, behind all redirects.
    :ivar kind: the Content-Type as it came; empty where there is none.
    :ivar location: the value of Location; empty where there is none.
    :ivar login: the values of WWW-Authenticate.
    :ivar response: what the body can be had from.
    """

    url: Url
    code: int
    kind: bytes
    location: str
    login: Sequence[str]
    response: IResponse

    def header(self, name: bytes) -> str:
        """Return a header's value; empty where there is none."""
        values: list[bytes] = self.response.headers.getRawHeaders(name, [b""])
        return values[0].decode("latin-1")


class Client:
    """Asks one address, again and again, and follows where it leads.

    A connection is kept for the next request where the camera allows it. A password
    goes to the address that the user gave it for and to no other.

    :ivar sent_at: when the last request was sent at the earliest, on the reactor's
        clock.

    :param name: what the camera is called in errors; shows no password.
    :param policy: which certificates are trusted.
    :param timeout: seconds for each request, up to the end of its answer's head.
    """

    def __init__(
        self,
        url: Url,
        name: str,
        names: Names,
        reactor: Any,
        policy: IPolicyForHTTPS,
        timeout: float = ANSWER,
        new_nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._url = url
        self._name = name
        self._names = names
        self._reactor = reactor
        self._policy = policy
        self._timeout = timeout
        self._new_nonce = new_nonce
        self._pool = HTTPConnectionPool(reactor)
        self._open: set[Connection] = set()
        self._pending: Deferred[Answer] | None = None
        self._proof: Proof | None = None
        self.sent_at = 0.0

    def ask(self) -> Deferred[Answer]:
        """Ask until there is an answer 200.

        :return: fails with :exc:`SourceError` when there is none, and with
            ``CancelledError`` when hung up.
        """
        pending = self._pending = Deferred.fromCoroutine(self._ask())
        return pending

    def divert(self, receive: Receive) -> None:
        """Hand the body under way to this directly, if it ends with the connection."""
        for connection in self._open:
            if connection.is_endless:
                connection.divert(receive)

    def hang_up(self) -> None:
        """Cut all connections, and give up a request that is under way."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        self._cut()

    def _cut(self) -> None:
        self._pool.closeCachedConnections()
        for connection in list(self._open):
            connection.cut()

    async def _ask(self) -> Answer:
        url = self._url
        for _ in range(REDIRECTS + 1):
            answer = await self._ask_proving(url)
            if answer.code not in _REDIRECT or not answer.location:
                if answer.code != 200:
                    raise self._error(why_not(answer.code))
                return answer
            url = self._followed(url, answer.location)
        raise self._error(f"it redirects more than {REDIRECTS} times")

    def _followed(self, url: Url, location: str) -> Url:
        try:
            there = url.joined(location)
        except ValueError:
            raise self._error("it redirects to something that is not http") from None
        if url.scheme == "https" and there.scheme != "https":
            raise self._error("it redirects from https to http")
        return there

    async def _ask_proving(self, url: Url) -> Answer:
        """Ask; where the camera wants a login, ask once more with it."""
        answer = await self._get(url)
        if answer.code == 401:
            self._prove(url, answer)
            answer = await self._get(url)
        # The nonce may have grown too old, even if it is new to camd.
        if answer.code == 401 and is_stale(challenges(answer.login)):
            self._prove(url, answer)
            answer = await self._get(url)
        return answer

    def _prove(self, url: Url, answer: Answer) -> None:
        if url.origin != self._url.origin:
            raise self._error(
                f"it redirects to {url.host} port {url.port}, which asks for a user "
                "and password; give that address"
            )
        if self._url.login is None:
            raise self._error("it asks for a user and password")
        asked = challenges(answer.login)
        self._proof = prove(self._url.login, asked, self._new_nonce)
        if self._proof is None:
            raise self._error("it asks for a kind of login that camd does not know")

    async def _get(self, url: Url) -> Answer:
        """Send one request, and hang up behind the head of any answer but 200."""
        headers = Headers({b"User-Agent": [_AGENT], b"Accept": [b"*/*"]})
        if self._proof is not None and url.origin == self._url.origin:
            headers.addRawHeader(b"Authorization", self._proof.header(url.target))
        addresses: Sequence[str] = ()
        found = self._names.find(url.host, url.port)
        try:
            addresses = await found.addTimeout(self._timeout, self._reactor)
            endpoints = _Endpoints(self._reactor, self._policy, addresses, self._open)
            agent = Agent.usingEndpointFactory(self._reactor, endpoints, self._pool)
            self.sent_at = self._reactor.seconds()
            sent: Deferred[IResponse] = agent.request(
                b"GET", url.bare.encode(), headers
            )
            response = await sent.addTimeout(self._timeout, self._reactor)
        except CancelledError:
            # Hung up; a time-out is another error.
            raise
        except Exception as error:
            reason = why_no_answer(error, url, self._timeout)
            if isinstance(error, TimeoutError) and not addresses:
                reason = f"{url.host} was not looked up within {self._timeout:.0f} s"
            raise self._error(reason) from None

        def values(name: bytes) -> list[bytes]:
            return list(response.headers.getRawHeaders(name, []))

        kinds, locations = values(b"Content-Type"), values(b"Location")
        asked = values(b"WWW-Authenticate")
        if response.code != 200:
            self._cut()
        return Answer(
            url=url,
            code=response.code,
            kind=kinds[0] if kinds else b"",
            location=locations[0].decode("latin-1") if locations else "",
            login=[value.decode(errors="surrogateescape") for value in asked],
            response=response,
        )

    def _error(self, reason: str) -> SourceError:
        return SourceError(f"{self._name}: {reason}")


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Where ``Agent`` connects to: addresses that are known already."""

    def __init__(
        self,
        reactor: Any,
        policy: IPolicyForHTTPS,
        addresses: Sequence[str],
        is_open: set[Connection],
    ) -> None:
        self._reactor = reactor
        self._policy = policy
        self._addresses = addresses
        self._open = is_open

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Connect as the scheme wants it, http or https."""
        tls = None
        if uri.scheme == b"https":
            tls = self._policy.creatorForNetloc(uri.host, uri.port)
        first = FirstAddress(self._reactor, self._addresses, uri.port, CONNECT, tls)
        return CameraEndpoint(first, self._open)
