"""``/api/NAME/push``: where a camera that sends its pictures sends them to."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource

from camd.cameras.camera import Camera
from camd.rights import TO_PUSH, Right
from camd.sources.ingest.body import BadBody, Body, TooLarge
from camd.sources.ingest.source import Ingest, Pusher
from camd.web.access.access import holder_of
from camd.web.answers import body_for, json_answer, printable
from camd.web.client import NO_PROXIES, Proxies
from camd.web.request import CamdRequest, Receive, Unwanted

BAD = b"400 Bad Request"
TOO_LARGE = b"413 Content Too Large"
TOO_MANY = b"429 Too Many Requests"


class PushResource(Resource):
    """Takes one JPEG, or an endless stream of them, by POST or PUT."""

    isLeaf = True
    opened_by = TO_PUSH

    def __init__(self, camera: Camera, proxies: Proxies = NO_PROXIES) -> None:
        super().__init__()
        self._camera = camera
        self._proxies = proxies
        self._pushes: dict[Request, Push] = {}

    def receiver(self, request: CamdRequest) -> Receive:
        """Return what takes the body of this request.

        :raises Unwanted: it is not wanted, and why.
        """
        ingest = self._ingest(request)
        most = self._camera.settings.max_frame_bytes
        headers = {
            name.lower(): values[-1]
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        kind = headers.get(b"content-type", b"").lstrip().lower()
        given = headers.get(b"content-length")
        length = None if given is None else int(given)
        if (length or 0) > most and not kind.startswith(b"multipart/"):
            raise Unwanted(TOO_LARGE, f"a picture of more than {most} bytes")
        refusal = ingest.refusal()
        if refusal is not None:
            raise Unwanted(TOO_MANY, refusal)
        push = Push(
            self._camera, request, self._who(request), Body(headers, length, most)
        )
        self._pushes[request] = push
        request.notifyFinish().addBoth(partial(self._gone, request))
        return push.receive

    def _ingest(self, request: Request) -> Ingest:
        """Return where the pictures go.

        :raises Unwanted: nowhere, and why.
        """
        if request.method not in (b"POST", b"PUT"):
            raise Unwanted(b"405 Method Not Allowed", "push by POST or PUT")
        ingest = self._camera.ingest
        if ingest is None:
            line = "nobody pushes to this camera: its source is not push"
            raise Unwanted(b"404 Not Found", line)
        return ingest

    def _who(self, request: Request) -> str:
        address = self._proxies.client(request) or "-"
        agent = printable(request.getHeader(b"User-Agent"), 60)
        key = holder_of(request).name
        return f"{address} ({agent or 'no name'}, key {key})"

    def _gone(self, request: Request, outcome: Failure | None) -> None:
        is_lost = isinstance(outcome, Failure)
        self._pushes.pop(request).leave("connection lost" if is_lost else None)

    def render(self, request: Request) -> bytes:
        """Answer a push that has come to its end, or one of nothing."""
        try:
            self._ingest(request)
            push = self._pushes.get(request)
            pictures = push.finish() if push is not None else 0
        except Unwanted as unwanted:
            code = int(unwanted.status[:3])
            if code == 405:
                request.setHeader(b"Allow", b"POST, PUT, OPTIONS")
            answer = json_answer(request, {"error": str(unwanted)}, code)
            return body_for(request, answer)
        except BadBody as error:
            return json_answer(request, {"error": str(error)}, 400)
        if not pictures:
            return json_answer(request, {"error": "there was no JPEG in it"}, 400)
        return json_answer(request, {"pictures": pictures})


class Push:
    """One request that pushes.

    :param who: in words, for logs.
    """

    def __init__(
        self, camera: Camera, request: CamdRequest, who: str, body: Body
    ) -> None:
        self._camera = camera
        self._body = body
        self._pusher = Pusher(
            who,
            # It may not see the pictures, and is let in all the same.
            replace(holder_of(request), by=Right.PUSH),
            request.turn_away,
            camera.now(),
        )
        if camera.ingest is not None:
            camera.ingest.enter(self._pusher)

    def receive(self, data: bytes) -> None:
        """Take the next bytes of the body.

        :raises Unwanted: no more is wanted.
        """
        try:
            parts = self._body.receive(data)
        except TooLarge as error:
            raise Unwanted(TOO_LARGE, str(error)) from None
        except BadBody as error:
            raise Unwanted(BAD, str(error)) from None
        ingest = self._camera.ingest
        if parts and ingest is not None:
            # One of known length has an end, which is soon there.
            ingest.take(self._pusher, parts, stays=self._body.length is None)

    def finish(self) -> int:
        """Take what is complete with the body; return how many pictures came in all.

        :raises BadBody: it is no picture.
        """
        parts, ingest = self._body.finish(), self._camera.ingest
        if parts and ingest is not None:
            ingest.take(self._pusher, parts, stays=False)
        return self._pusher.pictures

    def leave(self, reason: str | None) -> None:
        """Note that the request is over."""
        if self._camera.ingest is not None:
            self._camera.ingest.leave(self._pusher, reason)
