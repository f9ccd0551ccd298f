"""The resources that deliver pictures: the endless stream, and the snapshot."""

from __future__ import annotations

import math
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from camd.cameras.camera import Camera
from camd.delivery.outlet import outlet_for
from camd.delivery.viewer import Viewer
from camd.formats.multipart import RESPONSE_HEADERS, form_for
from camd.formats.rendition import Rendition
from camd.frame import Frame
from camd.rights import TO_SEE
from camd.web.access.access import holder_of
from camd.web.answers import (
    NO_STORE,
    Missing,
    body_for,
    finish,
    not_allowed,
    printable,
    text_answer,
)
from camd.web.busy import BusyAnswer
from camd.web.client import NO_PROXIES, Proxies
from camd.web.limits import Refusal
from camd.web.rendition import BadQuery, wanted_fps, wanted_rendition


class StreamResource(Resource):
    """``/api/NAME/stream``: every frame from now on; ``stats`` stands below it."""

    opened_by = TO_SEE
    _log = Logger()

    def __init__(
        self,
        camera: Camera,
        proxies: Proxies = NO_PROXIES,
        refusal: Refusal = lambda camera, address: None,
    ) -> None:
        super().__init__()
        self._camera = camera
        self._proxies = proxies
        self._refusal = refusal
        self._busy = BusyAnswer(camera)

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Answer for what is not there."""
        return Missing("no such page")

    def render(self, request: Request) -> bytes | int:
        """Begin a stream, or answer HEAD with the headers that it would have."""
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed(request)
        refusal = self._refusal(self._camera, self._proxies.client(request))
        if refusal is not None:
            return self._busy.render(request, refusal)
        if self._camera.closed:
            return body_for(request, unavailable(request, self._camera))
        try:
            wanted = wanted_rendition(request, self._camera), wanted_fps(request)
        except BadQuery as error:
            return body_for(request, text_answer(request, str(error), 400))
        for name, value in RESPONSE_HEADERS:
            request.setHeader(name, value)
        request.setHeader(b"X-Clock", b"%.6f" % self._camera.time())
        if request.method == b"HEAD":
            return b""
        self._begin(request, *wanted)
        return NOT_DONE_YET

    def _begin(self, request: Request, rendition: Rendition | None, fps: float) -> None:
        """Let the viewer in. It waits for the first frame, however long that takes."""
        wish = (request.args or {}).get(b"wire", [None])[0]
        form = form_for(request.getHeader(b"Accept"), wish)
        gone = request.notifyFinish()
        channel: Any = request.channel
        channel.has_viewer = True
        viewer = self._camera.add_viewer(
            outlet_for(request, form, self._camera.settings.tcp_congestion),
            self._proxies.client(request),
            printable(request.getHeader(b"User-Agent")),
            holder_of(request),
            rendition,
            fps,
        )
        gone.addBoth(self._departed, viewer)
        gone.addErrback(lambda f: self._log.failure("A viewer's departure", f))

    def _departed(self, outcome: Failure | None, viewer: Viewer) -> None:
        lost = isinstance(outcome, Failure) and not outcome.check(ConnectionDone)
        self._camera.remove_viewer(viewer, "connection lost" if lost else None)


class SnapshotResource(Resource):
    """
    ``/api/NAME/snapshot``: the newest frame as one JPEG.

    503 where there is none, or where it is from before the camera went offline. With
    ``?placeholder=1`` the answer is then 200, and a picture that says so.
    """

    isLeaf = True
    opened_by = TO_SEE
    _log = Logger()

    def __init__(self, camera: Camera) -> None:
        super().__init__()
        self._camera = camera

    def render(self, request: Request) -> bytes | int:
        """Answer with the picture when there is one."""
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed(request)
        try:
            rendition = wanted_rendition(request, self._camera)
        except BadQuery as error:
            return body_for(request, text_answer(request, str(error), 400))
        answered = Deferred.fromCoroutine(self._answer(request, rendition))
        request.notifyFinish().addErrback(lambda _: answered.cancel())
        answered.addErrback(self._unanswered)
        return NOT_DONE_YET

    async def _answer(self, request: Request, rendition: Rendition | None) -> None:
        try:
            frame = await self._frame(request)
            if rendition is not None:
                full, frame = frame, await self._camera.render(frame, rendition)
                if frame is full:  # It cannot be scaled, which has been logged.
                    request.setHeader(b"X-Rendition", b"full")
        except CancelledError:
            raise  # The client is gone.
        except Exception:
            # The capture loop has counted and logged it.
            finish(request, unavailable(request, self._camera))
        else:
            finish(request, self._picture(frame, request))

    def _unanswered(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("A snapshot", failure)

    async def _frame(self, request: Request) -> Frame:
        try:
            return await self._camera.snapshot()
        except CancelledError:
            raise
        except Exception:
            if (request.args or {}).get(b"placeholder", [b""])[0] != b"1":
                raise
            return await self._camera.placeholder()

    def _picture(self, frame: Frame, request: Request) -> bytes:
        _set_state(request, self._camera)
        if not frame.is_placeholder:
            age = self._camera.now() - frame.captured
            request.setHeader(b"X-Frame-Age", b"%.3f" % age)
        request.setHeader(*NO_STORE)
        request.setHeader(b"Content-Type", b"image/jpeg")
        request.setHeader(b"X-Clock", b"%.6f" % self._camera.time())
        request.setHeader(b"X-Timestamp", b"%.6f" % frame.timestamp)
        request.setHeader(b"X-Frame", b"%d" % frame.number)
        return frame.jpeg


def unavailable(request: Request, camera: Camera) -> bytes:
    """Answer 503, with the time after which to try again; return the body."""
    _set_state(request, camera)
    seconds = math.ceil(camera.retry_in)
    request.setHeader(b"Retry-After", b"%d" % max(1, seconds))
    return text_answer(request, "no picture yet; try again", 503)


def _set_state(request: Request, camera: Camera) -> None:
    request.setHeader(b"X-Camera-State", camera.state.value.encode())
