"""The door's question: who is this? By key, by link, or by Cloudflare Access."""

from __future__ import annotations

from collections.abc import Callable

from twisted.web.http import Request

from camd.rights import Principal
from camd.web.access.cloudflare import CloudflareAccess
from camd.web.access.keys import Keys
from camd.web.access.links import Links


class Access:
    """
    All ways in.

    :ivar keys: the keys that open this daemon.
    :ivar links: makes and checks links signed with them.
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
        self.cloudflare = cloudflare

    def principal(self, request: Request, path: bytes) -> Principal | None:
        """
        Give who sent a request; None for somebody unknown.

        :param path: what is asked for, as it stands behind ``base_path``.
        """
        found = self.keys.principal(request) or self.links.principal(request, path)
        if found is None and self.cloudflare is not None:
            return self.cloudflare.principal(request)
        return found

    def still_sees(self, principal: Principal) -> bool:
        """Tell whether who was let in would be let in to see pictures now, too."""
        if not principal.proof:
            return self.cloudflare is not None
        key = self.keys.named(principal.name)
        return key is not None and key.proof == principal.proof and key.may_see


def holder_of(request: Request) -> Principal:
    """
    Give who sent a request that was let in at the door.

    :raises AttributeError: it did not come through the door.
    """
    principal: Principal = request.principal  # type: ignore[attr-defined]
    return principal
