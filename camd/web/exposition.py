"""What camd counts, as Prometheus' client lays it out.

Nothing is counted for this alone on a frame's way to its viewers: the viewers' own
counts are added up for each scrape. No series belongs to a viewer, so that there are no
more of them after a year than after an hour.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from camd import __version__
from camd.cameras.camera import Camera
from camd.capture.capture import LinkState
from camd.capture.health import State
from camd.stats import CameraStats, Histogram, Sent

Cameras = Mapping[str, Camera]


def encoder_for(accept: bytes | None) -> tuple[Callable[[Collector], bytes], str]:
    """Return what lays out a registry for a client that accepts this, and its type."""
    try:
        return choose_encoder((accept or b"").decode("ascii", "replace"))
    except (TypeError, ValueError):
        # It asks for a version that is no number.
        return choose_encoder("")


def registry_of(cameras: Cameras) -> CollectorRegistry:
    """Return a registry of what camd counts, and what is known of its process.

    :param cameras: by name; those that are there at a scrape are in it.
    """
    registry = CollectorRegistry()
    registry.register(CameraCollector(cameras))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class CameraCollector(Collector):
    """Reads camd's counters at each scrape."""

    def __init__(self, cameras: Cameras) -> None:
        self._cameras = cameras

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of camd, each with a sample or more for each camera."""
        yield _build_info()
        yield from _viewers(self._cameras)
        yield from _sent(self._cameras)
        yield from _captured(self._cameras)
        yield _state(self._cameras)
        yield _link(self._cameras)
        yield _frame_age(self._cameras)
        yield _histogram(
            "camd_encode_seconds",
            "Time that a picture took to encode; none for a camera's own JPEGs.",
            self._cameras,
            lambda stats: stats.encoding,
        )
        yield from _renditions(self._cameras)
        yield _histogram(
            "camd_scale_seconds",
            "Time until all smaller renditions of a frame were made.",
            self._cameras,
            lambda stats: stats.scaling,
        )
        yield _histogram(
            "camd_capture_to_send_seconds",
            "Age of a frame when the last of its viewers had been given it.",
            self._cameras,
            lambda stats: stats.lateness,
        )
        yield _histogram(
            "camd_viewer_age_seconds",
            "Age of pictures on the screens of live viewers, at the most.",
            self._cameras,
            lambda stats: stats.viewer_age,
        )


def _build_info() -> Metric:
    versions = {
        "version": __version__,
        "twisted": version("Twisted"),
        "python": platform.python_version(),
    }
    return InfoMetricFamily("camd_build", "Versions of what runs here.", versions)


def _viewers(cameras: Cameras) -> Iterator[Metric]:
    active = GaugeMetricFamily(
        "camd_viewers", "Streams that are open.", labels=["camera"]
    )
    aborted = CounterMetricFamily(
        "camd_viewers_aborted",
        "Streams that ended other than by the client's hanging up.",
        labels=["camera", "reason"],
    )
    for name, camera in cameras.items():
        active.add_metric([name], len(camera.viewers))
        for reason, count in camera.stats.aborted.items():
            aborted.add_metric([name, reason], count)
    yield from (active, aborted)


_SENT: tuple[tuple[str, str, Callable[[Sent], int]], ...] = (
    ("frames_sent", "Frames given to viewers.", lambda sent: sent.frames),
    (
        "frames_skipped",
        "Frames that a newer one replaced before a slow viewer had room for them.",
        lambda sent: sent.skipped,
    ),
    ("bytes_sent", "Bytes of streams given to viewers.", lambda sent: sent.bytes),
    (
        "heartbeats_sent",
        "Repetitions of the last picture, while the camera was silent.",
        lambda sent: sent.heartbeats,
    ),
)


def _sent(cameras: Cameras) -> Iterator[Metric]:
    sums = {name: camera.sent() for name, camera in cameras.items()}
    for name, text, figure in _SENT:
        metric = CounterMetricFamily(f"camd_{name}", text, labels=["camera"])
        for camera, sent in sums.items():
            metric.add_metric([camera], figure(sent))
        yield metric


def _renditions(cameras: Cameras) -> Iterator[Metric]:
    labels = ["camera", "rendition"]
    viewers = GaugeMetricFamily(
        "camd_rendition_viewers", "Streams of a smaller rendition.", labels=labels
    )
    made = CounterMetricFamily(
        "camd_rendition_frames", "Frames scaled to a rendition.", labels=labels
    )
    skipped = CounterMetricFamily(
        "camd_rendition_frames_skipped",
        "Frames not scaled, as a newer one came while an earlier one was being made.",
        labels=labels,
    )
    for name, camera in cameras.items():
        for rendition in camera.renditions:
            text = str(rendition)
            counts = camera.stats.of(text)
            count = sum(viewer.rendition == rendition for viewer in camera.viewers)
            viewers.add_metric([name, text], count)
            made.add_metric([name, text], counts.made)
            skipped.add_metric([name, text], counts.skipped)
    yield from (viewers, made, skipped)


_CAPTURED: tuple[tuple[str, str, Callable[[CameraStats], int]], ...] = (
    ("frames_captured", "Pictures that the camera gave.", lambda s: s.captured),
    ("frames_published", "Frames made of them for viewers.", lambda s: s.published),
    (
        "frames_identical",
        "Frames sent to nobody, as all had the same picture.",
        lambda s: s.identical,
    ),
    ("frames_failed", "Failed reads, and pictures no good.", lambda s: s.failed),
    ("hooks_called", "Calls of on_event.", lambda s: s.hooks_called),
    ("hooks_failed", "Calls of on_event that failed.", lambda s: s.hooks_failed),
    (
        "hooks_dropped",
        "Events that on_event was not called for.",
        lambda s: s.hooks_dropped,
    ),
    (
        "camera_reopens",
        "Times that the camera was opened again after it had worked.",
        lambda s: s.reopens,
    ),
    (
        "threads_left_behind",
        "Threads that hung in the driver and were given up.",
        lambda s: s.threads_left_behind,
    ),
)


def _captured(cameras: Cameras) -> Iterator[Metric]:
    for name, text, figure in _CAPTURED:
        metric = CounterMetricFamily(f"camd_{name}", text, labels=["camera"])
        for camera in cameras.values():
            metric.add_metric([camera.settings.name], figure(camera.stats))
        yield metric


def _state(cameras: Cameras) -> Metric:
    metric = GaugeMetricFamily(
        "camd_camera_state",
        "1 for the state that the camera is in, 0 for the others.",
        labels=["camera", "state"],
    )
    for name, camera in cameras.items():
        for state in State:
            metric.add_metric([name, state.value], camera.state is state)
    return metric


def _link(cameras: Cameras) -> Metric:
    metric = GaugeMetricFamily(
        "camd_origin_link_up",
        "1 while the camd that a camera's pictures come from is heard, else 0.",
        labels=["camera"],
    )
    for name, camera in cameras.items():
        if camera.link is not None:
            metric.add_metric([name], camera.link is LinkState.UP)
    return metric


def _frame_age(cameras: Cameras) -> Metric:
    metric = GaugeMetricFamily(
        "camd_frame_age_seconds",
        "Age of the camera's newest picture; absent before the first.",
        labels=["camera"],
    )
    for name, camera in cameras.items():
        captured = camera.captured
        if captured is not None:
            metric.add_metric([name], camera.now() - captured)
    return metric


def _histogram(
    name: str, text: str, cameras: Cameras, pick: Callable[[CameraStats], Histogram]
) -> Metric:
    metric = HistogramMetricFamily(name, text, labels=["camera"])
    for camera, wired in cameras.items():
        histogram = pick(wired.stats)
        bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
        counts = list(zip(bounds, histogram.upto(), strict=True))
        metric.add_metric([camera], counts, histogram.sum)
    return metric
