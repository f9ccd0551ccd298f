"""Who sends next where several share a connection, and when."""

from __future__ import annotations

import math

from twisted.internet.task import Clock

from camd.delivery.turns import Turns


class Sender:
    """One that has pictures of ten bytes."""

    def __init__(self, turns: Turns[Sender], has_room: bool = True) -> None:
        self.sent = 0
        self.has_room = has_room
        self._turns = turns
        turns.set(self, 1)
        self.ready = self.send

    def send(self) -> None:
        """Send a picture if it may."""
        if self.has_room and self._turns.is_turn_of(self):
            self.sent += 1
            self._turns.sent(self)
        else:
            self._turns.wait(self, 10)


def test_who_waits_comes_first() -> None:
    """While one waits, nobody else sends; those that wait do so by turns."""
    turns: Turns[Sender] = Turns(Clock())
    first, second = Sender(turns), Sender(turns)
    assert turns.is_turn_of(first)
    turns.wait(first, 10)
    second.send()
    assert (second.sent, len(turns), turns.largest) == (0, 2, 10)
    assert [turns.send_next(), turns.send_next()] == [True, True]
    assert (first.sent, second.sent, len(turns)) == (1, 1, 0)


def test_no_room_after_all() -> None:
    """One that could not send waits on."""
    turns: Turns[Sender] = Turns(Clock())
    sender = Sender(turns, has_room=False)
    sender.send()
    assert not turns.send_next()
    assert len(turns) == 1


def test_who_has_left_waits_no_more() -> None:
    """Nobody waits for it either."""
    turns: Turns[Sender] = Turns(Clock())
    first, second = Sender(turns), Sender(turns)
    turns.wait(first, 10)
    turns.remove(first)
    assert turns.is_turn_of(second)


def test_the_moment_to_go_on() -> None:
    """The last one told counts; infinity is none; at the end there is no call left."""
    clock, called = Clock(), list[float]()

    def go_on() -> None:
        called.append(clock.seconds())

    turns: Turns[Sender] = Turns(clock)
    turns.call_at(1.0, go_on)
    turns.call_at(2.0, go_on)
    turns.call_at(math.inf, go_on)
    clock.pump([0.5] * 6)
    assert called == [2.0]
    turns.call_at(4.0, go_on)
    turns.close()
    assert clock.getDelayedCalls() == []
