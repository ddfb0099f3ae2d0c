"""Many small images on a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dltrain.figures.panels import titled
from dltrain.figures.sheet import Box, Sheet

COLUMNS = 16


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
