"""Names are looked up beside the reactor, and nobody waits for those that hang."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from camd.sources.http.names import Names, UnknownHost, is_number

PATIENCE = 10
"""Seconds until a test gives up on a thread; none takes a hundredth of it."""


class NameServer:
    """Looks names up, and holds the answers back until the test lets them go.

    :ivar asked: the names that were looked up.
    :ivar calls: what threads want called on the reactor.
    """

    def __init__(self) -> None:
        self.asked: SimpleQueue[str] = SimpleQueue()
        self.answers = Event()
        self.calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self.names = Names(self, self.find)

    def find(self, host: str, port: int) -> Sequence[str]:
        """Answer when the test says so."""
        self.asked.put(host)
        self.answers.wait(PATIENCE)
        if host == "nowhere":
            raise OSError("no such host")
        return ["192.0.2.1", "2001:db8::1"]

    def callFromThread(self, call: Callable[..., object], *args: Any) -> None:
        """Keep the call."""
        self.calls.put(lambda: call(*args))

    def turn(self) -> None:
        """Make one call, when it comes."""
        self.calls.get(timeout=PATIENCE)()


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server that is silent, until the end of the test."""
    server = NameServer()
    yield server
    server.answers.set()


def came_of(promise: Deferred[Any]) -> list[Any]:
    """A list that holds the result once it is there."""
    results: list[Any] = []
    promise.addCallbacks(results.append, lambda failure: results.append(failure.type))
    return results


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
def test_a_number_needs_no_look_up(server: NameServer, host: str) -> None:
    """An IP address is its own answer, at once."""
    assert is_number(host)
    assert came_of(server.names.find(host, 80)) == [[host]]
    assert server.asked.empty()


def test_a_name(server: NameServer) -> None:
    """A name is looked up in a thread, and answered on the reactor."""
    found = came_of(server.names.find("cam", 80))
    server.answers.set()
    assert found == []
    server.turn()
    assert found == [["192.0.2.1", "2001:db8::1"]]


def test_an_unknown_name(server: NameServer) -> None:
    """A name without address fails."""
    found = came_of(server.names.find("nowhere", 80))
    server.answers.set()
    server.turn()
    assert found == [UnknownHost]


def test_looked_up_once(server: NameServer) -> None:
    """An answer is kept until it is to be forgotten."""
    server.answers.set()
    came_of(server.names.find("cam", 80))
    server.turn()
    assert came_of(server.names.find("cam", 80)) == [["192.0.2.1", "2001:db8::1"]]
    assert server.asked.qsize() == 1
    server.names.forget()
    came_of(server.names.find("cam", 80))
    server.turn()
    assert server.asked.qsize() == 2


def test_a_name_server_that_hangs_costs_one_thread(server: NameServer) -> None:
    """Who asks again while a look-up hangs waits for the same one."""
    first, second = (came_of(server.names.find("cam", 80)) for _ in range(2))
    server.answers.set()
    server.turn()
    assert first == second == [["192.0.2.1", "2001:db8::1"]]
    assert server.asked.qsize() == 1


def test_an_answer_that_nobody_waits_for(server: NameServer) -> None:
    """Who gave up is not told."""
    asked = server.names.find("cam", 80)
    asked.addErrback(lambda _: None)
    asked.cancel()
    server.answers.set()
    server.turn()
