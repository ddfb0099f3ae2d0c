"""Many small images on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dltrain.figures.panels import titled
from dltrain.figures.sheet import SMALL, Box, Sheet

COLUMNS = 16
"""Filters beside each other, at most."""


@dataclass(frozen=True)
class Filters:
    """Weights as pictures: grey is 0, and each is as bright as its largest weight.

    Args:
        title: whose they are.
        note: what else there is to say.
        weights: (filters, height, width, channels), of one channel or three.
    """

    title: str
    note: str
    weights: np.ndarray

    @property
    def _shape(self) -> tuple[int, int]:
        """Rows and columns."""
        count = len(self.weights)
        columns = min(COLUMNS, int(np.ceil(np.sqrt(count * 2))))
        return -(-count // columns), columns

    @property
    def _ratio(self) -> float:
        """Height over width of all of them."""
        rows, columns = self._shape
        return rows * (self.weights.shape[1] + 1) / (columns * (self.weights.shape[2] + 1))

    @property
    def height(self) -> float:
        """In pixels."""
        return 62 + 384 * self._ratio

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws them, with nothing between."""
        box = titled(sheet, box, self.title, self.note)
        axes = sheet.axes(box._replace(height=box.width * self._ratio))
        axes.set_axis_off()
        axes.imshow(self._image(), interpolation="none", aspect="auto")

    def _image(self) -> np.ndarray:
        """Returns all of them as one image with transparent lines between, (height, width, 4)."""
        (rows, columns), (_, height, width, channels) = self._shape, self.weights.shape
        image = np.zeros((rows * (height + 1), columns * (width + 1), 4), np.uint8)
        for index, weights in enumerate(self.weights):
            top, left = (index // columns) * (height + 1), (index % columns) * (width + 1)
            scaled = 127.5 + 127.5 * weights / (np.abs(weights).max() or 1.0)
            cell = image[top : top + height, left : left + width]
            cell[..., :3] = np.round(np.broadcast_to(scaled, (height, width, 3)) if channels == 1 else scaled)
            cell[..., 3] = 255
        return image


@dataclass(frozen=True)
class Pictures:
    """Images with lines below each, some with a second image.

    Args:
        title: what they show.
        note: what else there is to say.
        images: those of each, all of one shape but for colour: (height, width) or (height, width, 3), uint8.
        lines: of each, of which the first two are written.
    """

    title: str
    note: str
    images: Sequence[Sequence[np.ndarray]]
    lines: Sequence[Sequence[str]]

    ACROSS, BETWEEN, BELOW = 8, 10, 40

    @property
    def _cell(self) -> tuple[int, int]:
        """Height and width of an image, in pixels, so that a row fills the sheet."""
        height, width = self.images[0][0].shape[:2]
        side = 82
        return max(min(round(side * height / width), 2 * side), 8), side

    @property
    def _rows(self) -> list[int]:
        """Where each row begins, in pixels, and the last one ends."""
        (height, _), most = self._cell, max(map(len, self.images))
        return [row * (most * (height + 2) + self.BELOW) for row in range(-(-len(self.images) // self.ACROSS) + 1)]

    @property
    def height(self) -> float:
        """In pixels."""
        return 62 + self._rows[-1]

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws all images as one, and writes below them."""
        box = titled(sheet, box, self.title, self.note)
        (height, width), rows = self._cell, self._rows
        step = width + self.BETWEEN
        whole = np.zeros((rows[-1], self.ACROSS * step, 4), np.uint8)
        for index, (images, lines) in enumerate(zip(self.images, self.lines, strict=True)):
            row, column = divmod(index, self.ACROSS)
            top, left = rows[row], column * step
            for place, image in enumerate(images):
                start = top + place * (height + 2)
                whole[start : start + height, left : left + width] = _resized(image, height, width)
            below = box.top + top + len(images) * (height + 2)
            for line, words in enumerate(lines[:2]):
                sheet.write(box.left + left, below + 2 + 15 * line, words, width, SMALL - 1)
        axes = sheet.axes(Box(box.left, box.top, whole.shape[1], whole.shape[0]))
        axes.set_axis_off()
        axes.imshow(whole, interpolation="none", aspect="auto")


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns an image of another size with an opaque fourth channel; one that is enlarged stays sharp."""
    from PIL import Image

    picture = Image.fromarray(image).convert("RGBA")
    how = Image.Resampling.NEAREST if image.shape[1] < width else Image.Resampling.BOX
    return np.asarray(picture.resize((width, height), how))
