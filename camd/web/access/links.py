"""Signed links: addresses that open one picture or stream for a while, without a key.

For an ``<img>`` in somebody else's page, which would show a key to all that read its
source. A link names the key that signed it and when it expires, and carries an
HMAC-SHA256 over method, path and expiry. Taking that key away, or its right to sign,
ends all of its links.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from twisted.web.http import Request

from camd.rights import TO_SEE, Principal, Right
from camd.web.access.keys import Keys
from camd.web.request import argument

LONGEST = 30 * 24 * 3600
"""Seconds that a link may hold: what is to hold for ever needs a key."""

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

_DURATION = re.compile(r"([0-9]{1,8})([smhd]?)")

_PATH = re.compile(r"/?(?:api/)?([A-Za-z0-9_-]+)/(stream|snapshot|live|frame|embed)")

_LINKED = re.compile(r"/api/[A-Za-z0-9_-]+/(stream|snapshot|live|frame)|/embed/[^/]+")
"""What a link may open."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link says that camd has sealed.

    :ivar name: of the key that signed it.
    :ivar expires: until when it opens, in Unix seconds.
    """

    name: str
    expires: int


class Links:
    """Makes links, and checks them.

    :param wall: returns Unix seconds, by which links expire.
    """

    def __init__(self, keys: Keys, wall: Callable[[], float]) -> None:
        self._keys = keys
        self._wall = wall

    def sign(self, name: str, path: str, seconds: float) -> str:
        """Make a link.

        :param name: of the key that signs; it must have the right to.
        :param path: as it stands behind ``base_path``, such as ``/api/robot/stream``.
        :param seconds: for how long it opens.
        :return: the path, with what proves it in its query.
        :raises KeyError: there is no key of this name.
        """
        expires = b"%d" % (self._wall() + seconds)
        seal = self._keys.seal(name, _message(path.encode(), expires))
        # The name of the key that was made at start has blanks in it.
        query = f"key={quote(name)}&expires={expires.decode()}"
        return f"{path}?{query}&signature={seal.decode()}"

    def has_proof(self, request: Request) -> bool:
        """Return whether a request claims to follow a link."""
        return argument(request, b"signature") is not None

    def link_of(self, request: Request, path: bytes) -> Link | None:
        """Return the link that a request follows, expired or not; None if it is forged.

        :param path: what is asked for, as it stands behind ``base_path``.
        """
        name, expires, seal = (argument(request, n) or b"" for n in _ARGUMENTS)
        signer = self._keys.named(name.decode("latin-1"))
        if signer is None or request.method not in (b"GET", b"HEAD"):
            return None
        good = self._keys.seal(signer.name, _message(path, expires))
        if not hmac.compare_digest(seal, good):
            return None
        # Only what was sealed gets here: the expiry is a number that camd wrote.
        return Link(signer.name, int(expires))

    def extended(self, link: Link, path: str) -> str:
        """Return the query that opens another path for whoever follows a link, as long.

        :param path: as for :meth:`sign`.
        :raises KeyError: the link's key is gone.
        """
        seconds = link.expires - self._wall()
        return self.sign(link.name, path, seconds).partition("?")[2]

    def holder(self, link: Link, path: bytes) -> Principal | None:
        """Return whom a link stands for, with the right to see alone; None for nobody.

        What may be linked and for how long is checked here again: the signing key may
        be shared with machines where other rules hold.
        """
        signer, left = self._keys.named(link.name), link.expires - self._wall()
        if signer is None or Right.SIGN not in signer.rights:
            return None
        if not 0 < left <= LONGEST or not _LINKED.fullmatch(path.decode("latin-1")):
            return None
        proof = self._keys.sealed_proof(signer.name)
        return Principal(signer.name, TO_SEE, proof, by=Right.SIGN)


_ARGUMENTS = (b"key", b"expires", b"signature")


def _message(path: bytes, expires: bytes) -> bytes:
    # GET stands for HEAD as well, which shows less of the same.
    return b"link\nGET\n" + path + b"\n" + expires


def link_path(text: str) -> tuple[str, str]:
    """Read what a link is to open, as people write it: ``robot/stream``.

    :return: the path, and the camera's name in it.
    :raises ValueError: no link may open it.
    """
    found = _PATH.fullmatch(text)
    if found is None:
        raise ValueError(
            "expected NAME/stream, NAME/snapshot, NAME/live, NAME/frame or NAME/embed"
        )
    name, what = found.groups()
    return f"/embed/{name}" if what == "embed" else f"/api/{name}/{what}", name


def duration(text: str) -> int:
    """Read for how long a link is to hold: ``90``, ``90s``, ``15m``, ``1h``, ``7d``.

    :return: seconds.
    :raises ValueError: it is none, or longer than :data:`LONGEST`.
    """
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= LONGEST:
        raise ValueError("expected a time such as 90s, 15m, 1h or 7d, up to 30d")
    return seconds
