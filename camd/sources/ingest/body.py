"""The body of a push: a stream of parts, JPEGs back to back, or one JPEG.

The first bytes decide, as few senders label what they send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from camd.formats.jpeg import Damaged, measure
from camd.formats.multipart import MultipartError, Parser, Part
from camd.formats.splitter import NoPictures, Splitter
from camd.sources.http.body import Content, content_of

NO_HEADERS: Mapping[bytes, bytes] = {}
"""What stands ahead of a picture in a stream of JPEGs back to back."""


class BadBody(ValueError):
    """What is pushed cannot be read; the text says why, to the sender."""


class TooLarge(BadBody):
    """A picture has more bytes than one may have."""


class Body:
    """Reads the body of one push as it comes.

    No more is kept than one picture, and the bytes of one call.

    :ivar is_single: whether it is one JPEG, which is complete with the body; None
        before the first bytes.
    :ivar length: as it was given.

    :param headers: of the request, by name in lower case; they are those of a picture
        that stands alone.
    :param length: the bytes of the whole body; None for one in chunks.
    :param limit: the most bytes of a picture.
    """

    def __init__(
        self, headers: Mapping[bytes, bytes], length: int | None, limit: int
    ) -> None:
        self.is_single: bool | None = None
        self._headers = headers
        self._kind = headers.get(b"content-type", b"")
        self.length = length
        self._limit = limit
        # What came before it was known what it is, and then the one picture.
        self._held = bytearray()
        self._parser: Parser | None = None
        self._splitter: Splitter | None = None

    def receive(self, data: bytes) -> Sequence[Part]:
        """Take the next bytes, and return the pictures that ended in them, in order.

        :raises TooLarge: a picture is too large.
        :raises BadBody: this is not, or no longer, a stream of pictures.
        """
        if self.is_single is None:
            self._held += data
            data = bytes(self._held)
            content = content_of(self._kind, data)
            if content is None:
                return ()
            self._held.clear()
            self._begin(content)
        if self._parser is not None:
            return self._receive_parts(self._parser, data)
        if self._splitter is not None:
            return self._receive_jpegs(self._splitter, data)
        self._held += data
        return ()

    def finish(self) -> Sequence[Part]:
        """Return the picture that is complete with the body, if it is one.

        :raises BadBody: it is no whole JPEG.
        """
        if not self.is_single:
            return ()
        jpeg = bytes(self._held)
        try:
            measure(jpeg)
        except Damaged as damage:
            raise BadBody(f"this is no whole JPEG: {damage}") from None
        return (Part(self._headers, jpeg),)

    def _begin(self, content: Content) -> None:
        """Choose how to read on.

        :raises BadBody: there are no pictures.
        """
        self.is_single = False
        if content is Content.PARTS:
            self._parser = self._new_parser()
        elif content is not Content.PICTURE:
            raise BadBody("expected a JPEG, or a multipart stream of JPEGs")
        elif self.length is None:
            self._splitter = Splitter(self._limit)
        else:
            # It was not begun if its length says that it is too large.
            self.is_single = True

    def _new_parser(self) -> Parser:
        try:
            return Parser.from_content_type(self._kind, self._limit)
        except MultipartError:
            return Parser(limit=self._limit)

    def _receive_parts(self, parser: Parser, data: bytes) -> Sequence[Part]:
        try:
            parts = parser.receive(data)
        except MultipartError as error:
            kind = TooLarge if error.is_too_long else BadBody
            raise kind(f"the stream cannot be read: {error}") from None
        return [part for part in parts if _may_be_picture(part)]

    def _receive_jpegs(self, splitter: Splitter, data: bytes) -> Sequence[Part]:
        try:
            jpegs = splitter.receive(data)
        except NoPictures as error:
            raise BadBody(str(error)) from None
        if splitter.is_too_long:
            raise TooLarge(f"a picture of more than {self._limit} bytes")
        return [Part(NO_HEADERS, jpeg) for jpeg in jpegs]


def _may_be_picture(part: Part) -> bool:
    kind = part.headers.get(b"content-type", b"image/").lower()
    return bool(part.body) and kind.startswith((b"image/", b"application/octet-stream"))
