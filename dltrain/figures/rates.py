"""The loss over the learning rate, as a range test finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dltrain.figures.panels import ticks, titled
from dltrain.figures.sheet import ACCENT, FAINT, FRAME, INK, SHADES, SMALL, Box, Sheet
from dltrain.wording import number


@dataclass(frozen=True)
class Rates:
    """Losses over a logarithmic scale of rates.

    Args:
        note: what is said of it.
        rates: rising.
        losses: of single batches, drawn lightly.
        smoothed: drawn as the curve.
        suggested: marked; none for none.
    """

    note: str
    rates: Sequence[float]
    losses: Sequence[float]
    smoothed: Sequence[float]
    suggested: float | None

    @property
    def height(self) -> float:
        """In pixels."""
        return 420

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws dots, the curve, and the suggestion as a broken line."""
        box = titled(sheet, box, "Loss over the learning rate", self.note)
        axes = sheet.axes(Box(box.left + 62, box.top, box.width - 74, box.height - 44))
        axes.spines["left"].set(visible=True, color=FRAME)
        axes.grid(axis="y", color=FRAME, linewidth=0.4, alpha=0.6)
        axes.plot(self.rates, self.losses, linestyle="", marker=".", markersize=4, color=SHADES[1])
        axes.plot(self.rates, self.smoothed, color=SHADES[0], linewidth=2)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
        ticks(axes.yaxis, 6)
        low, high = min(self.smoothed), max(self.smoothed)
        room = 0.15 * (high - low) or 1.0
        axes.set_ylim(low - room, high + room)  # single batches may lie far out
        axes.set_xlabel("learning rate", fontsize=SMALL, color=FAINT, labelpad=1, loc="right")
        if self.suggested is not None:
            axes.axvline(self.suggested, color=ACCENT, linewidth=1.4, linestyle=(0, (4, 2)))
            axes.text(self.suggested, high, f" {number(self.suggested)}", size=SMALL, color=INK, va="center")
