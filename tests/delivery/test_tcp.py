"""What camd asks of the kernel is really set, and where it is not, nothing fails."""

from __future__ import annotations

import socket

import pytest

from camd.delivery.tcp import LOWAT, bytes_acked, has_congestion, tune, window
from tests.fakes import soon, tcp_pair, unix_pair

# Two of the kernel's own, always there: reno is built in, and nonesuch is none.
RENO, NONE = "reno", "nonesuch"


def lowat(connection: socket.socket) -> int:
    """The bound that the kernel has for this socket."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)


def congestion(connection: socket.socket) -> str:
    """The congestion control that the kernel uses for this socket."""
    name = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    return name.rstrip(b"\0").decode()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_bound_is_set(family: socket.AddressFamily) -> None:
    """The kernel has the bound on what it holds unsent, for IPv4 and for IPv6."""
    with socket.socket(family) as connection:
        tune(connection)
        assert lowat(connection) == LOWAT


def test_congestion_is_set() -> None:
    """The kernel uses the congestion control that was asked for."""
    with socket.socket() as connection:
        tune(connection, RENO)
        assert congestion(connection) == RENO


def test_congestion_is_the_systems_own() -> None:
    """With none asked for, and with one that the kernel has not, its own stays."""
    with socket.socket() as connection:
        before = congestion(connection)
        tune(connection)
        tune(connection, NONE)
        assert congestion(connection) == before
        assert lowat(connection) == LOWAT


def test_a_unix_socket_is_left_alone() -> None:
    """A socket that is not TCP is no error, and tells nothing."""
    with unix_pair() as (server, _):
        tune(server, RENO)
        assert bytes_acked(server) is None


def test_a_closed_socket_does_no_harm() -> None:
    """A connection that is gone can be asked all the same."""
    connection = socket.socket()
    connection.close()
    tune(connection, RENO)
    assert bytes_acked(connection) is None


def test_a_system_without_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python knows none of the options, camd does without."""
    for name in ("TCP_NOTSENT_LOWAT", "TCP_CONGESTION", "TCP_INFO"):
        monkeypatch.delattr(socket, name)
    assert not has_congestion(RENO)
    with socket.socket() as connection:
        tune(connection, RENO)
        assert bytes_acked(connection) is None


def test_knows_what_the_kernel_has() -> None:
    """A congestion control is had or not, and asking changes nothing."""
    assert has_congestion(RENO)
    assert not has_congestion(NONE)


def test_acknowledged_bytes_are_counted() -> None:
    """The number grows by just what the peer's kernel has acknowledged."""
    with tcp_pair() as (server, client):
        before = bytes_acked(server)
        assert before is not None
        server.sendall(bytes(5000))
        received = client.recv(5000, socket.MSG_WAITALL)
        # What is sent back carries the acknowledgement.
        client.sendall(b"!")
        soon(lambda: bytes_acked(server) == before + len(received))


def test_what_a_viewer_does_not_take_is_not_counted() -> None:
    """What only the own kernel holds is no progress of the peer."""
    with tcp_pair(room=4096) as (server, _):
        server.setblocking(False)
        handed_over = server.send(bytes(1 << 20))
        acknowledged = bytes_acked(server)
        assert acknowledged is not None
        assert acknowledged < handed_over


def test_the_window_is_what_the_peer_has_room_for() -> None:
    """It is 0 while the kernel holds bytes that have not left, and wide again later."""
    with tcp_pair(room=4096) as (server, client):
        server.setblocking(False)
        assert window(server)
        handed_over = server.send(bytes(1 << 20))
        assert window(server) == 0
        client.setblocking(True)
        client.recv(handed_over, socket.MSG_WAITALL)
        soon(lambda: bool(window(server)))


def test_no_window_is_known_of_others() -> None:
    """A UNIX socket has none, and a closed one tells none."""
    with tcp_pair() as (server, _):
        server.close()
        assert window(server) is None
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert window(ours) is None
