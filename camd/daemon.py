"""The daemon: all of its services, which settings are applied to at start and later.

What can change while it runs is changed in place, and what has not changed is not
touched: a viewer of a camera that stayed the same loses no frame.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from twisted.application.service import MultiService, Service
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.web.resource import Resource

from camd.cameras.camera import Camera
from camd.cameras.pipeline import Environment
from camd.config.changes import NEEDS, Needs
from camd.config.redis import RedisAddress
from camd.config.settings import CameraSettings, Settings
from camd.listening.certificates import KINDS, Certificate
from camd.listening.endpoints import (
    Listener,
    greeting,
    outside_address,
    with_defaults,
)
from camd.logs.observer import SUMMARIES, LogObserver
from camd.periodic import PeriodicCall
from camd.process.file_limit import FileLimit
from camd.process.garbage import GarbageCollection
from camd.rights import ITSELF
from camd.stats import ViewerCount
from camd.web.access.access import Access
from camd.web.access.keys import Keys, keys_of
from camd.web.client import Proxies
from camd.web.limits import ViewerLimits
from camd.web.live.channel import LiveChannel
from camd.web.page import PageSettings
from camd.web.site import MOST_CONNECTIONS, CamdSite
from camd.web.tree import tree

if TYPE_CHECKING:
    from camd.fleet.discovery import Discovery
    from camd.fleet.publisher import Publisher
    from camd.sources.redis.entries import Seen
    from camd.web.access.cloudflare import CloudflareAccess


class Summaries(Service):
    """Logs, from time to time and at the end, how many lines were held back."""

    def __init__(self, observer: LogObserver, clock: Any) -> None:
        self._observer = observer
        self._calls = PeriodicCall(observer.tell_held, clock)

    def startService(self) -> None:
        """Begin to log it."""
        super().startService()
        self._calls.start(SUMMARIES)

    def stopService(self) -> None:
        """Log it a last time."""
        super().stopService()
        self._calls.end()
        self._observer.tell_held()


class Daemon(MultiService):
    """All of camd's services, on one reactor.

    :ivar settings: the settings in force.
    :ivar cameras: by name, in the order of the settings.
    :ivar site: answers all requests.

    :param observer: writes the log; None where somebody else does.
    :param file_limit: how many files may be open; None where nobody knows.
    :param own_signing_key: what links and cookies are sealed with where the settings
        do not say; None for one that is made for this run.
    """

    _log = Logger(namespace="camd")

    def __init__(
        self,
        settings: Settings,
        environment: Environment,
        reactor: Any,
        observer: LogObserver | None = None,
        file_limit: FileLimit | None = None,
        own_signing_key: bytes | None = None,
    ) -> None:
        super().__init__()
        self._environment = environment
        self._reactor = reactor
        self._observer = observer
        if observer is not None:
            Summaries(observer, reactor).setServiceParent(self)
        self._file_limit = file_limit
        self._own_signing_key = own_signing_key or secrets.token_bytes(32)
        viewer_count = self._viewer_count = ViewerCount()
        GarbageCollection(lambda: viewer_count.active, reactor).setServiceParent(self)
        self.cameras: dict[str, Camera] = {}
        self._live = LiveChannel(self.cameras, reactor, environment.wall)
        self._made_key: str | None = None
        self._cloudflare: CloudflareAccess | None = None
        self._publisher: Publisher | None = None
        self._discovery: Discovery | None = None
        self._found: Mapping[str, Seen] = {}
        # Nobody's, until the settings are applied.
        self._access = Access(Keys({}), environment.wall)
        self.site = CamdSite(Resource(), self._access, reactor)
        self._certificates: list[Certificate] = []
        for endpoint in settings.listen:
            self._listen(endpoint)
        self.settings = self._at_start = settings
        self.apply(settings)

    def _listen(self, endpoint: str) -> None:
        if endpoint.partition(":")[0] in KINDS:
            certificate = Certificate(endpoint)
            self._certificates.append(certificate)
            secured = certificate.secured(self.site, self._reactor)
            port = Listener(certificate.endpoint(self._reactor), secured)
        else:
            plain = serverFromString(self._reactor, with_defaults(endpoint))
            port = Listener(plain, self.site)
        port.setServiceParent(self)

    def startService(self) -> None:
        """Start, and log which address to open."""
        if self._file_limit is not None:
            self._log.info(
                "Open files: at most {now} (was {before}); connections: at most {most}",
                now=self._file_limit.now,
                before=self._file_limit.before,
                most=self.site.connections.most,
            )
        super().startService()
        self._log_addresses()

    def apply(self, settings: Settings) -> None:
        """Go by these settings from now on, as far as that takes no restart.

        The only place that hands settings to other parts: at start and at a reload.
        """
        former, self.settings = self.settings, settings
        for key, needs in NEEDS.items():
            value = getattr(settings, key, None)
            others = (getattr(former, key, None), getattr(self._at_start, key, None))
            if needs is Needs.RESTART and value not in others:
                self._log.warn("{key}: its new value holds after a restart", key=key)
        if self._observer is not None:
            self._observer.follow(settings)
        made_key = self._made_key
        self._apply_access(settings, former)
        self._apply_discovery(settings)
        self._apply_cameras(settings)
        self._apply_publisher(settings, former)
        self._apply_site(settings)
        if self.running:
            self._renew_certificates()
            if self._made_key not in (None, made_key):
                self._log_addresses()

    def _apply_access(self, settings: Settings, former: Settings) -> None:
        if settings.api_keys:
            self._made_key = None
        elif self._made_key is None:
            self._made_key = secrets.token_urlsafe(24)
            if self._observer is not None:
                self._observer.secrets.hide([self._made_key])
        team = settings.cloudflare_access
        if self._cloudflare is not None and team != former.cloudflare_access:
            self._cloudflare.disownServiceParent()
            self._cloudflare = None
        if self._cloudflare is None and team is not None:
            from camd.web.access.cloudflare import CloudflareAccess, fetcher

            self._cloudflare = CloudflareAccess(
                team.team_domain,
                team.audience,
                fetcher(self._reactor),
                self._reactor,
                self._environment.wall,
            )
            self._cloudflare.setServiceParent(self)
        keys = keys_of(settings, self._made_key, self._own_signing_key)
        self._access.change(keys, self._cloudflare)
        self._live.close_all(lambda who: not self._access.still_lets_in(who))
        for camera in self.cameras.values():
            if camera.running and camera.ingest is not None:
                camera.ingest.cut_all(
                    b"401 Unauthorized",
                    "its key is gone",
                    lambda who: not self._access.still_lets_in(who),
                )
            for viewer in list(camera.viewers):
                who = viewer.client_info.principal
                if who is not ITSELF and not self._access.still_lets_in(who):
                    camera.finish_stream(viewer, "its key is gone")

    def _apply_cameras(self, settings: Settings) -> None:
        """Add, update and remove cameras to match the settings."""
        gone = dict(self.cameras)
        self.cameras.clear()
        given = settings.on_event_secret
        secret = given.get_secret_value().encode() if given else None
        for name, own in self._all_cameras(settings).items():
            camera = gone.pop(name, None)
            if camera is None:
                camera = Camera(own, self._viewer_count, self._environment)
            # Ahead of its start, with which there may be something to tell.
            camera.hook.secret = secret
            if camera.parent is None:
                camera.setServiceParent(self)
            self.cameras[name] = camera
            camera.apply(own, settings.drain_seconds)
        for name, camera in gone.items():
            self._log.info("Camera {camera} was removed", camera=name)
            camera.disownServiceParent()

    def _all_cameras(self, settings: Settings) -> Mapping[str, CameraSettings]:
        """Return the settings' own cameras, and those that were found elsewhere."""
        if not self._found:
            return settings.cameras
        from camd.fleet.discovery import settings_of

        found = settings_of(self._found, settings, settings.cameras)
        return {**settings.cameras, **found}

    def _apply_discovery(self, settings: Settings) -> None:
        discovery = self._discovery
        if discovery is not None and discovery.server != settings.cameras_from:
            discovery.disownServiceParent()
            self._discovery, self._found = None, {}
        if self._discovery is None and settings.cameras_from:
            from camd.fleet.discovery import Discovery

            self._discovery = Discovery(
                settings.cameras_from,
                self._cameras_found,
                self._reactor,
                self._environment.random,
            )
            self._discovery.setServiceParent(self)

    def _cameras_found(self, found: Mapping[str, Seen]) -> None:
        """Show the cameras that were found, and no longer those that were not."""
        self._found = dict(found)
        self._apply_cameras(self.settings)
        self._apply_site(self.settings)

    def _apply_publisher(self, settings: Settings, former: Settings) -> None:
        if self._publisher is not None and settings.publish != former.publish:
            self._publisher.disownServiceParent()
            self._publisher = None
        if self._publisher is None and settings.publish:
            from camd.fleet.publisher import Publisher

            self._publisher = Publisher(
                RedisAddress.parse(settings.publish),
                self.cameras,
                self._environment,
                self._reactor,
                secrets.token_hex(8),
            )
            self._publisher.setServiceParent(self)

    def _apply_site(self, settings: Settings) -> None:
        proxies, base = Proxies(settings.trusted_proxies), settings.base_path
        limits = ViewerLimits(settings.max_viewers, settings.max_viewers_per_address)
        connections = settings.max_connections or MOST_CONNECTIONS
        if self._file_limit is not None:
            safe = self._file_limit.connections
            connections = min(settings.max_connections or safe, safe)
        page = PageSettings(settings.page_title, settings.frame_ancestors)
        self.site.change(
            tree(
                self.cameras, self._access, proxies, base, limits, page, live=self._live
            ),
            proxies,
            settings.cors_origins,
            base,
            settings.cross_origin_resource_policy,
            connections,
        )

    def _renew_certificates(self) -> None:
        for certificate in self._certificates:
            try:
                certificate.renew()
            # Each parser raises what it likes: OSError, ValueError, OpenSSL's own.
            except Exception as error:
                self._log.error(
                    "{listen}: the certificate cannot be read; the old one stays in "
                    "use: {error}",
                    listen=certificate.listen,
                    error=error,
                )

    def _log_addresses(self) -> None:
        """Log which address to open, with the key that was made, if one was."""
        query = f"?api_key={self._made_key}" if self._made_key else ""
        path = f"{self.settings.base_path}/{query}"
        # A key that was made must be seen, or nobody gets in.
        say = self._log.warn if self._made_key else self._log.info
        for line in greeting(self.settings.listen, path, outside_address()):
            say("{line}", line=line, log_unmasked=True)
        if self._made_key:
            say("This key was made for this run; set your own with api_keys.")
