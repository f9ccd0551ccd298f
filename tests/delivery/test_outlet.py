"""Bytes leave whole and in order, by the shortest way, and nothing piles up behind.

This is about plain sockets; `test_outlet_request` is about everything else.
"""

from __future__ import annotations

import errno
import select
import socket
import sys
import weakref
from collections.abc import Callable

import pytest
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost

from camd.delivery.fanout import FanOut
from camd.delivery.outlet import DOUBTS, SocketOutlet
from camd.delivery.tcp import LOWAT
from camd.delivery.viewer import Viewer
from camd.formats.multipart import RESPONSE_HEADERS, Form, chunk
from camd.frame import WIRES
from camd.stats import CameraStats, Sent
from tests.fakes import (
    PLAIN,
    FakeScaler,
    Tracked,
    frame,
    soon,
    tcp_pair,
    tracked,
    uncollected,
)
from tests.http_connection import (
    LARGE,
    OPENING,
    SMALL,
    Connector,
    HttpConnection,
    ManualReactor,
    OutletResource,
    ViewerResource,
)

both_kinds = pytest.mark.parametrize("kind", ["tcp", "unix"])


def large(number: int = 1) -> bytes:
    """The block of a large frame, with chunk framing."""
    return frame(number, size=LARGE).block(PLAIN)


def source(piece: object) -> object:
    """The object that a piece is a view of."""
    return piece.obj if isinstance(piece, memoryview) else piece


@both_kinds
def test_a_plain_socket_is_written_to_directly(connect: Connector, kind: str) -> None:
    """TCP and UNIX connections get the outlet that calls their own send."""
    resource = OutletResource(Form.PLAIN)
    connect(resource, kind)
    assert isinstance(resource.outlet, SocketOutlet)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(("version", "chunked"), [("1.0", False), ("1.1", True)])
def test_wire_by_version(
    connect: Connector, form: Form, version: str, chunked: bool
) -> None:
    """An HTTP/1.1 client's blocks carry their chunk framing, HTTP/1.0's do not."""
    resource = OutletResource(form)
    connect(resource, version=version)
    assert resource.outlet.wire is WIRES[form, chunked]


@both_kinds
def test_opening_leaves_first(connect: Connector, kind: str) -> None:
    """Headers and opening leave in the reactor's turn; only then is it ready."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind)
    assert resource.outlet.busy
    # Registering asks for data at once; that is no sign that the opening has left.
    assert resource.readies == 0
    connection.flow()
    connection.expect(OPENING)
    assert not resource.outlet.busy
    assert resource.readies == 1


def test_headers(connect: Connector) -> None:
    """The response has the stream's headers and says that it is chunked."""
    connection = connect(OutletResource(Form.PLAIN))
    connection.flow()
    lines = connection.head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"Transfer-Encoding: chunked" in lines
    assert all(b"%b: %b" % pair in lines for pair in RESPONSE_HEADERS)


@both_kinds
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_bytes_on_the_wire(
    connect: Connector, kind: str, form: Form, version: str
) -> None:
    """Opening and blocks stand behind each other, with framing only in HTTP/1.1."""
    resource = OutletResource(form)
    connection = connect(resource, kind, version=version)
    connection.flow()
    wire = resource.outlet.wire
    shown = [frame(number).block(wire) for number in (1, 2, 3)]
    for block in shown:
        resource.outlet.send(block)
    opening = chunk(wire.opening()) if version == "1.1" else wire.opening()
    connection.expect(opening + b"".join(shown))
    assert (b"chunked" in connection.head) is (version == "1.1")


@both_kinds
def test_whole_block_needs_no_reactor(connect: Connector, kind: str) -> None:
    """What the kernel takes at once is handed over as it is, and nobody is asked."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind)
    connection.flow()
    connection.server.offered.clear()
    asked, block = connection.reactor.asked, frame().block(PLAIN)
    resource.outlet.send(block)
    assert len(connection.server.offered) == 1
    assert connection.server.offered[0] is block
    assert not resource.outlet.busy
    assert connection.reactor.asked == asked
    assert resource.readies == 1


@both_kinds
def test_the_rest_waits_as_a_view(connect: Connector, kind: str) -> None:
    """What the kernel does not take waits as a view of the same object."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    connection.server.offered.clear()
    asked, block = connection.reactor.asked, large()
    resource.outlet.send(block)
    assert resource.outlet.busy
    assert connection.reactor.asked == asked + 1
    connection.flow()
    # The last one is Twisted's own, an empty buffer, with each time it can write.
    pieces = [piece for piece in connection.server.offered if len(piece)]
    assert len(pieces) > 2
    assert {id(source(piece)) for piece in pieces} == {id(block)}
    connection.expect(OPENING + block)


def test_no_direct_send_before_the_opening_has_left(connect: Connector) -> None:
    """Ahead of the headers nothing may leave."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource)
    assert resource.outlet.direct_send() is None
    connection.flow()
    assert resource.outlet.direct_send() is not None


@both_kinds
def test_direct_send(connect: Connector, kind: str) -> None:
    """It is the socket's own send: the object goes as it is, and nobody is asked."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind)
    connection.flow()
    connection.server.offered.clear()
    asked, block = connection.reactor.asked, frame().block(PLAIN)
    send = resource.outlet.direct_send()
    assert send is not None
    assert send(block) == len(block)
    assert connection.server.offered == [block]
    assert (resource.outlet.busy, connection.reactor.asked) == (False, asked)
    connection.expect(OPENING + block)


@both_kinds
def test_rest_of_what_was_sent_directly(connect: Connector, kind: str) -> None:
    """What the kernel did not take waits, and leaves when there is room."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    block, send = large(), resource.outlet.direct_send()
    assert send is not None
    taken = send(block)
    assert 0 < taken < len(block)
    assert resource.outlet.send(block, taken)
    assert resource.outlet.busy
    assert resource.outlet.direct_send() is None
    connection.flow()
    connection.expect(OPENING + block)
    assert (resource.outlet.busy, resource.readies) == (False, 2)


def test_no_direct_send_for_a_while_after_that(connect: Connector) -> None:
    """A viewer that was slow is checked for some frames; then it is fast again."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, "tcp", SMALL)
    connection.flow()
    resource.outlet.send(large())
    connection.flow()
    sent = 0
    while resource.outlet.direct_send() is None:
        soon(lambda: resource.outlet.send(frame().block(PLAIN)))
        sent += 1
        connection.flow()
    assert sent == DOUBTS


@both_kinds
def test_ready_when_all_has_left(connect: Connector, kind: str) -> None:
    """It is ready once for each block that waited, and not before its last byte."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    resource.outlet.send(large())
    connection.reactor.spin()
    assert (resource.outlet.busy, resource.readies) == (True, 1)
    connection.flow()
    assert (resource.outlet.busy, resource.readies) == (False, 2)
    assert connection.reactor.writers == {}


def test_lets_go_of_what_has_left(connect: Connector) -> None:
    """A block that has left is not held until the next one comes."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, "unix", SMALL)
    connection.flow()
    block = large()
    held = sys.getrefcount(block)
    resource.outlet.send(block)
    connection.flow()
    connection.server.offered.clear()
    assert sys.getrefcount(block) == held


@both_kinds
def test_many_large_blocks_arrive_whole(connect: Connector, kind: str) -> None:
    """Block after block, each in many pieces, comes out as it went in."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    shown = [large(number) for number in range(1, 6)]
    for block in shown:
        resource.outlet.send(block)
        connection.flow()
    connection.expect(OPENING + b"".join(shown))


def fill(connection: HttpConnection) -> bytes:
    """Fill the kernel's buffer without the outlet; return what it holds now."""
    filled = b""
    with pytest.raises(BlockingIOError):
        while True:
            filled += bytes(connection.server.send(bytes(SMALL)))
    return filled


@both_kinds
def test_kernel_takes_nothing(connect: Connector, kind: str) -> None:
    """A block of which nothing could leave is not kept: a newer one may go instead."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    filled = fill(connection)
    assert not resource.outlet.send(frame(1).block(PLAIN))
    assert resource.outlet.busy
    connection.flow()
    assert (resource.outlet.busy, resource.readies) == (False, 2)
    newer = frame(2).block(PLAIN)
    assert resource.outlet.send(newer)
    connection.expect(OPENING + filled + newer)


@both_kinds
def test_room_again_is_progress(connect: Connector, kind: str) -> None:
    """A socket that was full and has room again shows that the client takes bytes."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    fill(connection)
    before = resource.outlet.progress()
    resource.outlet.send(frame().block(PLAIN))
    connection.flow()
    soon(lambda: resource.outlet.progress() > before)


@both_kinds
@pytest.mark.parametrize("passing", [errno.EINTR, errno.EAGAIN, errno.ENOBUFS])
def test_refusal_that_passes(
    connect: Connector, kind: str, passing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal, a full socket, a kernel short of buffers: it is ready again soon."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind)
    connection.flow()
    block = frame().block(PLAIN)
    with monkeypatch.context() as patch:
        patch.setattr(resource.outlet, "_send", raiser(OSError(passing, "not now")))
        assert not resource.outlet.send(block)
    assert resource.outlet.busy
    connection.flow()
    assert (resource.readies, resource.gone) == (2, [])
    assert resource.outlet.send(block)
    connection.expect(OPENING + block)


def raiser(error: Exception) -> Callable[[object], int]:
    """A ``send`` that fails with this."""

    def send(_: object) -> int:
        raise error

    return send


@both_kinds
def test_broken_pipe(connect: Connector, kind: str) -> None:
    """Sending to a client that is gone raises nothing and ends the connection."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind)
    connection.flow()
    reset(connection.client)

    def refused() -> bool:
        if not resource.outlet.busy:
            resource.outlet.send(frame().block(PLAIN))
        return resource.outlet.busy

    soon(refused)
    assert resource.gone == []
    connection.reactor.turn()
    assert [failure.type for failure in resource.gone] == [ConnectionAborted]
    assert (connection.reactor.readers, connection.reactor.writers) == ({}, {})


def reset(client: socket.socket) -> None:
    """Reset the connection."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


@both_kinds
@pytest.mark.parametrize("leave", [reset, socket.socket.close])
def test_departure_in_the_middle_of_a_part(
    connect: Connector, kind: str, leave: Callable[[socket.socket], None]
) -> None:
    """A client that goes with a part half sent leaves nothing behind."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    resource.outlet.send(large())
    connection.read()
    leave(connection.client)
    soon(lambda: _lost(connection, resource))
    assert resource.gone[0].check(ConnectionDone, ConnectionLost, ConnectionAborted)
    assert (connection.reactor.readers, connection.reactor.writers) == ({}, {})
    assert resource.readies == 1
    # The heartbeat may look at it in the same turn.
    resource.outlet.progress()
    resource.outlet.abort()


def _lost(connection: HttpConnection, resource: OutletResource) -> bool:
    connection.reactor.spin()
    return bool(resource.gone)


@both_kinds
def test_departed_viewer_leaves_no_reference_cycle(
    connect: Connector, reactor: ManualReactor, kind: str
) -> None:
    """A viewer that is gone is freed at once, without the garbage collector."""
    resource = ViewerResource(Form.PLAIN, reactor)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    with uncollected() as alive:
        for number in (1, 2):
            one = tracked(number, LARGE)
            alive.add(one)
            resource.viewer.offer(one, 0)
            del one
        connection.client.close()
        soon(lambda: _lost(connection, resource))
        connection.server.offered.clear()
        resource.forget()
        assert len(alive) == 0


@both_kinds
@pytest.mark.parametrize(("version", "end"), [("1.1", b"0\r\n\r\n"), ("1.0", b"")])
def test_end_in_the_middle_of_a_part(
    connect: Connector, reactor: ManualReactor, kind: str, version: str, end: bytes
) -> None:
    """The part leaves whole, then the response's end, then the connection is closed."""
    resource = ViewerResource(Form.PLAIN, reactor)
    connection = connect(resource, kind, SMALL, version)
    connection.flow()
    one, two = frame(1, size=LARGE), frame(2)
    resource.viewer.offer(one, 0)
    resource.viewer.offer(two, 0)
    resource.viewer.finish_stream("camera offline")
    connection.flow()
    assert connection.received.endswith(one.block(resource.outlet.wire) + end)
    reactor.turn()
    connection.client.settimeout(10)
    assert connection.client.recv(1) == b""
    assert resource.viewer.reason == "camera offline"
    assert reactor.writers == {}


@both_kinds
def test_abort_in_the_middle_of_a_part(connect: Connector, kind: str) -> None:
    """What is under way is thrown away, and the client sees the connection cut."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    block = large()
    resource.outlet.send(block)
    resource.outlet.abort()
    resource.outlet.abort()
    connection.reactor.turn()
    assert [failure.type for failure in resource.gone] == [ConnectionAborted]
    assert connection.reactor.writers == {}
    with pytest.raises(ConnectionResetError):
        connection.received += connection.client.recv(LARGE, socket.MSG_WAITALL)
        connection.received += connection.client.recv(LARGE, socket.MSG_WAITALL)
        raise ConnectionResetError  # A UNIX socket ends without a reset.
    assert len(connection.body) < len(OPENING + block)


def test_behind_another_response(connect: Connector) -> None:
    """A stream on a connection that still has a response to send comes behind it."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, room=SMALL, ask=False)
    connection.ask("/before")
    connection.ask("/")
    connection.flow()
    assert isinstance(resource.outlet, SocketOutlet)
    before = connection.body[:LARGE]
    assert before == bytes(LARGE)
    block = frame().block(PLAIN)
    resource.outlet.send(block)
    connection.flow()
    _, _, stream = connection.body[LARGE:].partition(b"\r\n\r\n")
    assert stream == OPENING + block


def test_kernel_options_are_set(connect: Connector) -> None:
    """The bound on unsent bytes and the congestion control are on the socket."""
    resource = OutletResource(Form.PLAIN, "reno")
    connection = connect(resource)
    tcp_level = socket.IPPROTO_TCP
    assert connection.server.getsockopt(tcp_level, socket.TCP_NOTSENT_LOWAT) == LOWAT
    name = connection.server.getsockopt(tcp_level, socket.TCP_CONGESTION, 16)
    assert name.rstrip(b"\0") == b"reno"


def test_kernel_holds_no_second_frame(connect: Connector) -> None:
    """For a client that does not read, the kernel takes a part of a frame at most."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, room=SMALL)
    connection.flow()
    before = connection.server.handed_over
    resource.outlet.send(frame(size=20 * LARGE).block(PLAIN))
    for _ in range(100):
        connection.reactor.spin()
    assert resource.outlet.busy
    with tcp_pair(SMALL) as (untuned, _):
        untuned.setblocking(False)
        while untuned in select.select([], [untuned], [], 0)[1]:
            untuned.send(bytes(LARGE))
        assert connection.server.handed_over - before < 0.75 * untuned.handed_over


@both_kinds
def test_progress_grows_with_what_the_client_takes(
    connect: Connector, kind: str
) -> None:
    """The measure of progress stands still with the client, and grows with it."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    resource.outlet.send(large())
    before = resource.outlet.progress()
    connection.flow()
    soon(lambda: resource.outlet.progress() >= before + LARGE - (1 << 18))
    assert resource.outlet.progress() > before


def test_progress_counts_what_is_acknowledged(connect: Connector) -> None:
    """Over TCP the other kernel's word counts, of what left without a wait too."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource)
    connection.flow()
    before, block = resource.outlet.progress(), frame().block(PLAIN)
    resource.outlet.send(block)
    soon(lambda: resource.outlet.progress() >= before + len(block))


def test_progress_is_what_the_peer_has_not_the_kernel(connect: Connector) -> None:
    """Over TCP, what the kernel here has taken is no sign of life over there."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, room=SMALL)
    connection.flow()
    before = connection.server.handed_over
    resource.outlet.send(large())
    assert resource.outlet.progress() < connection.server.handed_over - before


def test_one_object_for_all(connect: Connector) -> None:
    """However many clients, and however slow, all are sent views of one object."""
    resources = [OutletResource(Form.PLAIN) for _ in range(30)]
    connections = [connect(resource, "unix", SMALL) for resource in resources]
    for connection in connections:
        connection.flow()
        connection.server.offered.clear()
    one = frame(size=LARGE)
    for resource in resources:
        resource.outlet.send(one.block(resource.outlet.wire))
    # Each in turn, and all of them each time: they share the reactor.
    soon(lambda: [connection.still() for connection in connections][-1])
    for connection in connections:
        pieces = [piece for piece in connection.server.offered if len(piece)]
        assert {id(source(piece)) for piece in pieces} == {id(one.block(PLAIN))}


# A viewer at a real socket


@both_kinds
def test_newest_wins_under_partial_sends(
    connect: Connector, reactor: ManualReactor, kind: str
) -> None:
    """A client that reads late gets the frame under way, whole, and the newest."""
    resource = ViewerResource(Form.PLAIN, reactor)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    shown = [frame(number, size=LARGE) for number in range(1, 10)]
    for one in shown:
        resource.viewer.offer(one, 0)
    connection.flow()
    soon(lambda: polled(resource, connection).last is shown[-1])
    connection.flow()
    connection.expect(OPENING + shown[0].block(PLAIN) + shown[-1].block(PLAIN))
    assert (resource.viewer.sent.frames, resource.viewer.sent.skipped) == (2, 7)


def polled(resource: ViewerResource, connection: HttpConnection) -> Viewer:
    """Let the client read, and poll the viewer, as its heartbeat does."""
    connection.flow()
    resource.viewer.poll(0)
    return resource.viewer


def test_no_frame_is_begun_for_a_client_that_has_yet_to_read(
    connect: Connector,
) -> None:
    """A viewer that was slow is sent the next frame only when it has room for it."""
    resource = OutletResource(Form.PLAIN)
    connection = connect(resource, "tcp", SMALL)
    connection.flow()
    first, second = (frame(n, size=LARGE).block(PLAIN) for n in (1, 2))
    assert resource.outlet.send(first)
    # Everything has left, but some of it stands in the client's buffer, unread.
    soon(lambda: until_the_last_bytes(resource, connection))
    assert not resource.outlet.send(second)
    assert not resource.outlet.busy
    connection.expect(OPENING + first)
    soon(lambda: resource.outlet.send(second))
    connection.flow()
    connection.expect(OPENING + first + second)


def until_the_last_bytes(resource: OutletResource, connection: HttpConnection) -> bool:
    """Read no more than it takes for all of a block to leave."""
    connection.reactor.spin()
    if resource.outlet.busy:
        connection.received += connection.client.recv(1024)
    return not resource.outlet.busy


@both_kinds
def test_in_a_batch_with_others(
    connect: Connector, reactor: ManualReactor, kind: str
) -> None:
    """Beside one that does not read, the others have every frame, and have it whole."""
    resources = [ViewerResource(Form.PLAIN, reactor) for _ in range(3)]
    slow = connect(resources[0], kind, SMALL)
    quick = [connect(resource, kind) for resource in resources[1:]]
    fanout = FanOut(reactor, CameraStats(), FakeScaler())
    for resource, connection in zip(resources, (slow, *quick), strict=True):
        connection.flow()
        fanout.subscribe(resource.viewer)
    shown = [frame(number, size=40_000) for number in range(1, 21)]
    for one in shown:
        fanout.publish(one)
        soon(lambda: all_through(reactor, resources[1:], quick))
    whole = [one.block(PLAIN) for one in shown]
    for connection in quick:
        connection.expect(OPENING + b"".join(whole))
    soon(lambda: polled(resources[0], slow).last is shown[-1])
    slow.flow()
    slow.expect(OPENING + whole[0] + whole[-1])
    sent = [resource.viewer.sent for resource in resources]
    assert sent[0] == Sent(2, 18, 0, len(whole[0] + whole[-1]))
    assert sent[1] == sent[2] == Sent(20, 0, 0, sum(map(len, whole)))


def all_through(
    reactor: ManualReactor,
    resources: list[ViewerResource],
    connections: list[HttpConnection],
) -> bool:
    """Let these clients read; return whether all that they were sent has left."""
    reactor.spin()
    for connection in connections:
        connection.read()
    return not any(resource.outlet.busy for resource in resources)


@both_kinds
def test_newest_wins_when_nothing_could_leave(
    connect: Connector, reactor: ManualReactor, kind: str
) -> None:
    """Behind a full socket even the first frame is not begun, but replaced."""
    resource = ViewerResource(Form.PLAIN, reactor)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    filled = fill(connection)
    for number in range(1, 10):
        resource.viewer.offer(frame(number), 0)
    connection.flow()
    connection.expect(OPENING + filled + frame(9).block(PLAIN))
    assert (resource.viewer.sent.frames, resource.viewer.sent.skipped) == (1, 8)


@both_kinds
@pytest.mark.parametrize("size", [1, 2, 3])
def test_memory_of_a_client_that_does_not_read(
    connect: Connector, reactor: ManualReactor, kind: str, size: int
) -> None:
    """Of 50 frames the one under way is held, and the newest where it may wait."""
    resource = ViewerResource(Form.PLAIN, reactor, size)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    alive: weakref.WeakSet[Tracked] = weakref.WeakSet()
    for number in range(1, 51):
        one = tracked(number, LARGE)
        alive.add(one)
        resource.viewer.offer(one, 0)
        del one
        reactor.spin()
    assert len(alive) == min(size, 2)
    waiting = len(connection.transport.dataBuffer) + sum(
        map(len, connection.transport._tempDataBuffer)
    )
    assert waiting == 0


@both_kinds
def test_client_that_does_not_read_is_cut_off(
    connect: Connector, reactor: ManualReactor, kind: str
) -> None:
    """Thirty seconds without a byte taken, and the connection is cut."""
    assert any(_cut_in_silence(connect, reactor, kind) for _ in range(20))


def _cut_in_silence(connect: Connector, reactor: ManualReactor, kind: str) -> bool:
    """Let half a minute pass for a client that does not read; whether it was cut.

    False if its kernel took some more by itself meanwhile, as it may when a full window
    is probed: that is progress, and another client has to be tried.
    """
    resource = ViewerResource(Form.PLAIN, reactor)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    resource.viewer.offer(frame(size=LARGE), 0)
    settle(resource, reactor)
    before = resource.outlet.progress()
    resource.viewer.poll(reactor.seconds())
    wait(resource, reactor, 29)
    assert resource.viewer.reason is None
    wait(resource, reactor, 2)
    reactor.turn()
    cut = [failure.type for failure in resource.gone] == [ConnectionAborted]
    assert cut == (resource.viewer.reason == "stalled")
    # A client that was not cut must have taken something: there is no other excuse.
    assert cut or resource.outlet.progress() > before
    # The next one shares the reactor, and would wait for what this one still sends.
    connection.transport.abortConnection()
    reactor.turn()
    return cut


def wait(resource: ViewerResource, reactor: ManualReactor, seconds: int) -> None:
    """Let time pass, with the viewer polled each second."""
    for _ in range(seconds):
        reactor.advance(1)
        resource.viewer.poll(reactor.seconds())


def settle(resource: ViewerResource, reactor: ManualReactor) -> None:
    """Let the client's kernel take what it takes by itself, and poll the viewer."""
    seen = [-1]

    def still() -> bool:
        seen.append(resource.outlet.progress())
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    soon(still)
    resource.viewer.poll(reactor.seconds())


@both_kinds
def test_client_that_reads_a_little_is_kept(
    connect: Connector, reactor: ManualReactor, kind: str
) -> None:
    """A client that takes some bytes every 25 seconds is kept for ever."""
    resource = ViewerResource(Form.PLAIN, reactor)
    connection = connect(resource, kind, SMALL)
    connection.flow()
    resource.viewer.offer(frame(1, size=20 * LARGE), 0)
    settle(resource, reactor)
    for _ in range(20):
        reactor.advance(25)
        before = resource.outlet.progress()
        soon(lambda before=before: _took(connection, resource, before))  # type: ignore[misc]
        assert resource.outlet.busy
        resource.viewer.poll(reactor.seconds())
    assert resource.viewer.reason is None


def _took(connection: HttpConnection, resource: ViewerResource, before: int) -> bool:
    """Let the client read a little; return whether that is seen as progress."""
    connection.read()
    connection.reactor.spin()
    return resource.outlet.progress() > before
