"""What viewers see while a camera gives no pictures.

At first its last picture, which the heartbeat repeats. After ``offline_after``, or at
once where there is no last picture, something that nobody can take for a live one: a
placeholder once a second, drawn in a thread that is not the camera's; or the streams
end. It counts from the last good picture, whatever the camera has done since.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.capture.health import Health, State
from camd.config.settings import CameraSettings
from camd.delivery.fanout import FanOut
from camd.formats.jpeg import Size, measure
from camd.frame import Frame
from camd.periodic import PeriodicCall

EVERY = 1.0
"""Seconds between two placeholders: often enough for their count-down, and for clients
that show a picture only when another one comes."""

EARLY = 0.1
"""Share of an interval that timers may fire early by."""

DAY = 24 * 3600
"""Seconds after which the time of day alone says too little."""

Draw = Callable[[Sequence[str], Size], Deferred[bytes]]
"""Makes a JPEG of lines of text, of about that size, without blocking."""


class OfflinePicture:
    """
    Shows the viewers of a camera what it shows in place of pictures.

    :param health: what is known of the camera.
    :param cache: the newest frame, and those who watch.
    :param publish: takes each placeholder, as if it were a frame.
    :param wall: gives Unix seconds.
    """

    _log = Logger()

    def __init__(
        self,
        settings: CameraSettings,
        health: Health,
        cache: FanOut,
        draw: Draw,
        publish: Callable[[Frame], None],
        clock: IReactorTime,
        wall: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._health = health
        self._cache = cache
        self._draw = draw
        self._publish = publish
        self._clock = clock
        self._wall = wall
        self._size: Size | None = None
        self._last: Frame | None = None
        self._waiting: list[Deferred[Frame]] = []
        self._drawing = self._failed = False
        self._loop = PeriodicCall(self.look, clock)

    def start(self) -> None:
        """Look from now on, once a second, what is to be shown."""
        self._loop.start(EVERY, now=False)

    def stop(self) -> None:
        """Leave no call behind."""
        self._loop.end()

    @property
    def closed(self) -> bool:
        """Whether streams end, and new ones are turned away."""
        return self._settings.offline_picture == "close" and self._is_over()

    def look(self) -> None:
        """Do what it is time for; also to be called when somebody comes."""
        if self.closed:
            self._cache.finish_streams("camera offline")
        elif self._cache and self._is_due():
            shown = self.picture()
            shown.addCallbacks(self._show, lambda _: None)
            shown.addErrback(lambda f: self._log.failure("A placeholder", f))

    def picture(self) -> Deferred[Frame]:
        """
        Give a placeholder that is no older than a second.

        :return: fails if it cannot be drawn; that has been logged.
        """
        asked: Deferred[Frame] = Deferred(self._forget)
        last, now = self._last, self._clock.seconds()
        self._waiting.append(asked)
        if last is not None and now - last.captured < (1 - EARLY) * EVERY:
            self._answer(last)
        elif not self._drawing:
            self._drawing = True
            drawn = self._draw(self._words(), self._stream_size())
            frame = drawn.addCallback(self._frame)
            frame.addErrback(self._not_drawn)
            frame.addBoth(self._answer)
        return asked

    def _forget(self, asked: Deferred[Frame]) -> None:
        """Answer this one no more: it was cancelled."""
        self._waiting.remove(asked)

    def _frame(self, jpeg: bytes) -> Frame:
        health, now = self._health, self._clock.seconds()
        # No client is to take it for new by its time: that is when the last true
        # picture came.
        timestamp = self._wall() - (now - self._since())
        size, state = measure(jpeg), health.state.value
        self._failed = False
        self._last = Frame(jpeg, 0, now, timestamp, size, state)
        return self._last

    def _not_drawn(self, failure: Failure) -> Failure:
        if not self._failed:
            self._failed = True
            self._log.failure(
                "Camera {camera}: no placeholder", failure, camera=self._settings.name
            )
        return failure

    def _answer(self, outcome: Frame | Failure) -> None:
        self._drawing = False
        waiting, self._waiting = self._waiting, []
        for asked in waiting:
            asked.callback(outcome)

    def _show(self, frame: Frame) -> None:
        # A true picture may have come while this one was drawn.
        if self._cache and self._is_due():
            self._publish(frame)

    def _is_due(self) -> bool:
        """Tell whether placeholders are to be shown now."""
        choice, newest = self._settings.offline_picture, self._cache.newest
        if choice == "close":
            return False
        if newest is None or newest.is_placeholder:
            return self._is_known() or self._is_overdue()
        return choice != "hold" and self._is_over()

    def _is_known(self) -> bool:
        """Tell whether the camera is known to be in trouble."""
        return self._health.lost_at is not None

    def _is_over(self) -> bool:
        """Tell whether the camera's last picture has been held long enough."""
        silence = self._clock.seconds() - self._since()
        return self._is_known() and silence >= self._settings.offline_after

    def _is_overdue(self) -> bool:
        """Tell whether those who wait for a first picture have to be sent something."""
        patience = self._settings.heartbeat_interval or math.inf
        return self._clock.seconds() - self._health.seen_at >= patience

    def _since(self) -> float:
        lost_at = self._health.lost_at
        return self._health.seen_at if lost_at is None else lost_at

    def _stream_size(self) -> Size:
        """Give the size of the pictures that viewers had, or else will have."""
        newest, expected = self._cache.newest, self._health.mode
        if newest is not None and not newest.is_placeholder:
            self._size = newest.size
        if self._size is None and expected is not None:
            return Size(expected.width, expected.height)
        return self._size or _asked_for(self._settings)

    def _words(self) -> Sequence[str]:
        now = self._wall()
        since = now - (self._clock.seconds() - self._since())
        # Those who watch need the date only where the hour could mislead them.
        form = "%H:%M:%S" if now - since < DAY else "%Y-%m-%d %H:%M"
        moment = time.strftime(form, time.localtime(since))
        words = "no signal" if self._is_known() else "waiting for a picture"
        return self._settings.name, f"{words} since {moment}", self._reason()

    def _reason(self) -> str:
        """
        Say in a few words what is wrong, and what comes next.

        Not the reason that the log has: that may name hosts and paths, and a stream may
        be shown to anybody.
        """
        health = self._health
        if health.state is not State.OFFLINE:
            return "it sends nothing" if self._is_known() else ""
        seconds = math.ceil(health.retry_in)
        then = f"trying again in {seconds} s" if seconds else "trying again now"
        return f"{self._what_is_wrong()}; {then}"

    def _what_is_wrong(self) -> str:
        if not self._health.missing:
            return "not available"
        return "not there" if self._health.mode is None else "unplugged"


def _asked_for(settings: CameraSettings) -> Size:
    """Give the size of pictures as the settings say it, turned as they say."""
    width, height = settings.camera_width, settings.camera_height
    return Size(height, width) if settings.rotate in (90, 270) else Size(width, height)
