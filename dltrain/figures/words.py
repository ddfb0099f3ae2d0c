"""How often words occur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dltrain.figures.panels import titled
from dltrain.figures.sheet import FAINT, FRAME, INK, SHADES, SMALL, Box, Sheet


@dataclass(frozen=True)
class Frequencies:
    """How often each word occurs, and how often it is read.

    Args:
        title: of what.
        note: what else there is to say.
        counts: of the words, the most frequent first, (words,).
        left: the same as sub-sampling leaves them.
        names: of the first words.
    """

    title: str
    note: str
    counts: np.ndarray
    left: np.ndarray
    names: Sequence[str]

    @property
    def height(self) -> float:
        """In pixels."""
        return 260

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws counts over ranks, both logarithmic, and names the first words."""
        box = titled(sheet, box, self.title, self.note)
        axes = sheet.axes(Box(box.left + 52, box.top, box.width - 64, min(box.height, 340) - 64))
        axes.spines["left"].set(visible=True, color=FRAME)
        ranks = np.arange(1, len(self.counts) + 1)
        axes.fill_between(ranks, self.left, 0.5, color=SHADES[2], label="read in an epoch")
        axes.plot(ranks, self.counts, color=SHADES[0], linewidth=1.5, label="in the train part")
        axes.set(xscale="log", yscale="log", xlim=(1, max(len(ranks), 2)), ylim=(0.5, self.counts[0] * 2))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axis.set_minor_formatter(lambda *_: "")
        axes.legend(fontsize=SMALL, frameon=False, loc="upper right", borderaxespad=0)
        axes.set_xlabel("word, by its rank", fontsize=SMALL, color=FAINT, labelpad=1, loc="right")
        words = sheet.fitted(f"The most frequent: {', '.join(self.names)}", box.width, SMALL)
        sheet.write(box.left, box.top + min(box.height, 340) - 30, words, box.width, SMALL, color=INK)
