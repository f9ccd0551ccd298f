"""camd.yaml, ``.env`` and the environment, laid over each other, as one ``Settings``.

Key by key, the environment wins over ``.env``, ``.env`` over camd.yaml, camd.yaml over
the preset, the preset over the default. What is said for one camera wins over all that
is said for every camera, wherever either is said.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from camd.config.layers import KeyPath, Layer, read_file, read_preset
from camd.config.masking import mask_url
from camd.config.pictures import picture_fault
from camd.config.problems import ConfigError, invalid, unknown
from camd.config.settings import CAMERA_KEYS, KEYS, STREAM_KEYS, Settings
from camd.config.variables import read_dotenv, read_environment
from camd.listening.endpoints import listen_fault

__all__ = ["ConfigError", "Loaded", "load", "mask_url"]

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, and where each came from.

    :ivar origins: dotted key (``stream_fps``, ``cameras.door.stream_fps``) -> the name
        of the file, ``.env``, ``environment``, ``preset NAME`` or ``default``. It holds
        every key of the settings and of each camera.
    """

    settings: Settings
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Said:
    value: object
    origin: str


_Found = Mapping[KeyPath, _Said]


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Read, lay together and check all settings.

    :param path: camd.yaml; None for none. ``.env`` is looked for beside it, or in the
        current folder.
    :param environ: the environment's variables.
    :raises ConfigError: something is wrong; all that is wrong is in it.
    """
    found = _overlay(_layers(path, environ))
    problems = [*_unknown(found), *_unheard(found), *_keyless(found)]
    try:
        settings = Settings.model_validate(_tree(found))
    except ValidationError as error:
        raise ConfigError([*problems, *_invalid(error, found)]) from None
    problems += _unseen(settings, found)
    if problems:
        raise ConfigError(problems)
    return Loaded(settings, MappingProxyType(dict(_origins(settings, found))))


def _layers(path: Path | None, environ: Mapping[str, str]) -> list[Layer]:
    """All layers, the weakest first."""
    folder = path.parent if path else Path()
    said = [
        read_file(path) if path else None,
        read_dotenv(folder / ".env"),
        read_environment(environ),
    ]
    layers = [layer for layer in said if layer]
    names = [
        layer.values[("preset",)] for layer in layers if ("preset",) in layer.values
    ]
    preset = names[-1] if names else Settings.model_fields["preset"].default
    return [read_preset(preset), *layers]


def _overlay(layers: list[Layer]) -> _Found:
    """Each key's strongest value. Keys keep the order in which they were first said."""
    found: dict[KeyPath, _Said] = {}
    for layer in layers:
        for path, value in layer.values.items():
            place = _unfolded(path, found) if layer.folded else path
            if place not in found or len(path) != 2 or value != {}:
                found[place] = _Said(value, layer.origin)
    return found


def _unfolded(path: KeyPath, found: _Found) -> KeyPath:
    """The path with the camera's name as a weaker layer writes it.

    A variable's name has no case to keep and cannot hold a "-".
    """
    known = {place[1] for place in found if place[0] == "cameras" and place[1:]}
    if path[0] != "cameras" or not path[1:] or path[1] in known:
        return path
    folded = _fold(path[1])
    return (path[0], next((n for n in known if _fold(n) == folded), path[1]), *path[2:])


def _fold(name: Hashable) -> str:
    return str(name).lower().replace("-", "_")


def _is_known(path: KeyPath) -> bool:
    if path[0] == "cameras" and len(path) == 3:
        return path[2] in CAMERA_KEYS
    return path[0] in KEYS


def _unknown(found: _Found) -> Iterator[str]:
    for path, said in found.items():
        if not _is_known(path):
            yield unknown(path, said.origin)


def _tree(found: _Found) -> dict[str, Any]:
    """The values in the shape of :class:`Settings`, each camera with all its keys."""
    top = {str(path[0]): said.value for path, said in found.items() if len(path) == 1}
    known = {key: value for key, value in top.items() if key in KEYS}
    cameras = dict(_cameras(found)) or {"robot": {"name": "robot"}}
    general = {key: known[key] for key in STREAM_KEYS if key in known}
    complete = {
        name: {**general, **camera} if isinstance(camera, dict) else camera
        for name, camera in cameras.items()
    }
    return {"cameras": complete, **known}


def _cameras(found: _Found) -> Iterator[tuple[Hashable, object]]:
    """Each camera's name, and its own keys or what stands in their place."""
    for path, said in found.items():
        if len(path) == 2 and said.value != {}:
            yield path[1], said.value
        elif len(path) == 2:
            own = {p[2]: s.value for p, s in found.items() if p[:2] == path and p[2:]}
            known = {key: value for key, value in own.items() if key in CAMERA_KEYS}
            yield path[1], {**known, "name": path[1]}


def _invalid(error: ValidationError, found: _Found) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        path = fault["loc"]
        said = _nearest(path, found)
        if said is None:
            # Handed down to the camera from the top, where it is complained of.
            continue
        yield invalid(path, fault["input"], fault["type"], fault["msg"], said.origin)


def _nearest(path: KeyPath, found: _Found) -> _Said | None:
    if path[0] == "cameras" and path[2:] and path[2] != "name":
        return found.get(path[:3])
    return found.get(path[:2]) or found.get(path[:1])


def _unheard(found: _Found) -> Iterator[str]:
    """A line for each listen string that Twisted does not take."""
    said = found.get(("listen",))
    texts = said.value if said else []
    for text in texts if isinstance(texts, list) else [texts]:
        fault = listen_fault(text) if isinstance(text, str) else None
        if said and fault:
            yield invalid(("listen",), text, "camd", fault, said.origin)


def _keyless(found: _Found) -> Iterator[str]:
    """A line for each name in api_rights that no key has."""
    said, keys = found.get(("api_rights",)), found.get(("api_keys",))
    names = keys.value if keys and isinstance(keys.value, dict) else {}
    for name in said.value if said and isinstance(said.value, dict) else ():
        if said and name not in names:
            path = ("api_rights", name)
            yield invalid(path, name, "camd", "is no key's name", said.origin)


def _unseen(settings: Settings, found: _Found) -> Iterator[str]:
    """A line for each file that cannot be shown while a camera is offline."""
    key = "offline_picture"
    for path in ((key,), *(("cameras", name, key) for name in settings.cameras)):
        said = found.get(path)
        text = said.value if said else None
        fault = picture_fault(text) if isinstance(text, str) else None
        if said and fault:
            yield invalid(path, text, "camd", fault, said.origin)


def _origins(settings: Settings, found: _Found) -> Iterator[tuple[str, str]]:
    for key in KEYS:
        if key != "cameras":
            yield key, _origin(found, (key,))
    for name in settings.cameras:
        for key in CAMERA_KEYS:
            yield (
                f"cameras.{name}.{key}",
                _origin(found, ("cameras", name, key), (key,)),
            )


def _origin(found: _Found, *paths: KeyPath) -> str:
    """Where the first of the paths that was said was said."""
    return next((found[path].origin for path in paths if path in found), _DEFAULT)
