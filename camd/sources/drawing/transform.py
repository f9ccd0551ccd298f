"""A source whose pictures are turned, mirrored or written on before they go out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import cv2
import numpy as np
from twisted.logger import Logger

from camd.formats.jpeg import Damaged
from camd.formats.scan import complete
from camd.sources import CameraMode, Clock, Image, RawFrame, Source
from camd.sources.drawing.orientation import oriented, oriented_size
from camd.sources.drawing.overlay import Overlay
from camd.sources.due import ANY, Due

if TYPE_CHECKING:
    from camd.config.settings import CameraSettings


class Redrawn:
    """Redraws each picture as the camera's settings say.

    That takes pixels: JPEGs are decoded, and encoded again by the reader.

    :param settings: of the camera; ``rotate``, ``flip`` and ``overlay`` of them.
    :param clock: the one by which the source stamps its pictures.
    :param wall: seconds since 1970, for the text.
    """

    _log = Logger()

    def __init__(
        self,
        source: Source,
        settings: CameraSettings,
        clock: Clock,
        wall: Clock = time.time,
    ) -> None:
        self._source = source
        self._settings = settings
        self._clock = clock
        self._wall = wall
        self._overlay: Overlay | None = None
        if settings.overlay:
            self._overlay = Overlay(settings.overlay, settings.name)
        self._warned = False

    def open(self) -> CameraMode:
        """Open the camera; return the mode that its pictures will have."""
        return oriented_size(self._source.open(), self._settings.rotate)

    def read(self, due: Due = ANY) -> RawFrame:
        """Wait for the picture that is due, and redraw it.

        :raises Damaged: when it is a JPEG that is not whole; the next one may be.
        """
        shot = self._source.read(due)
        picture = oriented(
            self._pixels(shot.content), self._settings.rotate, self._settings.flip
        )
        if self._overlay is not None:
            age = self._clock() - shot.captured
            self._overlay.write(picture, self._wall() - age)
        return RawFrame(picture, shot.captured, shot.stamp)

    def close(self) -> None:
        """Release the camera."""
        self._source.close()

    def _pixels(self, content: bytes | Image) -> Image:
        if not isinstance(content, bytes):
            return content
        if not self._warned:
            self._warned = True
            self._log.warn(
                "Camera {camera}: rotate, flip and overlay need pixels: each JPEG is "
                "decoded and encoded again, which takes milliseconds of CPU where "
                "passing it on takes microseconds",
                camera=self._settings.name,
            )
        return decoded(content, self._settings.max_pixels)


def decoded(content: bytes, max_pixels: int) -> Image:
    """Return the pixels of a JPEG that came from outside.

    :raises Damaged: when it is not whole, too large, or cannot be decoded.
    """
    found = complete(content, max_pixels)
    try:
        picture = cv2.imdecode(np.frombuffer(found.jpeg, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise Damaged("it cannot be decoded") from error
    if picture is None:
        raise Damaged("it cannot be decoded")
    return np.asarray(picture, np.uint8)
