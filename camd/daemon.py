"""The daemon: all of its services, wired up by the settings, and wired anew by others.

What can change while it runs is changed in place, and what has not changed is not
touched: a viewer of a camera that stayed the same loses no frame.
"""

from __future__ import annotations

import secrets
from typing import Any

from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.web.resource import Resource

from camd.cameras.camera import Camera
from camd.cameras.pipeline import Environment
from camd.config.settings import Settings
from camd.delivery.viewer import Viewer
from camd.listening.certificates import KINDS, Certificate
from camd.listening.endpoints import (
    Listener,
    greeting,
    outside_address,
    with_defaults,
)
from camd.logs.observer import SUMMARIES, LogObserver
from camd.process.file_limit import FileLimit
from camd.process.garbage import GarbageCollection
from camd.stats import ViewerCount
from camd.web.access.access import Access
from camd.web.access.cloudflare import CloudflareAccess, fetcher
from camd.web.access.keys import Keys, keys_of
from camd.web.client import Proxies
from camd.web.limits import ViewerLimits
from camd.web.page import PageSettings
from camd.web.site import CamdSite, tree

AT_RESTART = ("listen", "log_format", "encode_threads")
"""Keys whose new values hold only after a restart."""


class Summaries(TimerService):
    """Has the log told, from time to time and at the end, what was held back of it."""

    def __init__(self, observer: LogObserver, clock: Any) -> None:
        super().__init__(SUMMARIES, observer.tell_held)
        self.clock = clock
        self._observer = observer

    def stopService(self) -> Any:
        """Tell it a last time."""
        self._observer.tell_held()
        return super().stopService()


class Daemon(MultiService):
    """
    All of camd's services, on one reactor.

    :ivar settings: the settings in force.
    :ivar cameras: by name, in the order of the settings.
    :ivar site: what is answered.

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
        self._observer = observer
        if observer is not None:
            Summaries(observer, reactor).setServiceParent(self)
        self.settings = settings
        self.cameras: dict[str, Camera] = {}
        self._world = environment
        self._reactor = reactor
        viewer_count = self._visits = ViewerCount()
        GarbageCollection(lambda: viewer_count.active, reactor).setServiceParent(self)
        self._file_limit = file_limit
        self._own_signing_key = own_signing_key or secrets.token_bytes(32)
        self._made: str | None = None
        self._cloudflare: CloudflareAccess | None = None
        self._access = Access(self._keys(), environment.wall)
        self._believe_cloudflare()
        self._take_cameras()
        self.site = CamdSite(
            self._tree(),
            self._access,
            reactor,
            Proxies(settings.trusted_proxies),
            settings.cors_origins,
            settings.base_path,
            settings.cross_origin_resource_policy,
        )
        self._certificates: list[Certificate] = []
        self._listen()

    def _keys(self) -> Keys:
        return keys_of(self.settings, self._key(), self._own_signing_key)

    def _key(self) -> str | None:
        """Give the key that was made for this run; None where there are others."""
        if self.settings.api_keys:
            self._made = None
        elif self._made is None:
            self._made = secrets.token_urlsafe(24)
            if self._observer is not None:
                self._observer.secrets.hide([self._made])
        return self._made

    def _tree(self) -> Resource:
        settings = self.settings
        limits = ViewerLimits(settings.max_viewers, settings.max_viewers_per_address)
        proxies, base = Proxies(settings.trusted_proxies), settings.base_path
        look = PageSettings(settings.page_title, settings.frame_ancestors)
        return tree(self.cameras, self._access, proxies, base, limits, look)

    def _listen(self) -> None:
        for text in self.settings.listen:
            if text.partition(":")[0] in KINDS:
                certificate = Certificate(text)
                self._certificates.append(certificate)
                secured = certificate.secured(self.site, self._reactor)
                port = Listener(certificate.endpoint(self._reactor), secured)
            else:
                port = Listener(
                    serverFromString(self._reactor, with_defaults(text)), self.site
                )
            port.setServiceParent(self)

    def startService(self) -> None:
        """Start, and say which address to open."""
        self._bound_connections()
        if self._file_limit is not None:
            self._log.info(
                "Open files: at most {now} (was {before}); connections: at most {most}",
                now=self._file_limit.now,
                before=self._file_limit.before,
                most=self.site.connections.most,
            )
        super().startService()
        self._greet()

    def _bound_connections(self) -> None:
        if self._file_limit is not None:
            safe = self._file_limit.connections
            most = self.settings.max_connections or safe
            self.site.connections.most = min(most, safe)

    def _greet(self) -> None:
        """Say which address to open, with the key that was made, if one was."""
        query = f"?api_key={self._made}" if self._made else ""
        path = f"{self.settings.base_path}/{query}"
        # A key that was made must be seen, or nobody gets in.
        say = self._log.warn if self._made else self._log.info
        for line in greeting(self.settings.listen, path, outside_address()):
            say("{line}", line=line, log_unmasked=True)
        if self._made:
            say("This key was made for this run; set your own with api_keys.")

    def change(self, settings: Settings) -> None:
        """Go by these settings from now on, as far as that can be done in place."""
        former, self.settings = self.settings, settings
        made = self._made
        for key in AT_RESTART:
            if getattr(settings, key) != getattr(former, key):
                self._log.warn("{key}: its new value holds after a restart", key=key)
        if self._observer is not None:
            self._observer.follow(settings)
        self._access.change(self._keys(), self._cloudflare)
        if settings.cloudflare_access != former.cloudflare_access:
            self._believe_cloudflare()
        self._take_cameras()
        self.site.change(
            self._tree(),
            Proxies(settings.trusted_proxies),
            settings.cors_origins,
            settings.base_path,
            settings.cross_origin_resource_policy,
        )
        self._bound_connections()
        self._renew_certificates()
        self._let_go()
        if self._made not in (None, made):
            self._greet()

    def _believe_cloudflare(self) -> None:
        if self._cloudflare is not None:
            self._cloudflare.disownServiceParent()
        team, self._cloudflare = self.settings.cloudflare_access, None
        if team is not None:
            self._cloudflare = CloudflareAccess(
                team.team_domain,
                team.audience,
                fetcher(self._reactor),
                self._reactor,
                self._world.wall,
            )
            self._cloudflare.setServiceParent(self)
        self._access.cloudflare = self._cloudflare

    def _take_cameras(self) -> None:
        """Have the cameras of the settings, those that are there already changed."""
        wanted, there = self.settings.cameras, dict(self.cameras)
        self.cameras.clear()
        for name, settings in wanted.items():
            camera = there.pop(name) if name in there else self._new(name)
            self.cameras[name] = camera
            camera.drain = self.settings.drain_seconds
            camera.change(settings)
        for name, camera in there.items():
            self._log.info("Camera {camera} is gone from the settings", camera=name)
            camera.disownServiceParent()

    def _new(self, name: str) -> Camera:
        camera = Camera(self.settings.cameras[name], self._visits, self._world)
        camera.setServiceParent(self)
        return camera

    def _renew_certificates(self) -> None:
        for certificate in self._certificates:
            try:
                certificate.renew()
            # Each parser raises what it likes: OSError, ValueError, OpenSSL's own.
            except Exception as error:
                self._log.error(
                    "{listen}: the certificate cannot be read, the old one stays in "
                    "use: {error}",
                    listen=certificate.listen,
                    error=error,
                )

    def _let_go(self) -> None:
        """End the streams of those who would not be let in any more."""
        for camera in self.cameras.values():
            for viewer in list(camera.viewers):
                if not self._access.still_sees(viewer.client_info.principal):
                    viewer.finish_stream("its key is gone")
                    # Its last part has as long as at the daemon's end.
                    drain = self.settings.drain_seconds
                    self._reactor.callLater(drain, self._cut_off, camera, viewer)

    def _cut_off(self, camera: Camera, viewer: Viewer) -> None:
        if viewer in camera.viewers:
            viewer.abort("its key is gone")
