"""Who may see what: keys, the ways a key may come, and the page's session cookie.

A key comes as ``X-API-Key``, as ``Authorization: Bearer``, as the password of HTTP
Basic (RFC 7617; any user name), or as the query argument ``api_key``, because an
``<img>`` can send no header. The page at ``/`` trades it for a cookie, so that the key
need not stand in the address of every picture.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping

from twisted.web.http import Request

COOKIE = b"camd_session"

SESSION = 7 * 24 * 3600
"""Seconds that the page's cookie holds: a wall display is not asked every day."""


class Keys:
    """
    The keys that open this daemon.

    Comparisons take the same time whatever is offered: each known key is compared, by
    its SHA-256 digest, so that not even a length shows.

    :param keys: name -> key; the names are for logs.
    :param wall: gives Unix seconds, by which cookies expire.
    """

    def __init__(self, keys: Mapping[str, str], wall: Callable[[], float]) -> None:
        self._wall = wall
        self._secrets = {name: key.encode() for name, key in keys.items()}
        self._digests = {name: _digest(key) for name, key in self._secrets.items()}

    def owner(self, request: Request) -> str | None:
        """Give the name of the key that came with this request; None without one."""
        for offered in offered_keys(request):
            name = self._name_of(offered)
            if name is not None:
                return name
        cookie = request.getCookie(COOKIE)
        return self._session_of(cookie) if cookie else None

    def _name_of(self, offered: bytes) -> str | None:
        digest, found = _digest(offered), None
        for name, known in self._digests.items():
            if hmac.compare_digest(digest, known):
                found = name
        return found

    def session(self, name: str) -> bytes:
        """Make a cookie's value that stands for this key until it expires."""
        expires = b"%d" % (self._wall() + SESSION)
        return expires + b"." + self._seal(name, expires)

    def _session_of(self, cookie: bytes) -> str | None:
        expires, _, seal = cookie.partition(b".")
        if not expires.isdigit() or len(expires) > 12:
            return None
        found = None
        for name in self._secrets:
            if hmac.compare_digest(seal, self._seal(name, expires)):
                found = name
        return found if int(expires) > self._wall() else None

    def _seal(self, name: str, expires: bytes) -> bytes:
        # Made with the key itself: a key that is taken away ends its sessions, and a
        # restart of the daemon does not.
        message = b"camd session " + expires
        return hmac.digest(self._secrets[name], message, "sha256").hex().encode()


def offered_keys(request: Request) -> Iterator[bytes]:
    """Give what a request offers as a key, in all the ways it may come."""
    header = request.getHeader(b"X-API-Key")
    if header:
        yield header
    scheme, _, value = (request.getHeader(b"Authorization") or b"").partition(b" ")
    if scheme.lower() == b"bearer":
        yield value.strip()
    elif scheme.lower() == b"basic":
        yield _basic_password(value.strip())
    yield from (request.args or {}).get(b"api_key", [])[:1]


def _basic_password(credentials: bytes) -> bytes:
    try:
        decoded = base64.b64decode(credentials, validate=True)
    except binascii.Error:
        return b""
    return decoded.partition(b":")[2]


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
