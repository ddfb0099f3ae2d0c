"""Values over time: lines, bands around them, and stretches of time that are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dltrain.figures.curves import HUES
from dltrain.figures.panels import ticks, titled
from dltrain.figures.sheet import FAINT, FRAME, INK, SHADES, SMALL, Box, Sheet

POINTS = 1500
"""Of a line; of more, the least and the most of each stretch."""


@dataclass(frozen=True)
class Trace:
    """A line over time.

    Args:
        name: what it is; "" for one that the legend leaves out.
        places: where its values are, rising.
        values: at these; what is not finite leaves a gap.
        hue: which colour, counted from 0.
        low: the lower end of a band around it; none for none.
        high: the upper end.
    """

    name: str
    places: np.ndarray
    values: np.ndarray
    hue: int = 0
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True)
class Stretches:
    """Lines over time, and below them what stretches of time are called.

    Args:
        title: what it shows.
        note: what else there is to say.
        traces: the lines.
        spans: name, first and last place of stretches that are shaded, in turns.
        marks: places with words below them, such as dates; none for numbers.
        tall: pixels.
        over: what the places are.
    """

    title: str
    note: str
    traces: Sequence[Trace]
    spans: Sequence[tuple[str, float, float]] = ()
    marks: Sequence[tuple[float, str]] = ()
    tall: int = 250
    over: str = ""

    @property
    def height(self) -> float:
        """In pixels."""
        return self.tall

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the stretches, the bands and the lines above them."""
        box = titled(sheet, box, self.title, self.note)
        axes = sheet.axes(Box(box.left + 58, box.top, box.width - 70, box.height - (50 if self.is_named else 30)))
        axes.spines["left"].set(visible=True, color=FRAME)
        top = axes.get_xaxis_transform()
        for index, (name, first, last) in enumerate(self.spans):
            axes.axvspan(first, last, color=SHADES[2], alpha=0.9 if index % 2 else 0.3, linewidth=0)
            axes.text(first, 1.0, f" {name}", size=SMALL, color=INK, va="top", transform=top, clip_on=True)
        for trace in self.traces:
            colour = HUES[trace.hue % len(HUES)]
            if trace.low is not None and trace.high is not None:
                axes.fill_between(trace.places, trace.low, trace.high, color=colour, alpha=0.22, linewidth=0)
            places, values = _thinned(trace.places, np.asarray(trace.values, float))
            dots = "o" if len(places) == 1 else ""
            name = sheet.fitted(trace.name, 160, SMALL) if trace.name else "_"
            axes.plot(places, values, color=colour, linewidth=1.3, marker=dots, markersize=4, label=name)
        if self.marks:
            axes.set_xticks([place for place, _ in self.marks], [words for _, words in self.marks])
        else:
            ticks(axes.xaxis, 8, whole=True)
        ticks(axes.yaxis, 5)
        axes.margins(x=0.01)
        if self.over:
            axes.set_xlabel(self.over, fontsize=SMALL, color=FAINT, labelpad=1, loc="right")
        if self.is_named:
            axes.legend(fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(-0.05, -0.16), ncols=4,
                        borderaxespad=0.2, handlelength=2, columnspacing=1.2, labelcolor=INK)  # fmt: skip

    @property
    def is_named(self) -> bool:
        """Whether any line has a name, for which there is a legend."""
        return any(trace.name for trace in self.traces)


def _thinned(places: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(places) <= POINTS:
        return places, values
    kept: list[int] = []
    for stretch in np.array_split(np.arange(len(places)), POINTS // 2):
        inside = values[stretch]
        if np.isnan(inside).all():
            kept.append(int(stretch[0]))
        else:
            kept += sorted({int(stretch[np.nanargmin(inside)]), int(stretch[np.nanargmax(inside)])})
    return places[kept], values[kept]
