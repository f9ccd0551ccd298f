"""Where OpenCV cannot be imported, one line says what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from camd.sources.opencv_check import prepare, why_no_opencv

ROOT = Path(__file__).parents[2]


def failing(error: Exception) -> object:
    """An importer that always fails so."""

    def importer(name: str) -> object:
        raise error

    return importer


def run(script: str) -> str:
    """All that a fresh Python prints for that script, which must not fail."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("OPENCV")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd=ROOT,
        env=environ,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_nothing_to_say() -> None:
    """Where OpenCV can be imported there is no reason why not."""
    asked: list[str] = []
    assert why_no_opencv(asked.append) is None
    assert asked == ["cv2"]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            ImportError("libGL.so.1: cannot open shared object file: No such file"),
            "apt install libgl1 libglib2.0-0, or pip install opencv-python-headless",
        ),
        (
            ImportError("libxcb.so.1: cannot open shared object file"),
            "apt install libgl1 libglib2.0-0",
        ),
        (
            ModuleNotFoundError("No module named 'cv2'", name="cv2"),
            "pip install opencv-python",
        ),
        (AttributeError("_ARRAY_API not found"), "--force-reinstall opencv-python"),
        (RuntimeError(), "RuntimeError"),
        (ImportError("first line\nsecond line"), "first line"),
    ],
)
def test_remedy(error: Exception, remedy: str) -> None:
    """Each way to fail has its remedy, in one line."""
    reason = why_no_opencv(failing(error))
    assert reason is not None
    assert remedy in reason
    assert len(reason.splitlines()) == 1


def test_prepare_keeps_what_the_user_set() -> None:
    """Only what is not in the environment yet is put there."""
    environ = {"OPENCV_LOG_LEVEL": "DEBUG", "HOME": "/root"}
    prepare(environ)
    assert environ["OPENCV_LOG_LEVEL"] == "DEBUG"
    assert environ["OPENCV_FFMPEG_LOGLEVEL"] == "-8"


def test_opencv_is_quiet() -> None:
    """After ``prepare``, OpenCV and FFmpeg print nothing about what does not open."""
    script = """
import os
from camd.sources.opencv_check import prepare
prepare(os.environ)
import cv2
for name in ("/dev/no-camera", "/dev/null", "/no/file.mp4", "http://127.0.0.1:9/"):
    for backend in (cv2.CAP_V4L2, cv2.CAP_FFMPEG):
        assert not cv2.VideoCapture(name, backend, ()).isOpened()
"""
    assert run(script) == ""


def test_importing_sources_does_not_import_opencv() -> None:
    """The room can be entered, and can tell what is missing, without OpenCV."""
    script = "import sys, camd.sources; assert not {'cv2', 'numpy'} & set(sys.modules)"
    assert run(script) == ""
