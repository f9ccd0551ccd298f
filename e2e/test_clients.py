"""Every client that is no browser, in every situation: a table, one test for each cell.

A situation is played once, for all clients at once and so beside each other. What they
saw of it is then looked at one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

import pytest

from e2e.camera import HttpCamera, Mood, http_camera, number_in
from e2e.client import STREAM, ask, stats, watching
from e2e.conftest import check_log
from e2e.daemon import Daemon, running
from e2e.pixels import WIDTH, grainy, shrunk
from e2e.players import CLIENTS, Player, Sight, playing
from e2e.video import decode
from e2e.waiting import until

ALL_SEEN = 0.8
"""Share of the pictures that a client must see: camd leaves some out for one that a
loaded machine keeps from reading."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The camera and the daemon that a situation is played with."""

    camera: HttpCamera
    daemon: Daemon

    def send(self, count: int) -> None:
        """Let the camera send so many more pictures."""
        goal = (self.camera.number or 0) + count
        until(lambda: (self.camera.number or 0) >= goal, f"{count} pictures")

    def pause(self) -> Sight:
        """Have the camera send nothing for three heartbeats.

        :return: the picture that must be shown by the end of them.
        """
        self.camera.mood = Mood.SILENT
        before = self._heartbeats()
        # The first is the repeat for an overdue frame.
        until(lambda: self._all_had(before, 1 + 3), "three heartbeats")
        assert self.camera.number is not None
        shown = Sight(time.monotonic(), self.camera.number)
        self.camera.mood = Mood.SENDING
        return shown

    def _all_had(self, before: dict[int, int], more: int) -> bool:
        now = self._heartbeats()
        return all(
            now[viewer] >= before[viewer] + more for viewer in before if viewer in now
        )

    def _heartbeats(self) -> dict[int, int]:
        told = stats(self.daemon)["clients"]
        return {viewer["number"]: viewer["heartbeats"] for viewer in told}

    def replace(self) -> None:
        """Replace this camera by one with larger pictures."""
        self.camera.mood = Mood.GONE
        until(lambda: stats(self.daemon)["state"] == "offline", "the camera is gone")
        self.camera.draw = partial(grainy, scale=3)
        self.camera.mood = Mood.SENDING
        until(lambda: self._width() == 3 * WIDTH, "the pictures are larger")

    def _width(self) -> int:
        snapshot = ask(self.daemon, "/api/robot/snapshot")
        return decode(snapshot.body).shape[1] if snapshot.status == 200 else 0


def steady(pictures: int, stage: Stage) -> list[Sight]:
    """Let the camera send so many pictures."""
    stage.send(pictures)
    return []


def silence(stage: Stage) -> list[Sight]:
    """Let the camera fall silent, and go on."""
    stage.send(15)
    shown = stage.pause()
    stage.send(15)
    return [shown]


def another(stage: Stage) -> list[Sight]:
    """Replace the camera by another."""
    stage.send(15)
    stage.replace()
    stage.send(15)
    return []


@dataclass(frozen=True, slots=True)
class Situation:
    """What a camera does while it is watched.

    :ivar fps: pictures a second that it sends.
    :ivar heartbeat: seconds of silence until a heartbeat.
    :ivar play: what happens once every client has a picture; gives what a client must
        have shown last by some moment.
    """

    fps: float
    heartbeat: float
    play: Callable[[Stage], list[Sight]]


SITUATIONS = {
    "15fps": Situation(15, 5, partial(steady, 45)),
    "1fps": Situation(1, 5, partial(steady, 4)),
    "silence": Situation(15, 0.5, silence),
    "heartbeats": Situation(1, 0.2, partial(steady, 4)),
    "another": Situation(15, 5, another),
}


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a situation.

    :ivar players: by the names of their clients; they have ended.
    :ivar sent: the pictures that a plain reader beside them got, and when.
    :ivar dues: what a client must have shown last by these moments.
    """

    situation: Situation
    players: dict[str, Player]
    sent: dict[int, float]
    dues: list[Sight]


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Played:
    """Play a situation, by its name in :data:`SITUATIONS`."""
    situation = SITUATIONS[request.param]
    with http_camera(situation.fps) as camera:
        camera.draw = partial(grainy, scale=2)
        folder = tmp_path_factory.mktemp(request.param)
        cameras = {"robot": {"source": camera.address}}
        with running(folder, cameras, heartbeat_interval=situation.heartbeat) as daemon:
            outcome = play(situation, Stage(camera, daemon))
        check_log(daemon)
    return outcome


def play(situation: Situation, stage: Stage) -> Played:
    """Play a situation for all clients at once."""
    address = stage.daemon.with_query(STREAM)
    with ExitStack() as stack:
        (watcher,) = stack.enter_context(watching(stage.daemon))
        # A viewer that comes before the camera's first picture gets a placeholder.
        until(lambda: watcher.seen[-1].number > 0, "the camera's first picture")
        players = stack.enter_context(playing(CLIENTS, address))
        await_picture(players, 0)
        first = stage.camera.number or 0
        dues = situation.play(stage)
        last = stage.camera.number or 0
        await_picture(players, last)
    frames = [frame for frame in watcher.frames() if frame.number > 0]
    moments = {number_in(shrunk(decode(f.jpeg))): f.moment for f in frames}
    sent = {number: moments[number] for number in moments if first < number <= last}
    return Played(situation, players, sent, dues)


def await_picture(players: dict[str, Player], number: int) -> None:
    """Wait for this picture or a later one. A client without one fails its test."""
    waiting = [player for player in players.values() if player.is_alive()]
    with suppress(AssertionError):
        until(lambda: all(p.newest() >= number for p in waiting), "pictures")


@pytest.mark.parametrize("played", SITUATIONS, indirect=True, scope="module")
@pytest.mark.parametrize("name", CLIENTS)
def test_sees(name: str, played: Played) -> None:
    """A client sees each picture, in order and in time, and complains of nothing."""
    client, player = CLIENTS[name], played.players[name]
    assert player.trouble == ""
    numbers = [sight.number for sight in player.sights]
    assert numbers == sorted(numbers)
    came: dict[int, float] = {}
    for sight in player.sights:
        came.setdefault(sight.number, sight.moment)
    seen = came.keys() & played.sent
    assert len(seen) >= ALL_SEEN * len(played.sent)
    assert max(seen) == max(played.sent)
    # A loaded machine makes some late, but a client that waits for the next picture is
    # late with every one.
    least = min(came[number] - played.sent[number] for number in seen)
    assert least < max(0.9 / played.situation.fps, client.lag)
    for due in played.dues:
        before = [s.number for s in player.sights if s.moment <= due.moment]
        assert before[-1] == due.number
