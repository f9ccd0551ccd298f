"""The JPEG folders that both servers send: drawn, noisy, and always the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Format:
    """A size in pixels and the mean size in bytes that its JPEGs shall have."""

    width: int
    height: int
    bytes: int

    @property
    def name(self) -> str:
        """The name of the folder: ``640x480``."""
        return f"{self.width}x{self.height}"


# What a webcam's picture of a room takes at quality 80.
VGA = Format(640, 480, 40_000)
HD = Format(1280, 720, 88_000)
FULL_HD = Format(1920, 1080, 160_000)

QUALITY = 80
COUNT = 30


def scene(form: Format, index: int) -> Image:
    """Soft shapes on a gradient, with a ball that moves from picture to picture."""
    x = np.linspace(0, 1, form.width, dtype=np.float32)
    y = np.linspace(0, 1, form.height, dtype=np.float32)[:, None]
    planes = [60 + 120 * x + 0 * y, 160 - 90 * y + 0 * x, 90 + 60 * x * y]
    image = np.stack(planes, axis=2).astype(np.uint8)
    shapes = np.random.default_rng(1)
    for _ in range(40):
        corner = shapes.integers(0, (form.width, form.height))
        reach = shapes.integers(20, 90, size=2)
        colour = [int(c) for c in shapes.integers(30, 220, size=3)]
        cv2.rectangle(image, corner.tolist(), (corner + reach).tolist(), colour, -1)
    ball = (form.width * (index + 1) // (COUNT + 1), form.height // 2)
    cv2.circle(image, ball, 30, (40, 40, 230), -1, cv2.LINE_AA)
    return image


def encoded(image: Image, strength: float, seed: int) -> bytes:
    """The JPEG of a picture with as much noise on it.

    :param strength: the noise's standard deviation, in steps of 0 to 255.
    """
    noise = np.random.default_rng(seed).normal(0, 1, image.shape[:2])
    noisy = image + (noise * strength)[:, :, None]
    clipped = np.clip(noisy, 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", clipped, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[
        1
    ].tobytes()


def strength_for(form: Format) -> float:
    """How much noise makes a JPEG of the wanted size, found by halving."""
    low, high = 0.0, 64.0
    for _ in range(12):
        middle = (low + high) / 2
        if len(encoded(scene(form, 0), middle, 0)) < form.bytes:
            low = middle
        else:
            high = middle
    return low


def make_folder(parent: Path, form: Format) -> Path:
    """The folder with the pictures of one format; made when it is not there yet."""
    folder = parent / form.name
    if (folder / f"{COUNT - 1:03}.jpg").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    strength = strength_for(form)
    for index in range(COUNT):
        jpeg = encoded(scene(form, index), strength, index)
        (folder / f"{index:03}.jpg").write_bytes(jpeg)
    return folder
