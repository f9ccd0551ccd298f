"""
The two ways in which a camera gives JPEGs over HTTP: a stream of them, and one for each
request. Both belong in the camera's thread; their connections are on the reactor.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.threads import blockingCallFromThread

from camd.formats.jpeg import Damaged, Size, whole
from camd.formats.multipart import Parser
from camd.sources import CameraMode, Clock, RawFrame, Sleep, SourceError
from camd.sources.http.body import Single, Stream
from camd.sources.http.caller import Caller
from camd.sources.http.client import ANSWER, Answer, Client
from camd.sources.http.slot import Slot

#: Pictures at the start of a stream that may be damaged, as from the middle of one.
TRIES = 10

_JPEG = frozenset({b"image/jpeg", b"image/jpg", b"image/pjpeg"})


def is_picture(kind: bytes) -> bool:
    """Tell whether a Content-Type is that of one JPEG, as cameras spell it."""
    return kind.partition(b";")[0].strip().lower() in _JPEG


class PictureStream:
    """
    A source whose pictures come by themselves.

    :param answer: the camera's, whose body is the stream.
    :param parser: made for it.
    """

    def __init__(
        self,
        name: str,
        answer: Answer,
        parser: Parser,
        client: Client,
        reactor: Any,
        clock: Clock,
    ) -> None:
        self._name = name
        self._answer = answer
        self._reactor = reactor
        self._slot = Slot(clock)
        self._stream = Stream(parser, self._slot, reactor, client.hang_up, name)

    def open(self) -> CameraMode:
        """
        Have the stream delivered; its first whole picture tells the size.

        :raises SourceError: when none comes.
        """
        deliver = self._answer.response.deliverBody
        self._reactor.callFromThread(deliver, self._stream)
        size = self._first_size()
        return CameraMode(size.width, size.height, None, "MJPG")

    def read(self) -> RawFrame:
        """
        Wait for the next picture.

        :raises SourceError: when the stream has ended.
        """
        return self._slot.take()

    def close(self) -> None:
        """Let nobody wait any more. The client's owner hangs up."""
        self._slot.fail(SourceError(f"{self._name} is not open"))

    def _first_size(self) -> Size:
        for _ in range(TRIES):
            try:
                return whole(_jpeg(self._slot.peek())).size
            except Damaged:
                self._slot.take()
        raise SourceError(f"{self._name}: what it sends are no whole JPEGs")


class PicturePolls:
    """
    A source that asks for each picture, when it is wanted.

    :param answer: the camera's, whose body is the first picture.
    :param fps: the most requests a second.
    """

    def __init__(
        self,
        name: str,
        answer: Answer,
        caller: Caller,
        client: Client,
        reactor: Any,
        fps: float,
        clock: Clock,
        sleep: Sleep,
    ) -> None:
        self._name = name
        self._answer: Answer | None = answer
        self._caller = caller
        self._client = client
        self._reactor = reactor
        self._interval = 1 / fps
        self._clock = clock
        self._sleep = sleep
        self._due = clock()
        self._first: RawFrame | None = None

    def open(self) -> CameraMode:
        """
        Read the first picture; it tells the size.

        :raises SourceError: when it is no JPEG.
        """
        self._first = self._fetch()
        try:
            size = whole(_jpeg(self._first)).size
        except Damaged as damage:
            reason = f"{self._name}: what it sends is no whole JPEG: {damage}"
            raise SourceError(reason) from damage
        return CameraMode(size.width, size.height, None, "JPEG")

    def read(self) -> RawFrame:
        """
        Ask for a picture; the first is there already.

        :raises SourceError: when the camera has none any more.
        """
        shot, self._first = self._first, None
        return shot or self._fetch()

    def close(self) -> None:
        """Forget the picture that was not asked for. The client's owner hangs up."""
        self._first = None

    def _fetch(self) -> RawFrame:
        answer, self._answer = self._answer, None
        if answer is None:
            self._sleep(max(0.0, self._due - self._clock()))
            answer = self._caller.ask()
            if not is_picture(answer.kind):
                raise SourceError(f"{self._name}: it sends no picture any more")
        self._due = self._clock() + self._interval
        collect: Any = self._body  # Typed as the next call is, it takes nothing.
        try:
            body: bytes = blockingCallFromThread(self._reactor, collect, answer)
        except TimeoutError:
            reason = f"{self._name}: no whole picture came within {ANSWER:.0f} s"
            raise SourceError(reason) from None
        return RawFrame(body, self._clock())

    def _body(self, answer: Answer) -> Deferred[bytes]:
        """Collect the body; on the reactor."""
        single = Single(self._client.hang_up, self._name)
        answer.response.deliverBody(single)
        return single.body.addTimeout(ANSWER, self._reactor)


def _jpeg(shot: RawFrame) -> bytes:
    assert isinstance(shot.content, bytes)
    return shot.content
