"""camd.yaml, ``.env`` and the environment, laid over each other, as one ``Settings``.

Key by key, the environment wins over ``.env``, ``.env`` over camd.yaml, camd.yaml over
the preset, the preset over the default. What is set for one camera wins over all that
is set for every camera, wherever either is set.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from camd.config.checks import is_address, picture_fault
from camd.config.layers import KeyPath, Layer, read_file, read_preset
from camd.config.masking import mask_url
from camd.config.problems import ConfigError, invalid, shared_key, unknown
from camd.config.settings import CAMERA_KEYS, KEYS, NO_CAMERA, STREAM_KEYS, Settings
from camd.config.source import missing_part, missing_program
from camd.config.variables import ENVIRONMENT, References, read_dotenv, variables_layer
from camd.listening.endpoints import listen_fault

__all__ = ["ConfigError", "Loaded", "load", "mask_url"]

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, and where each came from.

    :ivar origins: dotted key (``stream_fps``, ``cameras.door.stream_fps``) -> the name
        of the file, ``.env``, ``environment``, ``preset NAME`` or ``default``. It holds
        every key of the settings and of each camera.
    :ivar warnings: what is no error and may still be a slip, one line each.
    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Value:
    value: object
    origin: str


_Found = Mapping[KeyPath, _Value]


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Read, lay together and check all settings.

    :param path: camd.yaml; None for none. ``.env`` is looked for beside it, or in the
        current folder.
    :param environ: the environment's variables.
    :raises ConfigError: something is wrong; all that is wrong is in it.
    """
    found = _overlay(_layers(path, environ))
    problems = [*_unknown_keys(found), *_listen_problems(found)]
    problems += _rights_problems(found)
    try:
        settings = Settings.model_validate(_tree(found))
    except ValidationError as error:
        raise ConfigError([*problems, *_invalid_values(error, found)]) from None
    problems += _shared_keys(settings, found)
    problems += _picture_problems(settings, found)
    if problems:
        raise ConfigError(problems)
    origins = MappingProxyType(dict(_origins(settings, found)))
    return Loaded(settings, origins, tuple(_warnings(settings, found)))


def _layers(path: Path | None, environ: Mapping[str, str]) -> list[Layer]:
    """Return all layers, the weakest first."""
    dotenv = read_dotenv((path.parent if path else Path()) / ".env")
    references = References({**dotenv, **environ})
    layers = [
        *([references.filled_layer(read_file(path))] if path else []),
        variables_layer(".env", dotenv),
        variables_layer(ENVIRONMENT, environ),
    ]
    names = [
        layer.values[("preset",)] for layer in layers if ("preset",) in layer.values
    ]
    preset = names[-1] if names else Settings.model_fields["preset"].default
    return [read_preset(preset), *layers]


def _overlay(layers: list[Layer]) -> _Found:
    """Return each key's strongest value, in the order in which keys first came."""
    found: dict[KeyPath, _Value] = {}
    for layer in layers:
        for path, value in layer.values.items():
            place = _unfolded(path, found) if layer.folded else path
            if place not in found or len(path) != 2 or value != {}:
                found[place] = _Value(value, layer.origin)
    return found


def _unfolded(path: KeyPath, found: _Found) -> KeyPath:
    """Return the path with the camera's name as a weaker layer writes it.

    A variable's name has no case to keep and cannot hold a "-".
    """
    known = {place[1] for place in found if place[0] == "cameras" and place[1:]}
    if path[0] != "cameras" or not path[1:] or path[1] in known:
        return path
    folded = _fold(path[1])
    return (path[0], next((n for n in known if _fold(n) == folded), path[1]), *path[2:])


def _fold(name: Hashable) -> str:
    return str(name).lower().replace("-", "_")


def _unknown_keys(found: _Found) -> Iterator[str]:
    for path, given in found.items():
        of_camera = path[0] == "cameras" and len(path) == 3
        if not (path[2] in CAMERA_KEYS if of_camera else path[0] in KEYS):
            yield unknown(path, given.value, given.origin)


def _tree(found: _Found) -> dict[str, Any]:
    """Return the values as :class:`Settings` takes them, each camera with all keys."""
    known = {
        str(path[0]): given.value
        for path, given in found.items()
        if len(path) == 1 and path[0] in KEYS
    }
    cameras = dict(_cameras(found))
    if cameras and known.get("cameras") == {}:
        del known["cameras"]
    if not cameras and not known.get("cameras_from"):
        cameras["robot"] = NO_CAMERA
    general = {key: known[key] for key in STREAM_KEYS if key in known}
    complete = {
        name: {**general, **camera} if isinstance(camera, dict) else camera
        for name, camera in cameras.items()
    }
    return {"cameras": complete, **known}


def _cameras(found: _Found) -> Iterator[tuple[Hashable, object]]:
    """Yield each camera's name, and its own keys or what is in their place."""
    for path, given in found.items():
        if len(path) == 2 and given.value != {}:
            yield path[1], given.value
        elif len(path) == 2:
            own = {p[2]: g.value for p, g in found.items() if p[:2] == path and p[2:]}
            known = {key: value for key, value in own.items() if key in CAMERA_KEYS}
            yield path[1], {**known, "name": path[1]}


def _invalid_values(error: ValidationError, found: _Found) -> Iterator[str]:
    for fault in error.errors(include_url=False):
        path = fault["loc"]
        said = found.get(path[:2]) or found.get(path[:1])
        if path[0] == "cameras" and path[2:] and path[2] != "name":
            said = found.get(path[:3])
        if said is None:
            # Handed down to the camera from the top, where it has its own line.
            continue
        yield invalid(path, fault["input"], fault["type"], fault["msg"], said.origin)


def _listen_problems(found: _Found) -> Iterator[str]:
    """Yield a line for each listen string that Twisted does not take, or not twice."""
    given = found.get(("listen",))
    texts = given.value if given else []
    listed = texts if isinstance(texts, list) else [texts]
    for place, text in enumerate(listed):
        fault = listen_fault(text) if isinstance(text, str) else None
        if text in listed[:place]:
            fault = "is here a second time"
        if given and fault:
            yield invalid(("listen",), text, "camd", fault, given.origin)


def _rights_problems(found: _Found) -> Iterator[str]:
    """Yield a line for each name in api_rights that no key has."""
    given, keys = found.get(("api_rights",)), found.get(("api_keys",))
    names = keys.value if keys and isinstance(keys.value, dict) else {}
    for name in given.value if given and isinstance(given.value, dict) else ():
        if given and name not in names:
            path = ("api_rights", name)
            yield invalid(path, name, "camd", "is no key's name", given.origin)


def _shared_keys(settings: Settings, found: _Found) -> Iterator[str]:
    """Yield a line for each key that has two names."""
    names: dict[str, str] = {}
    for name, key in settings.api_keys.items():
        first = names.setdefault(key.get_secret_value(), name)
        if first != name:
            yield shared_key(name, first, _origin(found, ("api_keys",)))


def _picture_problems(settings: Settings, found: _Found) -> Iterator[str]:
    """Yield a line for each file that cannot be shown while a camera is offline."""
    key = "offline_picture"
    for path in ((key,), *(("cameras", name, key) for name in settings.cameras)):
        given = found.get(path)
        text = given.value if given else None
        fault = picture_fault(text) if isinstance(text, str) else None
        if given and fault:
            yield invalid(path, text, "camd", fault, given.origin)


def _warnings(settings: Settings, found: _Found) -> Iterator[str]:
    is_none_set = not any(path[0] == "cameras" for path in found)
    if is_none_set and not settings.cameras_from:
        yield "cameras: none is set; a test picture is shown as camera robot"
    for name, camera in settings.cameras.items():
        missing = missing_part(camera.source)
        if not is_none_set and ("cameras", name, "source") not in found:
            yield f"cameras.{name}.source: none is set; a test picture is shown"
        elif missing is not None:
            yield f"cameras.{name}.source: {mask_url(missing)} is not there now"
    key = "on_event"
    for path in ((key,), *(("cameras", name, key) for name in settings.cameras)):
        hook = str(found[path].value).strip() if path in found else ""
        program = missing_program(hook) if hook and not is_address(hook) else None
        if program is not None:
            yield f"{'.'.join(path)}: {mask_url(program)} is not there now"


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
    """Return where the first of the paths that is set is set."""
    return next((found[path].origin for path in paths if path in found), _DEFAULT)
