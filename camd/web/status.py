"""The state of things: stats, the list of cameras, health, readiness."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from twisted.web.http import Request

from camd.cameras.camera import Camera
from camd.capture.health import State
from camd.config.masking import origin_of
from camd.delivery.viewer import Viewer
from camd.formats.jpeg import quality
from camd.formats.rendition import Rendition
from camd.rights import EVERY_RIGHT, TO_COUNT, TO_SEE_OR_COUNT, Right
from camd.web.access.access import holder_of
from camd.web.answers import Answer, json_answer, text_answer


class StatsResource(Answer):
    """``/api/NAME/stream/stats``: what one camera and its viewers are doing."""

    opened_by = TO_SEE_OR_COUNT

    def __init__(self, camera: Camera) -> None:
        super().__init__()
        self._camera = camera

    def answer(self, request: Request) -> bytes:
        """Answer with JSON."""
        body = json_answer(request, camera_stats(self._camera))
        if Right.STATS not in holder_of(request).rights:
            # A key for pictures alone does not show who else watches.
            return body
        now = self._camera.now()
        clients = ", ".join([_client(viewer, now) for viewer in self._camera.viewers])
        return body.removesuffix(b"}\n") + f', "clients": [{clients}]}}\n'.encode()


class CamerasResource(Answer):
    """``/api/cameras``: the cameras, their state and their addresses."""

    opened_by = TO_SEE_OR_COUNT

    def __init__(self, cameras: Mapping[str, Camera], base: str = "") -> None:
        super().__init__()
        self._cameras = cameras
        self._base = base

    def answer(self, request: Request) -> bytes:
        """Answer with JSON."""
        cameras = [_summary(c, self._base) for c in self._cameras.values()]
        return json_answer(request, {"cameras": cameras})


class HealthResource(Answer):
    """``/healthz``: the daemon is alive, as it answers. The one open resource."""

    opened_by = EVERY_RIGHT

    def answer(self, request: Request) -> bytes:
        """Answer."""
        return text_answer(request, "ok")


class ReadyResource(Answer):
    """``/readyz``: does every camera deliver; 503 where one does not."""

    opened_by = TO_COUNT

    def __init__(self, cameras: Mapping[str, Camera]) -> None:
        super().__init__()
        self._cameras = cameras

    def answer(self, request: Request) -> bytes:
        """Answer with JSON."""
        states = {name: camera.state.value for name, camera in self._cameras.items()}
        well = (State.LIVE.value, State.IDLE.value)
        ready = all(state in well for state in states.values())
        return json_answer(
            request, {"ready": ready, "cameras": states}, 200 if ready else 503
        )


def _summary(camera: Camera, base: str) -> dict[str, Any]:
    base = f"{base}/api/{camera.settings.name}"
    is_down = camera.state is State.OFFLINE
    return {
        "name": camera.settings.name,
        "title": camera.settings.label,
        "state": camera.state.value,
        "why": camera.stats.last_error,
        "next_try": round(camera.retry_in, 1) if is_down else None,
        "fps": camera.settings.stream_fps,
        "camera_resolution": str(camera.picture_size),
        "active_clients": len(camera.viewers),
        "stream": f"{base}/stream",
        "snapshot": f"{base}/snapshot",
        "stats": f"{base}/stream/stats",
        "controls": f"{base}/controls" if camera.controls.of_device else None,
    }


def camera_stats(camera: Camera) -> dict[str, Any]:
    """Return all that is known of a camera, by the names of the settings."""
    settings, stats = camera.settings, camera.stats
    watched = Counter(viewer.rendition for viewer in camera.viewers)
    now = camera.now()
    mode, sent = camera.mode, camera.sent()
    return {
        "camera": settings.name,
        "state": camera.state.value,
        "active_clients": len(camera.viewers),
        "frame_cache_enabled": camera.shares,
        "stream_fps": settings.stream_fps,
        "camera_resolution": str(camera.picture_size),
        "jpeg_quality": _quality(camera),
        "source": origin_of(settings.source),
        "camera_fps": mode.fps if mode else None,
        "camera_format": mode.format if mode else None,
        "camera_asked": mode.asked if mode else None,
        "encoder": _encoder(camera.passed_through),
        "frames_captured": stats.captured,
        "frames_published": stats.published,
        "frames_identical": stats.identical,
        "frames_failed": stats.failed,
        "frames_sent": sent.frames,
        "frames_skipped": sent.skipped,
        "bytes_sent": sent.bytes,
        "heartbeats_sent": sent.heartbeats,
        "capture_fps": round(stats.rate.per_second(now), 2),
        "frame_age": _age(camera.captured, now),
        "camera_reopens": stats.reopens,
        "threads_left_behind": stats.threads_left_behind,
        "last_error": stats.last_error,
        "origin": _origin(camera),
        "uptime": round(now - camera.started, 3),
        "renditions": [
            _rendition(camera, each, watched[each]) for each in camera.renditions
        ],
    }


def _origin(camera: Camera) -> dict[str, Any] | None:
    """Return what is known of the camd that the pictures come from, if they do."""
    link, origin = camera.link, camera.origin
    if link is None:
        return None
    return {
        "link": link.value,
        "state": origin.state.value if origin else None,
        "why": origin.why if origin else None,
    }


def _rendition(camera: Camera, rendition: Rendition, viewers: int) -> dict[str, Any]:
    counts = camera.stats.of(str(rendition))
    return {
        "rendition": str(rendition),
        "resolution": str(rendition.size_of(camera.picture_size)),
        "active_clients": viewers,
        "frames_made": counts.made,
        "frames_skipped": counts.skipped,
    }


def _client(viewer: Viewer, now: float) -> str:
    """Return what is known of one viewer, as JSON.

    There may be thousands, and nobody is sent a picture meanwhile: this takes 5 µs for
    each, where a dict and its encoding take 12 (measured).
    """
    client_info, sent, last = viewer.client_info, viewer.sent, viewer.last
    screen_age = viewer.screen_age
    return (
        f'{{"number": {client_info.number}, "address": {_json(client_info.address)}, '
        f'"user_agent": {_json(client_info.user_agent)}, '
        f'"key": {_json(client_info.principal.name)}, '
        f'"since": "{_moment(int(client_info.since))}", '
        f'"rendition": "{viewer.rendition or "full"}", '
        f'"fps": {viewer.fps(now):.2f}, "frames": {sent.frames}, '
        f'"skipped": {sent.skipped}, "bytes": {sent.bytes}, '
        f'"heartbeats": {sent.heartbeats}, '
        f'"frame_age": {f"{now - last.captured:.3f}" if last else "null"}, '
        f'"screen_age": {"null" if screen_age is None else f"{screen_age:.3f}"}}}'
    )


_json = lru_cache(maxsize=1024)(json.dumps)
"""JSON of a text. Most viewers have an address, a client and a key like others'."""


@lru_cache(maxsize=1024)
def _moment(since: int) -> str:
    """Return a moment in Unix seconds as ISO 8601 has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since))


def _age(captured: float | None, now: float) -> float | None:
    return None if captured is None else round(now - captured, 3)


def _encoder(passed_through: bool | None) -> str | None:
    if passed_through is None:
        return None
    return "passthrough" if passed_through else "opencv"


def _quality(camera: Camera) -> int | None:
    """Return the setting, or what the camera's own JPEGs show; None if nothing."""
    if not camera.passed_through:
        return camera.settings.jpeg_quality
    frame = camera.newest
    if frame is None or frame.rendition is not None:
        return None
    return quality(frame.jpeg)
