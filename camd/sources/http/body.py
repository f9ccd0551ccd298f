"""What stands behind the head of a camera's answer: parts of a stream, or one picture.

The first bytes decide, as many a camera labels one as the other, or not at all.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Protocol as Interface

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from camd.formats.jpeg import MAX_BYTES
from camd.formats.multipart import MultipartError, Parser, Part

BLANKS = 1024
"""Blank bytes ahead of everything else after which the label alone decides."""

_SOI = b"\xff\xd8"
_JPEG = frozenset({b"image/jpeg", b"image/jpg", b"image/pjpeg"})
# A film begins as it likes.
_FILMS = (b"video/", b"audio/")


class Content(enum.Enum):
    """What a body holds."""

    PARTS = "a stream of parts"
    PICTURE = "one picture"
    PAGE = "a web page"
    OTHER = "something else"


def content_of(kind: bytes, first: bytes) -> Content | None:
    """Return what a body holds; None when that takes more bytes.

    :param kind: the Content-Type as it came.
    :param first: the body's first bytes.
    """
    label = kind.partition(b";")[0].strip().lower()
    start = first.lstrip()
    if len(start) < len(_SOI) and len(first) < BLANKS:
        return None
    if start.startswith(_SOI) and not label.startswith(_FILMS):
        return Content.PICTURE
    if start.startswith(b"--") or label.startswith(b"multipart/"):
        return Content.PARTS
    if label in _JPEG:
        return Content.PICTURE
    return Content.PAGE if label == b"text/html" else Content.OTHER


class Consumer(Interface):
    """Takes what a body turns out to hold."""

    def got_parts(self, parts: Sequence[Part]) -> None:
        """Take the parts of a stream that became whole together, the newest last."""

    def remarked(self, remark: str) -> None:
        """Take note that the stream is not as it was announced, but can be read."""

    def got_picture(self, picture: bytes) -> None:
        """Take the one picture of this answer. Nothing follows."""

    def got_other(self, content: Content) -> None:
        """Note that there are no JPEGs here, but something else. Nothing follows."""

    def broke_off(self, reason: str) -> None:
        """Note that nothing more comes, and why."""


class Body(Protocol):
    """Reads the body of one answer, for as long as :attr:`consumer` is there.

    :ivar consumer: is told what comes; None when nobody is told any more.

    :param kind: the Content-Type as it came.
    """

    def __init__(self, kind: bytes, consumer: Consumer) -> None:
        self.consumer: Consumer | None = consumer
        self._kind = kind
        self._content: Content | None = None
        self._parser: Parser | None = None
        self._has_remarked = False
        # What came before it was known what it is, and then the one picture.
        self._held = bytearray()

    def dataReceived(self, data: bytes) -> None:
        """Take the next bytes."""
        self.receive(data)

    def receive(self, data: bytes) -> int:
        """Take the next bytes, and return how many more the part under way has."""
        parser = self._parser
        if parser is None:
            data = self._begin(data)
            parser = self._parser
        consumer = self.consumer
        if parser is None or consumer is None:
            return 0
        try:
            parts = parser.receive(data)
        except MultipartError as error:
            reason = f"its stream cannot be read: {error}"
            self._tell(lambda to: to.broke_off(reason))
            return 0
        if parser.remark is not None and not self._has_remarked:
            self._has_remarked = True
            consumer.remarked(parser.remark)
        if parts:
            consumer.got_parts(parts)
        if parser.ended:
            self._tell(lambda to: to.broke_off("it ended the stream"))
        return parser.missing

    def _begin(self, data: bytes) -> bytes:
        """Take bytes that are none of a stream, as far as is known.

        :return: the bytes that a stream begins with, if it turns out to be one.
        """
        if self._content is None:
            self._held += data
            data = bytes(self._held)
            self._content = content_of(self._kind, data)
            if self._content is None:
                return b""
            self._held.clear()
        if self._content is Content.PARTS:
            self._parser = _parser(self._kind)
        elif self._content is Content.PICTURE:
            self._held += data
            if len(self._held) > MAX_BYTES:
                self._held.clear()
                self._tell(
                    lambda to: to.broke_off(f"a picture of more than {MAX_BYTES} bytes")
                )
        else:
            content = self._content
            self._tell(lambda to: to.got_other(content))
        return data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Hand out a picture that ended with its body, or say that it breaks off."""
        # PotentialDataLoss: the end of the connection is that of the picture.
        is_whole = bool(reason.check(ResponseDone, PotentialDataLoss))
        if self._content is None and is_whole:
            padded = bytes(self._held) + b" " * BLANKS
            self._content = content_of(self._kind, padded)
        if self._content is not Content.PICTURE:
            self._tell(lambda to: to.broke_off("it hung up"))
        elif is_whole:
            self._tell(lambda to: to.got_picture(bytes(self._held)))
        else:
            self._tell(lambda to: to.broke_off("it hung up in the middle of a picture"))

    def _tell(self, what: Callable[[Consumer], None]) -> None:
        """Tell the consumer the last thing that it is told."""
        consumer, self.consumer = self.consumer, None
        if consumer is not None:
            what(consumer)


def _parser(kind: bytes) -> Parser:
    """Return the parser for a stream, by its label, or else by what it holds."""
    try:
        return Parser.from_content_type(kind)
    except MultipartError:
        return Parser()
