"""A folder's JPEGs as a film that is shown out of memory, on the reactor.

What is in memory does not block, so no thread is woken up for a picture. It is read,
and the folder looked after, in a thread that tells the reactor one thing: that the
folder is no such film any more. Then it is pulled, as any source that blocks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall

from camd.formats.jpeg import Whole
from camd.periodic import cancel
from camd.sources import Receiver, Sleep, SourceError
from camd.sources.folder import Folder

LOOK = 0.5
"""Seconds between two looks at the folder: what comes into it is shown that much later,
once. Then it is a camera, which is looked for as often as it has pictures."""

SURPLUS = 1e-6
"""Share of an interval that a rate may be too low by, as both are rounded."""


class Film:
    """Shows a folder's pictures in order of name, over and over; a ``PushSource``.

    A folder that was fed, whose pictures are not all whole, or are more than are kept
    in memory, is left to :class:`~camd.sources.folder.Folder`.

    :param name: what the camera is called, for its thread.
    :param folder: reads the pictures, closed.
    :param fps: the film's rate.
    :param sleep: makes the thread wait.
    """

    def __init__(
        self,
        name: str,
        folder: Folder,
        fps: float,
        reactor: Any,
        sleep: Sleep = time.sleep,
    ) -> None:
        self._name = name
        self._folder = folder
        self._fps = self._wanted_fps = fps
        self._reactor = reactor
        self._sleep = sleep
        self._receiver: Receiver | None = None
        self._pictures: Sequence[Whole] = ()
        self._began = 0.0
        # Of the picture shown last.
        self._number = -1
        self._next: IDelayedCall | None = None
        # Set when the thread is to end.
        self._stopped = Event()

    def start(self, receiver: Receiver, fps: float) -> None:
        """Have the pictures read, and show them from then on."""
        self._receiver = receiver
        self._wanted_fps = fps
        stopped = self._stopped = Event()

        def tell(what: Callable[[Receiver], None]) -> None:
            def told() -> None:
                if self._receiver is not None and stopped is self._stopped:
                    what(self._receiver)

            self._reactor.callFromThread(told)

        # Nobody joins it: a file server may be silent for ever.
        Thread(
            target=_look_after,
            args=(self._folder, stopped, self._sleep, self._begin, tell),
            name=f"film {self._name}",
            daemon=True,
        ).start()

    def set_rate(self, fps: float) -> None:
        """Leave pictures out from now on, if so many are not wanted."""
        self._wanted_fps = fps
        if self._next is not None:
            self._next.cancel()
            self._plan()

    def why_silent(self, seconds: float) -> SourceError:
        """Return the error to tell while the pictures are still being read."""
        return SourceError(f"{self._folder.path}: not read within {seconds:.1f} s")

    def stop(self) -> Deferred[None]:
        """Show no more, and wait for nothing."""
        self._stopped.set()
        self._receiver, self._pictures = None, ()
        cancel(self._next)
        self._next = None
        return succeed(None)

    def _begin(self, receiver: Receiver, pictures: Sequence[Whole]) -> None:
        self._pictures = pictures
        self._began, self._number = self._reactor.seconds(), -1
        receiver.opened("JPEG", self._fps)
        self._show()

    def _show(self) -> None:
        """Show the newest picture that is due, and plan the next one."""
        now = self._reactor.seconds()
        # The sum and the product may round apart by one picture.
        newest = int((now - self._began) * self._fps)
        self._number = number = max(newest, self._number + 1)
        picture = self._pictures[number % len(self._pictures)]
        captured = min(self._began + number / self._fps, now)
        self._plan()
        if self._receiver is not None:
            self._receiver.picture(picture.jpeg, captured, size=picture.size)

    def _plan(self) -> None:
        """Have the next picture shown that the rate allows."""
        step = max(1, math.ceil(self._fps / self._wanted_fps - SURPLUS))
        due = self._began + (self._number + step) / self._fps
        delay = max(0.0, due - self._reactor.seconds())
        self._next = self._reactor.callLater(delay, self._show)


def _look_after(
    folder: Folder,
    stopped: Event,
    sleep: Sleep,
    begin: Callable[[Receiver, Sequence[Whole]], None],
    tell: Callable[[Callable[[Receiver], None]], None],
) -> None:
    """Read a folder, and look at it again and again until it is no film any more.

    :param stopped: set when that does not matter any more.
    :param begin: is called with the pictures, on the reactor.
    :param tell: calls something on the reactor with the receiver.
    """
    try:
        pictures = folder.film()
    except SourceError as error:
        failure = error
        tell(lambda to: to.failed(failure))
        return
    if pictures:
        tell(lambda to: begin(to, pictures))
        while folder.is_unchanged():
            sleep(LOOK)
            if stopped.is_set():
                return
    tell(lambda to: to.fall_back(lambda: folder))
