"""A virtual screen for a program with windows, and the camera's picture on it.

The pixels are read from the X server's memory. No browser is asked, so none can show
one thing and report another, and all browsers are observed in the same way.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from threading import Event, Thread

import numpy as np

from e2e.camera import COLUMNS, ROWS, number_in
from e2e.video import Pixels
from e2e.waiting import PATIENCE

WIDTH, HEIGHT = 1024, 768
"""Pixels; MiniBrowser's window has this width, whatever it is told."""

GRAIN = 4
"""Only each fourth pixel of each fourth row is read: the squares are far larger, and a
look takes a sixteenth of the time."""

COLOURED = 50
"""The least difference between blue and red in a pixel of the picture, which is drawn
with 100. Everything around it is grey."""

NARROW = 0.12
"""Share of the screen's width or height that the picture has at least: the smallest is
160 by 120 pixels large, 0.156 of both, and its edges are less coloured."""

PAUSE = 0.01
"""Seconds between two looks; a picture of a 15 fps camera stands for 67 ms."""

REPAINT = 0.25
"""Seconds for which no whole picture may be on the screen. A browser that repaints, as
Firefox does for a picture of another size, is seen half-way through on a loaded machine
(two looks 10 ms apart, once in five runs). A picture that cannot be shown leaves the
screen blank for good, or until the next one."""


class Screen:
    """A virtual X server.

    :ivar display: its name, for the environment variable ``DISPLAY``.

    :param memory: the file, in the format of xwd, that holds what is on the screen.
    """

    def __init__(self, display: str, memory: Path) -> None:
        self.display = display
        # Of the 25 words at the beginning: the header's size, bytes a row, colours.
        words = struct.unpack(">25I", memory.read_bytes()[:100])
        offset, row, colours = words[0], words[12], words[19]
        shape = (HEIGHT, row // 4, 4)
        pixels = np.memmap(memory, np.uint8, "r", offset + 12 * colours, shape)
        self._pixels = pixels[::GRAIN, :WIDTH:GRAIN, :3]

    def look(self) -> Pixels:
        """Return what is on it, reduced by :data:`GRAIN`."""
        return np.array(self._pixels)


@contextmanager
def screen() -> Iterator[Screen]:
    """Run a screen of :data:`WIDTH` by :data:`HEIGHT` pixels, black at first."""
    with tempfile.TemporaryDirectory() as folder, _x_server(folder) as display:
        yield Screen(f":{display}", Path(folder, "Xvfb_screen0"))


@contextmanager
def _x_server(folder: str) -> Iterator[int]:
    reading, writing = os.pipe()
    size = ("-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", folder)
    # It picks a free display, and says which once it is ready.
    command = ["Xvfb", "-displayfd", str(writing), "-nolisten", "tcp", "-nocursor"]
    with (
        os.fdopen(reading) as told,
        subprocess.Popen(
            [*command, *size], pass_fds=[writing], stderr=subprocess.DEVNULL
        ) as server,
    ):
        os.close(writing)
        try:
            assert select.select([told], [], [], PATIENCE)[0], "Xvfb does not start"
            yield int(told.readline())
        finally:
            server.terminate()


@dataclass(frozen=True, slots=True)
class Glance:
    """What was on the screen at one moment.

    :ivar moment: on the monotonic clock.
    :ivar number: the picture on the screen; None when there was none, or no whole one.
    :ivar square: pixels that the side of one of its squares had.
    """

    moment: float
    number: int | None
    square: int


class Onlooker(Thread):
    """Watches a screen all the time, and records what is on it.

    :ivar glances: all since the first picture. Only ever grows.
    """

    def __init__(self, screen: Screen) -> None:
        super().__init__(daemon=True)
        self.glances: list[Glance] = []
        self._screen = screen
        self._stopped = Event()

    def run(self) -> None:
        """Watch until stopped."""
        before = self._screen.look()
        while not self._stopped.wait(PAUSE):
            now = self._screen.look()
            self._note(now, still=np.array_equal(before, now))
            before = now

    def _note(self, seen: Pixels, still: bool) -> None:
        moment, picture = time.monotonic(), coloured(seen)
        # A picture that is being drawn is half the old one: only still ones count.
        if picture is None or still:
            number = None if picture is None else _number(picture)
            square = 0 if picture is None else picture.shape[1] * GRAIN // COLUMNS
            if self.glances or number is not None:
                self.glances.append(Glance(moment, number, square))

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        self.join(PATIENCE)

    @property
    def number(self) -> int:
        """The picture that is on the screen, or was until it began to be repainted.

        :raises AssertionError: when there is none, for longer than a repaint takes.
        """
        glances = list(self.glances)
        blank = list(takewhile(lambda seen: seen.number is None, reversed(glances)))
        assert lasted(blank) < REPAINT, "there is no whole picture on the screen"
        number = glances[-1 - len(blank)].number
        assert number is not None
        return number

    @property
    def square(self) -> int:
        """Pixels that the side of a square of it has; 0 when there is no picture."""
        return self.glances[-1].square


def lasted(glances: Sequence[Glance]) -> float:
    """Return the seconds between the first and the last of some glances in a row.

    What was on the screen between them and the ones around, nobody has seen.
    """
    moments = [glance.moment for glance in glances]
    return max(moments) - min(moments) if moments else 0.0


@contextmanager
def looking_at(screen: Screen) -> Iterator[Onlooker]:
    """Watch a screen on which a camera's pictures will be."""
    onlooker = Onlooker(screen)
    onlooker.start()
    try:
        yield onlooker
    finally:
        onlooker.stop()


def coloured(seen: Pixels) -> Pixels | None:
    """Cut out the coloured part; None when everything is grey.

    What is narrower than :data:`NARROW` is a word or a line of a page.
    """
    blue, red = seen[..., 0].astype(np.int16), seen[..., 2]
    mask = abs(blue - red) > COLOURED
    rows, columns = (np.flatnonzero(mask.mean(axis=axis) > NARROW) for axis in (1, 0))
    if not rows.size or not columns.size:
        return None
    return seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _number(picture: Pixels) -> int | None:
    square = picture.shape[1] // COLUMNS
    # One that is scaled to fit a page may have a pixel more.
    height = picture.shape[0] if picture.shape[0] > ROWS * square + 1 else ROWS * square
    with suppress(AssertionError):
        return number_in(picture[:height, : COLUMNS * square], square)
    return None
