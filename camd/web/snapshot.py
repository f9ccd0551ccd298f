"""``/api/NAME/snapshot``: one picture, as new as the client wants it."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from camd.cameras.camera import Camera
from camd.formats.rendition import Rendition
from camd.frame import Frame
from camd.rights import TO_SEE
from camd.web.answers import (
    NO_STORE,
    body_for,
    etag,
    finish,
    not_allowed,
    not_modified,
    text_answer,
)
from camd.web.rendition import BadQuery, wanted_max_age, wanted_rendition
from camd.web.request import argument
from camd.web.stream import set_state, unavailable


class SnapshotResource(Resource):
    """One frame as one JPEG: the newest, or one that is taken for this.

    ``?max_age=0.5`` bounds its age in seconds, ``?next=N`` waits for the first frame
    after N. 503 where there is none, or where the last one is from before the camera
    went offline. With ``?placeholder=1`` the answer is then 200, and a picture that
    says so.

    :param frames: answers those that wait for the next frame.
    """

    isLeaf = True
    opened_by = TO_SEE
    _log = Logger()

    def __init__(self, camera: Camera, frames: Resource) -> None:
        super().__init__()
        self._camera = camera
        self._frames = frames

    def render(self, request: Request) -> bytes | int:
        """Answer with the picture when there is one."""
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed(request)
        try:
            max_age = wanted_max_age(request)
            if argument(request, b"next") is not None:
                if max_age is not None:
                    raise BadQuery("max_age: next asks for a new picture anyway")
                answer: bytes | int = self._frames.render(request)
                return answer
            rendition = wanted_rendition(request, self._camera)
        except BadQuery as error:
            return body_for(request, text_answer(request, str(error), 400))
        answered = Deferred.fromCoroutine(self._answer(request, rendition, max_age))
        request.notifyFinish().addErrback(lambda _: answered.cancel())
        answered.addErrback(self._unanswered)
        return NOT_DONE_YET

    async def _answer(
        self, request: Request, rendition: Rendition | None, max_age: float | None
    ) -> None:
        try:
            frame = await self._frame(request, max_age, rendition)
            if rendition is not None and frame.rendition != rendition:
                full, frame = frame, await self._camera.render(frame, rendition)
                if frame is full:  # It cannot be scaled, which has been logged.
                    request.setHeader(b"X-Rendition", b"full")
        except CancelledError:
            raise  # The client is gone.
        except Exception:
            # The capture loop has counted and logged it.
            finish(request, unavailable(request, self._camera))
        else:
            self._show(frame, request)

    def _unanswered(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("A snapshot failed", failure)

    async def _frame(
        self, request: Request, max_age: float | None, rendition: Rendition | None
    ) -> Frame:
        try:
            return await self._camera.snapshot(max_age, rendition)
        except CancelledError:
            raise
        except Exception:
            if argument(request, b"placeholder") != b"1":
                raise
            return await self._camera.placeholder()

    def _show(self, frame: Frame, request: Request) -> None:
        set_state(request, self._camera)
        request.setHeader(*NO_STORE)
        request.setHeader(b"X-Timestamp", b"%.6f" % frame.timestamp)
        request.setHeader(b"X-Frame", b"%d" % frame.number)
        # A placeholder's words change while its number and time stay.
        if not frame.is_placeholder:
            age = self._camera.now() - frame.captured
            request.setHeader(b"X-Frame-Age", b"%.3f" % age)
            rendition = str(frame.rendition or "full")
            tag = etag(frame.number, frame.timestamp, rendition)
            if not_modified(request, tag):
                request.finish()
                return
        request.setHeader(b"Content-Type", b"image/jpeg")
        finish(request, frame.jpeg)
