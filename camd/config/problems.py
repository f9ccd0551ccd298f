"""Wrong settings in words: one line each, with key, value and what was expected.

No line shows a secret, and none is longer than a person reads: values are masked, cut
and put on one line here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from camd.config.checks import SHORTEST_KEY
from camd.config.masking import MASK, mask_url
from camd.config.settings import CAMERA_KEYS, KEYS, expected

# What fits on one line of a terminal beside the rest of the message.
_LONGEST = 60

_FAULTS = {
    "float_type": "is not a number",
    "finite_number": "is not a number",
    "int_type": "is not a whole number",
    "bool_type": "is not true or false",
    "greater_than_equal": "is too small",
    "less_than_equal": "is too large",
    "string_type": "is not text",
    "literal_error": "is unknown",
    "too_short": "is empty",
    "dict_type": "is not a mapping",
    "model_type": "is not a mapping",
    "tuple_type": "is neither a text nor a list",
}

_KINDS: dict[type, str] = {dict: "a mapping", list: "a list", tuple: "a list"}

_KEY_TEXT = (
    f"{SHORTEST_KEY} or more printable ASCII characters without spaces, in quotes,"
    " such as openssl rand -hex 16 prints"
)
_KEY_NAMES = "a name of 1 to 64 letters, digits, - and _ for each key"


class ConfigError(Exception):
    """The settings cannot be used.

    :ivar problems: what is wrong, one line each, at least one.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def shown(value: object) -> str:
    """Return the value on one line, cut to a readable length, passwords masked."""
    if isinstance(value, str):
        text = repr(mask_url(value))
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    if isinstance(value, bool):
        return str(value).lower()
    # Python refuses to print integers of more than 4300 digits.
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of very many digits"
    if isinstance(value, int | float):
        return repr(value)
    if value is None:
        return "an empty value"
    # Never the inside: with YAML's aliases a short file can unfold without end.
    return _KINDS.get(type(value), "a value of another kind")


def dotted(path: Iterable[object]) -> str:
    """Return the key as it is written in messages: ``cameras.door.stream_fps``."""
    return ".".join(
        mask_url(part)[:_LONGEST]
        if isinstance(part, str) and part.isprintable() and part.strip() == part != ""
        else shown(part)
        for part in path
    )


def unknown(path: tuple[object, ...], value: object, origin: str) -> str:
    """Return the line for a key that does not exist, with the nearest one that does.

    :param value: what it was given; None for nothing.
    """
    return f"{dotted(path)}: unknown key; {_advice(path, value)} ({origin})"


def _advice(path: tuple[object, ...], value: object) -> str:
    key, is_top = path[-1], len(path) == 1
    known = KEYS if is_top else CAMERA_KEYS
    if key in (CAMERA_KEYS if is_top else KEYS):
        place = "under a camera" if is_top else "at the top"
        return f"expected only {place}"
    if is_top and isinstance(value, dict) and set(value) & set(CAMERA_KEYS):
        return "expected a camera beneath cameras, indented by two spaces"
    nearest = get_close_matches(str(shown(key)).strip("'").lower(), known, n=1)
    if nearest:
        return f"did you mean {nearest[0]}?"
    return f"expected a key of {'camd.yaml' if is_top else 'a camera'}; camd check" + (
        " lists them"
    )


def invalid(
    path: tuple[object, ...], value: object, kind: str, message: str, origin: str
) -> str:
    """Return the line for a value that does not fit its key.

    :param path: where it went wrong, as pydantic's ``loc``.
    :param kind: pydantic's error type, or ``camd`` for our own checks.
    :param message: the fault in words; used where ``kind`` is ``camd``.
    """
    fault = message if kind == "camd" else _FAULTS.get(kind, "does not fit")
    if path[0] == "api_keys":
        return f"{_key_problem(path, fault)} ({origin})"
    if path[0] in ("signing_key", "on_event_secret"):
        return _line(path[:1], MASK, fault, expected(str(path[0])), origin)
    if path[0] != "cameras":
        return _line(path[:1], shown(value), fault, expected(str(path[0])), origin)
    if len(path) == 1:
        # A text is CAMD_CAMERAS, not quite JSON, and whatever passwords it holds.
        text = MASK if isinstance(value, str) else shown(value)
        if value == {}:
            text, fault = "there is no camera", "in it"
        return _line(path, text, fault, expected("cameras"), origin)
    if len(path) == 2:
        keys = "the camera's keys, such as source: pattern"
        if path[1] in CAMERA_KEYS:
            keys = f"{path[1]} beneath a camera's name, indented further than that"
        return _line(path, shown(value), fault, keys, origin)
    if path[2:] != ("name",):
        return _line(path, shown(value), fault, expected(str(path[2])), origin)
    if not isinstance(value, str):
        # YAML reads 1 as a number, and "on" and "no" as truth.
        path, fault = (path[0], value), f"{fault}; put it in quotes"
    return _line(path[:2], shown(value), fault, expected("name"), origin)


def shared_key(name: str, other: str, origin: str) -> str:
    """Return the line for a key that an earlier name has as well.

    Taking one of the names away would not end it, and its rights would be in doubt.
    """
    whose = other if _is_key_name(other) else "another one"
    fault = f"is {whose}'s key as well"
    where = _key_place(name)
    return f"{where}: {MASK} {fault}; expected a key of its own ({origin})"


def _line(
    path: tuple[object, ...], value: str, fault: str, takes: str, origin: str
) -> str:
    return f"{dotted(path)}: {value} {fault}; expected {takes} ({origin})"


def _key_problem(path: tuple[object, ...], fault: str) -> str:
    """Return the line without its end, and without the value: that is the key."""
    if len(path) == 1:
        return f"api_keys: {MASK} {fault}; expected {expected('api_keys')}"
    if path[-1] == "[key]":
        # The name is not shown: it may be a key, put in the name's place.
        return f"api_keys: a name does not fit; expected {_KEY_NAMES}"
    return f"{_key_place(str(path[1]))}: {MASK} {fault}; expected {_KEY_TEXT}"


def _key_place(name: str) -> str:
    return f"api_keys.{name}" if _is_key_name(name) else "api_keys"


def _is_key_name(name: str) -> bool:
    """Whether a key's name may be shown: a long one may be a key in its place."""
    return re.fullmatch(rf"[\w-]{{1,{SHORTEST_KEY - 1}}}", name) is not None
