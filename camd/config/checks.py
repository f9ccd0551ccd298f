"""What a value must be like, beyond its type; and forms that stand for another one.

Each check gives the value back, or raises ``PydanticCustomError`` with the fault in
words that follow the value.
"""

from __future__ import annotations

import re
from ipaddress import ip_network

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from camd.rights import Right

TAKEN_NAMES = frozenset({"cameras", "sign"})
"""Names no camera may have: ``/api/cameras`` and ``/api/sign`` mean something else."""

PICTURE_CHOICES = ("placeholder", "hold", "close")
"""What ``offline_picture`` may say; anything else is the path of a JPEG file."""

ORIGIN = (
    r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?)$"
)
"""An origin has no path, and stands as a browser sends it (RFC 6454 6.2)."""

HOST = r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?$"
"""A host's name, and perhaps a port."""

# 64 characters: room enough for a name, and a path that no proxy cuts.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_name(text: str) -> str:
    """Refuse what could not stand in an address."""
    if not _NAME.fullmatch(text):
        raise PydanticCustomError("camd", "is not a usable name")
    return text


def is_free(name: str) -> str:
    """Refuse a name that means something else."""
    if name in TAKEN_NAMES:
        raise PydanticCustomError("camd", "is taken")
    return name


def is_key(secret: SecretStr) -> SecretStr:
    """Refuse what could not travel as a key."""
    text = secret.get_secret_value()
    # A key travels in headers and in URLs; a blank or a control character would not.
    if not (text and text.isascii() and text.isprintable() and " " not in text):
        raise PydanticCustomError("camd", "is not usable as a key")
    return secret


def is_source(text: str) -> str:
    """Refuse what names nothing."""
    if not text or not text.isprintable():
        raise PydanticCustomError("camd", "is no source")
    return text


def is_picture(text: str) -> str:
    """Refuse what is neither a choice nor a JPEG file."""
    is_file = text.lower().endswith((".jpg", ".jpeg")) and text.isprintable()
    if text not in PICTURE_CHOICES and not is_file:
        raise PydanticCustomError("camd", "is unknown")
    return text


def is_network(text: str) -> str:
    """Refuse what is no address, no network and not ``unix``."""
    if text != "unix":
        try:
            ip_network(text)
        except ValueError:
            raise PydanticCustomError("camd", "is no network") from None
    return text


def is_right(text: str) -> str:
    """Refuse what is no right."""
    if text not in {right.value for right in Right}:
        raise PydanticCustomError("camd", "is no right")
    return text


def number_as_text(value: object) -> object:
    """A camera's number (0 is /dev/video0) as the text that a source is."""
    if type(value) is int and 0 <= value < 1000:
        return str(value)
    return value


def text_as_tuple(value: object) -> object:
    """One listen string, or a list of them, as a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def off_or_sane(seconds: float) -> float:
    """Refuse an interval that would do nothing but send."""
    if 0 < seconds < 0.1:
        raise PydanticCustomError("camd", "is too small")
    return seconds
