"""JPEGs for tests: real ones, and the same with what cameras do to them."""

from __future__ import annotations

import cv2
import numpy as np

DHT = 0xC4
SOS = 0xDA


def encode(width: int, height: int, *options: int) -> bytes:
    """A real picture with some detail, as OpenCV encodes it."""
    noise = np.random.default_rng(7).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (width, height))
    good, jpeg = cv2.imencode(".jpg", picture, options)
    assert good
    return jpeg.tobytes()


def without_tables(jpeg: bytes) -> bytes:
    """The same JPEG without its Huffman tables, as many webcams send it."""
    kept, at = jpeg[:2], 2
    while jpeg[at + 1] != SOS:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] != DHT:
            kept += jpeg[at:end]
        at = end
    return kept + jpeg[at:]


def exif(jpeg: bytes, orientation: int) -> bytes:
    """The same JPEG with Exif data that says how it is to be turned."""
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + bytes([0, orientation, 0, 0])
    tiff = b"MM\x00*\x00\x00\x00\x08" + b"\x00\x01" + entry + bytes(4)
    segment = b"Exif\x00\x00" + tiff
    size = (len(segment) + 2).to_bytes(2, "big")
    return jpeg[:2] + b"\xff\xe1" + size + segment + jpeg[2:]
