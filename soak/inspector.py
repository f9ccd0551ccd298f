"""A viewer that looks at each picture: is it as new as it is said to be?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.camera import HttpCamera, number_in
from e2e.client import Watcher
from e2e.video import decode

if TYPE_CHECKING:
    from e2e.client import Seen
    from e2e.daemon import Daemon


class Inspector:
    """Watches ``robot``, and reads from each new frame which of the camera's it shows.

    :ivar oldest: seconds that the oldest picture had which came as a new frame.
    :ivar frames: how many new frames it saw.
    """

    def __init__(self, daemon: Daemon, camera: HttpCamera) -> None:
        self.oldest = 0.0
        self.frames = 0
        self._camera = camera
        # Placeholders have 0, and are not asked for their age.
        self._last = 0
        self._watcher = Watcher(daemon)
        self._watcher.start()

    def look(self) -> None:
        """Look at what has come since the last time, and keep none of it."""
        seen = self._watcher.seen
        for _ in range(len(seen)):
            self._look_at(seen.pop(0))

    def _look_at(self, seen: Seen) -> None:
        if seen.number > self._last:
            # The first one may be old: it is the last that the camera gave.
            if self._last:
                self.frames += 1
                self.oldest = max(self.oldest, self._age(seen))
            self._last = seen.number

    def _age(self, seen: Seen) -> float:
        number = number_in(decode(seen.jpeg))
        return seen.moment - self._camera.sent[number]

    def stop(self) -> str | None:
        """Hang up; give what ended the stream before, None for nothing."""
        trouble = self._watcher.trouble
        alive = self._watcher.is_alive()
        self._watcher.stop()
        return None if alive else f"robot/stream: {trouble or 'the stream ended'}"
