"""Cameras that push: real programs, directly and through real proxies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from camd.capture.push import GIVE_UP
from camd.formats.jpeg import whole
from camd.formats.multipart import Form, opening
from e2e.camera import encode
from e2e.client import Watcher, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.proxies import IDLE, RECOMMENDED
from e2e.through import through
from e2e.waiting import until

FPS = 15
FILM = f"ffmpeg -loglevel error -re -f lavfi -i testsrc=size=320x240:rate={FPS} "
SENDERS = {
    "ffmpeg": FILM + "-f mpjpeg '{with_password}'",
    "ffmpeg, a key in the query": FILM + "-f mpjpeg '{with_query}'",
    "ffmpeg, JPEGs back to back": FILM + "-f mjpeg '{with_query}'",
    "ffmpeg, a label of its own": FILM
    + "-f mpjpeg -content_type 'multipart/x-mixed-replace;boundary=ffmpeg'"
    " '{with_query}'",
    "curl": FILM + "-f mjpeg - | curl -sS -T - -H 'X-API-Key: {key}' {address}",
    "curl, parts": FILM
    + "-f mpjpeg - | curl -sS -X POST -T - -H 'X-API-Key: {key}' {address}",
    "GStreamer": "gst-launch-1.0 -q videotestsrc is-live=true !"
    f" video/x-raw,width=320,height=240,framerate={FPS}/1 ! jpegenc !"
    " souphttpclientsink location={with_query}",
}
"""Shell commands, each of which pushes a film."""

PATH = "/api/arm/push"
WAYS = ("nginx", "haproxy", "apache")
OTHER = "another-key-of-some-length"
PUSHED = {"arm": {"source": "push"}}


@contextmanager
def pushing(daemon: Daemon, sender: str = "ffmpeg") -> Iterator[subprocess.Popen[str]]:
    """Push a film to a daemon, or to a proxy in front of it, until the end."""
    command = SENDERS[sender].format(
        with_password=daemon.with_password(PATH),
        with_query=daemon.with_query(PATH),
        key=daemon.key,
        address=daemon.origin + PATH,
    )
    with subprocess.Popen(
        ["bash", "-c", f"set -o pipefail; {command}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def state(daemon: Daemon) -> str:
    """What the camera does."""
    told: str = stats(daemon, "arm")["state"]
    return told


def pictures(watcher: Watcher) -> int:
    """How many frames of the camera have come."""
    return sum(bool(frame.number) for frame in watcher.frames())


@contextmanager
def watching_arm(daemon: Daemon) -> Iterator[Watcher]:
    """Watch the camera that is pushed to."""
    with watching(daemon, path="/api/arm/stream") as (watcher,):
        yield watcher


def by_hand(daemon: Daemon) -> socket.socket:
    """Begin to push a stream; return the connection."""
    connection = socket.create_connection(("127.0.0.1", daemon.port), 20)
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nX-API-Key: {daemon.key}\r\n"
    connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    send(connection, opening(Form.PLAIN))
    return connection


def send(connection: socket.socket, data: bytes) -> None:
    """Send a chunk."""
    connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))


def part(number: int) -> bytes:
    """A part of a stream that another camera's program might send."""
    head = b"Content-Type: image/jpeg\r\n\r\n"
    return head + encode(number) + b"\r\n--frame\r\n"


@pytest.mark.parametrize("sender", SENDERS)
def test_real_programs(start: Start, sender: str) -> None:
    """What they push as they are is shown, picture by picture, as it is."""
    daemon = start(PUSHED)
    with watching_arm(daemon) as watcher, pushing(daemon, sender) as process:
        until(lambda: pictures(watcher) > 2 * FPS, "two seconds of pictures")
        told = stats(daemon, "arm")
        assert process.poll() is None
    assert (told["encoder"], told["frames_failed"]) == ("passthrough", 0)
    seen = {frame.jpeg for frame in watcher.frames() if frame.number}
    assert all(whole(jpeg).jpeg == jpeg for jpeg in seen)


@pytest.mark.parametrize("sender", ["ffmpeg, a key in the query", "curl", "GStreamer"])
@pytest.mark.parametrize("way", WAYS)
def test_proxies(start: Start, tmp_path: Path, way: str, sender: str) -> None:
    """Each passes a stream on as it comes, for longer than its time-outs."""
    daemon = start(PUSHED)
    with (
        through(RECOMMENDED[way], daemon, tmp_path / "proxy") as seen,
        watching_arm(daemon) as watcher,
        pushing(seen, sender) as process,
    ):
        until(lambda: pictures(watcher) > (IDLE + 2) * FPS, "five seconds of pictures")
        assert process.poll() is None
    assert stats(daemon, "arm")["frames_failed"] == 0
    pushes = daemon.log.count(" pushes a stream") + daemon.log.count(" pushes single")
    assert pushes == 1


def test_a_push_that_breaks_off(start: Start) -> None:
    """Nothing of a part that is not whole is shown; the next push goes on."""
    daemon = start(PUSHED)
    with watching_arm(daemon) as watcher:
        with by_hand(daemon) as connection:
            send(connection, part(1) + part(2))
            until(lambda: state(daemon) == "live", "it is live")
            send(connection, part(3)[:-1000])
        until(lambda: state(daemon) == "offline", "it is offline")
        with by_hand(daemon) as connection:
            send(connection, part(4))
            until(lambda: pictures(watcher) == 2, "the next picture")
    assert stats(daemon, "arm")["frames_failed"] == 0


@pytest.mark.parametrize("way", ["", "haproxy"])
def test_two_pushers(start: Start, tmp_path: Path, way: str) -> None:
    """The second takes over, and the first one ends."""
    daemon = start(PUSHED)
    with ExitStack() as stack:
        seen = daemon
        if way:
            proxy = through(RECOMMENDED[way], daemon, tmp_path / "proxy")
            seen = stack.enter_context(proxy)
        first = stack.enter_context(pushing(seen))
        until(lambda: state(daemon) == "live", "it is live")
        second = stack.enter_context(pushing(seen))
        until(lambda: first.poll(), "the first one ends")
        until(lambda: "takes over from" in daemon.log, "the log says so")
        assert daemon.log.count("takes over from") == 1
        assert second.poll() is None
        assert state(daemon) == "live"


def test_who_may_not_push(start: Start) -> None:
    """No key, a wrong one, and one for something else are turned away at once."""
    key = "viewer-key-of-some-length"
    daemon = start(
        PUSHED, api_keys={"e2e": OTHER, "v": key}, api_rights={"v": ["view"]}
    )
    for wrong, status in (("", 401), ("wrong", 401), (key, 403), (OTHER, 200)):
        for arguments in ("-T -", "--data-binary @-", "-F x=@-"):
            done = subprocess.run(
                f"curl -sS -o /dev/null -w %{{http_code}} -H 'X-API-Key: {wrong}'"
                f" {arguments} {daemon.origin}{PATH}",
                shell=True,
                input=encode(1),
                capture_output=True,
                check=False,
            )
            assert done.stdout.decode() == f"{status}", (wrong, arguments, done.stderr)


def test_a_pusher_that_is_killed(start: Start) -> None:
    """The camera is offline at once, and live again with the next one."""
    daemon = start(PUSHED)
    with watching_arm(daemon) as watcher:
        with pushing(daemon) as process:
            until(lambda: state(daemon) == "live", "it is live")
            os.killpg(process.pid, signal.SIGKILL)
            until(lambda: state(daemon) == "offline", "it is offline")
        before = pictures(watcher)
        with pushing(daemon):
            until(lambda: pictures(watcher) > before, "pictures come again")


def test_a_pusher_that_stands_still(start: Start) -> None:
    """It is stalled, then hung up on: so is a robot whose power is gone."""
    daemon = start(PUSHED)
    with by_hand(daemon) as connection:
        send(connection, part(1))
        until(lambda: state(daemon) == "live", "it is live")
        until(lambda: state(daemon) == "stalled", "it is stalled")
        until(lambda: state(daemon) == "offline", "it is given up", 2 * GIVE_UP)
        assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
    words = f"nobody pushes; send JPEGs by POST to {PATH}"
    until(lambda: stats(daemon, "arm")["last_error"] == words, "it waits again")


def test_a_key_that_is_taken_away(start: Start) -> None:
    """What is pushed with it ends at the reload."""
    keys = {"keeper": "keeper-key-of-some-length"}
    daemon = start(PUSHED, api_keys={"e2e": OTHER, **keys})
    mine = Daemon(daemon.process, daemon.log_path, daemon.port, OTHER)
    kept = Daemon(daemon.process, daemon.log_path, daemon.port, keys["keeper"])
    with pushing(mine, "curl") as process:
        until(lambda: state(kept) == "live", "it is live")
        path = daemon.log_path.with_name("camd.yaml")
        settings = json.loads(path.read_text())
        path.write_text(json.dumps({**settings, "api_keys": keys}))
        kept.reload(PUSHED)
        until(lambda: state(kept) == "offline", "nobody pushes")
        until(lambda: process.poll() is not None, "curl ends")
        assert process.stdout is not None
        assert process.stdout.readline() == "its key is gone\n"


def test_the_end(start: Start) -> None:
    """A push does not put it off."""
    daemon = start(PUSHED)
    with pushing(daemon) as process:
        until(lambda: state(daemon) == "live", "it is live")
        assert daemon.stop() < 2
        until(lambda: process.poll() is not None, "ffmpeg ends")


def test_a_camd_that_pushes(start: Start) -> None:
    """The stream of one camera can be pushed to another; numbers are kept."""
    daemon = start({"arm": {"source": "push"}, "robot": {"source": "pattern"}})
    source = daemon.with_query("/api/robot/stream")
    command = f"curl -sS -N '{source}' | curl -sS -T - '{daemon.with_query(PATH)}'"
    with (
        watching_arm(daemon) as watcher,
        subprocess.Popen(["bash", "-c", command], start_new_session=True) as pusher,
    ):
        try:
            until(lambda: pictures(watcher) > FPS, "pictures come")
        finally:
            os.killpg(pusher.pid, signal.SIGKILL)
    numbers = [frame.number for frame in watcher.frames() if frame.number]
    assert numbers == sorted(set(numbers))
