"""The answer to one viewer too many: a line of text, or a picture for an ``<img>``."""

from __future__ import annotations

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET

from camd.cameras.camera import Camera
from camd.formats.jpeg import Size
from camd.web.answers import NO_STORE, body_for, finish, text_answer
from camd.web.channel import RETRY_AFTER
from camd.web.request import argument

WIDTH, HEIGHT = 480, 360
"""Pixels of the picture: enough for a line of text, and a few kilobytes."""

MOST = 4
"""Pictures that are kept for one camera; there are three reasons to be full."""


class BusyAnswer:
    """Answers 503 for one camera, with the time after which to try again.

    Clients that ask for images first, as every ``<img>`` does, get the reason as a
    picture. It is drawn in a thread, once for each reason, however many ask for it
    meanwhile. With ``busy=text`` in the query the answer is always text: it makes an
    ``<img>`` fail, which a script can notice.
    """

    _log = Logger()

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._drawn: dict[str, bytes] = {}
        self._waiting: dict[str, list[Request]] = {}

    def render(self, request: Request, refusal: str) -> bytes | int:
        """Answer now, or when the picture is there.

        :param refusal: why nobody can be let in, in one line.
        """
        accept = (request.getHeader(b"Accept") or b"").lstrip().lower()
        must_be_text = argument(request, b"busy") == b"text"
        if must_be_text or not accept.startswith(b"image/"):
            return body_for(request, _text(request, refusal))
        if refusal in self._drawn:
            return body_for(request, _picture(request, self._drawn[refusal]))
        waiting = self._waiting.setdefault(refusal, [])
        waiting.append(request)
        if len(waiting) == 1:
            drawn = self._camera.draw(refusal.split("; "), Size(WIDTH, HEIGHT))
            drawn.addBoth(self._answer, refusal)
        return NOT_DONE_YET

    def _answer(self, outcome: bytes | Failure, refusal: str) -> None:
        if isinstance(outcome, Failure):
            self._log.failure(
                "The picture for one viewer too many could not be drawn", outcome
            )
        else:
            if len(self._drawn) >= MOST:
                self._drawn.clear()
            self._drawn[refusal] = outcome
        for request in self._waiting.pop(refusal):
            # A client that is gone has no channel any more.
            if request.channel is not None:
                jpeg = self._drawn.get(refusal)
                body = _picture(request, jpeg) if jpeg else _text(request, refusal)
                finish(request, body)


def _text(request: Request, refusal: str) -> bytes:
    request.setHeader(b"Retry-After", b"%d" % RETRY_AFTER)
    return text_answer(request, refusal, 503)


def _picture(request: Request, jpeg: bytes) -> bytes:
    request.setResponseCode(503)
    request.setHeader(b"Retry-After", b"%d" % RETRY_AFTER)
    request.setHeader(*NO_STORE)
    request.setHeader(b"Content-Type", b"image/jpeg")
    return jpeg
