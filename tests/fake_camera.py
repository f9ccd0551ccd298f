"""A clock and a camera with which sources are tested: no waiting, no hardware."""

from __future__ import annotations

from collections.abc import Sequence
from queue import SimpleQueue
from threading import Event
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

PATIENCE = 10.0
"""Seconds after which a test that waits for another thread gives up and fails."""


class FakeTime:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        """The time in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.slept.append(seconds)
        self.now += seconds


class FakeCapture:
    """What OpenCV makes of a camera or a file.

    Its pictures are numbered from 1, and all pixels of number n are n % 256. A grab
    takes ``grabbing`` seconds. Where ``buffer`` is set, it is every picture,
    unconverted.
    """

    def __init__(self, time: FakeTime, fps: float = 30) -> None:
        self.time = time
        self.fps = fps
        self.grabbing = 0.0001
        self.opened = True
        self.plugged = True
        self.decodes: bool | Exception = True
        self.buffer: bytes | None = None
        self.told: dict[int, float] = {
            cv2.CAP_PROP_FRAME_WIDTH: 64,
            cv2.CAP_PROP_FRAME_HEIGHT: 48,
            cv2.CAP_PROP_FPS: fps,
            cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*"YUYV"),
        }
        self.released = 0
        self.retrieved = 0
        self.number = 0

    def isOpened(self) -> bool:
        """As it was set up."""
        return self.opened

    def grab(self) -> bool:
        """Take the next picture, unless it is unplugged."""
        self.time.now += self.grabbing
        self.number += self.plugged
        return self.plugged

    def retrieve(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
        """The picture grabbed last."""
        self.retrieved += 1
        if isinstance(self.decodes, Exception):
            raise self.decodes
        if not self.decodes:
            return False, None
        if self.buffer is not None:
            # As OpenCV gives what it was told not to convert: one row.
            return True, np.frombuffer(self.buffer, np.uint8).reshape(1, -1)
        return True, np.full((48, 64, 3), self.number % 256, np.uint8)

    def get(self, propId: int, /) -> float:
        """What is told of the property."""
        return self.told.get(propId, 0.0)

    def set(self, propId: int, value: float, /) -> bool:
        """Change nothing, and say that all is well, as OpenCV does."""
        return True

    def release(self) -> None:
        """Count it."""
        self.released += 1


class LiveCapture(FakeCapture):
    """A camera whose pictures come when the test says so, one interval after the other.

    Its driver keeps what was not grabbed yet, oldest first.
    """

    def __init__(self, time: FakeTime, fps: float = 30, waiting: int = 0) -> None:
        super().__init__(time, fps)
        self.sent = 0
        self._queue: SimpleQueue[int | None] = SimpleQueue()
        self._drained = Event()
        for _ in range(waiting):
            self._send()

    def send(self) -> None:
        """Let an interval pass and a picture come, and wait until it was grabbed."""
        self._drained.wait(PATIENCE)
        self._drained.clear()
        self.time.now += 1 / self.fps
        self._send()
        assert self._drained.wait(PATIENCE)

    def drained(self) -> None:
        """Wait until all that was sent was grabbed, and the next is waited for."""
        assert self._drained.wait(PATIENCE)

    def unplug(self) -> None:
        """Make the grab that waits, and all that follow, fail."""
        self.plugged = False
        self._queue.put(None)

    def grab(self) -> bool:
        """Take the oldest picture that waits, or wait for the next one."""
        if self._queue.empty():
            self._drained.set()
        number = self._queue.get(timeout=PATIENCE) if self.plugged else None
        self.number = number or self.number
        return number is not None

    def _send(self) -> None:
        self.sent += 1
        self._queue.put(self.sent)


class FakeOpener:
    """Hands out captures in turn, the last one for ever; notes what was asked."""

    def __init__(self, *captures: FakeCapture) -> None:
        self.captures = list(captures)
        self.calls: list[tuple[str, int, dict[int, int]]] = []

    def __call__(self, address: str, backend: int, parameters: Sequence[int]) -> Any:
        keys, values = parameters[::2], parameters[1::2]
        self.calls.append((address, backend, dict(zip(keys, values, strict=True))))
        return self.captures.pop(0) if len(self.captures) > 1 else self.captures[0]


def never_asked(_: str) -> str:
    """A diagnosis that must not be needed."""
    raise AssertionError("nothing failed")
