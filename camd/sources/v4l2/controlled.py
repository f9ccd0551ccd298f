"""A device whose controls are set each time it is opened."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.logger import Logger

from camd.sources import CameraMode, RawFrame, Source
from camd.sources.v4l2.controls import Outcome, set_controls
from camd.sources.v4l2.device import OpenDevice, opened


class Controlled:
    """A source with its camera's controls set.

    They are set when pictures come already: some cameras forget them when that begins.
    What cannot be set is logged, once until it changes, and the camera stays open: a
    wrong brightness must not leave a robot blind.

    :param path: of the camera's device, which is opened once more beside the source.
    :param requested: the controls by their names.
    :param camera: its name, for the log.
    """

    _log = Logger()

    def __init__(
        self,
        source: Source,
        path: str,
        requested: Mapping[str, int | bool | str],
        camera: str,
        open_device: OpenDevice = opened,
    ) -> None:
        self._source = source
        self._path = path
        self._requested = requested
        self._camera = camera
        self._open_device = open_device
        self._last: Outcome | None = None

    def open(self) -> CameraMode:
        """Open the camera, and set its controls."""
        mode = self._source.open()
        outcome = self._outcome()
        if outcome != self._last:
            self._last = outcome
            self._report(outcome)
        return mode

    def read(self) -> RawFrame:
        """Wait for the newest picture."""
        return self._source.read()

    def close(self) -> None:
        """Release the camera."""
        self._source.close()

    def _outcome(self) -> Outcome:
        try:
            with self._open_device(self._path) as device:
                return set_controls(device, self._requested)
        except OSError as error:
            return Outcome((), (f"{(error.strerror or str(error)).lower()}",))

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
