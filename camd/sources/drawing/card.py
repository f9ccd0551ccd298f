"""The test card: what does not change is drawn once, what moves on a copy of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import cv2
import numpy as np

from camd.sources import CameraMode, Image
from camd.sources.drawing.text import Colour, glyphs, stamp, stencil, write

_PAPER: Colour = (44, 33, 26)
_GRID: Colour = (60, 47, 38)
_FACE: Colour = (28, 20, 15)
_INK: Colour = (244, 240, 236)
_DIM: Colour = (176, 160, 148)
_ACCENT: Colour = (60, 170, 255)

_BARS: tuple[Colour, ...] = (
    (191, 191, 191),
    (0, 191, 191),
    (191, 191, 0),
    (0, 191, 0),
    (191, 0, 191),
    (0, 0, 191),
    (191, 0, 0),
)
"""Colour bars at 75 % amplitude in order of brightness, as engineers know them
(SMPTE ECR 1-1978)."""

COUNT = 1_000_000
"""Where the number on the card starts again at 0, so that six digits are enough;
nine hours at 30 pictures per second."""

_SHIFT = 4
"""Bits after the point in coordinates given to OpenCV, so that the hand turns
smoothly."""

_SWING = 2.0
"""Seconds that the block on the lower edge takes to go there and back."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where things stand on a card, in pixels, whatever its size and shape."""

    width: int
    height: int

    def px(self, units: float) -> int:
        """Return how many pixels so many of a 640x480 card take up; at least one."""
        unit = min(self.width / 640, self.height / 480)
        return max(1, round(units * unit))

    @property
    def margin(self) -> int:
        return self.px(32)

    @property
    def bars_end(self) -> int:
        return round(self.height * 0.2)

    @property
    def middle(self) -> int:
        """Height of the centre of the dial and of the figures beside it."""
        return round(self.height * 0.53)

    @property
    def radius(self) -> int:
        return self.px(100)

    @property
    def hub(self) -> tuple[int, int]:
        return self.width - self.margin - self.radius, self.middle

    @property
    def rail(self) -> tuple[int, int]:
        """Upper and lower edge of the rail on which the block swings."""
        return self.height - self.px(44), self.height - self.px(32)


class Card:
    """Draws the test card of one camera.

    :param mode: the size of the picture, and the rate by which the block moves.
    """

    def __init__(self, name: str, mode: CameraMode) -> None:
        self._fps = mode.fps or 1.0
        self._plan = plan = _Plan(mode.width, mode.height)
        self._background = _background(plan, name, mode)
        # Six digits, and the time with its nine, fit into the panel.
        self._large = glyphs("0123456789", plan.px(72), plan.px(51), _INK, _FACE)
        self._small = glyphs("0123456789:.", plan.px(26), plan.px(26), _ACCENT, _FACE)

    def draw(self, number: int, moment: float) -> Image:
        """Return one picture, which the caller may keep and change.

        :param number: how many pictures came before it.
        :param moment: the time of day it shows, in seconds since 1970.
        """
        picture = self._background.copy()
        plan = self._plan
        left = plan.margin + plan.px(16)
        top = plan.middle - plan.px(100)
        write(picture, f"{number % COUNT}", self._large, left, top)
        write(picture, _time_of_day(moment), self._small, left, top + plan.px(128))
        self._turn_hand(picture, moment)
        self._swing_block(picture, number / self._fps)
        return picture

    def _turn_hand(self, picture: Image, moment: float) -> None:
        plan = self._plan
        tip = _on_circle(plan.hub, 0.78 * plan.radius, moment)
        tail = _on_circle(plan.hub, -0.2 * plan.radius, moment)
        cv2.line(picture, tail, tip, _ACCENT, plan.px(5), cv2.LINE_AA, _SHIFT)
        cv2.circle(picture, plan.hub, plan.px(8), _ACCENT, cv2.FILLED, cv2.LINE_AA)

    def _swing_block(self, picture: Image, seconds: float) -> None:
        plan = self._plan
        length = plan.px(64)
        way = max(0, plan.width - 2 * plan.margin - length)
        phase = seconds % _SWING / _SWING
        left = plan.margin + round(way * (1 - abs(1 - 2 * phase)))
        top, bottom = plan.rail
        picture[top:bottom, left : left + length] = _ACCENT


def _time_of_day(moment: float) -> str:
    clock = time.strftime("%H:%M:%S", time.localtime(moment))
    return f"{clock}.{int(moment % 1 * 1000):03d}"


def _on_circle(
    centre: tuple[int, int], radius: float, second: float
) -> tuple[int, int]:
    """Return where a hand of that length points at that second, in parts of pixels."""
    angle = math.tau * (second % 60) / 60
    x = centre[0] + radius * math.sin(angle)
    y = centre[1] - radius * math.cos(angle)
    return round(x * 2**_SHIFT), round(y * 2**_SHIFT)


def _background(plan: _Plan, name: str, mode: CameraMode) -> Image:
    picture: Image = np.full((plan.height, plan.width, 3), _PAPER, np.uint8)
    _rule_grid(picture, plan)
    _paint_bars(picture, plan)
    _paint_panels(picture, plan)
    _paint_dial(picture, plan)
    _label(picture, plan, name, mode)
    return picture


def _rule_grid(picture: Image, plan: _Plan) -> None:
    step = plan.px(40)
    line = plan.px(1)
    for x in range(plan.width // 2 % step, plan.width, step):
        picture[:, x : x + line] = _GRID
    for y in range(plan.height // 2 % step, plan.height, step):
        picture[y : y + line] = _GRID


def _paint_bars(picture: Image, plan: _Plan) -> None:
    edges = [round(plan.width * i / len(_BARS)) for i in range(len(_BARS) + 1)]
    for i, colour in enumerate(_BARS):
        picture[: plan.bars_end, edges[i] : edges[i + 1]] = colour
    grey = np.linspace(0, 255, plan.width).astype(np.uint8)
    picture[plan.bars_end : plan.bars_end + plan.px(16)] = grey[:, np.newaxis]


def _paint_panels(picture: Image, plan: _Plan) -> None:
    """Paint the ground behind the figures, and the rail."""
    top = plan.middle - plan.px(100)
    right = plan.margin + plan.px(346)
    picture[top : top + plan.px(200), plan.margin : right] = _FACE
    upper, lower = plan.rail
    picture[upper:lower, plan.margin : plan.width - plan.margin] = _FACE


def _paint_dial(picture: Image, plan: _Plan) -> None:
    cv2.circle(picture, plan.hub, plan.radius, _FACE, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(picture, plan.hub, plan.radius, _DIM, plan.px(2), cv2.LINE_AA)
    for second in range(0, 60, 5):
        quarter = second % 15 == 0
        inner = _on_circle(plan.hub, plan.radius * (0.82 if quarter else 0.88), second)
        outer = _on_circle(plan.hub, plan.radius * 0.94, second)
        weight = plan.px(4 if quarter else 2)
        cv2.line(picture, inner, outer, _INK, weight, cv2.LINE_AA, _SHIFT)


def _label(picture: Image, plan: _Plan, name: str, mode: CameraMode) -> None:
    top = plan.rail[0] - plan.px(44)
    stamp(picture, stencil(name, plan.px(18)), plan.margin, top, _INK)
    note = stencil(f"{mode.resolution}  {mode.fps:g} fps", plan.px(18))
    left = max(plan.margin, plan.width - plan.margin - note.shape[1])
    stamp(picture, note, left, top, _DIM)
