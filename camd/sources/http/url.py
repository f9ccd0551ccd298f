"""An http address as a person writes it: where to ask, what for, and the login."""

from __future__ import annotations

import string
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urljoin, urlsplit

_PORTS = {"http": 80, "https": 443}
"""Where a camera listens when its address does not say, by scheme."""

# What is percent-encoded already stays, and so does what cameras take literally. Quotes
# and backslashes would end the quoted string that Digest puts the target into.
_SAFE = string.punctuation.translate({ord(mark): None for mark in '"\\'})


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password, as they are typed. The ``repr`` shows no password."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Url:
    """An address that is asked over HTTP.

    :ivar scheme: ``http`` or ``https``.
    :ivar host: a name in ASCII (IDNA), or a number; IPv6 without brackets.
    :ivar target: path and query, as they go over the wire.
    :ivar login: the user and password; None where the address has none.
    """

    scheme: str
    host: str
    port: int
    target: str
    login: Login | None

    @classmethod
    def parse(cls, text: str) -> Url:
        """Take an address apart.

        :raises ValueError: when it is none, or neither http nor https.
        """
        parts = urlsplit(text)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("not an http address")
        login = None
        if parts.username is not None or parts.password is not None:
            login = Login(unquote(parts.username or ""), unquote(parts.password or ""))
            # Neither can stand in a header.
            if not (login.user + login.password + "-").isprintable():
                raise ValueError("user or password holds a control character")
        path = parts.path or "/"
        return cls(
            scheme=parts.scheme,
            host=parts.hostname.encode("idna").decode("ascii"),
            port=parts.port or _PORTS[parts.scheme],
            target=quote(f"{path}?{parts.query}" if parts.query else path, safe=_SAFE),
            login=login,
        )

    @property
    def origin(self) -> tuple[str, str, int]:
        """What must be the same for a password to be sent again (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def bare(self) -> str:
        """The address without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.target}"

    def with_login(self, login: Login | None) -> str:
        """Return the address for other programs, with this user and password."""
        if login is None:
            return self.bare
        user, password = (quote(text, safe="") for text in (login.user, login.password))
        return self.bare.replace("://", f"://{user}:{password}@", 1)

    def joined(self, location: str) -> Url:
        """Return where a Location header leads to; its login, if any, is left out.

        :raises ValueError: when it leads to no http address.
        """
        there = Url.parse(urljoin(self.bare, location))
        return Url(there.scheme, there.host, there.port, there.target, None)
