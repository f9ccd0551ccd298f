"""The next picture, by one request for each."""

from __future__ import annotations

import pytest

from camd.web.limits import ViewerLimits
from tests.fakes_camera import PLACEHOLDER, FakeDaemon, HttpConnection, tiny_jpeg

FRAME = "/api/robot/frame"
RENDITIONS = ("1/2@60", "1/4@60")


def is_answered(line: HttpConnection) -> bool:
    """Whether anything has come."""
    return bool(line.transport.value())


def frame_of(line: HttpConnection) -> int:
    """The number of the picture that came."""
    assert line.status == 200
    assert line.body == tiny_jpeg()
    return int(line.headers["x-frame"])


def test_the_newest_at_once() -> None:
    """With what a script wants to know of it."""
    daemon = FakeDaemon()
    daemon.environment.run(1)
    line = daemon.ask(FRAME)
    daemon.environment.run(0.2)
    assert frame_of(line) >= 1
    assert line.headers["x-camera-state"] == "live"
    assert line.headers["x-rendition"] == "full"
    assert float(line.headers["x-frame-age"]) < 0.1
    assert line.headers["cache-control"] == "no-store"


def test_the_next_when_it_comes() -> None:
    """Not before."""
    daemon = FakeDaemon()
    first = daemon.ask(FRAME)
    daemon.environment.run(0.2)
    number = frame_of(first)
    newest = daemon.camera.newest
    assert newest is not None
    second = daemon.ask(f"{FRAME}?after={newest.number}")
    assert not is_answered(second)
    daemon.environment.run(0.1)
    assert frame_of(second) == newest.number + 1 > number


def test_several_requests_under_way() -> None:
    """Each gets a picture of its own."""
    daemon = FakeDaemon()
    daemon.ask(FRAME)
    daemon.environment.run(0.2)
    newest = daemon.camera.newest
    assert newest is not None
    lines = [daemon.ask(f"{FRAME}?after={newest.number + ahead}") for ahead in range(3)]
    daemon.environment.run(0.25)
    assert [frame_of(line) for line in lines] == [newest.number + n for n in (1, 2, 3)]


def test_numbers_that_began_again() -> None:
    """A client with numbers from before the daemon's restart is answered."""
    daemon = FakeDaemon()
    line = daemon.ask(f"{FRAME}?after=100000")
    daemon.environment.run(0.2)
    assert frame_of(line) == 1


@pytest.mark.parametrize("known", [None, '"1-x"'])
def test_nothing_newer(known: str | None) -> None:
    """After ten seconds it is said so, long before a proxy loses patience."""
    daemon = FakeDaemon()
    daemon.ask(FRAME)
    daemon.environment.run(0.2)
    daemon.environment.threads[0].takes = None
    daemon.environment.run(0.2)
    newest = daemon.camera.newest
    assert newest is not None
    headers = [f"If-None-Match: {known}"] if known else []
    line = daemon.ask(f"{FRAME}?after={newest.number}", *headers)
    daemon.environment.run(9)
    assert not is_answered(line)
    daemon.environment.run(2)
    assert line.status == (304 if known else 204)


def test_what_the_client_has_is_not_sent_again() -> None:
    """304, at once, with If-None-Match."""
    daemon = FakeDaemon()
    first = daemon.ask(FRAME)
    daemon.environment.threads[0].takes = None
    etag = first.headers["etag"]
    second = daemon.ask(FRAME, f"If-None-Match: {etag}")
    assert second.status == 304
    assert second.headers["etag"] == etag
    assert second.raw == b""


def test_a_client_that_asks_is_a_viewer() -> None:
    """One, however often it asks; and none when it has not asked for a while."""
    daemon = FakeDaemon()
    for _ in range(5):
        daemon.ask(FRAME)
        daemon.environment.run(0.2)
    assert len(daemon.camera.viewers) == 1
    daemon.environment.run(6)
    assert daemon.camera.viewers == {}


def test_limits_hold() -> None:
    """As for streams."""
    daemon = FakeDaemon(limits=ViewerLimits(1, 0))
    daemon.ask("/api/robot/stream")
    line = daemon.ask(FRAME)
    assert line.status == 503
    assert line.headers["retry-after"] == "10"


@pytest.mark.parametrize("after", ["-1", "x", "", "9" * 30])
def test_numbers_that_are_none(after: str) -> None:
    """One line says so."""
    line = FakeDaemon().ask(f"{FRAME}?after={after}")
    assert line.status == 400
    assert b"after: " in line.body


def test_a_client_that_hangs_up_is_forgotten() -> None:
    """Its request waits for nothing."""
    daemon = FakeDaemon(takes=None)
    line = daemon.ask(FRAME)
    line.lose()
    daemon.environment.run(20)
    assert daemon.camera.viewers == {}


def test_a_placeholder() -> None:
    """Of a camera without pictures, as streams have it."""
    daemon = FakeDaemon(takes=None)
    line = daemon.ask(FRAME)
    daemon.environment.run(8)
    assert line.body == PLACEHOLDER
    assert line.headers["x-frame"] == "0"


def test_a_placeholder_comes_once() -> None:
    """Who asks for what follows it waits for the next one, a second later."""
    daemon = FakeDaemon(takes=None)
    daemon.ask(FRAME)
    daemon.environment.run(8)
    daemon.ask(f"{FRAME}?after=0")  # The one that has come since.
    line = daemon.ask(f"{FRAME}?after=0")
    daemon.environment.run(0.1)
    assert line.body == b""
    daemon.environment.run(1)
    assert line.body == PLACEHOLDER


def test_the_daemons_end() -> None:
    """Who waits is told to come again."""
    daemon = FakeDaemon(takes=None)
    line = daemon.ask(FRAME)
    daemon.camera.stopService()
    assert line.status == 503
    daemon.environment.run(0.1)
    assert daemon.camera.viewers == {}


@pytest.mark.parametrize("resource", ["frame", "stream", "snapshot"])
def test_nobody_is_let_in_at_the_end(resource: str) -> None:
    """A page that comes again too soon is told so, and wakes no camera."""
    daemon = FakeDaemon()
    daemon.camera.stopService()
    line = daemon.ask(f"/api/robot/{resource}")
    assert line.status == 503
    assert daemon.viewer_count.ever == 0
    assert not daemon.camera.pipeline.capture.awake


def polled(daemon: FakeDaemon, seconds: float, each: float, *headers: str) -> list[str]:
    """Ask with ``auto`` again and again, and say what came.

    :param each: seconds from an answer to the next request.
    :return: the renditions, in order.
    """
    daemon.environment.scaler.cuts = True
    renditions, number, until = [], 0, daemon.environment.clock.seconds() + seconds
    while daemon.environment.clock.seconds() < until:
        line = daemon.ask(f"{FRAME}?auto=1&after={number}", *headers)
        while not is_answered(line):
            daemon.environment.run(1 / 64)
        assert line.status == 200
        number = int(line.headers["x-frame"])
        renditions.append(line.headers["x-rendition"])
        daemon.environment.run(each)
    return renditions


def test_auto_on_a_fast_link() -> None:
    """The full picture, from the beginning."""
    daemon = FakeDaemon(renditions=RENDITIONS)
    assert set(polled(daemon, 5, 1 / 64)) == {"full"}


def test_auto_on_a_slow_link() -> None:
    """A smaller one after a few pictures; one client stays one viewer."""
    daemon = FakeDaemon(renditions=RENDITIONS)
    renditions = polled(daemon, 10, 2)
    assert renditions[0] == "full"
    assert renditions[-1] == "1/4@60"
    assert len(daemon.camera.viewers) == 1


def test_auto_to_save_data() -> None:
    """Never the full size, however fast the link is."""
    daemon = FakeDaemon(renditions=RENDITIONS)
    shown = polled(daemon, 3, 1 / 64, "Save-Data: on")
    assert set(shown[1:]) == {"1/2@60"}


def test_auto_not_wider_than_asked() -> None:
    """``width`` is the most then."""
    daemon = FakeDaemon(renditions=RENDITIONS)
    daemon.ask(FRAME)
    daemon.environment.run(0.2)
    line = daemon.ask(f"{FRAME}?auto=1&width=9")
    daemon.environment.run(0.2)
    assert line.headers["x-rendition"] == "1/2@60"


def test_auto_is_yes_or_no() -> None:
    """One line says so."""
    line = FakeDaemon().ask(f"{FRAME}?auto=please")
    assert line.status == 400
    assert b"auto: 'please' is not a whole number from 0 to 1" in line.body
