"""Rows on what a camera costs: with few viewers, as on a Pi, and with many cameras."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import rig as rigs
from bench.compiled import BUILD
from bench.pictures import FULL_HD, VGA, make_folder
from bench.report import Row
from bench.servers import WITHOUT_H2, camd, floor, mjpeg_cameras, relay, webcam

if TYPE_CHECKING:
    from bench.load import Figures
    from bench.rig import Pair, Rig

HTTP_BARS = {1: 2.3, 5: 2.3, 50: 1.5}
"""Viewers of one camera -> the most that a frame may cost, through the floor's. go2rtc,
in Go, costs 2.3 times the floor with one viewer and twice with five (measured)."""

FOLDER_BARS = {1: 3.3, 5: 2.3, 50: 1.5}
"""The same where camd shows a folder's film. µStreamer costs 2.4 times the
floor with one viewer and 2.3 times with five (measured)."""

DEVICE_BARS = FOLDER_BARS
"""The same of a webcam, whose pictures are pulled in the camera's thread."""

MANY_BARS = {16: 2.0, 64: 2.0}
"""Cameras with one viewer each -> as above, through the relay's."""

MEMORY_BAR = 65.0
"""Megabytes of a daemon that passes one camera's pictures on."""


def by_http(rig: Rig, viewers: int) -> Row:
    """CPU per delivered frame of one camera over HTTP, beside the C relay."""
    with (
        mjpeg_cameras(rig.vga) as camera,
        camd(camera) as ours,
        relay(camera, 1) as least,
    ):
        pairs = rig.beside(ours, least, viewers=viewers)
    name = f"1 camera over HTTP, {_viewers(viewers)}"
    note = _in_python(rig, pairs, cameras=1, viewers=viewers)
    return _row(name, pairs, HTTP_BARS[viewers], note)


def by_folder(rig: Rig, viewers: int) -> Row:
    """CPU per delivered frame of a folder, a film that is shown out of memory."""
    with camd(str(rig.vga)) as ours, floor(rig.vga) as least:
        pairs = rig.beside(ours, least, viewers=viewers)
    return _row(f"1 camera by files, {_viewers(viewers)}", pairs, FOLDER_BARS[viewers])


def by_device(rig: Rig, viewers: int, fps: float = 15) -> Row:
    """CPU per delivered frame of a webcam that gives JPEGs, but for its driver's.

    :param fps: its own; viewers are shown 15 a second.
    """
    with webcam(rig.vga, fps) as ours, floor(rig.vga) as least:
        pairs = rig.beside(ours, least, viewers=viewers)
    of = "" if fps == 15 else f" of {fps:g} fps"
    return _row(f"1 webcam{of}, {_viewers(viewers)}", pairs, DEVICE_BARS[viewers])


def many(rig: Rig, cameras: int) -> Row:
    """CPU per delivered frame of many cameras over HTTP, one viewer each."""
    with (
        mjpeg_cameras(rig.vga) as camera,
        camd(camera, cameras=cameras) as ours,
        relay(camera, cameras) as least,
    ):
        pairs = rig.beside(ours, least, viewers=cameras, streams=cameras)
    name = f"{cameras} cameras over HTTP, 1 viewer each"
    note = _in_python(rig, pairs, cameras, viewers=cameras)
    return _row(name, pairs, MANY_BARS[cameras], note)


def _viewers(count: int) -> str:
    return f"{count} viewer{'s' if count > 1 else ''}"


def _in_python(rig: Rig, pairs: list[Pair], cameras: int, viewers: int) -> str:
    """Say what a frame costs by the least that Python can do, beside the relay's."""
    with (
        mjpeg_cameras(rig.vga) as camera,
        relay(camera, cameras, python=True) as least,
    ):
        cost = rig.load(least, viewers=viewers, streams=cameras)["us_per_frame"]
    floor = rigs.medians(pairs, "us_per_frame")[1]
    return f"the least in Python {cost:.1f} µs, {cost / floor:.2f} x"


def _row(name: str, pairs: list[Pair], bar: float, note: str = "") -> Row:
    """Return the row of a cost per frame, 640x480, at 15 frames a second."""
    one, other = rigs.medians(pairs, "us_per_frame")
    factor = rigs.ratio(pairs, "us_per_frame")
    rate = min(pair[0].get("fps_median", 0) for pair in pairs)
    slow = f"median {rate:.1f} fps" if rate < 14.7 else ""
    notes = [slow, rigs.trouble(pairs[0][0]), note]
    return Row(
        f"CPU per frame, {name}",
        "µs",
        one,
        other,
        factor,
        f"<= {bar} x",
        factor <= bar,
        ", ".join(note for note in notes if note),
        {"pairs": pairs},
    )


def whole_daemon(rig: Rig) -> list[Row]:
    """CPU of the whole daemon in percent of a core, with one viewer of one camera."""
    rows = []
    for form in (VGA, FULL_HD):
        folder = make_folder(BUILD / "pictures", form)
        for fps in (15, 30):
            with mjpeg_cameras(folder, fps) as camera:
                with camd(camera, stream_fps=fps, camera_fps=fps) as ours:
                    passed = rig.load(ours, viewers=1)
                with relay(camera, 1) as least:
                    other = rig.load(least, viewers=1)
            with camd(
                "pattern",
                stream_fps=fps,
                camera_fps=fps,
                camera_width=form.width,
                camera_height=form.height,
            ) as ours:
                encoded = rig.load(ours, viewers=1)
            name = f"daemon, 1 viewer, {form.name} at {fps} fps"
            rows += [
                Row(f"{name}, passed through: CPU", "%", share(passed), share(other)),
                Row(f"{name}, drawn and encoded: CPU", "%", share(encoded)),
            ]
    return rows


def share(figures: Figures) -> float:
    """Return the CPU of a window in percent of a core."""
    return 100 * figures["cpu_s"] / figures["window_s"]


def memory(rig: Rig) -> Row:
    """Resident memory of a daemon that passes one camera's pictures to a viewer."""
    with mjpeg_cameras(rig.vga) as camera:
        with camd(camera, twistd=WITHOUT_H2) as ours:
            figures = rig.load(ours, viewers=1)
        with relay(camera, 1) as least:
            other = rig.load(least, viewers=1)
    one, two = (each["rss_end_kb"] / 1024 for each in (figures, other))
    return Row(
        "memory, 1 camera passed through, 1 viewer",
        "MB",
        one,
        two,
        bar=f"<= {MEMORY_BAR:.0f} MB",
        met=one <= MEMORY_BAR,
        detail=figures,
    )
