"""The two ways to call a hook: a command, and an address."""

from __future__ import annotations

import base64
import hmac
import shlex
from io import BytesIO
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, FileBodyProducer
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from camd.config.checks import is_address
from camd.hooks.hook import TIMEOUT, HookError
from camd.sources import in_words
from camd.sources.http.endpoint import CONNECT
from camd.sources.http.errors import why_no_answer
from camd.sources.http.tls import trust
from camd.sources.http.url import Url
from camd.sources.program.process import INPUT, GuardedProcess

SIGNATURE = b"X-Camd-Signature"
"""The header of an HMAC-SHA256 (RFC 2104) over the body, as ``sha256=`` and 64
hexadecimal digits; other webhooks write theirs so, too."""


def call_hook(
    target: str, body: bytes, event: str, secret: bytes | None, reactor: Any
) -> Deferred[None]:
    """Call a hook once.

    :param target: a command, or an http address.
    :param body: its standard input, or the body of a POST.
    :param event: the event's name.
    :param secret: what a POST is signed with; None for nothing.
    :return: fails with :exc:`HookError`; ends what it does when it is cancelled.
    """
    if is_address(target):
        return Deferred.fromCoroutine(_post(target, body, event, secret, reactor))
    return _Command(reactor).run(shlex.split(target), body)


def signature(body: bytes, secret: bytes) -> bytes:
    """Return the value of the header :data:`SIGNATURE`."""
    return b"sha256=" + hmac.digest(secret, body, "sha256").hex().encode()


async def _post(
    target: str, body: bytes, event: str, secret: bytes | None, reactor: Any
) -> None:
    try:
        url = Url.parse(target)
    except ValueError:
        raise HookError("this is not an address") from None
    headers = Headers(
        {
            b"User-Agent": [b"camd"],
            b"Content-Type": [b"application/json"],
            b"X-Camd-Event": [event.encode()],
        }
    )
    if secret is not None:
        headers.addRawHeader(SIGNATURE, signature(body, secret))
    if url.login is not None:
        login = f"{url.login.user}:{url.login.password}".encode()
        headers.addRawHeader(b"Authorization", b"Basic " + base64.b64encode(login))
    agent = Agent(reactor, trust(True), connectTimeout=CONNECT)
    sent: Deferred[IResponse] = agent.request(
        b"POST", url.bare.encode(), headers, FileBodyProducer(BytesIO(body))
    )
    try:
        response: Any = await sent
    except CancelledError:
        raise
    except Exception as error:
        raise HookError(why_no_answer(error, url, TIMEOUT)) from None
    # What it answers besides does not matter.
    response._transport.loseConnection()
    if not 200 <= response.code < 300:
        raise HookError(f"{url.host} answers {response.code}")


class _Command(GuardedProcess):
    """One run of a command."""

    def run(self, command: list[str], body: bytes) -> Deferred[None]:
        """Run it with this standard input."""
        self._name = command[0]
        self._body = body
        self._done: Deferred[None] = Deferred(self._cancel)
        try:
            self.spawn(command, has_input=True)
        except OSError as error:
            self._done.errback(HookError(f"{self._name}: {in_words(error)}"))
        return self._done

    def _cancel(self, _: object) -> None:
        self.end()

    def connectionMade(self) -> None:
        """Write its standard input."""
        transport: Any = self.transport
        transport.writeToChild(INPUT, self._body)
        transport.closeChildFD(INPUT)

    def processEnded(self, reason: Failure) -> None:
        """Tell how it ended."""
        if self._done.called:
            return
        if reason.check(ProcessDone):
            self._done.callback(None)
        else:
            how = self.how_it_ended(reason)
            self._done.errback(HookError(f"{self._name}: {how}"))
