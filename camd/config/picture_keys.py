"""The types of the keys that shape a picture: a camera's controls, turns, text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from camd.config.expected import Expected
from camd.config.overlay import overlay_fault

# As v4l2-ctl writes the kernel's names.
_CONTROL = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


def _is_control(name: str) -> str:
    if not _CONTROL.fullmatch(name):
        raise PydanticCustomError("camd", "is no control's name")
    return name


def _is_control_value(value: object) -> int | bool | str:
    # 32 bits, as V4L2 holds them, or a name of its menus, which has 31 letters.
    if isinstance(value, int) and -(2**31) <= value < 2**32:
        return value
    if isinstance(value, str) and 0 < len(value) < 32 and value.isprintable():
        return value
    raise PydanticCustomError("camd", "is no control's value")


def _nothing_as_empty(value: object) -> object:
    return {} if value is None else value


def _is_overlay(text: str) -> str:
    fault = overlay_fault(text)
    if fault:
        raise PydanticCustomError("camd", fault)
    return text


Controls = Annotated[
    Mapping[
        Annotated[str, AfterValidator(_is_control)],
        Annotated[int | bool | str, PlainValidator(_is_control_value)],
    ],
    BeforeValidator(_nothing_as_empty),
    Expected(
        "names as camd cameras lists them, and for each a number, true, false"
        " or a word of its menu"
    ),
]
"""V4L2 control -> value."""

Rotation = Literal[0, 90, 180, 270]
"""Degrees, clockwise."""

Flip = Literal["none", "horizontal", "vertical", "both"]
"""Left and right swapped, top and bottom swapped, both."""

Overlay = Annotated[
    str,
    AfterValidator(_is_overlay),
    Expected(
        "text in ASCII with {camera} and letters of strftime such as %H:%M:%S,"
        " or nothing"
    ),
]
"""A pattern of :mod:`camd.config.overlay`; empty for no text."""
