"""The words of a camera's command."""

from __future__ import annotations

import pytest

from camd.config.settings import CameraSettings
from camd.sources import SourceError
from camd.sources.program.command import exec_words, rpicam_words


def camera(source: str, **keys: object) -> CameraSettings:
    """A camera's settings."""
    return CameraSettings.model_validate({"name": "robot", "source": source, **keys})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("exec:film", ["film"]),
        ("EXEC: film -a ", ["film", "-a"]),
        ("exec:film 'two words' \"a b\" c\\ d", ["film", "two words", "a b", "c d"]),
        ("exec:film {width}x{height}@{fps} {quality}", ["film", "640x480@30", "80"]),
        (
            "exec:gst video/x-raw,format={NV12} | cat",
            ["gst", "video/x-raw,format={NV12}", "|", "cat"],
        ),
    ],
)
def test_exec(source: str, words: list[str]) -> None:
    """Words are split as by a shell, keys filled in, and nothing else is done."""
    assert exec_words(camera(source, jpeg_quality=80)) == words


def test_a_rate_with_a_point() -> None:
    """A rate is written as people write it."""
    assert exec_words(camera("exec:film {fps}", camera_fps=7.5)) == ["film", "7.5"]


def test_rpicam() -> None:
    """The camera's keys and controls become the program's options."""
    pi = camera(
        "rpicam:1",
        camera_width=1280,
        camera_height=720,
        camera_fps=15,
        jpeg_quality=70,
        camera_controls={
            "brightness": 0.2,
            "vflip": True,
            "hflip": False,
            "autofocus_mode": "continuous",
        },
    )
    words = rpicam_words(pi, lambda name: f"/usr/bin/{name}")
    assert " ".join(words) == (
        "rpicam-vid --camera 1 --timeout 0 --nopreview --codec mjpeg --width 1280"
        " --height 720 --framerate 15 --quality 70 --flush --brightness 0.2 --vflip"
        " --autofocus-mode continuous --output -"
    )


def test_rpicam_by_its_old_name() -> None:
    """On an older system the program has another name, and the first camera is 0."""
    words = rpicam_words(
        camera("rpicam"), lambda name: name if name == "libcamera-vid" else None
    )
    assert words[:3] == ["libcamera-vid", "--camera", "0"]


def test_no_rpicam() -> None:
    """Where there is neither, one line says what to install."""
    with pytest.raises(SourceError, match="rpicam: there is no rpicam-vid here; on"):
        rpicam_words(camera("rpicam"), lambda name: None)
