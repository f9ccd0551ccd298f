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
from types import MappingProxyType

from twisted.web.http import Request

from camd.config.settings import Settings
from camd.rights import EVERY_RIGHT, Principal, Right, rights_of

COOKIE = b"camd_session"

MADE = "made at start"
"""The name of the key that was made as there was none."""

SESSION = 7 * 24 * 3600
"""Seconds that the page's cookie holds: a wall display is not asked every day."""


class Keys:
    """
    The keys that open this daemon.

    Comparisons take the same time whatever is offered: each known key is compared, by
    its SHA-256 digest, so that not even a length shows.

    :param keys: name -> key; the names are for logs.
    :param wall: gives Unix seconds, by which cookies expire.
    :param rights: name -> what that key is for; one that is not there is for all.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        wall: Callable[[], float],
        rights: Mapping[str, frozenset[Right]] = MappingProxyType({}),
    ) -> None:
        self._wall = wall
        self._rights = rights
        self._secrets = {name: key.encode() for name, key in keys.items()}
        self._digests = {name: _digest(key) for name, key in self._secrets.items()}

    def principal(self, request: Request) -> Principal | None:
        """Give who came with this request; None for one without a key."""
        name = self.owner(request)
        return None if name is None else self.named(name)

    def named(self, name: str) -> Principal | None:
        """Give the holder of the key of this name; None if there is no such key."""
        if name not in self._digests:
            return None
        rights = self._rights.get(name, EVERY_RIGHT)
        return Principal(name, rights, self._digests[name])

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
        return expires + b"." + self._session_seal(name, expires)

    def _session_of(self, cookie: bytes) -> str | None:
        expires, _, seal = cookie.partition(b".")
        if not expires.isdigit() or len(expires) > 12:
            return None
        found = None
        for name in self._secrets:
            if hmac.compare_digest(seal, self._session_seal(name, expires)):
                found = name
        return found if int(expires) > self._wall() else None

    def _session_seal(self, name: str, expires: bytes) -> bytes:
        return self.seal(name, b"camd session " + expires)

    def seal(self, name: str, message: bytes) -> bytes:
        """
        Make a text that only who has the key of this name can make for a message.

        :return: HMAC-SHA256 (RFC 2104) in 64 hexadecimal digits.
        :raises KeyError: there is no key of this name.
        """
        # Made with the key itself: a key that is taken away ends what it sealed, and a
        # restart of the daemon does not.
        return hmac.digest(self._secrets[name], message, "sha256").hex().encode()


def keys_of(settings: Settings, made: str | None, wall: Callable[[], float]) -> Keys:
    """
    Take the keys out of the settings.

    :param made: the key that opens where the settings have none; None for no other.
    """
    keys = {name: key.get_secret_value() for name, key in settings.api_keys.items()}
    rights = {name: rights_of(said) for name, said in settings.api_rights.items()}
    return Keys({MADE: made} if made else keys, wall, rights)


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
