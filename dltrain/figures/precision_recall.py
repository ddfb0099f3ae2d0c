"""Precision over recall of detections, a curve for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dltrain.figures.boxes import HUES
from dltrain.figures.panels import gridded, titled
from dltrain.figures.sheet import FAINT, SMALL, Box, Sheet

MOST_CURVES = len(HUES)
"""Classes that are drawn; of more, those with the smallest average precision."""


@dataclass(frozen=True)
class ClassCurve:
    """The curve of a class.

    Args:
        name: of the class.
        recall: rising, (boxes,).
        precision: at these.
        average: precision.
    """

    name: str
    recall: np.ndarray
    precision: np.ndarray
    average: float


@dataclass(frozen=True)
class PrecisionRecall:
    """Curves of several classes in a square of 0 to 1.

    Args:
        title: of what.
        note: what else there is to say.
        curves: of the classes, at most `MOST_CURVES`.
    """

    title: str
    note: str
    curves: Sequence[ClassCurve]

    @property
    def height(self) -> float:
        """In pixels."""
        return 420 + 18 * len(self.curves)

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the curves, and below them their names."""
        box = titled(sheet, box, self.title, self.note)
        legend = 18 * len(self.curves) + 16
        side = min(box.width - 62, box.height - legend - 40)
        axes = sheet.axes(Box(box.left + 50, box.top + 4, side, side))
        gridded(axes)
        for number, each in enumerate(self.curves):
            recall = np.concatenate([[0.0], each.recall, each.recall[-1:]])
            precision = np.concatenate([each.precision[:1], each.precision, [0.0] * len(each.recall[-1:])])
            style: dict[str, Any] = {"linestyle": (0, (5, 1.5))} if number % 2 else {}
            axes.plot(recall[: len(precision)], precision, color=HUES[number % len(HUES)], linewidth=1.8, **style)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.set_xlabel("recall", fontsize=SMALL, color=FAINT, labelpad=2)
        axes.set_ylabel("precision", fontsize=SMALL, color=FAINT, labelpad=3)
        for number, each in enumerate(self.curves):
            y = box.top + side + 44 + 18 * number
            sheet.fill(Box(box.left + 50, y + 5, 18, 4), HUES[number % len(HUES)])
            words = f"{each.name}: average precision {each.average:.3f}"
            sheet.write(box.left + 76, y, words, box.width - 80, SMALL)
