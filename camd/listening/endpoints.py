"""What a listen string says: can Twisted listen there, and what opens it then."""

from __future__ import annotations

import re

from twisted.internet.endpoints import serverFromString

from camd.listening import certificates

# Which of the arguments without a name is the port.
_PORT_PLACE = {"tcp": 0, "tcp6": 0, "ssl": 0, "tls": 1}

_KINDS = ("tcp", "tcp6", "unix", "ssl", "tls", "systemd")

_CERTIFIED = tuple(f"{kind}:" for kind in certificates.KINDS)

_COLON = re.compile(r"(?<!\\):")
"""What stands between the arguments of a listen string; inside of one it is escaped."""

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})
"""Interfaces that are no address to open."""


def listen_fault(text: str) -> str | None:
    """What is wrong with a listen string, in words that follow it; None if nothing is.

    Certificates named in it are read. Sockets that systemd hands over are not looked
    for: they are there only when systemd starts the daemon.
    """
    kind, *arguments = _COLON.split(text.removeprefix("haproxy:"))
    if kind not in _KINDS:
        return "is of no kind that camd listens on"
    if kind in _PORT_PLACE and not _has_port(arguments, _PORT_PLACE[kind]):
        return "has no port from 0 to 65535"
    return _refusal(text, kind)


def _has_port(arguments: list[str], place: int) -> bool:
    named = [text[5:] for text in arguments if text.startswith("port=")]
    plain = [text for text in arguments if "=" not in text]
    port = [*named, *plain[place : place + 1], ""][0]
    return port.isascii() and port.isdigit() and int(port[:9]) <= 65535


def _refusal(text: str, kind: str) -> str | None:
    try:
        if text.startswith(_CERTIFIED):
            certificates.Certificate(text)
        else:
            # Parsing only keeps the reactor for later, so that none is needed.
            serverFromString(object(), text)
    except LookupError:
        return None if kind == "systemd" else "does not fit its kind"
    except certificates.NoCertificate:
        return "names no certificate with its key"
    except OSError as error:
        return f"names a file that cannot be read ({error.strerror})"
    # Parsers are plugins, and each raises what it likes: TypeError for an argument it
    # does not know, ValueError, OpenSSL's own.
    except Exception:
        return "has arguments that do not fit its kind"
    return None


def address_of(listen: str) -> str:
    """Give the address that a browser would open for a listen string."""
    kind, *rest = (part.replace("\\:", ":") for part in _COLON.split(listen))
    if kind not in ("tcp", "ssl", "tls"):
        return listen
    named = dict(part.split("=", 1) for part in rest if "=" in part)
    port = named.get("port") or next((part for part in rest if part.isdigit()), "")
    host = named.get("interface", "")
    if host in _EVERYWHERE:
        host = "localhost"
    shown = f"[{host}]" if ":" in host else host
    return f"{'http' if kind == 'tcp' else 'https'}://{shown}:{port}"
