"""
Asking a camera for its pictures, from the camera's thread: names are looked up, the
requests run on the reactor, redirects are followed, and who asks is proved if need be.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from twisted.internet.threads import blockingCallFromThread

from camd.sources import SourceError
from camd.sources.http.client import Answer, Client
from camd.sources.http.errors import why_no_answer, why_not
from camd.sources.http.login import Proof, challenges, is_stale, prove
from camd.sources.http.url import Url

#: Redirects that are followed, one after the other.
REDIRECTS = 5

_REDIRECT = frozenset({301, 302, 303, 307, 308})

#: Gives the addresses of a host and port, as numbers, the preferred one first; blocks.
LookUp: TypeAlias = Callable[[str, int], Sequence[str]]

#: Sends one request: to what, to which addresses, with which Authorization; blocks.
Send: TypeAlias = Callable[[Url, Sequence[str], "bytes | None"], Answer]


def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system, which may take as long as it likes."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def send_by(client: Client, reactor: Any) -> Send:
    """Make requests on the reactor, and wait for them in a thread."""

    def send(url: Url, addresses: Sequence[str], proof: bytes | None) -> Answer:
        get: Any = client.get  # Typed as blockingCallFromThread is, it takes nothing.
        answer: Answer = blockingCallFromThread(reactor, get, url, addresses, proof)
        return answer

    return send


class Caller:
    """
    Asks one address for pictures, again and again.

    A password goes to the address that the user gave it for and to no other.

    :param name: what the camera is called in errors; shows no password.
    """

    def __init__(
        self,
        url: Url,
        name: str,
        send: Send,
        find: LookUp = look_up,
        new_nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._url = url
        self._name = name
        self._send = send
        self._find = find
        self._new_nonce = new_nonce
        self._found: dict[tuple[str, int], Sequence[str]] = {}
        self._proof: Proof | None = None

    def ask(self) -> Answer:
        """
        Ask until there is an answer 200.

        :raises SourceError: with the reason when there is none.
        """
        url = self._url
        for _ in range(REDIRECTS + 1):
            answer = self._ask_proving(url)
            if answer.code not in _REDIRECT or not answer.location:
                return self._good(answer)
            url = self._followed(url, answer.location)
        raise self._error(f"it redirects more than {REDIRECTS} times")

    def _ask_proving(self, url: Url) -> Answer:
        """Ask; and when the camera wants to know who asks, once more with a proof."""
        answer = self._ask(url)
        if answer.code == 401:
            self._prove(url, answer)
            answer = self._ask(url)
        # The nonce may have grown too old, even if it is new to camd.
        if answer.code == 401 and is_stale(challenges(answer.login)):
            self._prove(url, answer)
            answer = self._ask(url)
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

    def _ask(self, url: Url) -> Answer:
        known = self._proof is not None and url.origin == self._url.origin
        proof = self._proof.header(url.target) if self._proof and known else None
        addresses = self._addresses(url)
        try:
            return self._send(url, addresses, proof)
        except Exception as error:
            raise self._error(why_no_answer(error, url)) from None

    def _addresses(self, url: Url) -> Sequence[str]:
        """Look a host up once, as long as this caller lives."""
        key = url.host, url.port
        if key not in self._found:
            try:
                self._found[key] = self._find(*key)
            except (OSError, UnicodeError):
                raise self._error(f"there is no host of the name {url.host}") from None
        return self._found[key]

    def _followed(self, url: Url, location: str) -> Url:
        try:
            there = url.joined(location)
        except ValueError:
            raise self._error("it redirects to something that is not http") from None
        if url.scheme == "https" and there.scheme != "https":
            raise self._error("it redirects from https to http")
        return there

    def _good(self, answer: Answer) -> Answer:
        if answer.code != 200:
            raise self._error(why_not(answer.code))
        return answer

    def _error(self, reason: str) -> SourceError:
        return SourceError(f"{self._name}: {reason}")
