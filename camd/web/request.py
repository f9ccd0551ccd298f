"""A request: what it asks for, what it may bring along, and who sent it.

Nobody without a key has a body read: the door is asked as soon as the headers are
complete, and the body of a request that it turns away is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request as AnyRequest
from twisted.web.http import parse_qs
from twisted.web.resource import IResource
from twisted.web.server import Request

from camd.rights import Principal
from camd.web.answers import printable

LONGEST_BODY = 64 * 1024
"""Bytes of a request's body, but for resources that take theirs piece by piece."""

TOO_LARGE = (b"413 Content Too Large", "too long")

_SITE = re.compile(rb"https?://[^/?]*", re.IGNORECASE)
"""What stands ahead of the path in a whole address."""

Receive = Callable[[bytes], None]
"""Takes one piece of a body; raises ``ValueError``, with words for the client, for a
body that it does not want, or :exc:`Unwanted`."""


class Unwanted(ValueError):
    """A body that is not wanted, or no more of it; the text is for the client.

    :ivar status: of the answer, such as ``413 Content Too Large``.
    """

    def __init__(self, status: bytes, line: str) -> None:
        super().__init__(line)
        self.status = status


class TakesBody(Protocol):
    """A resource that takes the bodies of its requests as they come, however long."""

    def receiver(self, request: CamdRequest) -> Receive:
        """Return what takes the body of this request, which is through the door.

        ``render`` is called when the body is complete. If the connection is lost before
        that, ``request.notifyFinish()`` says so.

        :raises ValueError: nothing of it is wanted; the words are for the client.
        """


class CamdRequest(Request):
    """A request for a path, whose body is read up to :data:`LONGEST_BODY` bytes.

    What is no path never gets as far as the log: it may hold a password.

    :ivar principal: who sent it, once it is through the door.
    :ivar found: the resource that answers; None before it was looked for.
    """

    channel: Any
    content: BytesIO
    principal: Principal
    found: IResource | None = None
    _log = Logger()
    _received = 0
    _receive: Receive | None = None
    _refused = False

    def __init__(self, channel: Any, queued: object = False) -> None:
        # A form in a body is no query: nothing in it may count as a key.
        super().__init__(channel, queued, parsePOSTFormSubmission=False)

    def __repr__(self) -> str:
        # Twisted's own shows the query, and so the key, wherever a request is logged.
        return f"<{printable(self.method)} {printable(self.path)}>"

    def gotLength(self, length: int | None) -> None:
        """Decide, ahead of the body, what becomes of it.

        :param length: in bytes; None for a body in chunks.
        """
        # Twisted's own would be a temporary file, which costs a descriptor.
        self.content = BytesIO()
        if length == 0:
            return
        try:
            self._find_receiver()
        except Unwanted as unwanted:
            self.turn_away(unwanted.status, str(unwanted))
        except ValueError as error:
            self._refuse(b"400 Bad Request", str(error))
        if self._receive is not None:
            return
        asks_leave = self.requestHeaders.hasHeader(b"Expect")
        if (length or 0) > LONGEST_BODY or (asks_leave and turns_away(self.found)):
            self._refuse_body()

    def _find_receiver(self) -> None:
        """Look for the resource now, as its body is to follow.

        :raises ValueError: this is no request for a path, or its body is not wanted.
        """
        self.method, target, _ = self.channel.request_line.split(b" ", 2)
        self.uri = origin_form(target)
        path, _, query = self.uri.partition(b"?")
        if not path.startswith(b"/"):
            raise ValueError("no such address")
        self.path, self.args = path, parse_qs(query, True)
        self.prepath, self.postpath = (
            [],
            list(map(unquote_to_bytes, path[1:].split(b"/"))),
        )
        self.found = self.channel.site.getResourceFor(self)
        receiver = getattr(self.found, "receiver", None)
        if receiver is not None:
            self._receive = receiver(self)
            self.channel.takes_body = True

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body, and send a client away that sends too much."""
        if self._refused:
            return
        if self._receive is not None:
            try:
                self._receive(data)
            except Unwanted as unwanted:
                self.turn_away(unwanted.status, str(unwanted))
            except ValueError as error:
                self._refuse(b"400 Bad Request", str(error))
            return
        self._received += len(data)
        if self._received > LONGEST_BODY:
            self._refuse_body()
        elif hasattr(self, "principal"):
            self.content.write(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Answer, unless it was refused: the rest of it may have come along."""
        # It may know this request.
        self._receive = None
        target = origin_form(path)
        # Twisted takes any first character for a slash, and answers "*" to everybody.
        if not target.startswith(b"/"):
            self._refuse(b"400 Bad Request", "no such address")
        if not self._refused:
            super().requestReceived(command, target, version)

    def connectionLost(self, reason: Failure) -> None:
        """Leave no reference cycle."""
        self._receive = None
        super().connectionLost(reason)

    def turn_away(self, status: bytes, line: str) -> None:
        """Answer while the body still comes, and read no more of it; logged."""
        if self._refused or self.channel is None:
            return
        code, _, message = status.partition(b" ")
        self.setResponseCode(int(code), message)
        self.responseHeaders.setRawHeaders(b"Content-Type", [b"text/plain"])
        self._turn_away(line.encode() + b"\n")

    def _refuse_body(self) -> None:
        """Answer ahead of a body as behind it, if it does not matter, or refuse it."""
        if self._refused:
            return
        if self.found is not None and turns_away(self.found):
            self._turn_away(self.found.render(self))
        else:
            self._refuse(*TOO_LARGE)

    def _turn_away(self, body: bytes) -> None:
        self._refused = True
        self._receive = None
        self.requestHeaders.removeHeader(b"Expect")
        lines = [b"HTTP/1.1 %d %b" % (self.code, self.code_message)]
        for name, values in self.responseHeaders.getAllRawHeaders():
            if name.lower() != b"content-length":
                lines += [b"%b: %b" % (name, value) for value in values]
        self.clientproto = self.channel.request_line.rpartition(b" ")[2]
        self.sentLength = len(body)
        self.channel.turn_away(b"".join(line + b"\r\n" for line in lines), body)
        self.channel.site.log(self)

    def _refuse(self, status: bytes, line: str) -> None:
        if not self._refused:
            self._refused = True
            # Or Twisted would ask for the body all the same.
            self.requestHeaders.removeHeader(b"Expect")
            self.channel.refuse(status, line)


def argument(request: AnyRequest, name: bytes) -> bytes | None:
    """Return the first value of an argument in the query; None where there is none."""
    values: list[bytes] = (request.args or {}).get(name, [])
    return values[0] if values else None


def json_of(request: AnyRequest) -> object:
    """Return what the JSON in a request's body stands for.

    :raises ValueError: it is none.
    """
    try:
        return json.loads(request.content.read() if request.content else b"")
    # RecursionError: a short text of brackets nests deeper than Python does.
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None


def turns_away(found: IResource | None) -> bool:
    """Whether a resource turns everybody away, whatever the body may be."""
    return getattr(found, "turns_away", False)


def origin_form(target: bytes) -> bytes:
    """Return the path and query of a whole address, and anything else as it is.

    Clients of a proxy send whole addresses, and every server must take them (RFC 9112
    3.2.2). There is one site here, so that what stands ahead of the path decides
    nothing.
    """
    site = _SITE.match(target)
    if site is None:
        return target
    rest = target[site.end() :]
    return rest if rest.startswith(b"/") else b"/" + rest
