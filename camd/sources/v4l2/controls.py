"""A camera's controls as people set them: by name, as numbers, booleans and words.

What cannot be set is reported in a line; it never keeps a camera from opening.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

from camd.sources.v4l2.device import (
    INACTIVE,
    READ_ONLY,
    Control,
    Device,
    variable,
)

_EXPOSURE_AUTO = 0x009A0901
"""V4L2_CID_EXPOSURE_AUTO, and its items (enum v4l2_exposure_auto_type) for two
words, the first that the camera has. USB cameras have no 0, they call 3 automatic."""
_EXPOSURES = {"manual": (1,), "auto": (0, 3, 2)}

_RENAMED = {
    "auto_exposure": _EXPOSURE_AUTO,
    "exposure_auto": _EXPOSURE_AUTO,
    "exposure_time_absolute": 0x009A0902,
    "exposure_absolute": 0x009A0902,
    "exposure_dynamic_framerate": 0x009A0903,
    "exposure_auto_priority": 0x009A0903,
    "focus_automatic_continuous": 0x009A090C,
    "focus_auto": 0x009A090C,
    "white_balance_automatic": 0x0098090C,
    "white_balance_temperature_auto": 0x0098090C,
}
"""Names that the kernel changed in 5.16 (V4L2_CID_...): each is understood on both."""

_SWITCHES = frozenset({"bool", "menu"})
"""Kinds that switch others on and off, and so are set before them."""

_WORDS = {True: {"on", "yes", "true"}, False: {"off", "no", "false", "disabled"}}
"""What YAML takes for true and false; in a menu they are meant as words."""


class Refused(ValueError):
    """A control cannot be set so; the text is one line that says what it takes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the requested values.

    :param done: what was set, each as ``brightness 40``.
    :param complaints: what was not, or not as requested; a line each.
    """

    done: tuple[str, ...]
    complaints: tuple[str, ...]


_Plan: TypeAlias = tuple[Control, int, str]
"""A control, the kernel's number for its value, and both in words."""


def set_controls(device: Device, requested: Mapping[str, int | bool | str]) -> Outcome:
    """Set controls by their names, those that switch others first.

    :raises OSError: when the camera is gone.
    """
    known = {control.name: control for control in device.controls()}
    plans, done, complaints = [], [], []
    for name, value in requested.items():
        try:
            plans.append(_plan(device, known, name, value))
        except Refused as reason:
            complaints.append(str(reason))
    plans.sort(key=lambda plan: plan[0].kind not in _SWITCHES)
    for control, value, shown in plans:
        try:
            done.append(_carry_out(device, control, value) or shown)
        except Refused as reason:
            complaints.append(str(reason))
    return Outcome(tuple(done), tuple(complaints))


def takes(control: Control, menu: Mapping[int, str]) -> str:
    """Return what a control takes, in words: ``-64 to 64``."""
    if control.kind == "bool":
        return "true or false"
    if menu:
        return ", ".join(f"{number} {text}" for number, text in menu.items())
    if control.kind == "button":
        return "true"
    if control.kind == "bitmask":
        return f"0 to {control.high}, by bits"
    if control.kind != "int":
        return "nothing that camd can set"
    by = f" in steps of {control.step}" if control.step > 1 else ""
    return f"{control.low} to {control.high}{by}"


def _plan(
    device: Device, known: Mapping[str, Control], name: str, value: int | bool | str
) -> _Plan:
    control = _find(known, name, value)
    if control.flags & READ_ONLY:
        raise Refused(f"{control.name} can only be read")
    menu = device.menu(control)
    number = _number(control, menu, value)
    if number is None:
        raise Refused(f"{control.name} takes {takes(control, menu)}; not {value!r}")
    return control, number, _shown(control, menu, number)


def _find(known: Mapping[str, Control], name: str, value: int | bool | str) -> Control:
    if name == "exposure" and value in _EXPOSURES:
        name = "auto_exposure"
    if name in known:
        return known[name]
    for control in known.values():
        if control.number == _RENAMED.get(name):
            return control
    nearest = get_close_matches(name, known, n=1)
    advice = f"did you mean {nearest[0]}?" if nearest else f"it has {_names(known)}"
    raise Refused(f"{name}: the camera has no such control; {advice}")


def _names(known: Mapping[str, Control]) -> str:
    return ", ".join(known) or "none at all"


def _number(
    control: Control, menu: Mapping[int, str], value: int | bool | str
) -> int | None:
    """Return the kernel's number for a value; None where there is none for it."""
    if control.kind in ("menu", "intmenu"):
        return _item(control, menu, value)
    if isinstance(value, str):
        return None
    if control.kind == "button":
        return 1 if value else None
    if control.kind not in ("int", "bool", "bitmask"):
        return None
    # true is no brightness, but some cameras have switches that are numbers.
    if isinstance(value, bool) and (control.low, control.high) != (0, 1):
        return None
    return int(value) if control.low <= value <= control.high else None


def _item(
    control: Control, menu: Mapping[int, str], value: int | bool | str
) -> int | None:
    if control.number == _EXPOSURE_AUTO and value in _EXPOSURES:
        return next((n for n in _EXPOSURES[str(value)] if n in menu), None)
    if not isinstance(value, str | bool):
        return value if value in menu else None
    words = {variable(value)} if isinstance(value, str) else _WORDS[value]
    return next((n for n, text in menu.items() if variable(text) in words), None)


def _carry_out(device: Device, control: Control, value: int) -> str | None:
    """Set it; return what became of it in words, None for the requested value."""
    try:
        became = device.set(control, value)
    except OSError as error:
        if error.errno in _GONE:
            raise
        raise Refused(_reason(device, control, error)) from error
    # Some drivers take such a value, and some refuse it.
    if _is_inactive(device, control):
        raise Refused(_IDLE.format(control.name))
    if control.kind == "button" or became == value:
        return None
    return f"{control.name} {became} (the nearest to {value})"


_IDLE = "{} does nothing now, as another control that sets it by itself is on"

_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.EBADF})
"""The camera is not there any more."""


def _reason(device: Device, control: Control, error: OSError) -> str:
    if _is_inactive(device, control):
        return _IDLE.format(control.name)
    if error.errno == errno.EBUSY:
        return f"{control.name} cannot be set while pictures come"
    return f"{control.name} was refused: {(error.strerror or str(error)).lower()}"


def _is_inactive(device: Device, control: Control) -> bool:
    return bool(device.control(control.number).flags & INACTIVE)


def _shown(control: Control, menu: Mapping[int, str], number: int) -> str:
    if control.kind == "bool":
        return f"{control.name} {str(bool(number)).lower()}"
    text = f" ({menu[number]})" if number in menu else ""
    return f"{control.name} {number}{text}"
