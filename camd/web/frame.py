"""``/api/NAME/frame?after=N``: the next picture, for where no WebSocket gets through.

``/api/NAME/snapshot?next=N`` is the same.

A client asks for the picture behind the last one it has, and is answered when there is
one: whatever its link is like, it has each picture that the link can take, and never an
old one. Between two requests it stays a viewer, so that the camera goes on, limits
hold, and the stats show it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from camd.cameras.camera import Camera
from camd.delivery.auto import MAX_LATENESS, AutoRendition
from camd.delivery.polling import PolledLink
from camd.delivery.tcp import Send
from camd.delivery.viewer import Viewer
from camd.formats.rendition import Rendition
from camd.frame import Frame, Wire
from camd.periodic import cancel
from camd.rights import TO_SEE
from camd.web.access.access import holder_of
from camd.web.answers import (
    NO_STORE,
    body_for,
    etag,
    finish,
    not_allowed,
    not_modified,
    printable,
    text_answer,
)
from camd.web.channel import RETRY_AFTER
from camd.web.client import Proxies
from camd.web.limits import Refusal
from camd.web.rendition import (
    BadQuery,
    saves_data,
    wanted_fps,
    wanted_rendition,
    wants_auto,
)
from camd.web.request import argument
from camd.web.stream import unavailable

WAIT = 10.0
"""Seconds until a request is answered without a picture; below proxies' time-outs."""

LINGER, LINGER_AUTO = 5.0, 15.0
"""Seconds that a client stays a viewer after its last request was answered; longer with
``auto``, so that what is known of a link is kept on which a picture takes so long."""

MOST_WAITING = 8
"""Requests of one client that may wait; two or three are of use."""

BEGUN_AGAIN = 100
"""Frames by which the newest may be behind N until it counts as begun again: numbers
start at 1 with the daemon."""

_HEAD = struct.Struct("!Qdd8s")


class FrameWire(Wire):
    """A frame with what its headers say ahead of it.

    Its number, Unix time, when it was taken by camd's own clock, and its rendition.
    """

    def build(self, frame: Frame) -> bytes:
        """Lay out one frame."""
        name = str(frame.rendition or "full").encode()
        head = _HEAD.pack(frame.number, frame.timestamp, frame.captured, name)
        return head + frame.jpeg


WIRE = FrameWire()
"""The one for all viewers."""


@dataclass(eq=False, slots=True)
class Waiting:
    """A request that waits for a picture.

    :ivar after: the number of the picture that its client has; None for none.
    :ivar known: the ETag that it has; empty for none.
    :ivar takes_placeholder: whether a placeholder will do.
    :ivar timeout: answers it without a picture; None before it waits.
    """

    request: Request
    after: int | None
    known: str
    takes_placeholder: bool = True
    timeout: IDelayedCall | None = None

    def wants(self, number: int) -> bool:
        """Whether it is to be answered with the frame of this number."""
        if not number:
            return self.takes_placeholder
        if self.after is None:
            return True
        return number > self.after or number < self.after - BEGUN_AGAIN


class PollingClient(NamedTuple):
    """What makes two requests the same viewer's.

    :ivar key: the name of the key that opens the camera to it.
    :ivar rendition: what it wants; with ``auto``, nothing wider.
    :ivar fps: the most frames a second; 0 for all.
    :ivar auto: whether the rendition follows the link.
    :ivar saves_data: whether it would rather have less.
    """

    address: str
    user_agent: str
    key: str
    rendition: Rendition | None
    fps: float
    auto: bool
    saves_data: bool

    def choices(self, camera: Camera) -> list[tuple[Rendition | None, int]]:
        """Return what it may be sent, as :meth:`Camera.choices`."""
        return camera.choices(self.rendition, saves_data=self.saves_data)

    def first(self, camera: Camera) -> Rendition | None:
        """Return what it is sent at first, when nothing is known of its link."""
        return self.choices(camera)[0][0] if self.auto else self.rendition


class FrameOutlet:
    """The way out to one client that polls: a picture for each of its requests.

    :ivar viewer: whose way out it is; None until it is admitted.

    :param client: who that is, and what it wants.
    :param gone: called when the client is no viewer any more.
    """

    repeats = False
    busy = False
    wire: Wire = WIRE
    offered_wire: Wire = WIRE

    def __init__(
        self,
        camera: Camera,
        clock: IReactorTime,
        client: PollingClient,
        gone: Callable[[], None],
    ) -> None:
        self.viewer: Viewer | None = None
        self._camera = camera
        self._clock = clock
        self._client = client
        self._link = PolledLink()
        fps = camera.settings.auto_fps
        self._auto = AutoRendition(fps, MAX_LATENESS, clock.seconds())
        self._gone = gone
        self._waiting: list[Waiting] = []
        self._block: bytes | None = None
        self._answered = 0
        self._ready: Callable[[], None] = lambda: None
        self._lingers = LINGER_AUTO if client.auto else LINGER
        self._linger = clock.callLater(self._lingers, self._end)
        self._is_over = False

    def open(self, ready: Callable[[], None]) -> None:
        """Begin: requests come by :meth:`ask`."""
        self._ready = ready

    def ask(self, waiting: Waiting) -> None:
        """Answer a request now or when there is a picture for it."""
        self._link.asked(self._clock.seconds())
        self._follow_link()
        if self._linger.active():
            self._linger.reset(WAIT + self._lingers)
        if len(self._waiting) >= MOST_WAITING:
            self._answer_empty(self._waiting.pop(0))
        waiting.timeout = self._clock.callLater(WAIT, self._time_out, waiting)
        waiting.request.notifyFinish().addErrback(lambda _: self._forget(waiting))
        self._waiting.append(waiting)
        if self._block is not None:
            self.send(self._block)
        if waiting in self._waiting:
            self._ready()

    def _follow_link(self) -> None:
        """Show from now on what fits the link, where that is for camd to choose."""
        client, viewer, bandwidth = self._client, self.viewer, self._link.bandwidth
        if not client.auto or viewer is None or bandwidth is None:
            return
        settings, choices = self._camera.settings, client.choices(self._camera)
        self._auto.fps = min(settings.auto_fps, client.fps or settings.stream_fps)
        sizes, round_trip = [size for _, size in choices], self._link.round_trip
        now = self._clock.seconds()
        number = self._auto.choose(sizes, bandwidth, bandwidth, round_trip, 0, now)
        rendition, _ = choices[number]
        if rendition != viewer.rendition:
            self._camera.move(viewer, rendition, client.fps)

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Answer those that wait for this picture; False if nobody does."""
        number, *_ = _HEAD.unpack_from(block)
        takers = [waiting for waiting in self._waiting if waiting.wants(number)]
        if takers:
            # A placeholder comes again each second. To ask once more what follows it
            # is to wait for that.
            self._block = block if number else None
        for waiting in takers:
            self._forget(waiting)
            self._answer(waiting, block)
        return bool(takers)

    def direct_send(self) -> Send | None:
        """Return None: each picture is an answer of its own."""
        return None

    def progress(self) -> int:
        """Return how many requests were answered."""
        return self._answered

    def finish(self) -> None:
        """Say that there is nothing more, and be gone."""
        for waiting in list(self._waiting):
            self._forget(waiting)
            finish(waiting.request, unavailable(waiting.request, self._camera))
        self._clock.callLater(0, self._end)

    def abort(self) -> None:
        """Do the same: a client that polls has no connection of its own."""
        self.finish()

    def _answer(self, waiting: Waiting, block: bytes) -> None:
        number, timestamp, captured, padded = _HEAD.unpack_from(block)
        request, rendition = waiting.request, padded.rstrip(b"\0")
        now = self._clock.seconds()
        request.setHeader(b"X-Rendition", rendition)
        self._set_headers(request)
        self._answered += 1
        if not_modified(request, etag(number, timestamp, rendition.decode())):
            request.finish()
            return
        request.setHeader(b"Content-Type", b"image/jpeg")
        request.setHeader(b"X-Frame", b"%d" % number)
        request.setHeader(b"X-Frame-Age", b"%.3f" % (now - captured))
        request.setHeader(b"X-Timestamp", b"%.6f" % timestamp)
        self._link.answered(rendition, len(block), now)
        finish(request, block[_HEAD.size :])

    def _set_headers(self, request: Request) -> None:
        request.setHeader(b"X-Camera-State", self._camera.state.value.encode())
        request.setHeader(*NO_STORE)

    def _answer_empty(self, waiting: Waiting) -> None:
        self._forget(waiting)
        self._answered += 1
        self._set_headers(waiting.request)
        if waiting.known:
            waiting.request.setHeader(b"ETag", waiting.known.encode())
        waiting.request.setResponseCode(304 if waiting.known else 204)
        waiting.request.finish()

    def _time_out(self, waiting: Waiting) -> None:
        if waiting in self._waiting:
            self._answer_empty(waiting)

    def _forget(self, waiting: Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        cancel(waiting.timeout)
        if not self._waiting and self._linger.active():
            self._linger.reset(self._lingers)

    def _end(self) -> None:
        cancel(self._linger)
        if not self._is_over:
            self._is_over = True
            self._gone()


class FrameResource(Resource):
    """``/api/NAME/frame``: the newest picture, or the next one."""

    isLeaf = True
    opened_by = TO_SEE

    def __init__(self, camera: Camera, proxies: Proxies, refusal: Refusal) -> None:
        super().__init__()
        self._camera = camera
        self._proxies = proxies
        self._refusal = refusal
        self._outlets: dict[PollingClient, FrameOutlet] = {}

    def render(self, request: Request) -> bytes | int:
        """Answer when there is a picture."""
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed(request)
        if self._camera.closed:
            return body_for(request, unavailable(request, self._camera))
        try:
            rendition = wanted_rendition(request, self._camera)
            fps, after, auto = wanted_fps(request), _after(request), wants_auto(request)
        except BadQuery as error:
            return body_for(request, text_answer(request, str(error), 400))
        user_agent = printable(request.getHeader(b"User-Agent"))
        address, principal = self._proxies.client(request), holder_of(request)
        client = PollingClient(
            address,
            user_agent,
            principal.name,
            rendition,
            fps,
            auto,
            auto and saves_data(request),
        )
        outlet = self._outlets.get(client)
        if outlet is None:
            refusal = self._refusal(self._camera, address)
            if refusal is not None:
                request.setHeader(b"Retry-After", b"%d" % RETRY_AFTER)
                return body_for(request, text_answer(request, refusal, 503))
            outlet = self._admit(client, principal)
        known = printable(request.getHeader(b"If-None-Match"))
        # A snapshot is a placeholder for those alone that would have one.
        is_snapshot = argument(request, b"next") is not None
        takes_placeholder = argument(request, b"placeholder") == b"1" or not is_snapshot
        outlet.ask(Waiting(request, after, known, takes_placeholder))
        return NOT_DONE_YET

    def _admit(self, client: PollingClient, principal: Any) -> FrameOutlet:
        """Make a client a viewer, until it asks no more."""

        def gone() -> None:
            del self._outlets[client]
            if outlet.viewer in self._camera.viewers:
                self._camera.remove_viewer(outlet.viewer)

        outlet = FrameOutlet(self._camera, self._camera.clock, client, gone)
        self._outlets[client] = outlet
        outlet.viewer = self._camera.add_viewer(
            outlet,
            client.address,
            client.user_agent,
            principal,
            client.first(self._camera),
            client.fps,
        )
        return outlet


def _after(request: Request) -> int | None:
    """Return the number of the picture that the client has; None for none.

    :raises BadQuery: it is no number.
    """
    name, text = "after", argument(request, b"after")
    if text is None:
        name, text = "next", argument(request, b"next")  # A snapshot's.
    if text is None:
        return None
    if not text.isdigit() or len(text) > 15:
        shown = ascii(text[:20].decode("ascii", "replace"))
        raise BadQuery(f"{name}: {shown} is not a whole number from 0")
    return int(text)
