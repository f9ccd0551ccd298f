"""An origin and edges on one fake network: all of camd but sockets and clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed

from camd.cameras.camera import Camera
from camd.config.redis import RedisAddress
from camd.config.settings import CameraSettings
from camd.delivery.viewer import Viewer
from camd.fleet.publisher import Publisher
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.sources.redis.camera import RedisCamera
from camd.sources.scaler import scale
from camd.stats import ViewerCount
from tests.fake_redis import FakeNetwork
from tests.fakes import NOBODY, FakeOutlet
from tests.fakes_camera import FakeEnvironment, FakePushSource, tiny_jpeg

SERVER = "redis://10.0.0.1:6379/0"


class NetworkEnvironment(FakeEnvironment):
    """An environment on the network's clock, whose renditions are true ones.

    :ivar scaled: the renditions of each time that some were made.
    """

    def __init__(self, network: FakeNetwork) -> None:
        super().__init__()
        self.clock = network
        self.scaled: list[list[str]] = []

    def scale(
        self, jpeg: bytes, renditions: Sequence[Rendition]
    ) -> Deferred[list[tuple[bytes, Size]]]:
        """Make smaller JPEGs, at once."""
        self.scaled.append([str(rendition) for rendition in renditions])
        return succeed(scale(jpeg, renditions))


class Origin:
    """A camd that publishes cameras.

    :ivar source: what the first camera's pictures come from.
    """

    def __init__(self, network: FakeNetwork, *names: str, **settings: Any) -> None:
        self.environment = NetworkEnvironment(network)
        self.network = network
        self.viewer_count = ViewerCount()
        self.sources: dict[str, FakePushSource] = {}
        self.cameras: dict[str, Camera] = {}
        self.settings = {"stream_fps": 16, **settings}
        for name in names or ("front",):
            self.add(name)
        self.publisher = Publisher(
            RedisAddress.parse(SERVER), self.cameras, self.environment, network, "run"
        )

    def add(self, name: str) -> None:
        """Add a camera."""
        source = self.environment.push_source = FakePushSource(self.network)
        self.sources[name] = source
        own = CameraSettings(name=name, source="http://camera", **self.settings)
        self.cameras[name] = Camera(own, self.viewer_count, self.environment)
        self.cameras[name].startService()

    @property
    def source(self) -> FakePushSource:
        """The first camera's."""
        return next(iter(self.sources.values()))

    @property
    def camera(self) -> Camera:
        """The first one."""
        return next(iter(self.cameras.values()))

    def run(self, seconds: float, fps: float = 16, size: int = 0) -> None:
        """Let time pass, with so many pictures a second from each camera."""
        for _ in range(round(seconds * fps)):
            for source in self.sources.values():
                source.send(None if not size else padded(size))
            self.network.run(1 / fps, 1 / fps / 8)


def padded(size: int) -> bytes:
    """A JPEG of that many bytes."""
    jpeg = tiny_jpeg()
    comment = size - len(jpeg) - 4
    pieces = [jpeg[:2]]
    while comment > 0:
        length = min(comment, 60000)
        pieces.append(b"\xff\xfe" + (length + 2).to_bytes(2, "big") + bytes(length))
        comment -= length + 4
    return b"".join([*pieces, jpeg[2:]])


class Edge:
    """A camd that shows one camera of the server."""

    def __init__(
        self, network: FakeNetwork, name: str = "front", **settings: Any
    ) -> None:
        self.environment = NetworkEnvironment(network)
        source = f"{SERVER}/{name}"
        own = CameraSettings(name=name, source=source, stream_fps=16, **settings)
        address = RedisAddress.parse(source, camera=True)
        self.environment.push_source = RedisCamera(
            address,
            own.idle_fps,
            network,
            self.environment.random,
            renditions=map(Rendition.parse, own.renditions),
        )
        self.camera = Camera(own, ViewerCount(), self.environment)
        self.camera.startService()

    def visit(self, rendition: str | None = None) -> tuple[Viewer, FakeOutlet]:
        """Let somebody in, who wants a rendition, or the full picture."""
        outlet = FakeOutlet()
        wanted = None if rendition is None else Rendition.parse(rendition)
        viewer = self.camera.add_viewer(
            outlet, "192.0.2.7", "curl", NOBODY, rendition=wanted
        )
        outlet.drain()
        return viewer, outlet
