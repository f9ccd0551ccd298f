"""
The newest picture of a camera that goes at its own pace.

What such a camera sends while nobody reads is kept by the driver or the network, oldest
first. To tell when all of that was thrown away, by how long a grab takes, fails where
grabs decode: of a stream of 1080p over HTTP, read three times a second, pictures came
0.4 s to 1.5 s late (measured). So a thread takes every picture the moment it comes.
"""

from __future__ import annotations

from threading import Condition, Thread

from camd.sources import Clock, Shot, SourceError
from camd.sources.opencv import Capture, retrieve


class Pump:
    """
    Takes every picture from a capture as it comes, and makes pixels of one when asked.

    Its thread is a daemon: a camera that hangs must not hold up the end of the process.

    :param capture: what is open; from now on the pump's own, which also releases it.
    :param name: of the source, for errors; shows no password.
    """

    def __init__(self, capture: Capture, clock: Clock, name: str) -> None:
        self._capture = capture
        self._clock = clock
        self._name = name
        self._turn = Condition()
        self._wanted = False
        self._stopped = False
        self._shot: Shot | None = None
        self._failure: SourceError | None = None
        self._thread = Thread(target=self._run, name=f"pump {name}", daemon=True)
        self._thread.start()

    def read(self) -> Shot:
        """
        Wait for the next picture to come from the camera.

        :raises SourceError: when none came, now or since the last call.
        """
        with self._turn:
            self._wanted = True
            self._turn.wait_for(lambda: self._shot or self._failure)
            shot, self._shot = self._shot, None
        if shot is None:
            raise self._failure or SourceError(f"{self._name} is not open")
        return shot

    def release(self) -> None:
        """Let the camera go; waits for the grab that is under way."""
        self._stopped = True
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopped:
                self._take()
            self._tell(failure=SourceError(f"{self._name} is not open"))
        except SourceError as error:
            self._tell(failure=error)
        # Whatever it is, a reader that is waiting must not wait for ever.
        except Exception as error:
            self._tell(failure=SourceError(f"{self._name}: {error!r}"))
        finally:
            self._capture.release()

    def _take(self) -> None:
        asked = self._clock()
        if not self._capture.grab():
            raise SourceError(f"{self._name}: {_silence(self._clock() - asked)}")
        captured = self._clock()
        if self._wanted:
            self._tell(shot=Shot(retrieve(self._capture, self._name), captured))

    def _tell(
        self, shot: Shot | None = None, failure: SourceError | None = None
    ) -> None:
        with self._turn:
            self._wanted = False
            self._shot = shot
            self._failure = failure
            self._turn.notify_all()


def _silence(seconds: float) -> str:
    if seconds < 1:
        return "it gives no pictures any more; was it unplugged, or did it end?"
    return f"no picture came within {seconds:.0f} s"
