"""What viewers see of a camera whose pictures come from another camd."""

from __future__ import annotations

from typing import Any

import pytest

from camd.cameras.camera import Camera
from camd.capture.health import State
from camd.config.settings import CameraSettings
from camd.delivery.viewer import Viewer
from camd.frame import Stamp
from camd.sources import PushSource, Receiver, SourceError
from camd.sources.relay.camera import RelayedCamera
from camd.sources.relay.connection import Origins
from camd.stats import ViewerCount
from tests.fakes import NOBODY, FakeOutlet
from tests.fakes_camera import (
    EPOCH,
    PLACEHOLDER,
    FakeEnvironment,
    FakePushSource,
    tiny_jpeg,
)
from tests.fakes_relay import ADDRESS, HOST, FakeOrigin, entry

THERE = tiny_jpeg(150)
"""What the other camd shows in place of a picture."""


class RelayHarness:
    """A camera that relays another camd's, watched by one viewer, live since 0 s."""

    def __init__(self, **settings: Any) -> None:
        environment = self.environment = FakeEnvironment()
        self.source = FakePushSource(environment.clock)
        environment.push_source = self.source
        chosen: dict[str, Any] = {"name": "robot", "stream_fps": 16, **settings}
        self.camera = Camera(CameraSettings(**chosen), ViewerCount(), environment)
        self.camera.startService()
        self.outlet = FakeOutlet()
        self.viewer: Viewer = self.camera.add_viewer(self.outlet, "", "", NOBODY)
        self.outlet.drain()
        self.receiver.upstream("live", None)
        self.source.send(stamp=Stamp(7, EPOCH))

    @property
    def receiver(self) -> Receiver:
        """Who takes what the source brings."""
        assert self.source.receiver is not None
        return self.source.receiver

    def show_there(self) -> None:
        """Have the other camd show a placeholder, as it does each second."""
        self.receiver.upstream("offline", "no such device")
        self.receiver.placeholder(THERE, EPOCH - 0.5)

    def last(self) -> bytes:
        """The last block that the viewer was sent."""
        self.outlet.drain()
        return self.outlet.sent[-1]


def test_its_headers_are_passed_on() -> None:
    """A frame has the number and the time that it has there."""
    harness = RelayHarness()
    assert b"\r\nX-Timestamp: %.6f\r\nX-Frame: 7\r\n" % EPOCH in harness.last()


def test_its_placeholders_are_passed_on() -> None:
    """What it shows in place of a picture is shown at once, its headers unchanged."""
    harness = RelayHarness()
    harness.environment.run(1)
    harness.show_there()
    block, stamp = (
        harness.last(),
        b"X-Timestamp: %.6f\r\nX-Frame: 0\r\n" % (EPOCH - 0.5),
    )
    assert stamp + b"X-Camera-State: offline\r\n" in block
    assert THERE in block
    assert harness.camera.state is State.OFFLINE


def test_a_picture_after_its_placeholders() -> None:
    """A new picture takes the place of what was shown instead, for good."""
    harness = RelayHarness()
    harness.show_there()
    harness.source.send(stamp=Stamp(8, EPOCH + 1))
    harness.environment.run(2)
    assert b"\r\nX-Frame: 8\r\n" in harness.last()
    assert harness.environment.placeholders == []


def test_the_link_fails_after_its_placeholders() -> None:
    """When the other one is not heard any more, this one's own are shown."""
    harness = RelayHarness()
    harness.show_there()
    harness.receiver.failed(SourceError("it hung up"))
    harness.source.fails = "nothing listens"
    harness.environment.run(12)
    block = harness.last()
    assert PLACEHOLDER in block
    assert b"X-Timestamp: %.6f\r\nX-Frame: 0\r\n" % EPOCH in block
    assert harness.camera.stats.last_error == "nothing listens"


@pytest.mark.parametrize("choice", ["hold", "close"])
def test_settings_that_show_no_placeholder(choice: str) -> None:
    """What viewers are to see instead, these settings decide."""
    harness = RelayHarness(offline_picture=choice, offline_after=3)
    harness.show_there()
    harness.environment.run(1)
    assert b"\r\nX-Frame: 7\r\n" in harness.last()
    harness.environment.run(3)
    assert bool(harness.outlet.finished) is (choice == "close")


def test_a_picture_of_the_users_own(tmp_path: Any) -> None:
    """It is shown in place of the other one's placeholder, with that one's headers."""
    path = tmp_path / "off.jpg"
    path.write_bytes(tiny_jpeg(33))
    harness = RelayHarness(offline_picture=str(path))
    harness.show_there()
    block, stamp = (
        harness.last(),
        b"X-Timestamp: %.6f\r\nX-Frame: 0\r\n" % (EPOCH - 0.5),
    )
    assert stamp + b"X-Camera-State: offline\r\n" in block
    assert PLACEHOLDER in block


def test_a_newcomer_while_it_shows_placeholders() -> None:
    """Who comes then sees what the other one shows, at once."""
    harness = RelayHarness()
    harness.camera.remove_viewer(harness.viewer)
    harness.show_there()
    outlet = FakeOutlet()
    harness.camera.add_viewer(outlet, "", "", NOBODY)
    outlet.drain()
    assert [THERE in block for block in outlet.sent] == [True]


class OriginEnvironment(FakeEnvironment):
    """An environment from which another camd can be reached."""

    def __init__(self, origin: FakeOrigin) -> None:
        super().__init__()
        self.clock = origin
        self._origins = Origins(origin, origin.wall, lambda host, port: [HOST])

    def new_push_source(self, settings: CameraSettings) -> PushSource | None:
        """Return one of that camd's cameras."""
        return RelayedCamera(settings.source, verify_tls=True, origins=self._origins)


@pytest.mark.parametrize("cached", [True, False])
def test_a_second_viewer_of_a_still_picture(cached: bool) -> None:
    """Its last one is there within half a second, with or without the frame cache."""
    origin = FakeOrigin(entry(patience=60))
    settings = CameraSettings(
        name="robot", source=ADDRESS, idle_fps=0, enable_frame_cache=cached
    )
    camera = Camera(settings, ViewerCount(), OriginEnvironment(origin))
    camera.startService()
    outlets = [FakeOutlet(), FakeOutlet()]
    for outlet in outlets:
        camera.add_viewer(outlet, "", "", NOBODY)
        outlet.drain()
        origin.turn(0.5)
        if outlet is outlets[0]:
            origin.wire.answer_clock(EPOCH)
            origin.wire.show(7, EPOCH)
        outlet.drain()
        assert b"\r\nX-Frame: 7\r\n" in outlet.sent[-1]
    camera.stopService()
