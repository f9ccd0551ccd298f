"""An edge: it finds the cameras that origins publish, and shows them all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from twisted.application.service import Service
from twisted.logger import Logger

from camd.config.redis import RedisAddress, source_of
from camd.config.settings import STREAM_KEYS, CameraSettings, Settings
from camd.sources.redis.connection import Redis, RedisLink
from camd.sources.redis.entries import GONE, SEEN, BadEntry, Seen, read_seen

LOOK_EVERY = 1.0
"""Seconds between two looks at which cameras there are."""

FORGET = 600.0
"""Seconds that a camera stays after its origin was heard of last. A robot that is
restarted, or out of reach, is to be there again with all its viewers."""

MOST = 2000
"""Cameras of one server."""


class Discovery(Service):
    """Finds cameras on a Redis server.

    :ivar server: its address, as the settings have it.

    :param changed: called with all that are there, by name, when one has come, gone or
        got another title. They stay while the server is away.
    :param random: returns a number from 0 to 1.
    """

    _log = Logger(namespace="camd")

    def __init__(
        self,
        server: str,
        changed: Callable[[Mapping[str, Seen]], None],
        reactor: Any,
        random: Callable[[], float],
    ) -> None:
        self.server = server
        self._address = RedisAddress.parse(server)
        self._changed = changed
        self._reactor = reactor
        self._seen: dict[str, Seen] = {}
        self._titles: dict[str, str] = {}
        self._is_lost = False
        self._link = RedisLink(self._address, reactor, self._talk, self._lost, random)

    def startService(self) -> None:
        """Begin to look."""
        super().startService()
        self._log.info("Showing the cameras of {address}", address=self._address)
        self._link.start()

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()
        self._link.stop()

    def _lost(self, reason: str) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._log.warn("Cameras: {reason}; trying again", reason=reason)

    async def _talk(self, redis: Redis) -> None:
        if self._is_lost:
            self._is_lost = False
            self._log.info("Cameras: {address} is back", address=self._address)
        while True:
            answer = await redis.ask("HGETALL", SEEN)
            texts = dict(zip(answer[::2], answer[1::2], strict=True))
            self._take(texts, redis.clock.earliest(self._reactor.seconds()))
            await redis.pause(LOOK_EVERY)
            await redis.ask_time()

    def _take(self, texts: Mapping[bytes, bytes], now: float) -> None:
        """Take what origins say, and tell if it is news.

        A camera of which nothing is there any more stays for a while: a server that was
        started again has heard of nobody yet.

        :param now: by the server's clock.
        """
        for name, text in texts.items():
            with suppress(BadEntry, UnicodeDecodeError):
                self._seen[name.decode("ascii")] = read_seen(text)
        fresh = {
            name: seen
            for name, seen in sorted(self._seen.items())
            if now - seen.said < FORGET and seen.state != GONE
        }
        self._seen = dict(list(fresh.items())[:MOST])
        titles = {name: seen.title for name, seen in self._seen.items()}
        if titles != self._titles:
            self._titles = titles
            self._changed(self._seen)


def settings_of(
    found: Mapping[str, Seen], settings: Settings, taken: Collection[str]
) -> dict[str, CameraSettings]:
    """Return the settings of the cameras that were found, by name.

    :param settings: of the edge; what they say of all cameras holds for these.
    :param taken: names of cameras that the settings have already.
    """
    general = {key: getattr(settings, key) for key in STREAM_KEYS}
    cameras: dict[str, CameraSettings] = {}
    for name, seen in found.items():
        own = {
            "name": name,
            "title": seen.title,
            "source": source_of(settings.cameras_from, name),
        }
        try:
            if name not in taken:
                cameras[name] = CameraSettings.model_validate({**general, **own})
        except ValidationError:
            continue  # No camd calls a camera so.
    return cameras
