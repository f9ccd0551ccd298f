"""Wrong settings in words: one line each, with key, value and what was expected.

No line shows a secret, and none is longer than a person reads: values are masked, cut
and put on one line here.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

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
    "tuple_type": "is not a list",
}

_KINDS: dict[type, str] = {dict: "a mapping", list: "a list", tuple: "a list"}

_KEY_TEXT = "printable ASCII text without spaces; put it in quotes"
_KEY_NAMES = "a name of 1 to 64 letters, digits, - and _ for each key"


class ConfigError(Exception):
    """The settings cannot be used.

    :ivar problems: what is wrong, one line each, at least one.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def shown(value: object) -> str:
    """The value on one line, cut to a readable length, passwords masked."""
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
    """The key as it is written in messages: ``cameras.door.stream_fps``."""
    return ".".join(_plain(part) for part in path)


def _plain(part: object) -> str:
    if isinstance(part, str) and part.isprintable() and part.strip() == part != "":
        return mask_url(part)[:_LONGEST]
    return shown(part)


def unknown(path: tuple[object, ...], origin: str) -> str:
    """The line for a key that does not exist, with the nearest one that does."""
    return f"{dotted(path)}: unknown key; {_advice(path)} ({origin})"


def _advice(path: tuple[object, ...]) -> str:
    key, is_top = path[-1], len(path) == 1
    known = KEYS if is_top else CAMERA_KEYS
    if key in (CAMERA_KEYS if is_top else KEYS):
        place = "under a camera" if is_top else "at the top"
        return f"expected only {place}"
    nearest = get_close_matches(str(shown(key)).strip("'").lower(), known, n=1)
    return f"did you mean {nearest[0]}?" if nearest else f"expected {_listed(known)}"


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def invalid(
    path: tuple[object, ...], value: object, kind: str, message: str, origin: str
) -> str:
    """The line for a value that does not fit its key.

    :param path: where it went wrong, as pydantic's ``loc``.
    :param kind: pydantic's error type, or ``camd`` for our own checks.
    :param message: the fault in words; used where ``kind`` is ``camd``.
    """
    fault = message if kind == "camd" else _FAULTS.get(kind, "does not fit")
    if path[0] == "api_keys":
        return f"{_key_problem(path, fault)} ({origin})"
    where, said = dotted(_place(path)), _said(path, value)
    return f"{where}: {said} {fault}; expected {_expected(path)} ({origin})"


def _said(path: tuple[object, ...], value: object) -> str:
    # A text there is CAMERAS, not quite JSON, and whatever passwords it holds.
    is_variable = path == ("cameras",) and isinstance(value, str)
    return MASK if is_variable else shown(value)


def _place(path: tuple[object, ...]) -> tuple[object, ...]:
    if path[0] != "cameras":
        return path[:1]
    return path[:2] if path[2:] == ("name",) else path


def _expected(path: tuple[object, ...]) -> str:
    if path[0] == "cameras" and len(path) == 2:
        return "the camera's keys, such as source: pattern"
    return expected(str(path[2] if path[0] == "cameras" and path[2:] else path[0]))


def _key_problem(path: tuple[object, ...], fault: str) -> str:
    """As :func:`invalid`, and shows no value, for that would be the key itself."""
    if len(path) == 1:
        return f"api_keys: {MASK} {fault}; expected {expected('api_keys')}"
    if path[-1] == "[key]":
        # The name is not shown: it may be a key, put in the name's place.
        return f"api_keys: a name does not fit; expected {_KEY_NAMES}"
    return f"{dotted(path)}: {MASK} {fault}; expected {_KEY_TEXT}"
