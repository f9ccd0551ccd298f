"""What the tests of the fan-out share: frames, an outlet, a reactor, real sockets."""

from __future__ import annotations

import gc
import select
import socket
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from camd.delivery.tcp import Send
from camd.delivery.viewer import ClientInfo
from camd.formats.jpeg import Size
from camd.formats.multipart import Form
from camd.formats.rendition import Rendition
from camd.frame import WIRES, Frame, Wire
from camd.rights import Principal

PLAIN = WIRES[Form.PLAIN, True]
"""The wire of most clients: HTTP/1.1, with Content-Length."""


def frame(number: int = 1, captured: float = 0.0, size: int = 64) -> Frame:
    """A frame of ``size`` bytes, which no other number has."""
    jpeg = b"\xff\xd8%0*d\xff\xd9" % (size - 4, number)
    return Frame(jpeg, number, captured, 1e9 + captured, Size(64, 48))


class Tracked(Frame):
    """A frame that tells, by weak references, whether anybody still holds it."""

    __slots__ = ("__weakref__",)


def tracked(number: int, size: int = 64) -> Tracked:
    """A frame of that kind."""
    plain = frame(number, size=size)
    return Tracked(plain.jpeg, number, 0, 1e9, plain.size)


@contextmanager
def uncollected() -> Iterator[weakref.WeakSet[Tracked]]:
    """Keep Python's collector away; give a place to see which frames are held."""
    gc.disable()
    try:
        yield weakref.WeakSet()
    finally:
        gc.enable()


class FakeReactor(Clock):
    """A reactor's clock that can also be taken a turn at a time."""

    def turn(self) -> None:
        """Make the calls that are due; what they put off to 0 s waits for its turn."""
        for call in [c for c in self.calls if c.getTime() <= self.seconds()]:
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)


class FakeScaler:
    """Makes renditions: at once, or when the test says so.

    :ivar asked: what was to be made, by the frame's JPEG: the renditions of each time.
    :ivar slow: whether it takes until :meth:`finish`.
    :ivar cuts: whether smaller ones have fewer bytes.
    :ivar trouble: what it fails with; None if it does not.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, list[Rendition]]] = []
        self.slow = self.cuts = False
        self.trouble: Exception | None = None
        self._under_way: list[Deferred[list[tuple[bytes, Size]]]] = []

    def __call__(
        self, jpeg: bytes, renditions: Sequence[Rendition]
    ) -> Deferred[list[tuple[bytes, Size]]]:
        """Make a JPEG that says what it is: the old one behind the rendition's name."""
        self.asked.append((jpeg, list(renditions)))
        self._under_way.append(Deferred())
        done = self._under_way[-1]
        if not self.slow:
            self.finish()
        return done

    def finish(self) -> None:
        """Finish what was begun first."""
        jpeg, renditions = self.asked[-len(self._under_way)]
        done = self._under_way.pop(0)
        if self.trouble is not None:
            done.errback(self.trouble)
        else:
            size = Size(64, 48)
            done.callback(
                [
                    (
                        b"%b:%b"
                        % (str(rendition).encode(), self._cut(jpeg, rendition)),
                        rendition.size_of(size),
                    )
                    for rendition in renditions
                ]
            )

    def _cut(self, jpeg: bytes, rendition: Rendition) -> bytes:
        share = float(rendition.scale) ** 2 if self.cuts else 1
        return jpeg[: int(share * len(jpeg))]


class FakeOutlet:
    """A way out that keeps what it is sent.

    :ivar full: whether the next block stays half sent until :meth:`drain`.
    :ivar shut: whether it takes nothing at all of the next block.
    :ivar doubtful: whether it takes nothing either, and does not say when it will.
    :ivar taken: what :meth:`progress` returns.
    :ivar sent_directly: how many blocks went by :meth:`direct_send`.
    """

    repeats = True

    def __init__(self, wire: Wire = PLAIN, full: bool = False) -> None:
        self.wire = wire
        self.busy = True
        self.full = full
        self.shut = False
        self.doubtful = False
        self.sent: list[bytes] = []
        self.taken = 0
        self.sent_directly = 0
        self.aborted = 0
        self.finished = 0

    @property
    def offered_wire(self) -> Wire:
        """The same for every block."""
        return self.wire

    def open(self, ready: Callable[[], None]) -> None:
        """Stay busy with the opening until :meth:`drain`."""
        self._ready = ready

    def send(self, block: bytes, sent: int = 0) -> bool:
        """Keep the block, unless the outlet is shut; be busy with what is left."""
        assert not self.busy, "sent to while busy"
        if sent:
            assert sent < len(block)
            assert self.sent[-1] is block
            self.busy = True
            return True
        if self.doubtful:
            return False
        self.busy = self.full or self.shut
        if not self.shut:
            self.sent.append(block)
        return not self.shut

    def direct_send(self) -> Send | None:
        """The same, without the outlet's knowing."""
        return None if self.busy or self.doubtful else self._send_directly

    def _send_directly(self, block: bytes) -> int:
        assert not self.busy, "sent to directly while busy"
        if self.shut or self.doubtful:
            raise BlockingIOError
        self.sent.append(block)
        self.sent_directly += 1
        return len(block) // 2 if self.full else len(block)

    def drain(self, full: bool | None = None) -> None:
        """Let all that is under way leave; then be :attr:`full`, if given."""
        if full is not None:
            self.full = full
        self.busy = False
        self._ready()

    def progress(self) -> int:
        """The number that the test set."""
        return self.taken

    def finish(self) -> None:
        """Count it."""
        assert not self.busy, "finished while busy"
        self.busy = True
        self.finished += 1

    def abort(self) -> None:
        """Count it."""
        self.aborted += 1


class Wiretap(socket.socket):
    """A socket that knows which objects it was asked to send.

    :ivar offered: every object given to ``send``, taken or not.
    :ivar handed_over: bytes that the kernel has taken.
    """

    def __init__(self, plain: socket.socket) -> None:
        super().__init__(fileno=plain.detach())
        self.offered: list[object] = []
        self.handed_over = 0

    def send(self, data: bytes | memoryview, flags: int = 0) -> int:  # type: ignore[override]
        """Send, and keep the object itself, not a copy."""
        self.offered.append(data)
        taken = super().send(data, flags)
        self.handed_over += taken
        return taken


@contextmanager
def tcp_pair(room: int = 0) -> Iterator[tuple[Wiretap, socket.socket]]:
    """A connection over loopback: the server's end, then the client's.

    :param room: bytes that the client's kernel takes unread; 0 for its own choice.
    """
    with socket.create_server(("127.0.0.1", 0)) as port, socket.socket() as client:
        if room:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            # Loopback's segments of 64 KB are too large for a small window to move.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1000)
        client.settimeout(10)
        client.connect(port.getsockname())
        with Wiretap(port.accept()[0]) as server:
            yield server, client


@contextmanager
def unix_pair(room: int = 0) -> Iterator[tuple[Wiretap, socket.socket]]:
    """A connected pair of UNIX sockets: the server's end, then the client's.

    :param room: bytes that the server's kernel holds unread; 0 for its own choice.
    """
    plain, client = socket.socketpair()
    if room:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
    client.settimeout(10)
    with client, Wiretap(plain) as server:
        yield server, client


def arrived(client: socket.socket) -> bytes:
    """Read what has come by now; nothing when nothing has, or at the end."""
    pieces = []
    while select.select([client], [], [], 0)[0]:
        piece = client.recv(1 << 20)
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)


NOBODY = Principal("", frozenset())
"""Who watches where it does not matter."""

CLIENT = ClientInfo(3, "127.0.0.1", "curl", 1e9, NOBODY)
"""The client of a viewer where it does not matter."""


def soon(true: Callable[[], bool]) -> None:
    """Wait until the kernel has made this true, which takes it some microseconds."""
    for _ in range(5000):
        if true():
            return
        select.select([], [], [], 0.002)
    raise AssertionError("the kernel did not do it in ten seconds")


def failures(events: Sequence[LogEvent]) -> list[str]:
    """The texts of the exceptions among captured log events."""
    return [str(e["log_failure"].value) for e in events if "log_failure" in e]


def results(asked: Deferred[Frame]) -> list[object]:
    """What came of it so far: nothing, a frame, or an exception."""
    got: list[object] = []
    asked.addCallbacks(got.append, lambda failure: got.append(failure.value))
    return got
