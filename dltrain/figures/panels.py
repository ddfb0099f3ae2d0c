"""What a page is made of: each panel holds its numbers, and draws itself into a box of a sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dltrain.figures.sheet import BODY, FAINT, FRAME, INK, SHADES, SMALL, Box, Sheet
from dltrain.wording import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE, TILE = 23, 196
"""Pixels: a line of a list; the height of a panel that stands beside many others."""


def titled(sheet: Sheet, box: Box, title: str, note: str) -> Box:
    """Writes a panel's title and note; returns what is left of its box."""
    sheet.write(box.left, box.top, title, box.width, BODY, weight="bold")
    lines = sheet.wrapped(note, box.width, SMALL, 2)
    reserved = 2 if box.width < 400 else len(lines)  # so that frames of tiles stand in one line
    for index, line in enumerate(lines):
        sheet.write(box.left, box.top + 20 + 16 * index, line, box.width, SMALL, color=FAINT)
    return box.below(30 + 16 * reserved)


def gridded(axes: Any, axis: Literal["both", "y"] = "both") -> None:
    """Draws the axis on the left, and lines of the grid behind all else."""
    axes.spines["left"].set(visible=True, color=FRAME)
    axes.grid(axis=axis, color=FRAME, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)


def ticks(axis: Any, most: int, whole: bool = False) -> None:
    """Sets how many ticks an axis has at most, and writes their numbers short."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(most, integer=whole))
    axis.set_major_formatter(lambda value, _: number(value))


def _yardstick(axes: Axes, mean: float, deviation: float) -> None:
    """Draws the mean, and one deviation to each of its sides, across the top of a histogram."""
    axes.axvline(mean, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.errorbar(mean, 1.08, xerr=deviation, color=INK, linewidth=1.2, capsize=4, marker="o", markersize=4)


@dataclass(frozen=True)
class Bars:
    """How many examples each class has, in each part of the data.

    Args:
        title: what is counted.
        names: of the classes that are shown.
        counts: for each part, of each of them.
        left_out: what is said of the others; none where all are shown.
        left_out_at: before which of the names it is said.
    """

    title: str
    names: Sequence[str]
    counts: Mapping[str, Sequence[int]]
    left_out: str = ""
    left_out_at: int = 0

    @property
    def height(self) -> float:
        """In pixels."""
        return 34 + LINE * (len(self.names) + bool(self.left_out))

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws a bar for each class, its parts one behind the other, and their sizes as numbers."""
        x = box.left + sheet.write(box.left, box.top, self.title, box.width - 260, BODY, weight="bold") + 20
        for shade, part in zip(SHADES, self.counts, strict=False):
            sheet.fill(Box(x, box.top + 1, 11, 11), shade, FAINT)
            x += 17 + sheet.write(x + 17, box.top + 1, part, 90, SMALL) + 14
        box = box.below(30)
        sizes = list(zip(*self.counts.values(), strict=True))
        numbers = [" + ".join(f"{count:,}" for count in of_class) for of_class in sizes]
        name_width, number_width = box.width * 0.28, 8.0 * max(map(len, numbers)) + 8
        across = (box.width - name_width - number_width) / max(*map(sum, sizes), 1)
        for index, name in enumerate(self.names):
            y = box.top + LINE * (index + (bool(self.left_out) and index >= self.left_out_at))
            sheet.write(box.left + name_width - 8, y + 10, name, name_width - 8, SMALL, ha="right", va="center")
            x = box.left + name_width
            for shade, count in zip(SHADES, sizes[index], strict=False):
                if count:
                    sheet.fill(Box(x, y + 2, across * count, LINE - 7), shade, FAINT)
                x += across * count
            sheet.write(x + 8, y + 10, numbers[index], number_width, SMALL, color=FAINT, va="center")
        if self.left_out:
            y = box.top + LINE * self.left_out_at
            sheet.write(box.left + name_width, y + 10, self.left_out, box.width - name_width, SMALL, va="center")


@dataclass(frozen=True)
class Histogram:
    """How values are distributed.

    Args:
        title: of what.
        note: what else there is to say.
        edges: of the bins, rising, (bins + 1,).
        shares: of the values in each bin, for each part that is drawn, the first as an area.
        mean: over the train part, which normalisation uses; none where it uses none.
        deviation: likewise.
        tick: how a value is written; numbers as usual, if none.
    """

    title: str
    note: str
    edges: np.ndarray
    shares: Mapping[str, np.ndarray]
    mean: float | None = None
    deviation: float | None = None
    tick: Callable[[float], str] | None = None

    @property
    def height(self) -> float:
        """In pixels."""
        return TILE

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws areas and outlines, and mean and deviation as a yardstick above."""
        box = titled(sheet, box, self.title, self.note)
        axes = sheet.axes(box._replace(height=min(box.height, 260) - 24))
        first, *others = self.shares.items()
        top = max(float(np.max(shares)) for shares in self.shares.values()) or 1.0
        axes.stairs(first[1] / top, self.edges, fill=True, color=SHADES[1])
        axes.stairs(first[1] / top, self.edges, color=SHADES[0], linewidth=0.8, label=first[0])
        for style, (part, shares) in zip(("--", ":"), others, strict=False):
            axes.stairs(shares / top, self.edges, color=INK, linewidth=1.2, linestyle=style, label=part)
        if others:
            axes.legend(fontsize=SMALL, frameon=False, loc="upper right", borderaxespad=0)
        if self.mean is not None and self.deviation is not None:
            _yardstick(axes, self.mean, self.deviation)
        axes.set(yticks=[], ylim=(0, 1.2), xlim=(self.edges[0], self.edges[-1]))
        if self.tick is None:
            ticks(axes.xaxis, min(5, int(box.width // 90)), whole=bool(self.edges[0] % 1 == 0.5))
        else:
            places = self.edges[0] + np.array([0.2, 0.8]) * (self.edges[-1] - self.edges[0])
            axes.set_xticks(places, [self.tick(place) for place in places])


@dataclass(frozen=True)
class Shares:
    """Which share of the examples has what, the largest first.

    Args:
        title: of what.
        note: what else there is to say.
        names: of what is shown.
        shares: of the examples, 0 to 1.
    """

    title: str
    note: str
    names: Sequence[str]
    shares: Sequence[float]

    @property
    def height(self) -> float:
        """In pixels."""
        return TILE

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws a bar for each."""
        box = titled(sheet, box, self.title, self.note)
        name_width, most = box.width * 0.45, max([*self.shares, 1e-9])
        across = (box.width - name_width - 50) / most
        for index, (name, share) in enumerate(zip(self.names, self.shares, strict=True)):
            y, x = box.top + index * 21, box.left + name_width
            sheet.write(x - 6, y + 9, name, name_width - 8, SMALL, ha="right", va="center")
            sheet.fill(Box(x, y + 2, max(across * float(share), 1), 14), SHADES[1])
            sheet.write(x + across * share + 6, y + 9, f"{share:.1%}", 50, SMALL, color=FAINT, va="center")


@dataclass(frozen=True)
class Bands:
    """How the values of many features are distributed, feature beside feature.

    Args:
        title: of what.
        note: what else there is to say.
        quantiles: smallest, quarter, median, three quarters and largest of each feature, (5, features).
        means: of each feature over the train part, which normalisation uses.
    """

    title: str
    note: str
    quantiles: np.ndarray
    means: np.ndarray

    @property
    def height(self) -> float:
        """In pixels."""
        return 300

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the range as a light band, the middle half as a darker one, and mean and median as lines."""
        box = titled(sheet, box, self.title, self.note)
        axes = sheet.axes(Box(box.left + 52, box.top, box.width - 52, box.height - 46))
        features = np.arange(1, self.quantiles.shape[1] + 1)
        low, quarter, median, upper, high = self.quantiles
        axes.fill_between(features, low, high, step="mid", color=SHADES[2], label="smallest to largest")
        axes.fill_between(features, quarter, upper, step="mid", color=SHADES[1], label="middle half")
        axes.step(features, median, where="mid", color=SHADES[0], linewidth=1.5, label="median")
        axes.plot(features, self.means, color=INK, linestyle="", marker=".", markersize=4, label="mean")
        axes.set_xlim(0.5, len(features) + 0.5)
        ticks(axes.xaxis, 8, whole=True)
        ticks(axes.yaxis, 5)
        below: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.1), "ncols": 4, "borderaxespad": 0.2}
        axes.legend(fontsize=SMALL, frameon=False, handlelength=1.2, handletextpad=0.4, columnspacing=1, **below)


@dataclass(frozen=True)
class Curve:
    """The learning rate over the run.

    Args:
        note: what is said of it.
        steps: counted from 1.
        rates: at these.
        warmup: how many steps warm up.
        steps_per_epoch: for the second scale.
    """

    note: str
    steps: np.ndarray
    rates: np.ndarray
    warmup: int
    steps_per_epoch: int

    @property
    def height(self) -> float:
        """In pixels."""
        return 260

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the curve over steps, with epochs as a second scale below."""
        box = titled(sheet, box, "Learning rate", self.note)
        high = min(box.height, 340) - 64
        axes = sheet.axes(Box(box.left + 62, box.top, box.width - 74, high))
        axes.spines["left"].set(visible=True, color=FRAME)
        axes.plot(self.steps, self.rates, color=SHADES[0], linewidth=2)
        last = max(float(self.steps[-1]), 2.0)
        axes.set(ylim=(0, float(self.rates.max()) * 1.08), xlim=(1, last))
        ticks(axes.xaxis, 6, whole=True)
        ticks(axes.yaxis, 5)
        axes.set_xlabel("step", fontsize=SMALL, color=FAINT, labelpad=1, loc="right")
        if self.warmup:
            axes.axvline(self.warmup, color=INK, linewidth=1, linestyle=(0, (4, 2)))
            late = self.warmup > 0.6 * last
            axes.text(self.warmup, 0, " end of the warm-up ", size=SMALL, ha="right" if late else "left", va="bottom")
        per_epoch = self.steps_per_epoch
        scales: Any = (lambda step: step / per_epoch, lambda epoch: epoch * per_epoch)
        epochs = axes.secondary_xaxis(-38 / high, functions=scales)
        epochs.tick_params(labelsize=SMALL, colors=FAINT, length=3)
        epochs.spines["bottom"].set_color(FRAME)
        ticks(epochs.xaxis, 6, whole=last >= 3 * per_epoch)
        epochs.set_xlabel("epochs", fontsize=SMALL, color=FAINT, labelpad=1, loc="right")
