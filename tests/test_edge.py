"""A whole daemon as an edge and as an origin, on a fake network."""

from __future__ import annotations

from typing import Any

import pytest

from camd.config.redis import RedisAddress
from camd.config.settings import CameraSettings, Settings
from camd.daemon import Daemon
from camd.fleet.discovery import FORGET
from camd.process.file_limit import FileLimit
from camd.sources import PushSource
from camd.sources.redis.camera import RedisCamera
from camd.sources.redis.entries import SEEN, read_seen
from tests.fake_redis import FakeNetwork
from tests.fakes_camera import HttpConnection
from tests.fakes_fleet import SERVER, NetworkEnvironment, Origin

KEY = "a-key-of-some-length"


class EdgeEnvironment(NetworkEnvironment):
    """An environment whose ``redis://`` cameras are true ones."""

    def new_push_source(self, settings: CameraSettings) -> PushSource | None:
        """Make a camera's source."""
        if not settings.source.startswith("redis://"):
            return None
        address = RedisAddress.parse(settings.source, camera=True)
        return RedisCamera(address, settings.idle_fps, self.clock, self.random)


class Running:
    """A daemon on the network."""

    def __init__(self, network: FakeNetwork, **settings: Any) -> None:
        self.network = network
        self.daemon = Daemon(
            self.settings(**settings),
            EdgeEnvironment(network),
            network,
            file_limit=FileLimit(1024, 4096),
        )
        self.daemon.startService()

    def settings(self, **settings: Any) -> Settings:
        """Settings with these keys."""
        given = {"api_keys": {"me": KEY}, "cameras": {}, **settings}
        return Settings.model_validate(given)

    def ask(self, path: str) -> HttpConnection:
        """Send a request."""
        line = HttpConnection(self.daemon.site)
        line.ask(path, f"X-API-Key: {KEY}")
        return line

    def names(self) -> list[str]:
        """The cameras that it answers with."""
        return [camera["name"] for camera in self.ask("/api/cameras").json["cameras"]]


@pytest.fixture
def network() -> FakeNetwork:
    """A network with a server."""
    return FakeNetwork()


@pytest.fixture
def origin(network: FakeNetwork) -> Origin:
    """An origin with two cameras."""
    origin = Origin(network, "front", "back")
    origin.publisher.startService()
    return origin


def test_an_edge_without_a_camera_yet(network: FakeNetwork) -> None:
    """It has none, answers, and is ready."""
    edge = Running(network, cameras_from=SERVER)
    assert edge.names() == []
    assert edge.ask("/readyz").status == 200
    assert edge.ask("/stream").status == 404
    assert edge.ask("/").status == 200


def test_cameras_appear_and_disappear(network: FakeNetwork, origin: Origin) -> None:
    """They are in the list, the metrics and the tree while they are published."""
    edge = Running(network, cameras_from=SERVER)
    origin.run(3)
    assert edge.names() == ["back", "front"]
    assert edge.ask("/readyz").json["cameras"] == {"back": "live", "front": "live"}
    assert 'camera="front"' in edge.ask("/metrics").raw.decode()
    line = edge.ask("/api/front/stream")
    origin.run(2)
    assert line.raw.count(b"X-Frame") > 16
    origin.cameras.pop("front").stopService()
    origin.run(3)
    assert edge.names() == ["back"]
    assert edge.ask("/api/front/stream").status == 404


def test_a_reload_keeps_them(network: FakeNetwork, origin: Origin) -> None:
    """Other settings hold for the cameras that were found, and no stream ends."""
    edge = Running(network, cameras_from=SERVER)
    origin.run(3)
    line = edge.ask("/api/front/stream")
    origin.run(1)
    edge.daemon.apply(edge.settings(cameras_from=SERVER, offline_after=3))
    origin.run(1)
    assert edge.names() == ["back", "front"]
    assert edge.daemon.cameras["front"].settings.offline_after == 3
    assert not line.transport.disconnecting


def test_its_own_cameras_come_first(network: FakeNetwork, origin: Origin) -> None:
    """A name that the settings have is not taken by one that was found."""
    own = {"front": {"name": "front", "source": "pattern"}}
    edge = Running(network, cameras_from=SERVER, cameras=own)
    origin.run(3)
    assert edge.names() == ["front", "back"]
    assert edge.daemon.cameras["front"].settings.source == "pattern"


def test_another_server_or_none(network: FakeNetwork, origin: Origin) -> None:
    """With cameras_from taken away, what was found is gone."""
    edge = Running(network, cameras_from=SERVER)
    origin.run(3)
    own = {"door": {"name": "door", "source": "pattern"}}
    edge.daemon.apply(edge.settings(cameras=own))
    origin.run(2)
    assert edge.names() == ["door"]


def test_an_origin_is_away_for_long(network: FakeNetwork, origin: Origin) -> None:
    """Its cameras are not ready, stay for ten minutes, and are gone then."""
    edge = Running(network, cameras_from=SERVER)
    origin.run(3)
    origin.publisher._link.stop()
    network.run(5)
    assert edge.ask("/readyz").json["cameras"]["front"] == "stalled"
    assert edge.ask("/readyz").status == 503
    network.run(FORGET + 5, step=1 / 4)
    assert edge.names() == []


def test_publishing_begins_and_ends_with_the_settings(network: FakeNetwork) -> None:
    """A reload with publish publishes, and one without takes it back."""
    own = {"door": {"name": "door", "source": "pattern"}}
    daemon = Running(network, cameras=own)
    network.run(1)
    assert network.wires == []
    daemon.daemon.apply(daemon.settings(cameras=own, publish=SERVER))
    network.run(2)
    assert read_seen(network.redis.hashes[SEEN][b"door"]).state == "live"
    daemon.daemon.apply(daemon.settings(cameras=own))
    network.run(1)
    assert network.redis.sessions == []


def test_a_reload_is_no_reason_to_stop_publishing(network: FakeNetwork) -> None:
    """What edges are sent goes on, whatever keys there are."""
    own = {"door": {"name": "door", "source": "pattern"}}
    daemon = Running(network, cameras=own, publish=SERVER)
    network.run(1)
    words = [b"XADD", b"camd:{door}:want", b"MAXLEN", b"1", b"*", b"fps", b"15"]
    network.redis.added(words)
    network.run(0.25)
    (viewer,) = daemon.daemon.cameras["door"].viewers
    keys = {"other": "another-key-of-some-length"}
    daemon.daemon.apply(daemon.settings(cameras=own, publish=SERVER, api_keys=keys))
    network.run(0.25)
    assert list(daemon.daemon.cameras["door"].viewers) == [viewer]
