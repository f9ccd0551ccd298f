"""What may be shown of a text that may hold a secret.

Addresses of cameras often carry a password. They turn up in the settings, in error
messages and in log lines, and each of these passes them through here first.
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

# Not only after "?" and "&": some cameras take user and password as part of the path.
_ARGUMENT = re.compile(
    r"((?:pass|passwd|password|passphrase|pwd|token|key|secret|auth)[^=&/\s]*=)([^&]*)",
    re.IGNORECASE,
)


def mask_url(text: str) -> str:
    """The address with its secrets replaced by ``***``.

    Replaced are the password of ``scheme://user:password@host`` and the values of
    arguments whose name speaks of a password, token, key or secret. The case of the
    name does not matter. Text that holds no ``://`` comes back as it is.
    """
    if "://" not in text:
        return text
    return _ARGUMENT.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1:{MASK}@", text))


def secrets_in(text: str) -> Iterator[str]:
    """Give what :func:`mask_url` replaces in an address."""
    if "://" in text:
        for pattern in (_PASSWORD, _ARGUMENT):
            yield from (found[2] for found in pattern.finditer(text) if found[2])
