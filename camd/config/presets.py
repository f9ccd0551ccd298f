"""Sets of values that go together; ``preset`` names one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

PresetName = Literal["cloudflare", "lan", "hd", "mobile"]
"""For a CDN or tunnel, the house, sharp pictures, phones on the way."""


def _preset(
    stream_fps: int, jpeg_quality: int, size: tuple[int, int], heartbeat: int
) -> Mapping[str, int]:
    values = {
        "stream_fps": stream_fps,
        "jpeg_quality": jpeg_quality,
        "camera_width": size[0],
        "camera_height": size[1],
        "heartbeat_interval": heartbeat,
        "stream_buffer_size": 2,
        "stream_timeout": 30,
    }
    return MappingProxyType(values)


PRESETS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "cloudflare": _preset(15, 70, (640, 480), 5),
        "lan": _preset(30, 85, (640, 480), 10),
        "hd": _preset(20, 90, (1280, 720), 5),
        "mobile": _preset(10, 60, (480, 360), 5),
    }
)
"""Preset -> key -> value. A preset is weaker than the file and the environment."""
