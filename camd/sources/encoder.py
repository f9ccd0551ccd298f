"""Pictures to JPEG, by OpenCV."""

from __future__ import annotations

import cv2

from camd.sources import EncodeError, Image


class JpegEncoder:
    """
    Encodes with the one quality it was made for.

    :param quality: 1 (small) to 100 (good).
    """

    def __init__(self, quality: int) -> None:
        self._parameters = (cv2.IMWRITE_JPEG_QUALITY, quality)

    def encode(self, picture: Image) -> bytes:
        """
        One whole JPEG.

        :raises EncodeError: when OpenCV does not take the picture, as when it is
            empty.
        """
        try:
            encoded, jpeg = cv2.imencode(".jpg", picture, self._parameters)
        except cv2.error as error:
            raise EncodeError(f"OpenCV: {error.err or error}") from error
        if not encoded:
            raise EncodeError("OpenCV could not encode the picture")
        return jpeg.tobytes()
