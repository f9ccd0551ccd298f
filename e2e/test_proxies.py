"""The stream through nginx, HAProxy, Caddy, Apache and Varnish.

Each of them runs with its default settings and with those of ``deploy/``, and gives a
connection up after 3 s of silence. What takes time is done once, with all of them side
by side; each test then looks at its own proxy.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace

import pytest

from e2e.camera import HttpCamera, Mood, http_camera
from e2e.client import STREAM, Watcher, stats, watching
from e2e.conftest import check_log
from e2e.daemon import Daemon, ports_of, running
from e2e.lateness import FPS, Arrival, compare
from e2e.proxies import DEFAULT, IDLE, PROXY_PROTOCOL, RECOMMENDED, Setup
from e2e.through import through
from e2e.waiting import until

SENDING_PROXY = "haproxy-send_proxy"

WAYS = {
    **{f"{name}-default": setup for name, setup in DEFAULT.items()},
    **{f"{name}-recommended": setup for name, setup in RECOMMENDED.items()},
    SENDING_PROXY: PROXY_PROTOCOL,
}
"""Each proxy in each of the ways to set it up."""

GOOD_WAYS = tuple(name for name in WAYS if not name.endswith("-default"))

PATIENT = "caddy-default"
"""The one way that knows no idle time-out."""

DELAYING = "haproxy-default"
"""The one way that holds frames back."""

GULLIBLE = ("nginx-default", "haproxy-default")
"""Those that pass on what a client says of itself, and add nothing."""

MUTE = "/api/mute/stream"
"""The same camera's stream, without heartbeats."""

VIEWERS = 20

LATE = 0.1
"""Seconds that a proxy may add."""

CLIENT = "127.0.0.2"
LIAR = "203.0.113.9"
LIES = {
    "X-Forwarded-For": LIAR,
    "Forwarded": f"for={LIAR}",
    "CF-Connecting-IP": LIAR,
}
"""What a client sends who would like to be somebody else."""

every_way = pytest.mark.parametrize("way", WAYS)
every_good_way = pytest.mark.parametrize("way", GOOD_WAYS)


@dataclass(frozen=True, slots=True)
class Street:
    """A camera, its daemon, and all proxies in front of it.

    :ivar seen: the daemon as it is seen through the proxy, by the way's name.
    """

    camera: HttpCamera
    daemon: Daemon
    seen: dict[str, Daemon]


@contextmanager
def _street(
    factory: pytest.TempPathFactory, trusted: list[str], ways: Mapping[str, Setup]
) -> Iterator[Street]:
    folder = factory.mktemp("proxies")
    with ExitStack() as stack:
        camera = stack.enter_context(http_camera(FPS))
        daemon = stack.enter_context(_daemon(factory, camera, trusted))
        seen = {
            way: stack.enter_context(through(setup, _door(daemon, setup), folder / way))
            for way, setup in ways.items()
        }
        yield Street(camera, daemon, seen)
    check_log(daemon)


def _daemon(
    factory: pytest.TempPathFactory, camera: HttpCamera, trusted: list[str]
) -> AbstractContextManager[Daemon]:
    door = "tcp:0:interface=127.0.0.1"
    return running(
        factory.mktemp("daemon"),
        {
            "robot": {"source": camera.address, "heartbeat_interval": 1},
            "mute": {"source": camera.address, "heartbeat_interval": 0},
        },
        listen=[door, f"haproxy:{door}"],
        stream_fps=FPS,
        camera_timeout=1,
        trusted_proxies=trusted,
    )


def _door(daemon: Daemon, setup: Setup) -> Daemon:
    """Return the daemon with the port that is for this proxy."""
    if setup is not PROXY_PROTOCOL:
        return daemon
    return replace(daemon, port=ports_of(daemon, 2)[1])


@pytest.fixture(scope="module")
def whole_street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """All ways, and a daemon that believes what the proxies say of their clients."""
    with _street(tmp_path_factory, ["127.0.0.1"], WAYS) as street:
        yield street


@pytest.fixture(scope="module")
def wary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """The recommended ways, and a daemon that believes nobody."""
    ways = {way: WAYS[way] for way in GOOD_WAYS}
    with _street(tmp_path_factory, [], ways) as street:
        yield street


@pytest.fixture
def street(whole_street: Street) -> Street:
    """All of it, once the last test's viewers are gone."""
    until(lambda: not stats(whole_street.daemon)["clients"], "nobody watches")
    return whole_street


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a viewer in a silence longer than the proxy's patience.

    :ivar cut: the stream ended.
    :ivar went_on: a new frame came after the silence.
    """

    cut: bool
    went_on: bool


@pytest.fixture(scope="module")
def fates(whole_street: Street) -> dict[tuple[str, str], Fate]:
    """Have the camera fall silent for all ways at once, with heartbeats and without."""
    with ExitStack() as stack:
        watchers = {
            (way, path): stack.enter_context(watching(seen, path=path))[0]
            for way, seen in whole_street.seen.items()
            for path in (STREAM, MUTE)
        }
        cut = _be_silent(whole_street.camera, watchers)
        went_on = _go_on(whole_street.camera, watchers)
        return {key: Fate(cut[key], went_on[key]) for key in watchers}


def _be_silent(
    camera: HttpCamera, watchers: dict[tuple[str, str], Watcher]
) -> dict[tuple[str, str], bool]:
    camera.mood = Mood.SILENT
    began = time.monotonic()
    mute = [watchers[way, MUTE] for way in WAYS if way != PATIENT]
    # All must have had time to be cut; and none of them is waited for in vain.
    while time.monotonic() - began < 1.5 * IDLE or (
        time.monotonic() - began < 3 * IDLE and any(w.is_alive() for w in mute)
    ):
        time.sleep(0.1)
    return {key: not watcher.is_alive() for key, watcher in watchers.items()}


def _go_on(
    camera: HttpCamera, watchers: dict[tuple[str, str], Watcher]
) -> dict[tuple[str, str], bool]:
    last = {key: watcher.seen[-1].number for key, watcher in watchers.items()}
    camera.mood = Mood.SENDING

    def went_on() -> dict[tuple[str, str], bool]:
        return {key: w.seen[-1].number > last[key] for key, w in watchers.items()}

    until(
        lambda: all(went_on()[key] for key, w in watchers.items() if w.is_alive()),
        "those who are left have a new frame",
    )
    return went_on()


@every_way
def test_silent_camera_stays(fates: dict[tuple[str, str], Fate], way: str) -> None:
    """With heartbeats a viewer of a silent camera is kept, and sees it come back."""
    assert fates[way, STREAM] == Fate(cut=False, went_on=True)


@pytest.mark.parametrize("way", [way for way in WAYS if way != PATIENT])
def test_without_heartbeat_it_is_cut(
    fates: dict[tuple[str, str], Fate], way: str
) -> None:
    """Without heartbeats the same viewer is cut off: the silence was long enough."""
    assert fates[way, MUTE] == Fate(cut=True, went_on=False)


def test_caddy_by_itself_cuts_nobody(fates: dict[tuple[str, str], Fate]) -> None:
    """Caddy without read_timeout waits for ever, heartbeats or not."""
    assert fates[PATIENT, MUTE] == Fate(cut=False, went_on=True)


@pytest.fixture(scope="module")
def arrivals(whole_street: Street) -> dict[str, Arrival]:
    """Watch some dozens of frames directly and in all ways, all at once."""
    return compare(whole_street.daemon, whole_street.seen)


@pytest.mark.parametrize("way", [way for way in WAYS if way != DELAYING])
def test_frames_are_not_late(arrivals: dict[str, Arrival], way: str) -> None:
    """A frame comes through the proxy at most 100 ms later than directly."""
    assert arrivals[way].late <= LATE


def test_haproxy_by_itself_is_late(arrivals: dict[str, Arrival]) -> None:
    """HAProxy without http-no-delay holds chunks back: lateness is really measured."""
    assert arrivals[DELAYING].late > LATE


@every_way
def test_twenty_viewers(street: Street, way: str) -> None:
    """Twenty viewers through one proxy are twenty to camd, and all get frames on."""
    with watching(street.seen[way], VIEWERS) as watchers:
        assert stats(street.daemon)["active_clients"] == VIEWERS
        before = [len(watcher.frames()) for watcher in watchers]
        until(
            lambda: all(
                len(watcher.frames()) >= count + FPS
                for watcher, count in zip(watchers, before, strict=True)
            ),
            "each has frames of one more second",
        )
        assert all(watcher.is_alive() for watcher in watchers)


@pytest.mark.parametrize("way", [way for way in WAYS if way not in GULLIBLE])
def test_client_is_named(whole_street: Street, way: str) -> None:
    """Stats and log name the client, whatever it says of itself."""
    assert _named(whole_street, way) == CLIENT


@every_good_way
def test_wary_daemon_names_the_connection(wary: Street, way: str) -> None:
    """Without trusted_proxies only what the PROXY protocol says is believed."""
    expected = CLIENT if way == SENDING_PROXY else "127.0.0.1"
    assert _named(wary, way) == expected


@pytest.mark.parametrize("way", GULLIBLE)
def test_do_not_trust_a_proxy_that_adds_nothing(whole_street: Street, way: str) -> None:
    """These pass on what a client says of itself: trusting them is believing it."""
    assert _named(whole_street, way) == LIAR


def _named(street: Street, way: str) -> str:
    """Watch through a proxy as a liar; tell whom the stats name, and see the log."""
    # Of many that come at once the log has one line a second, so it takes some.
    return until(lambda: _logged(street, way), "a line of the log names the client")


def _logged(street: Street, way: str) -> str:
    """Tell whom the stats name, if the log does so too; else give nothing."""
    daemon = street.daemon
    until(lambda: not stats(daemon)["clients"], "nobody watches")
    with watching(street.seen[way], source=CLIENT, headers=LIES):
        (client,) = stats(daemon)["clients"]
    number, address = client["number"], str(client["address"])
    line = f"Client {number} connected to robot from {address} (e2e)"
    return address if line in daemon.log else ""
