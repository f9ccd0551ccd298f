"""One connection to another camd, shared by all cameras that come from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.formats import live
from camd.formats.jpeg import Size
from camd.formats.live import Picture
from camd.formats.rendition import Rendition
from camd.frame import FAR_FUTURE
from camd.periodic import PeriodicCall, cancel
from camd.sources import patience
from camd.sources.http.endpoint import FirstAddress
from camd.sources.http.errors import why_no_answer
from camd.sources.http.names import LookUp, Names, look_up
from camd.sources.http.tls import trust
from camd.sources.relay.address import Origin
from camd.sources.relay.client import LiveClient
from camd.sources.remote_clock import RemoteClock

CONNECT = 3.0
"""Seconds to connect to one address. A kernel repeats its SYN after 1 s and after 3 s:
to begin again then instead has one sent every two seconds at the least."""

ANSWER = 6.0
"""Seconds from the start until the channel is open and has said what there is."""

SILENCE = 4.0
"""Seconds without a byte until a connection counts as dead. It is asked for the time
after one."""

ASK_EVERY = 5
"""Seconds between two questions for the time there, while something else comes."""

AGAIN = 0.5
"""Seconds until a connection that failed is tried again, whoever asks for it."""

REFUSED_FOR = 30.0
"""Seconds for which a refusal is believed: each wrong key is counted there."""

SHARED_MOST = 32
"""Cameras that share a connection: so many names fit a message of 4,096 bytes."""

ACKS_EVERY = 0.02
"""Seconds between two messages with acknowledgements at the least: there may be 100
messages a second."""

RENDITIONS_MOST = 16
"""Renditions of one camera that are read."""

STATE_LONGEST, WHY_LONGEST = 20, 300
"""Characters that are kept of what another camd says of a camera."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What another camd says of one of its cameras.

    :ivar number: what the camera is called in pictures.
    :ivar state: what it does, by that camd's own word.
    :ivar why: its last error; None for none.
    :ivar fps: the most pictures a second that there will be; 0 where nobody says.
    :ivar size: of its full pictures; 0 by 0 as long as that is unknown.
    :ivar renditions: the smaller ones, by their numbers there.
    :ivar patience: seconds for which no picture is normal for the camera; 0 from a camd
        that does not say so.
    """

    name: str
    number: int
    state: str
    why: str | None
    fps: float
    size: Size
    renditions: Mapping[int, Rendition]
    patience: float = 0.0

    @classmethod
    def read(cls, content: Any) -> Entry | None:
        """Read an entry of ``cameras``; None where it is none."""
        if not isinstance(content, dict):
            return None
        name, number = content.get("name"), content.get("number")
        state, why, fps = (content.get(key) for key in ("state", "why", "fps"))
        width, height = content.get("width"), content.get("height")
        if not (isinstance(name, str) and type(number) is int):
            return None
        size = Size(int(_number(width) or 0), int(_number(height) or 0))
        # They are asked for by their width.
        renditions = _renditions(content.get("renditions")) if size.width else {}
        return cls(
            name=name[:64],
            number=number,
            state=_line(state, STATE_LONGEST),
            why=_line(why, WHY_LONGEST) if isinstance(why, str) else None,
            fps=_number(fps) or 0,
            size=size,
            renditions=renditions,
            patience=patience.read(content.get("patience")),
        )


def _renditions(content: Any) -> dict[int, Rendition]:
    """Return the renditions that another camd names, by their numbers there."""
    found: dict[int, Rendition] = {}
    for each in content[:RENDITIONS_MOST] if isinstance(content, list) else ():
        # Those of a camd that gives no names cannot be asked for one by one.
        with suppress(KeyError, TypeError, ValueError, OverflowError):
            found[int(each["rendition"])] = Rendition.parse(each["name"])
    return found


def _number(value: object) -> float | None:
    """Return a number from 0 that a clock or a rate can have; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < FAR_FUTURE else None


def _line(text: object, longest: int) -> str:
    """Return what another camd wrote as a line of the log can hold it."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:longest])


class Member(Protocol):
    """A camera that comes over a connection.

    :ivar camera: its name there.
    :ivar wanted_fps: the most pictures a second that are wanted.
    """

    camera: str
    wanted_fps: float

    @property
    def wanted_as(self) -> Rendition | None:
        """The rendition that is wanted; None for the full picture."""

    def told(self, entry: Entry) -> None:
        """Take what is said of the camera."""

    def heard(self) -> None:
        """Note that the other camd is well."""

    def came(self, picture: Picture, captured: float) -> None:
        """Take a picture.

        :param captured: when it was taken, on the reactor's clock.
        """

    def lost(self, reason: str, *, is_refusal: bool) -> None:
        """Note that nothing more comes, and why; leave the connection."""


class OriginConnection:
    """One connection to another camd, for as long as a camera needs it.

    :ivar members: the cameras that share it, in the order in which they joined.
    :ivar is_open: whether the other camd has said what it has.
    """

    _log = Logger()

    def __init__(self, origin: Origin, reactor: Any, names: Names, wall: Any) -> None:
        self.members: dict[Member, None] = {}
        self.is_open = False
        self._origin = origin
        self._reactor = reactor
        self._names = names
        self._wall = wall
        self._policy = trust(origin.verify_tls)
        self._entries: dict[str, Entry] = {}
        self._clocks: dict[str, RemoteClock] = {}
        # What each camera has shown last, by its name.
        self._last: dict[str, Picture] = {}
        self._asked: list[float] = []
        self._asked_at = 0.0
        self._acks: dict[int, int] = {}
        self._acked_at = -math.inf
        self._client: LiveClient | None = None
        self._connecting: Deferred[None] | None = None
        self._began_at = 0.0
        self._not_before = 0.0
        self._refusal: str | None = None
        self._watched: object = None
        self._calls: dict[str, IDelayedCall] = {}
        self._checks = PeriodicCall(self._check_silence, reactor)

    @property
    def is_of_use(self) -> bool:
        """Whether anything of it must be kept."""
        return bool(self.members) or self._reactor.seconds() < self._not_before

    @property
    def silence(self) -> float:
        """Seconds since the last byte came."""
        now: float = self._reactor.seconds()
        return now - (self._client.heard_at if self._client else self._began_at)

    def entry(self, camera: str) -> Entry | None:
        """Return what was said last of a camera there."""
        return self._entries.get(camera)

    # ---- Who needs it

    def join(self, member: Member) -> None:
        """Bring this camera's pictures, and connect if nobody else needed that yet."""
        now = self._reactor.seconds()
        if self._refusal is not None and now < self._not_before:
            member.lost(self._refusal, is_refusal=True)
            return
        is_watched = any(other.camera == member.camera for other in self.members)
        self.members[member] = None
        if self.is_open:
            self._tell(member)
            if is_watched:
                self._show_last(member)
            self._watch_soon()
        elif len(self.members) == 1:
            self._began_at = now
            self._call("connect", max(0.0, self._not_before - now), self._connect)

    def leave(self, member: Member) -> None:
        """Bring its pictures no more; hang up if nobody else needs the connection."""
        self.members.pop(member, None)
        if not self.members:
            self._close()
        elif self.is_open:
            self._watch_soon()

    def want(self) -> None:
        """Ask for what the members want by now."""
        if self.is_open:
            self._watch_soon()

    # ---- To connect

    def _connect(self) -> None:
        self._began_at = self._reactor.seconds()
        self._checks.start(1, now=False)
        connecting = self._connecting = Deferred.fromCoroutine(self._open())
        connecting.addErrback(self._not_connected)

    async def _open(self) -> None:
        url = self._origin.url
        self._names.forget()
        found = await self._names.find(url.host, url.port)
        tls = None
        if url.scheme == "https":
            tls = self._policy.creatorForNetloc(url.host.encode(), url.port)
        endpoint = FirstAddress(self._reactor, found, url.port, CONNECT, tls)
        factory = Factory.forProtocol(
            lambda: LiveClient(self._origin, self, self._reactor.seconds)
        )
        factory.noisy = False
        self._client = cast(LiveClient, await endpoint.connect(factory))

    def _not_connected(self, failure: Failure) -> None:
        trouble = failure.value
        if trouble is not None and not isinstance(trouble, CancelledError):
            self.ended(why_no_answer(trouble, self._origin.url, ANSWER))

    def _close(self) -> None:
        """Hang up, and leave no call behind."""
        self.is_open = False
        client, self._client = self._client, None
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
        if client is not None:
            client.hang_up()
        for call in self._calls.values():
            cancel(call)
        self._calls.clear()
        if self._checks.running:
            self._checks.stop()
        self._entries.clear()
        self._clocks.clear()
        self._last.clear()
        self._asked.clear()
        self._acks.clear()
        self._watched = None

    # ---- What comes

    def opened(self) -> None:
        """Wait for what the other camd has to say."""

    def ended(self, reason: str, *, is_refusal: bool = False) -> None:
        """Tell all members that nothing more comes."""
        wait = REFUSED_FOR if is_refusal else AGAIN
        self._not_before = self._reactor.seconds() + wait
        self._refusal = reason if is_refusal else None
        members = list(self.members)
        self.members.clear()
        self._close()
        for member in members:
            self._guarded(member.lost, reason, is_refusal=is_refusal)

    def told(self, message: Mapping[str, Any]) -> None:
        """Take one message, but for what is not understood, as docs/live.md says."""
        if not self.is_open:
            version = message.get("live")
            if version != live.VERSION:
                told = "no version" if version is None else f"version {version!s:.9}"
                self.ended(
                    f"its live channel has {told}, and this camd reads {live.VERSION}"
                )
                return
            self.is_open = True
        if isinstance(message.get("cameras"), list):
            entries = filter(None, map(Entry.read, message["cameras"]))
            self._entries = {entry.name: entry for entry in entries}
            for member in list(self.members):
                self._tell(member)
            self._watch_soon()
        if (entry := Entry.read(message.get("camera"))) is not None:
            self._entries[entry.name] = entry
            for member in list(self.members):
                if member.camera == entry.name:
                    self._tell(member)
            self._watch_soon()
        if "clock" in message:
            self._take_time(message)
        if isinstance(message.get("watch"), dict):
            self._take_refusals(message["watch"])

    def came(self, pictures: Mapping[int, Picture]) -> None:
        """Hand pictures on, and acknowledge them when they have been published."""
        now = self._reactor.seconds()
        names = {entry.number: entry.name for entry in self._entries.values()}
        for number, picture in pictures.items():
            name = names.get(number)
            if name is not None:
                self._last[name] = picture
            captured = self._captured(name, picture.timestamp, now)
            for member in list(self.members):
                if member.camera == name:
                    self._guarded(member.came, picture, captured)
            if picture.flags & live.ACKNOWLEDGE:
                self._acks[number] = picture.frame
        if self._acks and "acks" not in self._calls:
            wait = self._acked_at + ACKS_EVERY - now
            if wait <= 0:
                self._acknowledge()
            else:
                self._call("acks", wait, self._acknowledge)

    def _show_last(self, member: Member) -> None:
        """Show what others have of a camera: a still picture is not sent again.

        The last one of a camera that is offline is not: it may be long ago.
        """
        name, now = member.camera, self._reactor.seconds()
        picture, entry = self._last.get(name), self._entries.get(name)
        if picture is None or entry is None or member not in self.members:
            return
        if picture.flags & live.PLACEHOLDER or entry.state in ("live", "idle"):
            captured = self._captured(name, picture.timestamp, now)
            self._guarded(member.came, picture, captured)

    def _captured(self, name: str | None, timestamp: float, now: float) -> float:
        clock = self._clocks.get(name or "")
        if clock is not None:
            return clock.here(timestamp, now)
        # It should have told its time first; then both clocks must be right.
        captured: float = min(now, now - self._wall() + timestamp)
        return captured

    def _tell(self, member: Member) -> None:
        """Tell a member what there is of its camera, or that there is none."""
        entry = self._entries.get(member.camera)
        if entry is not None:
            self._guarded(member.told, entry)
            return
        some = ", ".join(sorted(self._entries)[:5])
        has = f"; it has {some}" if some else ""
        self._drop(member, f"it has no camera {member.camera}{has}", is_refusal=True)

    def _drop(self, member: Member, reason: str, *, is_refusal: bool) -> None:
        self._guarded(member.lost, reason, is_refusal=is_refusal)
        self.leave(member)

    def _take_refusals(self, watched: Mapping[str, Any]) -> None:
        for member in list(self.members):
            given = watched.get(member.camera)
            refusal = given.get("refused") if isinstance(given, dict) else None
            entry = self._entries.get(member.camera)
            # That it is offline there has been told, with more words.
            if refusal is None or entry is None or entry.state == "offline":
                continue
            self._drop(member, f"it refuses: {_line(refusal, 200)}", is_refusal=False)

    def _take_time(self, message: Mapping[str, Any]) -> None:
        asked_at, time = message["clock"], message.get("time")
        times = message.get("times")
        if asked_at not in self._asked:
            return
        now = self._reactor.seconds()
        # Later answers belong to later questions.
        del self._asked[: self._asked.index(asked_at) + 1]
        for member in list(self.members):
            name = member.camera
            own = times.get(name, time) if isinstance(times, dict) else time
            if (there := _number(own)) is not None:
                clock = self._clocks.setdefault(name, RemoteClock())
                clock.answered(asked_at, there, now)
            self._guarded(member.heard)

    def _guarded(self, tell: Any, *args: Any, **more: Any) -> None:
        """Tell a member something; what is wrong with one must not harm the others."""
        try:
            tell(*args, **more)
        except Exception:
            self._log.failure("A camera of {where} failed", where=self._origin.where)

    # ---- What goes out

    def _watch_soon(self) -> None:
        """Say what is wanted, once for all that is changed in this turn."""
        if "watch" not in self._calls:
            self._call("watch", 0, self._watch)

    def _watch(self) -> None:
        client, now = self._client, self._reactor.seconds()
        if client is None:
            return
        rates: dict[str, float] = {}
        renditions: dict[str, Rendition | None] = {}
        for member in self.members:
            name, rendition = member.camera, member.wanted_as
            rates[name] = max(member.wanted_fps, rates.get(name, 0.0))
            if renditions.setdefault(name, rendition) != rendition:
                renditions[name] = None
        wanted = {
            name: self._wish(name, fps, renditions[name]) for name, fps in rates.items()
        }
        if wanted == self._watched:
            return
        self._watched = wanted
        # The time is told ahead of the first picture, which it gives an age.
        self._asked.append(now)
        self._asked_at = now
        client.say(clock=now, watch=wanted)

    def _wish(
        self, name: str, fps: float, rendition: Rendition | None
    ) -> dict[str, float]:
        """Return what is said of one camera; all of it where that is no more."""
        entry = self._entries.get(name)
        wish: dict[str, float] = {}
        if entry is not None and rendition is not None:
            wish["width"] = rendition.size_of(entry.size).width
            wish["quality"] = rendition.quality
        if entry is None or not 0 < entry.fps <= fps:
            wish["fps"] = round(min(max(fps, 0.1), 240.0), 3)
        return wish

    def _acknowledge(self) -> None:
        acks, self._acks = self._acks, {}
        self._acked_at = self._reactor.seconds()
        if self._client is not None:
            self._client.say(ack=list(acks.items()))

    def _check_silence(self) -> None:
        """Check, once a second, what has not come; ask for the time now and then."""
        now = self._reactor.seconds()
        if not self.is_open and now - self._began_at > ANSWER:
            where = self._origin.where
            self.ended(f"{where} gives no answer within {ANSWER:.0f} s")
        elif self.is_open and self.silence > SILENCE:
            self.ended(f"nothing was heard for {SILENCE:.0f} s")
        elif self.is_open and self._client is not None:
            every = 1 if self.silence > 0.5 else ASK_EVERY
            if now - self._asked_at > every - 0.5:
                # Those that are still under way are too many to be of use.
                del self._asked[:-3]
                self._asked.append(now)
                self._asked_at = now
                self._client.say(clock=now)

    def _call(self, name: str, seconds: float, act: Any) -> None:
        def run() -> None:
            del self._calls[name]
            act()

        self._calls[name] = self._reactor.callLater(seconds, run)


class Origins:
    """The connections to other camds, for all cameras of this one.

    :param find: looks host names up.
    :param wall: returns Unix seconds.
    """

    def __init__(self, reactor: Any, wall: Any, find: LookUp = look_up) -> None:
        self._reactor = reactor
        self._wall = wall
        self._names = Names(reactor, find)
        self._connections: list[tuple[Origin, OriginConnection]] = []

    def connection(self, origin: Origin) -> OriginConnection:
        """Return a connection to this camd that has room for one more camera."""
        self._connections = [
            (where, connection)
            for where, connection in self._connections
            if connection.is_of_use
        ]
        for where, connection in self._connections:
            if where == origin and len(connection.members) < SHARED_MOST:
                return connection
        new = OriginConnection(origin, self._reactor, self._names, self._wall)
        self._connections.append((origin, new))
        return new
