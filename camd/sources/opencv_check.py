"""Whether OpenCV can be imported, what is missing if not, and its environment.

Imports OpenCV only when asked to.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, MutableMapping

_DEFAULTS = {
    # Failures are told by SourceError, once; OpenCV would print them at each try.
    "OPENCV_LOG_LEVEL": "SILENT",
    # FFmpeg's AV_LOG_QUIET: its decoder complains of every damaged picture.
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    # Whole seconds that a V4L2 camera may be silent before read() gives up; OpenCV's
    # own 10 s would hold the camera's thread long after its viewers saw it stall.
    "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "5",
    # What OpenCV says to FFmpeg by itself; and no redirects, which camd has followed
    # already. FFmpeg would follow them from https to http, and to other hosts.
    "OPENCV_FFMPEG_CAPTURE_OPTIONS": "rtsp_flags;prefer_tcp|max_redirects;0",
}
"""What OpenCV reads from the environment when it is loaded or opens a camera; a value
that the user has set stays."""


def prepare(environ: MutableMapping[str, str]) -> None:
    """Quieten OpenCV and shorten its waits; call this before it is first imported.

    :param environ: ``os.environ``, from where the C libraries see it.
    """
    for name, value in _DEFAULTS.items():
        environ.setdefault(name, value)


def why_no_opencv(
    importer: Callable[[str], object] = importlib.import_module,
) -> str | None:
    """Return why OpenCV cannot be imported and what to install, in one line.

    :param importer: imports a module by its name, or raises what the import raises.
    :return: None when OpenCV can be used.
    """
    try:
        importer("cv2")
    # Its loader raises more than ImportError: a numpy of the wrong age, for one, ends
    # in AttributeError or RuntimeError.
    except Exception as error:
        return f"OpenCV cannot be used: {_one_line(error)}. {_remedy(error)}"
    return None


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


def _remedy(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == "cv2":
        return "Install it: pip install opencv-python"
    if ".so" in str(error):
        # Between them these two bring every library of the system that the windows of
        # OpenCV 5 ask for on a bare Debian 12: libxcb first, libGL, then libgthread.
        return (
            "Install it: apt install libgl1 libglib2.0-0, or pip install "
            "opencv-python-headless in place of opencv-python"
        )
    return "Install it again: pip install --force-reinstall opencv-python"
