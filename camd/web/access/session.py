"""The page's session: a cookie that stands for a key, so that no address has to.

It holds for a week and is renewed while it is in use, up to a month from the key's
being shown; then the key is asked for again. It belongs to its key: without that key,
or with another of the same name, nothing that was sealed in its name opens.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace

from twisted.web.http import Request

from camd.rights import Principal
from camd.web.access.keys import Keys

COOKIE = b"camd_session"

SESSION = 7 * 24 * 3600
"""Seconds that a cookie holds: a wall display is not asked every day."""

RENEWAL = 24 * 3600
"""Seconds by which a cookie must gain to be renewed."""

LONGEST = 30 * 24 * 3600
"""Seconds for which a session goes on, however often it is renewed."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a cookie says.

    :ivar name: of the key that it stands for.
    :ivar began: when that key was shown, in Unix seconds.
    :ivar expires: when the cookie expires, in Unix seconds.
    """

    name: str
    began: int
    expires: int


class Sessions:
    """Makes sessions, and checks them.

    :param wall: returns Unix seconds, by which they expire.
    """

    def __init__(self, keys: Keys, wall: Callable[[], float]) -> None:
        self._keys = keys
        self._wall = wall

    def begin(self, name: str, stay: bool = True) -> Session:
        """Begin a session for a key that was shown.

        :param name: of the key.
        :param stay: whether it is to be renewed while it is in use.
        """
        now = int(self._wall())
        expires = now + SESSION
        return Session(name, now if stay else expires - LONGEST, expires)

    def renewed(self, session: Session) -> Session | None:
        """Return a session that holds longer; None while it gains too little."""
        expires = min(int(self._wall()) + SESSION, session.began + LONGEST)
        if expires - session.expires < RENEWAL:
            return None
        return replace(session, expires=expires)

    def value(self, session: Session) -> bytes:
        """Make the cookie's value.

        :raises KeyError: the session's key is gone.
        """
        times = b"%d.%d" % (session.began, session.expires)
        return times + b"." + self._seal(session.name, times)

    def read(self, cookie: bytes) -> Session | None:
        """Return what a cookie says, expired or not; None for one that is forged."""
        times, _, seal = cookie.rpartition(b".")
        found = None
        for name in self._keys.names:
            if hmac.compare_digest(seal, self._seal(name, times)):
                found = name
        if found is None:
            return None
        # Only what was sealed gets here: camd has written these numbers.
        began, expires = map(int, times.split(b"."))
        return Session(found, began, expires)

    def holder(self, session: Session) -> Principal | None:
        """Return whom a session stands for; None when it has expired."""
        key = self._keys.named(session.name)
        if key is None or session.expires <= self._wall():
            return None
        return Principal(key.name, key.rights, self._keys.sealed_proof(key.name))

    def send(
        self,
        request: Request,
        session: Session,
        path: str,
        secure: bool,
        stay: bool = True,
    ) -> None:
        """Have the browser keep a session.

        :param path: below which it is sent along.
        :param secure: whether it is never to be sent in the clear.
        :param stay: whether the browser is to keep it when it ends itself.
        """
        request.addCookie(
            COOKIE,
            self.value(session),
            path=path.encode(),
            max_age=b"%d" % (session.expires - self._wall()) if stay else None,
            httpOnly=True,
            sameSite=b"lax",
            secure=secure,
        )

    def _seal(self, name: str, times: bytes) -> bytes:
        return self._keys.seal(name, b"session\n" + times)
