"""Answers in one piece: JSON, text, a page; and what is not there."""

from __future__ import annotations

import json
from collections.abc import Mapping

from twisted.web.http import Request
from twisted.web.resource import Resource

from camd.rights import EVERY_RIGHT

NO_STORE = (b"Cache-Control", b"no-store")

SECURITY_HEADERS = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
)
"""On every answer: it is what it says it is, and its address is nobody else's."""

RESOURCE_POLICY = b"Cross-Origin-Resource-Policy"
"""Which sites' pages may show an answer (Fetch standard, 3.7)."""


def json_answer(request: Request, content: object, code: int = 200) -> bytes:
    """Answer with JSON; return the body, for ``render`` to return."""
    request.setResponseCode(code)
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(*NO_STORE)
    return json.dumps(content).encode() + b"\n"


def text_answer(request: Request, line: str, code: int = 200) -> bytes:
    """Answer with one line of text; return the body, for ``render`` to return."""
    request.setResponseCode(code)
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    request.setHeader(*NO_STORE)
    return line.encode() + b"\n"


def html_answer(
    request: Request, html: bytes, code: int = 200, *, policy: bytes
) -> bytes:
    """Answer with a page for people; return the body, for ``render`` to return.

    :param policy: the Content-Security-Policy that holds on it.
    """
    request.setResponseCode(code)
    request.setHeader(*NO_STORE)
    request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
    request.setHeader(b"Content-Security-Policy", policy)
    return html


class Answer(Resource):
    """A resource that answers GET and HEAD in one piece, and nothing else."""

    isLeaf = True

    def answer(self, request: Request) -> bytes:
        """Set code and headers, and return the body."""
        raise NotImplementedError

    def render(self, request: Request) -> bytes:
        """Answer with the body, or with its length alone."""
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed(request)
        body = self.answer(request)
        return body_for(request, body)


def body_for(request: Request, body: bytes) -> bytes:
    """Return the body, or nothing for HEAD, which gets its length alone."""
    if request.method != b"HEAD":
        return body
    # Left to Twisted, a body is dropped as well, with a warning in the log.
    request.setHeader(b"Content-Length", b"%d" % len(body))
    return b""


def etag(number: int, timestamp: float, rendition: str) -> str:
    """Return what names one rendition of one frame, also after a restart."""
    return f'"{number}-{timestamp:.6f}-{rendition}"'


def not_modified(request: Request, tag: str) -> bool:
    """Name what is answered, and answer 304 to a client that has it (RFC 9110, 13.1.2).

    :param tag: from :func:`etag`.
    :return: whether it has.
    """
    request.setHeader(b"ETag", tag.encode())
    known = (request.getHeader(b"If-None-Match") or b"").split(b",")
    # A proxy that compresses makes the tag a weak one.
    tags = {each.strip().removeprefix(b"W/") for each in known}
    if not tags & {tag.encode(), b"*"}:
        return False
    request.setResponseCode(304)
    return True


def finish(request: Request, body: bytes) -> None:
    """Answer with this body; the headers are set."""
    if request.method != b"HEAD":
        request.setHeader(b"Content-Length", b"%d" % len(body))
    request.write(body_for(request, body))
    request.finish()


class Missing(Answer):
    """404 as JSON, to every key: what is not there has nothing to hide."""

    opened_by = EVERY_RIGHT

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def answer(self, request: Request) -> bytes:
        """Say what there is not."""
        return json_answer(request, {"error": self._what}, 404)


class Tree(Resource):
    """A place in the tree that is nothing by itself; what is missing is JSON, too.

    :param missing: what to say of what is not there.
    :param children: what stands below it, by the next part of the path.
    """

    opened_by = EVERY_RIGHT

    def __init__(self, missing: str, children: Mapping[str, Resource]) -> None:
        super().__init__()
        self._missing = missing
        for name, child in children.items():
            self.putChild(name.encode(), child)

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Answer for what is not there."""
        return Missing(self._missing)

    def render(self, request: Request) -> bytes:
        """Answer for the place itself."""
        return Missing(self._missing).render(request)


def not_allowed(request: Request, *allowed: str) -> bytes:
    """Answer a method that means nothing here; return the body.

    :param allowed: the methods that do; none for GET and HEAD.
    """
    *others, last = allowed or ("GET", "HEAD")
    request.setHeader(b"Allow", ", ".join((*others, last, "OPTIONS")).encode())
    error = f"only {', '.join(others)} and {last}" if others else f"only {last}"
    return body_for(request, json_answer(request, {"error": error}, 405))


def printable(header: bytes | None, limit: int = 200) -> str:
    """Make what a client sent fit for a log line: printable ASCII, and not endless."""
    text = (header or b"")[:limit].decode("ascii", "replace")
    return "".join(c if " " <= c <= "~" else "?" for c in text)
