"""Vectors in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dltrain.data import spaced
from dltrain.figures.panels import titled
from dltrain.figures.sheet import SMALL, Box, Sheet

COLOURS = ("#1f4e79", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#5f5f5f")
MARKERS = "o^sDvP"
"""With colours, 48 classes are told apart; further ones look like the first."""

POINTS = 2000
"""Points that are drawn, at most: evenly spaced ones."""


@dataclass(frozen=True)
class Plane:
    """A point for each example, by its class.

    Args:
        title: of what.
        note: what else there is to say.
        points: (examples, 2).
        members: the class of each, (examples,).
        names: of the classes; none where there are no classes.
    """

    title: str
    note: str
    points: np.ndarray
    members: np.ndarray
    names: Sequence[str]

    @property
    def height(self) -> float:
        """In pixels."""
        return 460

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the points, and a legend where there are classes."""
        box = titled(sheet, box, self.title, self.note)
        axes = sheet.axes(box._replace(height=box.height - 12))
        axes.spines["bottom"].set(visible=False)
        drawn = spaced(len(self.points), POINTS)
        points, members = self.points[drawn], self.members[drawn]
        for place in np.unique(members):
            colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place // len(COLOURS) % len(MARKERS)]
            name = self.names[place] if len(self.names) else None
            style: dict[str, Any] = {
                "marker": marker,
                "markersize": 3.6,
                "markeredgewidth": 0,
                "color": colour,
                "alpha": 0.65,
            }
            axes.plot(*points[members == place].T, linestyle="", label=name, **style)
        if len(self.names):
            axes.legend(fontsize=SMALL, frameon=False, loc="best", handletextpad=0.2, ncols=1 + len(self.names) // 16)
        axes.set(xticks=[], yticks=[])
