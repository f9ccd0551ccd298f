"""The source is chosen by what a camera's settings name."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from camd.config.settings import CameraSettings
from camd.frame import Stamp
from camd.sources import CameraMode, Source, SourceError
from camd.sources.factory import (
    make_placeholder,
    make_source,
    needs_opencv,
    push_source,
)
from camd.sources.film import Film
from camd.sources.folder import Folder
from camd.sources.http.camera import HttpCamera
from camd.sources.live import Live
from camd.sources.pattern import Pattern
from camd.sources.relay.camera import RelayedCamera
from camd.sources.relay.connection import Origins
from camd.sources.video import VideoFile
from tests.fake_camera import FakeTime
from tests.fakes_camera import tiny_jpeg
from tests.fakes_http import FakeWeb, answer, picture_answer

NO_REACTOR = None
"""The reactor that no source may touch before it is started."""

ORIGINS = partial(Origins, NO_REACTOR, time.time)


@dataclass
class FakeSettings:
    """As much of a camera's settings as sources look at."""

    source: str
    name: str = "robot"
    camera_width: int = 160
    camera_height: int = 120
    camera_fps: float = 10
    camera_format: str = "auto"
    camera_controls: dict[str, Any] = field(default_factory=dict)
    rotate: int = 0
    flip: str = "none"
    overlay: str = ""
    camera_verify_tls: bool = True
    camera_timeout: float = 2
    max_pixels: int = 40_000_000


def settings(source: str) -> Any:
    """Settings that name this source."""
    return FakeSettings(source)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("pattern", Pattern),
        ("/dev/video0", Live),
        ("/dev/v4l/by-id/usb-cam", Live),
        ("0", Live),
        ("rtsp://cam/1", Live),
        ("film.mp4", VideoFile),
        ("one.JPG", Folder),
        ("/dev/shm/film.mp4", VideoFile),
        ("/dev/shm/latest.jpg", Folder),
    ],
)
def test_choice(source: str, kind: type) -> None:
    """Each kind of text leads to its kind of source, and nothing is opened."""
    assert isinstance(make_source(settings(source)), kind)


def test_a_folder_is_one(tmp_path: Path) -> None:
    """What is a folder on the disk is read as one."""
    assert isinstance(make_source(settings(str(tmp_path))), Folder)


def test_a_folder_called_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word for the test picture means it, whatever lies about."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pattern").mkdir()
    assert isinstance(make_source(settings("pattern")), Pattern)


def test_settings_arrive() -> None:
    """Size and rate are those of the settings."""
    assert make_source(settings("pattern")).open() == CameraMode(160, 120, 10, "BGR")


def test_clock_arrives() -> None:
    """Pictures are stamped by the clock that was given."""
    time = FakeTime()
    source = make_source(settings("pattern"), time.clock, time.sleep)
    source.open()
    assert source.read().captured == 1000.0


def test_without_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenCV cannot be imported, the error says what to install."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SourceError, match="OpenCV cannot be used"):
        make_source(settings("pattern"))
    with pytest.raises(SourceError, match="OpenCV cannot be used"):
        make_placeholder(CameraSettings(name="robot"), ["robot"], 320, 240)


def test_folder_needs_no_opencv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JPEGs are passed on even where OpenCV is missing."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert isinstance(make_source(settings(str(tmp_path))), Folder)


@pytest.mark.parametrize("source", ["http://cam/stream", "HTTPS://cam/still.jpg"])
def test_sources_that_push(source: str) -> None:
    """What is asked over HTTP pushes, and is not started."""
    assert isinstance(push_source(settings(source), NO_REACTOR, ORIGINS), HttpCamera)


@pytest.mark.parametrize("source", ["pattern", "/dev/video0", "rtsp://cam/1", "a.jpg"])
def test_sources_that_are_pulled(source: str) -> None:
    """What blocks does not push."""
    assert push_source(settings(source), NO_REACTOR, ORIGINS) is None


def test_a_folder_is_a_film(tmp_path: Path) -> None:
    """Its pictures push, out of memory, unless they are redrawn."""
    camera = settings(str(tmp_path))
    assert isinstance(push_source(camera, NO_REACTOR, ORIGINS), Film)
    camera.rotate = 180
    assert push_source(camera, NO_REACTOR, ORIGINS) is None


def test_another_camd() -> None:
    """A camera of another camd pushes, and needs no OpenCV."""
    camera = settings("camd+http://open-sesame-1234567890@h/robot")
    assert isinstance(push_source(camera, NO_REACTOR, ORIGINS), RelayedCamera)
    assert not needs_opencv(camera)


def test_http_needs_no_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a camera sends as JPEG is passed on even where OpenCV is missing."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    received = PushedPictures(picture_answer(tiny_jpeg()))
    assert received.pictures == [tiny_jpeg()]


def test_http_that_is_no_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """What else an address has is read by OpenCV, which may be missing."""
    received = PushedPictures(answer("Content-Type: video/mp2t", body=b"bytes"))
    (new_source,) = received.sources
    assert isinstance(new_source(), Live)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SourceError, match="OpenCV cannot be used"):
        new_source()


class PushedPictures:
    """What comes from an ``http://`` camera that answers so."""

    def __init__(self, said: bytes) -> None:
        self.pictures: list[bytes] = []
        self.sources: list[Callable[[], Source]] = []
        web = FakeWeb(said)
        source = push_source(settings("http://127.0.0.1/"), web, ORIGINS, web.seconds)
        assert source is not None
        source.start(self, 1)
        for _ in range(5):
            web.advance(0)
        source.stop()

    def opened(self, format: str, fps: float | None = None) -> None:
        """Do nothing."""

    def picture(self, jpeg: bytes, captured: float, stamp: Stamp | None = None) -> None:
        """Keep it."""
        self.pictures.append(jpeg)

    def heard(self) -> None:
        """Never called."""
        raise AssertionError

    def upstream(self, state: str, why: str | None) -> None:
        """Never called."""
        raise AssertionError(state)

    def placeholder(self, jpeg: bytes, timestamp: float) -> None:
        """Never called."""
        raise AssertionError

    def failed(self, error: SourceError) -> None:
        """Never called."""
        raise error

    def fall_back(self, new_source: Callable[[], Source]) -> None:
        """Keep it."""
        self.sources.append(new_source)
