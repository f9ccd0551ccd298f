"""Who sent a request, by key, session, link or Cloudflare Access."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twisted.web.http import Request

from camd.rights import Principal
from camd.web.access.keys import Keys, offered_keys
from camd.web.access.links import Links
from camd.web.access.session import COOKIE, Session, Sessions

if TYPE_CHECKING:
    from camd.web.access.cloudflare import CloudflareAccess


@dataclass(slots=True)
class Examination:
    """What became of the proofs that a request brought along.

    :ivar principal: who sent the request; None for nobody known.
    :ivar session: the session by which it was let in; None for another proof.
    :ivar wrong: how many of the proofs were forged or guessed.
    :ivar refusals: what is wrong with those that let nobody in, each reason once.
    """

    principal: Principal | None = None
    session: Session | None = None
    wrong: int = 0
    refusals: dict[str, None] = field(default_factory=dict)

    def take(self, principal: Principal) -> bool:
        """Note a proof of somebody; return whether it is the one that lets them in."""
        is_first = self.principal is None
        if is_first:
            self.principal = principal
        return is_first

    def refuse(self, reason: str, *, is_wrong: bool = True) -> None:
        """Note a proof that lets nobody in.

        :param reason: for people. It is the same for all that were forged or guessed.
        :param is_wrong: whether it was forged or guessed.
        """
        self.wrong += is_wrong
        self.refusals[reason] = None


class Access:
    """All ways in.

    :ivar keys: the keys that open this daemon.
    :ivar links: makes and checks links signed in their names.
    :ivar sessions: makes and checks the page's cookies.
    :ivar cloudflare: believes what Cloudflare Access signed; None: nothing does.
    """

    def __init__(
        self,
        keys: Keys,
        wall: Callable[[], float],
        cloudflare: CloudflareAccess | None = None,
    ) -> None:
        self._wall = wall
        self.change(keys, cloudflare)

    def change(self, keys: Keys, cloudflare: CloudflareAccess | None) -> None:
        """Go by these keys from now on, and by this Cloudflare Access."""
        self.keys = keys
        self.links = Links(keys, self._wall)
        self.sessions = Sessions(keys, self._wall)
        self.cloudflare = cloudflare

    def examine(self, request: Request, path: bytes) -> Examination:
        """Look at every proof that a request brings along.

        All of them count, whichever lets it in: a guess beside a good key is one, too.

        :param path: what is asked for, as it stands behind ``base_path``.
        """
        found = Examination()
        for offered in offered_keys(request):
            if not any(offered):
                continue
            if holder := self.keys.holder(*offered):
                found.take(holder)
            else:
                found.refuse("this key is not known")
        cookie = request.getCookie(COOKIE)
        if cookie:
            session = self.sessions.read(cookie)
            holder = self.sessions.holder(session) if session else None
            if holder is None:
                # One that has expired was no guess.
                found.refuse("this session has ended", is_wrong=session is None)
            elif found.take(holder):
                found.session = session
        if self.links.has_proof(request):
            link = self.links.link_of(request, path)
            if link is None:
                found.refuse("this link does not open this address")
            elif holder := self.links.holder(link, path):
                found.take(holder)
            else:
                found.refuse("this link has expired or was taken back", is_wrong=False)
        if self.cloudflare is not None and self.cloudflare.has_proof(request):
            if holder := self.cloudflare.principal(request):
                found.take(holder)
            else:
                found.refuse("Cloudflare Access does not vouch for this")
        return found

    def still_lets_in(self, principal: Principal) -> bool:
        """Return whether somebody who was let in would be let in now, too."""
        if self.cloudflare is not None and principal.proof == self.cloudflare.proof:
            return True
        return self.keys.still_holds(principal)


def holder_of(request: Request) -> Principal:
    """Return who sent a request that was let in at the door.

    :raises AttributeError: it did not come through the door.
    """
    principal: Principal = request.principal  # type: ignore[attr-defined]
    return principal
