"""What all connections of the live channel share: the cameras, and a look at the clock.

Everything that is told to many is made once: what a camera does, when that changes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from camd.cameras.camera import Camera
from camd.capture.health import State
from camd.config.settings import CameraSettings
from camd.formats import live
from camd.formats.jpeg import Size
from camd.periodic import PeriodicCall
from camd.rights import Principal
from camd.web.limits import Refusal

if TYPE_CHECKING:
    from camd.delivery.live import LiveCamera, LiveConnection
    from camd.web.live.session import Session

CHECK_EVERY = 0.1
"""Seconds between two looks at what should have been acknowledged: a viewer that falls
behind is sent one or two pictures too many until then."""

LAG_MOST, LAG_FADES = 0.5, 0.8
"""Seconds of the daemon's own lateness that excuse late acknowledgements, at the most,
and how much of them at the next look: a busy machine is late again and again."""

POLICY = 1008
"""Close code of what is not allowed (RFC 6455 7.4.1)."""

RATES_EVERY = 20
"""Looks between two reports of rates: two seconds."""


class Facts(NamedTuple):
    """What an entry follows from: it takes a fifth of the time to make (measured).

    :ivar size: of its pictures; None as long as that is unknown.
    :ivar next_try: when it is tried again, to the second by the reactor's clock; None
        where it is not.
    """

    camera: Camera
    settings: CameraSettings
    state: State
    why: str | None
    next_try: int | None
    patience: int
    size: Size | None


class LiveChannel:
    """The cameras as the live channel knows them, and its connections.

    :ivar cameras: by name; those that are there now.
    :ivar clock: by which all connections are timed.
    :ivar refusal: why one more viewer is not let in.
    :ivar deadlines: when each connection is to be looked at.
    :ivar sessions: who has each connection.
    :ivar wall: returns the time in Unix seconds.
    """

    _log = Logger()

    def __init__(
        self,
        cameras: Mapping[str, Camera],
        clock: IReactorTime,
        wall: Callable[[], float],
    ) -> None:
        self.cameras = cameras
        self.clock = clock
        self.wall = wall
        self.refusal: Refusal = lambda camera, address: None
        self.deadlines: dict[LiveConnection, float] = {}
        self.sessions: dict[LiveConnection, Session] = {}
        # Not to all at the same moment, which would hold up a frame.
        self._reports: list[set[Session]] = [set() for _ in range(RATES_EVERY)]
        self._joined = count()
        self._numbers = count(1)
        self._known: WeakKeyDictionary[Camera, LiveCamera] = WeakKeyDictionary()
        self._told: dict[str, Facts] = {}
        self._looks = 0
        # When the next look is due, and how late looks have been.
        self._look_at = math.inf
        self._lag = 0.0
        self._checks: PeriodicCall | None = None

    def join(self, session: Session) -> None:
        """Look after one more connection."""
        if not self.sessions:
            self._told = self._facts()
            self._look_at, self._lag = self.clock.seconds() + CHECK_EVERY, 0.0
            self._checks = PeriodicCall(self._check, self.clock)
            self._checks.start(CHECK_EVERY, now=False)
        self.sessions[session.connection] = session
        self._reports[next(self._joined) % RATES_EVERY].add(session)

    def leave(self, session: Session) -> None:
        """Look after a connection no more."""
        self.sessions.pop(session.connection, None)
        for sessions in self._reports:
            sessions.discard(session)
        if not self.sessions and self._checks is not None:
            self._checks.end()
            self._checks = None
            # It holds cameras, and a reload may remove some meanwhile.
            self._told = {}

    def lag(self, now: float) -> float:
        """Return the seconds by which the daemon itself is late, or was just now.

        After a pause it reads what has come before it looks at its clock.
        """
        return max(self._lag, min(now - self._look_at, LAG_MOST))

    def close_all(self, must_go: Callable[[Principal], bool]) -> None:
        """Close the connections of those who may not have them any more."""
        for session in list(self.sessions.values()):
            if must_go(session.principal):
                session.close(POLICY, "its key is gone")

    def known(self, camera: Camera) -> LiveCamera:
        """Return what viewers of a camera share; its number stays the same for ever."""
        from camd.delivery.live import LiveCamera

        if camera not in self._known:
            number = next(self._numbers)
            self._known[camera] = LiveCamera(number, self.clock.seconds)
        known = self._known[camera]
        # Without the frame cache every viewer has pictures of its own.
        return known if camera.shares else LiveCamera(known.number, self.clock.seconds)

    def entry(self, camera: Camera) -> dict[str, Any]:
        """Return what clients are told of a camera."""
        facts, retry_in = self._facts_of(camera), camera.retry_in
        settings, size = facts.settings, facts.size
        renditions: list[dict[str, Any]] = []
        if size is not None:
            renditions.append(
                {"rendition": 0, "width": size.width, "height": size.height}
            )
            for number, rendition in enumerate(camera.renditions, 1):
                small = rendition.size_of(size)
                renditions.append(
                    {
                        "rendition": number,
                        "name": str(rendition),
                        "width": small.width,
                        "height": small.height,
                    }
                )
        return {
            "name": settings.name,
            "title": settings.label,
            "number": self.known(camera).number,
            "state": facts.state.value,
            "why": facts.why,
            "next_try": round(retry_in, 3) if retry_in else None,
            "fps": settings.stream_fps,
            "patience": facts.patience,
            "width": size and size.width,
            "height": size and size.height,
            "renditions": renditions,
        }

    @property
    def heartbeat(self) -> float:
        """Seconds of silence after which there is a PING; 0 for never."""
        intervals = [c.settings.heartbeat_interval for c in self.cameras.values()]
        return min(filter(None, intervals), default=0)

    def _facts(self) -> dict[str, Facts]:
        """Return for each camera what changes when there is something to tell."""
        return {name: self._facts_of(each) for name, each in self.cameras.items()}

    def _facts_of(self, camera: Camera) -> Facts:
        newest, retry_in = camera.newest, camera.retry_in
        is_known = newest is not None and not newest.is_placeholder
        is_known = is_known or camera.mode is not None
        return Facts(
            camera,
            camera.settings,
            camera.state,
            camera.stats.last_error,
            round(self.clock.seconds() + retry_in) if retry_in else None,
            math.ceil(camera.patience),
            camera.picture_size if is_known else None,
        )

    def _check(self) -> None:
        now, self._looks = self.clock.seconds(), self._looks + 1
        told, self._told = self._told, self._facts()
        if told != self._told:
            self._tell(told)
        lag = min(now - self._look_at, LAG_MOST)
        self._lag, self._look_at = max(lag, LAG_FADES * self._lag), now + CHECK_EVERY
        heartbeat = self.heartbeat
        for connection in [c for c, at in self.deadlines.items() if at <= now]:
            if (session := self.sessions.get(connection)) is not None:
                self._look_after(session, session.check, now, heartbeat)
        for session in list(self._reports[self._looks % RATES_EVERY]):
            self._look_after(session, session.report, now)

    def _look_after(
        self, session: Session, act: Callable[..., None], *args: float
    ) -> None:
        """Do this; an exception must not end the looks, and all pictures with them."""
        try:
            act(*args)
        except Exception:
            self._log.failure("A live connection could not be looked after")
            session.connection.abort()

    def _tell(self, told: Mapping[str, Facts]) -> None:
        """Tell all connections what has changed of the cameras that they know."""
        if told.keys() != self._told.keys():
            for session in list(self.sessions.values()):
                session.tell_cameras()
            return
        for name, camera in self.cameras.items():
            if told[name] != self._told[name]:
                message = live.text(json.dumps({"camera": self.entry(camera)}))
                for session in list(self.sessions.values()):
                    if name in session.visible:
                        session.tell_camera(name, message)
