"""What may be shown of a text that may hold a secret.

Addresses of cameras often carry a login. They turn up in the settings, in error
messages and in log lines, and each of these passes them through here first. Nothing is
parsed before it is masked: an address that is wrong is masked as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MASK = "***"
"""What stands where a secret was."""

# From the first colon after "scheme://user" to the last "@": passwords are often typed
# in without percent encoding and then hold "/", "?", "#" or "@" themselves. Hiding a
# piece too much of a rare address costs less than showing a piece of a password.
_PASSWORD = re.compile(r"(\w[\w+.-]*://[^/?#:]*):(.*)@", re.DOTALL)

# A name without a password: some cameras take a token there.
_USER = re.compile(r"(\w[\w+.-]*://)([^/?#:@]+)@(?![^/?#]*@)")

# Some cameras take user and password as part of the path: name=value, up to its end.
_PATH_VALUE = re.compile(r"(?<==)[^/?#]+")

# Others take a token there, without a name. It is told by its looks: a long run of
# letters and digits (base64, hexadecimal), a UUID, or capitals. Words that cameras have
# in their paths are shorter, or have separators: h264Preview_01_main.
_TOKEN = re.compile(
    r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9+%=~]{12,}|[A-Za-z0-9+%=~]{16,}"
    r"|[A-Z0-9]{10,}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
)
_SEGMENT = re.compile(r"[^/]+")
_SEPARATOR = re.compile(r"[-_.,!:;@$&'()*]")

_ADDRESS = re.compile(r"(\w[\w+.-]*://[^/?#]*)([^?#]*)(.*)", re.DOTALL)

_IN_TEXT = re.compile(r"\w[\w+.-]*://[^\s'\"<>]*")

# What stands between the names and values of a query and a fragment.
_QUERY_VALUE = re.compile(r"([?#&;](?:[^=?#&;]*=)?)([^?#&;]+)")

_SECRET_NAME = re.compile(
    r"pass|pwd|pw\b|psw|pas\b|token|key|secret|auth|code|sid\b|session|signature|^p$",
    re.IGNORECASE,
)

LONG = 8
"""Characters from which on any value of a query is looked for in the log. A shorter one
is, if its name speaks of a secret; "1" and "stream" would take every line apart."""


def mask_url(text: str) -> str:
    """Return the address with all that may be a login replaced by ``***``.

    That is the password of ``scheme://user:password@host``, a user that stands alone,
    every value of the query and of the fragment, what follows a ``=`` in the path, and
    each part of the path that looks like a token. Of a program's command all but the
    program is. Other text comes back as it is.
    """
    if text.startswith("exec:"):
        program, blank, _ = text.partition(" ")
        return program + (f" {MASK}" if blank else "")
    if "://" not in text:
        return text
    text = _PASSWORD.sub(rf"\1:{MASK}@", text)
    text = _USER.sub(rf"\1{MASK}@", text)
    return _ADDRESS.sub(_masked_address, text)


def _masked_address(found: re.Match[str]) -> str:
    path = _SEGMENT.sub(
        lambda segment: MASK if _is_token(segment[0]) else segment[0],
        _PATH_VALUE.sub(MASK, found[2]),
    )
    return found[1] + path + _QUERY_VALUE.sub(rf"\1{MASK}", found[3])


def _is_token(segment: str) -> bool:
    """Whether a part of a path looks like a secret, as a whole or between separators.

    What is cut off by a separator may be half of it, so all of it is one then.
    """
    pieces = (segment, *_SEPARATOR.split(segment))
    return any(_TOKEN.fullmatch(piece) for piece in pieces)


def origin_of(source: str) -> str:
    """Return scheme, host and port of an address; other sources as they may be shown.

    So a camera is named wherever others than its owner may read: in the stats, in
    ``last_error``, in the log.

    :param source: a camera's, whose user information is percent-encoded.
    """
    found = re.match(r"([\w+.-]+://)(?:[^/?#]*@)?([^/?#]*)", source)
    return found[1] + found[2] if found else mask_url(source)


def hook_of(target: str) -> str:
    """Return an address as :func:`origin_of`, or of a command the program alone."""
    if "://" in target.partition(" ")[0]:
        return origin_of(target)
    program, blank, _ = target.partition(" ")
    return program + (f" {MASK}" if blank else "")


def with_origins(text: str) -> str:
    """Return a text with each address in it cut down to scheme, host and port."""
    text = _PASSWORD.sub(rf"\1:{MASK}@", text)
    return _IN_TEXT.sub(lambda found: origin_of(found[0]), text)


def secrets_in(text: str) -> Iterator[str]:
    """Yield what must never be written of an address: login, values and tokens."""
    if "://" not in text:
        return
    yield from (found[2] for found in _PASSWORD.finditer(text))
    rest = _PASSWORD.sub("", text)
    yield from (found[2] for found in _USER.finditer(rest) if len(found[2]) >= LONG)
    for name, value in re.findall(r"([^=?#&;/]*)=([^?#&;/]*)", rest):
        if value and (len(value) >= LONG or _SECRET_NAME.search(name)):
            yield value
    path = re.sub(r"^\w[\w+.-]*://[^/?#]*|[?#].*", "", rest, flags=re.DOTALL)
    yield from filter(_is_token, _SEGMENT.findall(_PATH_VALUE.sub("", path)))
