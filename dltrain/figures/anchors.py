"""Sizes and shapes of objects over those of a detector's anchors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dltrain.figures.panels import gridded, titled
from dltrain.figures.sheet import ACCENT, FAINT, INK, SHADES, SMALL, Box, Sheet

_LEAST = 0.01
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class AnchorSizes:
    """Widths and heights, on logarithmic scales: what lies far from all anchors is hard to learn.

    Args:
        title: of what.
        note: what else there is to say.
        objects: width and height of each in shares of the image, (objects, 2).
        is_matched: which of them an anchor overlaps enough, (objects,), bool.
        anchors: width and height of the different anchors, likewise, (anchors, 2).
    """

    title: str
    note: str
    objects: np.ndarray
    is_matched: np.ndarray
    anchors: np.ndarray

    @property
    def height(self) -> float:
        """In pixels."""
        return 400

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws a dot for each object and a cross for each kind of anchor."""
        box = titled(sheet, box, self.title, self.note)
        axes = sheet.axes(Box(box.left + 50, box.top + 4, box.width - 62, box.height - 62))
        gridded(axes)
        size = max(2.0, 60 / np.sqrt(max(len(self.objects), 1)))
        for chosen, colour, words in ((self.is_matched, SHADES[1], "objects"), (~self.is_matched, ACCENT, "no match")):
            x, y = np.maximum(self.objects[chosen], _LEAST).T
            axes.plot(x, y, linestyle="", marker="o", markersize=size, color=colour, alpha=0.7, mew=0, label=words)
        x, y = np.maximum(self.anchors, _LEAST).T
        axes.plot(x, y, linestyle="", marker="+", markersize=8, color=INK, mew=1.4, label="anchors")
        for axis, set_scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
            set_scale("log")
            axis.set_ticks(_TICKS, [f"{each:g}" for each in _TICKS], minor=False)
            axis.set_ticks([], minor=True)
        top = max(1.0, float(self.anchors.max(initial=1.0))) * 1.1
        axes.set(xlim=(_LEAST * 0.9, top), ylim=(_LEAST * 0.9, top))
        axes.set_xlabel("width, share of the image", fontsize=SMALL, color=FAINT, labelpad=2)
        axes.set_ylabel("height", fontsize=SMALL, color=FAINT, labelpad=3)
        axes.legend(fontsize=SMALL, frameon=False, loc="upper left", handletextpad=0.2)
