"""Who may see what: keys, and the ways in which one may come.

A key comes as ``X-API-Key``, as ``Authorization: Bearer``, as password or user name of
HTTP Basic (RFC 7617), or as the query argument ``api_key``, because an ``<img>`` can
send no header. The page at ``/`` trades it for a session.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterator, KeysView, Mapping
from types import MappingProxyType

from twisted.web.http import Request

from camd.config.settings import Settings
from camd.rights import EVERY_RIGHT, Principal, Right, rights_of
from camd.web.request import argument

MADE = "made at start"
"""The name of the key that was made as there was none."""


class Keys:
    """The keys that open this daemon, and what is sealed in their names.

    Comparisons take the same time whatever is offered: each known key is compared, by
    its SHA-256 digest, so that not even a length shows.

    :param keys: name -> key; the names are for logs.
    :param rights: name -> what that key is for; one that is not there is for all.
    :param signing_key: what links and cookies are sealed with; None for one of its own,
        so that nothing that another has sealed is good here.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        rights: Mapping[str, frozenset[Right]] = MappingProxyType({}),
        signing_key: bytes | None = None,
    ) -> None:
        self._rights = rights
        self._digests = {name: _digest(key.encode()) for name, key in keys.items()}
        self._signing_key = signing_key or secrets.token_bytes(32)

    @property
    def names(self) -> KeysView[str]:
        """The keys' names."""
        return self._digests.keys()

    def named(self, name: str) -> Principal | None:
        """Return the holder of the key of this name; None if there is no such key."""
        if name not in self._digests:
            return None
        rights = self._rights.get(name, EVERY_RIGHT)
        return Principal(name, rights, self._digests[name])

    def holder(self, *offered: bytes) -> Principal | None:
        """Return the holder of a key, if one of these is one."""
        found = None
        for key in offered:
            digest = _digest(key)
            for name, known in self._digests.items():
                if hmac.compare_digest(digest, known):
                    found = name
        return None if found is None else self.named(found)

    def still_holds(self, principal: Principal) -> bool:
        """Return whether what let a principal in would do so now, too."""
        key = self.named(principal.name)
        if key is None or principal.by not in key.rights:
            return False
        good = (key.proof, self.sealed_proof(key.name))
        return any(hmac.compare_digest(principal.proof, proof) for proof in good)

    def sealed_proof(self, name: str) -> bytes:
        """Return the proof of a principal that came with a link or a cookie.

        :raises KeyError: there is no key of this name.
        """
        return self.seal(name, b"principal")

    def seal(self, name: str, message: bytes) -> bytes:
        """Make a text that only this daemon can make for a message in a key's name.

        A key that is taken away or changed ends what was sealed in its name, and so
        does another signing key. A restart does not, where the signing key is kept.

        :return: HMAC-SHA256 (RFC 2104) in 64 hexadecimal digits.
        :raises KeyError: there is no key of this name.
        """
        whole = b"camd\n%b\n%b\n%b" % (name.encode(), self._digests[name], message)
        return hmac.digest(self._signing_key, whole, "sha256").hex().encode()


def keys_of(
    settings: Settings,
    made: str | None,
    own_signing_key: bytes | None = None,
) -> Keys:
    """Take the keys out of the settings.

    :param made: the key that opens where the settings have none; None for no other.
    :param own_signing_key: what to seal with where the settings do not say.
    """
    keys = {name: key.get_secret_value() for name, key in settings.api_keys.items()}
    rights = {name: rights_of(said) for name, said in settings.api_rights.items()}
    given = settings.signing_key
    signing_key = given.get_secret_value().encode() if given else own_signing_key
    return Keys({MADE: made} if made else keys, rights, signing_key)


def offered_keys(request: Request) -> Iterator[tuple[bytes, ...]]:
    """Yield what a request offers as a key, in all the ways it may come.

    Each is one key, or two texts of which one may be the key; empty for none.
    """
    yield (request.getHeader(b"X-API-Key") or b"",)
    scheme, _, value = (request.getHeader(b"Authorization") or b"").partition(b" ")
    if scheme.lower() == b"bearer":
        yield (value.strip(),)
    elif scheme.lower() == b"basic":
        try:
            decoded = base64.b64decode(value.strip(), validate=True)
        except binascii.Error:
            decoded = b""
        user, _, password = decoded.partition(b":")
        yield password, user
    yield (argument(request, b"api_key") or b"",)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
