"""How many may watch, and what one too many is told."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail
from twisted.logger import capturedLogs

from camd.web.client import Proxies
from camd.web.limits import ViewerLimits
from tests.fakes import failures
from tests.fakes_camera import KEY, PLACEHOLDER, FakeDaemon, HttpConnection

STREAM = "/api/robot/stream"


def watch(
    daemon: FakeDaemon, peer: str, path: str = STREAM, *headers: str
) -> HttpConnection:
    """Ask for a stream from this address."""
    line = daemon.connect(IPv4Address("TCP", peer, 4711))
    line.ask(path, f"X-API-Key: {KEY}", *headers)
    return line


def statuses(daemon: FakeDaemon, *askers: tuple[str, str]) -> list[int]:
    """What viewers from these addresses at these paths are answered."""
    return [watch(daemon, peer, path).status for peer, path in askers]


def test_viewers_in_all() -> None:
    """Viewers of all cameras are counted together."""
    daemon = FakeDaemon("robot", "door", limits=ViewerLimits(2, 0))
    askers = [(f"192.0.2.{n}", f"/api/{c}/stream") for n, c in enumerate(CAMERAS)]
    assert statuses(daemon, *askers) == [200, 200, 503, 503]


CAMERAS = ("robot", "door", "robot", "door")


def test_viewers_of_one_camera() -> None:
    """A full camera is full; another one is not."""
    daemon = FakeDaemon("robot", "door", max_viewers_per_camera=1)
    askers = [(f"192.0.2.{n}", f"/api/{c}/stream") for n, c in enumerate(CAMERAS)]
    assert statuses(daemon, *askers) == [200, 200, 503, 503]


def test_viewers_from_one_address() -> None:
    """An address has its share, over all cameras; others have theirs."""
    daemon = FakeDaemon("robot", "door", limits=ViewerLimits(100, 2))
    askers = [("192.0.2.1", f"/api/{c}/stream") for c in CAMERAS]
    assert statuses(daemon, *askers) == [200, 200, 503, 503]
    assert statuses(daemon, ("192.0.2.2", STREAM)) == [200]


def test_viewers_of_one_ipv6_network() -> None:
    """A customer has a /64 to choose addresses from: it is one address here."""
    daemon = FakeDaemon(limits=ViewerLimits(100, 2), proxies=Proxies(["127.0.0.1"]))
    clients = [f"2001:db8::{n}" for n in range(1, 4)] + ["2001:db8:0:1::1"]
    lines = [
        watch(daemon, "127.0.0.1", STREAM, f"X-Forwarded-For: {client}")
        for client in clients
    ]
    assert [line.status for line in lines] == [200, 200, 503, 200]


def test_viewers_from_this_machine() -> None:
    """Behind a proxy here may stand anybody: its address has no share."""
    daemon = FakeDaemon(limits=ViewerLimits(100, 1))
    assert statuses(daemon, *[("127.0.0.1", STREAM)] * 3) == [200, 200, 200]


def test_viewers_behind_a_proxy() -> None:
    """Behind a trusted proxy each client has its own share."""
    daemon = FakeDaemon(limits=ViewerLimits(100, 1), proxies=Proxies(["127.0.0.1"]))
    clients = ("192.0.2.1", "192.0.2.1", "192.0.2.2")
    lines = [
        watch(daemon, "127.0.0.1", STREAM, f"X-Forwarded-For: {client}")
        for client in clients
    ]
    assert [line.status for line in lines] == [200, 503, 200]


def test_who_leaves_makes_room() -> None:
    """The place of a viewer who left is free at once."""
    daemon = FakeDaemon(limits=ViewerLimits(1, 0))
    first = watch(daemon, "192.0.2.1")
    assert watch(daemon, "192.0.2.2").status == 503
    first.lose()
    assert watch(daemon, "192.0.2.2").status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_one_too_many_is_told(method: str) -> None:
    """It is told why in one line, and when to come again."""
    daemon = FakeDaemon(limits=ViewerLimits(1, 0))
    watch(daemon, "192.0.2.1")
    line = daemon.ask(STREAM, method=method)
    assert (line.status, line.headers["retry-after"]) == (503, "10")
    if method == "GET":
        assert line.raw == b"there are 1 viewers already; try again later\n"


IMAGE = "Accept: image/avif,image/webp,image/*,*/*;q=0.8"


def full() -> FakeDaemon:
    """A daemon with one viewer, which is as many as there may be."""
    daemon = FakeDaemon(limits=ViewerLimits(1, 0))
    watch(daemon, "192.0.2.1")
    return daemon


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_image_too_many(method: str) -> None:
    """An ``<img>`` gets the camera's name and the reason as a picture."""
    daemon = full()
    line = daemon.ask(STREAM, IMAGE, method=method)
    assert (line.status, line.headers["retry-after"]) == (503, "10")
    assert line.headers["content-type"] == "image/jpeg"
    assert line.headers["cache-control"] == "no-store"
    assert line.headers["content-length"] == str(len(PLACEHOLDER))
    assert line.raw == (PLACEHOLDER if method == "GET" else b"")
    (words,) = daemon.environment.placeholders
    assert words == ("robot", "there are 1 viewers already", "try again later")


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        (STREAM, "Accept: */*"),
        (STREAM, "Accept: text/html,image/*"),
        (f"{STREAM}?busy=text", IMAGE),
    ],
)
def test_who_gets_no_picture(path: str, accept: str) -> None:
    """Others, and scripts that ask for it, get the line of text."""
    line = full().ask(path, accept)
    assert line.status == 503
    assert line.raw == b"there are 1 viewers already; try again later\n"


def test_the_picture_is_drawn_once() -> None:
    """Who asks while it is drawn waits for it; who has gone meanwhile is left out."""
    daemon, drawing = full(), Deferred[bytes]()
    daemon.environment.draw = lambda: drawing
    lines = [watch(daemon, "192.0.2.2", STREAM, IMAGE) for _ in range(3)]
    assert [line.transport.value() for line in lines] == [b""] * 3
    lines[1].lose()
    drawing.callback(PLACEHOLDER)
    assert [line.raw for line in lines] == [PLACEHOLDER, b"", PLACEHOLDER]
    assert daemon.ask(STREAM, IMAGE).raw == PLACEHOLDER
    assert len(daemon.environment.placeholders) == 1


def test_each_reason_has_its_picture() -> None:
    """What is kept for one reason is not shown for another."""
    daemon = FakeDaemon(limits=ViewerLimits(100, 1), max_viewers_per_camera=2)
    for peer in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.1"):
        watch(daemon, peer, STREAM, IMAGE)
    daemon.camera.viewers.popitem()
    watch(daemon, "192.0.2.1", STREAM, IMAGE)
    assert [words[1] for words in daemon.environment.placeholders] == [
        "this camera has 2 viewers already",
        "1 viewers have your address already",
    ]


def test_the_owners_picture_is_for_other_times() -> None:
    """A file that stands for a camera without pictures does not stand for this."""
    daemon = FakeDaemon(limits=ViewerLimits(1, 0), offline_picture="/srv/broken.jpg")
    watch(daemon, "192.0.2.1")
    daemon.ask(STREAM, IMAGE)
    assert daemon.environment.drawn_for[-1].offline_picture == "placeholder"


def test_no_picture_can_be_drawn() -> None:
    """Then the line of text must do, and the next one has it tried again."""
    daemon = full()
    daemon.environment.draw = lambda: fail(OSError("no"))
    with capturedLogs() as events:
        line = daemon.ask(STREAM, IMAGE)
    assert (line.status, line.headers["retry-after"]) == (503, "10")
    assert line.raw == b"there are 1 viewers already; try again later\n"
    assert len(failures(events)) == 1
    daemon.environment.draw = None
    assert daemon.ask(STREAM, IMAGE).raw == PLACEHOLDER


def test_snapshots_are_no_viewers() -> None:
    """A full daemon still answers all that is not a stream."""
    daemon = FakeDaemon(limits=ViewerLimits(1, 0))
    watch(daemon, "192.0.2.1")
    daemon.environment.clock.advance(1)
    assert daemon.ask("/api/robot/stream/stats").status == 200
