"""A camera's driver for tests, on the kernel's side of ``ioctl``.

It reads and writes the very bytes, by structures written down from videodev2.h field by
field.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from camd.sources.v4l2.device import Device

U32, S32, U8 = ctypes.c_uint32, ctypes.c_int32, ctypes.c_uint8


class Capability(ctypes.Structure):
    """struct v4l2_capability."""

    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", U32),
        ("capabilities", U32),
        ("device_caps", U32),
        ("reserved", U32 * 3),
    )


class Fmtdesc(ctypes.Structure):
    """struct v4l2_fmtdesc."""

    _fields_ = (
        ("index", U32),
        ("type", U32),
        ("flags", U32),
        ("description", ctypes.c_char * 32),
        ("pixelformat", U32),
        ("mbus_code", U32),
        ("reserved", U32 * 3),
    )


class Requestbuffers(ctypes.Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = (
        ("count", U32),
        ("type", U32),
        ("memory", U32),
        ("capabilities", U32),
        ("flags", U8),
        ("reserved", U8 * 3),
    )


class Frmsize(ctypes.Structure):
    """struct v4l2_frmsizeenum; the union as what is longest in it."""

    _fields_ = (
        ("index", U32),
        ("pixel_format", U32),
        ("type", U32),
        ("union", U32 * 6),
        ("reserved", U32 * 2),
    )


class Frmival(ctypes.Structure):
    """struct v4l2_frmivalenum; the union as what is longest in it."""

    _fields_ = (
        ("index", U32),
        ("pixel_format", U32),
        ("width", U32),
        ("height", U32),
        ("type", U32),
        ("union", U32 * 6),
        ("reserved", U32 * 2),
    )


class Queryctrl(ctypes.Structure):
    """struct v4l2_queryctrl."""

    _fields_ = (
        ("id", U32),
        ("type", U32),
        ("name", ctypes.c_char * 32),
        ("minimum", S32),
        ("maximum", S32),
        ("step", S32),
        ("default_value", S32),
        ("flags", U32),
        ("reserved", U32 * 2),
    )


class _ItemUnion(ctypes.Union):
    _pack_ = 1
    _fields_ = (("name", ctypes.c_char * 32), ("value", ctypes.c_int64))


class Querymenu(ctypes.Structure):
    """struct v4l2_querymenu, which the header packs."""

    _pack_ = 1
    _fields_ = (("id", U32), ("index", U32), ("item", _ItemUnion), ("reserved", U32))


class ControlValue(ctypes.Structure):
    """struct v4l2_control."""

    _fields_ = (("id", U32), ("value", S32))


@dataclass
class FakeControl:
    """One control, as the driver holds it.

    :ivar default: what it stood at first.

    :param kind: V4L2_CTRL_TYPE_...
    :param rules: the number of a control that, while it has a value other than the
        second number, makes this one inactive.
    """

    number: int
    name: str
    kind: int = 1
    low: int = 0
    high: int = 100
    step: int = 1
    value: int = 0
    flags: int = 0
    menu: dict[int, str | int] = field(default_factory=dict)
    rules: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self.default = self.value


Formats = dict[bytes, list[tuple[int, tuple[int, ...], int, list[tuple[int, ...]]]]]
"""Format code -> size type and sizes, each with its interval type and intervals."""


def webcam_controls() -> list[FakeControl]:
    """What a usual USB camera has."""
    return [
        FakeControl(0x00980001, "User Controls", kind=6),
        FakeControl(0x00980900, "Brightness", low=-64, high=64),
        FakeControl(0x0098090C, "White Balance, Automatic", kind=2, high=1, value=1),
        FakeControl(
            0x00980918,
            "Power Line Frequency",
            kind=3,
            high=2,
            value=1,
            menu={0: "Disabled", 1: "50 Hz", 2: "60 Hz"},
        ),
        FakeControl(
            0x009A0901,
            "Auto Exposure",
            kind=3,
            high=3,
            value=3,
            menu={1: "Manual Mode", 3: "Aperture Priority Mode"},
        ),
        FakeControl(
            0x009A0902,
            "Exposure Time, Absolute",
            low=1,
            high=5000,
            value=156,
            rules=(0x009A0901, 1),
        ),
        FakeControl(0x009A090A, "Focus, Absolute", high=250, step=5),
    ]


class FakeDriver:
    """Answers ``ioctl`` for one camera.

    :ivar asked: the numbers of all questions.
    :ivar sets: the numbers of controls and values that were set, in order.
    :ivar faults: control -> what setting it fails with.

    :param buffers: V4L2_BUF_TYPE_... of its pictures.
    :param held: whether another program streams from it.
    """

    def __init__(
        self,
        controls: list[FakeControl] | None = None,
        formats: Formats | None = None,
        caps: int = 1,
        buffers: int = 1,
        held: bool = False,
    ) -> None:
        listed = webcam_controls() if controls is None else controls
        self.controls = {control.number: control for control in listed}
        self.formats = formats or {}
        self.caps = caps
        self.buffers = buffers
        self.held = held
        self.asked: list[int] = []
        self.sets: list[tuple[int, int]] = []
        self.faults: dict[int, int] = {}
        self.gone = False
        self._answers: dict[int, tuple[type[Any], Callable[[Any], None]]] = {
            0x80685600: (Capability, self._capability),
            0xC0405602: (Fmtdesc, self._format),
            0xC0145608: (Requestbuffers, self._request),
            0xC02C564A: (Frmsize, self._size),
            0xC034564B: (Frmival, self._interval),
            0xC0445624: (Queryctrl, self._query),
            0xC02C5625: (Querymenu, self._item),
            0xC008561B: (ControlValue, self._get),
            0xC008561C: (ControlValue, self._set),
        }

    def ioctl(self, descriptor: int, number: int, buffer: bytearray) -> int:
        """Read the question in the buffer, and write the answer over it."""
        assert descriptor == 9
        self.asked.append(number)
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        layout, answer = self._answers[number]
        assert len(buffer) == ctypes.sizeof(layout)
        answer(layout.from_buffer(buffer))
        return 0

    def device(self) -> Device:
        """Open it."""
        return Device(9, self.ioctl)

    @contextmanager
    def opened(self, path: str) -> Iterator[Device]:
        """Open it by any path."""
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        yield self.device()

    def _capability(self, answer: Any) -> None:
        answer.driver, answer.card = b"uvcvideo", b"Webcam C1: Webcam C1"
        answer.bus_info, answer.device_caps = b"usb-1", self.caps
        # What all nodes of the camera can do together, which is not the question.
        answer.capabilities = 0xFFFFFFFF

    def _format(self, answer: Any) -> None:
        if answer.type != self.buffers or answer.index >= len(self.formats):
            raise OSError(errno.EINVAL, "Invalid argument")
        code = list(self.formats)[answer.index]
        answer.description = b"The format " + code
        answer.pixelformat = int.from_bytes(code, "little")

    def _request(self, answer: Any) -> None:
        assert answer.count == 0
        # V4L2_MEMORY_MMAP
        if (answer.type, answer.memory) != (self.buffers, 1):
            raise OSError(errno.EINVAL, "Invalid argument")
        if self.held:
            raise OSError(errno.EBUSY, "Device or resource busy")

    def _sizes(self, code: int) -> Any:
        return self.formats[int(code).to_bytes(4, "little")]

    def _size(self, answer: Any) -> None:
        sizes = self._sizes(answer.pixel_format)
        if answer.index >= len(sizes):
            raise OSError(errno.EINVAL, "Invalid argument")
        answer.type, size = sizes[answer.index][:2]
        answer.union[: len(size)] = size

    def _interval(self, answer: Any) -> None:
        for kind, size, interval_kind, intervals in self._sizes(answer.pixel_format):
            asked = size if kind == 1 else (size[1], size[4])
            if (answer.width, answer.height) == tuple(asked):
                if answer.index >= len(intervals):
                    raise OSError(errno.EINVAL, "Invalid argument")
                answer.type = interval_kind
                interval = intervals[answer.index]
                answer.union[: len(interval)] = interval
                return
        raise OSError(errno.EINVAL, "Invalid argument")

    def _find(self, number: int) -> FakeControl:
        if number not in self.controls:
            raise OSError(errno.EINVAL, "Invalid argument")
        return self.controls[number]

    def _flags(self, control: FakeControl) -> int:
        if control.rules is None:
            return control.flags
        other, needed = control.rules
        inactive = self.controls[other].value != needed
        return control.flags | (0x10 if inactive else 0)

    def _query(self, answer: Any) -> None:
        if answer.id & 0x80000000:
            after = answer.id & 0x7FFFFFFF
            later = [number for number in sorted(self.controls) if number > after]
            answer.id = later[0] if later else 0
        control = self._find(answer.id)
        answer.type, answer.name = control.kind, control.name.encode()
        answer.minimum, answer.maximum = control.low, control.high
        answer.step, answer.default_value = control.step, control.default
        answer.flags = self._flags(control)

    def _item(self, answer: Any) -> None:
        item = self._find(answer.id).menu.get(answer.index)
        if item is None:
            raise OSError(errno.EINVAL, "Invalid argument")
        if isinstance(item, int):
            answer.item.value = item
        else:
            answer.item.name = item.encode()

    def _get(self, answer: Any) -> None:
        answer.value = self._find(answer.id).value

    def _set(self, answer: Any) -> None:
        control = self._find(answer.id)
        if answer.id in self.faults:
            raise OSError(self.faults[answer.id], "Input/output error")
        self.sets.append((answer.id, answer.value))
        nearest = round((answer.value - control.low) / control.step) * control.step
        control.value = answer.value = control.low + nearest
