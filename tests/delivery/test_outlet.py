"""Bytes leave whole and in order, by the shortest way, and nothing piles up behind.

This is about plain sockets; `test_outlet_request` is about everything else.
"""

from __future__ import annotations

import errno
import select
import socket
import sys
import weakref
from collections.abc import Callable, Iterator

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
from tests.line import LARGE, OPENING, SMALL, Dial, HandReactor, House, Line, Show


@pytest.fixture
def reactor() -> HandReactor:
    """The reactor, moved by hand."""
    return HandReactor()


@pytest.fixture
def dial(reactor: HandReactor) -> Iterator[Dial]:
    """What makes connections; they are closed behind the test."""
    with Dial(reactor) as dial:
        yield dial


both_kinds = pytest.mark.parametrize("kind", ["tcp", "unix"])


def large(number: int = 1) -> bytes:
    """The block of a large frame, with chunk framing."""
    return frame(number, size=LARGE).block(PLAIN)


def source(piece: object) -> object:
    """The object that a piece is a view of."""
    return piece.obj if isinstance(piece, memoryview) else piece


@both_kinds
def test_a_plain_socket_is_written_to_directly(dial: Dial, kind: str) -> None:
    """TCP and UNIX connections get the short way."""
    house = House(Form.PLAIN)
    dial(house, kind)
    assert isinstance(house.outlet, SocketOutlet)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize(("version", "chunked"), [("1.0", False), ("1.1", True)])
def test_wire_by_version(dial: Dial, form: Form, version: str, chunked: bool) -> None:
    """An HTTP/1.1 client's blocks carry their chunk framing, HTTP/1.0's do not."""
    house = House(form)
    dial(house, version=version)
    assert house.outlet.wire is WIRES[form, chunked]


@both_kinds
def test_opening_leaves_first(dial: Dial, kind: str) -> None:
    """Headers and opening leave in the reactor's turn; only then is it ready."""
    house = House(Form.PLAIN)
    line = dial(house, kind)
    assert house.outlet.busy
    # Registering asks for data at once; that is no sign that the opening has left.
    assert house.readies == 0
    line.flow()
    line.expect(OPENING)
    assert not house.outlet.busy
    assert house.readies == 1


def test_headers(dial: Dial) -> None:
    """The response has the stream's headers and says that it is chunked."""
    line = dial(House(Form.PLAIN))
    line.flow()
    lines = line.head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"Transfer-Encoding: chunked" in lines
    assert all(b"%b: %b" % pair in lines for pair in RESPONSE_HEADERS)


@both_kinds
@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_bytes_on_the_wire(dial: Dial, kind: str, form: Form, version: str) -> None:
    """Opening and blocks stand behind each other, with framing only in HTTP/1.1."""
    house = House(form)
    line = dial(house, kind, version=version)
    line.flow()
    wire = house.outlet.wire
    shown = [frame(number).block(wire) for number in (1, 2, 3)]
    for block in shown:
        house.outlet.send(block)
    opening = chunk(wire.opening()) if version == "1.1" else wire.opening()
    line.expect(opening + b"".join(shown))
    assert (b"chunked" in line.head) is (version == "1.1")


@both_kinds
def test_whole_block_needs_no_reactor(dial: Dial, kind: str) -> None:
    """What the kernel takes at once is handed over as it is, and nobody is asked."""
    house = House(Form.PLAIN)
    line = dial(house, kind)
    line.flow()
    line.server.offered.clear()
    asked, block = line.reactor.asked, frame().block(PLAIN)
    house.outlet.send(block)
    assert len(line.server.offered) == 1
    assert line.server.offered[0] is block
    assert not house.outlet.busy
    assert line.reactor.asked == asked
    assert house.readies == 1


@both_kinds
def test_the_rest_waits_as_a_view(dial: Dial, kind: str) -> None:
    """What the kernel does not take waits as a view of the same object."""
    house = House(Form.PLAIN)
    line = dial(house, kind, SMALL)
    line.flow()
    line.server.offered.clear()
    asked, block = line.reactor.asked, large()
    house.outlet.send(block)
    assert house.outlet.busy
    assert line.reactor.asked == asked + 1
    line.flow()
    # The last one is Twisted's own, an empty buffer, with each time it can write.
    pieces = [piece for piece in line.server.offered if len(piece)]
    assert len(pieces) > 2
    assert {id(source(piece)) for piece in pieces} == {id(block)}
    line.expect(OPENING + block)


def test_no_direct_send_before_the_opening_has_left(dial: Dial) -> None:
    """Ahead of the headers nothing may leave."""
    house = House(Form.PLAIN)
    line = dial(house)
    assert house.outlet.direct_send() is None
    line.flow()
    assert house.outlet.direct_send() is not None


@both_kinds
def test_direct_send(dial: Dial, kind: str) -> None:
    """It is the socket's own send: the object goes as it is, and nobody is asked."""
    house = House(Form.PLAIN)
    line = dial(house, kind)
    line.flow()
    line.server.offered.clear()
    asked, block = line.reactor.asked, frame().block(PLAIN)
    send = house.outlet.direct_send()
    assert send is not None
    assert send(block) == len(block)
    assert line.server.offered == [block]
    assert (house.outlet.busy, line.reactor.asked) == (False, asked)
    line.expect(OPENING + block)


@both_kinds
def test_rest_of_what_went_the_direct_send(dial: Dial, kind: str) -> None:
    """What the kernel did not take waits, and leaves when there is room."""
    house = House(Form.PLAIN)
    line = dial(house, kind, SMALL)
    line.flow()
    block, send = large(), house.outlet.direct_send()
    assert send is not None
    taken = send(block)
    assert 0 < taken < len(block)
    assert house.outlet.send(block, taken)
    assert house.outlet.busy
    assert house.outlet.direct_send() is None
    line.flow()
    line.expect(OPENING + block)
    assert (house.outlet.busy, house.readies) == (False, 2)


def test_no_direct_send_for_a_while_after_that(dial: Dial) -> None:
    """Who was slow is looked at for some frames; then it has the short way again."""
    house = House(Form.PLAIN)
    line = dial(house, "tcp", SMALL)
    line.flow()
    house.outlet.send(large())
    line.flow()
    sent = 0
    while house.outlet.direct_send() is None:
        soon(lambda: house.outlet.send(frame().block(PLAIN)))
        sent += 1
        line.flow()
    assert sent == DOUBTS


@both_kinds
def test_ready_when_all_has_left(dial: Dial, kind: str) -> None:
    """It is ready once for each block that waited, and not before its last byte."""
    house = House(Form.PLAIN)
    line = dial(house, kind, SMALL)
    line.flow()
    house.outlet.send(large())
    line.reactor.spin()
    assert (house.outlet.busy, house.readies) == (True, 1)
    line.flow()
    assert (house.outlet.busy, house.readies) == (False, 2)
    assert line.reactor.writers == {}


def test_lets_go_of_what_has_left(dial: Dial) -> None:
    """A block that has left is not held until the next one, who knows how long."""
    house = House(Form.PLAIN)
    line = dial(house, "unix", SMALL)
    line.flow()
    block = large()
    held = sys.getrefcount(block)
    house.outlet.send(block)
    line.flow()
    line.server.offered.clear()
    assert sys.getrefcount(block) == held


@both_kinds
def test_many_large_blocks_arrive_whole(dial: Dial, kind: str) -> None:
    """Block after block, each in many pieces, comes out as it went in."""
    house = House(Form.PLAIN)
    line = dial(house, kind, SMALL)
    line.flow()
    shown = [large(number) for number in range(1, 6)]
    for block in shown:
        house.outlet.send(block)
        line.flow()
    line.expect(OPENING + b"".join(shown))


def fill(line: Line) -> bytes:
    """Fill the kernel's buffer behind the outlet's back; give what it holds now."""
    filled = b""
    with pytest.raises(BlockingIOError):
        while True:
            filled += bytes(line.server.send(bytes(SMALL)))
    return filled


@both_kinds
def test_kernel_takes_nothing(dial: Dial, kind: str) -> None:
    """A block of which nothing could leave is not kept: a newer one may go instead."""
    house = House(Form.PLAIN)
    line = dial(house, kind, SMALL)
    line.flow()
    filled = fill(line)
    assert not house.outlet.send(frame(1).block(PLAIN))
    assert house.outlet.busy
    line.flow()
    assert (house.outlet.busy, house.readies) == (False, 2)
    newer = frame(2).block(PLAIN)
    assert house.outlet.send(newer)
    line.expect(OPENING + filled + newer)


@both_kinds
def test_room_again_is_progress(dial: Dial, kind: str) -> None:
    """A socket that was full and has room again shows that the client takes bytes."""
    house = House(Form.PLAIN)
    line = dial(house, kind, SMALL)
    line.flow()
    fill(line)
    before = house.outlet.progress()
    house.outlet.send(frame().block(PLAIN))
    line.flow()
    soon(lambda: house.outlet.progress() > before)


@both_kinds
@pytest.mark.parametrize("passing", [errno.EINTR, errno.EAGAIN, errno.ENOBUFS])
def test_refusal_that_passes(
    dial: Dial, kind: str, passing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal, a full socket, a kernel short of buffers: it is ready again soon."""
    house = House(Form.PLAIN)
    line = dial(house, kind)
    line.flow()
    block = frame().block(PLAIN)
    with monkeypatch.context() as patch:
        patch.setattr(house.outlet, "_send", raiser(OSError(passing, "not now")))
        assert not house.outlet.send(block)
    assert house.outlet.busy
    line.flow()
    assert (house.readies, house.gone) == (2, [])
    assert house.outlet.send(block)
    line.expect(OPENING + block)


def raiser(error: Exception) -> Callable[[object], int]:
    """A ``send`` that fails with this."""

    def send(_: object) -> int:
        raise error

    return send


@both_kinds
def test_broken_pipe(dial: Dial, kind: str) -> None:
    """Sending to a client that is gone raises nothing and ends the connection."""
    house = House(Form.PLAIN)
    line = dial(house, kind)
    line.flow()
    reset(line.client)

    def refused() -> bool:
        if not house.outlet.busy:
            house.outlet.send(frame().block(PLAIN))
        return house.outlet.busy

    soon(refused)
    assert house.gone == []
    line.reactor.turn()
    assert [failure.type for failure in house.gone] == [ConnectionAborted]
    assert (line.reactor.readers, line.reactor.writers) == ({}, {})


def reset(client: socket.socket) -> None:
    """Leave without a word."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()


@both_kinds
@pytest.mark.parametrize("leave", [reset, socket.socket.close])
def test_departure_in_the_middle_of_a_part(
    dial: Dial, kind: str, leave: Callable[[socket.socket], None]
) -> None:
    """A client that goes with a part half sent leaves nothing behind."""
    house = House(Form.PLAIN)
    line = dial(house, kind, SMALL)
    line.flow()
    house.outlet.send(large())
    line.read()
    leave(line.client)
    soon(lambda: _lost(line, house))
    assert house.gone[0].check(ConnectionDone, ConnectionLost, ConnectionAborted)
    assert (line.reactor.readers, line.reactor.writers) == ({}, {})
    assert house.readies == 1
    # The heartbeat may look at it in the same turn.
    house.outlet.progress()
    house.outlet.abort()


def _lost(line: Line, house: House) -> bool:
    line.reactor.spin()
    return bool(house.gone)


@both_kinds
def test_departed_viewer_leaves_no_circle(
    dial: Dial, reactor: HandReactor, kind: str
) -> None:
    """A viewer that is gone is freed at once, without Python's collector."""
    show = Show(Form.PLAIN, reactor)
    line = dial(show, kind, SMALL)
    line.flow()
    with uncollected() as alive:
        for number in (1, 2):
            one = tracked(number, LARGE)
            alive.add(one)
            show.viewer.offer(one, 0)
            del one
        line.client.close()
        soon(lambda: _lost(line, show))
        line.server.offered.clear()
        show.forget()
        assert len(alive) == 0


@both_kinds
@pytest.mark.parametrize(("version", "end"), [("1.1", b"0\r\n\r\n"), ("1.0", b"")])
def test_end_in_the_middle_of_a_part(
    dial: Dial, reactor: HandReactor, kind: str, version: str, end: bytes
) -> None:
    """The part leaves whole, then the response's end, then the connection is closed."""
    show = Show(Form.PLAIN, reactor)
    line = dial(show, kind, SMALL, version)
    line.flow()
    one, two = frame(1, size=LARGE), frame(2)
    show.viewer.offer(one, 0)
    show.viewer.offer(two, 0)
    show.viewer.finish_stream("camera offline")
    line.flow()
    assert line.received.endswith(one.block(show.outlet.wire) + end)
    reactor.turn()
    line.client.settimeout(10)
    assert line.client.recv(1) == b""
    assert show.viewer.reason == "camera offline"
    assert reactor.writers == {}


@both_kinds
def test_abort_in_the_middle_of_a_part(dial: Dial, kind: str) -> None:
    """What is under way is thrown away, and the client sees the connection cut."""
    house = House(Form.PLAIN)
    line = dial(house, kind, SMALL)
    line.flow()
    block = large()
    house.outlet.send(block)
    house.outlet.abort()
    house.outlet.abort()
    line.reactor.turn()
    assert [failure.type for failure in house.gone] == [ConnectionAborted]
    assert line.reactor.writers == {}
    with pytest.raises(ConnectionResetError):
        line.received += line.client.recv(LARGE, socket.MSG_WAITALL)
        line.received += line.client.recv(LARGE, socket.MSG_WAITALL)
        raise ConnectionResetError  # A UNIX socket ends without a reset.
    assert len(line.body) < len(OPENING + block)


def test_behind_another_response(dial: Dial) -> None:
    """A stream on a connection that still has a response to send comes behind it."""
    house = House(Form.PLAIN)
    line = dial(house, room=SMALL, ask=False)
    line.ask("/before")
    line.ask("/")
    line.flow()
    assert isinstance(house.outlet, SocketOutlet)
    before = line.body[:LARGE]
    assert before == bytes(LARGE)
    block = frame().block(PLAIN)
    house.outlet.send(block)
    line.flow()
    _, _, stream = line.body[LARGE:].partition(b"\r\n\r\n")
    assert stream == OPENING + block


def test_kernel_options_are_set(dial: Dial) -> None:
    """The bound on unsent bytes and the congestion control are on the socket."""
    house = House(Form.PLAIN, "reno")
    line = dial(house)
    tcp_level = socket.IPPROTO_TCP
    assert line.server.getsockopt(tcp_level, socket.TCP_NOTSENT_LOWAT) == LOWAT
    name = line.server.getsockopt(tcp_level, socket.TCP_CONGESTION, 16)
    assert name.rstrip(b"\0") == b"reno"


def test_kernel_holds_no_second_frame(dial: Dial) -> None:
    """For a client that does not read, the kernel takes a part of a frame at most."""
    house = House(Form.PLAIN)
    line = dial(house, room=SMALL)
    line.flow()
    before = line.server.handed_over
    house.outlet.send(frame(size=20 * LARGE).block(PLAIN))
    for _ in range(100):
        line.reactor.spin()
    assert house.outlet.busy
    with tcp_pair(SMALL) as (untuned, _):
        untuned.setblocking(False)
        while untuned in select.select([], [untuned], [], 0)[1]:
            untuned.send(bytes(LARGE))
        assert line.server.handed_over - before < 0.75 * untuned.handed_over


@both_kinds
def test_taken_grows_with_what_the_client_takes(dial: Dial, kind: str) -> None:
    """The measure of progress stands still with the client, and grows with it."""
    house = House(Form.PLAIN)
    line = dial(house, kind, SMALL)
    line.flow()
    house.outlet.send(large())
    before = house.outlet.progress()
    line.flow()
    soon(lambda: house.outlet.progress() >= before + LARGE - (1 << 18))
    assert house.outlet.progress() > before


def test_taken_counts_what_is_acknowledged(dial: Dial) -> None:
    """Over TCP the other kernel's word counts, of what left without a wait too."""
    house = House(Form.PLAIN)
    line = dial(house)
    line.flow()
    before, block = house.outlet.progress(), frame().block(PLAIN)
    house.outlet.send(block)
    soon(lambda: house.outlet.progress() >= before + len(block))


def test_taken_is_what_the_peer_has_not_the_kernel(dial: Dial) -> None:
    """Over TCP, what the kernel here has taken is no sign of life over there."""
    house = House(Form.PLAIN)
    line = dial(house, room=SMALL)
    line.flow()
    before = line.server.handed_over
    house.outlet.send(large())
    assert house.outlet.progress() < line.server.handed_over - before


def test_one_object_for_all(dial: Dial) -> None:
    """However many clients, and however slow, all are sent views of one object."""
    houses = [House(Form.PLAIN) for _ in range(30)]
    lines = [dial(house, "unix", SMALL) for house in houses]
    for line in lines:
        line.flow()
        line.server.offered.clear()
    one = frame(size=LARGE)
    for house in houses:
        house.outlet.send(one.block(house.outlet.wire))
    # Each in turn, and all of them each time: they share the reactor.
    soon(lambda: [line.still() for line in lines][-1])
    for line in lines:
        pieces = [piece for piece in line.server.offered if len(piece)]
        assert {id(source(piece)) for piece in pieces} == {id(one.block(PLAIN))}


# A viewer at a real socket


@both_kinds
def test_newest_wins_under_partial_sends(
    dial: Dial, reactor: HandReactor, kind: str
) -> None:
    """A client that reads late gets the frame under way, whole, and the newest."""
    show = Show(Form.PLAIN, reactor)
    line = dial(show, kind, SMALL)
    line.flow()
    shown = [frame(number, size=LARGE) for number in range(1, 10)]
    for one in shown:
        show.viewer.offer(one, 0)
    line.flow()
    soon(lambda: looked_at(show, line).last is shown[-1])
    line.flow()
    line.expect(OPENING + shown[0].block(PLAIN) + shown[-1].block(PLAIN))
    assert (show.viewer.sent.frames, show.viewer.sent.skipped) == (2, 7)


def looked_at(show: Show, line: Line) -> Viewer:
    """Let the client read, and the viewer be looked at, as its heartbeat does."""
    line.flow()
    show.viewer.poll(0)
    return show.viewer


def test_no_frame_is_begun_for_a_client_that_has_yet_to_read(dial: Dial) -> None:
    """Who was slow is sent the next frame only when it has room for it again."""
    house = House(Form.PLAIN)
    line = dial(house, "tcp", SMALL)
    line.flow()
    first, second = (frame(n, size=LARGE).block(PLAIN) for n in (1, 2))
    assert house.outlet.send(first)
    # Everything has left, but some of it stands in the client's buffer, unread.
    soon(lambda: until_the_last_bytes(house, line))
    assert not house.outlet.send(second)
    assert not house.outlet.busy
    line.expect(OPENING + first)
    soon(lambda: house.outlet.send(second))
    line.flow()
    line.expect(OPENING + first + second)


def until_the_last_bytes(house: House, line: Line) -> bool:
    """Read no more than it takes for all of a block to leave."""
    line.reactor.spin()
    if house.outlet.busy:
        line.received += line.client.recv(1024)
    return not house.outlet.busy


@both_kinds
def test_in_a_row_with_others(dial: Dial, reactor: HandReactor, kind: str) -> None:
    """Beside one that does not read, the others have every frame, and have it whole."""
    shows = [Show(Form.PLAIN, reactor) for _ in range(3)]
    slow = dial(shows[0], kind, SMALL)
    quick = [dial(show, kind) for show in shows[1:]]
    fanout = FanOut(reactor, CameraStats(), FakeScaler())
    for show, line in zip(shows, (slow, *quick), strict=True):
        line.flow()
        fanout.subscribe(show.viewer)
    shown = [frame(number, size=40_000) for number in range(1, 21)]
    for one in shown:
        fanout.publish(one)
        soon(lambda: all_through(reactor, shows[1:], quick))
    whole = [one.block(PLAIN) for one in shown]
    for line in quick:
        line.expect(OPENING + b"".join(whole))
    soon(lambda: looked_at(shows[0], slow).last is shown[-1])
    slow.flow()
    slow.expect(OPENING + whole[0] + whole[-1])
    sent = [show.viewer.sent for show in shows]
    assert sent[0] == Sent(2, 18, 0, len(whole[0] + whole[-1]))
    assert sent[1] == sent[2] == Sent(20, 0, 0, sum(map(len, whole)))


def all_through(reactor: HandReactor, shows: list[Show], lines: list[Line]) -> bool:
    """Let these clients read; tell whether all that they were sent has left."""
    reactor.spin()
    for line in lines:
        line.read()
    return not any(show.outlet.busy for show in shows)


@both_kinds
def test_newest_wins_when_nothing_could_leave(
    dial: Dial, reactor: HandReactor, kind: str
) -> None:
    """Behind a full socket even the first frame is not begun, but replaced."""
    show = Show(Form.PLAIN, reactor)
    line = dial(show, kind, SMALL)
    line.flow()
    filled = fill(line)
    for number in range(1, 10):
        show.viewer.offer(frame(number), 0)
    line.flow()
    line.expect(OPENING + filled + frame(9).block(PLAIN))
    assert (show.viewer.sent.frames, show.viewer.sent.skipped) == (1, 8)


@both_kinds
@pytest.mark.parametrize("size", [1, 2, 3])
def test_memory_of_a_client_that_does_not_read(
    dial: Dial, reactor: HandReactor, kind: str, size: int
) -> None:
    """Of 50 frames the one under way is held, and the newest where it may wait."""
    show = Show(Form.PLAIN, reactor, size)
    line = dial(show, kind, SMALL)
    line.flow()
    alive: weakref.WeakSet[Tracked] = weakref.WeakSet()
    for number in range(1, 51):
        one = tracked(number, LARGE)
        alive.add(one)
        show.viewer.offer(one, 0)
        del one
        reactor.spin()
    assert len(alive) == min(size, 2)
    waiting = len(line.transport.dataBuffer) + sum(
        map(len, line.transport._tempDataBuffer)
    )
    assert waiting == 0


@both_kinds
def test_client_that_does_not_read_is_let_go(
    dial: Dial, reactor: HandReactor, kind: str
) -> None:
    """Thirty seconds without a byte taken, and the connection is cut."""
    assert any(_cut_in_silence(dial, reactor, kind) for _ in range(20))


def _cut_in_silence(dial: Dial, reactor: HandReactor, kind: str) -> bool:
    """
    Let half a minute pass beside a client that does not read; tell whether it was cut.

    False if its kernel took some more by itself meanwhile, as it may whenever a probe
    of a full window comes by: that is progress, and somebody else has to be tried.
    """
    show = Show(Form.PLAIN, reactor)
    line = dial(show, kind, SMALL)
    line.flow()
    show.viewer.offer(frame(size=LARGE), 0)
    settle(show, reactor)
    before = show.outlet.progress()
    show.viewer.poll(reactor.seconds())
    wait(show, reactor, 29)
    assert show.viewer.reason is None
    wait(show, reactor, 2)
    reactor.turn()
    cut = [failure.type for failure in show.gone] == [ConnectionAborted]
    assert cut == (show.viewer.reason == "stalled")
    # Who was not cut must have taken something: there is no other excuse.
    assert cut or show.outlet.progress() > before
    # The next one shares the reactor, and would wait for what this one still sends.
    line.transport.abortConnection()
    reactor.turn()
    return cut


def wait(show: Show, reactor: HandReactor, seconds: int) -> None:
    """Let time pass, with the viewer looked at each second."""
    for _ in range(seconds):
        reactor.advance(1)
        show.viewer.poll(reactor.seconds())


def settle(show: Show, reactor: HandReactor) -> None:
    """Let the client's kernel take what it will take by itself, and look."""
    seen = [-1]

    def still() -> bool:
        seen.append(show.outlet.progress())
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    soon(still)
    show.viewer.poll(reactor.seconds())


@both_kinds
def test_client_that_reads_a_little_is_kept(
    dial: Dial, reactor: HandReactor, kind: str
) -> None:
    """A client that takes some bytes every 25 seconds is kept for ever."""
    show = Show(Form.PLAIN, reactor)
    line = dial(show, kind, SMALL)
    line.flow()
    show.viewer.offer(frame(1, size=20 * LARGE), 0)
    settle(show, reactor)
    for _ in range(20):
        reactor.advance(25)
        before = show.outlet.progress()
        soon(lambda before=before: _took(line, show, before))  # type: ignore[misc]
        assert show.outlet.busy
        show.viewer.poll(reactor.seconds())
    assert show.viewer.reason is None


def _took(line: Line, show: Show, before: int) -> bool:
    """Let the client read a little; tell whether that is seen as progress."""
    line.read()
    line.reactor.spin()
    return show.outlet.progress() > before
