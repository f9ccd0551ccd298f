"""Proxies that were told to compress, to keep or to buffer what they can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from e2e.camera import http_camera
from e2e.client import Watcher, ask, watching
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.lateness import FPS, Arrival, compare
from e2e.proxies import DEFAULT, RECOMMENDED, varnish
from e2e.through import through
from e2e.waiting import until

LATE = 0.1
"""Seconds that a proxy may add."""

TABLES = {"default": DEFAULT, "recommended": RECOMMENDED}

SNAPSHOT = "/api/robot/snapshot"

_GZIP = "gzip on; gzip_types *; gzip_proxied any; server {"
_DEFLATE = "SetOutputFilter DEFLATE\nProxyPass / "
_SERVER = "server camd 127.0.0.1:CAMD\n"
_ALGORITHM = "compression algo gzip\n    compression type multipart/x-mixed-replace"
_DEAF = "location / { proxy_ignore_headers X-Accel-Buffering;"

COMPRESSING = {
    "nginx-default": DEFAULT["nginx"].having("server {", _GZIP),
    "nginx-recommended": RECOMMENDED["nginx"].having("server {", _GZIP),
    "haproxy-recommended": RECOMMENDED["haproxy"].having(
        _SERVER, f"{_ALGORITHM}\n    {_SERVER}"
    ),
    "caddy-recommended": RECOMMENDED["caddy"].having(
        "reverse_proxy", "encode gzip\nreverse_proxy"
    ),
    "apache-default": DEFAULT["apache"].having("ProxyPass / ", _DEFLATE),
    "apache-recommended": RECOMMENDED["apache"].having("ProxyPass / ", _DEFLATE),
}
"""Those that are told to compress whatever they can."""

COMPRESSED = ("nginx-default", "apache-default")
"""Those that do it to the stream."""

BUFFERING = "nginx-told_to_ignore_X-Accel-Buffering"

_VARNISH_GZIP = "vcl 4.1;\nsub vcl_backend_response { set beresp.do_gzip = true; }"

_NGINX_CACHE = (
    "proxy_cache_path cache keys_zone=all:1m; proxy_cache all;"
    " proxy_cache_valid any 1m; server {"
)
_HAPROXY_CACHE = """
cache all
    total-max-size 4
    max-age 60
backend camd
    http-request cache-use all
    http-response cache-store all"""
_APACHE_CACHE = """
    LoadModule cache_module /usr/lib/apache2/modules/mod_cache.so
    LoadModule cache_socache_module /usr/lib/apache2/modules/mod_cache_socache.so
    LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
    CacheSocache shmcb
    CacheEnable socache /
    CacheQuickHandler on
    ProxyPass / """

KEEPING = {
    "nginx": DEFAULT["nginx"].having("server {", _NGINX_CACHE),
    "haproxy": RECOMMENDED["haproxy"].having("\nbackend camd", _HAPROXY_CACHE),
    "apache": DEFAULT["apache"].having("ProxyPass / ", _APACHE_CACHE),
    "varnish": DEFAULT["varnish"],
}
"""Those that are told to keep whatever they may."""

FORGETFUL = "proxy_ignore_headers Cache-Control; server {"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a slow camera."""
    with http_camera(FPS) as camera:
        cameras = {"robot": {"source": camera.address}}
        folder = tmp_path_factory.mktemp("daemon")
        with running(folder, cameras, stream_fps=FPS) as daemon:
            yield daemon
        check_log(daemon)


@pytest.fixture(scope="module")
def arrivals(
    daemon: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Arrival]:
    """Watch some dozens of frames, gladly compressed, through all at once."""
    folder = tmp_path_factory.mktemp("proxies")
    deaf = DEFAULT["nginx"].having("location / {", _DEAF)
    with ExitStack() as stack:
        seen = {
            way: stack.enter_context(through(setup, daemon, folder / way))
            for way, setup in {**COMPRESSING, BUFFERING: deaf}.items()
        }
        return compare(daemon, seen, {"Accept-Encoding": "gzip"})


@pytest.mark.parametrize("way", COMPRESSING)
def test_compression_does_no_harm(arrivals: dict[str, Arrival], way: str) -> None:
    """Frames are whole and in time, be the stream compressed or left alone."""
    expected = "gzip" if way in COMPRESSED else None
    assert arrivals[way].encoding == expected
    assert arrivals[way].late <= LATE


def test_nginx_heeds_the_header(arrivals: dict[str, Arrival]) -> None:
    """Only X-Accel-Buffering keeps nginx by itself from holding frames back."""
    assert arrivals[BUFFERING].late > LATE


@pytest.mark.parametrize("name", KEEPING)
def test_nothing_is_kept(daemon: Daemon, tmp_path: Path, name: str) -> None:
    """Caches hand out no picture twice, and none without a key."""
    with through(KEEPING[name], daemon, tmp_path / name) as seen:
        first = ask(seen, SNAPSHOT)
        assert first.status == 200
        until(
            lambda: ask(seen, SNAPSHOT).headers["x-frame"] != first.headers["x-frame"],
            "another picture",
        )
        assert ask(seen, SNAPSHOT, headers={}).status == 401


@pytest.mark.parametrize("name", KEEPING)
def test_second_viewer_begins_with_the_newest(
    daemon: Daemon, tmp_path: Path, name: str
) -> None:
    """Who comes later gets a stream of his own, not the first one's from its start."""
    proxy = through(KEEPING[name], daemon, tmp_path / name)
    with proxy as seen, watching(seen) as (first,):
        until(lambda: len(first.frames()) > FPS, "frames of a second")
        newest = first.seen[-1].number
        with watching(seen) as (second,):
            assert second.seen[0].number >= newest


def test_cache_was_on(daemon: Daemon, tmp_path: Path) -> None:
    """The same cache does hand a picture to anybody when told to heed no header."""
    heedless = KEEPING["nginx"].having("server {", FORGETFUL)
    with through(heedless, daemon, tmp_path / "nginx") as seen:
        first = ask(seen, SNAPSHOT)
        again = ask(seen, SNAPSHOT, headers={})
        assert (again.status, again.body) == (200, first.body)


def test_varnish_compresses_no_pipe(daemon: Daemon, tmp_path: Path) -> None:
    """Varnish that compresses all responses leaves a stream in its pipe alone."""
    packing = RECOMMENDED["varnish"].having("vcl 4.1;", _VARNISH_GZIP)
    greedy = {"Accept-Encoding": "gzip"}
    with through(packing, daemon, tmp_path / "varnish") as seen:
        with watching(seen, headers=greedy) as (watcher,):
            until(lambda: len(watcher.frames()) > FPS, "frames of a second")
        assert "content-encoding" not in watcher.headers


def test_varnish_swallows_what_it_compresses(daemon: Daemon, tmp_path: Path) -> None:
    """Without the pipe the same Varnish shows nothing: the pipe is worth its line."""
    packing = DEFAULT["varnish"].having("vcl 4.1;", _VARNISH_GZIP)
    with through(packing, daemon, tmp_path / "varnish") as seen:
        blind = Watcher(seen, headers={"Accept-Encoding": "gzip"})
        blind.start()
        with watching(daemon) as (direct,):
            until(lambda: len(direct.frames()) > 2 * FPS, "frames of two seconds")
        assert blind.headers["content-encoding"] == "gzip"
        assert blind.seen == []
        blind.leave()


@pytest.mark.parametrize("way", TABLES)
@pytest.mark.parametrize("name", ["nginx", "apache"])
def test_no_log_has_the_key(
    daemon: Daemon, tmp_path: Path, name: str, way: str
) -> None:
    """A server that logs all requests leaves those to camd alone, if recommended to."""
    with through(TABLES[way][name], daemon, tmp_path / name) as seen:
        assert ask(seen, f"{SNAPSHOT}?api_key={seen.key}", headers={}).status == 200
        (log,) = tmp_path.glob("**/access.log")
        if way == "default":
            until(lambda: seen.key in log.read_text(), "the request is logged")
    assert (seen.key in log.read_text()) == (way == "default")


@pytest.mark.parametrize("way", TABLES)
def test_varnish_cuts_no_pipe(daemon: Daemon, tmp_path: Path, way: str) -> None:
    """Without the pipe Varnish ends a stream that runs well, after send_timeout."""
    hasty = replace(TABLES[way]["varnish"], program=partial(varnish, send_timeout=1))
    proxy = through(hasty, daemon, tmp_path / "varnish")
    with proxy as seen, watching(seen) as (watcher,):
        until(
            lambda: len(watcher.frames()) > 3 * FPS or not watcher.is_alive(),
            "the stream ends or goes on",
        )
        assert watcher.is_alive() == (way == "recommended")
