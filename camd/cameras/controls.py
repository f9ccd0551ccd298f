"""What can be set of a camera while it runs, without waiting for its driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from camd.cameras.pipeline import Environment
from camd.capture.worker import OwnThread
from camd.config.settings import CameraSettings
from camd.config.source import is_program
from camd.sources import SourceError

if TYPE_CHECKING:
    from camd.sources.v4l2.controls import Outcome

T = TypeVar("T")

CONTROL_TIME = 10.0
"""Seconds until a driver is not waited for any more. The kernel gives a USB camera 5 s
for each control."""


class NoControls(Exception):
    """A camera has no controls; the text says why, in one line."""


class CameraControls:
    """The controls of one camera, whose driver may take its time, or hang.

    They are asked for and set in a daemon thread of their own, which starts with the
    first call: a driver that hangs holds up no picture and no shutdown.

    :ivar of_device: lists and sets them; None for a camera that has none.
    """

    _log = Logger()

    def __init__(self, settings: CameraSettings, environment: Environment) -> None:
        self._settings = settings
        self._environment = environment
        self.of_device = environment.new_controls(settings)
        self._thread: OwnThread | None = None
        self._hangs = False

    def apply(self, settings: CameraSettings) -> None:
        """Go by these settings from now on.

        What was set stays so, unless the settings want another source or other
        controls.
        """
        former, self._settings = self._settings, settings
        if (settings.source, settings.camera_controls) != (
            former.source,
            former.camera_controls,
        ):
            self.stop()
            self.of_device = self._environment.new_controls(settings)

    def stop(self) -> None:
        """Have the thread end, when its driver lets it."""
        if self._thread is not None:
            self._thread.stop()
        self._thread, self._hangs = None, False

    def read(self) -> Deferred[list[dict[str, Any]]]:
        """List the controls and how they stand, as :func:`control_data`.

        :return: fails with :exc:`NoControls`, or with :exc:`SourceError` if the camera
            is not there or does not answer for :data:`CONTROL_TIME`.
        """
        device = self.of_device
        if device is None:
            return fail(NoControls(_why_none(self._settings.source)))
        return self._run(device.read).addCallback(_some)

    def change(self, values: Mapping[str, object], by: str) -> Deferred[Outcome]:
        """Set controls, as :meth:`DeviceControls.change`.

        :param by: who sets them, for the log.
        :return: fails as :meth:`read`, or with :exc:`ControlRefused`.
        """
        device = self.of_device
        if device is None:
            return fail(NoControls(_why_none(self._settings.source)))

        def log(outcome: Outcome) -> Outcome:
            if outcome.done:
                self._log.info(
                    "Camera {camera}: controls set by {by}: {done}",
                    camera=self._settings.name,
                    by=by,
                    done=", ".join(outcome.done),
                )
            return outcome

        return self._run(lambda: device.change(values)).addCallback(log)

    def _run(self, work: Callable[[], T]) -> Deferred[T]:
        """Do this in the thread, unless it would come too late."""
        if self._hangs:
            return fail(SourceError("its driver does not answer"))
        if self._thread is None:
            name = f"controls {self._settings.name}"
            self._thread = self._environment.new_thread(name)
        thread, is_given_up = self._thread, False

        def give_up(_: object) -> None:
            nonlocal is_given_up
            is_given_up = True

        def work_in_time() -> T:
            if is_given_up:
                raise SourceError("nobody waits for it")
            return work()

        def returned(outcome: Any) -> None:
            if thread is self._thread:
                self._hangs = False
            if not asked.called:
                asked.callback(outcome)

        def hung(_: object, seconds: float) -> None:
            self._hangs = thread is self._thread
            raise SourceError(f"its driver has not answered for {seconds:.0f} s")

        asked: Deferred[T] = Deferred(give_up)
        asked.addTimeout(CONTROL_TIME, self._environment.clock, hung)
        thread(work_in_time).addBoth(returned)
        return asked


def _some(controls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not controls:
        raise NoControls("the device has no controls")
    return controls


def _why_none(source: str) -> str:
    if source.startswith("rpicam"):
        return "rpicam takes them when it starts; set camera_controls in camd.yaml"
    if is_program(source):
        return "the camera belongs to a program, which has options of its own"
    return "only devices of this machine have some that camd can set"
