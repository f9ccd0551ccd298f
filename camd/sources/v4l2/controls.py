"""A camera's controls as people set them: by name, as numbers, booleans and words.

What cannot be set is reported in a line; it never keeps a camera from opening.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from camd.sources import in_words
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

SETTABLE = frozenset({"int", "bool", "menu", "button", "bitmask", "intmenu"})
"""Kinds that camd can set."""

_SWITCHES = frozenset({"bool", "menu"})
"""Kinds that switch others on and off, and so are set before them."""

_WORDS = {True: {"on", "yes", "true"}, False: {"off", "no", "false", "disabled"}}
"""What YAML takes for true and false; in a menu they are meant as words."""

MOST_SHOWN = 40
"""Characters that are repeated of a name or value that makes no sense."""


class ControlRefused(ValueError):
    """A control cannot be set so; the text is one line that says what it takes."""


@dataclass(frozen=True, slots=True)
class ControlValue:
    """A control and how it stands.

    :ivar menu: the items to choose from, by number; empty for what is no menu.
    :ivar value: None for what has no number or tells none.
    """

    control: Control
    menu: dict[int, str]
    value: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A control that is to be set.

    :ivar value: the kernel's number.
    :ivar shown: control and value in words: ``brightness 40``.
    """

    control: Control
    value: int
    shown: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the requested values.

    :ivar done: what was set, each as ``brightness 40``.
    :ivar complaints: what was not; a line each.
    :ivar failed: the controls that the driver did not set, by their names.
    """

    done: tuple[str, ...]
    complaints: tuple[str, ...]
    failed: frozenset[str] = field(default=frozenset(), compare=False)


def control_values(device: Device) -> tuple[ControlValue, ...]:
    """List a device's controls, and how they stand.

    :raises OSError: when the camera is gone.
    """
    return tuple(_control_value(device, control) for control in device.controls())


def _control_value(device: Device, control: Control) -> ControlValue:
    try:
        value = device.value(control)
    except OSError as error:
        # Some cameras list a control and then fail to tell its value.
        if error.errno in _GONE:
            raise
        value = None
    return ControlValue(control, device.menu(control), value)


def set_controls(device: Device, requested: Mapping[str, object]) -> Outcome:
    """Set what can be set of these controls.

    :param requested: name -> number, boolean or word.
    :raises OSError: when the camera is gone.
    """
    plans, complaints = plan(device, requested)
    outcome = carry_out(device, plans)
    return Outcome(outcome.done, (*complaints, *outcome.complaints))


def plan(
    device: Device, requested: Mapping[str, object]
) -> tuple[list[Plan], tuple[str, ...]]:
    """Find the controls of these names, and the numbers of these values. Set nothing.

    :return: what can be tried, and a line for each that makes no sense.
    :raises OSError: when the camera is gone.
    """
    known = {control.name: control for control in device.controls()}
    plans, complaints = [], []
    for name, value in requested.items():
        try:
            plans.append(_plan(device, known, name, value))
        except ControlRefused as reason:
            complaints.append(str(reason))
    return plans, tuple(complaints)


def carry_out(device: Device, plans: Iterable[Plan]) -> Outcome:
    """Set controls, those that switch others first.

    :raises OSError: when the camera is gone.
    """
    done, failed = [], {}
    for each in sorted(plans, key=lambda each: each.control.kind not in _SWITCHES):
        try:
            done.append(_set(device, each))
        except ControlRefused as reason:
            failed[each.control.name] = str(reason)
    return Outcome(tuple(done), tuple(failed.values()), frozenset(failed))


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
    device: Device, known: Mapping[str, Control], name: str, value: object
) -> Plan:
    control = _find(known, name, value)
    if control.flags & READ_ONLY:
        raise ControlRefused(f"{control.name} can only be read")
    menu = device.menu(control)
    number = _number(control, menu, value)
    if number is None:
        expected = takes(control, menu)
        raise ControlRefused(f"{control.name} takes {expected}; not {_as_given(value)}")
    return Plan(control, number, _shown(control, menu, number))


def _as_given(value: object) -> str:
    """Return a value as people write it in YAML and JSON, and not endlessly."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return ascii(value)[:MOST_SHOWN]


def _find(known: Mapping[str, Control], name: str, value: object) -> Control:
    if name == "exposure" and isinstance(value, str) and value in _EXPOSURES:
        name = "auto_exposure"
    if name in known:
        return known[name]
    for control in known.values():
        if control.number == _RENAMED.get(name):
            return control
    nearest = get_close_matches(name, known, n=1)
    advice = f"did you mean {nearest[0]}?" if nearest else f"it has {_names(known)}"
    shown = name if name.isidentifier() else ascii(name)
    raise ControlRefused(
        f"{shown[:MOST_SHOWN]}: the camera has no such control; {advice}"
    )


def _names(known: Mapping[str, Control]) -> str:
    return ", ".join(known) or "none at all"


def _number(control: Control, menu: Mapping[int, str], value: object) -> int | None:
    """Return the kernel's number for a value; None where there is none for it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if control.kind in ("menu", "intmenu"):
        return _item(control, menu, value)
    if not isinstance(value, int):
        return None
    if control.kind == "button":
        return 1 if value else None
    if control.kind not in SETTABLE:
        return None
    # true is no brightness, but some cameras have switches that are numbers.
    if isinstance(value, bool) and (control.low, control.high) != (0, 1):
        return None
    return int(value) if control.low <= value <= control.high else None


def _item(control: Control, menu: Mapping[int, str], value: object) -> int | None:
    if isinstance(value, str):
        if control.number == _EXPOSURE_AUTO and value in _EXPOSURES:
            return next((n for n in _EXPOSURES[value] if n in menu), None)
        words = {variable(value)}
    elif isinstance(value, bool):
        words = _WORDS[value]
    else:
        return value if isinstance(value, int) and value in menu else None
    return next((n for n, text in menu.items() if variable(text) in words), None)


def _set(device: Device, plan: Plan) -> str:
    """Set a control; return in words what became of it."""
    control, value = plan.control, plan.value
    try:
        became = device.set(control, value)
    except OSError as error:
        if error.errno in _GONE:
            raise
        raise ControlRefused(_reason(device, control, error)) from error
    # Some drivers take such a value, and some refuse it.
    if _is_inactive(device, control):
        raise ControlRefused(_IDLE.format(control.name))
    if control.kind == "button" or became == value:
        return plan.shown
    return f"{control.name} {became} (the nearest to {value})"


_IDLE = "{} does nothing now, as another control that sets it by itself is on"

_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.EBADF})
"""The camera is not there any more."""


def _reason(device: Device, control: Control, error: OSError) -> str:
    if _is_inactive(device, control):
        return _IDLE.format(control.name)
    if error.errno == errno.EBUSY:
        return f"{control.name} cannot be set while pictures come"
    return f"{control.name} was refused: {in_words(error)}"


def _is_inactive(device: Device, control: Control) -> bool:
    return bool(device.control(control.number).flags & INACTIVE)


def _shown(control: Control, menu: Mapping[int, str], number: int) -> str:
    if control.kind == "bool":
        return f"{control.name} {str(bool(number)).lower()}"
    text = f" ({menu[number]})" if number in menu else ""
    return f"{control.name} {number}{text}"
