"""What comes behind the headers of a camera's answer: a stream, or one picture."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from camd.formats.multipart import MultipartError, Parser, Part
from camd.sources import RawFrame, SourceError
from camd.sources.http.slot import Slot

#: Seconds without a byte after which a camera is given up, to be connected to anew. It
#: counts as stalled long before (``camera_timeout``); a radio link may come back.
SILENCE = 10.0

#: The most bytes of one picture that stands alone, as in a stream (`Parser`).
LARGEST = 16 * 1024 * 1024


class Stream(Protocol, TimeoutMixin):
    """
    Puts the newest picture of a stream into a slot, and the reason when it ends.

    :param parser: reads the stream.
    :param hang_up: cuts the connection at once.
    :param name: of the camera, for errors; shows no password.
    """

    def __init__(
        self,
        parser: Parser,
        slot: Slot,
        reactor: IReactorTime,
        hang_up: Callable[[], None],
        name: str,
    ) -> None:
        self._parser = parser
        self._slot = slot
        self._reactor = reactor
        self._hang_up = hang_up
        self._name = name

    def callLater(self, period: float, func: Callable[[], None]) -> IDelayedCall:
        """Have the time-out counted by the reactor that was given."""
        return self._reactor.callLater(period, func)

    def connectionMade(self) -> None:
        """Begin to watch for silence."""
        self.setTimeout(SILENCE)

    def dataReceived(self, data: bytes) -> None:
        """Take the next bytes; of the pictures complete with them only the last."""
        self.resetTimeout()
        try:
            parts = self._parser.receive(data)
        except MultipartError as error:
            self._end(f"its stream cannot be read: {error}")
            return
        pictures = [part.body for part in parts if _is_picture(part)]
        if pictures:
            self._slot.put(RawFrame(pictures[-1], self._reactor.seconds()))
        if self._parser.ended:
            self._end("it ended the stream")

    def timeoutConnection(self) -> None:
        """Give the camera up: it was silent for too long."""
        self._end(f"nothing came for {SILENCE:.0f} s")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell that no more pictures come."""
        self.setTimeout(None)
        self._slot.fail(SourceError(f"{self._name}: it hung up"))

    def _end(self, reason: str) -> None:
        self._slot.fail(SourceError(f"{self._name}: {reason}"))
        self._hang_up()


def _is_picture(part: Part) -> bool:
    """Some cameras send text between the pictures, or nothing as a sign of life."""
    kind = part.headers.get(b"content-type", b"image/").lower()
    return bool(part.body) and kind.startswith(b"image/")


class Single(Protocol):
    """
    Collects a body that is one picture.

    :ivar body: fires with all of it, or fails with :exc:`SourceError`; cancelled, it
        hangs up.
    """

    def __init__(self, hang_up: Callable[[], None], name: str) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._hang_up = hang_up
        self._name = name
        self.body: Deferred[bytes] = Deferred(lambda _: hang_up())

    def dataReceived(self, data: bytes) -> None:
        """Keep it, up to :data:`LARGEST`."""
        self._size += len(data)
        if self._size > LARGEST:
            self._fail(f"a picture of more than {LARGEST} bytes")
            self._hang_up()
        else:
            self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand out what came, if that was all of it."""
        # PotentialDataLoss: the end of the connection is that of the picture.
        if not reason.check(ResponseDone, PotentialDataLoss):
            self._fail("it hung up in the middle of a picture")
        elif not self.body.called:
            self.body.callback(b"".join(self._pieces))

    def _fail(self, reason: str) -> None:
        self._pieces.clear()
        if not self.body.called:
            self.body.errback(SourceError(f"{self._name}: {reason}"))
