"""The panel of a search: the value of each trial, in their order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dltrain.figures.panels import gridded, ticks, titled
from dltrain.figures.sheet import ACCENT, FAINT, PAPER, SHADES, SMALL, Box, Sheet

DOTS = {"finished": SHADES[0], "pruned": PAPER}
"""How trials are drawn: those that were trained to their end full, those that were cut short hollow."""


@dataclass(frozen=True)
class History:
    """A dot for each trial, and the best so far as a line.

    Args:
        title: what they are worth.
        values: of each trial, in their order; none where it has none.
        statuses: "finished", "pruned" or another, whose trials are left out; of the same length.
        larger_is_better: whether more is better.
    """

    title: str
    values: Sequence[float | None]
    statuses: Sequence[str]
    larger_is_better: bool

    @property
    def height(self) -> float:
        """In pixels."""
        return 310

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws dots over the number of the trial; only those that were trained to their end can be the best."""
        box = titled(sheet, box, self.title, "line: best so far; filled: finished; hollow: pruned")
        axes = sheet.axes(Box(box.left + 56, box.top, box.width - 68, box.height - 40))
        gridded(axes, "y")
        followed = self._best_so_far()
        axes.step(range(1, len(followed) + 1), followed, where="post", color=ACCENT, linewidth=1.6)
        for status, inside in DOTS.items():
            numbers = [number for number, it in enumerate(self.statuses, 1) if it == status]
            values = [self.values[number - 1] for number in numbers]
            axes.plot(numbers, [math.nan if it is None else it for it in values], linestyle="", marker="o",
                      markersize=4.5, color=SHADES[0], markerfacecolor=inside)  # fmt: skip
        axes.set_xlim(0.5, len(self.values) + 0.5)
        ticks(axes.xaxis, 6, whole=True)
        ticks(axes.yaxis, 5)
        axes.set_xlabel("trial", fontsize=SMALL, color=FAINT, labelpad=1, loc="right")

    def _best_so_far(self) -> list[float]:
        best, followed = math.nan, []
        better = max if self.larger_is_better else min
        for value, status in zip(self.values, self.statuses, strict=True):
            if status == "finished" and value is not None:
                best = value if math.isnan(best) else better(best, value)
            followed.append(best)
        return followed
