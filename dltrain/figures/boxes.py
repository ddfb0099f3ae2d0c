"""Boxes drawn on pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dltrain.errors import printable
from dltrain.figures.sheet import INK, PAPER, font_file

HUES = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
"""Colours that colour-blind readers tell apart (M. Okabe and K. Ito, "Color universal design", 2008)."""

SMALLEST = 240
"""Pixels: the shorter side up to which a picture is enlarged, so that words on it can be read."""
LETTERS = 24
"""Of a box's words that are written."""


@dataclass(frozen=True)
class Outline:
    """A box on a picture.

    Args:
        box: x_min, y_min, x_max, y_max in shares of the picture.
        words: written at its upper left corner; empty for nothing.
        hue: the place of its colour, such as that of its class.
        is_dashed: drawn in dashes: what counts for less.
    """

    box: Sequence[float]
    words: str = ""
    hue: int = 0
    is_dashed: bool = False


def outlined(
    pixels: np.ndarray, outlines: Sequence[Outline], shape: tuple[float, float] | None = None, smallest: int = SMALLEST
) -> np.ndarray:
    """Returns a picture with boxes on it, (height, width, 3), uint8; a small one is enlarged.

    Args:
        pixels: (height, width) or (height, width, 3), uint8.
        outlines: the first ones are drawn last, on top of the others.
        shape: height and width that the picture is brought to; none for its own.
        smallest: pixels that the shorter side has at least.
    """
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(pixels).convert("RGB")
    if shape is not None:
        picture = picture.resize((max(1, round(shape[1])), max(1, round(shape[0]))))
    factor = max(1, -(-smallest // min(picture.size)))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    draw, shorter = ImageDraw.Draw(picture), min(picture.size)
    width = max(2, round(shorter / 160))
    font = ImageFont.truetype(font_file(), max(11, round(shorter / 24)))
    for each in reversed(outlines):
        colour = HUES[each.hue % len(HUES)]
        left, top, right, bottom = _pixels(each.box, picture.size)
        for start, end in _sides(left, top, right, bottom, 6 * width if each.is_dashed else 0):
            draw.line([start, end], fill=colour, width=width)
        if each.words:
            words = printable(each.words)[:LETTERS]
            room = draw.textbbox((0, 0), words, font=font)
            high = room[3] + 2
            x = max(0, min(left, picture.width - room[2] - 4))
            y = top - high if top >= high else min(top, picture.height - high)
            draw.rectangle([x, y, x + room[2] + 4, y + high], fill=colour)
            draw.text((x + 2, y), words, fill=INK if each.hue % len(HUES) in (4, 5, 6) else PAPER, font=font)
    return np.asarray(picture)


def _pixels(box: Sequence[float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Returns corners in pixels, within the picture."""
    width, height = size
    ends = np.clip(np.asarray(box, np.float64) * [width, height, width, height], 0, None)
    left, top, right, bottom = np.minimum(np.round(ends), [width - 1, height - 1] * 2).astype(int).tolist()
    return left, top, right, bottom


def _sides(left: int, top: int, right: int, bottom: int, dash: int) -> list[tuple[Any, Any]]:
    """Returns the lines of a box, each from start to end; in dashes of so many pixels where that is not 0."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    sides = [*zip(corners, [*corners[1:], corners[0]], strict=True)]
    if not dash:
        return sides
    found = []
    for (x, y), (to_x, to_y) in sides:
        length = max(abs(to_x - x), abs(to_y - y), 1)
        for start in range(0, length, 2 * dash):
            ends = [(x + (to_x - x) * at / length, y + (to_y - y) * at / length)
                    for at in (start, min(start + dash, length))]  # fmt: skip
            found.append((ends[0], ends[1]))
    return found
