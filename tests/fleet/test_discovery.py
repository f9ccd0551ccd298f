"""An edge: which cameras it finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from camd.config.settings import Settings
from camd.fleet.discovery import FORGET, MOST, Discovery, settings_of
from camd.sources.redis.entries import SEEN, Seen
from tests.fake_redis import FakeNetwork
from tests.fakes_fleet import SERVER, Origin


class Harness:
    """A discovery, and each list that it told."""

    def __init__(self) -> None:
        self.network = FakeNetwork()
        self.told: list[Mapping[str, Seen]] = []
        self.discovery = Discovery(
            SERVER,
            lambda found: self.told.append(dict(found)),
            self.network,
            lambda: 0.0,
        )
        self.discovery.startService()

    def say(self, name: str, age: float = 0, **said: Any) -> None:
        """Have something be said of a camera."""
        words = {"title": "", "state": "live", "why": "", "origin": "run", "fps": 15}
        words |= {"width": 640, "height": 480, "said": self.network.redis.time() - age}
        seen = Seen(**{**words, **said})
        self.network.redis.hashes.setdefault(SEEN, {})[name.encode()] = seen.written()


@pytest.fixture
def harness() -> Harness:
    """A discovery that has looked once."""
    harness = Harness()
    harness.network.run(0.1)
    return harness


def test_cameras_are_found(harness: Harness) -> None:
    """What an origin publishes is told within two seconds, and once."""
    origin = Origin(harness.network, "front", "back")
    origin.publisher.startService()
    origin.run(4)
    assert [list(found) for found in harness.told] == [["back", "front"]]


def test_a_camera_is_taken_back(harness: Harness) -> None:
    """One that its origin has no more is gone at once."""
    harness.say("front")
    harness.say("back")
    harness.network.run(1.5)
    harness.say("back", state="gone")
    harness.network.run(1.5)
    assert list(harness.told[-1]) == ["front"]


def test_an_origin_is_silent(harness: Harness) -> None:
    """Its cameras stay for a while, as it may only be restarted."""
    harness.say("front")
    harness.network.run(FORGET - 5, step=1)
    assert [list(found) for found in harness.told] == [["front"]]
    harness.network.run(10, step=1)
    assert [list(found) for found in harness.told] == [["front"], []]


def test_a_server_that_has_forgotten_all(harness: Harness) -> None:
    """Cameras stay while the server is away, and when it comes back empty."""
    harness.say("front")
    harness.network.run(2)
    harness.network.lose()
    harness.network.run(5)
    harness.network.redis.forget()
    harness.network.server = harness.network.redis
    harness.network.run(5)
    assert [list(found) for found in harness.told] == [["front"]]


def test_another_title(harness: Harness) -> None:
    """It is told; another state is not, as that comes with the pictures."""
    harness.say("front")
    harness.network.run(1.5)
    harness.say("front", state="offline")
    harness.network.run(1.5)
    assert len(harness.told) == 1
    harness.say("front", title="Front door")
    harness.network.run(1.5)
    assert harness.told[-1]["front"].title == "Front door"


def test_there_is_a_limit(harness: Harness) -> None:
    """However many cameras there are, so many are shown."""
    for number in range(MOST + 5):
        harness.say(f"robot{number}")
    harness.network.run(1.5)
    assert len(harness.told[-1]) == MOST


def test_the_settings_of_what_was_found() -> None:
    """They are the edge's own for all cameras, with name, title and source."""
    settings = Settings.model_validate(
        {"cameras_from": "redis://u:secret@core", "stream_fps": 5, "cameras": {}}
    )
    seen = Seen("Front door", "live", "", 0, "run", 15, 640, 480)
    found = {"front": seen, "live": seen, "a/b": seen, "own": seen}
    (camera,) = settings_of(found, settings, {"own"}).values()
    assert (camera.name, camera.title, camera.stream_fps) == ("front", "Front door", 5)
    assert camera.source == "redis://u:secret@core/0/front"
