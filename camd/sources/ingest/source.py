"""A camera that sends: a source that waits for whoever pushes pictures.

:mod:`camd.web.push` hands over what arrives. Of several pushers the newest counts, as
one that comes again over a new connection may have left an old one behind that nobody
has noticed to be dead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from camd.formats.multipart import Part
from camd.frame import Stamp
from camd.rights import Principal
from camd.sources import Clock, Receiver, SourceError
from camd.token_bucket import TokenBucket

MOST = 8
"""Pushes of one camera under way at once: one, and those that overlap on a slow link.
Each may hold a whole picture in memory."""

POSTS = 2.0
"""How many pushes may begin, in pictures that the camera is expected to send: twice the
rate, where each is a push of its own."""

SAID = 16
"""Pairs of pushers of which one taking over from the other is logged once."""

TAKEN_OVER = b"409 Conflict"
SILENT = b"408 Request Timeout"


@dataclass(eq=False, slots=True)
class Pusher:
    """One request that pushes.

    :ivar who: in words, for logs.
    :ivar principal: whose key let it in.
    :ivar cut: answers with this status and these words, and hangs up.
    :ivar came: when, on the reactor's clock.
    :ivar pictures: how many it has sent.
    """

    who: str
    principal: Principal
    cut: Callable[[bytes, str], None]
    came: float
    pictures: int = 0


class Ingest:
    """A camera that is pushed to; a :class:`camd.sources.PushSource`.

    It is never given up: while nobody pushes, it waits.

    :param name: the camera's.
    :param fps: the pictures a second that the camera is expected to send.
    :param wall: returns Unix seconds.
    """

    _log = Logger()

    def __init__(
        self, name: str, fps: float, reactor: Any, wall: Clock = time.time
    ) -> None:
        self._name = name
        self._reactor = reactor
        self._wall = wall
        self._receiver: Receiver | None = None
        self._pushers: set[Pusher] = set()
        # Whose pictures count; None while they come one by one, or not at all.
        self._current: Pusher | None = None
        self._last_who = ""
        self._said: set[tuple[str, str]] = set()
        # The newest picture that came while this was stopped.
        self._kept: tuple[bytes, float, Stamp | None] | None = None
        # What another camd that pushes said of its camera last.
        self._told = "live"
        self._posts_per_second = rate = POSTS * fps
        self._posts = TokenBucket(rate, max(1.0, rate), reactor.seconds())

    # ---- What the receiver asks

    def start(self, receiver: Receiver, fps: float) -> None:
        """Take what is pushed from now on."""
        self._receiver = receiver
        kept, self._kept = self._kept, None
        self._told = "live"
        if kept is not None:
            receiver.picture(*kept)
        elif self._current is None:
            receiver.waits(self._why_nobody())

    def set_rate(self, fps: float) -> None:
        """Do nothing: a pusher goes at its own pace."""

    def why_silent(self, seconds: float) -> SourceError:
        """Return the error to tell when no picture has come for so long."""
        if self._current is None:
            return SourceError(f"no picture for {seconds:.1f} s; {self._why_nobody()}")
        who = self._current.who
        return SourceError(f"no picture for {seconds:.1f} s; {who} is connected")

    def stop(self) -> Deferred[None]:
        """Hang up on those that push: no picture has come for long, or none is good.

        Those that come later are let in, and the newest picture is kept for
        :meth:`start`.
        """
        self._receiver = None
        self.cut_all(SILENT, "no good picture came; push again")
        return succeed(None)

    def _why_nobody(self) -> str:
        return f"nobody pushes; send JPEGs by POST to /api/{self._name}/push"

    # ---- Who pushes

    def refusal(self) -> str | None:
        """Count one more push; return why it cannot be let in, None if it can."""
        if len(self._pushers) >= MOST:
            return f"{MOST} pushes to this camera are under way already"
        if self._posts.take(self._reactor.seconds()):
            return None
        rate = self._posts_per_second
        return f"more than {rate:g} pictures a second; push them in one stream"

    def enter(self, pusher: Pusher) -> None:
        """Let a pusher in; it does not count before its first picture."""
        self._pushers.add(pusher)

    def leave(self, pusher: Pusher, reason: str | None = None) -> None:
        """Forget a pusher; no harm if it was forgotten before.

        :param reason: why it is gone, for the log; None where it has said all.
        """
        self._pushers.discard(pusher)
        if pusher is not self._current:
            return
        self._current = None
        if reason is None and pusher.pictures == 1:
            # One picture in chunks, of those that come one by one.
            return
        self._log.info(
            "Camera {camera}: {who} stopped pushing after {duration:.1f} s, "
            "{pictures} pictures: {reason}",
            camera=self._name,
            who=pusher.who,
            duration=self._reactor.seconds() - pusher.came,
            pictures=pusher.pictures,
            reason=reason or "it ended the stream",
        )
        self._last_who = ""
        if self._receiver is not None:
            self._receiver.waits(self._why_nobody())

    def adopt(self, former: Ingest) -> None:
        """Take over those that push to the source that this one takes the place of."""
        self._pushers, former._pushers = former._pushers, set()
        self._current, former._current = former._current, None
        self._last_who, self._said = former._last_who, former._said

    def cut_all(
        self,
        status: bytes,
        reason: str,
        which: Callable[[Principal], bool] = lambda principal: True,
    ) -> None:
        """Hang up on all that push, or on those of some principals.

        :param status: of the answer, such as ``503 Service Unavailable``.
        :param reason: for the sender and the log.
        """
        for pusher in list(self._pushers):
            if which(pusher.principal):
                pusher.cut(status, reason)
                self.leave(pusher, reason)

    # ---- What they push

    def take(self, pusher: Pusher, parts: Sequence[Part], *, stays: bool) -> None:
        """Take pictures that came together, the newest last.

        :param stays: whether the pusher sends more.
        """
        pusher.pictures += len(parts)
        if pusher is not self._current:
            self._take_over(pusher, stays)
        part, receiver = parts[-1], self._receiver
        stamp = _stamp(part)
        captured = self._reactor.seconds() - self._age(part)
        if receiver is None:
            if stamp is None or stamp.number:
                self._kept = part.body, captured, stamp
        elif stamp is None or stamp.number:
            self._tell(receiver, "live")
            receiver.picture(part.body, captured, stamp)
        else:
            # Another camd shows it in place of a picture.
            state = part.headers.get(b"x-camera-state", b"").decode("latin-1")
            self._tell(receiver, state)
            receiver.placeholder(part.body, stamp.timestamp)

    def _tell(self, receiver: Receiver, state: str) -> None:
        """Tell what the camd that pushes says of its camera, if that is new."""
        if state != self._told:
            self._told = state
            receiver.upstream(state, None)

    def _take_over(self, pusher: Pusher, stays: bool) -> None:
        former = self._current
        self._current = pusher if stays else None
        who = pusher.who
        if former is not None:
            pair = who, former.who
            if pair not in self._said and len(self._said) < SAID:
                self._said.add(pair)
                self._log.warn(
                    "Camera {camera}: {who} takes over from {former}",
                    camera=self._name,
                    who=who,
                    former=former.who,
                )
            self._pushers.discard(former)
            former.cut(TAKEN_OVER, "somebody else pushes to this camera now")
        elif who != self._last_who:
            self._log.info(
                "Camera {camera}: {who} pushes {what}",
                camera=self._name,
                who=who,
                what="a stream" if stays else "single pictures",
            )
        self._last_who = who
        if self._receiver is not None:
            self._receiver.opened("MJPG" if stays else "JPEG")

    def _age(self, part: Part) -> float:
        """Return how old a picture is, in seconds, as its sender says it."""
        try:
            taken = float(part.headers[b"x-timestamp"])
        except (ValueError, KeyError):
            return 0.0
        # By a clock that is ahead of this one, it was taken now.
        return max(0.0, self._wall() - taken) if math.isfinite(taken) else 0.0


def _stamp(part: Part) -> Stamp | None:
    """Return what another camd calls a picture; None where no camd pushes."""
    number, timestamp = (
        part.headers.get(name, b"").decode("latin-1")
        for name in (b"x-frame", b"x-timestamp")
    )
    return Stamp.told(number, timestamp)
