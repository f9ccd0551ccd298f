"""Settings from variables: the environment, ``.env``, and ``${NAME}`` in camd.yaml.

A key is the variable of the same name in upper case behind ``CAMD_``, and ``__`` stands
between the parts of a longer one: ``CAMD_CAMERAS__ROBOT__SOURCE``. Names that nothing
else would use (``STREAM_FPS``) do without ``CAMD_``; where both are there, the one with
``CAMD_`` wins.

A variable ``NAME`` may also be a file: the one that ``NAME_FILE`` names, or the
credential ``NAME`` that systemd keeps for the service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any, get_origin
from urllib.parse import quote

from camd.config.layers import MAPPINGS, KeyPath, Layer, flat, read_text
from camd.config.problems import ConfigError, dotted
from camd.config.settings import KEYS, CameraSettings, Rotation, Settings
from camd.config.strict_yaml import YamlError, parse_yaml

PREFIX = "CAMD_"
"""What the name of a variable for camd begins with."""

BARE = frozenset(
    {
        "stream_fps",
        "heartbeat_interval",
        "jpeg_quality",
        "enable_frame_cache",
        "stream_buffer_size",
        "stream_timeout",
        *(key for key in KEYS if key.startswith("camera_")),
    }
)
"""Keys that are variables without :data:`PREFIX` as well."""

OTHERS = frozenset({"CAMD_API_KEY"})
"""Variables that look like a key of the settings with a slip in it, and are for
``camd watch``."""

ENVIRONMENT = "environment"
"""The origin of what the environment says."""

MOST_BYTES = 64 * 1024
"""Of a file that stands for a variable; a key or a password has fewer."""

_FILE = "_FILE"


# ---- Which variable is which key


def read_dotenv(path: Path) -> Mapping[str, str]:
    """Return the variables of a ``.env`` file; none where there is no file.

    A ``$`` in it stays what it is.

    :raises ConfigError: it cannot be read, or has a line that is not ``NAME=value``.
    """
    text = read_text(path)
    if not text:
        return {}
    from dotenv.parser import parse_stream

    lines = list(parse_stream(StringIO(text)))
    problems = [
        f"{path}: line {line.original.line} is not of the form NAME=value"
        for line in lines
        if line.error
    ]
    if problems:
        raise ConfigError(problems)
    return {line.key: line.value for line in lines if line.key and line.value}


def variables_layer(origin: str, variables: Mapping[str, str]) -> Layer:
    """Return what the variables of one place say. An empty one counts as unset.

    Other programs have their variables there too, so an unknown name is let pass,
    unless it looks like one of camd's with a slip in it.

    :raises ConfigError: there is such a slip, or a file cannot be read.
    """
    # In the environment a name without CAMD_ is anybody's.
    known = BARE if origin != ENVIRONMENT else ()
    slips = [f"{slip} ({origin})" for name in variables if (slip := _slip(name, known))]
    if slips:
        raise ConfigError(slips)
    files = _files(variables)
    variables = {**variables, **files}
    # The parts of a mapping come after the whole of it, and CAMD_X after X.
    names = sorted(
        variables, key=lambda name: (name.count("__"), name.startswith(PREFIX))
    )
    said: dict[Hashable, object] = {}
    for name in names:
        place = _place(name)
        is_file = name.removesuffix(_FILE) in files and name.endswith(_FILE)
        if place is not None and variables[name] and not is_file:
            inside: Any = said
            for part in place[:-1]:
                # What is no mapping stays, to be complained of.
                inside = inside.setdefault(part, {}) if isinstance(inside, dict) else 0
            if isinstance(inside, dict):
                inside[place[-1]] = typed(place, variables[name])
    return Layer(origin, dict(flat(said)), folded=True)


def _slip(name: str, known: Collection[str]) -> str | None:
    """Return the words for a name that is nearly one of these; None if it is not."""
    prefix = PREFIX if name.startswith(PREFIX) else ""
    first = name.removeprefix(prefix).lower().partition("__")[0]
    if name in OTHERS or first in KEYS or first.removesuffix(_FILE.lower()) in KEYS:
        return None
    # 0.8: one or two letters wrong. Lower would catch other programs' names.
    nearest = get_close_matches(first, KEYS if prefix else known, n=1, cutoff=0.8)
    meant = f"did you mean {prefix}{nearest[0].upper()}?" if nearest else ""
    return f"{name[:60]}: unknown key; {meant}" if meant else None


def _place(name: str) -> KeyPath | None:
    """Return the key that a variable is for; None for other programs' variables."""
    place = tuple(name.removeprefix(PREFIX).lower().split("__"))
    if not name.startswith(PREFIX) and place[0] not in BARE:
        return None
    has_parts = place[0] in MAPPINGS and all(place)
    return place if place[0] in KEYS and (has_parts or not place[1:]) else None


# ---- Files that stand for variables


def _files(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables of camd that are files, by their names without ``_FILE``."""
    named = {
        name.removesuffix(_FILE): _read(name, path)
        for name, path in variables.items()
        if path and name.startswith(PREFIX) and name.endswith(_FILE)
        if _place(name.removesuffix(_FILE))
    }
    both = sorted(name for name in named if variables.get(name))
    if both:
        raise ConfigError(
            f"{name}: {name}{_FILE} is set as well; expected one of them"
            for name in both
        )
    kept = {
        name: _read(name, path)
        for name, path in _credentials(variables).items()
        if name.startswith(PREFIX) and _place(name) and not variables.get(name)
    }
    return {**kept, **named}


def _credentials(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return the files that systemd keeps for the service, by the credential's name."""
    folder = variables.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return {}
    try:
        return {path.name: str(path) for path in Path(folder).iterdir()}
    except OSError as error:
        raise ConfigError([_unreadable("CREDENTIALS_DIRECTORY", error)]) from None


def _read(name: str, path: str) -> str:
    """Return the text of a file without the line end behind it."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError([_unreadable(name, error)]) from None
    if len(content) > MOST_BYTES:
        raise ConfigError([f"{name}: the file has more than {MOST_BYTES // 1024} KB"])
    try:
        return content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigError([f"{name}: the file is not UTF-8"]) from None


def _unreadable(name: str, error: OSError) -> str:
    return f"{name}: {error.strerror}; expected a readable file"


# ---- ${NAME} in camd.yaml

_REFERENCE = re.compile(
    r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{"
)

# The user information of an address, in which a reference may hold any text.
_LOGIN = re.compile(r"://(?:\$\{[^}]*\}|[^/?#$])*@")


ADDRESSES = ("source", "publish", "cameras_from")
"""Keys whose values may be addresses with a login."""


class References:
    """Fills in ``${NAME}`` and ``${NAME:-default}``; ``$${`` stands for ``${``.

    In the login of an address the text is percent-encoded as it is filled in.

    :param variables: the environment, over what ``.env`` says.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._problems: list[str] = []
        self._variables = variables
        # By identity: with YAML's aliases a short file can unfold without end.
        self._done: dict[int, object] = {}

    def filled_layer(self, layer: Layer) -> Layer:
        """Return the layer with every reference in it filled in.

        :raises ConfigError: with a line for each that could not be.
        """
        values = {path: self.filled(path, val) for path, val in layer.values.items()}
        if self._problems:
            raise ConfigError(f"{line} ({layer.origin})" for line in self._problems)
        return replace(layer, values=values)

    def filled(self, path: KeyPath, value: object) -> object:
        """Return the value with every reference in it filled in.

        A text that held one gets the type of its key, as a variable does.
        """
        if isinstance(value, str):
            return self._filled_text(path, value) if "${" in value else value
        if not isinstance(value, dict | list):
            return value
        if id(value) in self._done:
            return self._done[id(value)]
        if isinstance(value, dict):
            mapping: dict[Any, object] = {}
            self._done[id(value)] = mapping
            for key, inside in value.items():
                mapping[key] = self.filled((*path, key), inside)
            return mapping
        items: list[object] = []
        self._done[id(value)] = items
        items.extend(self.filled(path, inside) for inside in value)
        return items

    def _filled_text(self, path: KeyPath, text: str) -> object:
        login = _LOGIN.search(text) if path[-1] in ADDRESSES else None

        def fill(found: re.Match[str]) -> str:
            if found[0] == "$${":
                return "${"
            value = self._value(path, found)
            is_login = login is not None and found.start() < login.end()
            return quote(value, safe="") if is_login else value

        before = len(self._problems)
        filled = _REFERENCE.sub(fill, text)
        return text if len(self._problems) > before else typed(path, filled)

    def _value(self, path: KeyPath, found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            self._problems.append(
                f"{dotted(path)}: ${{ without a name and its end; expected ${{NAME}},"
                " ${NAME:-default}, or $${ for a plain ${"
            )
            return ""
        value = self._variables.get(name)
        file = self._variables.get(name + _FILE)
        file = file or _credentials(self._variables).get(name)
        if not value and file:
            value = _read(name, file)
        value = value or found["default"]
        if value is None:
            self._problems.append(
                f"{dotted(path)}: ${{{name}}} is not set; expected a variable of that"
                f" name, a file that {name}_FILE names, or ${{{name}:-default}}"
            )
        return value or ""


# ---- From text to values


def typed(place: KeyPath, text: str) -> object:
    """Return a text as the type of its key, or as it is where it does not fit."""
    if place[0] == "cameras" and len(place) > 2:
        return typed(place[2:], text)
    key, parts = str(place[0]), place[1:]
    if key == "api_keys":
        return text if parts else _keys(text)
    if key == "camera_controls":
        return _scalar(text) if parts else _controls(text)
    if key == "api_rights" and parts:
        return _list_or_text(text)
    if key in MAPPINGS:
        return text if parts and key != "cameras" else _mapping_or_text(text)
    field = _FIELDS.get(key)
    if field is None:
        return text
    if get_origin(field.annotation) is tuple:
        return _list_or_text(text)
    convert = _CONVERT.get(field.annotation)
    return convert(text) if convert else text


_FIELDS = {**CameraSettings.model_fields, **Settings.model_fields}


def _yaml_or_text(text: str, kind: type) -> object:
    """Return what a text is in YAML, of which JSON is a part, if it is of this kind."""
    try:
        value = parse_yaml(text)
    except YamlError:
        return text
    return value if isinstance(value, kind) else text


def _mapping_or_text(text: str) -> object:
    return _yaml_or_text(text, dict)


def _list_or_text(text: str) -> object:
    return _yaml_or_text(text, list)


def _keys(text: str) -> object:
    """Return ``{"phone": "..."}``, or the text of a single key under a name."""
    value = _mapping_or_text(text)
    is_bare = isinstance(value, str) and text.lstrip()[:1] not in ("{", "[")
    return {"default": text} if is_bare else value


def _controls(text: str) -> object:
    named = _mapping_or_text(text)
    if not isinstance(named, dict):
        return named
    return {name: _scalar(value) for name, value in named.items()}


def _scalar(value: object) -> object:
    """Return a text as YAML reads it: 40 is a number, on is true, manual stays."""
    try:
        return parse_yaml(value) if isinstance(value, str) else value
    except YamlError:
        return value


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
