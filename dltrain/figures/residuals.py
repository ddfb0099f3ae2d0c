"""Scatter plots of predicted and actual numbers, and of residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dltrain.data import spaced
from dltrain.figures.panels import gridded, ticks, titled
from dltrain.figures.sheet import ACCENT, FAINT, INK, SHADES, SMALL, Box, Sheet

POINTS = 1000
"""Examples that are drawn, at most: evenly spaced ones."""


@dataclass(frozen=True)
class Scatter:
    """A point for each example.

    Args:
        title: of what.
        note: what else there is to say.
        across: the x axis, with its unit.
        upward: the y axis.
        x: (examples,).
        y: likewise.
        line: where the points should be: "diagonal" for y = x, "zero" for y = 0.
    """

    title: str
    note: str
    across: str
    upward: str
    x: np.ndarray
    y: np.ndarray
    line: str

    @property
    def height(self) -> float:
        """In pixels."""
        return 380

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the points and the line that they should be on."""
        drawn = spaced(len(self.x), POINTS)
        is_finite = np.isfinite(self.x[drawn]) & np.isfinite(self.y[drawn])
        drawn = drawn[is_finite]
        note = self.note
        if len(drawn) < len(self.x):
            note = "; ".join(filter(None, [note, f"{len(drawn):,} of {len(self.x):,} examples drawn"]))
        box = titled(sheet, box, self.title, note or " ")
        axes = sheet.axes(Box(box.left + 62, box.top, box.width - 74, box.height - 44))
        gridded(axes)
        x, y = self.x[drawn].astype(float), self.y[drawn].astype(float)
        ends = _ends(np.concatenate([x, y])) if self.line == "diagonal" else _ends(x)
        heights = ends if self.line == "diagonal" else _ends(np.append(y, 0.0))
        rightly = ends if self.line == "diagonal" else (0.0, 0.0)
        axes.plot(x, y, linestyle="", marker="o", markersize=3.6, markeredgewidth=0, color=SHADES[0], alpha=0.55)
        axes.plot(ends, rightly, color=ACCENT, linewidth=1.4, linestyle=(0, (5, 1.5)))
        axes.set(xlim=ends, ylim=heights)
        ticks(axes.xaxis, 5)
        ticks(axes.yaxis, 5)
        axes.set_xlabel(sheet.fitted(self.across, box.width - 80, SMALL), fontsize=SMALL, color=FAINT, labelpad=2)
        axes.set_ylabel(sheet.fitted(self.upward, box.height - 60, SMALL), fontsize=SMALL, color=FAINT, labelpad=3)
        for text in (axes.xaxis.label, axes.yaxis.label):
            text.set_color(INK)


def _ends(values: np.ndarray) -> tuple[float, float]:
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    room = (high - low) * 0.04 or 1.0
    return low - room, high + room
