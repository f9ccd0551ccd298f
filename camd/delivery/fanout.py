"""The fan-out: the newest frame, and its way to all viewers in whatever size they want.

Nothing queues here. A frame that is published replaces the one before; what a slow
viewer still has under way is that viewer's own affair (:mod:`camd.delivery.viewer`).

A subscriber is a :class:`~camd.delivery.viewer.Viewer`. It says what it wants by three
things, and all that agree in them are sent the same bytes object, built once:

- its *rendition*: None for the full picture, or a smaller one of the camera's ladder,
  which is scaled only while somebody wants it (:mod:`camd.delivery.ladder`);
- its *fps*: the most frames a second. It gets each k-th frame by number, k from the
  camera's own rate, so that viewers of one rate get the same frames;
- its outlet's *wire*: how a frame's bytes are laid out (:class:`camd.frame.Wire`).

A new kind of connection is therefore a :class:`~camd.frame.Wire` and an
:class:`~camd.delivery.outlet.Outlet`. The outlet is ``busy`` for as long as nothing may
be sent, whatever the reason is, and calls what it was opened with once something may;
the viewer keeps the newest frame for that moment. :meth:`FanOut.move` changes what a
viewer is sent, in the middle of it all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from camd.delivery.ladder import Ladder, Scale
from camd.delivery.rung import Rung
from camd.delivery.viewer import StreamLimits, Viewer
from camd.formats.rendition import Rendition
from camd.frame import Frame
from camd.stats import CameraStats


class FanOut:
    """Sends each frame to every viewer that has subscribed.

    :ivar publish: makes a frame the newest one and sends it to all. It never raises for
        what is wrong with one frame, wire or viewer.

    :param stats: the camera's; its rate decides what every k-th frame is.
    :param scale: makes smaller JPEGs of one, without blocking.
    """

    def __init__(self, clock: IReactorTime, stats: CameraStats, scale: Scale) -> None:
        self._clock = clock

        def rate() -> float:
            return stats.rate.per_second(clock.seconds())

        # Neither knows the fan-out: in a reference cycle, its frames would stay.
        self._ladder = Ladder(clock, rate, scale, stats)
        self._full = Rung(clock, rate, stats.lateness, self._ladder.publish)
        # The newest that came as a smaller rendition, and the bytes of the last full
        # picture, which may be long ago then.
        self._fed: Frame | None = None
        self._full_bytes: int | None = None
        self._rung_of: dict[Viewer, Rung] = {}
        self.publish: Callable[[Frame], None] = self._full.publish

    def __len__(self) -> int:
        return len(self._rung_of)

    @property
    def newest(self) -> Frame | None:
        """The full picture published last.

        None before the first, and after it was set to None, as too old to begin with.
        """
        return self._full.newest

    @newest.setter
    def newest(self, frame: Frame | None) -> None:
        self._full.newest, self._fed = frame, None
        self._ladder.forget()

    @property
    def latest(self) -> Frame | None:
        """The newest frame there is, be it full or not; None as :attr:`newest`."""
        full, fed = self._full.newest, self._fed
        if full is None or fed is None:
            return full or fed
        return fed if fed.captured > full.captured else full

    @property
    def wanted(self) -> Collection[Rendition | None]:
        """The renditions that have viewers; None among them is the full picture."""
        smaller = self._ladder.wanted
        return (None, *smaller) if len(self._full) else tuple(smaller)

    def lacks(self, rendition: Rendition | None) -> bool:
        """Whether viewers of a rendition wait for their first picture.

        :param rendition: None for the full picture.
        """
        if rendition is None:
            return bool(self._full) and self._full.newest is None
        return rendition in self.wanted and self.newest_as(rendition) is None

    def newest_as(self, rendition: Rendition) -> Frame | None:
        """Return the newest frame that viewers of a rendition have; None if none."""
        return self._ladder.newest(rendition)

    def take_over(self, former: FanOut) -> None:
        """Begin with the newest frames that another one had."""
        self.newest, self._fed = former.newest, former._fed
        self._full_bytes = former._full_bytes

    def feed(self, frame: Frame, rendition: Rendition) -> bool:
        """Send a frame that came as a smaller rendition to those that want that.

        :return: whether it shows another picture than the one before.
        """
        latest = self.latest
        newest, self._fed = self._full.newest, frame
        if newest is not None:
            if newest.is_placeholder or not self._full:
                # What full picture there is, is from when somebody wanted it.
                self._full.newest = None
            if not newest.is_placeholder:
                self._full_bytes = len(newest.jpeg)
        self._ladder.feed(frame, rendition)
        return latest is None or latest.number != frame.number

    def newest_for(self, viewer: Viewer) -> Callable[[], Frame | None]:
        """Return what returns the newest frame in the rendition of a subscriber."""
        rung = self._rung_of[viewer]
        return lambda: rung.newest

    def size_of(self, rendition: Rendition | None) -> int | None:
        """Return the bytes of the last picture of a rendition; None before one.

        :param rendition: None for the full picture.
        """
        if rendition is not None:
            return self._ladder.size_of(rendition)
        return self._full_bytes if self.newest is None else len(self.newest.jpeg)

    def subscribe(self, viewer: Viewer) -> None:
        """Send this viewer every frame that it wants, from the next one on."""
        rendition, newest = viewer.rendition, self._full.newest
        rung = self._ladder.rung(rendition, self.latest) if rendition else self._full
        rung.subscribe(viewer)
        self._rung_of[viewer] = rung
        if rendition is not None and newest is not None:
            self._ladder.publish(newest)

    def unsubscribe(self, viewer: Viewer) -> None:
        """Send this viewer nothing more; no harm if it had not subscribed."""
        rung = self._rung_of.pop(viewer, None)
        if rung is None:
            return
        rung.unsubscribe(viewer)
        if viewer.rendition is not None and not rung:
            self._ladder.remove(viewer.rendition, rung)

    def move(self, viewer: Viewer, rendition: Rendition | None, fps: float = 0) -> None:
        """Send a subscriber another rendition, or another rate, from now on.

        :param rendition: None for the full picture.
        :param fps: the most frames a second; 0 for all.
        """
        self.unsubscribe(viewer)
        viewer.want(rendition, fps)
        self.subscribe(viewer)
        self._go_on_with(viewer)

    def apply(self, limits: StreamLimits) -> None:
        """Hold all viewers to these limits from now on."""
        for viewer in list(self._rung_of):
            # They may be sent to together with others than before.
            self.unsubscribe(viewer)
            viewer.apply(limits)
            self.subscribe(viewer)
            self._go_on_with(viewer)

    def _go_on_with(self, viewer: Viewer) -> None:
        """Go on with a subscriber that has moved: with the newest frame there is."""
        newest = self.newest_for(viewer)
        viewer.switch_to(newest)
        frame, last = newest(), viewer.last
        # The next one may be long in coming, be it that a round has yet to come to this
        # viewer, or that the picture is a still one.
        if frame is not None and (last is None or not frame.is_behind(last)):
            viewer.offer(frame, self._clock.seconds())

    def finish_streams(self, reason: str) -> None:
        """End all streams, each behind a whole part."""
        for viewer in list(self._rung_of):
            self.unsubscribe(viewer)
            viewer.finish_stream(reason)

    def hold(self, frame: Frame) -> bool:
        """Make this the newest frame and send it to nobody, if all have its picture.

        :return: whether they have; if not, nothing is done.
        """
        if not all(viewer.has(frame.full) for viewer in self._rung_of):
            return False
        self._full.newest = frame
        return True

    def render(self, frame: Frame, rendition: Rendition) -> Deferred[Frame]:
        """Return one of the camera's frames as a rendition, made once for all that ask.

        :return: the frame itself where it cannot be scaled; never fails.
        """
        return self._ladder.render(frame, rendition)
