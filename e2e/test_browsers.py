"""Chromium, Firefox and WebKit, each with an <img> and with the stream as its page.

Each cell of that table is tested against each mood of a camera. It passes when the
newest picture is on the screen as soon as it comes, when pictures only go forward and
the screen is never blank, and when neither the browser nor its one connection ends.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import count, groupby, pairwise, product
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import pytest

from e2e.browsers import BROWSERS, browsing
from e2e.camera import (
    COLUMNS,
    COUNT,
    SQUARE,
    HttpCamera,
    Mood,
    draw,
    http_camera,
    number_in,
)
from e2e.client import STREAM, Watcher, ask, stats, watching
from e2e.conftest import Start
from e2e.daemon import Daemon
from e2e.screen import REPAINT, Glance, Onlooker, lasted, looking_at, screen
from e2e.video import decode
from e2e.waiting import PATIENCE, until

in_each_cell = pytest.mark.parametrize(
    ("browser", "shape"), list(product(BROWSERS, ("img", "page")))
)

never_cancels = pytest.mark.xfail(
    raises=AssertionError,
    reason="WebKit goes on loading an image that nobody wants any more: "
    "https://bugs.webkit.org/show_bug.cgi?id=6656",
)

REPEAT = 0.2
"""Seconds after which, at the earliest, camd sends a picture of a slow camera again. A
picture that is on the screen before is there of itself."""

SOON = 0.5
"""Seconds from the camera to the screen that half of the pictures may take on a loaded
machine; on an idle one it is about 0.03 (measured)."""

ALLOWANCE = 0.1
"""Seconds beyond a frame time for the quickest of many on a loaded machine."""

GRACE = 5.0
"""Seconds after which a browser that has not closed a connection will not do so; 0.1 is
usual (measured)."""

IMG = """<!DOCTYPE html><title>A page</title>
<body style="margin: 0; background: #888">
<img src="{address}">
"""

CLEARED = """<!DOCTYPE html><title>A page that is done with the stream after 1 s</title>
<img src="{address}" onload="setTimeout(() => this.src = '', 1000)">
"""

FRAMED = """<!DOCTYPE html><title>A page that is done with a frame after 1 s</title>
<iframe width="400" height="300" style="border: 0" srcdoc="<img src='{address}'>">
</iframe>
<script>
    const frame = document.querySelector("iframe");
    const image = () => frame.contentDocument.querySelector("img");
    const done = () => setTimeout(() => frame.remove(), 1000);
    const look = () => image()?.naturalWidth ? done() : setTimeout(look, 50);
    look();
</script>
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A camera, the daemon, a browser, and what is on its window."""

    camera: HttpCamera
    daemon: Daemon
    browser: subprocess.Popen[bytes]
    onlooker: Onlooker

    @property
    def viewer(self) -> dict[str, Any]:
        """The daemon's stats of its only viewer."""
        (viewer,) = stats(self.daemon)["clients"]
        return dict(viewer)

    def await_state(self, state: str) -> None:
        """Wait until the camera's state is this one."""
        until(lambda: stats(self.daemon)["state"] == state, f"the camera is {state}")

    def await_pictures(self, count: int) -> None:
        """Wait until so many more pictures were sent, the last is on the screen."""
        last = self.onlooker.number + count
        until(lambda: forward(last, self.onlooker.number), f"picture {last} is shown")

    def await_square(self, side: int) -> None:
        """Wait until a picture whose squares have this side is on the screen."""
        until(lambda: self.onlooker.square == side, f"squares of {side} are shown")

    def in_a_row(self) -> int:
        """Return of how many pictures up to the newest one none was skipped.

        A loaded machine may keep a browser from showing one, most of all at first.
        """
        shown = {glance.number for glance in list(self.onlooker.glances)}
        newest = self.onlooker.number
        return next(n for n in count() if (newest - n) % COUNT not in shown)

    def delays(self) -> list[float]:
        """Return the seconds from the camera to the screen for each picture shown."""
        glances = list(self.onlooker.glances)
        shown: dict[int | None, float] = {}
        for glance in glances:
            shown.setdefault(glance.number, glance.moment)
        # Pictures sent before the first look say nothing.
        began, sent = glances[0].moment, list(self.camera.sent.items())
        return [shown[n] - at for n, at in sent if at > began and n in shown]

    def await_promptness(self, within: float) -> None:
        """Wait until pictures are known to be on the screen when they arrive.

        :param within: seconds for the quickest, which no load held up: less than the
            time until the next bytes follow a picture.
        """

        def prompt() -> bool:
            took = self.delays()
            return min(took) < within and median(took) < SOON

        until(prompt, f"a picture is on the screen within {within} s, half in {SOON} s")

    def check(self) -> None:
        """Check that nothing was ever wrong."""
        glances = list(self.onlooker.glances)
        assert longest_blank(glances) < REPAINT, "the screen was blank"
        numbers = [seen.number for seen in glances if seen.number is not None]
        back = [(a, b) for a, b in pairwise(numbers) if not forward(a, b)]
        assert back == []
        assert {*numbers} <= {*self.camera.sent}
        assert self.viewer["number"] == 1
        assert self.browser.poll() is None


class Show(Protocol):
    """Shows a camera of so many pictures a second in a browser."""

    def __call__(
        self, fps: float, page: str = IMG, query: str = "", **settings: Any
    ) -> Scene:
        """Return the scene, with a picture on the screen."""
        ...


@pytest.fixture
def show(browser: str, shape: str, start: Start, tmp_path: Path) -> Iterator[Show]:
    """Show a camera in this browser and shape for the length of the test."""
    with ExitStack() as stack:

        def shown(
            fps: float, page: str = IMG, query: str = "", **settings: Any
        ) -> Scene:
            camera = stack.enter_context(http_camera(fps))
            # However long a browser takes, its last picture is not replaced.
            held = {"camera_timeout": 1.5, "offline_after": 60}
            daemon = start({"robot": {"source": camera.address, **held}}, **settings)
            window = stack.enter_context(screen())
            onlooker = stack.enter_context(looking_at(window))
            address = daemon.with_query(STREAM) + query
            if shape == "img":
                address = write(tmp_path / "page.html", page, address)
            program = browsing(browser, address, window, tmp_path / browser)
            process = stack.enter_context(program)
            until(lambda: onlooker.glances, "a picture is on the screen")
            return Scene(camera, daemon, process, onlooker)

        yield shown


def write(path: Path, page: str, address: str) -> str:
    """Write a page that shows what is at an address; return the page's own address."""
    path.write_text(page.format(address=escape(address)))
    return path.as_uri()


def longest_blank(glances: Sequence[Glance]) -> float:
    """Return the longest time, in seconds, without a whole picture on the screen."""
    runs = groupby(glances, lambda seen: seen.number is None)
    return max((lasted(list(run)) for blank, run in runs if blank), default=0.0)


def forward(earlier: int, later: int) -> bool:
    """Return whether a picture is the same or a later one; the numbers go round."""
    return (later - earlier) % COUNT < COUNT // 2


@in_each_cell
def test_15fps(show: Show) -> None:
    """15 pictures a second."""
    scene = show(15)
    scene.await_pictures(30)
    scene.await_promptness(1 / 15 + ALLOWANCE)
    scene.check()


@in_each_cell
def test_1fps(show: Show) -> None:
    """1 picture a second: none is skipped, and each is on the screen at once."""
    scene = show(1)
    scene.await_pictures(3)
    scene.await_promptness(REPEAT)
    until(lambda: scene.in_a_row() >= 4, "four pictures, none of which is skipped")
    scene.check()


@in_each_cell
def test_silence(show: Show) -> None:
    """A camera that falls silent for three heartbeats and more, and comes back."""
    scene = show(15, heartbeat_interval=0.5)
    scene.camera.mood = Mood.SILENT
    scene.await_state("stalled")
    number = number_in(decode(ask(scene.daemon, "/api/robot/snapshot").body))
    until(lambda: scene.onlooker.number == number, "the newest is on the screen")
    goal = scene.viewer["heartbeats"] + 3
    until(lambda: scene.viewer["heartbeats"] >= goal, "three heartbeats")
    assert scene.onlooker.number == number
    scene.camera.mood = Mood.SENDING
    scene.await_pictures(10)
    scene.check()


@in_each_cell
def test_heartbeats_between(show: Show) -> None:
    """2 pictures a second, and more heartbeats than pictures."""
    scene = show(2, heartbeat_interval=0.1)
    scene.await_pictures(4)
    scene.await_promptness(REPEAT)
    scene.check()
    assert scene.viewer["heartbeats"] > scene.viewer["frames"]


@in_each_cell
def test_new_size(show: Show) -> None:
    """A camera that starts again with larger pictures, and then with smaller ones."""
    scene = show(15)
    for square in (80, 40):
        scene.camera.mood = Mood.GONE
        scene.await_state("offline")
        scene.camera.draw = partial(draw, square=square)
        scene.camera.mood = Mood.SENDING
        scene.await_square(square)
        scene.await_pictures(5)
    scene.check()


def test_new_size_sends_only_whole_pictures(start: Start) -> None:
    """While the size changes, every part that a viewer gets is a numbered picture."""
    with http_camera(15) as camera:
        daemon = start({"robot": {"source": camera.address, "camera_timeout": 1.5}})
        with watching(daemon) as (watcher,):
            for square in (80, 40):
                camera.mood = Mood.GONE
                until(lambda: stats(daemon)["state"] == "offline", "it is offline")
                camera.draw = partial(draw, square=square)
                camera.mood = Mood.SENDING
                count = len(watcher.frames()) + 5
                until(partial(has_frames, watcher, count), "five more pictures")
    assert {square_of(part.jpeg) for part in watcher.seen} == {SQUARE, 80, 40}


def has_frames(watcher: Watcher, count: int) -> bool:
    """Return whether a watcher has had so many pictures."""
    return len(watcher.frames()) >= count


def square_of(jpeg: bytes) -> int:
    """Return the pixels that the side of a square has in a numbered picture.

    :raises AssertionError: when the JPEG cannot be decoded or carries no number.
    """
    picture = decode(jpeg)
    square = picture.shape[1] // COLUMNS
    number_in(picture, square)
    return square


@pytest.mark.parametrize("shape", ["img"])
@pytest.mark.parametrize("browser", ["chromium", "webkit"])
def test_plain_form_needs_the_repeat(show: Show) -> None:
    """In the form for programs a picture is late by the repeat, as these tests see."""
    scene = show(1, query="&wire=plain")
    scene.await_pictures(3)
    scene.check()
    until(lambda: median(scene.delays()) < REPEAT + SOON, "half are late by it alone")
    assert min(scene.delays()) > REPEAT


@pytest.mark.parametrize("shape", ["img"])
@pytest.mark.parametrize(
    ("browser", "seconds"),
    [
        ("chromium", PATIENCE),
        ("firefox", PATIENCE),
        pytest.param("webkit", GRACE, marks=never_cancels),
    ],
)
def test_empty_src_ends_the_stream(show: Show, seconds: float) -> None:
    """A page that empties img.src is no longer a viewer."""
    scene = show(15, page=CLEARED)
    until(lambda: not stats(scene.daemon)["clients"], "nobody watches", seconds)


@pytest.mark.parametrize("shape", ["img"])
@pytest.mark.parametrize("browser", BROWSERS)
def test_removed_frame_ends_the_stream(show: Show) -> None:
    """A page that removes the <iframe> around the <img> is no longer a viewer."""
    scene = show(15, page=FRAMED)
    until(lambda: not stats(scene.daemon)["clients"], "nobody watches")
