"""``/api/NAME/controls``: a camera's brightness, focus and the like, while it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from camd.cameras.camera import Camera
from camd.cameras.controls import NoControls
from camd.rights import TO_CONTROL
from camd.sources import SourceError
from camd.web.access.access import holder_of
from camd.web.answers import finish, json_answer, not_allowed
from camd.web.request import json_of

MOST = 100
"""Controls that one request may set; a webcam has some twenty."""


class ControlsResource(Resource):
    """Lists the controls, and sets those that a PUT names.

    ``{"controls": [{"name": "brightness", "value": 0, …}]}``
    """

    isLeaf = True
    opened_by = TO_CONTROL
    _log = Logger()

    def __init__(self, camera: Camera) -> None:
        super().__init__()
        self._camera = camera

    def render(self, request: Request) -> bytes | int:
        """Answer when the driver has."""
        if request.method not in (b"GET", b"HEAD", b"PUT"):
            return not_allowed(request, "GET", "HEAD", "PUT")
        values: Mapping[str, object] = {}
        if request.method == b"PUT":
            try:
                values = _values(request)
            except ValueError as error:
                return json_answer(request, {"error": str(error)}, 400)
        answered = Deferred.fromCoroutine(self._answer(request, values))
        request.notifyFinish().addErrback(lambda _: answered.cancel())
        answered.addErrback(self._unanswered)
        return NOT_DONE_YET

    async def _answer(self, request: Request, values: Mapping[str, object]) -> None:
        finish(request, json_answer(request, *await self._outcome(request, values)))

    async def _outcome(
        self, request: Request, values: Mapping[str, object]
    ) -> tuple[dict[str, object], int]:
        """Set these controls; return what to answer, and its code."""
        # Only where there is a device.
        from camd.sources.v4l2.controls import ControlRefused

        controls = self._camera.controls
        try:
            complaints: tuple[str, ...] = ()
            if values:
                outcome = await controls.change(values, holder_of(request).name)
                complaints = outcome.complaints
            listed: dict[str, object] = {"controls": await controls.read()}
        except NoControls as error:
            return {"error": f"no controls: {error}"}, 404
        except ControlRefused as error:
            return {"error": str(error)}, 400
        except SourceError as error:
            seconds = max(1, math.ceil(self._camera.retry_in))
            request.setHeader(b"Retry-After", b"%d" % seconds)
            return {"error": str(error)}, 503
        if complaints:
            return {"error": "; ".join(complaints), **listed}, 409
        return listed, 200

    def _unanswered(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("A camera's controls could not be answered for", failure)


def _values(request: Request) -> Mapping[str, object]:
    """Return the controls that a request names, and a value for each.

    :raises ValueError: they are no such thing.
    """
    body = json_of(request)
    if not isinstance(body, dict) or not 0 < len(body) <= MOST:
        raise ValueError(f'expected {{"brightness": 40, …}}, at most {MOST} controls')
    return body
