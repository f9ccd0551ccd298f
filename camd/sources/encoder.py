"""Pictures to JPEG, by OpenCV."""

from __future__ import annotations

from camd.sources import EncodeError, Image


class JpegEncoder:
    """Encodes pictures with OpenCV.

    :ivar quality: 1 (small) to 100 (good); may be changed at any time.
    """

    def __init__(self, quality: int) -> None:
        self.quality = quality

    def encode(self, picture: Image) -> bytes:
        """Return the picture as one whole JPEG.

        :raises EncodeError: when OpenCV does not take the picture, as when it is
            empty.
        """
        # Not before there are pixels: many a camera sends JPEGs, and OpenCV is large.
        import cv2

        try:
            parameters = (cv2.IMWRITE_JPEG_QUALITY, self.quality)
            encoded, jpeg = cv2.imencode(".jpg", picture, parameters)
        except cv2.error as error:
            raise EncodeError(f"OpenCV: {error.err or error}") from error
        if not encoded:
            raise EncodeError("OpenCV could not encode the picture")
        return jpeg.tobytes()
