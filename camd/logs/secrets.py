"""The last line of defence: secrets are taken out of every line before it is written.

No module hands a secret to the log in the first place. What slips through, in an error
message of a library or in a path that a client made up, is caught here: by its value
where camd knows it, and by its looks where it does not.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote

from camd.config.masking import MASK, secrets_in
from camd.config.settings import Settings

SHORT = 8
"""Characters from which on a secret is masked inside of a longer word, too. A password
such as "live" would else take every second line apart."""

# Each repetition has an end, so that no line takes long, however it is made.
_LOOKS = tuple(
    (re.compile(pattern, re.IGNORECASE), shown)
    for pattern, shown in (
        # The password of scheme://user:password@host.
        (
            r"(?<![\w+.-])(\w[\w+.-]{0,20}://[^/?#:\s]{0,100}):\S{0,200}@",
            rf"\1:{MASK}@",
        ),
        # All that stands behind the path of an address: cameras take logins there.
        (
            r"(?<![\w+.-])(\w[\w+.-]{0,20}://[^\s?#\"'<>]{0,500}[?#])"
            r"[^\s\"'<>]{1,4000}",
            rf"\1{MASK}",
        ),
        # Headers that carry a key or a cookie, as they stand in a request or a dict.
        (
            r"(\b(?:authorization|x-api-key|cookie|cf-access-jwt-assertion)"
            r"(?:[\"']{0,2}\s{0,4}[:=]|[\"'],)\s{0,4}[\[(]?(?:b?[\"'])?)"
            r"(?:(?:bearer|basic|digest)\s{1,4})?[^\s\"',;)\]]{1,4000}",
            rf"\1{MASK}",
        ),
        (r"\b(bearer|basic)(\s{1,4})[a-z0-9._~+/=-]{4,4000}", rf"\1\2{MASK}"),
        # Arguments of an address, whose name speaks of a secret.
        (
            # The paths in a listen string are none: privateKey=, certKey=.
            r"((?<!private)(?<!cert)"
            r"(?:pass|pwd|token|key|secret|auth|signature|session|jwt)"
            r"[\w.-]{0,40}(?:=|%3d))[^&\s\"'<>;,)]{1,4000}",
            rf"\1{MASK}",
        ),
        # A JSON Web Token (RFC 7519): its first two parts begin with {" in base64.
        (r"\beyJ[\w-]{5,2000}\.eyJ[\w-]{5,4000}\.[\w-]{0,1000}", MASK),
    )
)


class Secrets:
    """Takes secrets out of a text.

    :param known: the secrets to look for; more can be told of later.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self.hide(known)

    def hide(self, secrets: Iterable[str]) -> None:
        """Look for these as well, as they are and as they stand in an address."""
        for secret in filter(None, secrets):
            self._known |= {secret, quote(secret, safe=""), unquote(secret)}
            self._known.update(_in_base64(secret))
        # The longest first, lest a secret that begins another one leaves its rest.
        ordered = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_literal, ordered)) or r"(?!)")

    def mask(self, text: str) -> str:
        """Return the text with three stars in the place of each secret."""
        text = self._pattern.sub(MASK, text)
        for pattern, shown in _LOOKS:
            text = pattern.sub(shown, text)
        return text


def _in_base64(secret: str) -> Iterator[str]:
    """Yield what of a secret stays the same in base64, wherever in a text it stands.

    So it stands in HTTP Basic, behind a user name of any length.
    """
    if len(secret) < SHORT:
        return
    for ahead in range(3):
        coded = b64encode(bytes(ahead) + secret.encode()).decode("ascii")
        whole = (ahead + len(secret.encode())) * 8 // 6
        # The first letters hold bits of what is ahead, the last one of what follows.
        yield coded[(ahead * 8 + 5) // 6 : whole]


def _literal(secret: str) -> str:
    inside = re.escape(secret)
    return inside if len(secret) >= SHORT else rf"(?<!\w){inside}(?!\w)"


def secrets_of(settings: Settings) -> Iterator[str]:
    """Yield every key of the settings, and every login in an address."""
    for key in settings.api_keys.values():
        yield key.get_secret_value()
    if settings.signing_key is not None:
        yield settings.signing_key.get_secret_value()
    yield from secrets_in(settings.publish)
    yield from secrets_in(settings.cameras_from)
    if settings.on_event_secret is not None:
        yield settings.on_event_secret.get_secret_value()
    for camera in settings.cameras.values():
        yield from secrets_in(camera.source)
        yield from secrets_in(camera.on_event)
