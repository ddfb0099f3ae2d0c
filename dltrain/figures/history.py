"""How a run went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dltrain.figures.panels import number, ticks, titled
from dltrain.figures.sheet import ACCENT, FAINT, FRAME, INK, SHADES, SMALL, Box, Sheet

POINTS = 400
"""Epochs up to which each is drawn; of more, the least and the most of each stretch."""

STRETCH = 30.0
"""The ratio of largest to smallest from which on a loss is drawn on a logarithmic scale."""


@dataclass(frozen=True)
class History:
    """One measure over the epochs.

    Args:
        title: what it is.
        epochs: counted from 1.
        lines: values of each part of the data, the training part first; what is not finite leaves a gap.
        note: what else there is to say.
        best: the epoch whose weights are kept; none if it is not known.
        may_be_logarithmic: whether values over several orders of magnitude get a logarithmic scale.
        from_zero: whether the scale begins at 0.
        over: what is counted from 1.
    """

    title: str
    epochs: np.ndarray
    lines: Mapping[str, np.ndarray]
    note: str = ""
    best: int | None = None
    may_be_logarithmic: bool = False
    from_zero: bool = False
    over: str = "epoch"

    @property
    def height(self) -> float:
        """In pixels."""
        return 290

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws a line for each part and the best epoch as a broken one."""
        values = np.concatenate([*self.lines.values()])
        values = values[np.isfinite(values)]
        is_logarithmic = self.may_be_logarithmic and len(values) and values.min() > 0
        is_logarithmic = bool(is_logarithmic and values.max() / values.min() > STRETCH)
        note = "; ".join(filter(None, [self.note, "logarithmic scale" if is_logarithmic else ""]))
        box = titled(sheet, box, self.title, note or " ")
        axes = sheet.axes(Box(box.left + 56, box.top, box.width - 68, box.height - 66))
        axes.spines["left"].set(visible=True, color=FRAME)
        axes.grid(axis="y", color=FRAME, linewidth=0.4, alpha=0.6)
        axes.set_axisbelow(True)
        looks = ((SHADES[0], "-"), (ACCENT, (0, (5, 1.5))), (INK, ":"))
        for (color, style), (name, line) in zip(looks, self.lines.items(), strict=False):
            xs, ys = _thinned(self.epochs, line)
            dots = "." if len(xs) <= 30 else ""
            axes.plot(xs, ys, color=color, linestyle=style, linewidth=1.6, marker=dots, markersize=5, label=name)
        if self.best is not None and len(self.epochs) > 1:
            axes.axvline(self.best, color=FAINT, linewidth=1, linestyle=(0, (3, 3)), label=f"best: {self.best}")
        axes.legend(fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(-0.16, -0.2), ncols=3,
                    borderaxespad=0.2, handlelength=2, columnspacing=1.2, labelcolor=INK)  # fmt: skip
        room = max(0.02 * (self.epochs[-1] - self.epochs[0]), 0.05 if len(self.epochs) > 1 else 0.5)
        axes.set_xlim(self.epochs[0] - room, self.epochs[-1] + room)
        ticks(axes.xaxis, min(6, max(len(self.epochs) - 1, 1)), whole=True)
        if is_logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(lambda value, _: number(value))
            axes.yaxis.set_minor_formatter(lambda value, _: "")
        else:
            ticks(axes.yaxis, 5)
            if self.from_zero and len(values):
                axes.set_ylim(0, float(values.max()) * 1.08 or 1.0)
        axes.set_xlabel(self.over, fontsize=SMALL, color=FAINT, labelpad=1, loc="right")


def _thinned(epochs: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
