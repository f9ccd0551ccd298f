"""The newest picture of a camera that goes at its own pace.

What such a camera sends while nobody reads is kept by the driver or the network, oldest
first. How long a grab takes does not say whether all of that has been dropped, as grabs
decode: of a stream of 1080p over HTTP, read three times a second, pictures came 0.4 s
to 1.5 s late (measured). So a thread takes every picture the moment it comes: the
camera's own where a picture is soon done with, as a device's JPEG is, and another one
where it must be encoded or redrawn first.

Any may be the last one ahead of a silence. Where a capture must not be asked for it any
more, since the grab that waits in the silence has begun, each is taken out, wanted or
not. A device is asked first whether its next picture comes (``waitAny``): one that
exceeds the stream's rate goes back to the driver as it is then.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread
from typing import TypeAlias

from camd.sources import Clock, Image, RawFrame, SourceError
from camd.sources.due import ANY, NEAR, Due
from camd.sources.opencv import Capture, comes_within, retrieve

Content: TypeAlias = "Callable[[Capture, str], bytes | Image]"
"""Takes the picture that was grabbed last out of a capture; the name is for the
error."""

Stamp: TypeAlias = Callable[[float], float]
"""When a picture was taken that came at this moment, on the same clock."""

Comes: TypeAlias = Callable[[Capture, float], bool | None]
"""Whether the next picture comes within so many seconds; None where something is
wrong."""

OVERDUE = 1.5
"""Intervals of the camera after which the next picture is no longer waited for."""

FIRST_GAP, LONGEST_GAP = 0.1, 1.0
"""Seconds between two pictures, as long as there was only one; and the most that is
believed, as the camera may have been silent in between."""

LEAST_WAIT = 0.02
"""Seconds between two looks at a silent camera whose last picture nobody has had."""


def on_arrival(now: float) -> float:
    """Return the moment of arrival as that of the picture."""
    return now


class Pump:
    """Takes a capture's pictures as they come, in the thread that reads them.

    Where nobody reads, that thread takes them all the same (:meth:`take`). So one
    thread is woken up for a picture, once; with another one in between there are four
    wake-ups.

    :param capture: what is open; from now on the pump's own, which also releases it.
    :param name: of the source, for errors; shows no password.
    :param comes: waits for the next picture without a grab; None where that cannot be
        done, and each picture is taken out.
    """

    def __init__(
        self,
        capture: Capture,
        clock: Clock,
        name: str,
        content: Content = retrieve,
        stamp: Stamp = on_arrival,
        comes: Comes | None = comes_within,
    ) -> None:
        self._capture = capture
        self._clock = clock
        self._name = name
        self._content = content
        self._stamp = stamp
        self._comes = comes
        self._shot: RawFrame | None = None
        # Not the error itself: with its traceback it would keep the last picture.
        self._failure: str | None = None
        # When the last picture came, and how long after the one before.
        self._came: float | None = None
        self._gap = FIRST_GAP
        # Whether the picture taken last is not due, and no other one came.
        self._is_left = False

    def read(self, due: Due = ANY) -> RawFrame:
        """Return the picture that was taken last, or wait for the one that is due.

        :raises SourceError: when there is none, and none comes.
        """
        shot, self._shot = self._shot, None
        if shot is not None:
            return shot
        if self._failure is None:
            # Not by :meth:`take`: each call here costs 10 µs with one viewer, as it has
            # left the processor's caches since the last picture (measured).
            try:
                return self._next(due)
            except Exception as error:
                self._failed(error)
        raise SourceError(self._failure or "")

    def take(self) -> bool:
        """Wait for the next picture, and take it.

        While nobody has had the last one, that is until the next one is overdue.

        :return: False when none comes any more.
        """
        if self._failure is not None:
            return False
        try:
            if self._shot is not None and self._comes is not None:
                patience = max(self._until_overdue(), LEAST_WAIT)
                if self._comes(self._capture, patience) is False:
                    return True
            self._shot = self._next(ANY)
        # Whatever it is, the thread must live on, and the reader be told.
        except Exception as error:
            self._failed(error)
        return self._failure is None

    def release(self) -> None:
        """Release the camera."""
        self._fail(f"{self._name} is not open")

    def _failed(self, error: Exception) -> None:
        is_foreseen = isinstance(error, SourceError)
        self._fail(str(error) if is_foreseen else f"{self._name}: {error!r}")

    def _fail(self, failure: str) -> None:
        if self._failure is None:
            self._failure = failure
            self._capture.release()

    def _until_overdue(self) -> float:
        """Return the seconds until the next picture is overdue."""
        return max(0.0, OVERDUE * self._gap - (self._clock() - (self._came or 0.0)))

    def _next(self, due: Due) -> RawFrame:
        """Wait for the picture that is due, and return it.

        Where it is overdue, that is the last one ahead of it.
        """
        is_asked = self._is_left = False
        while True:
            asked = self._clock()
            if not self._capture.grab():
                raise SourceError(f"{self._name}: {_silence(self._clock() - asked)}")
            now = self._clock()
            if self._came is not None:
                self._gap = min(now - self._came, LONGEST_GAP)
            self._came = now
            captured = self._stamp(now)
            if self._comes is None or captured + NEAR * self._gap >= due.at:
                return RawFrame(self._content(self._capture, self._name), captured)
            # OpenCV grabs no other behind one that it was asked about, until that one
            # is taken out.
            content = self._content(self._capture, self._name) if is_asked else None
            patience = max(OVERDUE * self._gap, due.at - now)
            if not self._comes(self._capture, patience):
                if content is None:
                    content = self._content(self._capture, self._name)
                self._is_left = True
                return RawFrame(content, captured)
            is_asked = True


class ThreadedPump(Pump):
    """A pump with a thread of its own, for readers that take long over a picture.

    Its thread is a daemon: a camera that hangs must not hold up the end of the process.
    """

    def __init__(
        self,
        capture: Capture,
        clock: Clock,
        name: str,
        content: Content = retrieve,
        stamp: Stamp = on_arrival,
        comes: Comes | None = None,
    ) -> None:
        super().__init__(capture, clock, name, content, stamp, comes)
        self._turn = Condition()
        self._stopped = False
        # What the reader waits for, or has waited for last.
        self._due = ANY
        # Of the picture that was told last: when it came, and whether it will do
        # although it is not due.
        self._told: float | None = None
        self._will_do = False
        self._thread = Thread(target=self._run, name=f"pump {name}", daemon=True)
        self._thread.start()

    def read(self, due: Due = ANY) -> RawFrame:
        """Wait for the picture to come from the camera that is due.

        When it is overdue, the last one is returned if nobody had it yet.

        :raises SourceError: when there is none, and none comes.
        """
        with self._turn:
            self._due, kept = due, self._shot
            while self._failure is None and (
                self._shot is kept or not self._is_due(self._shot)
            ):
                last, left = self._shot, due.at - self._clock()
                patience: float | None = max(self._until_overdue(), left)
                if self._is_ahead:
                    # It is told of that one, or of the next.
                    patience = max(OVERDUE * self._gap, left)
                elif last is None:
                    # Nobody is woken up for those that are not due.
                    patience = left + self._gap if left + self._gap > 0 else None
                is_late = not self._turn.wait(patience) and self._shot is last
                if is_late and last is not None and not self._is_ahead:
                    break
            shot, self._shot = self._shot, None
        if shot is None:
            raise SourceError(self._failure or f"{self._name} is not open")
        return shot

    def take(self) -> bool:
        """Return False: its own thread takes them."""
        return False

    def release(self) -> None:
        """Release the camera, and wait for that.

        The grab under way must end first, or the device would be open still when it is
        opened again. That can take for ever, where the driver hangs: only for the
        camera's own thread, which can be left behind (``camd.capture.worker``).
        """
        self._stopped = True
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopped:
                self._tell(shot=self._next(self._due))
            self._tell(failure=f"{self._name} is not open")
        except SourceError as error:
            self._tell(failure=str(error))
        # Whatever it is, a reader that is waiting must not wait for ever.
        except Exception as error:
            self._tell(failure=f"{self._name}: {error!r}")
        finally:
            self._capture.release()

    def _tell(self, shot: RawFrame | None = None, failure: str | None = None) -> None:
        with self._turn:
            # What nobody had yet stays when the camera fails.
            if shot is not None:
                self._shot, self._told, self._will_do = shot, self._came, self._is_left
            self._failure = failure
            if failure is not None or self._is_due(shot):
                self._turn.notify_all()

    @property
    def _is_ahead(self) -> bool:
        """Whether a device has brought a picture that was not told yet.

        It may not be due; an older one does not take its place then.
        """
        return self._comes is not None and self._came != self._told

    def _is_due(self, shot: RawFrame | None) -> bool:
        """Whether a picture that came last is the one that is waited for."""
        return shot is not None and (
            self._will_do or shot.captured + NEAR * self._gap >= self._due.at
        )


def _silence(seconds: float) -> str:
    if seconds < 1:
        return "it gives no pictures any more; was it unplugged, or did it end?"
    return f"no picture came within {seconds:.0f} s"
