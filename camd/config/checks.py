"""What a value must be like, beyond its type; and forms that stand for another one.

Each check returns the value, or raises ``PydanticCustomError`` with the fault in words
that follow the value.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from camd.config.names import CAMERA_NAME, TAKEN_NAMES
from camd.config.overlay import overlay_fault
from camd.config.source import SourceFault, usable_redis, usable_source
from camd.formats.jpeg import Damaged, measure
from camd.formats.rendition import Rendition
from camd.rights import Right

PICTURE_CHOICES = ("placeholder", "hold", "close")
"""What ``offline_picture`` may say; anything else is the path of a JPEG file."""

PICTURE_MOST = 4 * 1024 * 1024
"""Bytes that such a file may have: it is sent to every viewer once a second."""

SHORTEST_KEY = 16
"""Characters that a key must have. Drawn at random from 64 letters they are 96 bits,
which nobody guesses; words of that length are at least slow to try."""

ORIGIN = (
    r"^(\*|https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?)\Z"
)
"""An origin has no path, and stands as a browser sends it (RFC 6454 6.2)."""

FRAME_ANCESTOR = r"^('self'|'none'|" + ORIGIN[2:-3] + r")\Z"
"""Who may frame a page, as a Content-Security-Policy has it."""

TITLE = "a text of one line, up to 100 characters"
"""What a title may be, for people."""

HOST = r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?\Z"
"""A host's name, and perhaps a port."""

# As v4l2-ctl writes the kernel's names.
_CONTROL = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a key takes, in words, for error messages: "expected ..."."""

    words: str


def _fault(words: str) -> PydanticCustomError:
    """Return the error; braces in the words would be places to fill in."""
    return PydanticCustomError("camd", "{words}", {"words": words})


def is_name(text: str) -> str:
    """Refuse what could not stand in an address."""
    if not CAMERA_NAME.fullmatch(text):
        raise _fault("is not a usable name")
    return text


def is_free(name: str) -> str:
    """Refuse a name that means something else."""
    if name in TAKEN_NAMES:
        raise _fault("is taken")
    return name


def is_key(secret: SecretStr) -> SecretStr:
    """Refuse what could not travel as a key, and what is soon guessed."""
    text = secret.get_secret_value()
    # A key travels in headers and in URLs; a blank or a control character would not.
    if not (text and text.isascii() and text.isprintable() and " " not in text):
        raise _fault("is not usable as a key")
    if len(text) < SHORTEST_KEY:
        raise _fault(f"has fewer than {SHORTEST_KEY} characters")
    return secret


def is_signing_key(secret: SecretStr) -> SecretStr:
    """Refuse what is no longer than a password: every link could be tried with it."""
    if not 32 <= len(secret.get_secret_value()) <= 200:
        raise PydanticCustomError("camd", "is no random text of that length")
    return secret


def is_title(text: str) -> str:
    """Refuse what would not fit on a tile."""
    if not text.isprintable() or len(text) > 100:
        raise PydanticCustomError("camd", "is no title")
    return text


def is_source(text: str) -> str:
    """Refuse what no camera can be; return an address with its login encoded."""
    try:
        return usable_source(text)
    except SourceFault as fault:
        raise _fault(str(fault)) from None


def is_redis_address(text: str) -> str:
    """Refuse what is no Redis server; return its address with the login encoded."""
    try:
        return usable_redis(text)
    except SourceFault as fault:
        raise _fault(str(fault)) from None


def is_address(text: str) -> bool:
    """Whether a hook is an address, and not a command."""
    return text.lower().startswith(("http://", "https://"))


def is_hook(text: str) -> str:
    """Refuse what is neither an address nor words that a shell could take apart."""
    if not text.isprintable():
        raise _fault("is no command")
    if is_address(text):
        if not urlsplit(text).hostname:
            raise _fault("is no address")
        return text
    try:
        shlex.split(text)
    except ValueError as error:
        raise _fault(f"is no command ({str(error).lower()})") from None
    return text.strip()


def is_picture(text: str) -> str:
    """Refuse what is neither a choice nor a JPEG file."""
    if text.lower() in PICTURE_CHOICES:
        return text.lower()
    if not text.lower().endswith((".jpg", ".jpeg")) or not text.isprintable():
        raise _fault("is unknown")
    return text


def picture_fault(picture: str) -> str | None:
    """Return what is wrong with an ``offline_picture``, in words; None if nothing is.

    A file is read, and must be a whole JPEG: anything else would blank browsers.
    """
    if picture in PICTURE_CHOICES:
        return None
    try:
        with Path(picture).open("rb") as file:
            content = file.read(PICTURE_MOST + 1)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if len(content) > PICTURE_MOST:
        return f"has more than {PICTURE_MOST // 1024**2} MB"
    try:
        measure(content)
    except Damaged as fault:
        return f"is no whole JPEG ({fault})"
    return None


def is_network(text: str) -> str:
    """Refuse what is no address, no network and not ``unix``."""
    if text != "unix":
        try:
            ip_network(text)
        except ValueError:
            raise _fault("is no network") from None
    return text


def is_rendition(text: str) -> str:
    """Refuse what is no share of the size and JPEG quality."""
    try:
        Rendition.parse(text)
    except ValueError:
        raise PydanticCustomError("camd", "is no rendition") from None
    return text


def is_right(text: str) -> str:
    """Refuse what is no right."""
    if text not in {right.value for right in Right}:
        raise _fault("is no right")
    return text


def is_control(name: str) -> str:
    """Refuse what is not written as V4L2's names are."""
    if not _CONTROL.fullmatch(name):
        raise _fault("is no control's name")
    return name


def is_control_value(value: object) -> int | bool | str:
    """Refuse what no control takes: more than 32 bits, or 31 letters of a menu."""
    if isinstance(value, int) and -(2**31) <= value < 2**32:
        return value
    if isinstance(value, float):
        # Only programs take these, and as a word.
        return f"{value:g}"
    if isinstance(value, str) and 0 < len(value) < 32 and value.isprintable():
        return value
    raise _fault("is no control's value")


def is_overlay(text: str) -> str:
    """Refuse a pattern that cannot be written into a picture."""
    fault = overlay_fault(text)
    if fault:
        raise _fault(fault)
    return text


def nothing_as_empty(value: object) -> object:
    """Return an empty mapping for a key with nothing behind it."""
    return {} if value is None else value


def number_as_text(value: object) -> object:
    """Return a camera's number (0 is /dev/video0) as the text that a source is."""
    if type(value) is int and 0 <= value < 1000:
        return str(value)
    return value


def text_as_tuple(value: object) -> object:
    """Return one text, or a list of them, as a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def lower_case(value: object) -> object:
    """Return a word of a list of choices as it is written there."""
    return value.lower() if isinstance(value, str) else value


def off_or_sane(seconds: float) -> float:
    """Refuse an interval that would do nothing but send."""
    if 0 < seconds < 0.1:
        raise _fault("is too small")
    return seconds
