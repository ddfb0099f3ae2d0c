"""Panels that show single examples as pictures, lines or rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dltrain.figures.panels import LINE
from dltrain.figures.sheet import ACCENT, FAINT, FRAME, SHADES, SMALL, Box, Sheet
from dltrain.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER = 7.5
"""Pixels of a letter, about."""
STRIPES = 60
"""Of the weights of positions behind a curve, at most: narrower ones cannot be told apart."""


@dataclass(frozen=True)
class Pictures:
    """Examples that are images, and under each what training makes of it.

    Args:
        raw: images (height, width) or (height, width, 3), uint8.
        seen: the same after augmentation; none where nothing changes them.
        labels: what each shows.
        seen_labels: what each is after augmentation; none where that changes no label.
    """

    raw: Sequence[np.ndarray]
    seen: Sequence[np.ndarray]
    labels: Sequence[str]
    seen_labels: Sequence[str] = ()

    COLUMNS = 12
    SIDE, BETWEEN, GUTTER = 112, 12, 56

    @property
    def height(self) -> float:
        """In pixels."""
        return self._lines * self._line_height - 2 * self.BETWEEN

    @property
    def _lines(self) -> int:
        return -(-len(self.raw) // self.COLUMNS)

    @property
    def _image_height(self) -> float:
        height, width = self.raw[0].shape[:2]
        return min(max(self.SIDE * height / width, 28), 170)

    @property
    def _line_height(self) -> float:
        below = self._image_height + 6 + self._label_height if len(self.seen) else 0
        return 22 + self._image_height + below + 2 * self.BETWEEN

    @property
    def _label_height(self) -> float:
        return 20 if len(self.seen_labels) else 0

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the images with their labels above, names of the rows in the gutter to the left."""
        high = self._image_height
        for index, (image, label) in enumerate(zip(self.raw, self.labels, strict=True)):
            line, column = divmod(index, self.COLUMNS)
            left = box.left + self.GUTTER + column * (self.SIDE + self.BETWEEN)
            top = box.top + line * self._line_height
            if column == 0:
                sheet.write(box.left, top + 22 + high / 2, "stored", self.GUTTER, SMALL, color=FAINT, va="center")
            sheet.write(left, top, label, self.SIDE, SMALL)
            self._draw_one(sheet.axes(Box(left, top + 20, self.SIDE, high)), image)
            if len(self.seen):
                below = top + 20 + high + 6 + self._label_height
                if len(self.seen_labels):
                    sheet.write(left, below - 20, self.seen_labels[index], self.SIDE, SMALL)
                if column == 0:
                    sheet.write(box.left, below + high / 2, "trained", self.GUTTER, SMALL, color=FAINT, va="center")
                self._draw_one(sheet.axes(Box(left, below, self.SIDE, high)), self.seen[index])

    def _draw_one(self, axes: Axes, image: np.ndarray) -> None:
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(FRAME)


@dataclass(frozen=True)
class Lines:
    """Examples that are vectors, a small line each, all on one scale.

    Args:
        vectors: (positions,) or (positions, ..., lines) of each example.
        labels: what each is.
        notes: what else there is to say of each, below its label; empty for nothing.
        weights: how much the positions of each spoke for an answer, -1 to 1; empty where that is not known.
        columns: how many are beside each other.
    """

    vectors: Sequence[np.ndarray]
    labels: Sequence[str]
    notes: Sequence[str] = ()
    weights: Sequence[np.ndarray | None] = ()
    columns: int = 8

    HIGH, NOTE = 110, 18

    @property
    def height(self) -> float:
        """In pixels."""
        return -(-len(self.labels) // self.columns) * self._line_height

    @property
    def _line_height(self) -> float:
        return self.HIGH + self.NOTE * bool(self.notes)

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the vectors with their labels above; the first says what the scale is."""
        wide, above = box.width / self.columns, 20 + self.NOTE * bool(self.notes)
        low = min(float(vector.min(initial=np.inf)) for vector in self.vectors)
        high = max(float(vector.max(initial=-np.inf)) for vector in self.vectors)
        if low > high:  # all are empty
            low, high = 0.0, 1.0
        room = (high - low or 1.0) * 0.05
        for index, (vector, label) in enumerate(zip(self.vectors, self.labels, strict=True)):
            line, column = divmod(index, self.columns)
            left, top = box.left + column * wide, box.top + line * self._line_height
            sheet.write(left + 44, top, label, wide - 54, SMALL)
            if self.notes:
                sheet.write(left + 44, top + self.NOTE, self.notes[index], wide - 54, SMALL, color=FAINT)
            axes = sheet.axes(Box(left + 44, top + above, wide - 54, self.HIGH - 36))
            positions = np.arange(1, len(vector) + 1)
            if self.weights and (weights := self.weights[index]) is not None:
                extent = (0.5, len(vector) + 0.5, low - room, high + room)
                axes.imshow(_shaded(weights), extent=extent, aspect="auto", interpolation="nearest")
            axes.plot(positions, vector, color=SHADES[0], linewidth=1, marker=_marker(vector))
            axes.set(ylim=(low - room, high + room), yticks=[], xticks=[])
            if column == 0:
                axes.set_yticks([low, high], [number(low), number(high)])


def _marker(vector: np.ndarray) -> str:
    """Returns a dot for each position of a short line; none where several lines would be hidden by theirs."""
    return "." if vector.ndim == 1 and len(vector) <= 30 else ""


def _shaded(weights: np.ndarray) -> np.ndarray:
    """Returns orange where weights are above 0, blue where they are below, (1, stripes, 4), 0 to 1.

    Many positions are stripes of the mean of neighbours, the largest of which is as dark as the largest of few.
    """
    ends = np.linspace(0, len(weights), min(len(weights), STRIPES) + 1).astype(int)
    means = np.add.reduceat(weights, ends[:-1]) / np.diff(ends)
    means /= max(np.abs(means).max(), 1e-12)
    orange, blue = ([int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)] for colour in (ACCENT, SHADES[1]))
    colours = np.where(means[:, None] > 0, orange, blue)
    return np.concatenate([colours, 0.8 * np.abs(means)[:, None]], axis=1)[None]


@dataclass(frozen=True)
class Rows:
    """A few examples of a table, as text.

    Args:
        names: of the columns.
        rows: the values of each example, as they are shown.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def height(self) -> float:
        """In pixels."""
        return LINE * (len(self.rows) + 1)

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Writes the table."""
        left = box.left
        for column, (name, wide) in enumerate(zip(self.names, self.widths(box.width), strict=True)):
            sheet.write(left, box.top, name, wide - 12, SMALL, weight="bold")
            for line, row in enumerate(self.rows, 1):
                sheet.write(left, box.top + line * LINE, row[column], wide - 12, SMALL)
            left += wide

    def widths(self, room: float) -> list[float]:
        """Returns how wide each column is, in pixels: what it needs, or an equal share of what others leave.

        Args:
            room: all of them together.
        """
        needed = [LETTER * max(map(len, cells)) + 24 for cells in zip(self.names, *self.rows, strict=True)]
        found, left = [0.0] * len(needed), room
        for rank, column in enumerate(sorted(range(len(needed)), key=needed.__getitem__)):
            found[column] = min(needed[column], left / (len(needed) - rank))
            left -= found[column]
        return [wide + left / len(found) for wide in found]
