"""The cameras of this machine, for people to read and for scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from textwrap import indent, wrap
from typing import Any

from camd.sources.v4l2.controls import SETTABLE, ControlValue, takes
from camd.sources.v4l2.device import GRABBED, INACTIVE, READ_ONLY, Format, Mode
from camd.sources.v4l2.discovery import CameraDevice

_VALUED = SETTABLE - {"button"}
"""Kinds whose value camd knows."""


def in_words(camera: CameraDevice) -> Iterator[str]:
    """Yield the lines that describe a camera, with a piece of camd.yaml at the end."""
    about = camera.about
    yield f"{camera.path}  {about.name}  ({about.driver}, {about.bus})"
    for link in camera.links:
        yield f"  {link}"
    yield "  formats"
    for modes, forms in groupby(camera.formats, lambda form: form.modes):
        yield from _format_lines(list(forms), modes)
    if camera.controls:
        yield "  controls"
        yield from _control_lines(camera.controls)
    yield "  in camd.yaml"
    yield "    cameras:"
    yield f"      {_short_name(about.name)}:"
    yield f"        source: {camera.lasting_path}"


def in_data(camera: CameraDevice) -> dict[str, Any]:
    """Return the same as values that JSON can hold."""
    about = camera.about
    return {
        "path": str(camera.path),
        "links": [str(link) for link in camera.links],
        "source": str(camera.lasting_path),
        "name": about.name,
        "driver": about.driver,
        "bus": about.bus,
        "formats": [_format_data(form) for form in camera.formats],
        "controls": list(map(control_data, camera.controls)),
    }


def _format_lines(forms: list[Format], modes: tuple[Mode, ...]) -> Iterator[str]:
    """Describe formats that come in the same sizes; some devices have dozens."""
    if len(forms) == 1:
        yield f"    {forms[0].code}  {forms[0].description}"
    else:
        codes = ", ".join(form.code for form in forms)
        yield indent("\n".join(wrap(codes, 76)), "    ")
    for mode in modes:
        yield f"      {_size(mode):12} {_rates(mode)}".rstrip()


def _size(mode: Mode) -> str:
    least, most = ("{}x{}".format(*size) for size in (mode.least, mode.most))
    return least if least == most else f"{least} to {most}"


def _rates(mode: Mode) -> str:
    between = " to " if mode.any_rate else ", "
    rates = between.join(f"{rate:g}" for rate in mode.rates)
    return f"{rates} fps" if rates else ""


def _control_lines(values: tuple[ControlValue, ...]) -> Iterator[str]:
    wide = max(len(each.control.name) for each in values)
    for each in values:
        control = each.control
        yield f"    {control.name:{wide}}  {control.kind:7}  {_in_words(each)}"


def _in_words(each: ControlValue) -> str:
    control = each.control
    said = [takes(control, each.menu)]
    if each.value is not None:
        said.append(f"default {_value(each, control.default)}")
        said.append(f"now {_value(each, each.value)}")
    if control.flags & READ_ONLY:
        said.append("read only")
    if control.flags & INACTIVE:
        said.append("does nothing now")
    return "; ".join(said)


def _value(each: ControlValue, value: int) -> str:
    return str(bool(value)).lower() if each.control.kind == "bool" else str(value)


def _short_name(name: str) -> str:
    """Return a name for camd.yaml, made of the device's own."""
    # uvcvideo says "C920: C920", as a camera has a name and so has its function.
    first = name.partition(":")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", first).strip("-") or "camera"


def _format_data(form: Format) -> dict[str, Any]:
    return {
        "format": form.code,
        "description": form.description,
        "sizes": [_mode_data(mode) for mode in form.modes],
    }


def _mode_data(mode: Mode) -> dict[str, Any]:
    width, height = mode.most
    size: dict[str, Any] = {"width": width, "height": height}
    if mode.least != mode.most:
        size["least_width"], size["least_height"] = mode.least
    return {**size, "fps": mode.rates, "any_fps_between": mode.any_rate}


def control_data(each: ControlValue) -> dict[str, Any]:
    """Return a control and how it stands as values that JSON can hold.

    What a kind of control does not have is null, and its ``choices`` are empty.
    """
    control = each.control
    is_bool, has_value = control.kind == "bool", control.kind in _VALUED
    has_range = control.kind in ("int", "bitmask")
    default = control.default if has_value else None
    return {
        "name": control.name,
        "type": control.kind,
        "value": bool(each.value) if is_bool and each.value is not None else each.value,
        "default": bool(default) if is_bool else default,
        "min": control.low if has_range else None,
        "max": control.high if has_range else None,
        "step": control.step if has_range else None,
        "choices": [{"value": n, "name": text} for n, text in each.menu.items()],
        "read_only": control.kind not in SETTABLE or bool(control.flags & READ_ONLY),
        "inactive": bool(control.flags & INACTIVE),
        "busy": bool(control.flags & GRABBED),
    }
