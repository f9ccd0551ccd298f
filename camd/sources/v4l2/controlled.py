"""A device whose controls are set each time it is opened, and while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from twisted.logger import Logger

from camd.sources import CameraMode, PumpedSource, Source, SourceError
from camd.sources.v4l2.controls import (
    ControlRefused,
    Outcome,
    carry_out,
    control_values,
    plan,
    set_controls,
)
from camd.sources.v4l2.device import Device, OpenDevice, opened
from camd.sources.v4l2.diagnosis import system_reason
from camd.sources.v4l2.listing import control_data


class DeviceControls:
    """A device's controls: as the settings want them, and as they were set since.

    The device is opened once more for each call, beside whoever streams from it. All
    calls block, and may be made in any thread.

    :param path: of the device.
    :param requested: the settings' controls by their names.
    """

    def __init__(
        self,
        path: str,
        requested: Mapping[str, int | bool | str],
        open_device: OpenDevice = opened,
    ) -> None:
        self._path = path
        self._requested = requested
        self._open_device = open_device
        # Replaced as a whole: a device may be opened in one thread while its controls
        # are set in another.
        self._changed: Mapping[str, int] = {}

    def read(self) -> list[dict[str, Any]]:
        """List the controls, and how they stand, as :func:`control_data`.

        :raises SourceError: the device does not open, or is gone.
        """
        with self._opened() as device:
            return list(map(control_data, control_values(device)))

    def change(self, values: Mapping[str, object]) -> Outcome:
        """Set controls, all of them or, where one makes no sense, none.

        They are set again whenever the device is opened, until camd ends; buttons are
        not.

        :return: what was set, and what the driver did not take.
        :raises ControlRefused: there is no such control, or it takes no such value.
        :raises SourceError: the device does not open, or is gone.
        """
        with self._opened() as device:
            plans, complaints = plan(device, values)
            if complaints:
                raise ControlRefused("; ".join(complaints))
            before = self._changed
            lasting = {
                each.control.name: each.value
                for each in plans
                if each.control.kind != "button"
            }
            # Ahead of the driver, as the device may be opened just now.
            self._changed = {**before, **lasting}
            outcome = carry_out(device, plans)
            kept = lasting.keys() - outcome.failed
            self._changed = {**before, **{name: lasting[name] for name in kept}}
            return outcome

    def restore(self) -> Outcome:
        """Set what the settings want, and what was changed since."""
        requested = {**self._requested, **self._changed}
        if not requested:
            return Outcome((), ())
        try:
            with self._opened() as device:
                return set_controls(device, requested)
        except SourceError as error:
            return Outcome((), (str(error),))

    @contextmanager
    def _opened(self) -> Iterator[Device]:
        try:
            with self._open_device(self._path) as device:
                yield device
        except OSError as error:
            raise SourceError(system_reason(error)) from error


class Controlled:
    """A source with its camera's controls set.

    They are set when pictures come already: some cameras forget them when that begins.
    What cannot be set is logged, once until it changes, and the camera stays open: a
    wrong brightness must not leave a robot blind.

    :ivar read: waits for the picture that is due. It is the source's own, as ``close``
        is: a frame is to pass no call for the controls.

    :param controls: of the same device.
    :param camera: its name, for the log.
    """

    _log = Logger()

    def __init__(self, source: Source, controls: DeviceControls, camera: str) -> None:
        self.read = source.read
        self.close: Callable[[], None] = source.close
        self._source = source
        self._pumped = source if isinstance(source, PumpedSource) else None
        self._controls = controls
        self._camera = camera
        self._last = Outcome((), ())

    def open(self) -> CameraMode:
        """Open the camera, and set its controls."""
        mode = self._source.open()
        outcome = self._controls.restore()
        if outcome != self._last:
            self._last = outcome
            self._report(outcome)
        return mode

    def pump(self) -> bool:
        """Take the next picture, where that is to be done."""
        return self._pumped is not None and self._pumped.pump()

    def _report(self, outcome: Outcome) -> None:
        if outcome.done:
            self._log.info(
                "Camera {camera}: controls set: {done}",
                camera=self._camera,
                done=", ".join(outcome.done),
            )
        for complaint in outcome.complaints:
            self._log.warn(
                "Camera {camera}: camera_controls: {complaint}",
                camera=self._camera,
                complaint=complaint,
            )
