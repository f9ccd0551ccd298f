"""What a camera's ``source`` can be, and an address whose login is typed as it is.

Passwords are often typed into an address without percent encoding. What can be read in
one way only is encoded here, so that whoever takes the address apart later finds what
was meant. What can be read in two ways is refused: the wrong reading would show a part
of the password as the name of a host.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from camd.config import redis
from camd.config.names import CAMERA_NAME

PUSH = "push"
"""The source of a camera that sends its pictures by itself."""

WORDS = ("pattern", "rpicam", PUSH)
"""Sources that are a word of their own."""

EXEC = "exec:"
"""What a source begins with that is the command of a program."""

_RPICAM = re.compile(r"rpicam(?::\d{1,2})?", re.IGNORECASE)

CAMD_SCHEMES = ("camd+http", "camd+https")
"""What the address of another camd's camera begins with."""

SCHEMES = (
    *("http", "https", "rtsp", "rtsps"),
    *CAMD_SCHEMES,
    *("rtmp", "rtmps", "rtp", "udp", "tcp", "srt", "file"),
    *redis.SCHEMES,
)
"""What an address may begin with. The first six are what cameras have; the others are
opened by FFmpeg as well, but for those of Redis."""

_HOST = re.compile(r"(\d{1,3}(\.\d{1,3}){3}|localhost|[\w.-]+:\d{2,5})(:\d+)?(/|\Z)")
"""What a text begins with that is an address without its scheme, and no path."""

_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")

# RFC 3986: what may stand in user information as it is, ":" between its parts aside.
_PLAIN = "!$&'()*+,;=-._~"


class SourceFault(Exception):
    """A text names no source; its words follow the text."""


def usable_source(text: str) -> str:
    """Return a source in the form that everything else reads.

    Of an address the scheme is in small letters and the user information is
    percent-encoded; everything else stays. ``file://`` and ``~`` become the path meant.
    Blanks around it are dropped.

    :raises SourceFault: it is no source, or an address that can be read in two ways.
    """
    text = text.strip(" ")
    if not text or not text.isprintable():
        raise SourceFault("is no source")
    if text.lower().startswith(EXEC):
        return EXEC + _command(text[len(EXEC) :])
    if _RPICAM.fullmatch(text):
        return text.lower()
    scheme, mark, rest = text.partition("://")
    if mark and scheme.lower() == "file":
        # RFC 8089: the host is this one or left out, and the path is quoted.
        host, slash, path = rest.partition("/")
        if host.lower() not in ("", "localhost") or not path:
            raise SourceFault("names no file of this machine")
        return unquote(slash + path)
    if mark:
        address = f"{_known_scheme(scheme)}://{_encoded(rest)}"
        if redis.is_redis(address):
            _parsed(address, camera=True)
        if is_relay(address):
            _check_relay(address)
        return address
    if _HOST.match(text):
        raise SourceFault("is no source (an address begins with http:// or rtsp://)")
    # A file or folder of this folder has a dot in its name, or begins with "./".
    if text in WORDS or text.isdecimal() or "/" in text or "." in text:
        return os.path.expanduser(text)
    raise SourceFault(f"is no source{_nearest_word(text)}")


def usable_redis(text: str) -> str:
    """Return the address of a Redis server with its login encoded; nothing as it is.

    :raises SourceFault: it is none.
    """
    if not text:
        return text
    scheme, mark, rest = text.partition("://")
    if not mark or not text.isprintable() or scheme.lower() not in redis.SCHEMES:
        raise SourceFault("is no address of a Redis server")
    address = f"{scheme.lower()}://{_encoded(rest)}"
    _parsed(address, camera=False)
    return address


def _parsed(address: str, *, camera: bool) -> None:
    try:
        redis.RedisAddress.parse(address, camera=camera)
    except ValueError as fault:
        raise SourceFault(str(fault)) from None


def is_program(source: str) -> bool:
    """Whether a camera is a program that camd runs."""
    return source.startswith(EXEC) or _RPICAM.fullmatch(source) is not None


def is_relay(source: str) -> bool:
    """Whether a camera is another camd's, for certain."""
    return source.startswith(CAMD_SCHEMES)


def is_path(source: str) -> bool:
    """Whether a source is a device, a file or a folder."""
    return source not in WORDS and "://" not in source and not is_program(source)


def missing_part(source: str) -> str | None:
    """Return what of a source is not there now: its device, file, folder or program.

    :param source: what :func:`usable_source` returned.
    :return: None for nothing, and where that shows only when the source is opened.
    """
    if source.startswith(EXEC):
        return missing_program(source[len(EXEC) :])
    if not is_path(source):
        return None
    path = f"/dev/video{source}" if source.isdecimal() else source
    return None if Path(path).exists() else path


def missing_program(command: str) -> str | None:
    """Return the program of a command if it is not there now; None if it is."""
    program = shlex.split(command)[0]
    return None if shutil.which(program) else program


def _check_relay(address: str) -> None:
    """Check the address of another camd's camera, as far as that takes no connection.

    :raises SourceFault: it cannot be one.
    """
    parts = urlsplit(address)
    form = "expected camd+http://KEY@HOST:PORT/NAME"
    try:
        is_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_place = False
    if not is_place:
        raise SourceFault(f"names no host and port ({form})")
    if parts.query or parts.fragment:
        raise SourceFault("takes nothing behind the name: the full picture is relayed")
    if not CAMERA_NAME.fullmatch(parts.path.rpartition("/")[2]):
        raise SourceFault(f"names no camera of another camd ({form})")


def _command(text: str) -> str:
    """Return a command, or say why a shell could not take its words apart."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SourceFault(f"is no command ({str(error).lower()})") from None
    if not words:
        raise SourceFault("names no command")
    return text.strip()


def _nearest_word(text: str) -> str:
    device = re.fullmatch(r"(?:/?dev/?)?(video\d{1,3})", text)
    if device:
        return f" (did you mean /dev/{device[1]}?)"
    nearest = get_close_matches(text.lower(), WORDS, n=1)
    if nearest:
        return f" (did you mean {nearest[0]}, or the path ./{text}?)"
    return " (a file or folder of this folder begins with ./)"


def _known_scheme(scheme: str) -> str:
    if scheme.lower() in SCHEMES:
        return scheme.lower()
    # Of the rare ones none is ever meant: ftp is no slip of rtp.
    nearest = get_close_matches(scheme.lower(), SCHEMES[:6], n=1)
    meant = f" (did you mean {nearest[0]}://?)" if nearest else ""
    raise SourceFault(f"has a scheme that camd does not open{meant}")


def _encoded(rest: str) -> str:
    """Return what follows ``scheme://`` with its user information encoded."""
    if "@" not in rest:
        return rest
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" not in rest[len(authority) :]:
        login, _, host = rest.rpartition("@")
        return f"{_encoded_login(login)}@{host}"
    _, colon, port = authority.partition(":")
    if not colon and "@" not in authority:
        return rest
    # "user:p/ss@host": "p" is no port, so that "/" stands in a password.
    if "@" not in authority and not port.isdecimal() and rest.count("@") == 1:
        login, _, host = rest.rpartition("@")
        return f"{_encoded_login(login)}@{host}"
    raise SourceFault(
        "can be read in two ways (in user and password write %40 for @, %2F for /,"
        " %3F for ?, %23 for #, %3A for :, %25 for %; behind the host %40 for @)"
    )


def _encoded_login(login: str) -> str:
    user, colon, password = login.partition(":")
    return _encoded_part(user) + colon + _encoded_part(password)


def _encoded_part(text: str) -> str:
    """Percent-encode, and leave alone what is encoded already."""
    pieces = re.split(f"({_ENCODED.pattern})", text)
    return "".join(
        piece if _ENCODED.fullmatch(piece) else quote(piece, safe=_PLAIN)
        for piece in pieces
    )
