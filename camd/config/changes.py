"""What a new value of each key needs before it holds."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

from camd.config.settings import CAMERA_KEYS, CameraSettings
from camd.config.source import is_program


class Needs(enum.IntEnum):
    """What it takes to apply a new value, from the least to the most."""

    VIEWER = 0
    """Nothing: it is about what is sent and to whom, and holds at once, for viewers
    that are there already too. No camera is touched."""
    LOOP = 1
    """The camera's loop and encoder go by it from the next picture on; the device stays
    open."""
    CAMERA = 2
    """The camera's source is opened again."""
    RESTART = 3
    """The daemon has to be started again."""


NEEDS: Mapping[str, Needs] = MappingProxyType(
    {
        # Of one camera.
        "source": Needs.CAMERA,
        "camera_width": Needs.CAMERA,
        "camera_height": Needs.CAMERA,
        "camera_fps": Needs.CAMERA,
        "camera_format": Needs.CAMERA,
        "camera_controls": Needs.CAMERA,
        "camera_verify_tls": Needs.CAMERA,
        "max_pixels": Needs.CAMERA,
        "max_frame_bytes": Needs.VIEWER,
        "rotate": Needs.CAMERA,
        "flip": Needs.CAMERA,
        "overlay": Needs.CAMERA,
        "enable_frame_cache": Needs.CAMERA,
        "camera_timeout": Needs.LOOP,
        "stream_fps": Needs.LOOP,
        "idle_fps": Needs.LOOP,
        "jpeg_quality": Needs.LOOP,
        "drop_identical": Needs.VIEWER,
        "title": Needs.VIEWER,
        "renditions": Needs.VIEWER,
        "auto_fps": Needs.VIEWER,
        "offline_picture": Needs.VIEWER,
        "offline_after": Needs.VIEWER,
        "stream_buffer_size": Needs.VIEWER,
        "stream_timeout": Needs.VIEWER,
        "max_frame_age": Needs.VIEWER,
        "heartbeat_interval": Needs.VIEWER,
        "on_event": Needs.VIEWER,
        "max_viewers_per_camera": Needs.VIEWER,
        "tcp_congestion": Needs.VIEWER,
        # Of the daemon.
        "listen": Needs.RESTART,
        "log_format": Needs.RESTART,
        "encode_threads": Needs.RESTART,
        "log_level": Needs.VIEWER,
        "api_keys": Needs.VIEWER,
        "api_rights": Needs.VIEWER,
        "signing_key": Needs.VIEWER,
        "on_event_secret": Needs.VIEWER,
        "cloudflare_access": Needs.VIEWER,
        "base_path": Needs.VIEWER,
        "trusted_proxies": Needs.VIEWER,
        "cors_origins": Needs.VIEWER,
        "cross_origin_resource_policy": Needs.VIEWER,
        "frame_ancestors": Needs.VIEWER,
        "page_title": Needs.VIEWER,
        "drain_seconds": Needs.VIEWER,
        "max_viewers": Needs.VIEWER,
        "max_viewers_per_address": Needs.VIEWER,
        "max_connections": Needs.VIEWER,
        "publish": Needs.VIEWER,
        "cameras_from": Needs.VIEWER,
        # By themselves these two do nothing: they say what other keys hold.
        "preset": Needs.VIEWER,
        "cameras": Needs.VIEWER,
    }
)
"""Key -> what a new value needs."""


def needed(former: CameraSettings, settings: CameraSettings) -> Needs | None:
    """Return what a camera needs to go by other settings; None where they are equal."""
    changed = [
        key for key in CAMERA_KEYS if getattr(former, key) != getattr(settings, key)
    ]
    if "jpeg_quality" in changed and is_program(settings.source):
        # It is in the program's command.
        return Needs.CAMERA
    return max((NEEDS[key] for key in changed), default=None)
