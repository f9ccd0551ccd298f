"""Where camd listens: what a listen string says, the port, and what opens it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.logger import Logger

from camd.listening import certificates

# Which of the arguments without a name is the port.
_PORT_PLACE = {"tcp": 0, "tcp6": 0, "ssl": 0, "tls": 1}

_KINDS = ("tcp", "tcp6", "unix", "ssl", "tls", "systemd")

_CERTIFIED = tuple(f"{kind}:" for kind in certificates.KINDS)

_COLON = re.compile(r"(?<!\\):")
"""What stands between the arguments of a listen string; inside of one it is escaped."""

_PLAIN_IPV6 = re.compile(r"interface=\[?[0-9A-Fa-f]*:[0-9A-Fa-f]*:")
"""An IPv6 address whose colons are not escaped."""

_INTERFACE = re.compile(r":interface=(?:\\:|[^:])*")
"""The part of a listen string that keeps it to one interface."""

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})
"""Interfaces that are no address to open."""

_LOOPBACK = re.compile(r"127\.\d+\.\d+\.\d+|::1|localhost")

_SOMEWHERE = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737): nothing is sent there."""


def listen_fault(text: str) -> str | None:
    """Return what is wrong with a listen string, in words; None if nothing is.

    Certificates named in it are read. Sockets that systemd hands over are not looked
    for: they are there only when systemd starts the daemon.
    """
    kind, *arguments = _COLON.split(text.removeprefix("haproxy:"))
    if kind not in _KINDS:
        return "is of no kind that camd listens on"
    if kind in _PORT_PLACE and not _has_port(arguments, _PORT_PLACE[kind]):
        return "has no port from 0 to 65535"
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
        if _PLAIN_IPV6.search(text):
            return r"has plain colons in an address (write \:)"
        return "has arguments that do not fit its kind"
    return None


def with_defaults(text: str) -> str:
    """Return a listen string with camd's own defaults for what it does not say.

    A backlog as long as the kernel allows, and a UNIX socket that its user and group
    alone may open; Twisted's are 50, and everybody.
    """
    kind, *arguments = _COLON.split(text.removeprefix("haproxy:"))
    said = {argument.partition("=")[0] for argument in arguments if "=" in argument}
    plain = len(arguments) - len(said)
    if kind == "unix" and "mode" not in said and plain < 2:
        text += ":mode=660"
    if kind in ("tcp", "tcp6", "unix") and "backlog" not in said and plain < 3:
        text += f":backlog={certificates.BACKLOG}"
    return text


def _has_port(arguments: list[str], place: int) -> bool:
    named = [text[5:] for text in arguments if text.startswith("port=")]
    plain = [text for text in arguments if "=" not in text]
    port = [*named, *plain[place : place + 1], ""][0]
    return port.isascii() and port.isdigit() and int(port[:9]) <= 65535


class Listener(Service):
    """One port or socket, bound before twistd gives its privileges up.

    :param endpoint: where to listen.
    :param factory: what answers there.
    """

    _log = Logger(namespace="camd")

    def __init__(
        self, endpoint: IStreamServerEndpoint, factory: IProtocolFactory
    ) -> None:
        self._endpoint = endpoint
        self._factory = factory
        self._port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Bind the port.

        :raises CannotListenError: it cannot be had.
        :raises OSError: the folder of a UNIX socket is not there, or not camd's.
        """
        super().privilegedStartService()
        bound: list[Any] = []
        # No endpoint that camd takes needs the reactor to turn before it is bound.
        self._endpoint.listen(self._factory).addBoth(bound.append)
        if not IListeningPort.providedBy(bound[0]):
            bound[0].raiseException()
        self._port = bound[0]
        self._log.info("Listening on {address}", address=_shown(bound[0].getHost()))

    def startService(self) -> None:
        """Begin to answer."""
        if self._port is None:
            self.privilegedStartService()
        super().startService()

    def stopService(self) -> Deferred[Any]:
        """Listen no more; what is connected stays."""
        super().stopService()
        port, self._port = self._port, None
        return maybeDeferred(port.stopListening if port else lambda: None)


def _shown(host: Any) -> str:
    """Return an address of this machine as it is written in the log."""
    if isinstance(host, UNIXAddress):
        return f"the UNIX socket {_text(host.name)}"
    return f"{_bracketed(host.host)}:{host.port}"


def _text(name: bytes | str | None) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


# ---- What opens it


def address_of(listen: str, outside: str = "localhost") -> str:
    """Return the address that a browser would open for a listen string.

    :param outside: what stands for all interfaces.
    :return: the listen string itself for one that no browser can open.
    """
    kind, *rest = (part.replace("\\:", ":") for part in _COLON.split(listen))
    if kind not in _PORT_PLACE:
        return listen
    named = dict(part.split("=", 1) for part in rest if "=" in part)
    port = named.get("port") or next((part for part in rest if part.isdigit()), "")
    host = named.get("interface", "")
    if host in _EVERYWHERE:
        host = outside
    return (
        f"{'http' if kind in ('tcp', 'tcp6') else 'https'}://{_bracketed(host)}:{port}"
    )


def greeting(listen: Sequence[str], path: str, outside: str | None) -> Iterator[str]:
    """Yield the lines that say what can be opened, and from where.

    :param listen: the listen strings.
    :param path: the path to open, with the key that was made, if one was.
    :param outside: this machine's address for others; None where it has none.
    """
    is_local = True
    for text in listen:
        address = address_of(text)
        if not address.startswith("http"):
            is_local = False
            yield f"Open {path} through the proxy in front of {_proxied(text)}"
            continue
        yield f"Open {address}{path}"
        host = address.partition("://")[2].rpartition(":")[0].strip("[]")
        if address != address_of(text, "."):
            is_local = False
            if outside is not None:
                yield f"From other machines open {address_of(text, outside)}{path}"
        elif not _LOOPBACK.fullmatch(host):
            is_local = False
    if is_local:
        yield (
            "Only this machine can open it; for the network set listen:"
            f" {_INTERFACE.sub('', listen[0])} in camd.yaml"
        )


def _proxied(listen: str) -> str:
    kind, *rest = _COLON.split(listen)
    return f"the UNIX socket {rest[0]}" if kind == "unix" else listen


def outside_address() -> str | None:
    """Return this machine's address for others, that of its way out; None for none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way_out:
        try:
            # No packet: the kernel only chooses the interface.
            way_out.connect(_SOMEWHERE)
        except OSError:
            return None
        address: str = way_out.getsockname()[0]
    return None if _LOOPBACK.fullmatch(address) else address
