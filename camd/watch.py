"""``camd watch``: look at a running camd as a viewer does, and say how fresh it is.

It reads the live channel and is its reference client: docs/live.md says what it does
and why. Frames of the WebSocket are read and written by wsproto, which camd's server
side needs as well; the rest is a blocking socket. With ``--stream`` it reads a stream
instead, as an ``<img>`` does, for comparison.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from statistics import median
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from camd.formats import live
from camd.formats.multipart import MultipartError, Parser
from camd.frame import Stamp
from camd.sources.remote_clock import RemoteClock

CLOCK_EVERY = 2.0
"""Seconds between two questions for camd's time."""

OVERDUE, OVERDUE_LEAST = 2.5, 0.1
"""Usual gaps, and the least seconds, without a picture until camd is told."""

SILENCE = 10.0
"""Seconds without a byte until the connection counts as dead."""

CONNECT_TIME = 10.0
"""Seconds to connect and to be answered."""


_NO_CAMD = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""What reading raises where a message is none of docs/live.md."""


class WatchError(Exception):
    """What keeps it from seeing pictures, in one line."""


_EXPECTED = {
    "401": "a key that it knows, in the address (?api_key=KEY) or in CAMD_API_KEY",
    "403": "a key with the right view",
    "404": "the address of a camd's page, or http://HOST/api/NAME/live of a camera",
}
"""What would have been right where camd answers with this status."""


def _refused(status: str, wanted: str) -> WatchError:
    said = f"camd answered {status} in place of {wanted}"
    if status not in _EXPECTED:
        return WatchError(said)
    return WatchError(f"{said}; expected {_EXPECTED[status]}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to look.

    :ivar host: its name or address.
    :ivar port: of TCP.
    :ivar secure: whether TLS is spoken.
    :ivar target: the path, with its query but for the key.
    :ivar key: what opens it; empty for none.
    """

    host: str
    port: int
    secure: bool
    target: str
    key: str

    @property
    def origin(self) -> str:
        """The host as it stands in a request."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"
        )


def address(url: str, *, stream: bool, key: str = "") -> Address:
    """Read an address as people have it: the page's, a stream's or the channel's.

    :param stream: whether a stream is to be read.
    :param key: what opens it, where the address has none.
    :raises WatchError: it is no address of HTTP.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    secure = parts.scheme in ("https", "wss")
    try:
        port = parts.port or (443 if secure else 80)
    except ValueError:
        raise WatchError("expected a port from 1 to 65535") from None
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise WatchError("expected an address such as http://robot.example:8001/")
    query = parse_qsl(parts.query, keep_blank_values=True)
    offered = dict(query).get("api_key") or unquote(parts.password or "") or key
    rest = urlencode([(name, value) for name, value in query if name != "api_key"])
    base, _, last = parts.path.rpartition("/")
    if last not in ("live", "stream"):
        base = parts.path.rstrip("/")
        base = base if "/api" in base else f"{base}/api"
    if stream and base.endswith("/api"):
        base = base.removesuffix("/api")
    target = f"{base}/{'stream' if stream else 'live'}" + (f"?{rest}" if rest else "")
    return Address(parts.hostname, port, secure, target, offered)


def connect(where: Address) -> socket.socket:
    """Open a connection.

    :raises WatchError: it cannot be opened.
    """
    try:
        plain = socket.create_connection((where.host, where.port), CONNECT_TIME)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not where.secure:
            return plain
        context = ssl.create_default_context()
        return context.wrap_socket(plain, server_hostname=where.host)
    except OSError as error:
        reason = error.strerror or error
        raise WatchError(f"cannot connect to {where.origin}: {reason}") from None


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture.

    :ivar camera: its name, or its number in a stream.
    :ivar frame: its number; 0 for a placeholder.
    :ivar age: seconds; None as long as camd's clock is not known.
    :ivar size: bytes.
    :ivar width: pixels; 0 where nobody says.
    :ivar rendition: its number, 0 for the full picture and in a stream.
    """

    camera: str
    frame: int
    age: float | None
    size: int
    width: int
    rendition: int = 0


class Rhythm:
    """How far apart pictures come, and when the next one is overdue.

    :ivar overdue_at: by the clock of :meth:`came`; infinity before the second picture.
    """

    def __init__(self) -> None:
        self.overdue_at = inf
        self._gap: float | None = None
        self._came_at: float | None = None

    def came(self, now: float) -> None:
        """Note a picture."""
        if self._came_at is not None:
            gap = now - self._came_at
            usual = gap if self._gap is None else self._gap
            self._gap = usual + (gap - usual) / 8
            self.overdue_at = now + max(OVERDUE_LEAST, OVERDUE * self._gap)
        self._came_at = now

    def told(self) -> None:
        """Note that camd was told: once is enough until the next picture."""
        self.overdue_at = inf


class LiveClient:
    """A client of the live channel.

    :param wanted: what is wanted of each camera: keys of ``watch``.
    """

    def __init__(self, where: Address, wanted: Mapping[str, Any]) -> None:
        self._wanted = wanted
        self._names: dict[int, str] = {}
        # By camera, when its first picture came, and the clock that they are dated by.
        self._clocks: dict[str, tuple[float, RemoteClock]] = {}
        self._text = ""
        self._data = bytearray()
        self._asked_at = -inf
        self._rhythm = Rhythm()
        self._last: tuple[int, int] | None = None
        # Whether camd takes a third figure, and when what is read now has come.
        self._tells_ms = False
        self._came_at = 0.0
        self._socket = connect(where)
        self._ws = WSConnection(ConnectionType.CLIENT)
        headers = [(b"User-Agent", b"camd-watch")]
        if where.key:
            headers.append((b"X-API-Key", where.key.encode()))
        request = Request(where.origin, where.target, extra_headers=headers)
        self._socket.sendall(self._ws.send(request))

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def pictures(self, until: float) -> Iterator[Seen | None]:
        """Yield each picture; None when half a second, or less, has brought none.

        :param until: when to stop, by ``time.monotonic``.
        :raises WatchError: the connection was refused, or has ended.
        """
        heard_at = time.monotonic()
        while (now := time.monotonic()) < until:
            if self._names and now - self._asked_at > CLOCK_EVERY:
                self._asked_at = now
                self._say(clock=now)
            if self._rhythm.overdue_at <= now:
                self._rhythm.told()
                self._say(ack=[self._last])
            quiet = min(0.5, self._rhythm.overdue_at - now)
            pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
            if not pending and not select.select([self._socket], [], [], quiet)[0]:
                if now - heard_at > SILENCE:
                    raise WatchError(f"nothing was heard for {SILENCE:.0f} s")
                yield None
                continue
            heard_at = now
            yield from self._read()

    def _read(self) -> Iterator[Seen]:
        try:
            data = self._socket.recv(1 << 16)
            self._came_at = time.monotonic()
            self._ws.receive_data(data or None)
            for event in self._ws.events():
                yield from self._take(event)
        except (OSError, ProtocolError) as error:
            raise WatchError(f"the connection broke: {error}") from None
        except _NO_CAMD:
            raise WatchError("it does not speak as a camd does") from None

    def _take(self, event: Any) -> Iterator[Seen]:
        match event:
            case BytesMessage(data=data, message_finished=finished):
                self._data += data
                if finished:
                    message, self._data = self._data, bytearray()
                    yield from self._picture(bytes(message))
            case TextMessage(data=text, message_finished=finished):
                self._text += text
                if finished:
                    message, self._text = json.loads(self._text), ""
                    self._told(message)
            case Ping():
                self._socket.sendall(self._ws.send(event.response()))
            case AcceptConnection():
                pass
            case RejectConnection(status_code=status):
                raise _refused(str(status), "a WebSocket")
            case RejectData():
                pass
            case CloseConnection(code=code, reason=reason):
                raise WatchError(f"the connection was closed: {code} {reason or ''}")

    def _told(self, message: dict[str, Any]) -> None:
        self._tells_ms = message.get("ack_ms", self._tells_ms)
        if "cameras" in message:
            self._names = {c["number"]: c["name"] for c in message["cameras"]}
            self._say(watch=dict.fromkeys(self._names.values(), self._wanted))
        if "clock" in message:
            self._take_time(message["clock"], message["time"], message.get("times", {}))
        for name, given in message.get("watch", {}).items():
            if "refused" in given:
                raise WatchError(f"{name}: {given['refused']}")

    def _take_time(self, asked: float, time_there: float, times: Any) -> None:
        """Note what time it is by the clock of each camera.

        Whose clock that is, camd may know from the first picture only.
        """
        now = time.monotonic()
        for name, (since, clock) in self._clocks.items():
            if asked >= since:
                clock.answered(asked, times.get(name, time_there), now)

    def _age(self, name: str, captured: float) -> float | None:
        """Return the age of a picture that has come; None while no clock is known."""
        now = time.monotonic()
        if name not in self._clocks:
            self._clocks[name] = now, RemoteClock()
            self._asked_at = -inf
        _, clock = self._clocks[name]
        if not clock.is_known:
            return None
        return (clock.earliest(now) + clock.latest(now)) / 2 - captured

    def _picture(self, message: bytes) -> Iterator[Seen]:
        picture = live.read_picture(message)
        if picture is None:
            return
        camera, frame = picture.camera, picture.frame
        name = self._names.get(camera, str(camera))
        age = self._age(name, picture.timestamp)
        self._last = camera, frame
        self._rhythm.came(time.monotonic())
        if picture.flags & live.ACKNOWLEDGE:
            # It is drawn when it has been read: this client shows figures alone.
            had = round(1000 * (time.monotonic() - self._came_at))
            self._say(ack=[[*self._last, had] if self._tells_ms else self._last])
        size, width = len(picture.jpeg), picture.width
        yield Seen(name, frame, age, size, width, picture.rendition)

    def _say(self, **content: Any) -> None:
        try:
            self._socket.sendall(self._ws.send(TextMessage(json.dumps(content))))
        except OSError as error:
            raise WatchError(f"the connection broke: {error}") from None


class StreamClient:
    """A client of a stream. Ages hold where its clock agrees with camd's."""

    def __init__(self, where: Address) -> None:
        self._socket = connect(where)
        key = f"X-API-Key: {where.key}\r\n" if where.key else ""
        # HTTP/1.0: without chunks.
        self._socket.sendall(
            f"GET {where.target} HTTP/1.0\r\nHost: {where.origin}\r\n"
            f"User-Agent: camd-watch\r\n{key}\r\n".encode()
        )

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def pictures(self, until: float) -> Iterator[Seen | None]:
        """Yield each picture; None when half a second has brought none.

        :raises WatchError: there is no stream, or it has ended.
        """
        parser, head = Parser(b"frame"), b""
        began, heard_at = False, time.monotonic()
        while (now := time.monotonic()) < until:
            pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()
            if not pending and not select.select([self._socket], [], [], 0.5)[0]:
                if now - heard_at > SILENCE:
                    raise WatchError(f"nothing was heard for {SILENCE:.0f} s")
                yield None
                continue
            heard_at = now
            try:
                data = self._socket.recv(1 << 16)
            except OSError as error:
                raise WatchError(f"the connection broke: {error}") from None
            if not data:
                raise WatchError("the stream has ended")
            if not began:
                head += data
                if b"\r\n\r\n" not in head:
                    continue
                status, _, data = head.partition(b"\r\n\r\n")
                code = b"".join(status.split(b" ")[1:2]).decode("ascii", "replace")
                if code != "200":
                    raise _refused(code or "no HTTP", "a stream")
                began = True
            yield from self._parts(parser, data)

    def _parts(self, parser: Parser, data: bytes) -> Iterator[Seen]:
        try:
            parts = parser.receive(data)
        except MultipartError as error:
            raise WatchError(f"this is no stream: {error}") from None
        for part in parts:
            captured = part.headers.get(b"x-timestamp")
            stamp = Stamp.told(part.headers.get(b"x-frame", b"0"), captured or b"0")
            if stamp is None:
                raise WatchError("this is no stream of a camd")
            age = None if captured is None else time.time() - stamp.timestamp
            yield Seen("stream", stamp.number, age, len(part.body), 0)


@dataclass
class Second:
    """What came in one second, or in all of them.

    :ivar bytes: of the pictures.
    :ivar gaps: frames that were left out, by their numbers.
    :ivar changes: how often a camera's rendition changed.
    :ivar ages: of the pictures, in seconds, where camd's clock is known.
    :ivar widths: of the pictures, in pixels.
    :ivar renditions: their numbers.
    """

    pictures: int = 0
    bytes: int = 0
    gaps: int = 0
    changes: int = 0
    ages: list[float] = field(default_factory=list)
    widths: set[int] = field(default_factory=set)
    renditions: set[int] = field(default_factory=set)

    def add(self, seen: Seen, before: Seen | None) -> None:
        """Count one picture.

        :param before: the last one of the same camera; None at first.
        """
        self.pictures += 1
        self.bytes += seen.size
        if before is not None:
            if seen.frame and before.frame:
                self.gaps += max(0, seen.frame - before.frame - 1)
            self.changes += seen.rendition != before.rendition
        if seen.age is not None:
            self.ages.append(seen.age)
        if seen.width:
            self.widths.add(seen.width)
            self.renditions.add(seen.rendition)

    def summary(self, seconds: float) -> dict[str, Any]:
        """Return the figures of so many seconds, for ``--json``."""
        ages = sorted(self.ages)
        return {
            "fps": round(self.pictures / seconds, 2),
            "age": round(median(ages), 3) if ages else None,
            "age_p95": round(ages[int(0.95 * len(ages))], 3) if ages else None,
            "kilobytes_per_second": round(self.bytes / seconds / 1000, 1),
            "widths": sorted(self.widths),
            "renditions": sorted(self.renditions),
            "changes": self.changes,
            "gaps": self.gaps,
        }


def watch(
    client: LiveClient | StreamClient,
    seconds: float,
    max_age: float | None,
    *,
    as_json: bool,
    settle: float = 0,
) -> int:
    """Watch for a time, and say each second what came.

    :param seconds: how long; infinity for ever.
    :param settle: seconds of these that do not count in the total.
    :param max_age: what p95 of the ages may be at the most; None for any.
    :return: 0, or 1 when pictures were older than that or none came.
    :raises WatchError: the connection was refused, or has ended.
    """
    began = last_at = time.monotonic()
    counted_from = began + settle
    second, total = Second(), Second()
    last: dict[str, Seen] = {}
    for seen in client.pictures(began + seconds):
        now = time.monotonic()
        if seen is not None:
            before = last.get(seen.camera)
            last[seen.camera] = seen
            second.add(seen, before)
            if now >= counted_from:
                total.add(seen, before)
        if now - last_at >= 1:
            print(line(second.summary(now - last_at), as_json=as_json), flush=True)
            second, last_at = Second(), now
    summary = total.summary(max(1e-9, time.monotonic() - counted_from))
    print(line({"total": True, **summary}, as_json=as_json), flush=True)
    if not total.pictures:
        return 1
    return int(max_age is not None and (summary["age_p95"] or 0.0) > max_age)


def line(summary: Mapping[str, Any], *, as_json: bool) -> str:
    """Return one line for a summary."""
    if as_json:
        return json.dumps(summary)
    age, p95 = summary["age"], summary["age_p95"]
    ages = "age unknown" if age is None else f"age {age:.3f} s, p95 {p95:.3f} s"
    widths, rungs = ("/".join(map(str, summary[k])) for k in ("widths", "renditions"))
    return (
        f"{'total ' if summary.get('total') else time.strftime('%H:%M:%S')}  "
        f"{summary['fps']:5.1f} fps  {ages}  "
        f"{summary['kilobytes_per_second']:.0f} KB/s  "
        f"{f'{widths} px (rendition {rungs})  ' if widths else ''}"
        f"{summary['gaps']} left out"
    )


def run(
    url: str,
    *,
    key: str = "",
    stream: bool = False,
    seconds: float = float("inf"),
    settle: float = 0,
    max_age: float | None = None,
    as_json: bool = False,
    wanted: Mapping[str, Any] | None = None,
) -> int:
    """Watch an address; return the exit status: 2 with the reason on stderr."""
    try:
        where = address(url, stream=stream, key=key)
        client = StreamClient(where) if stream else LiveClient(where, wanted or {})
        try:
            return watch(client, seconds, max_age, as_json=as_json, settle=settle)
        finally:
            client.close()
    except WatchError as error:
        print(f"camd: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
