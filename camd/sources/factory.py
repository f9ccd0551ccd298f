"""Which source a camera's settings call for.

The modules that need OpenCV are imported here, when they are needed: a daemon that only
passes JPEGs on works where OpenCV is missing.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from camd.config.checks import PICTURE_CHOICES
from camd.config.masking import mask_url
from camd.config.redis import RedisAddress, is_redis
from camd.config.source import EXEC, PUSH, is_path, is_program, is_relay
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.sources import Clock, Encoder, PushSource, Sleep, Source, SourceError
from camd.sources.opencv_check import prepare, why_no_opencv

if TYPE_CHECKING:
    from camd.config.settings import CameraSettings, Settings
    from camd.sources.folder import Folder
    from camd.sources.relay.connection import Origins
    from camd.sources.v4l2.controlled import DeviceControls

_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})
"""What the names of JPEG files end in; a single such file is a folder of one."""


def make_source(
    camera: CameraSettings,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
    controls: DeviceControls | None = None,
) -> Source:
    """Return the source to be pulled that a camera's settings name, closed.

    :param clock: the same as the reactor's.
    :param controls: what is set whenever the source is opened; None for nothing.
    :raises SourceError: when it takes OpenCV and that cannot be imported.
    """
    source = _plain_source(camera, clock, sleep)
    if controls is not None:
        from camd.sources.v4l2.controlled import Controlled

        source = Controlled(source, controls, camera.name)
    return redrawn(source, camera, clock)


def make_controls(camera: CameraSettings) -> DeviceControls | None:
    """Return what can be set of a camera while it runs; None for nothing."""
    if not is_device(camera.source):
        return None
    from camd.sources.v4l2.controlled import DeviceControls
    from camd.sources.v4l2.device import device_path

    return DeviceControls(device_path(camera.source), camera.camera_controls)


def push_source(
    camera: CameraSettings,
    reactor: Any,
    origins: Callable[[], Origins],
    clock: Clock = time.monotonic,
    random: Callable[[], float] = random.random,
) -> PushSource | None:
    """Return the source of a camera whose pictures arrive on the reactor, stopped.

    They are not redrawn yet.

    :param origins: returns the connections to other camds.
    :param clock: the same as the reactor's.
    :param random: returns a number from 0 to 1.
    :return: None for a camera that is pulled, by :func:`make_source`.
    """
    if camera.source.lower().startswith(("http://", "https://")):
        from camd.sources.http.camera import HttpCamera
        from camd.sources.http.client import ANSWER

        return HttpCamera(
            camera.source,
            camera.camera_fps,
            verify_tls=camera.camera_verify_tls,
            reactor=reactor,
            otherwise=lambda address: _opencv_address(address, clock),
            timeout=max(ANSWER, camera.camera_timeout),
        )
    if is_redis(camera.source):
        from camd.sources.redis.camera import RedisCamera

        address = RedisAddress.parse(camera.source, camera=True)
        renditions = map(Rendition.parse, camera.renditions)
        return RedisCamera(
            address, camera.idle_fps, reactor, random, renditions=renditions
        )
    if is_relay(camera.source):
        from camd.sources.relay.camera import RelayedCamera

        verify_tls = camera.camera_verify_tls
        return RelayedCamera(camera.source, verify_tls=verify_tls, origins=origins())
    if is_program(camera.source):
        from camd.sources.program.command import exec_words, rpicam_words
        from camd.sources.program.source import Program

        words = exec_words if camera.source.startswith(EXEC) else rpicam_words
        name = mask_url(camera.source)
        return Program(name, lambda: words(camera), reactor)
    if camera.source == PUSH:
        from camd.sources.ingest.source import Ingest

        return Ingest(camera.name, camera.camera_fps, reactor)
    if not is_redrawn(camera) and is_path(camera.source):
        path = Path(camera.source)
        if path.is_dir():
            from camd.sources.film import Film

            folder = _folder(camera, clock, time.sleep)
            return Film(camera.name, folder, camera.camera_fps, reactor)
    return None


def _folder(camera: CameraSettings, clock: Clock, sleep: Sleep) -> Folder:
    """Return the source of a folder of JPEGs, or of one."""
    from camd.sources.folder import Folder

    return Folder(
        Path(camera.source),
        camera.camera_fps,
        timeout=camera.camera_timeout,
        max_pixels=camera.max_pixels,
        clock=clock,
        sleep=sleep,
    )


def needs_opencv(camera: CameraSettings) -> bool:
    """Whether a camera takes OpenCV for certain, and not only to draw a placeholder."""
    address = camera.source.lower()
    sends_jpegs = (
        address.startswith(("http://", "https://"))
        or is_relay(address)
        or _names_jpegs(address)
        or is_program(camera.source)
        or is_redis(camera.source)
        or camera.source == PUSH
    )
    return is_redrawn(camera) or not sends_jpegs


def needs_redis(settings: Settings) -> bool:
    """Whether something is to be read from a Redis server, or published to one."""
    sources = (camera.source for camera in settings.cameras.values())
    return bool(
        settings.publish or settings.cameras_from or any(map(is_redis, sources))
    )


def is_redrawn(camera: CameraSettings) -> bool:
    """Whether a camera's pictures are turned, mirrored or written on."""
    return bool(camera.rotate or camera.flip != "none" or camera.overlay)


def redrawn(
    source: Source, camera: CameraSettings, clock: Clock = time.monotonic
) -> Source:
    """Return a source of the same pictures, redrawn as the settings say, if they do.

    :raises SourceError: when it takes OpenCV and that cannot be imported.
    """
    if not is_redrawn(camera):
        return source
    _require_opencv()
    from camd.sources.drawing.transform import Redrawn

    return Redrawn(source, camera, clock)


def _plain_source(camera: CameraSettings, clock: Clock, sleep: Sleep) -> Source:
    """Return the source of pictures as they come, without controls or drawing."""
    address, fps = camera.source, camera.camera_fps
    if _names_jpegs(address):
        return _folder(camera, clock, sleep)
    _require_opencv()
    if address == "pattern":
        from camd.sources.pattern import Pattern

        size = camera.camera_width, camera.camera_height
        return Pattern(camera.name, *size, fps, clock=clock, sleep=sleep)
    if is_device(address):
        from camd.sources.live import device

        return device(
            address,
            camera.camera_width,
            camera.camera_height,
            fps,
            camera.camera_format,
            clock=clock,
            is_redrawn=is_redrawn(camera),
        )
    if "://" in address:
        return _opencv_address(address, clock)
    from camd.sources.video import VideoFile

    return VideoFile(Path(address), fps, clock=clock, sleep=sleep)


def _names_jpegs(address: str) -> bool:
    if not is_path(address):
        return False
    path = Path(address)
    return path.is_dir() or path.suffix.lower() in _JPEG_SUFFIXES


def _opencv_address(address: str, clock: Clock) -> Source:
    _require_opencv()
    from camd.sources import live

    return live.address(address, clock=clock)


def _require_opencv() -> None:
    prepare(os.environ)
    reason = why_no_opencv()
    if reason is not None:
        raise SourceError(reason)


def make_encoder(quality: int) -> Encoder:
    """Return the encoder for one camera.

    :param quality: 1 (small) to 100 (good), as JPEG libraries count it.
    """
    from camd.sources.encoder import JpegEncoder

    return JpegEncoder(quality)


def scale(jpeg: bytes, renditions: Sequence[Rendition]) -> list[tuple[bytes, Size]]:
    """Return one smaller JPEG for each rendition, and its size, in the same order.

    :raises EncodeError: the JPEG cannot be decoded.
    :raises SourceError: when OpenCV cannot be imported.
    """
    _require_opencv()
    from camd.sources import scaler

    return scaler.scale(jpeg, renditions)


def make_placeholder(
    camera: CameraSettings, lines: Sequence[str], width: int, height: int
) -> bytes:
    """Return the JPEG that stands in for a camera: text, or the user's own file.

    :param lines: ASCII text, the camera's name first.
    :param width: in pixels; the user's file keeps its own size.
    :param height: in pixels.
    :raises OSError: when the user's file cannot be read.
    :raises SourceError: when OpenCV cannot be imported.
    """
    if camera.offline_picture not in PICTURE_CHOICES:
        return Path(camera.offline_picture).read_bytes()
    _require_opencv()
    from camd.sources.drawing.placeholder import draw

    return make_encoder(camera.jpeg_quality).encode(draw(lines, width, height))


def is_device(address: str) -> bool:
    """Whether an address is a camera of this machine, which can be opened once only."""
    # Programs put pictures and films into /dev/shm, to spare the SD card.
    is_node = address.startswith("/dev/") and not address.startswith("/dev/shm/")
    return is_node or address.isdecimal()


def opens_once(address: str) -> bool:
    """Whether a camera cannot be opened a second time, for another viewer."""
    return is_device(address) or is_program(address) or address == PUSH


def local_path(address: str) -> str | None:
    """Return the path of a device or file; None for what has none, as an address."""
    if address.isdecimal():
        return f"/dev/video{address}"
    return address if is_path(address) else None
