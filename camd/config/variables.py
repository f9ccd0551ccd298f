"""Settings from variables: the environment and ``.env``.

A key is the variable of the same name in upper case, and ``__`` stands between the
parts of a longer one: ``CAMERAS__ROBOT__SOURCE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any

from dotenv.parser import Binding, parse_stream
from pydantic import create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from camd.config.layers import MAPPINGS, KeyPath, Layer, flat, read_text
from camd.config.picture_keys import Rotation
from camd.config.problems import ConfigError
from camd.config.settings import KEYS, CameraSettings
from camd.config.strict_yaml import YamlError, parse_yaml

_NAMES: dict[str, Any] = {
    key: (dict[str, Any] if key in MAPPINGS else str, ...) for key in KEYS
}


class _Base(BaseSettings):
    model_config = SettingsConfigDict(env_nested_delimiter="__")


# Only the keys and their shape. The types follow where all layers are laid together,
# so that a wrong value is described in the same words wherever it stands.
_Variables = create_model("_Variables", __base__=_Base, **_NAMES)


class _Environment(EnvSettingsSource):
    """The library's reading of variables, from a mapping in place of ``os.environ``."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        super().__init__(_Variables)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {key.lower(): text for key, text in self._variables.items() if text}

    def decode_complex_value(
        self, field_name: str, field: FieldInfo | None, value: Any
    ) -> Any:
        """YAML, of which JSON is a part, where the library would take JSON alone."""
        decode = _DECODE.get(field_name)
        return decode(value) if decode else value


def _mapping_or_text(text: str) -> object:
    try:
        value = parse_yaml(text)
    except YamlError:
        return text
    return value if isinstance(value, dict) else text


def _keys(text: str) -> object:
    """``{"phone": "..."}``, or the text of a single key, which gets a name."""
    value = _mapping_or_text(text)
    is_bare = isinstance(value, str) and text.lstrip()[:1] not in ("{", "[")
    return {"default": text} if is_bare else value


_DECODE: dict[str, Callable[[str], object]] = {
    "cameras": _mapping_or_text,
    "api_keys": _keys,
    "api_rights": _mapping_or_text,
    "cloudflare_access": _mapping_or_text,
    "camera_controls": _mapping_or_text,
}


def read_environment(environ: Mapping[str, str]) -> Layer:
    """The layer of the environment. A variable with an empty text counts as unset."""
    return _variables_layer("environment", environ)


def _variables_layer(origin: str, variables: Mapping[str, str]) -> Layer:
    said = _Environment(variables)()
    cameras = said.get("cameras")
    if isinstance(cameras, dict):
        said["cameras"] = {
            name: _mapping_or_text(camera) if isinstance(camera, str) else camera
            for name, camera in cameras.items()
        }
    values = {path: _typed(path, value) for path, value in flat(said)}
    return Layer(origin, values, folded=True)


def _typed(path: KeyPath, value: object) -> object:
    """Text as the type of its key, or as it is where it does not fit."""
    key = path[-1]
    if key == "camera_controls":
        return _controls(value)
    if not isinstance(value, str) or path[:-1] == ("cameras",):
        return value
    if key == "listen":
        return _list_or_text(value)
    field = CameraSettings.model_fields.get(str(key))
    convert = _CONVERT.get(field.annotation) if field else None
    return convert(value) if convert else value


def _controls(value: object) -> object:
    """Controls by name, be they in one variable or in one for each."""
    named = _mapping_or_text(value) if isinstance(value, str) else value
    if not isinstance(named, dict):
        return named
    return {name: _scalar(each) for name, each in named.items()}


def _scalar(value: object) -> object:
    """A text as YAML reads it: 40 is a number, on is true, manual stays."""
    try:
        return parse_yaml(value) if isinstance(value, str) else value
    except YamlError:
        return value


def _list_or_text(text: str) -> object:
    try:
        value = parse_yaml(text)
    except YamlError:
        return text
    return value if isinstance(value, list) else text


def _number(text: str) -> object:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() else number


def _truth(text: str) -> object:
    words = {"true": True, "yes": True, "on": True, "1": True}
    words |= {"false": False, "no": False, "off": False, "0": False}
    return words.get(text.strip().lower(), text)


_CONVERT: Mapping[Any, Callable[[str], object]] = {
    int: _number,
    float: _number,
    bool: _truth,
    Rotation: _number,
}


def read_dotenv(path: Path) -> Layer | None:
    """The layer of a ``.env`` file; None if there is none.

    Other programs may keep their variables in the same file, so an unknown name is
    let pass, unless it looks like one of ours with a slip in it.

    :raises ConfigError: it cannot be read, has a line that is not ``NAME=value``, or
        such a slip.
    """
    text = read_text(path)
    if text is None:
        return None
    lines = list(parse_stream(StringIO(text)))
    problems = [problem for line in lines for problem in _line_problems(path, line)]
    if problems:
        raise ConfigError(problems)
    # "$" stays what it is: the library would fill in from os.environ.
    variables = {line.key: line.value for line in lines if line.key and line.value}
    return _variables_layer(path.name, variables)


def _line_problems(path: Path, line: Binding) -> Iterator[str]:
    if line.error:
        yield f"{path}: line {line.original.line} is not of the form NAME=value"
    if line.key and (slip := _slip(line.key)):
        meant = f"did you mean {slip}?"
        yield f"{line.key[:60]}: unknown key; {meant} ({path.name})"


def _slip(name: str) -> str | None:
    """The known name that was meant; None if it is one, or is like none."""
    first = name.lower().partition("__")[0]
    if first in KEYS:
        return None
    # 0.8: one or two letters wrong. Lower would catch other programs' names.
    nearest = get_close_matches(first, KEYS, n=1, cutoff=0.8)
    return nearest[0].upper() if nearest else None
