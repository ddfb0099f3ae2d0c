"""Curves over epochs, of one run or of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dltrain.figures.page import GAP, Page, Row
from dltrain.figures.panels import number
from dltrain.figures.sheet import BODY, FAINT, FRAME, INK, SHADES, SMALL, Box, Sheet
from dltrain.figures.terminal import is_logarithmic

HUES = (SHADES[0], "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5f5f5f")
"""The sheet's blue, then hues that colour-blind readers tell apart (M. Okabe and K. Ito, "Color universal design",
2008); further curves take them again, dashed."""
FEW = 25
"""Epochs up to which each has a dot."""


@dataclass(frozen=True)
class Line:
    """A curve.

    Args:
        epochs: rising.
        values: at these.
        hue: which colour, counted from 0.
        is_faint: thin and light: of less weight than the others.
        deviations: of the values, drawn as a band around them; none for none.
    """

    epochs: Sequence[int]
    values: Sequence[float]
    hue: int = 0
    is_faint: bool = False
    deviations: Sequence[float] | None = None


@dataclass(frozen=True)
class Chart:
    """Curves of one metric.

    Args:
        title: of which.
        lines: the curves.
        mark: an epoch and its value that stand out; none for none.
        is_linear: also where values lie far apart.
    """

    title: str
    lines: Sequence[Line]
    mark: tuple[int, float] | None = None
    is_linear: bool = False

    @property
    def height(self) -> float:
        """In pixels."""
        return 330

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the curves over epochs; on a logarithmic scale where values lie far apart."""
        values = [value for line in self.lines for value in line.values]
        epochs = [epoch for line in self.lines for epoch in line.epochs]
        logarithmic = is_logarithmic(values) and not self.is_linear
        title = f"{self.title}, logarithmic" if logarithmic else self.title
        sheet.write(box.left, box.top, title, box.width, BODY, weight="bold")
        axes = sheet.axes(Box(box.left + 62, box.top + 26, box.width - 74, box.height - 70))
        axes.spines["left"].set(visible=True, color=FRAME)
        axes.grid(axis="y", color=FRAME, linewidth=0.5, alpha=0.5)
        if logarithmic:
            axes.set_yscale("log")
        for line in sorted(self.lines, key=lambda line: not line.is_faint):
            self._draw(axes, line)
        if self.mark is not None:
            axes.plot(*self.mark, marker="o", markersize=7, markerfacecolor="none", color=INK, clip_on=False)
        low, high = min(epochs), max(epochs)
        axes.set_xlim(*((low, high) if high > low else (low - 0.5, high + 0.5)))
        _scales(axes, logarithmic)
        axes.set_xlabel("epoch", fontsize=SMALL, color=FAINT, labelpad=1, loc="right")

    def _draw(self, axes: Any, line: Line) -> None:
        colour = HUES[line.hue % len(HUES)]
        style: dict[str, Any] = {
            "color": colour,
            "linewidth": 1.0 if line.is_faint else 2.0,
            "alpha": 0.45 if line.is_faint else 1.0,
            "linestyle": _dashes(line.hue),
        }
        if len(line.epochs) <= FEW:
            style |= {"marker": "o", "markersize": 3 if line.is_faint else 5, "clip_on": False}
        axes.plot(line.epochs, line.values, **style)
        if line.deviations is not None:
            pairs = list(zip(line.values, line.deviations, strict=True))
            low, high = [value - deviation for value, deviation in pairs], [sum(pair) for pair in pairs]
            if axes.get_yscale() == "log":
                low = [max(each, value / 10) for each, value in zip(low, line.values, strict=True)]
            axes.fill_between(line.epochs, low, high, color=colour, alpha=0.18, linewidth=0)


@dataclass(frozen=True)
class Legend:
    """What the curves are.

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


def page(title: str, facts: dict[str, str], legend: Legend, charts: Sequence[Chart]) -> Page:
    """Returns a page of charts, two beside each other."""
    pairs = [tuple(charts[start : start + 2]) for start in range(0, len(charts), 2)]
    columns = min(2, len(charts))
    return Page(title, facts, (Row((legend,)), *(Row(pair, columns=columns) for pair in pairs)))


def _dashes(hue: int) -> str:
    return "-" if hue < len(HUES) else "--"


def _scales(axes: Any, logarithmic: bool) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True))
    axes.xaxis.set_major_formatter(lambda value, _: number(value))
    low, high = axes.get_ylim()
    between = (1.0, 3.0) if logarithmic and high < 1000 * low else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=between) if logarithmic else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    axes.yaxis.set_minor_locator(NullLocator())
