"""A camera of this machine and its controls, as the kernel knows them (V4L2).

OpenCV cannot be asked for any of it, and what its ``set`` says of controls is not to be
relied on. The libraries that speak V4L2 are under the GPL or out of care. Numbers and
layouts are those of include/uapi/linux/videodev2.h; no layout used here holds a
pointer, so they are the same on 32 and 64 bits.

V4L2 lets a camera be opened any number of times; only one may stream.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, pack_into
from typing import Any, TypeAlias

Ioctl: TypeAlias = Callable[[int, int, bytearray], object]
"""Asks the kernel: descriptor, number of the question, and a buffer for question and
answer; ``fcntl.ioctl``."""

OpenFile: TypeAlias = Callable[[str, int], int]
"""Opens a path with flags, as ``os.open`` does."""

_CAPABILITY = Struct("=16s32s32s3I12x")
_FORMAT = Struct("=3I32sI16x")
_SIZE = Struct("=9I8x")
_INTERVAL = Struct("=11I8x")
_QUERY = Struct("=2I32s4iI8x")
_ITEM = Struct("=2I32s4x")
_VALUE = Struct("=Ii")
_LONG = Struct("=q")
_BUFFERS_ASKED = Struct("=4I4x")

_QUERYCAP, _ENUM_FMT, _REQBUFS, _G_CTRL, _S_CTRL = 0, 2, 8, 27, 28
"""VIDIOC_QUERYCAP and so on: the last byte of each question's number."""
_QUERYCTRL, _QUERYMENU, _FRAMESIZES, _FRAMEINTERVALS = 36, 37, 74, 75

_READ, _READ_WRITE, _LETTER = 2, 3, ord("V")
"""_IOC_READ and _IOC_WRITE (asm-generic/ioctl.h), and the letter of V4L2."""

_CAPTURE = 0x1 | 0x1000
"""V4L2_CAP_VIDEO_CAPTURE and V4L2_CAP_VIDEO_CAPTURE_MPLANE, and V4L2_BUF_TYPE_ of
both."""
_BUFFERS = (1, 9)

_MAPPED = 1
"""V4L2_MEMORY_MMAP"""

_DISCRETE = 1
"""V4L2_FRMSIZE_TYPE_DISCRETE, and V4L2_FRMIVAL_TYPE_DISCRETE."""

_NEXT = 0x80000000
"""V4L2_CTRL_FLAG_NEXT_CTRL: the control after the one of this number."""

_KINDS = {
    1: "int",
    2: "bool",
    3: "menu",
    4: "button",
    5: "int64",
    7: "str",
    8: "bitmask",
    9: "intmenu",
}
"""V4L2_CTRL_TYPE_...; the words are those of v4l2-ctl. Type 6 heads a class of
others."""
_HEADING = 6

_UNREADABLE = frozenset({"button", "int64", "str", "other"})
"""Kinds whose value is no number of 32 bits."""

DISABLED, GRABBED, READ_ONLY, INACTIVE, WRITE_ONLY = 0x1, 0x2, 0x4, 0x10, 0x40
"""V4L2_CTRL_FLAG_..."""

_NO_MORE = frozenset({errno.EINVAL, errno.ENOTTY, errno.ENODATA})
"""What a list that is at its end, or a device that has no such list, answers."""

_MOST = 1000
"""Entries after which a list is not believed any more: no driver may hold camd up."""


@dataclass(frozen=True, slots=True)
class About:
    """What a device says of itself.

    :ivar bus: where it is plugged in, such as ``usb-0000:00:14.0-1``.
    :ivar captures: whether pictures come from this very node; a camera may have
        others, for metadata.
    """

    driver: str
    name: str
    bus: str
    captures: bool


@dataclass(frozen=True, slots=True)
class Mode:
    """One size of one format, or a range of sizes.

    :ivar least: width and height in pixels.
    :ivar most: the same as ``least``, unless any size between is to be had.
    :ivar rates: pictures per second, as the driver lists them.
    :ivar any_rate: whether every rate between the first and the last is to be had.
    """

    least: tuple[int, int]
    most: tuple[int, int]
    rates: tuple[float, ...]
    any_rate: bool


@dataclass(frozen=True, slots=True)
class Format:
    """One way in which pictures come.

    :ivar code: its four letters, such as ``MJPG``.
    """

    code: str
    description: str
    modes: tuple[Mode, ...]


@dataclass(frozen=True, slots=True)
class Control:
    """Something about a camera that can be set.

    :ivar number: the kernel's, V4L2_CID_...
    :ivar name: as ``v4l2-ctl --list-ctrls`` writes it: ``white_balance_automatic``.
    :ivar kind: int, bool, menu, button, int64, str, bitmask, intmenu or other.
    :ivar low: the least value, or item of a menu, like ``high`` and ``default``.
    :ivar flags: ``DISABLED`` and the like.
    """

    number: int
    name: str
    kind: str
    low: int
    high: int
    step: int
    default: int
    flags: int


class Device:
    """An open device, to be asked and set; it does not stream.

    Every method raises ``OSError`` when the camera is gone.
    """

    def __init__(self, descriptor: int, ioctl: Ioctl = fcntl.ioctl) -> None:
        self._descriptor = descriptor
        self._ioctl = ioctl

    def about(self) -> About:
        """Ask what it is. Raises ``OSError`` with ENOTTY when it is no V4L2 device."""
        driver, name, bus, _, _, here = self._ask(_QUERYCAP, _CAPABILITY, way=_READ)
        captures = bool(here & _CAPTURE)
        return About(_text(driver), _text(name), _text(bus), captures)

    def formats(self) -> Iterator[Format]:
        """List the formats in which pictures come, with their sizes and rates."""
        for buffers in _BUFFERS:
            for *_, description, code in self._list(_ENUM_FMT, _FORMAT, buffers):
                modes = tuple(self._modes(code))
                yield Format(_letters(code), _text(description), modes)

    def is_busy(self) -> bool:
        """Whether another program streams from it.

        To return all of one's buffers, having none, changes nothing; but drivers refuse
        it while another program has buffers.
        """
        return any(self._denies(buffers) for buffers in _BUFFERS)

    def _denies(self, buffers: int) -> bool:
        try:
            self._ask(_REQBUFS, _BUFFERS_ASKED, 0, buffers, _MAPPED)
        except OSError as error:
            if error.errno in _NO_MORE | {errno.EBUSY}:
                return error.errno == errno.EBUSY
            raise
        return False

    def controls(self) -> Iterator[Control]:
        """List the controls that are not switched off, in the kernel's order."""
        number = 0
        for _ in range(_MOST):
            try:
                answer = self._ask(_QUERYCTRL, _QUERY, number | _NEXT)
            except OSError as error:
                if error.errno in _NO_MORE:
                    return
                raise
            if answer[0] <= number:
                return
            number = answer[0]
            if answer[1] != _HEADING and not answer[7] & DISABLED:
                yield _control(answer)

    def control(self, number: int) -> Control:
        """Ask for one control as it stands now."""
        return _control(self._ask(_QUERYCTRL, _QUERY, number))

    def menu(self, control: Control) -> dict[int, str]:
        """List the items of a menu by their numbers; empty for what is no menu."""
        if control.kind not in ("menu", "intmenu"):
            return {}
        numbers = range(control.low, min(control.high, control.low + _MOST) + 1)
        items = ((number, self._item(control, number)) for number in numbers)
        return {number: text for number, text in items if text is not None}

    def value(self, control: Control) -> int | None:
        """Ask for its value; None for what has none that is a number."""
        if control.kind in _UNREADABLE or control.flags & WRITE_ONLY:
            return None
        value: int = self._ask(_G_CTRL, _VALUE, control.number)[1]
        return value & 0xFFFFFFFF if control.kind == "bitmask" else value

    def set(self, control: Control, value: int) -> int:
        """Set a value.

        :return: what the driver made of it; many round to the next step.
        """
        answer = self._ask(_S_CTRL, _VALUE, control.number, value & 0xFFFFFFFF)
        return int(answer[1]) & 0xFFFFFFFF if control.kind == "bitmask" else answer[1]

    def _item(self, control: Control, number: int) -> str | None:
        """Return an item's text; None for a number that this menu leaves out."""
        try:
            text = self._ask(_QUERYMENU, _ITEM, control.number, number)[2]
        except OSError as error:
            if error.errno in _NO_MORE:
                return None
            raise
        if control.kind == "intmenu":
            return str(_LONG.unpack_from(text)[0])
        return _text(text)

    def _modes(self, code: int) -> Iterator[Mode]:
        for answer in self._list(_FRAMESIZES, _SIZE, code):
            kind, a, b, _step, d, e, _ = answer[2:]
            # A range says least and most width and its step, then the same of height.
            least, most = ((a, b), (a, b)) if kind == _DISCRETE else ((a, d), (b, e))
            yield self._mode(code, least, most)
            if kind != _DISCRETE:
                return

    def _mode(self, code: int, least: tuple[int, int], most: tuple[int, int]) -> Mode:
        rates: list[float] = []
        for answer in self._list(_FRAMEINTERVALS, _INTERVAL, code, *most):
            kind, (shortest, longest) = answer[4], (answer[5:7], answer[7:9])
            if kind != _DISCRETE:
                return Mode(least, most, (_rate(*longest), _rate(*shortest)), True)
            rates.append(_rate(*shortest))
        return Mode(least, most, tuple(rates), False)

    def _list(
        self, question: int, layout: Struct, *more: int
    ) -> Iterator[tuple[Any, ...]]:
        for index in range(_MOST):
            try:
                yield self._ask(question, layout, index, *more)
            except OSError as error:
                if error.errno in _NO_MORE:
                    return
                raise

    def _ask(
        self, question: int, layout: Struct, *head: int, way: int = _READ_WRITE
    ) -> tuple[Any, ...]:
        """Fill in the first words of the layout, and return the answer."""
        answer = bytearray(layout.size)
        pack_into(f"={len(head)}I", answer, 0, *head)
        number = way << 30 | layout.size << 16 | _LETTER << 8 | question
        self._ioctl(self._descriptor, number, answer)
        return layout.unpack(answer)


OpenDevice: TypeAlias = Callable[[str], AbstractContextManager[Device]]
"""Opens a device by its path; raises ``OSError``."""


@contextmanager
def opened(path: str, open_file: OpenFile = os.open) -> Iterator[Device]:
    """Open a device beside a program that streams from it; close it in the end."""
    # Without O_NONBLOCK some drivers wait here.
    descriptor = open_file(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield Device(descriptor)
    finally:
        os.close(descriptor)


def codes_of(path: str, open_device: OpenDevice = opened) -> tuple[str, ...]:
    """Return the codes of a device's formats, such as ``MJPG`` and ``YUYV``.

    :return: empty also for what is no V4L2 device.
    :raises OSError: when it does not open.
    """
    with open_device(path) as device:
        return tuple(mode.code for mode in device.formats())


def device_path(source: str) -> str:
    """Return the path of a device that may be named by its number."""
    return f"/dev/video{source}" if source.isdecimal() else source


def variable(name: str) -> str:
    """Return a name as ``v4l2-ctl`` writes it: ``White Balance, Automatic`` with _."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def links(path: Path, folder: Path) -> tuple[Path, ...]:
    """Return a device's names that last: by-id first, then by-path."""
    found = [*folder.glob("v4l/by-id/*"), *folder.glob("v4l/by-path/*")]
    place = path.resolve()
    return tuple(sorted(link for link in found if link.resolve() == place))


def _control(answer: tuple[Any, ...]) -> Control:
    number, kind, name, *limits, flags = answer
    low, high, step, default = limits
    if _KINDS.get(kind) == "bitmask":
        high, default = high & 0xFFFFFFFF, default & 0xFFFFFFFF
    shown = variable(_text(name))
    return Control(
        number, shown, _KINDS.get(kind, "other"), low, high, step, default, flags
    )


def _text(field: bytes) -> str:
    """Return the text in a field padded with zeros, without control characters."""
    text = field.partition(b"\0")[0].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _letters(code: int) -> str:
    # The highest bit says big-endian.
    text = (code & 0x7FFFFFFF).to_bytes(4, "little")
    return _text(text).strip() + ("-BE" if code >> 31 else "")


def _rate(numerator: int, denominator: int) -> float:
    """Return pictures a second, of an interval in seconds; 0 for one that is none."""
    return round(denominator / numerator, 3) if numerator else 0.0
