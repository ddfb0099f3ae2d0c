"""Panels on predicted classes and labels: confusion matrix, ROC and precision-recall curves, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dltrain.figures.panels import gridded, ticks, titled
from dltrain.figures.sheet import ACCENT, FAINT, FRAME, INK, PAPER, SHADES, SMALL, Box, Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMED = 25
"""Classes up to which the confusion matrix names each; of more, neighbours share a cell."""

MOST_CELLS = 50
"""Rows and columns of a matrix of more classes."""

LEVELS = 12
"""Of shade."""


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix.

    Args:
        title: of what.
        note: what else there is to say.
        names: of the classes.
        counts: examples of each class (rows) that were taken for each (columns).
    """

    title: str
    note: str
    names: Sequence[str]
    counts: np.ndarray

    HEAD = 62

    @property
    def _names(self) -> int:
        """Pixels that the longest of the names takes, about."""
        return 30 + min(9 * max(map(len, self.names)), 90) if len(self.names) <= MOST_NAMED else 66

    @property
    def width(self) -> int:
        """In pixels, so that each number has room."""
        side = 34 * len(self.names) if len(self.names) <= MOST_NAMED else 420
        return self._names + max(side, 300)

    @property
    def height(self) -> float:
        """In pixels."""
        return self.width + self.HEAD

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws a cell for each pair, darker the larger its share of the actual class."""
        box = titled(sheet, box, self.title, self.note)
        sheet.write(box.left, box.top - 8, "actual ↓   predicted →", box.width, SMALL, color=FAINT)
        box = box.below(12)
        side = box.width - self._names
        side -= 16 if len(self.names) > MOST_NAMED else 0  # for the last number of the scale
        frame = Box(box.left + self._names, box.top, side, side)
        counts = self.counts if len(self.names) <= MOST_NAMED else _gathered(self.counts, MOST_CELLS)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes = sheet.axes(frame)
        axes.set(xlim=(0, len(counts)), ylim=(len(counts), 0), xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
        axes.spines[:].set_color(FRAME)
        _shade(axes, shares)
        if len(self.names) <= MOST_NAMED:
            self._write(sheet, frame, counts, shares)
        else:
            self._scale(axes, len(counts))

    def _write(self, sheet: Sheet, frame: Box, counts: np.ndarray, shares: np.ndarray) -> None:
        cell = frame.width / len(counts)
        size = min(SMALL, cell / 4.2)
        is_short = max(map(len, self.names)) <= 3
        for row, name in enumerate(self.names):
            middle = (row + 0.5) * cell
            sheet.write(
                frame.left - 7,
                frame.top + middle,
                name,
                self._names - 10,
                min(SMALL, cell / 2),
                ha="right",
                va="center",
            )
            across: dict[str, Any] = (
                {"ha": "center"}
                if is_short
                else {"ha": "right", "rotation": 90, "rotation_mode": "anchor", "va": "center"}
            )
            below = frame.top + frame.width + (5 if is_short else 8)
            at = frame.left + middle + (0 if is_short else 4)
            sheet.write(at, below, name, self._names - 12, min(SMALL, cell / 2), **across)
            for column in np.flatnonzero(counts[row]):
                sheet.write(
                    frame.left + (column + 0.5) * cell, frame.top + middle, f"{counts[row, column]:,}", cell,
                    size, ha="center", va="center", color=PAPER if shares[row, column] > 0.55 else INK,
                )  # fmt: skip

    def _scale(self, axes: Axes, cells: int) -> None:
        places = np.linspace(0, cells, 6)
        numbers = [f"{round(place / cells * (len(self.names) - 1)) + 1:,}" for place in places]
        axes.set_xticks(places, numbers)
        axes.set_yticks(places, numbers)
        axes.set_xlabel("predicted class, by number", fontsize=SMALL, color=FAINT)
        axes.set_ylabel("actual class, by number", fontsize=SMALL, color=FAINT)


def _gathered(counts: np.ndarray, cells: int) -> np.ndarray:
    """Returns a matrix of fewer rows and columns, each the sum of neighbours."""
    starts = np.arange(cells) * len(counts) // cells
    return np.add.reduceat(np.add.reduceat(counts, starts, axis=0), starts, axis=1)


def _shade(axes: Axes, shares: np.ndarray) -> None:
    """Fills cells in steps of shade, one shape for each step."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    levels = np.ceil(np.sqrt(shares) * LEVELS).astype(int)  # by the root: a few mistakes are seen, too
    for level in range(1, LEVELS + 1):
        cells = [Path.unit_rectangle().transformed(_moved(column, row)) for row, column in np.argwhere(levels == level)]
        if cells:
            shape = Path.make_compound_path(*cells)
            axes.add_patch(PathPatch(shape, facecolor=SHADES[0], linewidth=0, alpha=(level / LEVELS) ** 1.5))


def _moved(x: float, y: float) -> Any:
    from matplotlib.transforms import Affine2D

    return Affine2D().translate(x, y)


@dataclass(frozen=True)
class TradeOff:
    """A curve from 0 to 1 over another, such as ROC: of one class, or of many the mean, the middle and the worst.

    Args:
        title: what it is.
        note: what else there is to say.
        across: the x axis.
        upward: the y axis.
        x: (points,).
        mean: of all classes, (points,).
        low: of nine in ten classes the least, (points,); none for a single class.
        worst: the curve of the worst class, (points,), likewise.
        worst_name: its name.
        chance: the curve of guessing; none where each class has another.
    """

    title: str
    note: str
    across: str
    upward: str
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None = None
    worst: np.ndarray | None = None
    worst_name: str = ""
    chance: np.ndarray | None = None

    @property
    def height(self) -> float:
        """In pixels."""
        return 400

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the curves in a square of 0 to 1."""
        box = titled(sheet, box, self.title, self.note)
        axes = _unit_axes(sheet, box, self.across, self.upward, 84)
        if self.chance is not None:
            axes.plot(self.x, self.chance, color=FAINT, linewidth=1, linestyle=(0, (2, 3)), label="guessing")
        if self.low is not None:
            top = np.ones_like(self.x)
            axes.fill_between(self.x, self.low, top, color=SHADES[1], alpha=0.35, linewidth=0, label="9 in 10 classes")
        axes.plot(
            self.x,
            self.mean,
            color=SHADES[0],
            linewidth=2,
            label="mean of the classes" if self.low is not None else "network",
        )
        if self.worst is not None:
            label = sheet.fitted(f"worst: {self.worst_name}", 150, SMALL)
            axes.plot(self.x, self.worst, color=ACCENT, linewidth=1.4, linestyle=(0, (5, 1.5)), label=label)
        _legend(axes, -0.15)


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: the share of correct predictions over their confidence.

    Args:
        title: of what.
        note: what else there is to say.
        confidence: mean of the answers in each bin, NaN where it is empty, (bins,).
        right: share of these that is right.
        counts: how many they are.
        answers: the label of the y axis.
    """

    title: str
    note: str
    confidence: np.ndarray
    right: np.ndarray
    counts: np.ndarray
    answers: str

    @property
    def height(self) -> float:
        """In pixels."""
        return 400

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the share of correct predictions over confidence, and below it the number of predictions."""
        box = titled(sheet, box, self.title, self.note)
        bins = len(self.counts)
        lower = 56
        axes = _unit_axes(sheet, box._replace(height=box.height - lower), "", self.answers, 44)
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (2, 3)), label="perfect calibration")
        there = self.counts > 0
        middles = (np.arange(bins) + 0.5) / bins
        axes.bar(
            middles[there],
            self.right[there],
            0.92 / bins,
            color=SHADES[1],
            alpha=0.6,
            linewidth=0,
        )
        axes.plot(
            self.confidence[there],
            self.right[there],
            color=SHADES[0],
            linewidth=1.6,
            marker=".",
            label="network",
        )
        axes.legend(fontsize=SMALL, frameon=False, loc="best", labelcolor=INK)
        counts = sheet.axes(Box(box.left + 50, box.top + box.height - lower - 22, box.width - 62, lower - 14))
        counts.bar(middles, self.counts, 0.92 / bins, color=SHADES[0], linewidth=0)
        counts.set(xlim=(0, 1), yticks=[])
        ticks(counts.xaxis, 5)
        counts.set_xlabel("confidence; the bars count the predictions", fontsize=SMALL, color=FAINT, labelpad=2)


def _unit_axes(sheet: Sheet, box: Box, across: str, upward: str, below: float) -> Axes:
    axes = sheet.axes(Box(box.left + 50, box.top + 4, box.width - 62, box.height - below))
    gridded(axes)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    ticks(axes.xaxis, 5)
    ticks(axes.yaxis, 5)
    axes.set_xlabel(across, fontsize=SMALL, color=FAINT, labelpad=2)
    axes.set_ylabel(upward, fontsize=SMALL, color=FAINT, labelpad=3)
    return axes


def _legend(axes: Axes, down: float) -> None:
    axes.legend(fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(0, down), ncols=2, borderaxespad=0.2,
                handlelength=1.8, columnspacing=1, labelcolor=INK)  # fmt: skip
