"""How camd logs in to a camera: HTTP Basic (RFC 7617) and Digest (RFC 7616).

Nothing is sent before the camera asks for it (401 with WWW-Authenticate), and Digest is
preferred, as Basic tells the password to whoever listens.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from camd.sources.http.url import Login

NewNonce = Callable[[], str]
"""Makes a text that was never used before, for Digest's ``cnonce``."""

_HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
"""What Digest may be computed with, best first; MD5 where nothing is said."""

# A name, "=", and a quoted text (kept as it stands, escapes too) or a bare word; or a
# scheme, which is a word with no "=" behind it. RFC 9110 11.6.1 lets several challenges
# stand in one header, with commas between and within.
_WORD = re.compile(
    r'([^\s,="]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?', re.ASCII
)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a camera asks for.

    :ivar scheme: such as ``basic``, in lower case.
    :ivar parameters: by name in lower case; values without their quotes.
    """

    scheme: str
    parameters: Mapping[str, str]


class Proof(Protocol):
    """What is sent as Authorization."""

    def header(self, target: str) -> bytes:
        """Return the header's value for a GET of this path and query."""
        ...


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """Read the values of WWW-Authenticate headers, however many challenges each holds.

    :param headers: decoded as UTF-8 with ``surrogateescape``.
    """
    found: list[tuple[str, dict[str, str]]] = []
    for word in chain.from_iterable(map(_WORD.finditer, headers)):
        name, quoted, bare = word.groups()
        if quoted is None and bare is None:
            found.append((name.lower(), {}))
        elif found:
            found[-1][1].setdefault(name.lower(), quoted or bare or "")
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def is_stale(asked: Iterable[Challenge]) -> bool:
    """Whether the password was right, and only the camera's nonce too old."""
    return any(c.parameters.get("stale", "").lower() == "true" for c in asked)


def prove(login: Login, asked: Iterable[Challenge], new: NewNonce) -> Proof | None:
    """Answer the best of what the camera asks for.

    :return: None when camd knows none of it.
    """
    known = [c for c in asked if _rank(c) is not None]
    if not known:
        return None
    best = min(known, key=lambda c: _rank(c) or 0)
    return Basic(login) if best.scheme == "basic" else Digest(login, best, new)


def _rank(challenge: Challenge) -> int | None:
    """Return where a challenge stands, the best at 0; None for an unknown one."""
    if challenge.scheme == "basic":
        return len(_HASHES)
    algorithm = _algorithm(challenge)
    usable = algorithm in _HASHES and bool(challenge.parameters.get("nonce"))
    if challenge.scheme != "digest" or not usable or _qop(challenge) is None:
        return None
    return list(_HASHES).index(algorithm)


def _algorithm(challenge: Challenge) -> str:
    name = challenge.parameters.get("algorithm", "MD5").upper()
    return name.removesuffix("-SESS")


def _qop(challenge: Challenge) -> str | None:
    """Return ``auth``; empty for the old form (RFC 2069); None for any other."""
    offered = challenge.parameters.get("qop", "")
    options = [option.strip().lower() for option in offered.split(",")]
    if "auth" in options:
        return "auth"
    return None if offered else ""


class Basic:
    """User and password, which everybody on the way can read."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def header(self, target: str) -> bytes:
        """Return the same for every target."""
        both = f"{self._login.user}:{self._login.password}"
        return b"Basic " + base64.b64encode(both.encode())


class Digest:
    """A hash over the password, the target and a counter; the password stays here.

    The camera's nonce is used for one request after the other until it is refused.

    :param challenge: of the scheme ``digest``, with a nonce, and with an algorithm and
        a qop that camd knows.
    """

    def __init__(self, login: Login, challenge: Challenge, new: NewNonce) -> None:
        self._login = login
        self._asked = challenge.parameters
        self._hash = _HASHES[_algorithm(challenge)]
        self._session = self._asked.get("algorithm", "").upper().endswith("-SESS")
        self._qop = _qop(challenge)
        self._cnonce = new()
        self._count = 0

    def header(self, target: str) -> bytes:
        """Return the header's value, which is good for one request."""
        self._count += 1
        quoted = {
            "username": re.sub(r'(["\\])', r"\\\1", self._login.user),
            "realm": self._asked.get("realm", ""),
            "nonce": self._asked["nonce"],
            "uri": target,
            "response": self._response(target),
        }
        if "opaque" in self._asked:
            quoted["opaque"] = self._asked["opaque"]
        if self._qop or self._session:
            quoted["cnonce"] = self._cnonce
        pairs = [f'{name}="{text}"' for name, text in quoted.items()]
        # RFC 7616 3.4 wants these without quotes, and some cameras insist on it.
        if "algorithm" in self._asked:
            pairs.append(f"algorithm={self._asked['algorithm']}")
        if self._qop:
            pairs += [f"qop={self._qop}", f"nc={self._count:08x}"]
        return _as_sent("Digest " + ", ".join(pairs))

    def _response(self, target: str) -> str:
        """Return the hash of RFC 7616 3.4.1; without qop that of RFC 2069."""
        nonce, cnonce = self._asked["nonce"], self._cnonce
        who = (self._login.user, self._asked.get("realm", ""), self._login.password)
        secret = self._digest(*who)
        if self._session:
            secret = self._digest(secret, nonce, cnonce)
        what = self._digest("GET", target)
        if not self._qop:
            return self._digest(secret, nonce, what)
        count = f"{self._count:08x}"
        return self._digest(secret, nonce, count, cnonce, self._qop, what)

    def _digest(self, *texts: str) -> str:
        return self._hash(_as_sent(":".join(texts))).hexdigest()


def _as_sent(text: str) -> bytes:
    """Return what came from the camera as it came, UTF-8 or not."""
    return text.encode(errors="surrogateescape")
