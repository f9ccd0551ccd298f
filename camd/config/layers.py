"""What one place says about the settings: the file, or a preset.

Each place is read into a :class:`Layer`, the same flat form for all, so that
:mod:`camd.config` can lay one over the other key by key. Variables are read in
:mod:`camd.config.variables`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camd.config.problems import ConfigError
from camd.config.settings import PRESETS
from camd.config.strict_yaml import YamlError, parse_yaml

KeyPath = tuple[Hashable, ...]
"""A key's place: ``("stream_fps",)`` or ``("cameras", "door", "stream_fps")``."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place says.

    :ivar origin: the place, as people know it: ``camd.yaml``, ``environment``.
    :ivar values: key -> value. A camera is there under ``("cameras", NAME)`` too, with
        an empty mapping for its value, or with whatever stands there in its place.
    :ivar folded: names of cameras have lost their case, as in the environment.
    """

    origin: str
    values: Mapping[KeyPath, object]
    folded: bool = False


def read_file(path: Path) -> Layer:
    """Return the layer of camd.yaml.

    :raises ConfigError: it cannot be read, or is not a mapping in YAML.
    """
    text = read_text(path)
    if text is None:
        raise ConfigError([f"{path}: no such file; expected camd's settings in YAML"])
    try:
        values = parse_yaml(text)
    except YamlError as fault:
        raise ConfigError([f"{path}: {fault}"]) from None
    if not isinstance(values, dict | None):
        kind = "a list" if isinstance(values, list) else "a single value"
        raise ConfigError([f"{path}: {kind}; expected keys with values"])
    return Layer(path.name, dict(flat(values or {})))


def read_text(path: Path) -> str | None:
    """Return the text of the file; None if there is no such file."""
    try:
        # utf-8-sig: some editors begin a file with a byte order mark.
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not UTF-8; expected plain text"]) from None
    # ValueError: a path with a null byte in it.
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise ConfigError([f"{path}: {reason}; expected a readable file"]) from None


MAPPINGS = (
    "cameras",
    "api_keys",
    "api_rights",
    "cloudflare_access",
    "camera_controls",
)
"""Keys whose values have keys of their own."""


def flat(values: Mapping[Any, object]) -> Iterator[tuple[KeyPath, object]]:
    """Yield the values key by key. A mapping that is missing says nothing."""
    for key, value in values.items():
        if key == "cameras" and isinstance(value, dict) and value:
            yield from _flat_cameras(value)
        elif value is not None or key not in MAPPINGS:
            yield (key,), value


def _flat_cameras(cameras: Mapping[Any, object]) -> Iterator[tuple[KeyPath, object]]:
    for name, camera in cameras.items():
        if not isinstance(camera, dict):
            yield ("cameras", name), {} if camera is None else camera
            continue
        yield ("cameras", name), {}
        for key, value in camera.items():
            yield ("cameras", name, key), value


def read_preset(name: object) -> Layer:
    """Return the layer of a preset; an empty one for a name that is none."""
    values = PRESETS.get(name, {}) if isinstance(name, str) else {}
    return Layer(f"preset {name}", {(key,): value for key, value in values.items()})
