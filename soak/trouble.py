"""What happens meanwhile: cameras fail and settings change, again and again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e.camera import HttpCamera, Mood

if TYPE_CHECKING:
    from e2e.daemon import Daemon

PASSING = "passing"
"""The camera that comes and goes."""

FAST, SLOW = 10, 8
"""Frames a second of the camera whose settings change."""


@dataclass(slots=True)
class Trouble:
    """Makes trouble, one step at a time.

    :ivar reloads: how often the daemon was told to read its settings, good ones and
        bad ones.

    :param camera: the network camera that fails; ``robot`` in the settings.
    :param guests: two keys, of which one is in the settings.
    """

    daemon: Daemon
    folder: Path
    camera: HttpCamera
    guests: list[str]
    reloads: int = 0
    _steps: Iterator[Callable[[], None]] = field(init=False)

    def __post_init__(self) -> None:
        """Begin at the first step."""
        self._steps = cycle(
            [
                self._other_rate,
                self._unplug,
                self._camera_comes,
                self._plug_in,
                self._other_key,
                self._fall_silent,
                self._bad_settings,
                self._plug_in,
                self._camera_goes,
                self._other_rate,
                self._hang,
                self._other_key,
                self._plug_in,
            ]
        )

    def step(self) -> None:
        """Make the next trouble."""
        next(self._steps)()

    def over(self) -> None:
        """Set everything back to what it was at the start."""
        self._plug_in()
        settings = self._settings()
        settings["cameras"].pop(PASSING, None)
        settings["cameras"]["robot"]["stream_fps"] = FAST
        self._reload(settings)

    def _unplug(self) -> None:
        self.camera.mood = Mood.GONE

    def _fall_silent(self) -> None:
        self.camera.mood = Mood.SILENT

    def _hang(self) -> None:
        # It must hang up first: one that is connected goes on as it was.
        self.camera.mood = Mood.HANGING

    def _plug_in(self) -> None:
        self.camera.mood = Mood.SENDING

    def _other_rate(self) -> None:
        settings = self._settings()
        robot = settings["cameras"]["robot"]
        robot["stream_fps"] = SLOW if robot["stream_fps"] == FAST else FAST
        robot["heartbeat_interval"] = robot["stream_fps"] / 4
        self._reload(settings)

    def _camera_comes(self) -> None:
        settings = self._settings()
        settings["cameras"][PASSING] = {"source": "pattern"}
        self._reload(settings)

    def _camera_goes(self) -> None:
        settings = self._settings()
        settings["cameras"].pop(PASSING, None)
        self._reload(settings)

    def _other_key(self) -> None:
        settings = self._settings()
        keys = settings["api_keys"]
        one, other = self.guests
        keys["guest"] = other if keys.get("guest") == one else one
        self._reload(settings)

    def _bad_settings(self) -> None:
        """Try settings that cannot be, and then leave the good ones in the file."""
        text = self._file.read_text()
        self._file.write_text("stream_fps: many\n")
        self._hang_up()
        self._file.with_suffix(".good").write_text(text)

    @property
    def _file(self) -> Path:
        return self.folder / "camd.yaml"

    def _settings(self) -> dict[str, Any]:
        good = self._file.with_suffix(".good")
        if good.exists():
            good.replace(self._file)
        settings: dict[str, Any] = json.loads(self._file.read_text())
        return settings

    def _reload(self, settings: dict[str, Any]) -> None:
        # In one go: the daemon may still be reading the last one.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(settings))
        fresh.replace(self._file)
        self._hang_up()

    def _hang_up(self) -> None:
        self.reloads += 1
        self.daemon.process.send_signal(signal.SIGHUP)
