"""Frames that show what the one before showed, byte for byte, and need not be sent.

A still source (HDMI without a signal, a desktop that nobody uses, a camera that is
pushed to again and again) then costs its viewers' links next to nothing.
"""

from __future__ import annotations

from camd.frame import Frame


class Identical:
    """Finds the frames that may be left out.

    :ivar each: one of so many frames that are the same is sent; below 2 all are.
    """

    def __init__(self, each: int) -> None:
        self.each = each
        self._jpeg = b""
        self._left_out = 0

    def may_leave_out(self, frame: Frame) -> bool:
        """Whether this frame is the same as the last one, and not due again.

        Both have the same bytes object then: no more than one is kept.
        """
        if self.each < 2:
            return False
        if frame.is_placeholder or frame.jpeg != self._jpeg:
            self._jpeg, self._left_out = frame.jpeg, 0
            return False
        frame.jpeg = frame.full = self._jpeg
        self._left_out += 1
        if self._left_out < self.each:
            return True
        self._left_out = 0
        return False
