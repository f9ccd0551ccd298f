"""
Requests to one camera, on the reactor: time-outs, limits, and an end at once.

Twisted's `Agent` speaks HTTP. Host names are not looked up here, as Twisted does that
in threads that it joins at the end: a name server that is silent would hold that up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS, IResponse
from zope.interface import implementer

from camd import __version__
from camd.sources.http.connection import CONNECT, Connection, FirstThatAnswers, Guarded
from camd.sources.http.url import Url

#: Seconds from the start of a request to the end of its answer's headers: those to
#: connect, and as many again.
ANSWER = 2 * CONNECT

#: Addresses of one host that are tried.
ADDRESSES = 4

_AGENT = f"camd/{__version__}".encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """
    A camera's answer up to the end of its headers.

    :ivar kind: the Content-Type as it came; empty where there is none.
    :ivar location: the value of Location; empty where there is none.
    :ivar login: the values of WWW-Authenticate.
    :ivar response: what the body can be had from.
    """

    code: int
    kind: bytes
    location: str
    login: Sequence[str]
    response: IResponse


class Client:
    """
    One camera's connections; to be used on the reactor only.

    A connection is kept for the next request where the camera allows it.

    :param reactor: the reactor.
    :param policy: which certificates are trusted.
    """

    def __init__(self, reactor: Any, policy: IPolicyForHTTPS) -> None:
        self._reactor = reactor
        self._policy = policy
        self._pool = HTTPConnectionPool(reactor)
        self._open: set[Connection] = set()
        self._pending: Deferred[Answer] | None = None

    def get(
        self, url: Url, addresses: Sequence[str], proof: bytes | None
    ) -> Deferred[Answer]:
        """
        Ask, and wait for the headers. Anything but 200 is hung up on behind them.

        :param addresses: the host's, as numbers; tried in turn.
        :param proof: the value of Authorization; None for none.
        :return: fails with what Twisted makes of the trouble, or with a time-out.
        """
        headers = Headers({b"User-Agent": [_AGENT], b"Accept": [b"*/*"]})
        if proof is not None:
            headers.addRawHeader(b"Authorization", proof)
        endpoints = _Endpoints(self._reactor, self._policy, addresses, self._open)
        agent = Agent.usingEndpointFactory(self._reactor, endpoints, self._pool)
        asked: Deferred[IResponse] = agent.request(b"GET", url.bare.encode(), headers)
        self._pending = asked.addCallback(self._answered)
        return self._pending.addTimeout(ANSWER, self._reactor)

    def hang_up(self) -> None:
        """Cut all connections, and give up a request that is under way."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        self._pool.closeCachedConnections()
        for connection in list(self._open):
            connection.cut()

    def _answered(self, response: IResponse) -> Answer:
        self._pending = None
        for connection in self._open:
            connection.headers_came()
        answer = _answer(response)
        if answer.code != 200:
            self.hang_up()
        return answer


def _answer(response: IResponse) -> Answer:
    def values(name: bytes) -> list[bytes]:
        return list(response.headers.getRawHeaders(name, []))

    kinds, locations = values(b"Content-Type"), values(b"Location")
    asked = values(b"WWW-Authenticate")
    return Answer(
        code=response.code,
        kind=kinds[0] if kinds else b"",
        location=locations[0].decode("latin-1") if locations else "",
        login=[value.decode(errors="surrogateescape") for value in asked],
        response=response,
    )


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Where `Agent` connects to: addresses that are known already."""

    def __init__(
        self,
        reactor: Any,
        policy: IPolicyForHTTPS,
        addresses: Sequence[str],
        is_open: set[Connection],
    ) -> None:
        self._reactor = reactor
        self._policy = policy
        self._addresses = addresses[:ADDRESSES]
        self._open = is_open

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Connect as the scheme wants it, http or https."""
        endpoint: IStreamClientEndpoint = FirstThatAnswers(
            self._reactor, self._addresses, uri.port
        )
        if uri.scheme == b"https":
            creator = self._policy.creatorForNetloc(uri.host, uri.port)
            endpoint = wrapClientTLS(creator, endpoint)
        return Guarded(endpoint, self._open)
