"""Curves over epochs, of one run or of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dltrain.figures.page import GAP, Page, Row
from dltrain.figures.panels import gridded, ticks
from dltrain.figures.sheet import ACCENT, BODY, FAINT, INK, SHADES, SMALL, Box, Sheet
from dltrain.figures.terminal import is_logarithmic
from dltrain.wording import number

HUES = (SHADES[0], ACCENT, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", FAINT)
"""The sheet's blue, then hues that colour-blind readers tell apart (M. Okabe and K. Ito, "Color universal design",
2008); further curves take them again, dashed."""
FEW = 30
"""Epochs up to which each has a dot."""
POINTS = 400
"""Epochs up to which each is drawn; of more, the least and the most of each stretch."""


@dataclass(frozen=True)
class Line:
    """A curve over epochs.

    Args:
        name: what it is of.
        epochs: rising, counted from 1.
        values: at these; what is not finite leaves a gap.
        hue: which colour, counted from 0.
        deviations: of the values, drawn as a band around them; none for none.
    """

    name: str
    epochs: Sequence[int] | np.ndarray
    values: Sequence[float] | np.ndarray
    hue: int = 0
    deviations: Sequence[float] | None = None


@dataclass(frozen=True)
class Chart:
    """Curves of one metric.

    Args:
        title: of which.
        lines: the curves.
        best: the epoch whose weights are kept; none if there is not the one.
        may_be_logarithmic: whether values over several orders of magnitude get a logarithmic scale.
        from_zero: whether the scale begins at 0.
        over: what is counted from 1.
        is_named: whether the names of the lines stand below; otherwise a `Legend` has them.
    """

    title: str
    lines: Sequence[Line]
    best: int | None = None
    may_be_logarithmic: bool = False
    from_zero: bool = False
    over: str = "epoch"
    is_named: bool = False

    @property
    def height(self) -> float:
        """In pixels."""
        return 290

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the curves over epochs, and the best epoch as a broken line."""
        values = np.concatenate([np.asarray(line.values, float) for line in self.lines])
        epochs = np.concatenate([line.epochs for line in self.lines])
        finite = values[np.isfinite(values)].tolist()
        logarithmic = self.may_be_logarithmic and is_logarithmic(finite)
        wide = sheet.write(box.left, box.top, self.title, box.width, BODY, weight="bold")
        if logarithmic and wide + 110 < box.width:
            sheet.write(box.left + wide + 12, box.top + 1, "logarithmic", 110, SMALL, color=FAINT)
        box = box.below(30)
        axes = sheet.axes(Box(box.left + 56, box.top, box.width - 68, box.height - (66 if self.is_named else 40)))
        gridded(axes, "y")
        if logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: number(value))
            axes.yaxis.set_minor_formatter(lambda value, _: "")
        for line in self.lines:
            _stroke(axes, replace(line, name=sheet.fitted(line.name, 180, SMALL)))
        first, last = float(epochs.min()), float(epochs.max())
        if self.best is not None and last > first:
            axes.axvline(self.best, color=FAINT, linewidth=1, linestyle=(0, (3, 3)), label=f"best: {self.best}")
        if self.is_named:
            axes.legend(fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(-0.16, -0.2), ncols=3,
                        borderaxespad=0.2, handlelength=2, columnspacing=1.2, labelcolor=INK)  # fmt: skip
        room = max(0.02 * (last - first), 0.05 if last > first else 0.5)
        axes.set_xlim(first - room, last + room)
        ticks(axes.xaxis, int(min(6, max(last - first, 1))), whole=True)
        if not logarithmic:
            ticks(axes.yaxis, 5)
            if self.from_zero and finite:
                axes.set_ylim(0, max(finite) * 1.08 or 1.0)
        axes.set_xlabel(self.over, fontsize=SMALL, color=FAINT, labelpad=1, loc="right")


@dataclass(frozen=True)
class Legend:
    """The names of the curves.

    Args:
        names: of each hue.
        faint: what the thin lines are; "" where there are none.
    """

    names: Sequence[str]
    faint: str = ""

    @property
    def height(self) -> float:
        """In pixels."""
        return 22.0 * -(-len(self.names) // 2) + (22 if self.faint else 0)

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws a stroke and a name for each, in two columns."""
        for index, name in enumerate(self.names):
            x, y = box.left + (index % 2) * (box.width + GAP) / 2, box.top + 22 * (index // 2)
            gaps = ((0, 34),) if _dashes(index) == "-" else ((0, 14), (20, 14))
            for start, wide in gaps:
                sheet.fill(Box(x + start, y + 8, wide, 3), HUES[index % len(HUES)])
            sheet.write(x + 46, y, name, box.width / 2 - 60, BODY)
        if self.faint:
            sheet.write(box.left, box.top + self.height - 22, self.faint, box.width, SMALL, color=FAINT)


def page(title: str, summary: dict[str, str], legend: Legend, charts: Sequence[Chart]) -> Page:
    """Returns a page of charts, two beside each other."""
    pairs = [tuple(charts[start : start + 2]) for start in range(0, len(charts), 2)]
    columns = min(2, len(charts))
    return Page(title, summary, (Row((legend,)), *(Row(pair, columns=columns) for pair in pairs)))


def _stroke(axes: Any, line: Line) -> None:
    colour = HUES[line.hue % len(HUES)]
    epochs, values = thinned(np.asarray(line.epochs), np.asarray(line.values, float))
    dots = "o" if len(epochs) <= FEW else ""
    style = _dashes(line.hue)
    axes.plot(epochs, values, color=colour, linestyle=style, linewidth=1.6, marker=dots, markersize=4, label=line.name)
    if line.deviations is not None:
        middle, deviations = np.asarray(line.values, float), np.asarray(line.deviations, float)
        low = middle - deviations
        if axes.get_yscale() == "log":  # on which nothing lies below zero
            low = np.maximum(low, middle / 10)
        axes.fill_between(line.epochs, low, middle + deviations, color=colour, alpha=0.18, linewidth=0)


def _dashes(hue: int) -> str:
    return "-" if hue < len(HUES) else "--"


def thinned(epochs: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns a line's points; of very many, the least and the most of each stretch, so that no peak is lost."""
    if len(epochs) <= POINTS:
        return epochs, values
    kept: list[int] = []
    for stretch in np.array_split(np.arange(len(epochs)), POINTS // 2):
        inside = np.where(np.isfinite(values[stretch]), values[stretch], np.nan)
        if np.isnan(inside).all():
            kept.append(int(stretch[0]))
        else:
            kept += sorted({int(stretch[np.nanargmin(inside)]), int(stretch[np.nanargmax(inside)])})
    return epochs[kept], values[kept]
