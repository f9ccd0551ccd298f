"""A camera, its thread, its environment and its site for tests.

No waiting, no hardware, no reactor, no socket.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar

import cv2
import numpy as np
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import formatEvent
from twisted.python.failure import Failure
from twisted.web.server import Site

from camd.cameras.camera import Camera
from camd.capture.thread import P, Series
from camd.config.settings import CameraSettings
from camd.config.source import PUSH
from camd.delivery.viewer import Viewer
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.frame import Stamp
from camd.sources import (
    CameraMode,
    Image,
    PushSource,
    RawFrame,
    Receiver,
    SourceError,
)
from camd.sources.due import ANY, Due
from camd.sources.ingest.source import Ingest
from camd.sources.v4l2.controlled import DeviceControls
from camd.stats import ViewerCount
from camd.web.access.access import Access
from camd.web.access.keys import Keys
from camd.web.client import NO_PROXIES, Proxies
from camd.web.limits import UNLIMITED, ViewerLimits
from camd.web.live.channel import LiveChannel
from camd.web.site import CamdSite
from camd.web.tree import tree
from tests.fake_v4l2 import FakeDriver
from tests.fakes import NOBODY, FakeOutlet, FakeScaler

T = TypeVar("T")

GIVEN = CameraMode(32, 24, 30, "YUYV")
"""What a fake source says that it gives."""

EPOCH = 1_800_000_000.0
"""The Unix time at which a fake environment's clock shows 0."""


@cache
def tiny_jpeg(shade: int = 0) -> bytes:
    """A real JPEG of 32x24 pixels, all of one grey."""
    picture = np.full((24, 32, 3), shade, np.uint8)
    return bytes(cv2.imencode(".jpg", picture)[1].tobytes())


PLACEHOLDER = tiny_jpeg(100)
"""What stands in for every camera."""


class FakeSource:
    """A camera that gives what its scripts say, and then good pictures.

    :ivar opens: what is yet to come of opening: exceptions, or what it gives.
    :ivar reads: what is yet to come of reading: exceptions, or the content of a shot.
    """

    def __init__(self, clock: Clock, reads: Iterable[Any] = ()) -> None:
        self.opens: deque[Exception | CameraMode] = deque()
        self.reads: deque[Any] = deque(reads)
        self.always: Any = tiny_jpeg()
        self.calls: list[str] = []
        self.is_open = False
        self._clock = clock

    def open(self) -> CameraMode:
        """Do as scripted, or open."""
        self.calls.append("open")
        # A new one each time, as from a camera that was opened anew.
        mode = self.opens.popleft() if self.opens else replace(GIVEN)
        if isinstance(mode, Exception):
            raise mode
        self.is_open = True
        return mode

    def read(self, due: Due = ANY) -> RawFrame:
        """Do as scripted, or return a picture taken now."""
        self.calls.append("read")
        content = self.reads.popleft() if self.reads else self.always
        if isinstance(content, Exception):
            raise content
        return RawFrame(content, self._clock.seconds())

    def close(self) -> None:
        """Note it."""
        self.calls.append("close")
        self.is_open = False


class FakePushSource:
    """A camera that pushes what the test sends.

    :ivar calls: what it was asked, in order.
    :ivar rates: the rates that it was asked for.
    :ivar receiver: who takes its pictures; None while it is stopped.
    :ivar stopping: what :meth:`stop` returns next; None for one that has fired.
    """

    def __init__(self, clock: Clock) -> None:
        self.calls: list[str] = []
        self.rates: list[float] = []
        self.receiver: Receiver | None = None
        self.stopping: Deferred[None] | None = None
        self.fails: str | None = None
        self._clock = clock

    def start(self, receiver: Receiver, fps: float) -> None:
        """Note it; fail at once if the test says so."""
        self.calls.append("start")
        self.rates.append(fps)
        self.receiver = receiver
        if self.fails is not None:
            receiver.failed(SourceError(self.fails))

    def set_rate(self, fps: float) -> None:
        """Note it."""
        self.rates.append(fps)

    def why_silent(self, seconds: float) -> SourceError:
        """Return an error that tells the seconds."""
        return SourceError(f"silent for {seconds:.0f} s")

    def stop(self) -> Deferred[None]:
        """Note it."""
        self.calls.append("stop")
        self.receiver = None
        return self.stopping or succeed(None)

    def send(
        self, jpeg: bytes | None = None, age: float = 0, stamp: Stamp | None = None
    ) -> None:
        """Push a picture, a good one if none is given."""
        if self.receiver is not None:
            self.receiver.opened("MJPG")
            content = tiny_jpeg() if jpeg is None else jpeg
            self.receiver.picture(content, self._clock.seconds() - age, stamp)


class FakeEncoder:
    """Makes the same JPEG of every picture, and counts them."""

    def __init__(self, quality: int = 80) -> None:
        self.quality = quality
        self.encoded = 0
        self.trouble: Exception | None = None

    def encode(self, picture: Image) -> bytes:
        """Return a small JPEG."""
        if self.trouble is not None:
            raise self.trouble
        self.encoded += 1
        return tiny_jpeg(200)


class FakeThread:
    """Stands in for the camera's thread: one piece of work after the other, on a clock.

    :ivar takes: seconds that each piece of work takes; 0 for none at all; None when the
        test calls :meth:`finish` itself, or never, as a camera that hangs.
    :ivar queue: the work that is not through, the piece under way first.
    :ivar stops: how often it was told to end.
    """

    def __init__(self, clock: Clock, takes: float | None = 0) -> None:
        self.takes = takes
        self.queue: deque[tuple[Callable[[], Any], Deferred[Any]]] = deque()
        self.stops = 0
        self._clock = clock
        self._series: dict[Callable[[], Any], Series[Any]] = {}
        self._later: IDelayedCall | None = None

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Queue the work; once told to end, drop it."""
        done: Deferred[T] = Deferred()
        if not self.stops:
            self.queue.append((work, done))
            under_way = self._series.get(self.queue[0][0])
            if len(self.queue) == 1:
                self._begin()
            elif self.takes == 0 and under_way is not None and under_way.is_ending:
                self.finish()
        return done

    def repeat(self, series: Series[P]) -> Deferred[Any]:
        """Queue pictures that are taken one after the other, each when it is due."""

        def take() -> P:
            return series.take(series.due)

        self._series[take] = series
        return self(take)

    @property
    def series(self) -> list[Series[Any]]:
        """The series that are not through."""
        return [self._series[work] for work, _ in self.queue if work in self._series]

    def _begin(self) -> None:
        if self.takes is None:
            return
        work, takes = self.queue[0][0], self.takes
        if work in self._series:
            takes = max(takes, self._series[work].due.at - self._clock.seconds())
        if takes == 0:
            self.finish()
        else:
            self._later = self._clock.callLater(takes, self._go_on)

    def _go_on(self) -> None:
        """Finish, unless the camera has begun to hang meanwhile."""
        if self.takes is not None:
            self.finish()

    def finish(self) -> None:
        """Do the work that is under way, and deliver what came of it."""
        if self._later is not None and self._later.active():
            self._later.cancel()
        work, done = self.queue[0]
        outcome: Any
        try:
            outcome = work()
        except Exception:
            outcome = Failure()
        else:
            series = self._series.get(work)
            if series is not None and series.is_ending:
                outcome = None
            elif series is not None:
                series.due.took(outcome.captured)
                series.count += 1
                series.tell(outcome)
                self._begin()
                return
        self.queue.popleft()
        if self.queue:
            self._begin()
        done.callback(outcome)

    def stop(self) -> None:
        """Note it."""
        self.stops += 1


class FakeEnvironment:
    """An environment on a clock, and all that was made in it.

    :ivar threads: the threads that were made, in order; each has its source beside it
        in :attr:`sources`.
    :ivar encoders: the encoders that were made, in order.
    :ivar takes: what new threads begin with, see :class:`FakeThread`.
    :ivar always: what new sources give, see :class:`FakeSource`.
    :ivar placeholders: the words of those that were drawn; :attr:`sizes` are theirs,
        and :attr:`drawn_for` the settings that they were drawn by.
    :ivar draw: what comes of drawing, a promise; None for a picture at once.
    :ivar called: the hooks that were called: target, event and secret.
    :ivar there: whether the devices are there.
    :ivar push_source: the camera's source that pushes; None where it is pulled.
    :ivar slept: seconds for which the machine slept, and its clock stood still.
    :ivar scaler: what makes smaller renditions.
    :ivar driver: what new controls ask and set; None for a camera without controls.
    """

    def __init__(self, takes: float | None = 0) -> None:
        self.clock = Clock()
        self.takes = takes
        self.always: Any = None
        self.threads: list[FakeThread] = []
        self.sources: list[FakeSource] = []
        self.encoders: list[FakeEncoder] = []
        self.placeholders: list[Sequence[str]] = []
        self.sizes: list[tuple[int, int]] = []
        self.drawn_for: list[CameraSettings] = []
        self.draw: Callable[[], Deferred[bytes]] | None = None
        self.there = True
        self.called: list[tuple[str, str, bytes | None]] = []
        self.push_source: PushSource | None = None
        self.slept = 0.0
        self.scaler = FakeScaler()
        self.driver: FakeDriver | None = None

    def wall(self) -> float:
        """Return the time in Unix seconds."""
        return EPOCH + self.clock.seconds() + self.slept

    def random(self) -> float:
        """Return the least there is."""
        return 0.0

    def run(self, seconds: float, step: float = 1 / 64) -> None:
        """Let the time pass in small steps, each exact in binary."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)

    def new_thread(
        self, name: str, between: Callable[[], bool] = lambda: False
    ) -> FakeThread:
        """Start a thread, and keep it."""
        self.threads.append(FakeThread(self.clock, self.takes))
        return self.threads[-1]

    def new_controls(self, settings: CameraSettings) -> DeviceControls | None:
        """Return controls that :attr:`driver` has; None where there is none."""
        if self.driver is None:
            return None
        requested = settings.camera_controls
        return DeviceControls("/dev/video7", requested, self.driver.opened)

    def new_source(
        self, settings: CameraSettings, controls: DeviceControls | None
    ) -> FakeSource:
        """Make a source, and keep it."""
        source = FakeSource(self.clock)
        if self.always is not None:
            source.always = self.always
        self.sources.append(source)
        return source

    def new_push_source(self, settings: CameraSettings) -> PushSource | None:
        """Return :attr:`push_source`, or what a camera is really pushed to."""
        if settings.source == PUSH:
            return Ingest(settings.name, settings.camera_fps, self.clock, self.wall)
        return self.push_source

    def new_encoder(self, quality: int) -> FakeEncoder:
        """Make an encoder, and keep it."""
        self.encoders.append(FakeEncoder(quality))
        return self.encoders[-1]

    def new_placeholder(
        self, settings: CameraSettings, lines: Sequence[str], size: Size
    ) -> Deferred[bytes]:
        """Note what is to be drawn, and draw nothing."""
        self.placeholders.append(lines)
        self.drawn_for.append(settings)
        self.sizes.append((size.width, size.height))
        return self.draw() if self.draw else succeed(PLACEHOLDER)

    def scale(
        self, jpeg: bytes, renditions: Sequence[Rendition]
    ) -> Deferred[list[tuple[bytes, Size]]]:
        """Make smaller JPEGs that are none, at once."""
        return self.scaler(jpeg, renditions)

    def call_hook(
        self, target: str, body: bytes, event: str, secret: bytes | None
    ) -> Deferred[None]:
        """Note the call, which succeeds at once."""
        self.called.append((target, event, secret))
        return succeed(None)

    def exists(self, path: str) -> bool:
        """Return :attr:`there`."""
        return self.there


FPS = 16
"""Frames a second that a :class:`CameraHarness` shows."""


class CameraHarness:
    """A camera that has been started, and its environment."""

    def __init__(
        self,
        takes: float | None = 0,
        environment: FakeEnvironment | None = None,
        viewer_count: ViewerCount | None = None,
        **settings: Any,
    ) -> None:
        self.environment = environment or FakeEnvironment()
        self.environment.takes = takes
        chosen: dict[str, Any] = {"name": "robot", "stream_fps": FPS, **settings}
        self.camera = Camera(
            CameraSettings(**chosen),
            viewer_count or ViewerCount(),
            self.environment,
        )
        self.camera.startService()
        self.outlets: dict[Viewer, FakeOutlet] = {}
        if self.environment.push_source is None:
            self.thread = self.environment.threads[-1]
            self.source = self.environment.sources[-1]

    def visit(self, agent: str = "curl/8") -> Viewer:
        """Let somebody in, whose connection takes all at once."""
        outlet = FakeOutlet()
        viewer = self.camera.add_viewer(outlet, "192.0.2.7", agent, NOBODY)
        outlet.drain()
        self.outlets[viewer] = outlet
        return viewer

    def sent(self, viewer: Viewer) -> list[bytes]:
        """What this viewer was sent."""
        return self.outlets[viewer].sent

    def stop(self) -> list[object]:
        """End it; the list is empty until that is through."""
        stopped: list[object] = []
        self.camera.stopService().addCallback(stopped.append)
        return stopped


def said(events: Iterable[Any]) -> list[str]:
    """The log's lines."""
    return [formatEvent(event) for event in events]


KEY = "open-sesame-1234567890"
"""The key of a fake daemon, and the only one."""


class FakeDaemon:
    """A site with its cameras, started, in a fake environment.

    :ivar environment: what the cameras touch.
    :ivar cameras: by name.
    """

    def __init__(
        self,
        *names: str,
        takes: float | None = 0,
        always: object = None,
        proxies: Proxies = NO_PROXIES,
        origins: Collection[str] = (),
        base: str = "",
        limits: ViewerLimits = UNLIMITED,
        driver: FakeDriver | None = None,
        environment: FakeEnvironment | None = None,
        **settings: Any,
    ) -> None:
        self.environment = environment or FakeEnvironment(takes)
        self.environment.driver = driver
        self.environment.always = always
        self.viewer_count = ViewerCount()
        self.cameras = {
            name: Camera(
                CameraSettings(name=name, **{"stream_fps": 16, **settings}),
                self.viewer_count,
                self.environment,
            )
            for name in names or ("robot",)
        }
        self.live = LiveChannel(
            self.cameras, self.environment.clock, self.environment.wall
        )
        keys = Keys({"owner": KEY})
        self.access = access = Access(keys, self.environment.wall)
        self.root = tree(self.cameras, access, proxies, base, limits, live=self.live)
        self.site = CamdSite(
            self.root, access, self.environment.clock, proxies, origins, base
        )
        self.site.startFactory()
        for camera in self.cameras.values():
            camera.startService()

    @property
    def camera(self) -> Camera:
        """The first camera."""
        return next(iter(self.cameras.values()))

    def connect(self, peer: IAddress | None = None) -> HttpConnection:
        """Open a connection."""
        return HttpConnection(self.site, peer)

    def ask(
        self,
        target: str,
        *headers: str,
        method: str = "GET",
        version: str = "1.1",
        key: str | None = KEY,
    ) -> HttpConnection:
        """Send one request on a connection of its own, the key in a header."""
        line = self.connect()
        proof = (f"X-API-Key: {key}",) if key is not None else ()
        line.ask(target, *proof, *headers, method=method, version=version)
        return line


def lose_camera(daemon: FakeDaemon) -> None:
    """Let the camera fail from now on."""
    source = daemon.environment.sources[0]
    source.reads.append(SourceError("unplugged"))
    source.opens.extend([SourceError("no such device")] * 100)


class TextTransport(StringTransport):
    """One that takes being without a producer as a socket's does."""

    def unregisterProducer(self) -> None:
        """Have no producer."""
        self.producer = None


class HttpConnection:
    """A client's end of a connection to a site, in memory.

    :ivar transport: the site's end; its producer can be paused as by a slow client.
    """

    def __init__(self, site: Site, peer: IAddress | None = None) -> None:
        self.transport = TextTransport(peerAddress=peer)
        self.channel = site.buildProtocol(peer)
        self.channel.makeConnection(self.transport)

    def ask(
        self, target: str, *headers: str, method: str = "GET", version: str = "1.1"
    ) -> None:
        """Send a request."""
        lines = [f"{method} {target} HTTP/{version}", "Host: camd", *headers, "", ""]
        self.channel.dataReceived("\r\n".join(lines).encode("latin-1"))

    def lose(self, reason: Exception | None = None) -> None:
        """Lose the connection."""
        self.channel.connectionLost(Failure(reason or ConnectionDone()))

    @property
    def head(self) -> bytes:
        """The answer up to the empty line."""
        return self.transport.value().partition(b"\r\n\r\n")[0]

    @property
    def raw(self) -> bytes:
        """The answer's body as it went over the wire."""
        return self.transport.value().partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        """The answer's code."""
        return int(self.head.split()[1])

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers, by name in lower case."""
        pairs = (line.partition(b": ") for line in self.head.split(b"\r\n")[1:])
        return {name.decode().lower(): value.decode() for name, _, value in pairs}

    @property
    def body(self) -> bytes:
        """The answer's body, its chunks put together."""
        if self.headers.get("transfer-encoding") != "chunked":
            return self.raw
        rest, pieces = self.raw, []
        while rest:
            length, _, rest = rest.partition(b"\r\n")
            size = int(length, 16)
            pieces.append(rest[:size])
            assert rest[size : size + 2] == b"\r\n"
            rest = rest[size + 2 :]
        return b"".join(pieces)

    @property
    def json(self) -> Any:
        """The answer's body, which must be JSON of the length that was told."""
        assert self.headers["content-type"] == "application/json"
        assert self.headers["content-length"] == str(len(self.raw))
        return json.loads(self.raw)
