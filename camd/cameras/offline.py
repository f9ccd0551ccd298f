"""What viewers see while a camera gives no pictures.

First the camera's last picture, which the heartbeat repeats. After ``offline_after``,
or at once where there is no last picture, something that nobody can take for a live
one: a placeholder once a second, drawn in a thread that is not the camera's; or the
streams end. The time counts from the last good picture, whatever the camera has done
since.
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

RELAYED_HOLDS = 3 * EVERY
"""Seconds for which another camd's placeholder is shown: it sends one each second."""

EARLY = 0.1
"""Share of an interval that timers may fire early by."""

DAY = 24 * 3600
"""Seconds after which the time of day alone says too little."""

Draw = Callable[[CameraSettings, Sequence[str], Size], Deferred[bytes]]
"""Draws a JPEG of lines of text, of about that size, without blocking."""


class OfflinePicture:
    """Publishes placeholders, or ends the streams, while a camera is offline.

    :param health: what is known of the camera.
    :param fan_out: the newest frame, and the viewers.
    :param publish: takes each placeholder as if it were a frame.
    :param wall: returns Unix seconds.
    """

    _log = Logger()

    def __init__(
        self,
        settings: CameraSettings,
        health: Health,
        fan_out: FanOut,
        draw: Draw,
        publish: Callable[[Frame], None],
        clock: IReactorTime,
        wall: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._health = health
        self._fan_out = fan_out
        self._draw = draw
        self._publish = publish
        self._clock = clock
        self._wall = wall
        self._size: Size | None = None
        self._last: Frame | None = None
        self._relayed: Frame | None = None
        self._waiting: list[Deferred[Frame]] = []
        self._is_drawing = self._has_failed = False
        self._loop = PeriodicCall(self.update, clock)

    def start(self) -> None:
        """Update once a second from now on."""
        self._loop.start(EVERY, now=False)

    def stop(self) -> None:
        """Leave no call behind."""
        self._loop.end()

    def apply(self, settings: CameraSettings) -> None:
        """Go by these settings from now on."""
        self._settings = settings

    @property
    def closed(self) -> bool:
        """Whether streams end, and new ones are refused."""
        return self._settings.offline_picture == "close" and self._is_held_enough

    def relay(self, frame: Frame) -> None:
        """Show what another camd, that the pictures come from, shows in their place.

        Its words are nearer to the camera. As it was held back there for as long as the
        settings there say, it is not held back here again.

        :param frame: a placeholder, with that one's time and state.
        """
        self._relayed = frame
        self.update()

    def update(self) -> None:
        """Publish a placeholder or end the streams, if it is time for that.

        To be called when a viewer comes, too.
        """
        if self.closed:
            self._fan_out.finish_streams("camera offline")
        elif self._fan_out and self._is_due:
            shown = self.picture()
            shown.addCallbacks(self._show, lambda _: None)
            shown.addErrback(
                lambda f: self._log.failure("A placeholder could not be shown", f)
            )

    def _show(self, frame: Frame) -> None:
        # A true picture may have come while this one was drawn.
        if self._fan_out and self._is_due:
            self._publish(frame)

    @property
    def _is_due(self) -> bool:
        """Whether placeholders are to be shown now."""
        choice, newest = self._settings.offline_picture, self._fan_out.latest
        if choice == "close":
            return False
        if newest is not None and not newest.is_placeholder:
            is_shown_there = self._relayed_now is not None
            return choice != "hold" and (self._is_held_enough or is_shown_there)
        # There is no picture to hold. Viewers wait for one, at most until a heartbeat
        # would be due.
        patience = self._settings.heartbeat_interval or math.inf
        waited = self._clock.seconds() - self._health.seen_at
        return self._health.lost_at is not None or waited >= patience

    @property
    def _relayed_now(self) -> Frame | None:
        """Another camd's placeholder, if it still shows one."""
        relayed, health = self._relayed, self._health
        if relayed is None or health.state is State.LIVE:
            return None
        age = self._clock.seconds() - relayed.captured
        return relayed if age < RELAYED_HOLDS else None

    @property
    def _is_held_enough(self) -> bool:
        """Whether the last picture has been held for as long as the settings say."""
        silence = self._clock.seconds() - self._silent_since
        is_lost = self._health.lost_at is not None
        return is_lost and silence >= self._settings.offline_after

    @property
    def _silent_since(self) -> float:
        lost_at = self._health.lost_at
        return self._health.seen_at if lost_at is None else lost_at

    # ---- Drawing

    def picture(self) -> Deferred[Frame]:
        """Return a placeholder that is no older than a second.

        :return: fails if it cannot be drawn; that has been logged.
        """
        asked: Deferred[Frame] = Deferred(self._forget)
        last, now = self._last, self._clock.seconds()
        self._waiting.append(asked)
        relayed = self._relayed_now
        if relayed is not None and self._settings.offline_picture == "placeholder":
            self._answer(relayed)
        elif last is not None and now - last.captured < (1 - EARLY) * EVERY:
            self._answer(last)
        elif not self._is_drawing:
            self._is_drawing = True
            drawn = self._draw(self._settings, self._words(), self._stream_size())
            frame = drawn.addCallback(self._new_frame)
            frame.addErrback(self._not_drawn)
            frame.addBoth(self._answer)
        return asked

    def _forget(self, asked: Deferred[Frame]) -> None:
        self._waiting.remove(asked)  # It was cancelled.

    def _new_frame(self, jpeg: bytes) -> Frame:
        now = self._clock.seconds()
        # No client is to take it for new by its time: that is when the last true
        # picture came.
        timestamp = self._wall() - (now - self._silent_since)
        size, state = measure(jpeg), self._health.state.value
        if (relayed := self._relayed_now) is not None:
            timestamp, state = relayed.timestamp, relayed.state
        self._has_failed = False
        self._last = Frame(jpeg, 0, now, timestamp, size, state)
        return self._last

    def _not_drawn(self, failure: Failure) -> Failure:
        if not self._has_failed:
            self._has_failed = True
            self._log.failure(
                "Camera {camera}: a placeholder could not be drawn",
                failure,
                camera=self._settings.name,
            )
        return failure

    def _answer(self, outcome: Frame | Failure) -> None:
        self._is_drawing = False
        waiting, self._waiting = self._waiting, []
        for asked in waiting:
            asked.callback(outcome)

    def _stream_size(self) -> Size:
        """Return the size of the pictures that viewers had, or else will have."""
        settings, newest = self._settings, self._fan_out.newest
        if newest is not None and not newest.is_placeholder:
            self._size = newest.size
        if self._size is not None:
            return self._size
        expected = self._health.mode
        if expected is not None:
            return Size(expected.width, expected.height)
        width, height = settings.camera_width, settings.camera_height
        is_turned = settings.rotate in (90, 270)
        return Size(height, width) if is_turned else Size(width, height)

    def _words(self) -> Sequence[str]:
        """Return the name, since when there is no picture, and what comes next.

        Not the reason that the log has: that may name hosts and paths, and a stream may
        be shown to anybody.
        """
        health, now = self._health, self._wall()
        since = now - (self._clock.seconds() - self._silent_since)
        # Viewers need the date only where the hour could mislead them.
        form = "%H:%M:%S" if now - since < DAY else "%Y-%m-%d %H:%M"
        moment = time.strftime(form, time.localtime(since))
        is_lost = health.lost_at is not None
        what = "no signal" if is_lost else "waiting for a picture"
        if health.waits:
            reason = "nobody sends pictures"
        elif health.state is State.OFFLINE:
            if not health.missing:
                reason = "not available"
            else:
                reason = "not there" if health.mode is None else "unplugged"
            seconds = math.ceil(health.retry_in)
            reason += f"; trying again {f'in {seconds} s' if seconds else 'now'}"
        else:
            reason = "it sends nothing" if is_lost else ""
        return self._settings.name, f"{what} since {moment}", reason
