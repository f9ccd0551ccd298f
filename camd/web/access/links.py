"""Signed links: addresses that open one picture or stream for a while, without a key.

For an ``<img>`` in somebody else's page, which would show a key to whoever reads its
source. A link names the key that signed it and when it expires, and carries an
HMAC-SHA256 over method, path and expiry made with that key. Taking the key away, or its
right to sign, ends all of its links.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from urllib.parse import quote

from twisted.web.http import Request

from camd.rights import TO_SEE, Principal, Right
from camd.web.access.keys import Keys

LONGEST = 30 * 24 * 3600
"""Seconds that a link may hold: who wants it for ever wants a key."""

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

_DURATION = re.compile(r"([0-9]{1,8})([smhd]?)")

_PATH = re.compile(r"/?(?:api/)?([A-Za-z0-9_-]+)/(stream|snapshot)")


class Links:
    """
    Makes links, and checks them.

    :param wall: gives Unix seconds, by which links expire.
    """

    def __init__(self, keys: Keys, wall: Callable[[], float]) -> None:
        self._keys = keys
        self._wall = wall

    def sign(self, name: str, path: str, seconds: float) -> str:
        """
        Make a link.

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

    def principal(self, request: Request, path: bytes) -> Principal | None:
        """
        Give who a link stands for, with the right to see alone; None without one.

        :param path: what is asked for, as it stands behind ``base_path``.
        """
        name, expires, seal = (_argument(request, n) for n in _ARGUMENTS)
        signer = self._keys.named(name.decode("latin-1"))
        if signer is None or request.method not in (b"GET", b"HEAD"):
            return None
        good = self._keys.seal(signer.name, _message(path, expires))
        if not hmac.compare_digest(seal, good) or Right.SIGN not in signer.rights:
            return None
        # Only what was sealed gets here: the expiry is a number that camd wrote.
        if int(expires) <= self._wall():
            return None
        return Principal(signer.name, TO_SEE, signer.proof)


_ARGUMENTS = (b"key", b"expires", b"signature")


def _argument(request: Request, name: bytes) -> bytes:
    found: bytes = (request.args or {}).get(name, [b""])[0]
    return found


def _message(path: bytes, expires: bytes) -> bytes:
    # GET stands for HEAD as well, which shows less of the same.
    return b"camd link\nGET\n" + path + b"\n" + expires


def link_path(text: str) -> tuple[str, str]:
    """
    Read what a link is to open, as people write it: ``robot/stream``.

    :return: the path, and the camera's name in it.
    :raises ValueError: it is neither a stream nor a snapshot of a camera.
    """
    found = _PATH.fullmatch(text)
    if found is None:
        raise ValueError("expected NAME/stream or NAME/snapshot")
    return f"/api/{found[1]}/{found[2]}", found[1]


def duration(text: str) -> int:
    """
    Read for how long a link is to hold: ``90``, ``90s``, ``15m``, ``1h``, ``7d``.

    :return: seconds.
    :raises ValueError: it is none, or longer than :data:`LONGEST`.
    """
    found = _DURATION.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < seconds <= LONGEST:
        raise ValueError("expected a time such as 90s, 15m, 1h or 7d, up to 30d")
    return seconds
