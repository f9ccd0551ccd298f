"""An origin: what it puts into Redis, and when."""

from __future__ import annotations

import pytest
from twisted.logger import capturedLogs

from camd.cameras.camera import Camera
from camd.formats.rendition import Rendition
from camd.rights import ITSELF
from camd.sources import SourceError
from camd.sources.redis.entries import SEEN, picture_key, read_seen, want_key
from tests.fake_redis import FakeNetwork
from tests.fakes_camera import PLACEHOLDER, said
from tests.fakes_fleet import Origin

SMALLEST = Rendition.parse("1/4@35")
FRONT = picture_key("front")
REST = picture_key("front", SMALLEST)
"""Where a picture goes that nobody watches."""


@pytest.fixture
def network() -> FakeNetwork:
    """A network with a server."""
    return FakeNetwork()


@pytest.fixture
def origin(network: FakeNetwork) -> Origin:
    """An origin with one camera, that has run for two seconds."""
    origin = Origin(network)
    origin.publisher.startService()
    origin.run(2)
    return origin


def want(
    network: FakeNetwork, name: str = "front", rungs: str = "full", lacks: str = ""
) -> None:
    """Say, as an edge does, that somebody watches."""
    words = [b"XADD", want_key(name), b"MAXLEN", b"64", b"*", b"fps", b"16"]
    wish = [b"rungs", rungs.encode(), b"lacks", lacks.encode()]
    network.redis.added([*words, *wish])
    network.redis.expires[want_key(name)] = network.seconds() + 3


def pictures(
    network: FakeNetwork, seconds: float, origin: Origin, key: bytes = FRONT
) -> int:
    """Let time pass; return how many entries came."""
    before = len(network.redis.said)
    origin.run(seconds)
    return sum(words[:2] == [b"XADD", key] for words in network.redis.said[before:])


def test_at_rest_one_picture_a_second(network: FakeNetwork, origin: Origin) -> None:
    """Nobody watches: one small picture each second, and no viewer."""
    assert pictures(network, 8, origin, REST) == pytest.approx(8, abs=1)
    entry = network.redis.entry(REST)
    assert (entry[b"w"], entry[b"h"]) == (b"8", b"6")
    assert entry[b"n"] == b"%d" % origin.camera.stats.published
    assert origin.camera.viewers == {}
    assert not network.redis.entry(FRONT)


def test_without_a_smaller_one_it_is_the_full_picture(network: FakeNetwork) -> None:
    """A camera without renditions shows at rest what there is."""
    origin = Origin(network, renditions=[])
    origin.publisher.startService()
    origin.run(1)
    assert pictures(network, 8, origin) == pytest.approx(8, abs=1)
    assert origin.environment.scaled == []


def test_all_pictures_are_sent_when_they_are_wanted(
    network: FakeNetwork, origin: Origin
) -> None:
    """Each frame goes out from the moment an edge wants it, until it does no more."""
    want(network)
    origin.run(0.25)
    assert pictures(network, 2, origin) == pytest.approx(32, abs=1)
    origin.run(1.5)
    assert pictures(network, 4, origin) == 0


def test_only_the_renditions_that_are_wanted_are_sent(
    network: FakeNetwork, origin: Origin
) -> None:
    """What several edges want goes out, each once, and nothing beside that."""
    want(network, rungs="1/2@65")
    want(network, rungs="1/4@35 1/2@65 1/3@10 junk")
    origin.run(0.25)
    half = picture_key("front", Rendition.parse("1/2@65"))
    before = len(origin.environment.scaled)
    assert pictures(network, 1, origin, half) == pytest.approx(16, abs=1)
    assert pictures(network, 1, origin, REST) == pytest.approx(16, abs=1)
    assert len(origin.environment.scaled) - before == pytest.approx(32, abs=2)
    assert not network.redis.entry(FRONT)
    assert len(origin.camera.viewers) == 2


def test_a_rung_that_nobody_wants_is_gone(network: FakeNetwork, origin: Origin) -> None:
    """Its last picture does not wait for who comes next; the small one goes on."""
    want(network)
    origin.run(1)
    assert network.redis.entry(FRONT)
    assert pictures(network, 4, origin, REST) == pytest.approx(4, abs=1)
    assert not network.redis.entry(FRONT)
    assert network.redis.entry(REST)


def test_beside_what_is_wanted_no_other_picture_goes_out(
    network: FakeNetwork, origin: Origin
) -> None:
    """The small one ends when edges know what is sent instead, and begins again."""
    for _ in range(4):
        want(network)
        origin.run(1)
    scaled = len(origin.environment.scaled)
    want(network)
    assert pictures(network, 2, origin, REST) == 0
    assert len(origin.environment.scaled) == scaled
    assert read_seen(network.redis.hashes[SEEN][b"front"]).sent == (None,)
    origin.run(4)
    assert len(origin.environment.scaled) - scaled == pytest.approx(3, abs=1)
    assert read_seen(network.redis.hashes[SEEN][b"front"]).sent == ()


def test_a_placeholder_is_the_full_one(network: FakeNetwork, origin: Origin) -> None:
    """Edges make smaller ones of it themselves, as they do of their own."""
    want(network, rungs="1/2@65")
    origin.run(1)
    for _ in range(20):
        want(network, rungs="1/2@65")
        network.run(1)
    half = picture_key("front", Rendition.parse("1/2@65"))
    entry = network.redis.entry(half)
    assert (entry[b"n"], entry[b"s"]) == (b"0", b"offline")
    assert entry[b"j"] == PLACEHOLDER
    assert (entry[b"w"], entry[b"h"]) == (b"32", b"24")


def test_the_edges_are_one_viewer(network: FakeNetwork, origin: Origin) -> None:
    """However many there are: it is named, and needs no key."""
    want(network)
    want(network)
    origin.run(0.25)
    (viewer,) = origin.camera.viewers
    client = viewer.client_info
    assert (client.address, client.user_agent) == ("redis://10.0.0.1:6379/0", "edges")
    assert client.principal is ITSELF


def test_what_is_said_of_a_camera(network: FakeNetwork, origin: Origin) -> None:
    """Once a second, with what edges need to know before they have a picture."""
    written = network.redis.count(b"HSET")
    origin.run(4)
    assert network.redis.count(b"HSET") - written == pytest.approx(4, abs=1)
    seen = read_seen(network.redis.hashes[SEEN][b"front"])
    assert (seen.state, seen.why, seen.fps) == ("live", "", 16)
    assert (seen.width, seen.height) == (32, 24)
    assert list(seen.renditions) == origin.camera.renditions
    assert network.redis.time() - seen.said < 1.1


def test_a_state_is_said_when_it_changes(network: FakeNetwork, origin: Origin) -> None:
    """An entry without a picture says it at once, with the reason."""
    receiver = origin.source.receiver
    assert receiver is not None
    origin.source.fails = "unplugged"
    receiver.failed(SourceError("unplugged"))
    network.run(0.3)
    entry = network.redis.entry(REST)
    assert (entry[b"s"], entry[b"y"], entry[b"j"]) == (b"offline", b"unplugged", b"")


def test_a_still_picture_goes_out_once_for_all_edges(network: FakeNetwork) -> None:
    """However many ask for it in a second, and however often they do."""
    origin = Origin(network, camera_timeout=60)
    origin.publisher.startService()
    origin.run(1)
    want(network)
    origin.run(1)
    before, numbers = len(network.redis.said), []
    for _ in range(10):
        want(network, lacks="full")
        network.run(0.25, 1 / 16)
    for words in network.redis.said[before:]:
        if words[:2] == [b"XADD", FRONT] and words[-1]:
            numbers.append(words[words.index(b"n") + 1])
    assert numbers == [b"%d" % origin.camera.stats.published]


def test_nothing_waits_while_redis_is_away(network: FakeNetwork) -> None:
    """Of all frames in that time, none is sent later."""
    origin = Origin(network)
    origin.publisher.startService()
    origin.run(1)
    want(network)
    origin.run(1)
    network.lose()
    origin.run(10)
    network.server = network.redis
    before = network.redis.count(b"XADD")
    origin.run(1.25)
    assert network.redis.count(b"XADD") - before < 6
    assert network.redis.hashes[SEEN]


def test_a_server_that_is_away_is_logged_once(network: FakeNetwork) -> None:
    """One line when it goes, and one when it is back."""
    origin = Origin(network)
    with capturedLogs() as events:
        origin.publisher.startService()
        origin.run(1)
        network.lose()
        origin.run(10)
        network.server = network.redis
        origin.run(2)
    lines = [line for line in said(events) if line.startswith("Publishing")]
    assert lines == [
        "Publishing cameras to redis://10.0.0.1:6379/0",
        "Publishing: redis://10.0.0.1:6379/0: the connection is lost; trying again",
        "Publishing: redis://10.0.0.1:6379/0 is back",
    ]


def test_no_more_is_under_way_than_the_link_carries(network: FakeNetwork) -> None:
    """On a link of 3 Mbit/s two cameras are as fresh as it allows, for a minute."""
    origin = Origin(network, "front", "back")
    network.round_trip = 0.04
    origin.publisher.startService()
    origin.run(1)
    network.wires[0].bytes_per_second = 3e6 / 8
    ages = []
    want(network)
    want(network, "back")
    origin.run(1, size=40_000)
    for tick in range(960):
        if tick % 16 == 0:
            want(network)
            want(network, "back")
        origin.run(1 / 16, size=40_000)
        network.redis.expire()
        for name in ("front", "back"):
            entry = network.redis.entry(picture_key(name))
            ages.append(network.redis.time() - float(entry[b"t"]))
    ages = ages[64:]
    # Each has a picture in 0.22 s, and the newest is that old when the next one comes.
    assert sorted(ages)[len(ages) // 2] < 0.35
    assert sorted(ages)[len(ages) * 95 // 100] < 0.45


def test_the_round_trip_is_measured_again(network: FakeNetwork, origin: Origin) -> None:
    """On a link that is never idle, pictures wait for that once, and then go on."""
    network.wires[0].bytes_per_second = 3e6 / 8
    want(network)
    origin.run(2, size=40_000)
    uplink = origin.publisher._uplink
    assert uplink is not None
    uplink.pacer._confirmed_at -= 60
    want(network)
    before = uplink.acks
    origin.run(2, size=40_000)
    assert uplink.acks - before > 10


def test_a_camera_comes_and_goes(network: FakeNetwork, origin: Origin) -> None:
    """What the settings add is published, and what they drop is taken back."""
    origin.add("back")
    origin.run(2)
    assert read_seen(network.redis.hashes[SEEN][b"back"]).state == "live"
    camera: Camera = origin.cameras.pop("back")
    camera.stopService()
    origin.run(1)
    assert read_seen(network.redis.hashes[SEEN][b"back"]).state == "gone"


def test_two_cameras_of_one_name(network: FakeNetwork, origin: Origin) -> None:
    """Another camd's camera of the same name is an error, said once."""
    other = Origin(network)
    other.publisher._run = "another"
    with capturedLogs() as events:
        other.publisher.startService()
        for _ in range(48):
            origin.source.send()
            other.run(1 / 16)
    lines = [line for line in said(events) if "another camd" in line]
    assert len(lines) in (1, 2)
    assert "publishes a camera front" in lines[0]


def test_the_same_camd_again_is_no_other(network: FakeNetwork, origin: Origin) -> None:
    """What an earlier run has said is no sign of another camd."""
    origin.publisher._link.stop()
    again = Origin(network)
    again.publisher._run = "later"
    with capturedLogs() as events:
        again.publisher.startService()
        again.run(4)
    assert not [line for line in said(events) if "another camd" in line]


def test_a_camera_of_long_ago_is_forgotten(network: FakeNetwork) -> None:
    """What nobody has said for a day is tidied away, and what is no word of a camd."""
    origin = Origin(network)
    origin.publisher.startService()
    origin.run(2)
    network.redis.hashes[SEEN][b"junk"] = b"?"
    origin.publisher._link.stop()
    network.redis.ahead += 25 * 3600
    again = Origin(network, "other")
    again.publisher.startService()
    again.run(2)
    assert set(network.redis.hashes[SEEN]) == {b"other"}


def test_the_end_is_said(network: FakeNetwork, origin: Origin) -> None:
    """At the end the cameras are offline, and the connections are closed."""
    done: list[None] = []
    origin.publisher.stopService().addCallback(done.append)
    network.run(0.25)
    assert done == [None]
    entry = network.redis.entry(REST)
    assert (entry[b"s"], entry[b"y"]) == (b"offline", b"its camd was stopped")
    assert network.redis.sessions == []


def test_the_end_waits_for_nobody(network: FakeNetwork, origin: Origin) -> None:
    """A server that answers nothing holds the end up for half a second."""
    network.redis.frozen = True
    done: list[None] = []
    origin.publisher.stopService().addCallback(done.append)
    network.run(0.6)
    assert done == [None]
