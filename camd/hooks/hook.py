"""One camera's hook: what happened to it, told one event at a time.

Nothing waits for a hook: events queue here, and when there are too many, the oldest
goes.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from camd.capture.health import State
from camd.stats import CameraStats

BACKLOG = 16
"""Events that wait while another one is told."""

TIMEOUT = 10.0
"""Seconds that it may take to tell one."""

TOLD = frozenset({State.LIVE, State.STALLED, State.OFFLINE})
"""The states that are told of."""

Call = Callable[[str, bytes, str, bytes | None], Deferred[None]]
"""Calls a command or an address, as :func:`camd.hooks.call.call_hook`."""


class HookError(Exception):
    """A hook failed; its text is one line for people, without a secret."""


class Hook:
    """Tells what happens to a camera.

    :ivar target: a command or an address; empty to tell nobody.
    :ivar secret: what is posted is signed with it; None for nothing.

    :param camera: its name.
    :param wall: returns Unix seconds.
    """

    _log = Logger()

    def __init__(
        self,
        camera: str,
        target: str,
        call: Call,
        stats: CameraStats,
        clock: IReactorTime,
        wall: Callable[[], float],
    ) -> None:
        self.target = target
        self.secret: bytes | None = None
        self._camera = camera
        self._call = call
        self._stats = stats
        self._clock = clock
        self._wall = wall
        self._waiting: deque[dict[str, object]] = deque()
        self._under_way: Deferred[None] | None = None
        self._is_stopped = False
        self._state = State.STARTING
        self._said = ""

    def changed(self, state: State, why: str) -> None:
        """Tell that the camera's state is another one, if it is one that matters."""
        # A camera that is opened again for other settings was live all the time.
        if state in TOLD and state is not self._state:
            self._state = state
            self._tell(state.value, why=why)

    def viewers(self, before: int, now: int) -> None:
        """Tell that the first viewer came, or that the last one left."""
        if now and not before:
            self._tell("first_viewer", viewers=now)
        elif before and not now:
            self._tell("last_viewer", viewers=0)

    def stop(self) -> None:
        """Tell nothing more, and end what is under way."""
        self._is_stopped = True
        self._waiting.clear()
        if self._under_way is not None:
            self._under_way.cancel()

    def _tell(self, event: str, **more: object) -> None:
        if not self.target or self._is_stopped:
            return
        if len(self._waiting) >= BACKLOG:
            self._waiting.popleft()
            self._stats.hooks_dropped += 1
        self._waiting.append(
            {"event": event, "camera": self._camera, "time": self._wall(), **more}
        )
        if self._under_way is None:
            self._tell_next()

    def _tell_next(self) -> None:
        if not self._waiting or not self.target:
            self._waiting.clear()
            return
        event = self._waiting.popleft()
        body = json.dumps(event).encode()
        told = self._under_way = self._call(
            self.target, body, str(event["event"]), self.secret
        )
        told.addTimeout(TIMEOUT, self._clock)
        told.addCallbacks(self._succeeded, self._failed)
        told.addErrback(lambda f: self._log.failure("A hook could not be called", f))
        # In another turn: many that fail at once are no recursion.
        told.addCallback(lambda _: self._clock.callLater(0, self._go_on))

    def _go_on(self) -> None:
        self._under_way = None
        self._tell_next()

    def _succeeded(self, _: object) -> None:
        self._stats.hooks_called += 1
        self._said = ""

    def _failed(self, failure: Failure) -> None:
        if self._is_stopped and failure.check(CancelledError):
            return
        self._stats.hooks_called += 1
        self._stats.hooks_failed += 1
        if failure.check(HookError):
            reason = failure.getErrorMessage()
        elif failure.check(TimeoutError):
            reason = f"it took more than {TIMEOUT:.0f} s"
        else:
            self._log.failure(
                "Camera {camera}: on_event failed", failure, camera=self._camera
            )
            return
        if reason != self._said:
            self._said = reason
            self._log.warn(
                "Camera {camera}: on_event failed: {reason}",
                camera=self._camera,
                reason=reason,
            )
